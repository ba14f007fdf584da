import { existsSync } from "node:fs";
import path from "node:path";
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { bundleHandler } from "../packaging/bundle.ts";
import { alarmArgs, workerAlarms } from "./alarms.ts";
import { checkName } from "./checks.ts";
import type { ImageFanOut } from "./image-fan-out.ts";
import { lambdaTrustPolicy, queuePolicy, workerPolicy } from "./policies.ts";
import {
  checkTransform,
  type Transform,
  transformed,
  transformedFunction,
  withVariables,
} from "./transform.ts";
import { checkWorkerSettings, type WorkerSettings } from "./worker-settings.ts";

export interface ImageWorkerArgs extends WorkerSettings {
  /** What the worker is attached to: it gets a message for every image dropped there. */
  readonly fanOut: ImageFanOut;

  /** The TypeScript file that exports `handler`, absolute or relative to the Pulumi project. */
  readonly handler: string;

  /** Further environment variables for the handler. @default none */
  readonly environment?: Record<string, pulumi.Input<string>>;

  /** Changes to single resources. @default none */
  readonly transform?: ImageWorkerTransform;
}

export interface ImageWorkerTransform {
  readonly deadLetterQueue?: Transform<aws.sqs.QueueArgs>;
  readonly queue?: Transform<aws.sqs.QueueArgs>;
  readonly redriveAllow?: Transform<aws.sqs.RedriveAllowPolicyArgs>;
  readonly queuePolicy?: Transform<aws.sqs.QueuePolicyArgs>;
  readonly deadLetterPolicy?: Transform<aws.sqs.QueuePolicyArgs>;
  readonly subscription?: Transform<aws.sns.TopicSubscriptionArgs>;
  readonly logGroup?: Transform<aws.cloudwatch.LogGroupArgs>;
  readonly role?: Transform<aws.iam.RoleArgs>;
  readonly rolePolicy?: Transform<aws.iam.RolePolicyArgs>;
  readonly function?: Transform<aws.lambda.FunctionArgs>;
  readonly mapping?: Transform<aws.lambda.EventSourceMappingArgs>;
  readonly alarm?: Transform<aws.cloudwatch.MetricAlarmArgs>;
}

/** All that can be transformed. */
const TRANSFORMS: Record<keyof ImageWorkerTransform, true> = {
  deadLetterQueue: true,
  queue: true,
  redriveAllow: true,
  queuePolicy: true,
  deadLetterPolicy: true,
  subscription: true,
  logGroup: true,
  role: true,
  rolePolicy: true,
  function: true,
  mapping: true,
  alarm: true,
};

const IMAGE_WORKER = "image-machine:index:ImageWorker";

/**
 * Fourteen days, the most that SQS keeps a message. A message's age counts from its first arrival, in the
 * dead-letter queue too, so anything shorter on the first queue would only lose messages sooner.
 */
const RETENTION_SECONDS = 14 * 24 * 60 * 60;

/**
 * One processor: a queue that is told of every image, a function that processes it and writes the result under
 * the worker's name, a dead-letter queue for what cannot be processed, and a role that allows just that.
 *
 * @example
 * new ImageWorker("grey", { fanOut, handler: "handlers/grey.ts" });
 */
export class ImageWorker extends pulumi.ComponentResource {
  /** Messages for this worker. */
  readonly queue: aws.sqs.Queue;
  /** Messages that were rejected, with the reason in their attributes, or failed too often. */
  readonly deadLetterQueue: aws.sqs.Queue;
  /** Processes the images. */
  readonly function: aws.lambda.Function;
  /** First segment of the keys of its results: the worker's name. */
  readonly prefix: string;

  constructor(
    name: string,
    args: ImageWorkerArgs,
    opts?: pulumi.ComponentResourceOptions,
    type = IMAGE_WORKER,
  ) {
    checkName("ImageWorker", name);
    const { fanOut, handler, environment, transform = {}, ...own } = args;
    checkTransform(`ImageWorker "${name}"`, transform, TRANSFORMS);
    if (fanOut.workers[name]) {
      throw new RangeError(
        `ImageWorker "${name}": the fan-out has a worker of that name already, whose results are under "${name}/". Give one of them another name.`,
      );
    }
    const { tracing, alarms, ...shared } = fanOut.settings;
    const settings = checkWorkerSettings(`ImageWorker "${name}": `, { ...shared.workers, ...own });
    if (!existsSync(path.resolve(handler))) {
      throw new RangeError(
        `ImageWorker "${name}": handler is ${JSON.stringify(handler)}, but there is no such file in ${process.cwd()}.`,
      );
    }
    // A worker that gets a class of its own stays the same worker, and keeps its queues and what is in them.
    super(type, name, {}, pulumi.mergeOptions(opts, { aliases: [{ type: IMAGE_WORKER }] }));
    const parent = { parent: this };
    const tags = { ...shared.tags, Worker: name };
    const { keyArn, encryptionKeyArn } = fanOut;
    const encryption = encryptionKeyArn
      ? { kmsMasterKeyId: encryptionKeyArn }
      : { sqsManagedSseEnabled: true };
    this.prefix = name;

    this.deadLetterQueue = new aws.sqs.Queue(
      `${name}-dead-letters`,
      ...transformed(
        transform.deadLetterQueue,
        { messageRetentionSeconds: RETENTION_SECONDS, ...encryption, tags },
        parent,
      ),
    );
    this.queue = new aws.sqs.Queue(
      `${name}-queue`,
      ...transformed(
        transform.queue,
        {
          messageRetentionSeconds: RETENTION_SECONDS,
          visibilityTimeoutSeconds: visibilityTimeout(settings),
          ...encryption,
          redrivePolicy: pulumi.jsonStringify({
            deadLetterTargetArn: this.deadLetterQueue.arn,
            maxReceiveCount: settings.maxReceiveCount,
          }),
          tags,
        },
        parent,
      ),
    );
    new aws.sqs.RedriveAllowPolicy(
      `${name}-redrive-allow`,
      ...transformed(
        transform.redriveAllow,
        {
          queueUrl: this.deadLetterQueue.url,
          redriveAllowPolicy: pulumi.jsonStringify({
            redrivePermission: "byQueue",
            sourceQueueArns: [this.queue.arn],
          }),
        },
        parent,
      ),
    );

    const policyOf = (queue: aws.sqs.Queue): aws.sqs.QueuePolicyArgs => ({
      queueUrl: queue.url,
      policy: pulumi
        .output({ queueArn: queue.arn, topicArn: fanOut.topic.arn })
        .apply((arns) => JSON.stringify(queuePolicy(arns))),
    });
    const policies = [
      new aws.sqs.QueuePolicy(
        `${name}-queue-policy`,
        ...transformed(transform.queuePolicy, policyOf(this.queue), parent),
      ),
      new aws.sqs.QueuePolicy(
        `${name}-dead-letters-policy`,
        ...transformed(transform.deadLetterPolicy, policyOf(this.deadLetterQueue), parent),
      ),
    ];
    new aws.sns.TopicSubscription(
      `${name}-subscription`,
      ...transformed<aws.sns.TopicSubscriptionArgs>(
        transform.subscription,
        {
          topic: fanOut.topic.arn,
          protocol: "sqs",
          endpoint: this.queue.arn,
          rawMessageDelivery: true,
          redrivePolicy: pulumi.jsonStringify({ deadLetterTargetArn: this.deadLetterQueue.arn }),
        },
        // A message that a queue's policy refuses is a client error, which SNS does not try again.
        { parent: this, dependsOn: policies },
      ),
    );

    const logGroup = new aws.cloudwatch.LogGroup(
      `${name}-log`,
      ...transformed(
        transform.logGroup,
        {
          namePrefix: `${fanOut.logGroups}${name}-`,
          retentionInDays: settings.logRetentionInDays,
          ...(encryptionKeyArn && { kmsKeyId: encryptionKeyArn }),
          tags,
        },
        parent,
      ),
    );
    const role = new aws.iam.Role(
      `${name}-role`,
      ...transformed(transform.role, { assumeRolePolicy: JSON.stringify(lambdaTrustPolicy()), tags }, parent),
    );
    const rolePolicy = new aws.iam.RolePolicy(
      `${name}-role-policy`,
      ...transformed(
        transform.rolePolicy,
        {
          role: role.name,
          policy: pulumi
            .output({
              sourceArn: fanOut.source.arn,
              resultsArn: fanOut.results.arn,
              prefix: this.prefix,
              queueArn: this.queue.arn,
              deadLetterArn: this.deadLetterQueue.arn,
              logGroupArn: logGroup.arn,
              keyArn,
            })
            .apply((arns) => JSON.stringify(workerPolicy(arns, { tracing }))),
        },
        parent,
      ),
    );

    this.function = new aws.lambda.Function(
      `${name}-function`,
      ...transformedFunction(
        `ImageWorker "${name}"`,
        transform.function,
        {
          runtime: "nodejs24.x",
          architectures: ["arm64"],
          handler: "index.handler",
          code: bundleHandler(handler),
          layers: [fanOut.sharp.arn],
          role: role.arn,
          memorySize: settings.memorySize,
          timeout: settings.timeout,
          ...(settings.reservedConcurrency && { reservedConcurrentExecutions: settings.reservedConcurrency }),
          // Left out, it would stay what it was.
          tracingConfig: { mode: tracing ? "Active" : "PassThrough" },
          loggingConfig: { logFormat: "Text", logGroup: logGroup.name },
          environment: {
            variables: withVariables(`ImageWorker "${name}": environment`, environment, {
              WORKER: name,
              DAMAGED: settings.damaged,
              STACK: fanOut.stack,
              RESULTS_BUCKET: fanOut.results.bucket,
              QUEUE_URL: this.queue.url,
              DEAD_LETTER_QUEUE_URL: this.deadLetterQueue.url,
              // One arena per core keeps glibc from holding on to the memory of every image it has seen.
              MALLOC_ARENA_MAX: "2",
              // Stack traces name lines of the TypeScript.
              NODE_OPTIONS: "--enable-source-maps",
            }),
          },
          tags,
        },
        // Invoked before its policy is there it would fail; before its log group is there Lambda would make one.
        { parent: this, dependsOn: [rolePolicy, logGroup] },
      ),
    );
    new aws.lambda.EventSourceMapping(
      `${name}-mapping`,
      ...transformed<aws.lambda.EventSourceMappingArgs>(
        transform.mapping,
        {
          eventSourceArn: this.queue.arn,
          functionName: this.function.arn,
          functionResponseTypes: ["ReportBatchItemFailures"],
          batchSize: settings.batchSize,
          maximumBatchingWindowInSeconds: settings.maximumBatchingWindowInSeconds,
          ...scalingArgs(settings.scaling),
          metricsConfig: { metrics: ["EventCount"] },
          tags,
        },
        // Lambda checks that the role may receive from the queue when the mapping is made.
        { parent: this, dependsOn: rolePolicy },
      ),
    );

    if (fanOut.alarmTopic) {
      const names = {
        queue: this.queue.name,
        deadLetterQueue: this.deadLetterQueue.name,
        function: this.function.name,
      };
      const oldestMessageSeconds = alarms.oldestMessageSeconds ?? lateSeconds(settings);
      const watchedOf = workerAlarms(name, fanOut.stack, names, { ...alarms, oldestMessageSeconds });
      for (const [what, watched] of Object.entries(watchedOf)) {
        new aws.cloudwatch.MetricAlarm(
          `${name}-${what}-alarm`,
          ...transformed(transform.alarm, alarmArgs(watched, fanOut.alarmTopic.arn, tags), parent),
        );
      }
    }

    fanOut.workerSettings[name] = settings;
    fanOut.workers[name] = {
      queue: this.queue.url,
      deadLetterQueue: this.deadLetterQueue.url,
      function: this.function.name,
      logGroup: logGroup.name,
      prefix: this.prefix,
    };
    this.registerOutputs({
      ...fanOut.workers[name],
      name,
      source: fanOut.source.bucket,
      results: fanOut.results.bucket,
    });
  }
}

/**
 * Seconds for which a message that was taken is hidden from others: six times the function's timeout and the
 * window, as AWS asks (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html).
 */
function visibilityTimeout(settings: { timeout: number; maximumBatchingWindowInSeconds: number }): number {
  return 6 * settings.timeout + settings.maximumBatchingWindowInSeconds;
}

/** Seconds that a message must wait to be late, where nobody says: one batch that crashed once is not. */
function lateSeconds(settings: Parameters<typeof visibilityTimeout>[0]): number {
  return Math.max(900, visibilityTimeout(settings) + 180);
}

/** The mapping's side of `scaling`: one of the two modes, or Lambda's own way. */
function scalingArgs(scaling: WorkerSettings["scaling"]): Partial<aws.lambda.EventSourceMappingArgs> {
  if (scaling === undefined) return {};
  return "maximumConcurrency" in scaling ? { scalingConfig: scaling } : { provisionedPollerConfig: scaling };
}
