import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { type CreatedObject, createdObjects, UnknownMessage } from "../delivery/envelope.ts";
import { reached } from "./stack.ts";

/** A message that a worker could not process. */
export interface DeadLetter {
  /**
   * Why, to group by: what the worker said, `failed-too-often` where SQS gave up, `undelivered` where SNS did.
   */
  readonly code: string;
  /** A sentence for a person. */
  readonly reason: string;
  /** What it is about; none where it is no S3 event. */
  readonly objects: readonly CreatedObject[];
}

/** All dead letters of one code. */
export interface Group {
  readonly code: string;
  count: number;
  /** A few of the keys, and what was said about each. */
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

/** Letters that were taken, and are hidden from others until the look is over. */
interface Taken {
  /** The newest receipt of each, by the message's id. */
  readonly receipts: Map<string, string>;
  readonly unseen: number;
}

/**
 * Seconds for which letters that were looked at stay hidden, should whoever looks at them be gone. All that SQS shows
 * have to be looked at before the first is shown again.
 */
const HIDDEN = 900;
const EXAMPLES = 3;
/** Maximum number of messages in one request: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html */
const BATCH = 10;
/** Bytes of a batch; SQS takes more, but no client has to. */
const BATCH_BYTES = 256 * 1024;
/** Maximum number of messages that SQS lets be looked at: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html */
const MAX_TAKEN = 120_000;
/** Requests at once: 120,000 letters take 12,000 requests, 20 minutes one after the other. */
const CONCURRENCY = 16;

/**
 * Looks at the letters that are in a dead-letter queue now, each once, and hides them until `then` is done. What is still in
 * `receipts` afterwards is shown to others again. SQS lets at most 120,000 messages be looked at like this.
 * @param look told of each letter, with the message's id and body
 */
export async function withDeadLetters<T>(
  { sqs, queueUrl, signal, now = Date.now }: LookOptions,
  look: (letter: DeadLetter, id: string, body: string) => void,
  then: (taken: Taken) => T | Promise<T>,
): Promise<T> {
  const receipts = new Map<string, string>();
  const begun = now();
  const meanwhile = new Set<string>();
  let newest = begun;

  /** @returns whether there was anything new among them */
  const takeBatch = async (): Promise<boolean> => {
    signal?.throwIfAborted();
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({
        QueueUrl: queueUrl,
        MaxNumberOfMessages: BATCH,
        MessageAttributeNames: ["All"],
        MessageSystemAttributeNames: ["SentTimestamp", "DeadLetterQueueSourceArn"],
        VisibilityTimeout: HIDDEN,
        // A long poll asks all of a queue's servers, so that an empty answer is the end.
        WaitTimeSeconds: 1,
      }),
    );
    let isNew = false;
    for (const message of Messages) {
      const { MessageId: id = "", ReceiptHandle = "", Body = "", Attributes } = message;
      // A standard queue may show a message twice, although it is hidden.
      const isKnown = receipts.has(id);
      receipts.set(id, ReceiptHandle);
      // What arrives meanwhile may have been sent round, and would be sent round for ever.
      if (isKnown) continue;
      if (Number(Attributes?.SentTimestamp) > newest) {
        meanwhile.add(id);
        continue;
      }
      isNew = true;
      look(toDeadLetter(message), id, Body);
    }
    return isNew;
  };

  try {
    const { hidden, time } = await reached(`The dead-letter queue ${queueUrl}`, numbersOf(sqs, queueUrl));
    if (time !== undefined) newest = time;
    await settled(async () => {
      while (await takeBatch());
    });
    const all = receipts.size < MAX_TAKEN && now() - begun < HIDDEN * 1000;
    const unseen = hidden + meanwhile.size + (all ? 0 : (await numbersOf(sqs, queueUrl)).visible);
    return await then({ receipts, unseen });
  } finally {
    await inBatches([...receipts.values()], async (batch) => {
      const Entries = batch.map((ReceiptHandle, index) => ({
        Id: String(index),
        ReceiptHandle,
        VisibilityTimeout: 0,
      }));
      await sqs.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl: queueUrl, Entries }));
    });
  }
}

/**
 * Shows dead letters, and does something with the very letters that were shown where that is agreed to.
 * @param options.action sends them to the worker's queue again, each before it is deleted, so that what breaks off in
 *   between comes twice and is not lost; or deletes them for good
 * @param options.only those that are meant
 * @param agree told what there is; whether to act
 * @returns how many letters are gone from the queue
 * @throws Error where SQS did not take some of them, which stay where they are
 */
export async function dealWithDeadLetters(
  options: LookOptions & {
    readonly action?: { readonly redriveTo: string } | "drop" | undefined;
    readonly only?: (letter: DeadLetter) => boolean;
  },
  agree: (look: Look) => boolean | Promise<boolean>,
): Promise<number> {
  const { sqs, queueUrl, action, only = () => true, signal } = options;
  const redriveTo = typeof action === "object" ? action.redriveTo : undefined;
  const groups = new Map<string, Group>();
  const letters: { id: string; body: string }[] = [];

  const look = (letter: DeadLetter, id: string, body: string) => {
    if (!only(letter)) return;
    const { code, reason, objects } = letter;
    const group = groups.get(code) ?? { code, count: 0, examples: [] };
    groups.set(code, group);
    group.count++;
    if (group.examples.length < EXAMPLES) {
      group.examples.push({ key: objects[0]?.key ?? "(a message that is no S3 event)", reason });
    }
    letters.push({ id, body: redriveTo === undefined ? "" : body });
  };

  return withDeadLetters(options, look, async ({ receipts, unseen }) => {
    const sorted = [...groups.values()].sort((a, b) => b.count - a.count);
    if (!(await agree({ groups: sorted, count: letters.length, unseen })) || action === undefined) return 0;
    let done = 0;
    const refused: string[] = [];
    await inBatches(
      letters,
      async (batch) => {
        signal?.throwIfAborted();
        const entries = batch.map(({ id, body }, index) => ({ Id: String(index), id, body }));
        const failed = new Map<string | undefined, string>();
        const note = (each: { Id?: string | undefined; Message?: string | undefined }) =>
          failed.set(each.Id, each.Message ?? "");
        if (redriveTo !== undefined) {
          const Entries = entries.map(({ Id, body }) => ({ Id, MessageBody: body }));
          const sent = await sqs.send(new SendMessageBatchCommand({ QueueUrl: redriveTo, Entries }));
          sent.Failed?.forEach(note);
        }
        const Entries = entries
          .filter(({ Id }) => !failed.has(Id))
          .map(({ Id, id }) => ({ Id, ReceiptHandle: receipts.get(id) ?? "" }));
        if (Entries.length > 0) {
          const deleted = await sqs.send(new DeleteMessageBatchCommand({ QueueUrl: queueUrl, Entries }));
          deleted.Failed?.forEach(note);
        }
        for (const { Id, id } of entries) {
          if (failed.has(Id)) continue;
          receipts.delete(id);
          done++;
        }
        refused.push(...failed.values());
      },
      ({ body }) => Buffer.byteLength(body),
    );
    if (refused.length > 0) {
      throw new Error(
        `SQS refused ${refused.length} of ${letters.length} dead letters, which stay: ${refused[0]}`,
      );
    }
    return done;
  });
}

/**
 * How many messages are in a queue, approximately, and by when, by the clock that stamps them: this computer's may be
 * minutes slow. The time is undefined where the answer does not say it.
 */
async function numbersOf(
  sqs: SQSClient,
  queueUrl: string,
): Promise<{ visible: number; hidden: number; time: number | undefined }> {
  const command = new GetQueueAttributesCommand({
    QueueUrl: queueUrl,
    AttributeNames: ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
  });
  let date = Number.NaN;
  command.middlewareStack.add(
    (next) => async (args) => {
      const answer = await next(args);
      date = Date.parse((answer.response as { headers?: Record<string, string> }).headers?.date ?? "");
      return answer;
    },
    { step: "deserialize" },
  );
  const { Attributes = {} } = await sqs.send(command);
  return {
    // It is in whole seconds, of which the last has not ended.
    time: Number.isNaN(date) ? undefined : date + 999,
    visible: Number(Attributes.ApproximateNumberOfMessages ?? 0),
    hidden: Number(Attributes.ApproximateNumberOfMessagesNotVisible ?? 0),
  };
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
      if (batch.length === BATCH || (batch.length > 0 && bytes + bytesOf(item) > BATCH_BYTES)) {
        yield batch;
        [batch, bytes] = [[], 0];
      }
      batch.push(item);
      bytes += bytesOf(item);
    }
    if (batch.length > 0) yield batch;
  })();
  await settled(async () => {
    for (let next = batches.next(); !next.done; next = batches.next()) await work(next.value);
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
  const objects = objectsOf(Body);
  if (Code) return { code: Code.StringValue ?? "", reason: Reason?.StringValue ?? "", objects };
  return Attributes.DeadLetterQueueSourceArn
    ? { code: "failed-too-often", reason: "It failed too often; the function's log says why.", objects }
    : { code: "undelivered", reason: "The topic could not deliver it to the worker's queue.", objects };
}

function objectsOf(body: string): CreatedObject[] {
  try {
    return createdObjects(body);
  } catch (error) {
    if (error instanceof UnknownMessage) return [];
    throw error;
  }
}
