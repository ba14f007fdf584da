import type { Logger } from "@aws-lambda-powertools/logger";
import { type Metrics, MetricUnit } from "@aws-lambda-powertools/metrics";
import type { S3Client } from "@aws-sdk/client-s3";
import { ChangeMessageVisibilityCommand, type SQSClient } from "@aws-sdk/client-sqs";
import type { SQSRecord } from "aws-lambda";
import { type ImageOperation, ImageRejected } from "../processing/contract.ts";
import { type CreatedObject, createdObjects, UnknownMessage } from "./envelope.ts";
import { type Rejection, reject } from "./rejection.ts";
import { type Written, writeResult } from "./result.ts";
import { readSource, SourceGone, SourceTooLarge } from "./source.ts";

/** What a worker needs to deliver. Nothing in here reads the environment, the clock or chance by itself. */
export interface Worker {
  readonly name: string;
  readonly operation: ImageOperation;
  readonly resultsBucket: string;
  readonly queueUrl: string;
  readonly deadLetterQueueUrl: string;
  /** Most pixels of one image. */
  readonly pixelLimit: number;
  /** Most bytes of one source. */
  readonly byteLimit: number;
  readonly s3: S3Client;
  readonly sqs: SQSClient;
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
  readonly metrics: Pick<Metrics, "addMetric">;
  /** A number from 0 to below 1. */
  readonly random: () => number;
}

/** One invocation of the function, as far as time is concerned. */
export interface Invocation {
  readonly remainingMilliseconds: () => number;
}

/** The function's time is nearly over: the message is for the next invocation. */
export class OutOfTime extends Error {
  override readonly name = "OutOfTime";
}

/** S3's own bound on a key, in bytes of UTF-8. */
const LONGEST_KEY = 1024;

/** Longest wait before a failed message is tried again, in seconds. */
const LONGEST_BACKOFF = 900;

/**
 * The contract of a message, for all messages of one invocation, one after the other, so that one image at a
 * time is in memory. `deliver` resolves where the message is done with, whatever became of its images, and
 * throws where it must come again; the queue is then told when.
 */
export class Delivery {
  readonly #worker: Worker;
  readonly #invocation: Invocation;
  /** Milliseconds that must be left for writing and telling, and that an image may take at most. */
  readonly #reserve: number;
  readonly #most: number;
  #slowest = 0;
  #begun = 0;

  constructor(worker: Worker, invocation: Invocation) {
    this.#worker = worker;
    this.#invocation = invocation;
    const whole = invocation.remainingMilliseconds();
    this.#reserve = Math.min(5000, 0.2 * whole);
    this.#most = whole - this.#reserve;
  }

  async deliver(message: SQSRecord): Promise<void> {
    try {
      await this.#deliver(message);
    } catch (error) {
      await this.#postpone(message, error);
      throw error;
    }
  }

  async #deliver(message: SQSRecord): Promise<void> {
    let sources: CreatedObject[];
    try {
      sources = createdObjects(message.body);
    } catch (error) {
      if (!(error instanceof UnknownMessage)) throw error;
      return this.#reject({
        code: "unknown-message",
        reason: error.message,
        source: undefined,
        body: message.body,
      });
    }
    // Rejections wait until nothing can send the message round again, so that each is told once.
    const rejections: Rejection[] = [];
    for (const source of sources) {
      const rejection = await this.#process(source);
      if (rejection) rejections.push(rejection);
    }
    for (const rejection of rejections) await this.#reject(rejection);
  }

  /** Does what one record asks for. Gives back why it can never be done, where that is so. */
  async #process(source: CreatedObject): Promise<Rejection | undefined> {
    const outcome = await this.#attempt(source);
    if ("code" in outcome) return outcome;
    // Where that one is to be rejected, its own message does it.
    if (outcome.owed) await this.#process(outcome.owed);
    return undefined;
  }

  async #attempt(source: CreatedObject): Promise<Written | Rejection> {
    const worker = this.#worker;
    const started = this.#invocation.remainingMilliseconds();
    if (this.#begun > 0 && started < Math.max(this.#reserve, 1.5 * this.#slowest)) {
      throw new OutOfTime("Left for the next invocation: this one's time is nearly over.");
    }
    this.#begun++;
    let milliseconds = 0;
    const fields = { bucket: source.bucket, key: source.key, versionId: source.versionId };
    try {
      const key = `${worker.name}/${source.key}`;
      if (Buffer.byteLength(key) > LONGEST_KEY) {
        return rejection(
          source,
          "key-too-long",
          `The result's key would have more than ${LONGEST_KEY} bytes.`,
        );
      }
      const slow = AbortSignal.timeout(Math.max(100, Math.round(started - this.#reserve)));
      const bytes = await readSource(worker.s3, source, worker.byteLimit, slow);
      milliseconds = Math.max(100, this.#invocation.remainingMilliseconds() - this.#reserve);
      const result = await worker.operation(bytes, {
        pixels: worker.pixelLimit,
        seconds: milliseconds / 1000,
      });
      const written = await writeResult(worker.s3, { bucket: worker.resultsBucket, key }, source, result);

      const ms = started - this.#invocation.remainingMilliseconds();
      const { outcome } = written;
      worker.logger.info(outcome, { ...fields, ms, bytesIn: bytes.length, bytesOut: result.body.length });
      worker.metrics.addMetric(outcome, MetricUnit.Count, 1);
      worker.metrics.addMetric("bytes", MetricUnit.Bytes, bytes.length);
      worker.metrics.addMetric("ms", MetricUnit.Milliseconds, ms);
      return written;
    } catch (error) {
      if (error instanceof SourceGone) {
        worker.logger.info("superseded", { ...fields, reason: error.message });
        worker.metrics.addMetric("superseded", MetricUnit.Count, 1);
        return { outcome: "superseded", owed: undefined };
      }
      if (error instanceof SourceTooLarge) return rejection(source, "too-large", error.message);
      if (error instanceof ImageRejected) {
        // Too slow for what others, or a slow download, had left of the time: the next invocation may have all of it.
        if (error.code === "too-slow" && milliseconds < 0.8 * this.#most) {
          throw new OutOfTime(error.message, { cause: error });
        }
        return rejection(source, error.code, error.message);
      }
      throw error;
    } finally {
      this.#slowest = Math.max(this.#slowest, started - this.#invocation.remainingMilliseconds());
    }
  }

  async #reject(rejection: Rejection): Promise<void> {
    const worker = this.#worker;
    await reject(worker.sqs, worker.deadLetterQueueUrl, worker.name, rejection);
    const { source, code, reason } = rejection;
    worker.logger.warn("rejected", {
      bucket: source?.bucket,
      key: source?.key,
      versionId: source?.versionId,
      code,
      reason,
    });
    worker.metrics.addMetric("rejected", MetricUnit.Count, 1);
  }

  /** Says in the log why a message must come again, and tells the queue when: at once, or later each time it fails. */
  async #postpone(message: SQSRecord, error: unknown): Promise<void> {
    const worker = this.#worker;
    const begun = !(error instanceof OutOfTime);
    const receives = Number(message.attributes.ApproximateReceiveCount);
    const seconds = begun ? backoff(receives, worker.random()) : 0;
    if (begun) {
      worker.logger.error("failed", {
        messageId: message.messageId,
        receives,
        seconds,
        error: error as Error,
      });
      worker.metrics.addMetric("failed", MetricUnit.Count, 1);
    } else {
      worker.logger.info("postponed", { messageId: message.messageId, receives });
    }
    try {
      await worker.sqs.send(
        new ChangeMessageVisibilityCommand({
          QueueUrl: worker.queueUrl,
          ReceiptHandle: message.receiptHandle,
          VisibilityTimeout: seconds,
        }),
      );
    } catch (refused) {
      // The message still comes again, after the queue's own visibility timeout.
      worker.logger.warn("backoff not set", { messageId: message.messageId, error: refused as Error });
    }
  }
}

function rejection(source: CreatedObject, code: string, reason: string): Rejection {
  return { code, reason, source, body: JSON.stringify({ Records: [source.record] }) };
}

/**
 * Seconds until the next try: 30 after the first failure, then twice as many each time, of which chance takes up
 * to half, so that what failed together does not come back together.
 */
export function backoff(receives: number, random: number): number {
  const most = Math.min(LONGEST_BACKOFF, 15 * 2 ** Math.max(1, receives));
  return Math.round(most * (1 - 0.5 * random));
}
