import type { Logger } from "@aws-lambda-powertools/logger";
import { type Metrics, MetricUnit } from "@aws-lambda-powertools/metrics";
import type { S3Client } from "@aws-sdk/client-s3";
import { ChangeMessageVisibilityBatchCommand, type SQSClient } from "@aws-sdk/client-sqs";
import type { SQSRecord } from "aws-lambda";
import { type ImageOperation, ImageRejected, type Notes } from "image-turn";
import { backoff } from "./backoff.ts";
import { type Along, along, type Carried } from "./carry.ts";
import { type CreatedObject, eachRecord, identity, isFolderMarker, UnknownMessage } from "./envelope.ts";
import { type Rejection, reject } from "./rejection.ts";
import { ownMetadata, type Written, writeResult } from "./result.ts";
import { type Signal, until } from "./send.ts";
import { type Share, Shares } from "./share.ts";
import {
  currentSource,
  FOUND_AFTER,
  readSource,
  SourceGone,
  SourceMissing,
  SourceRejected,
  tagsOf,
} from "./source.ts";

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
  /** Maximum number of bytes of one source. */
  readonly byteLimit: number;
  readonly s3: S3Client;
  readonly sqs: SQSClient;
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
  readonly metrics: Pick<Metrics, "addMetric">;
  /** A number from 0 to below 1. */
  readonly random: () => number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** One invocation of the function, as far as time is concerned. */
export interface Invocation {
  readonly remainingMilliseconds: () => number;
}

/** Others left an image less time than it was promised, and it needs more: the message comes again. */
export class OutOfTime extends Error {
  override readonly name = "OutOfTime";
}

/** Uploads kept coming in the middle of writing: the message comes again, and begins with the version that is there then. */
export class Overtaken extends Error {
  override readonly name = "Overtaken";
}

/**
 * Maximum number of superseding versions that are made in one delivery because of one record. The second needs an upload
 * just while the first one's result was written, and so on.
 */
const MAX_SUPERSEDING = 3;

/** Maximum length of a key in S3, in bytes of UTF-8. */
const MAX_KEY_BYTES = 1024;

/** Maximum time that SQS hides a message, in seconds from when it was received, less the longest invocation and a minute. */
const MAX_WAIT = 43_200 - 900 - 60;

/** The receive from which on a key that may not be used is taken to be a fault of the image. */
const KEY_DENIED_FROM = 3;

/** Milliseconds by which an image may miss its promise: clocks have fractions. */
const SLACK = 1;

/** Maximum number of messages in one request, set by SQS. */
const MAX_MESSAGES = 10;

/**
 * The contract of a message, for all messages of one invocation, one after the other, so that one image at a
 * time is in memory. `deliver` resolves where the message is done with, whatever became of its images, and
 * throws where it must come again; `giveBack`, in the end, tells the queue when.
 */
export class Delivery {
  readonly #worker: Worker;
  readonly #sources = new Map<SQSRecord, (CreatedObject | UnknownMessage)[]>();
  readonly #shares: Shares;
  readonly #failed: { readonly message: SQSRecord; readonly seconds: number }[] = [];

  /** @param messages all of the invocation, which share its time */
  constructor(worker: Worker, invocation: Invocation, messages: readonly SQSRecord[]) {
    this.#worker = worker;
    let images = 0;
    for (const message of messages) {
      const sources = sourcesOf(message);
      this.#sources.set(message, sources);
      images += sources.length;
    }
    this.#shares = new Shares(invocation.remainingMilliseconds, images);
  }

  async deliver(message: SQSRecord): Promise<void> {
    const sources = this.#sources.get(message) ?? sourcesOf(message);
    const times = receives(message);
    let begun: CreatedObject | undefined;
    // Rejections wait until nothing can send the message round again, so that each is told once.
    const rejections: [Rejection, Signal][] = [];
    const failures: [CreatedObject, unknown][] = [];
    for (const source of sources) {
      const share = this.#shares.next();
      // One that waited for others may have no share left.
      const signal = sources.length > 1 ? this.#shares.signal : share.signal;
      if (source instanceof UnknownMessage) {
        rejections.push([unknown(source, message.body), signal]);
        continue;
      }
      try {
        const rejection = await this.#process(source, share, times);
        if (rejection) rejections.push([rejection, signal]);
      } catch (error) {
        failures.push([source, error]);
      }
    }
    try {
      const [first, ...others] = failures;
      for (const [source, error] of others) {
        this.#worker.logger.warn("failed, too", { ...named(source), error: error as Error });
      }
      if (first) {
        begun = first[0];
        throw first[1];
      }
      for (const [rejection, signal] of rejections) {
        begun = rejection.source;
        await this.#reject(rejection, signal);
      }
    } catch (error) {
      this.#fail(message, begun, error);
      throw error;
    }
  }

  /**
   * Tells the queue when each message that failed is to come again, ten at a time. One of which it cannot be told comes
   * after the queue's own visibility timeout.
   */
  async giveBack(): Promise<void> {
    const { sqs, queueUrl, logger } = this.#worker;
    while (this.#failed.length > 0) {
      if (this.#shares.over) {
        const messageIds = this.#failed.map(({ message }) => message.messageId);
        logger.warn("backoff not set", { messageIds, error: new Error("There was no time left.") });
        return;
      }
      const batch = this.#failed.splice(0, MAX_MESSAGES);
      const command = new ChangeMessageVisibilityBatchCommand({
        QueueUrl: queueUrl,
        Entries: batch.map(({ message, seconds }, index) => ({
          Id: String(index),
          ReceiptHandle: message.receiptHandle,
          VisibilityTimeout: seconds,
        })),
      });
      const messageIds = batch.map(({ message }) => message.messageId);
      const abortSignal = this.#shares.signal();
      try {
        const { Failed = [] } = await until(abortSignal, sqs.send(command, { abortSignal }));
        if (Failed.length > 0) logger.warn("backoff not set", { messageIds, failed: Failed });
      } catch (error) {
        logger.warn("backoff not set", { messageIds, error: error as Error });
      }
    }
  }

  /**
   * Does what one record asks for. Gives back why it can never be done, where that is so.
   * @param times how often its message was received: from the second time on, the current version goes first, which has
   * all of the time
   */
  async #process(source: CreatedObject, share: Share, times: number): Promise<Rejection | undefined> {
    const newer = times > 1 ? await this.#newer(source, share) : undefined;
    if (newer) this.#superseded(source, "A newer version is there.");
    const outcome = await this.#attempt(newer ?? source, share, times);
    if ("code" in outcome) return newer ? undefined : outcome;
    const { superseding, wrote } = outcome;
    if (superseding && !(newer && !wrote)) await this.#makeCurrent(superseding, times, times > 1 || wrote);
    return undefined;
  }

  /**
   * Makes a version that was seen to be the current one. One that is seen after it was uploaded later than that, so that
   * its own message comes later, too, and finds whatever stands by then: it must be made here only if something was written
   * since, which it may have come before. docs/delivery.md has the proof.
   * @param must whether this message may have written what stands: otherwise the version's own message makes it
   */
  async #makeCurrent(version: CreatedObject, times: number, must: boolean): Promise<void> {
    let next: CreatedObject | undefined = version;
    for (let count = 0; next; count++) {
      if (count === MAX_SUPERSEDING) {
        throw new Overtaken(`${next.key} was overwritten each time that a result was written for it.`);
      }
      const source: CreatedObject = next;
      const share = this.#shares.extra();
      const made = await this.#make(source, share, times).catch((error) => {
        if (must || count > 0) throw error;
        this.#worker.logger.warn("left to its own message", { ...named(source), error });
        return undefined;
      });
      // If that version must be rejected, its own event's message does so.
      if (!made || "code" in made) return;
      const written = await this.#write(source, made, share);
      next = written.wrote ? written.superseding : undefined;
    }
  }

  /** The source's current version, where that is another one. Whatever fails here fails again where it matters. */
  async #newer(source: CreatedObject, share: Share): Promise<CreatedObject | undefined> {
    const current = await currentSource(this.#worker.s3, source, share.signal, this.#worker.now).catch(
      () => undefined,
    );
    return current && identity(current) !== identity(source) ? current : undefined;
  }

  async #attempt(source: CreatedObject, share: Share, times: number): Promise<Written | Rejection> {
    const made = await this.#make(source, share, times);
    if (!made) return NOTHING;
    return "code" in made ? made : this.#write(source, made, share);
  }

  /**
   * Reads a version and has the operation done.
   * @returns why that can never be done, where that is so; undefined where there is nothing to do
   */
  async #make(source: CreatedObject, share: Share, times: number): Promise<Made | Rejection | undefined> {
    const { prefix, operation, s3, carry, byteLimit, pixelLimit, now } = this.#worker;
    const started = now();
    const key = `${prefix}/${source.key}`;
    if (Buffer.byteLength(key) > MAX_KEY_BYTES) {
      const reason = `The result's key would have more than ${MAX_KEY_BYTES} bytes.`;
      return rejection(source, "key-too-long", reason);
    }
    let work = 0;
    try {
      const { bytes, described } = await readSource(s3, source, byteLimit, share.signal, now);
      // An event need not say how large it is.
      if (isFolderMarker({ key: source.key, size: bytes.length })) return undefined;
      const tags = carry.includes("tags") ? await tagsOf(s3, source, share.signal, now) : [];
      work = share.work;
      const seconds = Math.max(100, Math.floor(work / 100) * 100) / 1000;
      const result = await operation(bytes, { pixels: pixelLimit, seconds }).finally(() => share.worked());
      checkResult(result);
      const goes = along(described, tags, carry, ownMetadata(source));
      return { key, result, along: goes, started, bytesIn: bytes.length };
    } catch (error) {
      return this.#judged(error, source, work, times);
    }
  }

  /**
   * Tells what a failure of `#make` means.
   * @param work milliseconds that the operation was given
   * @throws what may pass when it is tried again
   */
  #judged(error: unknown, source: CreatedObject, work: number, times: number): Rejection | undefined {
    if (error instanceof SourceGone) {
      this.#superseded(source, error.message);
      return undefined;
    }
    if (error instanceof SourceRejected) {
      // Grants take seconds until they hold everywhere.
      if (error.code === "key-denied" && times < KEY_DENIED_FROM) throw error;
      return rejection(source, error.code, error.message);
    }
    if (!(error instanceof ImageRejected)) throw error;
    if (error.code !== "too-slow") return rejection(source, error.code, error.message);
    // Less than it was promised, because its download or another image took longer: it is not at fault.
    if (work < this.#shares.promised - SLACK) {
      throw new OutOfTime(`${error.message} ${LESS}`, { cause: error });
    }
    return rejection(source, error.code, `${error.message} ${LONGER}`);
  }

  /** Writes what was made, and says in log and metrics what became of it. */
  async #write(source: CreatedObject, made: Made, share: Share): Promise<Written> {
    const { s3, resultsBucket, logger, metrics, now } = this.#worker;
    const { key, result, started, bytesIn } = made;
    const target = { bucket: resultsBucket, key };
    const whole = { ...result, along: made.along.put };
    const written = await writeResult(s3, target, source, whole, share.signal, now);
    const { outcome } = written;
    const ms = now() - started;
    const { left } = made.along;
    const notes = { ...told(result.notes), ...(left.length > 0 && { leftBehind: left }) };
    logger.info(outcome, { ...named(source), ms, bytesIn, bytesOut: result.body.length, ...notes });
    metrics.addMetric(outcome, MetricUnit.Count, 1);
    for (const what of ["repaired", "dropped"] as const) {
      if (outcome === "processed" && notes[what]) metrics.addMetric(what, MetricUnit.Count, 1);
    }
    metrics.addMetric("bytes", MetricUnit.Bytes, bytesIn);
    metrics.addMetric("ms", MetricUnit.Milliseconds, ms);
    return written;
  }

  #superseded(source: CreatedObject, reason: string): void {
    this.#worker.logger.info("superseded", { ...named(source), reason });
    this.#worker.metrics.addMetric("superseded", MetricUnit.Count, 1);
  }

  async #reject(rejection: Rejection, signal: Signal): Promise<void> {
    const worker = this.#worker;
    await reject(worker.sqs, worker.deadLetterQueueUrl, worker.name, rejection, signal());
    const { source, code, reason } = rejection;
    worker.logger.warn("rejected", { ...named(source), code, reason });
    worker.metrics.addMetric("rejected", MetricUnit.Count, 1);
  }

  /** Says in the log why a message must come again, and notes when: later each time it fails. */
  #fail(message: SQSRecord, source: CreatedObject | undefined, error: unknown): void {
    const { logger, metrics, random, now } = this.#worker;
    const times = receives(message);
    const created = source?.createdAt?.getTime() ?? Number(message.attributes.SentTimestamp);
    const seconds =
      error instanceof SourceMissing
        ? backoffOfMissing(times, random(), now() - created)
        : backoff(times, random());
    const { messageId } = message;
    logger.error("failed", { messageId, ...named(source), receives: times, seconds, error: error as Error });
    metrics.addMetric("failed", MetricUnit.Count, 1);
    this.#failed.push({ message, seconds });
  }
}

/** What came of a version before it is written. */
interface Made {
  /** Of the result. */
  readonly key: string;
  readonly result: Awaited<ReturnType<ImageOperation>>;
  /** What goes along with it. */
  readonly along: Along;
  /** Milliseconds since 1970 at which it was begun. */
  readonly started: number;
  readonly bytesIn: number;
}

/** What became of a source of which there is nothing to write. */
const NOTHING: Written = { outcome: "superseded", superseding: undefined, wrote: false };

/** What is to be done where an image was too slow. */
const LONGER =
  "Raise the worker's timeout or memorySize, or lower its batchSize, and send the dead letter again.";

/** The same where it may have been another's fault. */
const LESS =
  "Its download, or another image, left it less than it was promised: if that happens time and again, raise the worker's timeout or lower its batchSize.";

/** What a message tells of, but for folder markers, which are no images. */
function sourcesOf(message: SQSRecord): (CreatedObject | UnknownMessage)[] {
  return eachRecord(message.body).filter(
    (source) => source instanceof UnknownMessage || !isFolderMarker(source),
  );
}

function unknown({ message, record }: UnknownMessage, body: string): Rejection {
  return {
    code: "unknown-message",
    reason: message,
    source: undefined,
    body: record === undefined ? body : JSON.stringify({ Records: [record] }),
  };
}

function receives(message: SQSRecord): number {
  return Number(message.attributes.ApproximateReceiveCount);
}

/** The fields by which a log's reader finds an object. */
function named(source: CreatedObject | undefined) {
  return { bucket: source?.bucket, key: source?.key, versionId: source?.versionId };
}

/** Of the notes on an image, those that say something. */
function told({ exact, repaired = [], dropped = [] }: Partial<Notes> = {}): Partial<Notes> {
  return {
    ...(exact !== undefined && { exact }),
    ...(repaired.length > 0 && { repaired }),
    ...(dropped.length > 0 && { dropped }),
  };
}

/** @throws TypeError unless it is what an operation has to return: not every handler is compiled with its types */
function checkResult(result: unknown): void {
  const { body, contentType } = (result ?? {}) as Record<string, unknown>;
  if (body instanceof Uint8Array && typeof contentType === "string") return;
  const fields =
    body === undefined && contentType === undefined
      ? kindOf(result)
      : `{ body: ${kindOf(body)}, contentType: ${kindOf(contentType)} }`;
  throw new TypeError(`The processor returned ${fields}, not { body: Buffer, contentType: string }.`);
}

/** A value's class, or its type where it has none. */
function kindOf(value: unknown): string {
  if (value === null) return "null";
  return typeof value === "object" ? (value.constructor?.name ?? "object") : typeof value;
}

function rejection(source: CreatedObject, code: string, reason: string): Rejection {
  return { code, reason, source, body: JSON.stringify({ Records: [source.record] }) };
}

/**
 * Seconds until the next try of what S3 does not find. The first two are as usual, and then it waits until S3 must find
 * it, so that a try falls behind that time though there are but five.
 * @param age milliseconds since the object was created
 */
export function backoffOfMissing(receives: number, random: number, age: number): number {
  const rest = Math.max(0, Math.ceil((FOUND_AFTER - age) / 1000));
  const wait = receives > 2 && rest > 0 ? Math.min(MAX_WAIT, rest + Math.round(60 * random)) : 0;
  return Math.max(wait, backoff(receives, random));
}
