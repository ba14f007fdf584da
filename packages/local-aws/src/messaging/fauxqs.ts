/*
 * The parts of fauxqs that it does not export, as far as they are used here, and what of them is not as AWS has it.
 */

import type { Events, MessageId } from "../events.ts";

export interface Attribute {
  readonly DataType: string;
  readonly StringValue?: string;
  readonly BinaryValue?: string;
}

export interface Message {
  readonly messageId: string;
  readonly body: string;
  readonly messageAttributes: Readonly<Record<string, Attribute>>;
  approximateReceiveCount: number;
  delayUntil?: number | undefined;
  /** The queue that moved it to the dead-letter queue it is in; ours. */
  deadLetterQueueSourceArn?: string;
  /** Of all receives so far; ours. */
  receipts?: string[];
}

/** A message as ReceiveMessage answers it. */
export interface Received {
  readonly MessageId: string;
  readonly ReceiptHandle: string;
  Attributes?: Record<string, string>;
  readonly MessageAttributes?: Readonly<Record<string, Attribute>>;
  MD5OfMessageAttributes?: string;
}

/** Where a message goes. */
export interface Target {
  isFifo(): boolean;
  checkDeduplication(id: string): { readonly isDuplicate: boolean };
  recordDeduplication(id: string, messageId: string): void;
  nextSequenceNumber(): string;
  enqueue(message: Message): void;
}

export interface Queue extends Target {
  readonly arn: string;
  readonly attributes: Record<string, string>;
  readonly messages: Message[];
  readonly delayedMessages: Message[];
  readonly inflightMessages: Map<string, { readonly message: Message }>;
  /** Messages that are there, by the receipts that were given out for them; ours. */
  receipts: Map<string, Message>;
  persistence: unknown;
  dequeue(
    most: number,
    visibilityTimeout: number | undefined,
    find?: (arn: string) => Pick<Target, "enqueue"> | undefined,
  ): Received[];
  deleteMessage(receipt: string): boolean;
  /** Makes visible what has been hidden for long enough. */
  processTimers(): void;
  purge(): void;
}

export interface QueueStore {
  persistence: unknown;
  createQueue(...parts: unknown[]): Queue;
  allQueues(): Iterable<Queue>;
  getQueue(url: string): Queue | undefined;
  getQueueByArn(arn: string): Queue | undefined;
}

export interface Topic {
  readonly attributes: Readonly<Record<string, string>>;
}

export interface Subscription {
  readonly arn: string;
  readonly endpoint: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** A message that SNS has taken, as fauxqs tells its spy before it fans the message out. */
export interface SpiedMessage {
  readonly messageId: string;
  readonly body: string;
}

export interface TopicStore {
  persistence: unknown;
  getTopic(arn: string): Topic | undefined;
  getSubscription(arn: string): Subscription | undefined;
}

/** How fauxqs refuses, in SQS and in SNS. */
export interface Refusal extends Error {
  readonly code: string;
  readonly statusCode: number;
}

/** Loads a part of fauxqs that it does not export, by its place in it. */
export function fauxqsPart(file: string) {
  return import(new URL(file, import.meta.resolve("fauxqs")).href);
}

/**
 * Has queues keep the receipts that they give out, and mark and count what they move to a dead-letter queue as SQS does.
 * @param transaction does all of something, or nothing
 * @param events is told of messages that are moved or deleted
 */
export function keepReceipts(
  queues: QueueStore,
  transaction: (work: () => void) => void,
  events: Events,
): void {
  const createQueue = queues.createQueue.bind(queues);
  queues.createQueue = (...parts) => {
    const queue = createQueue(...parts);
    const dequeue = queue.dequeue.bind(queue);
    const deleteMessage = queue.deleteMessage.bind(queue);
    const purge = queue.purge.bind(queue);
    const receipts = new Map<string, Message>();
    const forget = (message: Message | undefined): void => {
      for (const receipt of message?.receipts ?? []) receipts.delete(receipt);
    };
    queue.receipts = receipts;
    queue.dequeue = (most, visibilityTimeout, find) => {
      let received: Received[] = [];
      const moved: MessageId[] = [];
      const findDeadLetterQueue = (arn: string) => {
        const target = find?.(arn);
        return (
          target && {
            enqueue(message: Message) {
              forget(message);
              message.receipts = [];
              message.deadLetterQueueSourceArn = queue.arn;
              // The one too many, which fauxqs has counted, was no receive.
              message.approximateReceiveCount--;
              target.enqueue(message);
              moved.push({ queueArn: arn, messageId: message.messageId });
            },
          }
        );
      };
      // fauxqs moves a message by deleting it and inserting it again: a crash in between would lose it.
      transaction(() => {
        received = dequeue(most, visibilityTimeout, findDeadLetterQueue);
      });
      for (const each of moved) events.emit("deadLettered", () => ({ ...each, from: queue.arn }));
      for (const { ReceiptHandle } of received) {
        const message = queue.inflightMessages.get(ReceiptHandle)?.message;
        if (!message) continue;
        receipts.set(ReceiptHandle, message);
        message.receipts = [...(message.receipts ?? []), ReceiptHandle];
      }
      return received;
    };
    queue.deleteMessage = (receipt) => {
      const message = queue.inflightMessages.get(receipt)?.message;
      forget(message);
      const isDeleted = deleteMessage(receipt);
      if (message) {
        events.emit("deleted", () => ({ queueArn: queue.arn, messageId: message.messageId }));
      }
      return isDeleted;
    };
    queue.purge = () => {
      receipts.clear();
      purge();
    };
    return queue;
  };
}
