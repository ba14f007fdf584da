import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { type CreatedObject, createdObjects, UnknownMessage } from "../delivery/envelope.ts";

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
  readonly body: string;
  readonly receipt: string;
}

/** All dead letters of one code. */
export interface Group {
  readonly code: string;
  count: number;
  /** A few of the keys, and what was said about each. */
  readonly examples: { readonly key: string; readonly reason: string }[];
}

/** Seconds for which messages that were looked at stay hidden, should whoever looks at them be gone. */
const HIDDEN = 300;
const EXAMPLES = 3;
/** Most messages of one request, a bound of SQS. */
const MOST_AT_ONCE = 10;

/**
 * Looks at the messages that are in a dead-letter queue now, and leaves there those that `handle` does not say it is done with.
 * Receipts are kept until the end; SQS lets at most 120,000 messages be looked at like this.
 * @param handle whether the letter is done with and shall be deleted
 */
export async function eachDeadLetter(
  sqs: SQSClient,
  queueUrl: string,
  handle: (letter: DeadLetter) => boolean | Promise<boolean>,
): Promise<void> {
  const kept: string[] = [];
  const begun = Date.now();
  try {
    for (let more = true; more; ) {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl: queueUrl,
          MaxNumberOfMessages: MOST_AT_ONCE,
          MessageAttributeNames: ["All"],
          MessageSystemAttributeNames: ["SentTimestamp"],
          VisibilityTimeout: HIDDEN,
          // A long poll asks all of a queue's servers, so that an empty answer is the end.
          WaitTimeSeconds: 1,
        }),
      );
      more = Messages.length > 0;
      kept.push(...Messages.map(({ ReceiptHandle = "" }) => ReceiptHandle));
      await Promise.all(
        Messages.map(async (message) => {
          // What arrives meanwhile may have been sent round by `handle`, and would be sent round for ever.
          if (Number(message.Attributes?.SentTimestamp) > begun) return;
          const letter = toDeadLetter(message);
          if (!(await handle(letter))) return;
          await sqs.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle: letter.receipt }));
          kept.splice(kept.indexOf(letter.receipt), 1);
        }),
      );
    }
  } finally {
    for (let at = 0; at < kept.length; at += MOST_AT_ONCE) {
      const Entries = kept
        .slice(at, at + MOST_AT_ONCE)
        .map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle, VisibilityTimeout: 0 }));
      await sqs.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl: queueUrl, Entries }));
    }
  }
}

/** The dead letters of a queue by their codes, the most frequent first. */
export async function groupDeadLetters(sqs: SQSClient, queueUrl: string): Promise<Group[]> {
  const groups = new Map<string, Group>();
  await eachDeadLetter(sqs, queueUrl, ({ code, reason, objects }) => {
    const group = groups.get(code) ?? { code, count: 0, examples: [] };
    groups.set(code, group);
    group.count++;
    if (group.examples.length < EXAMPLES) {
      group.examples.push({ key: objects[0]?.key ?? "(a message that is no S3 event)", reason });
    }
    return false;
  });
  return [...groups.values()].sort((a, b) => b.count - a.count);
}

/**
 * Sends dead letters to the worker's queue again, each before it is deleted: what breaks off in between comes twice,
 * and is not lost.
 * @param code only those with this code; all without one
 * @returns how many
 */
export async function redriveDeadLetters(
  sqs: SQSClient,
  queues: { readonly queue: string; readonly deadLetterQueue: string },
  code?: string,
): Promise<number> {
  let redriven = 0;
  await eachDeadLetter(sqs, queues.deadLetterQueue, async (letter) => {
    if (code !== undefined && letter.code !== code) return false;
    await sqs.send(new SendMessageCommand({ QueueUrl: queues.queue, MessageBody: letter.body }));
    redriven++;
    return true;
  });
  return redriven;
}

/** Deletes dead letters for good. @param code only those with this code; all without one @returns how many */
export async function dropDeadLetters(sqs: SQSClient, queueUrl: string, code?: string): Promise<number> {
  let dropped = 0;
  await eachDeadLetter(sqs, queueUrl, (letter) => {
    const drop = code === undefined || letter.code === code;
    if (drop) dropped++;
    return drop;
  });
  return dropped;
}

function toDeadLetter({ Body = "", ReceiptHandle = "", MessageAttributes = {} }: Message): DeadLetter {
  const { Code, Reason, ErrorCode, ErrorMessage } = MessageAttributes;
  const [code, reason] = Code
    ? [Code.StringValue, Reason?.StringValue]
    : ErrorCode
      ? ["undelivered", `SNS could not deliver it: ${ErrorMessage?.StringValue ?? ErrorCode.StringValue}`]
      : ["failed-too-often", "It failed too often; the function's log says why."];
  return {
    code: code ?? "",
    reason: reason ?? "",
    objects: objectsOf(Body),
    body: Body,
    receipt: ReceiptHandle,
  };
}

function objectsOf(body: string): CreatedObject[] {
  try {
    return createdObjects(body);
  } catch (error) {
    if (error instanceof UnknownMessage) return [];
    throw error;
  }
}
