import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { bundleHandler } from "../packaging/bundle.ts";
import { checkInteger, checkName } from "./checks.ts";
import type { ImageFanOut } from "./image-fan-out.ts";
import { lambdaTrustPolicy, queuePolicy, workerPolicy } from "./policies.ts";

export interface ImageWorkerArgs {
  /** What the worker is attached to: it gets a message for every image dropped there. */
  readonly fanOut: ImageFanOut;

  /** The TypeScript file that exports `handler`, absolute or relative to the Pulumi project. */
  readonly handler: string;

  /** Further environment variables for the handler. @default none */
  readonly environment?: Record<string, pulumi.Input<string>>;

  /**
   * The function's memory in MB, 128 to 10,240. It buys speed as well: 1,769 MB is one whole vCPU. The largest
   * image that is accepted follows from it. @default 1769
   */
  readonly memorySize?: number;

  /** Seconds, 1 to 900, that one batch may take. @default 120 */
  readonly timeout?: number;

  /** Most messages in one batch, 1 to 10,000; more than 10 needs a batching window. @default 10 */
  readonly batchSize?: number;

  /** Seconds, 0 to 300, that Lambda waits for a batch to fill. @default 0 */
  readonly maximumBatchingWindowInSeconds?: number;

  /**
   * How often, 5 to 1,000, a message is tried before it goes to the dead-letter queue. AWS asks for 5 at least,
   * as throttling counts as a try. @default 5
   */
  readonly maxReceiveCount?: number;

  /** Days that the function's log is kept, one of the numbers that CloudWatch offers. @default 30 */
  readonly logRetentionInDays?: number;
}

/**
 * Fourteen days, the most that SQS keeps a message. A message's age counts from its first arrival, in the
 * dead-letter queue too, so anything shorter on the first queue would only lose messages sooner.
 */
const RETENTION_SECONDS = 14 * 24 * 60 * 60;

/**
 * One processor: a queue that is told of every image, a function that processes it and writes the result under
 * the worker's name, a dead-letter queue for what can not be processed, and a role that allows just that.
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
    type = "image-machine:index:ImageWorker",
  ) {
    const settings = checked(name, args);
    super(type, name, {}, opts);
    const parent = { parent: this };
    const { fanOut } = args;
    this.prefix = name;

    this.deadLetterQueue = new aws.sqs.Queue(
      `${name}-dead-letters`,
      { messageRetentionSeconds: RETENTION_SECONDS, sqsManagedSseEnabled: true },
      parent,
    );
    this.queue = new aws.sqs.Queue(
      `${name}-queue`,
      {
        messageRetentionSeconds: RETENTION_SECONDS,
        visibilityTimeoutSeconds: visibilityTimeout(settings),
        sqsManagedSseEnabled: true,
        redrivePolicy: pulumi.jsonStringify({
          deadLetterTargetArn: this.deadLetterQueue.arn,
          maxReceiveCount: settings.maxReceiveCount,
        }),
      },
      parent,
    );
    new aws.sqs.RedriveAllowPolicy(
      `${name}-redrive-allow`,
      {
        queueUrl: this.deadLetterQueue.url,
        redriveAllowPolicy: pulumi.jsonStringify({
          redrivePermission: "byQueue",
          sourceQueueArns: [this.queue.arn],
        }),
      },
      parent,
    );

    const policies = [this.queue, this.deadLetterQueue].map(
      (queue, index) =>
        new aws.sqs.QueuePolicy(
          `${name}-${index === 0 ? "queue" : "dead-letters"}-policy`,
          {
            queueUrl: queue.url,
            policy: pulumi
              .output({ queueArn: queue.arn, topicArn: fanOut.topic.arn })
              .apply((arns) => JSON.stringify(queuePolicy(arns))),
          },
          parent,
        ),
    );
    new aws.sns.TopicSubscription(
      `${name}-subscription`,
      {
        topic: fanOut.topic.arn,
        protocol: "sqs",
        endpoint: this.queue.arn,
        rawMessageDelivery: true,
        redrivePolicy: pulumi.jsonStringify({ deadLetterTargetArn: this.deadLetterQueue.arn }),
      },
      // A message that the queue's policy refuses is a client error, which SNS does not try again.
      { parent: this, dependsOn: policies },
    );

    const logGroup = new aws.cloudwatch.LogGroup(
      `${name}-log`,
      {
        namePrefix: `/aws/lambda/${pulumi.getProject()}-${pulumi.getStack()}-${name}-`,
        retentionInDays: settings.logRetentionInDays,
      },
      parent,
    );
    const role = new aws.iam.Role(
      `${name}-role`,
      { assumeRolePolicy: JSON.stringify(lambdaTrustPolicy()) },
      parent,
    );
    const rolePolicy = new aws.iam.RolePolicy(
      `${name}-role-policy`,
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
          })
          .apply((arns) => JSON.stringify(workerPolicy(arns))),
      },
      parent,
    );

    this.function = new aws.lambda.Function(
      `${name}-function`,
      {
        runtime: "nodejs24.x",
        architectures: ["arm64"],
        handler: "index.handler",
        code: bundleHandler(args.handler),
        layers: [fanOut.sharp.arn],
        role: role.arn,
        memorySize: settings.memorySize,
        timeout: settings.timeout,
        loggingConfig: { logFormat: "Text", logGroup: logGroup.name },
        environment: {
          variables: {
            ...args.environment,
            WORKER: name,
            RESULTS_BUCKET: fanOut.results.bucket,
            QUEUE_URL: this.queue.url,
            DEAD_LETTER_QUEUE_URL: this.deadLetterQueue.url,
            // One arena per core keeps glibc from holding on to the memory of every image it has seen.
            MALLOC_ARENA_MAX: "2",
          },
        },
      },
      // Invoked before its policy is there it would fail; before its log group is there Lambda would make one.
      { parent: this, dependsOn: [rolePolicy, logGroup] },
    );
    new aws.lambda.EventSourceMapping(
      `${name}-mapping`,
      {
        eventSourceArn: this.queue.arn,
        functionName: this.function.arn,
        functionResponseTypes: ["ReportBatchItemFailures"],
        batchSize: settings.batchSize,
        maximumBatchingWindowInSeconds: settings.maximumBatchingWindowInSeconds,
      },
      // Lambda checks that the role may receive from the queue when the mapping is made.
      { parent: this, dependsOn: rolePolicy },
    );

    fanOut.workers[name] = {
      queue: this.queue.url,
      deadLetterQueue: this.deadLetterQueue.url,
      function: this.function.name,
      prefix: this.prefix,
    };
    this.registerOutputs({ ...fanOut.workers[name] });
  }
}

/** The settings with their defaults. @throws RangeError where one is out of range. */
function checked(name: string, args: ImageWorkerArgs) {
  const worker = `ImageWorker "${name}"`;
  checkName("ImageWorker", name);
  const settings = {
    memorySize: args.memorySize ?? 1769,
    timeout: args.timeout ?? 120,
    batchSize: args.batchSize ?? 10,
    maximumBatchingWindowInSeconds: args.maximumBatchingWindowInSeconds ?? 0,
    maxReceiveCount: args.maxReceiveCount ?? 5,
    logRetentionInDays: args.logRetentionInDays ?? 30,
  };
  checkInteger(worker, "memorySize", settings.memorySize, 128, 10_240, "MB");
  checkInteger(worker, "timeout", settings.timeout, 1, 900, "seconds");
  checkInteger(worker, "batchSize", settings.batchSize, 1, 10_000, "messages");
  checkInteger(
    worker,
    "maximumBatchingWindowInSeconds",
    settings.maximumBatchingWindowInSeconds,
    0,
    300,
    "seconds",
  );
  checkInteger(worker, "maxReceiveCount", settings.maxReceiveCount, 5, 1000);
  if (settings.batchSize > 10 && settings.maximumBatchingWindowInSeconds < 1) {
    throw new RangeError(
      `${worker}: batchSize is ${settings.batchSize}, but more than 10 needs maximumBatchingWindowInSeconds of 1 or more.`,
    );
  }
  return settings;
}

/**
 * Seconds for which a message that was taken is hidden from others: six times the function's timeout and the
 * window, as AWS asks (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html).
 */
function visibilityTimeout(settings: { timeout: number; maximumBatchingWindowInSeconds: number }): number {
  return 6 * settings.timeout + settings.maximumBatchingWindowInSeconds;
}
