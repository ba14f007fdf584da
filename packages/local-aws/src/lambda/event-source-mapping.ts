import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import type { ReceivedMessage as Message, MessageAttribute, MessageQueue } from "../gateway/direct.ts";
import { InvocationError } from "./sandbox.ts";

export interface EventSourceMappingSettings {
  readonly queueArn: string;
  readonly region: string;
  /** Maximum number of messages in a batch. */
  readonly batchSize: number;
  /** Seconds to wait for a batch to fill. */
  readonly window: number;
  /** True for ReportBatchItemFailures: the function answers with the messages that failed. */
  readonly reportsFailures: boolean;
  /** Maximum number of batches that are worked on at the same time. */
  readonly concurrency: number;
}

/** The event that Lambda passes to a function for a batch. */
export interface SqsEvent {
  readonly Records: readonly { readonly messageId: string; readonly body: string }[];
}

/** Dependencies of an event source mapping. */
export interface EventSourceMappingParts {
  /** Asked as the function's role, as Lambda does. */
  readonly queue: MessageQueue;
  readonly invoke: (event: SqsEvent, requestId: string) => Promise<unknown>;
  /** Told what became of a batch: which messages failed, and why where all of them did. */
  readonly ended: (
    event: SqsEvent,
    requestId: string,
    failedMessages: readonly string[],
    error?: InvocationError,
  ) => void;
  /** Told of what the queue refused; polling goes on. */
  readonly report: (error: unknown) => void;
  /** @default the time of day */
  readonly clock?: Clock;
}

/** Time, which tests replace. */
export interface Clock {
  /** Milliseconds. */
  now(): number;
  sleep(milliseconds: number): Promise<void>;
}

const CLOCK: Clock = { now: Date.now, sleep: (milliseconds) => setTimeout(milliseconds) };

/** Seconds of one long poll, the maximum of SQS. */
const LONG_POLL = 20;

const PAUSE_AFTER_ERROR_MS = 1000;

/** Maximum number of messages in one receive or delete, a limit of SQS. */
const MAX_MESSAGES = 10;

/**
 * Takes messages from a queue, gives them to a function in batches and deletes those that are done with, as
 * Lambda's event source mapping does. A message that is not done with becomes visible again by itself.
 */
export class EventSourceMapping {
  readonly settings: EventSourceMappingSettings;
  readonly #parts: EventSourceMappingParts;
  readonly #clock: Clock;
  readonly #pollers: Promise<void>[];
  readonly #stopping = new AbortController();

  constructor(settings: EventSourceMappingSettings, parts: EventSourceMappingParts) {
    this.settings = settings;
    this.#parts = parts;
    this.#clock = parts.clock ?? CLOCK;
    this.#pollers = Array.from({ length: settings.concurrency }, () => this.#poll());
  }

  /** Takes no more messages, and resolves when those taken are done with. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#pollers);
  }

  async #poll(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        const batch = await this.#batch();
        if (batch.length > 0) await this.#process(batch);
      } catch (error) {
        // While stopping, the queue itself may be gone already.
        if (this.#stopping.signal.aborted) return;
        this.#parts.report(error);
        await this.#clock.sleep(PAUSE_AFTER_ERROR_MS);
      }
    }
  }

  /** Receives until the batch is full or its window is over. */
  async #batch(): Promise<Message[]> {
    const { batchSize, window } = this.settings;
    const batch = await this.#receive(batchSize, LONG_POLL);
    const until = this.#clock.now() + window * 1000;
    const left = () => (until - this.#clock.now()) / 1000;
    while (batch.length > 0 && batch.length < batchSize && !this.#stopping.signal.aborted && left() > 0) {
      try {
        batch.push(...(await this.#receive(batchSize - batch.length, left())));
      } catch (error) {
        // What was received before is not to wait for its visibility timeout.
        this.#parts.report(error);
        break;
      }
    }
    return batch;
  }

  #receive(max: number, seconds: number): Promise<Message[]> {
    const { queue } = this.#parts;
    return queue.receive(Math.min(max, MAX_MESSAGES), Math.min(seconds, LONG_POLL), this.#stopping.signal);
  }

  async #process(batch: Message[]): Promise<void> {
    const event = { Records: batch.map((message) => this.#record(message)) };
    const requestId = randomUUID();
    let failed: Set<string>;
    try {
      const answer = await this.#parts.invoke(event, requestId);
      failed = this.settings.reportsFailures ? failedMessages(answer, batch) : new Set();
      this.#parts.ended(event, requestId, [...failed]);
    } catch (error) {
      if (!(error instanceof InvocationError)) throw error;
      // Its messages come again after their visibility timeout. It was a try, also where the function was throttled.
      const all = event.Records.map(({ messageId }) => messageId);
      this.#parts.ended(event, requestId, all, error);
      return;
    }
    const done = batch.filter(({ MessageId }) => !failed.has(MessageId ?? ""));
    for (let at = 0; at < done.length; at += MAX_MESSAGES) {
      const some = done.slice(at, at + MAX_MESSAGES);
      await this.#parts.queue.delete(some.map(({ ReceiptHandle }) => ReceiptHandle));
    }
  }

  /** A message as Lambda shows it to a function. */
  #record(message: Message) {
    return {
      messageId: message.MessageId ?? "",
      receiptHandle: message.ReceiptHandle,
      body: message.Body ?? "",
      attributes: message.Attributes ?? {},
      messageAttributes: Object.fromEntries(
        Object.entries(message.MessageAttributes ?? {}).map(([name, value]) => [name, attribute(value)]),
      ),
      md5OfBody: message.MD5OfBody,
      ...(message.MD5OfMessageAttributes && { md5OfMessageAttributes: message.MD5OfMessageAttributes }),
      eventSource: "aws:sqs",
      eventSourceARN: this.settings.queueArn,
      awsRegion: this.settings.region,
    };
  }
}

function attribute(value: MessageAttribute) {
  return {
    dataType: value.DataType,
    ...(value.StringValue === undefined ? {} : { stringValue: value.StringValue }),
    ...(value.BinaryValue === undefined ? {} : { binaryValue: value.BinaryValue }),
    stringListValues: [],
    binaryListValues: [],
  };
}

/**
 * The messages that a function reports as failed. An empty answer or list is success.
 * @throws {InvocationError} for an answer of another shape, or an identifier that is not in the batch, which fail the whole
 * batch: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
 */
export function failedMessages(answer: unknown, batch: Message[]): Set<string> {
  if (answer === null || answer === undefined) return new Set();
  const failures =
    typeof answer === "object" ? ((answer as PartialResponse).batchItemFailures ?? []) : answer;
  if (!Array.isArray(failures)) throw unreadable(answer);
  const all = new Set(batch.map(({ MessageId }) => MessageId ?? ""));
  const failed = new Set<string>();
  for (const failure of failures) {
    const id: unknown = failure?.itemIdentifier;
    if (typeof id !== "string" || !all.has(id)) throw unreadable(answer);
    failed.add(id);
  }
  return failed;
}

interface PartialResponse {
  readonly batchItemFailures?: unknown;
}

/** Characters of an answer that are shown. */
const SHOWN = 100;

function unreadable(answer: unknown): InvocationError {
  const json = JSON.stringify(answer);
  return new InvocationError("answer", json.length > SHOWN ? `${json.slice(0, SHOWN)}…` : json);
}
