import type { ResourceType, Services } from "./provider.ts";

/** Layers that the program makes. Others, such as extensions of AWS, are not on this computer. */
function layersHere({ arns, omitted }: Services, layers: readonly string[]): string[] {
  return layers.filter((arn) => {
    if (arns.has(`aws:lambda/layerVersion:LayerVersion ${arn}`)) return true;
    omitted.add(`the layer ${arn}`, `the layer ${arn} is not on this computer.`);
    return false;
  });
}

export const lambda: Record<string, ResourceType> = {
  "aws:lambda/layerVersion:LayerVersion": {
    inputs: ["layerName", "description", "code", "compatibleArchitectures", "compatibleRuntimes"],
    inert: ["licenseInfo", "skipDestroy", "sourceCodeHash"],
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
      // Functions share the cores of this computer, whatever is reserved for them, and nobody collects traces.
      "reservedConcurrentExecutions",
      "tracingConfig.mode",
      // Nothing is encrypted here but by the disk's owner.
      "kmsKeyArn",
    ],
    inert: [
      "codeSigningConfigArn",
      "deadLetterConfig",
      "description",
      "ephemeralStorage",
      "loggingConfig.applicationLogLevel",
      "loggingConfig.systemLogLevel",
      "publish",
      "recursiveLoop",
      "replaceSecurityGroupsOnDestroy",
      "replacementSecurityGroupIds",
      "skipDestroy",
      "snapStart",
      "sourceCodeHash",
      "sourceKmsKeyArn",
      "vpcConfig",
    ],
    async provision({ inputs, physicalName }, services) {
      const { lambda } = services;
      const name = String(inputs.name ?? physicalName);
      const arn = await lambda.createFunction({
        name,
        runtime: String(inputs.runtime),
        handler: String(inputs.handler),
        code: inputs.code,
        layers: layersHere(services, (inputs.layers ?? []) as string[]),
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
      "tags.*",
      "scalingConfig.maximumConcurrency",
      // Polling costs nothing here, and batches at once are as many as there are cores.
      "provisionedPollerConfig.minimumPollers",
      "provisionedPollerConfig.maximumPollers",
      "metricsConfig.metrics",
    ],
    inert: ["kmsKeyArn"],
    provision({ name, inputs }, { lambda, endpoint, accountId }) {
      const queueArn = String(inputs.eventSourceArn);
      const scaling = inputs.scalingConfig as { maximumConcurrency?: number } | undefined;
      lambda.createEventSourceMapping({
        functionArn: String(inputs.functionName),
        queueArn,
        queueUrl: `${endpoint}/${accountId}/${queueArn.split(":").at(-1)}`,
        batchSize: Number(inputs.batchSize ?? 10),
        window: Number(inputs.maximumBatchingWindowInSeconds ?? 0),
        maximumConcurrency: scaling?.maximumConcurrency,
        reportsFailures: ((inputs.functionResponseTypes ?? []) as string[]).includes(
          "ReportBatchItemFailures",
        ),
      });
      return { id: name, state: inputs };
    },
  },
};
