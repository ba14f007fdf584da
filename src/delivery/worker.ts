import type { Logger } from "@aws-lambda-powertools/logger";
import type { Metrics } from "@aws-lambda-powertools/metrics";
import type { S3Client } from "@aws-sdk/client-s3";
import type { SQSClient } from "@aws-sdk/client-sqs";
import type { ImageOperation } from "image-turn";
import type { Carried } from "./carry.ts";
import type { CreatedObject } from "./envelope.ts";

/** What a worker needs to deliver. Nothing in here reads the environment, the clock or chance by itself. */
export interface Worker {
  readonly name: string;
  readonly operation: ImageOperation;
  readonly resultsBucket: string;
  /** How keys of results begin, up to a slash. */
  readonly prefix: string;
  /** What of the source goes along with the result. */
  readonly carry: readonly Carried[];
  readonly queueUrl: string;
  readonly deadLetterQueueUrl: string;
  /** Maximum number of pixels of one image. */
  readonly pixelLimit: number;
  /** Maximum number of bytes of one source, and of all that is in hand beside the image that is turned. */
  readonly byteLimit: number;
  /** Maximum number of images of a batch that are in hand at once: read ahead, turned, or written. */
  readonly depth: number;
  readonly s3: S3Client;
  readonly sqs: SQSClient;
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
  readonly metrics: Pick<Metrics, "addMetric" | "publishStoredMetrics">;
  /** A number from 0 to below 1. */
  readonly random: () => number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Key of a source's result. */
export function resultKey({ prefix }: Worker, { key }: CreatedObject): string {
  return `${prefix}/${key}`;
}

/** The fields by which a log's reader finds an object. */
export function named(source: CreatedObject | undefined) {
  return { bucket: source?.bucket, key: source?.key, versionId: source?.versionId };
}
