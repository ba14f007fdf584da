import { Logger } from "@aws-lambda-powertools/logger";
import { Metrics } from "@aws-lambda-powertools/metrics";
import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";
import type { Context, SQSBatchResponse, SQSEvent } from "aws-lambda";
import type { ImageOperation } from "image-turn";
import type { Carried } from "./carry.ts";
import { Delivery } from "./delivery.ts";
import { pixelLimit } from "./limits.ts";
import type { Worker } from "./worker.ts";

/** A Lambda handler for messages from SQS. */
export type Handler = (event: SQSEvent, context: Context) => Promise<SQSBatchResponse>;

/**
 * A source and its result are held whole beside the decoded pixels: an eighth of the memory for the source
 * leaves room for both.
 */
const MEMORY_PER_SOURCE_BYTE = 8;

/**
 * Makes a worker's Lambda handler from an operation on images. The rest comes from the environment that ImageWorker sets.
 *
 * @example
 * export const handler = createHandler(rotate({ angle: 90 }));
 */
export function createHandler(operation: ImageOperation): Handler {
  const name = environment("WORKER");
  const memory = Number(environment("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
  const logger = new Logger({ serviceName: name });
  const metrics = new Metrics({
    namespace: "ImageMachine",
    serviceName: name,
    defaultDimensions: { machine: environment("MACHINE") },
  });
  const worker: Worker = {
    name,
    operation,
    resultsBucket: environment("RESULTS_BUCKET"),
    // Absent where it is the worker's name.
    prefix: process.env.RESULTS_PREFIX ?? name,
    // Absent where nothing is.
    carry: (process.env.CARRY?.split(",") ?? []) as Carried[],
    queueUrl: environment("QUEUE_URL"),
    deadLetterQueueUrl: environment("DEAD_LETTER_QUEUE_URL"),
    pixelLimit: pixelLimit(memory),
    byteLimit: (memory * 2 ** 20) / MEMORY_PER_SOURCE_BYTE,
    depth: Number(environment("PIPELINE_DEPTH")),
    s3: new S3Client(CLIENT),
    sqs: new SQSClient(CLIENT),
    logger,
    metrics,
    random: Math.random,
    now: Date.now,
  };

  return async ({ Records }, context) => {
    logger.addContext(context);
    const invocation = { remainingMilliseconds: () => context.getRemainingTimeInMillis() };
    try {
      const outcomes = await new Delivery(worker, invocation, Records).run();
      const failed = Records.filter((_, index) => outcomes[index] !== undefined);
      return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) };
    } finally {
      metrics.publishStoredMetrics();
    }
  };
}

/**
 * Gives up on a connection on which nothing moves, and tries again on another; delivery ends what takes longer than there
 * is time. Without `throwOnRequestTimeout`, `requestTimeout` would only warn. It covers sending a body as well, so that
 * writing results goes without it.
 */
export const CLIENT = {
  maxAttempts: 4,
  requestHandler: {
    connectionTimeout: 2000,
    socketTimeout: 10_000,
    requestTimeout: 15_000,
    throwOnRequestTimeout: true,
  },
};

/** Reads an environment variable that ImageWorker sets. @throws Error if it is missing */
export function environment(name: string): string {
  const value = process.env[name];
  if (value) return value;
  throw new Error(
    `The environment variable ${name} is missing: this handler is made for ImageWorker, which sets it.`,
  );
}
