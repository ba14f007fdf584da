import { MetricUnit } from "@aws-lambda-powertools/metrics";
import { ChangeMessageVisibilityBatchCommand, DeleteMessageBatchCommand } from "@aws-sdk/client-sqs";
import type { SQSRecord } from "aws-lambda";
import { backoff, backoffOfMissing } from "./backoff.ts";
import { type CreatedObject, eachRecord, isFolderMarker, UnknownMessage } from "./envelope.ts";
import { type Batch, Image } from "./image.ts";
import { Pipeline } from "./pipeline.ts";
import { COMES_AGAIN, MAX_BATCH } from "./queue.ts";
import { type Rejection, reject, rejectionOf, rejectionOfUnknown } from "./rejection.ts";
import { Shares } from "./share.ts";
import { SourceMissing } from "./source.ts";
import { named, resultKey, type Worker } from "./worker.ts";

/** One invocation of the function, as far as time is concerned. */
export interface Invocation {
  readonly remainingMilliseconds: () => number;
}

/** Maximum length of a key in S3, in bytes of UTF-8. */
const MAX_KEY_BYTES = 1024;

/** What is said of a handler that rejects with nothing. */
const NOTHING_SAID = "The processor failed without saying of what.";

/** What a message failed of, and in how many seconds it comes again. */
interface Failure {
  readonly error: unknown;
  readonly seconds: number;
}

/**
 * The contract of a message, for all messages of one invocation: each of its images is processed, rejected or superseded, or
 * the message comes again.
 */
export class Delivery {
  readonly #batch: Batch;
  readonly #messages: readonly SQSRecord[];
  /** What each message asks for: images, and what is rejected without a look at them. */
  readonly #asked: ReadonlyMap<SQSRecord, readonly (CreatedObject | Rejection)[]>;
  /** Whether there is never more than one image in hand. */
  readonly #isSerial: boolean;
  /** Whether nothing can end the function in the middle any more. */
  #isOver = false;

  /** @param messages all of the invocation, which share its time */
  constructor(worker: Worker, invocation: Invocation, messages: readonly SQSRecord[]) {
    this.#messages = messages;
    this.#asked = new Map(messages.map((message) => [message, askedBy(message, worker)]));
    const images = [...this.#asked.values()].flat().filter((each) => !isRejection(each)).length;
    this.#isSerial = Math.min(worker.depth, images) === 1;
    const shares = new Shares(invocation.remainingMilliseconds, images);
    this.#batch = { worker, shares, pipeline: new Pipeline(worker.depth, worker.byteLimit) };
  }

  /**
   * Delivers all messages, and tells the queue when those are to come again that failed.
   * @returns for each message what it failed of; undefined where it is done with, whatever became of its images
   */
  async run(): Promise<unknown[]> {
    const hiding = this.#hide();
    const errors = new Map<SQSRecord, unknown>();
    const groups = this.#groups();
    for (const group of groups) {
      const backoffs = new Map<SQSRecord, number>();
      const done: SQSRecord[] = [];
      await Promise.all(
        group.map(async (message) => {
          const failure = await this.#deliver(message);
          errors.set(message, failure?.error);
          if (failure) backoffs.set(message, failure.seconds);
          else done.push(message);
        }),
      );
      this.#isOver = group === groups.at(-1);
      await hiding;
      const telling = this.#setVisibility(backoffs, "backoff not set");
      await Promise.all([telling, !this.#isOver && this.#delete(done)]);
    }
    return this.#messages.map((message) => errors.get(message));
  }

  /**
   * Messages that are delivered together. Those that came before come last, each alone, the likelier the later: one of them
   * may be what ended a function.
   */
  #groups(): SQSRecord[][] {
    const fresh = this.#messages.filter((message) => receives(message) === 1);
    const before = this.#messages.filter((message) => receives(message) > 1);
    before.sort((a, b) => receives(a) - receives(b));
    return [...(fresh.length > 0 ? [fresh] : []), ...before.map((message) => [message])];
  }

  /** Does all that a message asks for. @returns why it comes again, where it does */
  async #deliver(message: SQSRecord): Promise<Failure | undefined> {
    const { worker, shares } = this.#batch;
    const asked = this.#asked.get(message) ?? [];
    const fates = await Promise.allSettled(asked.map((each) => this.#fateOf(each, receives(message))));
    const failures = fates.flatMap((fate, index) =>
      fate.status === "rejected"
        ? [{ source: asked[index] as CreatedObject, error: fate.reason ?? new Error(NOTHING_SAID) }]
        : [],
    );
    const [first, ...others] = failures;
    for (const { source, error } of others) worker.logger.warn("failed, too", { ...named(source), error });
    if (first) return this.#failure(message, first.source, first.error);
    // Nothing sends the message round again any more, so that each rejection is told once.
    for (const fate of fates) {
      if (fate.status === "rejected" || !fate.value) continue;
      try {
        await reject(worker, fate.value, shares.within);
      } catch (error) {
        return this.#failure(message, fate.value.source, error);
      }
    }
    return undefined;
  }

  async #fateOf(asked: CreatedObject | Rejection, times: number): Promise<Rejection | undefined> {
    if (isRejection(asked)) return asked;
    return new Image(this.#batch, asked, times, this.#isSerial || times > 1).deliver();
  }

  /** Says in the log why a message comes again, and when: later each time it fails. */
  #failure(message: SQSRecord, source: CreatedObject | undefined, error: unknown): Failure {
    const { logger, metrics, random, now } = this.#batch.worker;
    const times = receives(message);
    const created = source?.createdAt?.getTime() ?? Number(message.attributes.SentTimestamp);
    const seconds =
      error instanceof SourceMissing
        ? backoffOfMissing(times, random(), now() - created)
        : backoff(times, random());
    const { messageId } = message;
    logger.error("failed", { messageId, ...named(source), receives: times, seconds, error: error as Error });
    metrics.addMetric("failed", MetricUnit.Count, 1);
    return { seconds, error };
  }

  /**
   * Has the messages of a function that ends in the middle come again soon after its time, and apart, so that what ended it
   * meets others than before.
   */
  async #hide(): Promise<void> {
    const { worker, shares } = this.#batch;
    const rest = Math.ceil(shares.remaining / 1000) + COMES_AGAIN.after;
    const seconds = () => rest + Math.floor(COMES_AGAIN.apart * worker.random());
    const hidden = new Map(this.#messages.map((message) => [message, seconds()]));
    await this.#setVisibility(hidden, "visibility not set", () => this.#isOver);
  }

  /** Deletes what is done with, which is not to come again because of what follows; what was counted of it is told now, too. */
  async #delete(messages: readonly SQSRecord[]): Promise<void> {
    const { sqs, queueUrl: QueueUrl, metrics } = this.#batch.worker;
    metrics.publishStoredMetrics();
    await this.#tellQueue(messages, "not deleted", (batch, options) =>
      sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries: batch.map(entryOf) }), options),
    );
  }

  /** @param failure what the log says where the queue is not told */
  async #setVisibility(
    secondsOf: ReadonlyMap<SQSRecord, number>,
    failure: string,
    isOver?: () => boolean,
  ): Promise<void> {
    const { sqs, queueUrl: QueueUrl } = this.#batch.worker;
    const tell: Tell = (batch, options) => {
      const Entries = batch.map((message, index) => ({
        ...entryOf(message, index),
        VisibilityTimeout: secondsOf.get(message),
      }));
      return sqs.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries }), options);
    };
    await this.#tellQueue([...secondsOf.keys()], failure, tell, isOver);
  }

  /**
   * Tells the queue something of messages, ten at a time. A message of which it cannot be told comes again, at the latest
   * after the queue's own visibility timeout.
   */
  async #tellQueue(
    messages: readonly SQSRecord[],
    failure: string,
    tell: Tell,
    isOver = () => false,
  ): Promise<void> {
    const { worker, shares } = this.#batch;
    for (let from = 0; from < messages.length && !isOver(); from += MAX_BATCH) {
      const batch = messages.slice(from, from + MAX_BATCH);
      const messageIds = batch.map(({ messageId }) => messageId);
      try {
        if (shares.over) throw new Error("There was no time left.");
        const { Failed = [] } = await shares.within((options) => tell(batch, options));
        if (Failed.length > 0) worker.logger.warn(failure, { messageIds, failed: Failed });
      } catch (error) {
        worker.logger.warn(failure, { messageIds, error: error as Error });
      }
    }
  }
}

/** Tells the queue something of up to ten messages. */
type Tell = (
  batch: readonly SQSRecord[],
  options: { readonly abortSignal: AbortSignal },
) => Promise<{ Failed?: unknown[] | undefined }>;

function entryOf({ receiptHandle }: SQSRecord, index: number) {
  return { Id: String(index), ReceiptHandle: receiptHandle };
}

/** What a message asks for, but for folder markers, which are no images. */
function askedBy({ body }: SQSRecord, worker: Worker): (CreatedObject | Rejection)[] {
  return eachRecord(body).flatMap((record) => {
    if (record instanceof UnknownMessage) return rejectionOfUnknown(record, body);
    if (isFolderMarker(record)) return [];
    if (Buffer.byteLength(resultKey(worker, record)) <= MAX_KEY_BYTES) return record;
    const reason = `The result's key would have more than ${MAX_KEY_BYTES} bytes.`;
    return rejectionOf(record, "key-too-long", reason);
  });
}

function isRejection(asked: CreatedObject | Rejection): asked is Rejection {
  return "code" in asked;
}

/** How often a message was received: once, where nobody says so, as one that is in no group would be lost. */
function receives(message: SQSRecord): number {
  return Number(message.attributes.ApproximateReceiveCount) || 1;
}
