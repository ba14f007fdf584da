import { mkdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Events, MessageId } from "../events.ts";
import { ServiceError } from "../service-error.ts";
import { type Attribute, hasForbiddenCharacters } from "./sqs-messages.ts";

/*
 * The only file that reaches into fauxqs: the parts of it that are used but not exported, and patches of what they do
 * otherwise than SQS. What fauxqs' answers say otherwise than AWS is corrected outside of it, in sqs.ts and sns.ts.
 */

/**
 * The patches, and the condition under which each goes. test/messaging/fauxqs.test.ts has a canary for each, which fails
 * as soon as fauxqs meets it.
 */
export const PATCHES = {
  parts: "fauxqs exports its stores and its actions, which are used without a listener of their own",
  storage: "startFauxqs listens where it is told to, or fauxqs exports what it keeps its messages with",
  characters: "fauxqs takes every character that XML has, emoji among them",
  receipts: "fauxqs knows the receipt of a message that is visible again",
  deadLetterSource:
    "fauxqs says which queue a message in a dead-letter queue came from, also after a restart",
  deadLetterCount: "fauxqs does not count the move to the dead-letter queue as a receive",
  deadLetterMove: "fauxqs moves a message to the dead-letter queue in one transaction",
  givingBack: "fauxqs keeps on disk how often a message was received that is given back at once",
  restart: "fauxqs makes messages visible at the start whose receivers are gone with the process",
  addresses: "fauxqs names queues by the host that it was asked at",
} as const satisfies Record<string, string>;

export interface Message {
  readonly messageId: string;
  readonly body: string;
  readonly messageAttributes: Readonly<Record<string, Attribute>>;
  approximateReceiveCount: number;
  delayUntil?: number | undefined;
  /** The queue that moved it to the dead-letter queue it is in; ours. */
  deadLetterQueueSourceArn?: string;
  /** Receipts of all receives so far; ours. */
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

/** The target of a message. */
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
  /** Puts a message into it that no client has sent; ours. */
  put(message: Message): void;
  dequeue(
    max: number,
    visibilityTimeout: number | undefined,
    find?: (arn: string) => Pick<Target, "enqueue"> | undefined,
  ): Received[];
  deleteMessage(receipt: string): boolean;
  /** Makes visible what has been hidden for long enough. */
  processTimers(): void;
  /** Those who wait for a message, the last come last. */
  readonly pollWaiters: { readonly resolve: () => void; readonly timer: NodeJS.Timeout }[];
  waitForMessages(seconds: number): Promise<void>;
  purge(): void;
}

export interface QueueStore {
  persistence: unknown;
  region: string;
  /** Ends all long polls. */
  shutdown(): void;
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
  region: string;
  getTopic(arn: string): Topic | undefined;
  getSubscription(arn: string): Subscription | undefined;
}

/** An error of fauxqs, in SQS and in SNS. */
interface Refusal extends Error {
  readonly code: string;
  readonly statusCode: number;
  readonly senderFault: boolean;
  /** SQS's alone. */
  readonly queryCode?: string;
}

/** Does an operation, as fauxqs has it; what it creates has the address of the host that was asked. */
type Action = (input: object, ...parts: (QueueStore | TopicStore | ReturnType<typeof askedAt>)[]) => unknown;
const askedAt = (host: string) => ({ headers: { host } });

/** fauxqs' code that is called here. */
interface Parts {
  readonly SqsStore: new () => QueueStore;
  readonly SnsStore: new () => TopicStore;
  readonly PersistenceManager: new (folder: string) => Persistence;
  /** Finds what no message may have. */
  readonly INVALID_MESSAGE_BODY_CHAR: Pick<RegExp, "test">;
}

interface Persistence {
  readonly db: DatabaseSync;
  insertMessage(queueName: string, message: Message): void;
  updateMessageReady(messageId: string): void;
  transaction(work: () => void): void;
  loadSqsAndSns(queues: QueueStore, topics: TopicStore): void;
  close(): void;
}

/** Loads a part of fauxqs that it does not export, by its place in it (patch "parts"). */
export function fauxqsPart(file: string) {
  return import(new URL(file, import.meta.resolve("fauxqs")).href);
}

/** Does an operation of SQS; one that says nothing has no answer. @throws {ServiceError} */
export type AskSqs = (operation: string, input: object, host: string) => Promise<object | undefined>;

/** Does the operation of SNS that the parameters name, and answers in XML. @throws {ServiceError} */
export type AskSns = (parameters: Parameters, host: string) => Promise<string>;

export type Parameters = Readonly<Record<string, string>>;

/** SNS and SQS of fauxqs, patched. */
export interface Fauxqs {
  readonly queues: QueueStore;
  readonly topics: TopicStore;
  readonly sqs: AskSqs;
  readonly sns: AskSns;
  close(): Promise<void>;
}

export interface FauxqsOptions {
  readonly region: string;
  /** Keeps queues and messages across restarts and crashes. @default they are gone at the end */
  readonly folder?: string | undefined;
  /** Told of messages that are sent, moved to a dead-letter queue or deleted. */
  readonly events: Events;
}

export async function openFauxqs({ region, folder, events }: FauxqsOptions): Promise<Fauxqs> {
  const parts: Parts = Object.assign(
    {},
    ...(await Promise.all(
      ["sqs/sqsStore", "sns/snsStore", "sqs/sqsTypes", "persistence"].map((part) =>
        fauxqsPart(`./${part}.js`),
      ),
    )),
  );
  // Patch "characters".
  Object.assign(parts.INVALID_MESSAGE_BODY_CHAR, { test: hasForbiddenCharacters });
  const queues = new parts.SqsStore();
  const topics = new parts.SnsStore();
  const persistence = folder === undefined ? undefined : openPersistence(parts, folder);
  patchQueues(queues, (work) => (persistence ? persistence.transaction(work) : work()), events);
  if (persistence) load(persistence, queues, topics);
  queues.region = region;
  topics.region = region;
  return {
    queues,
    topics,
    async sqs(operation, input, host) {
      const action = await actionOf("sqs", operation);
      return reachable(await said(() => action(input, queues, askedAt(host))), host);
    },
    async sns(parameters, host) {
      const action = await actionOf("sns", parameters.Action ?? "");
      return String(await said(() => action(parameters, topics, queues, askedAt(host))));
    },
    async close() {
      queues.shutdown();
      persistence?.close();
    },
  };
}

/** The files of fauxqs that SNS's actions are in, where it is not the action's own. */
const SNS_FILES: Readonly<Record<string, string>> = {
  ListSubscriptionsByTopic: "listSubscriptions",
  UntagResource: "tagResource",
  ListTagsForResource: "tagResource",
};

/** Finds what does an operation; each is loaded when it is first asked for. The operation was checked before. */
async function actionOf(service: "sqs" | "sns", operation: string): Promise<Action> {
  const name = operation.charAt(0).toLowerCase() + operation.slice(1);
  const file = (service === "sns" && SNS_FILES[operation]) || name;
  return (await fauxqsPart(`./${service}/actions/${file}.js`))[name];
}

/**
 * Errors of SQS that have a prefix in the older protocol, whose names the SDKs still use; fauxqs puts it before all.
 * From the errors of the SQS model in @aws-sdk/client-sqs.
 */
const PREFIXED =
  /^(BatchEntryIdsNotDistinct|BatchRequestTooLong|EmptyBatchRequest|InvalidBatchEntryId|MessageNotInflight|NonExistentQueue|PurgeQueueInProgress|QueueDeletedRecently|TooManyEntriesInBatchRequest|UnsupportedOperation)$/;

/** Has fauxqs do something, and says what it refuses as AWS does. @throws {ServiceError} */
export async function said<T>(act: () => T | Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw serviceError(error);
  }
}

/** The error of AWS that one of fauxqs stands for; any other as it is. */
export function serviceError(error: unknown): unknown {
  if (!(error instanceof Error) || !/^(Sqs|Sns)Error$/.test(error.name)) return error;
  const { code, message, statusCode, senderFault, queryCode = code } = error as Refusal;
  const isPrefixed = error.name === "SqsError" && PREFIXED.test(queryCode);
  const named = queryCode === "QueueNameExists" ? "QueueAlreadyExists" : queryCode;
  return new ServiceError(
    code,
    message,
    statusCode,
    isPrefixed ? `AWS.SimpleQueueService.${queryCode}` : named,
    senderFault ? "Sender" : "Receiver",
  );
}

/**
 * Waits until there may be a message in a queue, or the time is over, or a signal ends it. Whoever waits takes the message
 * then, and so one who has given up takes none; fauxqs' own long poll takes one for whoever has gone away meanwhile.
 */
export async function arrival(queue: Queue, seconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted || queue.messages.length > 0) return;
  const waiting = queue.waitForMessages(seconds);
  const waiter = queue.pollWaiters.at(-1);
  if (!waiter) return;
  const end = () => {
    const at = queue.pollWaiters.indexOf(waiter);
    if (at >= 0) queue.pollWaiters.splice(at, 1);
    clearTimeout(waiter.timer);
    waiter.resolve();
  };
  signal.addEventListener("abort", end, { once: true });
  try {
    await waiting;
  } finally {
    signal.removeEventListener("abort", end);
  }
}

/**
 * Patches "receipts", "deadLetterSource", "deadLetterCount" and "deadLetterMove": has queues keep the receipts that they
 * give out, and mark and count what they move to a dead-letter queue as SQS does.
 * @param transaction does all of something, or nothing
 */
function patchQueues(queues: QueueStore, transaction: (work: () => void) => void, events: Events): void {
  const createQueue = queues.createQueue.bind(queues);
  queues.createQueue = (...parts) => {
    const queue = createQueue(...parts);
    const put = queue.enqueue.bind(queue);
    const dequeue = queue.dequeue.bind(queue);
    const deleteMessage = queue.deleteMessage.bind(queue);
    const purge = queue.purge.bind(queue);
    const receipts = new Map<string, Message>();
    const forget = (message: Message | undefined): void => {
      for (const receipt of message?.receipts ?? []) receipts.delete(receipt);
    };
    queue.receipts = receipts;
    queue.put = put;
    // Fauxqs' answers to SendMessage and SendMessageBatch call it. Whoever waits for the message gets it later in this turn.
    queue.enqueue = (message) => {
      put(message);
      const { messageId, body } = message;
      events.emit("sent", () => ({ queueArn: queue.arn, messageId, body }));
    };
    queue.dequeue = (max, visibilityTimeout, find) => {
      let received: Received[] = [];
      const moved: MessageId[] = [];
      const findDeadLetterQueue = (arn: string) => {
        const target = find?.(arn) as Queue | undefined;
        return (
          target && {
            enqueue(message: Message) {
              forget(message);
              message.receipts = [];
              message.deadLetterQueueSourceArn = queue.arn;
              // The one too many, which fauxqs has counted, was no receive.
              message.approximateReceiveCount--;
              target.put(message);
              moved.push({ queueArn: arn, messageId: message.messageId });
            },
          }
        );
      };
      // fauxqs moves a message by deleting it and inserting it again: a crash in between would lose it.
      transaction(() => {
        received = dequeue(max, visibilityTimeout, findDeadLetterQueue);
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

/** Keeps which queue a message in a dead-letter queue came from, for which fauxqs has no column. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS dead_letters (
    message_id TEXT PRIMARY KEY REFERENCES sqs_messages ON DELETE CASCADE, source TEXT NOT NULL
  ) WITHOUT ROWID;
`;

/** Opens what startFauxqs puts together for a dataDir (patch "storage"), and patches it. */
function openPersistence({ PersistenceManager }: Parts, folder: string): Persistence {
  mkdirSync(folder, { recursive: true });
  // Makes the tables, without which there is nothing to release.
  new PersistenceManager(folder).close();
  releaseMessages(path.join(folder, "fauxqs.db"));

  const persistence = new PersistenceManager(folder);
  const { db } = persistence;
  // A setting rather than a patch, for speed alone: a write that is in the log survives a crash of this process, which is
  // what is promised; a sync for each costs more than everything else that is done with a message.
  db.exec("PRAGMA synchronous = NORMAL");
  // Patch "givingBack": fauxqs' own forgets how often a message was received, which its table refuses: a message that is
  // given back at once would be gone until the next start.
  const ready = db.prepare(
    "UPDATE sqs_messages SET receipt_handle = NULL, visibility_deadline = NULL WHERE message_id = ?",
  );
  persistence.updateMessageReady = (messageId) => void ready.run(messageId);
  // Patch "deadLetterSource".
  const insertMessage = persistence.insertMessage.bind(persistence);
  const insertDeadLetter = db.prepare("INSERT INTO dead_letters VALUES (?, ?)");
  persistence.insertMessage = (queueName, message) => {
    insertMessage(queueName, message);
    const { messageId, deadLetterQueueSourceArn: source } = message;
    if (source) insertDeadLetter.run(messageId, source);
  };
  return persistence;
}

/** Fills stores with what is on disk, and keeps there what happens to them from now on. */
function load(persistence: Persistence, queues: QueueStore, topics: TopicStore): void {
  persistence.loadSqsAndSns(queues, topics);
  queues.persistence = persistence;
  topics.persistence = persistence;
  const deadLetters = persistence.db.prepare("SELECT message_id, source FROM dead_letters").all();
  const sources = new Map(deadLetters.map((row) => [row.message_id, String(row.source)]));
  for (const queue of queues.allQueues()) {
    queue.persistence = persistence;
    for (const message of [...queue.messages, ...queue.delayedMessages]) {
      const source = sources.get(message.messageId);
      if (source !== undefined) message.deadLetterQueueSourceArn = source;
    }
  }
}

/**
 * Makes every message visible (patch "restart"): whoever had taken it is gone with the process. How often it was received
 * counts anew, as what failed with the old program says nothing about the new one; a dead letter keeps its count.
 */
function releaseMessages(file: string): void {
  const database = new DatabaseSync(file);
  database.exec(SCHEMA);
  database.exec(`
    UPDATE sqs_messages SET receipt_handle = NULL, visibility_deadline = NULL;
    UPDATE sqs_messages SET approximate_receive_count = 0, approximate_first_receive_timestamp = NULL
      WHERE message_id NOT IN (SELECT message_id FROM dead_letters);
  `);
  database.close();
}

/**
 * Patch "addresses": names queues by the host that was asked, as not every system resolves fauxqs' own; it finds them
 * again by their path alone. An empty `host` of SqsStore would name them by the host that they were made at, which may be
 * another process's.
 */
function reachable(answer: unknown, host: string): object | undefined {
  const { QueueUrl, QueueUrls } = (answer ?? {}) as { QueueUrl?: string; QueueUrls?: string[] };
  const at = (url: string) => url.replace(/^http:\/\/sqs\.[^/]+\//, `http://${host}/`);
  if (QueueUrl !== undefined) return { ...(answer as object), QueueUrl: at(QueueUrl) };
  if (QueueUrls !== undefined) return { ...(answer as object), QueueUrls: QueueUrls.map(at) };
  return answer as object | undefined;
}
