import type { ResourceType } from "./provider.ts";

export const lambda: Record<string, ResourceType> = {
  "aws:lambda/layerVersion:LayerVersion": {
    inputs: ["layerName", "description", "code", "compatibleArchitectures", "compatibleRuntimes"],
    async provision({ inputs }, { lambda, region, accountId }) {
      const arn = `arn:aws:lambda:${region}:${accountId}:layer:${inputs.layerName}:1`;
      await lambda.createLayer(arn, inputs.code);
      return { id: arn, state: { ...inputs, arn } };
    },
  },

  "aws:lambda/function:Function": {
    inputs: [
      "name",
      "tags.*",
      "runtime",
      "architectures",
      "handler",
      "code",
      "layers",
      "role",
      "memorySize",
      "timeout",
      "loggingConfig.logFormat",
      "loggingConfig.logGroup",
      "environment.variables.*",
    ],
    async provision({ inputs, physicalName }, { lambda }) {
      const name = String(inputs.name ?? physicalName);
      const arn = await lambda.createFunction({
        name,
        runtime: String(inputs.runtime),
        handler: String(inputs.handler),
        code: inputs.code,
        layers: (inputs.layers ?? []) as string[],
        role: String(inputs.role),
        memorySize: Number(inputs.memorySize ?? 128),
        timeout: Number(inputs.timeout ?? 3),
        logGroup:
          (inputs.loggingConfig as { logGroup?: string } | undefined)?.logGroup ?? `/aws/lambda/${name}`,
        environment: ((inputs.environment as { variables?: unknown } | undefined)?.variables ?? {}) as Record<
          string,
          string
        >,
      });
      return { id: name, state: { ...inputs, name, arn } };
    },
  },

  "aws:lambda/eventSourceMapping:EventSourceMapping": {
    inputs: [
      "eventSourceArn",
      "functionName",
      "functionResponseTypes",
      "batchSize",
      "maximumBatchingWindowInSeconds",
    ],
    provision({ name, inputs }, { lambda, endpoint, accountId }) {
      const queueArn = String(inputs.eventSourceArn);
      lambda.createEventSourceMapping({
        functionArn: String(inputs.functionName),
        queueArn,
        queueUrl: `${endpoint}/${accountId}/${queueArn.split(":").at(-1)}`,
        batchSize: Number(inputs.batchSize ?? 10),
        window: Number(inputs.maximumBatchingWindowInSeconds ?? 0),
        reportsFailures: ((inputs.functionResponseTypes ?? []) as string[]).includes(
          "ReportBatchItemFailures",
        ),
      });
      return { id: name, state: inputs };
    },
  },
};
