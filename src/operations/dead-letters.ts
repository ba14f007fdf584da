import {
  type BatchResultErrorEntry,
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { type CreatedObject, eachRecord, UnknownMessage } from "../delivery/envelope.ts";
import { MAX_BATCH, MAX_IN_FLIGHT } from "../delivery/queue.ts";
import { countMessages } from "./queue.ts";
import { reached } from "./stack.ts";

/** A message that a worker could not process. */
export interface DeadLetter {
  /**
   * Why, to group by: what the worker said, `failed-too-often` where SQS gave up, `undelivered` where SNS did.
   */
  readonly code: string;
  /** A sentence for a person. */
  readonly reason: string;
  /** Objects that it is about, of those records that are of an S3 event. */
  readonly objects: readonly CreatedObject[];
  /** Time at which it was sent, in milliseconds since 1970: of what SQS moved, to the worker's queue. */
  readonly sent: number | undefined;
  /** Keys that its records name, those of malformed records as they came. */
  readonly keys: readonly string[];
}

/** Dead letters of one code. */
export interface Group {
  readonly code: string;
  count: number;
  /** Times at which the oldest and the newest were sent, in milliseconds since 1970, if SQS says so. */
  sent: readonly [oldest: number, newest: number] | undefined;
  /** The keys of a few letters, and what was said about each. */
  readonly examples: { readonly key: string; readonly reason: string }[];
}

/** The dead letters of one queue, as far as SQS shows them. */
export interface Look {
  /** By their codes, the most frequent first. */
  readonly groups: readonly Group[];
  readonly count: number;
  /** Letters that SQS did not show, approximately, or that came while the others were looked at. */
  readonly unseen: number;
}

export interface LookOptions {
  readonly sqs: SQSClient;
  /** URL of the dead-letter queue. */
  readonly queueUrl: string;
  /** Ends the look; the letters are free again before it is thrown. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

/** The newest receipt of each letter that is hidden from others until the look is over, by the message's id. */
type Receipts = Map<string, string>;

/** Told of each letter, with the message's id and body. */
type OnLetter = (letter: DeadLetter, id: string, body: string) => void;

/** Way to deal with letters: they are sent to a queue, or deleted for good. */
type Action = { readonly redriveTo: string } | "drop";

/** Part of a letter that an action needs. */
interface Chosen {
  readonly id: string;
  /** Empty where it is not sent anywhere. */
  readonly body: string;
}

/**
 * Seconds for which letters that were looked at stay hidden, should whoever looks at them be gone. All that SQS shows
 * have to be looked at before the first is shown again.
 */
const HIDDEN_SECONDS = 900;
/** Maximum of letters whose keys are shown for each code. */
const EXAMPLES = 3;
/** Maximum of bytes in one request; SQS takes more, but no client has to. */
const BATCH_BYTES = 256 * 1024;
/** Requests at once: 120,000 letters take 12,000 requests, 20 minutes one after the other. */
const CONCURRENCY = 16;

/** Looks at the letters that are in a dead-letter queue now, each once. @returns how many were not shown, approximately */
export async function lookAtDeadLetters(options: LookOptions, onLetter: OnLetter): Promise<number> {
  return withDeadLetters(options, onLetter, (_, unseen) => unseen);
}

/**
 * Hides letters that are looked at until `then` is done. What is still in `receipts` afterwards is shown to others again. SQS
 * lets a maximum of 120,000 messages be looked at like this.
 */
async function withDeadLetters<T>(
  options: LookOptions,
  onLetter: OnLetter,
  then: (receipts: Receipts, unseen: number) => T | Promise<T>,
): Promise<T> {
  const receipts: Receipts = new Map();
  try {
    const unseen = await takeAll(options, receipts, onLetter);
    return await then(receipts, unseen);
  } finally {
    await letGo(options, receipts);
  }
}

/**
 * Shows dead letters, and does something with the very letters that were shown where that is agreed to.
 * @param options.action what to do; each letter that is sent elsewhere is deleted afterwards, so that what breaks off in
 *   between comes twice and is not lost
 * @param options.only those that are meant
 * @param agree told what there is; whether to act
 * @returns how many letters are gone from the queue
 * @throws Error where SQS refused some of them, which stay where they are
 */
export async function dealWithDeadLetters(
  options: LookOptions & {
    readonly action?: Action | undefined;
    readonly only?: (letter: DeadLetter) => boolean;
  },
  agree: (look: Look) => boolean | Promise<boolean>,
): Promise<number> {
  const { action, only = () => true } = options;
  const groups = new Map<string, Group>();
  const chosen: Chosen[] = [];
  const onLetter: OnLetter = (letter, id, body) => {
    if (!only(letter)) return;
    addTo(groups, letter);
    chosen.push({ id, body: typeof action === "object" ? body : "" });
  };
  return withDeadLetters(options, onLetter, async (receipts, unseen) => {
    const sorted = [...groups.values()].sort((a, b) => b.count - a.count);
    const agreed = await agree({ groups: sorted, count: chosen.length, unseen });
    return agreed && action !== undefined ? act(options, action, chosen, receipts) : 0;
  });
}

/** @returns how many letters were not taken: SQS did not show them, or they came meanwhile */
async function takeAll(
  { sqs, queueUrl, signal, now = Date.now }: LookOptions,
  receipts: Receipts,
  onLetter: OnLetter,
): Promise<number> {
  const begun = now();
  const { hidden, time: newest = begun } = await reached(
    `The dead-letter queue ${queueUrl}`,
    countMessages(sqs, queueUrl),
  );
  let meanwhile = 0;
  /** @returns whether there was anything new */
  const takeBatch = async (): Promise<boolean> => {
    signal?.throwIfAborted();
    let isNew = false;
    for (const message of await receive(sqs, queueUrl)) {
      const { MessageId: id = "", ReceiptHandle = "", Body = "", Attributes } = message;
      // A standard queue may show a message twice, although it is hidden.
      const isKnown = receipts.has(id);
      receipts.set(id, ReceiptHandle);
      if (isKnown) continue;
      // What arrives meanwhile may have been sent round, and would be sent round for ever.
      if (Number(Attributes?.SentTimestamp) > newest) meanwhile++;
      else {
        isNew = true;
        onLetter(toDeadLetter(message), id, Body);
      }
    }
    return isNew;
  };
  await settled(async () => {
    while (await takeBatch());
  });
  const all = receipts.size < MAX_IN_FLIGHT && now() - begun < HIDDEN_SECONDS * 1000;
  return hidden + meanwhile + (all ? 0 : (await countMessages(sqs, queueUrl)).visible);
}

async function receive(sqs: SQSClient, queueUrl: string): Promise<Message[]> {
  const { Messages = [] } = await sqs.send(
    new ReceiveMessageCommand({
      QueueUrl: queueUrl,
      MaxNumberOfMessages: MAX_BATCH,
      MessageAttributeNames: ["All"],
      MessageSystemAttributeNames: ["SentTimestamp", "DeadLetterQueueSourceArn"],
      VisibilityTimeout: HIDDEN_SECONDS,
      // A long poll asks all of a queue's servers, so that an empty answer is the end.
      WaitTimeSeconds: 1,
    }),
  );
  return Messages;
}

/** Shows letters to others again. */
async function letGo({ sqs, queueUrl }: LookOptions, receipts: Receipts): Promise<void> {
  await inBatches([...receipts.values()], async (batch) => {
    const Entries = batch.map((ReceiptHandle, index) => ({
      Id: String(index),
      ReceiptHandle,
      VisibilityTimeout: 0,
    }));
    await sqs.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl: queueUrl, Entries }));
  });
}

/** @returns how many letters are gone, whose receipts are then gone, too */
async function act(
  { sqs, queueUrl, signal }: LookOptions,
  action: Action,
  letters: readonly Chosen[],
  receipts: Receipts,
): Promise<number> {
  const refused: string[] = [];
  const actOnBatch = async (batch: readonly Chosen[]) => {
    signal?.throwIfAborted();
    let open = batch.map((letter, index) => ({ ...letter, Id: String(index) }));
    const tell = async (request: Promise<{ Failed?: BatchResultErrorEntry[] | undefined }>) => {
      const { Failed = [] } = await request;
      for (const { Id, Message = "" } of Failed) {
        refused.push(Message);
        open = open.filter((letter) => letter.Id !== Id);
      }
    };
    if (action !== "drop") {
      const Entries = open.map(({ Id, body }) => ({ Id, MessageBody: body }));
      await tell(sqs.send(new SendMessageBatchCommand({ QueueUrl: action.redriveTo, Entries })));
    }
    if (open.length === 0) return;
    const Entries = open.map(({ Id, id }) => ({ Id, ReceiptHandle: receipts.get(id) ?? "" }));
    await tell(sqs.send(new DeleteMessageBatchCommand({ QueueUrl: queueUrl, Entries })));
    for (const { id } of open) receipts.delete(id);
  };
  await inBatches(letters, actOnBatch, ({ body }) => Buffer.byteLength(body));
  if (refused.length === 0) return letters.length;
  throw new Error(
    `SQS refused ${refused.length} of ${letters.length} dead letters, which stay: ${refused[0]}`,
  );
}

function addTo(groups: Map<string, Group>, { code, reason, sent, keys }: DeadLetter): void {
  const group = groups.get(code) ?? { code, count: 0, sent: undefined, examples: [] };
  groups.set(code, group);
  group.count++;
  const [oldest = sent, newest = sent] = group.sent ?? [];
  if (sent !== undefined && oldest !== undefined && newest !== undefined) {
    group.sent = [Math.min(oldest, sent), Math.max(newest, sent)];
  }
  if (group.examples.length === EXAMPLES) return;
  const [first = "(a message that names no key)", ...others] = keys;
  group.examples.push({ key: others.length > 0 ? `${first} and ${others.length} more` : first, reason });
}

/** Does something with all, in batches that SQS takes, several at once. */
async function inBatches<Item>(
  items: readonly Item[],
  work: (batch: Item[]) => Promise<void>,
  bytesOf: (item: Item) => number = () => 0,
): Promise<void> {
  const batches = (function* () {
    let batch: Item[] = [];
    let bytes = 0;
    for (const item of items) {
      if (batch.length === MAX_BATCH || (batch.length > 0 && bytes + bytesOf(item) > BATCH_BYTES)) {
        yield batch;
        [batch, bytes] = [[], 0];
      }
      batch.push(item);
      bytes += bytesOf(item);
    }
    if (batch.length > 0) yield batch;
  })();
  await settled(async () => {
    for (const batch of batches) await work(batch);
  });
}

/** Does the same several times at once. @throws what failed first, once all are over */
async function settled(work: () => Promise<void>): Promise<void> {
  const outcomes = await Promise.allSettled(Array.from({ length: CONCURRENCY }, work));
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}

/**
 * Says whose letter it is: a worker puts its code into the message's attributes; SQS says from which queue it moved a
 * message; SNS adds nothing to what the publisher sent.
 */
function toDeadLetter({ Body = "", MessageAttributes = {}, Attributes = {} }: Message): DeadLetter {
  const { Code, Reason } = MessageAttributes;
  const records = eachRecord(Body);
  const objects = records.flatMap((record) => (record instanceof UnknownMessage ? [] : record));
  const sent = Attributes.SentTimestamp === undefined ? undefined : Number(Attributes.SentTimestamp);
  const about = { objects, sent, keys: records.flatMap(keyOf) };
  if (Code) return { code: Code.StringValue ?? "", reason: Reason?.StringValue ?? "", ...about };
  return Attributes.DeadLetterQueueSourceArn
    ? { code: "failed-too-often", reason: "It failed too often; the function's log says why.", ...about }
    : { code: "undelivered", reason: "The topic could not deliver it to the worker's queue.", ...about };
}

function keyOf(record: CreatedObject | UnknownMessage): string | [] {
  if (!(record instanceof UnknownMessage)) return record.key;
  const { s3 } = (record.record ?? {}) as { s3?: { object?: { key?: unknown } } };
  return typeof s3?.object?.key === "string" ? s3.object.key : [];
}
