import type { Logger } from "@aws-lambda-powertools/logger";
import { type Metrics, MetricUnit } from "@aws-lambda-powertools/metrics";
import type { S3Client } from "@aws-sdk/client-s3";
import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import type { SQSRecord } from "aws-lambda";
import { type ImageOperation, ImageRejected, type Notes } from "image-turn";
import { BYTES_OF_LIMIT } from "image-turn/weights";
import { backoff } from "./backoff.ts";
import { type Along, along, type Carried } from "./carry.ts";
import { type CreatedObject, eachRecord, identity, isFolderMarker, UnknownMessage } from "./envelope.ts";
import { Ahead, Hand, type Held, Turns } from "./pipeline.ts";
import { COMES_AGAIN } from "./queue.ts";
import { type Rejection, reject } from "./rejection.ts";
import { ownMetadata, type Written, writeResult } from "./result.ts";
import { type Signal, until } from "./send.ts";
import { type Share, Shares } from "./share.ts";
import {
  currentSource,
  FOUND_AFTER,
  readSource,
  type Source,
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
 * The contract of a message, for all messages of one invocation. Operations run one after the other; while one does, the
 * next images are read and the last results written.
 */
export class Delivery {
  readonly #worker: Worker;
  readonly #messages: readonly SQSRecord[];
  readonly #sources = new Map<SQSRecord, (CreatedObject | UnknownMessage)[]>();
  readonly #shares: Shares;
  readonly #hand: Hand;
  readonly #turns = new Turns();
  /** Pixels that leave room for all that may be in hand beside the image. */
  readonly #pixels: number;
  readonly #failed: Hidden[] = [];
  /** Whether nothing can end the function in the middle any more. */
  #isOver = false;

  /** @param messages all of the invocation, which share its time */
  constructor(worker: Worker, invocation: Invocation, messages: readonly SQSRecord[]) {
    this.#worker = worker;
    this.#messages = messages;
    let images = 0;
    for (const message of messages) {
      const sources = sourcesOf(message);
      this.#sources.set(message, sources);
      images += sources.length;
    }
    this.#shares = new Shares(invocation.remainingMilliseconds, images);
    const { depth, byteLimit, pixelLimit } = worker;
    this.#hand = new Hand(depth, byteLimit);
    const others = Math.min(depth, images) > 1 ? Math.ceil(byteLimit / BYTES_OF_LIMIT) : 0;
    this.#pixels = Math.max(0, pixelLimit - others);
  }

  /**
   * Delivers all messages, and tells the queue when those are to come again that failed.
   * @returns for each message what it failed of; undefined where it is done with, whatever became of its images
   */
  async run(): Promise<unknown[]> {
    const hiding = this.#hide();
    const outcomes = new Map<SQSRecord, Promise<unknown>>();
    // Those that came before come last, each alone, the likelier the later: one of them may be what ended a function.
    const order = [...this.#messages].sort((a, b) => receives(a) - receives(b));
    let begun: SQSRecord[] = [];
    for (const message of order) {
      const times = receives(message);
      if (times > 1) {
        await this.#settle(begun, outcomes);
        begun = [];
      }
      begun.push(message);
      const images: Promise<Judged>[] = [];
      for (const source of this.#sources.get(message) ?? []) {
        const held = heldOf(source, times);
        await this.#hand.enter(held);
        images.push(this.#image(source, message, held).finally(() => this.#hand.leave(held)));
      }
      const outcome = this.#finish(message, images).then(
        () => undefined,
        (error) => error,
      );
      outcomes.set(message, outcome);
    }
    const all = await Promise.all(this.#messages.map((message) => outcomes.get(message)));
    this.#isOver = true;
    await hiding;
    await this.#giveBack();
    return all;
  }

  /**
   * Has the messages of a function that ends in the middle come again soon after its time, and apart, so that what ended it
   * meets others than before.
   */
  async #hide(): Promise<void> {
    const { random } = this.#worker;
    const rest = Math.ceil(this.#shares.remaining / 1000) + COMES_AGAIN.after;
    const hidden = this.#messages.map((message) => ({
      message,
      seconds: rest + Math.floor(COMES_AGAIN.apart * random()),
    }));
    for (let from = 0; from < hidden.length && !this.#isOver; from += MAX_MESSAGES) {
      await this.#setVisibility(hidden.slice(from, from + MAX_MESSAGES), "visibility not set");
    }
  }

  /**
   * Waits for messages to be done with, and deletes them: they are not to come again because of what follows. So what was
   * counted of them is told now, too, as it would be lost with the function.
   */
  async #settle(messages: readonly SQSRecord[], outcomes: Map<SQSRecord, Promise<unknown>>): Promise<void> {
    const done: { message: SQSRecord }[] = [];
    for (const message of messages) {
      if ((await outcomes.get(message)) === undefined) done.push({ message });
    }
    const { sqs, queueUrl: QueueUrl, metrics } = this.#worker;
    if (done.length > 0) metrics.publishStoredMetrics();
    await this.#tellQueue(done, "not deleted", (Entries, options) =>
      sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }), options),
    );
  }

  /** Tells the queue when each message that failed is to come again. */
  async #giveBack(): Promise<void> {
    await this.#setVisibility(this.#failed, "backoff not set");
  }

  async #setVisibility(all: readonly Hidden[], failure: string): Promise<void> {
    const { sqs, queueUrl: QueueUrl } = this.#worker;
    await this.#tellQueue(all, failure, (entries, options) => {
      const Entries = entries.map(({ seconds, ...entry }) => ({ ...entry, VisibilityTimeout: seconds }));
      return sqs.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries }), options);
    });
  }

  /**
   * Tells the queue something of messages, ten at a time. A message of which it cannot be told comes again, at the latest
   * after the queue's own visibility timeout.
   * @param failure what the log says then
   */
  async #tellQueue<T extends { readonly message: SQSRecord }>(
    all: readonly T[],
    failure: string,
    request: (
      entries: (Omit<T, "message"> & { Id: string; ReceiptHandle: string })[],
      options: { abortSignal: AbortSignal },
    ) => Promise<{ Failed?: unknown[] | undefined }>,
  ): Promise<void> {
    const { logger } = this.#worker;
    for (let from = 0; from < all.length; from += MAX_MESSAGES) {
      if (this.#shares.over) {
        const messageIds = all.slice(from).map(({ message }) => message.messageId);
        logger.warn(failure, { messageIds, error: new Error("There was no time left.") });
        return;
      }
      const batch = all.slice(from, from + MAX_MESSAGES);
      const entries = batch.map(({ message, ...rest }, index) => ({
        Id: String(index),
        ReceiptHandle: message.receiptHandle,
        ...rest,
      }));
      const messageIds = batch.map(({ message }) => message.messageId);
      const abortSignal = this.#shares.signal();
      try {
        const { Failed = [] } = await until(abortSignal, request(entries, { abortSignal }));
        if (Failed.length > 0) logger.warn(failure, { messageIds, failed: Failed });
      } catch (error) {
        logger.warn(failure, { messageIds, error: error as Error });
      }
    }
  }

  /**
   * Does what one record asks for: reads ahead, waits for its turn, has the operation done, and writes.
   * @param held is in hand, and was entered just now: the order of turns is that of these calls
   */
  async #image(source: CreatedObject | UnknownMessage, message: SQSRecord, held: Held): Promise<Judged> {
    if (source instanceof UnknownMessage) {
      return this.#turn(held, async () => ({
        rejection: unknown(source, message.body),
        signal: this.#shares.next().signal,
      }));
    }
    const times = receives(message);
    // One that came before begins with a look at the source.
    const ahead = times > 1 || isKeyTooLong(this.#keyOf(source)) ? undefined : this.#readAhead(source, held);
    if (!ahead) this.#hand.set(held, 0);
    try {
      const { newer, made } = await this.#turn(held, async () => {
        const share = this.#shares.next();
        const newer = times > 1 ? await this.#newer(source, share) : undefined;
        if (newer) this.#superseded(source, "A newer version is there.");
        const again = () => this.#shares.again();
        return { newer, made: await this.#make(newer ?? source, { share, again, times, held, ahead }) };
      });
      if (!made) return {};
      if ("rejection" in made) return newer ? {} : made;
      const { superseding, wrote } = await this.#write(newer ?? source, made);
      this.#hand.set(held, 0);
      if (superseding && !(newer && !wrote)) {
        await this.#makeCurrent(superseding, { times, held }, times > 1 || wrote);
      }
      return {};
    } catch (error) {
      return { failed: source, error: error ?? new Error("The processor failed without saying of what.") };
    }
  }

  /** Begins to read a source before its turn, and no more of it than there is room for: an event need not be right. */
  #readAhead(source: CreatedObject, held: Held): Ahead<Read> {
    const inTurn = this.#turns.free;
    const read = async (signal: Signal, isAhead: boolean) => {
      const read = await this.#read(source, signal, isAhead && !inTurn ? source.size : undefined);
      if (held.drop) this.#hand.set(held, read.bytes.length);
      return read;
    };
    const ahead = new Ahead(read, (error) => inTurn || isFinal(error));
    held.drop = () => {
      ahead.drop();
      this.#takeUp(held);
    };
    return ahead;
  }

  /** From now on, what is read of an image is not in hand beside the one that is turned: it is that one, or was dropped. */
  #takeUp(held: Held): void {
    held.drop = undefined;
    this.#hand.set(held, 0);
  }

  /** Has a task done alone, in the order of the calls: operations are never done at the same time. */
  async #turn<T>(held: Held, task: () => Promise<T>): Promise<T> {
    const end = await this.#turns.take();
    try {
      this.#takeUp(held);
      await this.#hand.settled();
      return await task();
    } finally {
      end();
    }
  }

  /** Says in the end what becomes of a message, of whose images all were tried. */
  async #finish(message: SQSRecord, images: readonly Promise<Judged>[]): Promise<void> {
    let begun: CreatedObject | undefined;
    // Rejections wait until nothing can send the message round again, so that each is told once.
    const rejections: [Rejection, Signal][] = [];
    const failures: [CreatedObject, unknown][] = [];
    for (const image of images) {
      const { rejection, signal, failed, error } = await image;
      if (failed) failures.push([failed, error]);
      // One that waited for others may have no share left.
      if (rejection) rejections.push([rejection, images.length > 1 ? this.#shares.signal : signal]);
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
   * Makes a version that was seen to be the current one. One that is seen after it was uploaded later than that, so that
   * its own message comes later, too, and finds whatever stands by then: it must be made here only if something was written
   * since, which it may have come before. docs/delivery.md has the proof.
   * @param must whether this message may have written what stands: otherwise the version's own message makes it
   */
  async #makeCurrent(
    version: CreatedObject,
    { times, held }: Pick<Making, "times" | "held">,
    must: boolean,
  ): Promise<void> {
    let next: CreatedObject | undefined = version;
    for (let count = 0; next; count++) {
      if (count === MAX_SUPERSEDING) {
        throw new Overtaken(`${next.key} was overwritten each time that a result was written for it.`);
      }
      const source: CreatedObject = next;
      const again = () => this.#shares.extra();
      const made = await this.#turn(held, () =>
        this.#make(source, { share: again(), again, times, held }),
      ).catch((error) => {
        if (must || count > 0) throw error;
        this.#worker.logger.warn("left to its own message", { ...named(source), error });
        return undefined;
      });
      // If that version must be rejected, its own event's message does so.
      if (!made || "rejection" in made) return;
      const written = await this.#write(source, made);
      this.#hand.set(held, 0);
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

  #keyOf({ key }: CreatedObject): string {
    return `${this.#worker.prefix}/${key}`;
  }

  async #read(source: CreatedObject, signal: Signal, room = this.#worker.byteLimit): Promise<Read> {
    const { s3, carry, byteLimit, now } = this.#worker;
    const started = now();
    const read = await readSource(s3, source, Math.min(room, byteLimit), signal, now);
    const tags = carry.includes("tags") ? await tagsOf(s3, source, signal, now) : [];
    return { ...read, tags, started, ms: now() - started };
  }

  /**
   * Reads a version, where that was not done ahead, and has the operation done.
   * @returns why that can never be done, where that is so; undefined where there is nothing to do
   */
  async #make(source: CreatedObject, making: Making): Promise<Made | Rejected | undefined> {
    const { carry } = this.#worker;
    const { ahead, held } = making;
    const key = this.#keyOf(source);
    if (isKeyTooLong(key)) {
      const reason = `The result's key would have more than ${MAX_KEY_BYTES} bytes.`;
      return { rejection: rejection(source, "key-too-long", reason), signal: making.share.signal };
    }
    const given = { work: 0, share: making.share };
    try {
      const { signal } = making.share;
      const read = await (ahead ? ahead.take(signal) : this.#read(source, signal));
      const { bytes, described, tags, started, ms } = read;
      // An event need not say how large it is.
      if (isFolderMarker({ key: source.key, size: bytes.length })) return undefined;
      const { result, work } = await this.#operate(bytes, making, given);
      this.#hand.set(held, result.body.length);
      const goes = along(described, tags, carry, ownMetadata(source));
      const times = { fetch: ms, work, started, worked: this.#worker.now() };
      return { key, result, along: goes, share: given.share, times, bytesIn: bytes.length };
    } catch (error) {
      const rejection = this.#judged(error, source, given.work, making.times);
      return rejection && { rejection, signal: given.share.signal };
    }
  }

  /**
   * Has the operation done within the limits: with room for what is in hand besides, or, where an image needs more, once
   * nothing is.
   * @param given is told the share of the image, and the milliseconds of it that the operation has
   */
  async #operate(bytes: Buffer, { share, again, held }: Making, given: { work: number; share: Share }) {
    const { operation, pixelLimit, now } = this.#worker;
    const attempt = async (share: Share, pixels: number) => {
      Object.assign(given, { share, work: share.work });
      const seconds = Math.max(100, Math.floor(given.work / 100) * 100) / 1000;
      const started = now();
      const result = await operation(bytes, { pixels, seconds }).finally(() => share.worked());
      checkResult(result);
      return { result, work: now() - started };
    };
    const pixels = held.alone ? pixelLimit : this.#pixels;
    try {
      return await attempt(share, pixels);
    } catch (error) {
      const needsMore = error instanceof ImageRejected && error.code === "too-many-pixels";
      if (!needsMore || pixels === pixelLimit) throw error;
      return await this.#hand.cleared(held, () => attempt(again(), pixelLimit));
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
  async #write(source: CreatedObject, made: Made): Promise<Written> {
    const { s3, resultsBucket, logger, metrics, now } = this.#worker;
    const { key, result, share, bytesIn } = made;
    const target = { bucket: resultsBucket, key };
    const whole = { ...result, along: made.along.put };
    const written = await writeResult(s3, target, source, whole, share.signal, now);
    const { outcome } = written;
    const { started, worked, fetch, work } = made.times;
    const [ms, write] = [now() - started, now() - worked];
    const times = { ms, fetch, wait: ms - fetch - work - write, work, write };
    const { left } = made.along;
    const notes = { ...told(result.notes), ...(left.length > 0 && { leftBehind: left }) };
    logger.info(outcome, { ...named(source), ...times, bytesIn, bytesOut: result.body.length, ...notes });
    metrics.addMetric(outcome, MetricUnit.Count, 1);
    for (const what of ["repaired", "dropped"] as const) {
      if (outcome === "processed" && notes[what]) metrics.addMetric(what, MetricUnit.Count, 1);
    }
    metrics.addMetric("bytes", MetricUnit.Bytes, bytesIn);
    for (const [part, value] of Object.entries(times)) {
      metrics.addMetric(part, MetricUnit.Milliseconds, value);
    }
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
    worker.logger.warn("rejected", { ...named(source), bytesIn: source?.size, code, reason });
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

/** A message, and the seconds for which nobody is to receive it. */
interface Hidden {
  readonly message: SQSRecord;
  readonly seconds: number;
}

/** A source as it was read, and when. */
interface Read extends Source {
  readonly tags: Awaited<ReturnType<typeof tagsOf>>;
  /** Milliseconds since 1970. */
  readonly started: number;
  readonly ms: number;
}

/** What making a version takes. */
interface Making {
  readonly share: Share;
  /** Gives a share anew, where the image had to wait within its first one. */
  readonly again: () => Share;
  /** How often its message was received. */
  readonly times: number;
  readonly held: Held;
  readonly ahead?: Ahead<Read> | undefined;
}

/** Why an image can never be processed, and the time that is left to say so. */
interface Rejected {
  readonly rejection: Rejection;
  readonly signal: Signal;
}

/** What became of an image: nothing more to do, a rejection to be told, or a failure for which its message comes again. */
type Judged =
  | { readonly rejection?: never; readonly signal?: never; readonly failed?: never; readonly error?: never }
  | (Rejected & { readonly failed?: never; readonly error?: never })
  | {
      readonly failed: CreatedObject;
      readonly error: unknown;
      readonly rejection?: never;
      readonly signal?: never;
    };

/** What came of a version before it is written. */
interface Made {
  /** Of the result. */
  readonly key: string;
  readonly result: Awaited<ReturnType<ImageOperation>>;
  /** What goes along with it. */
  readonly along: Along;
  /** What is left of it is for writing. */
  readonly share: Share;
  /** Milliseconds: of reading and of the operation, and since 1970 when the one began and the other ended. */
  readonly times: {
    readonly fetch: number;
    readonly work: number;
    readonly started: number;
    readonly worked: number;
  };
  readonly bytesIn: number;
}

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

/** An image before it is in hand: while it is read, it may take its bytes twice. */
function heldOf(source: CreatedObject | UnknownMessage, times: number): Held {
  if (source instanceof UnknownMessage) return { key: "", alone: false, bytes: 0 };
  const { bucket, key, size = Number.POSITIVE_INFINITY } = source;
  return { key: `${bucket}/${key}`, alone: times > 1, bytes: times > 1 ? 0 : 2 * size };
}

function isKeyTooLong(key: string): boolean {
  return Buffer.byteLength(key) > MAX_KEY_BYTES;
}

/** Whether what S3 said of a source that was read ahead stays so: there may be room for a larger one in its turn. */
function isFinal(error: unknown): boolean {
  return error instanceof SourceGone || (error instanceof SourceRejected && error.code !== "too-large");
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
