import { createRequire } from "node:module";
import type { Events } from "../events.ts";
import type { Identity } from "../iam/identity.ts";
import { PolicyError } from "../iam/policy.ts";
import { ServiceError } from "../service-error.ts";
import { type AskSqs, fauxqsPart, type Queue, type QueueStore, type Received } from "./fauxqs.ts";
import { type Attribute, messageFault } from "./sqs-messages.ts";

/*
 * SQS as AWS has it, where fauxqs has it otherwise: what AWS refuses must be refused here, in the same words.
 */

const require = createRequire(import.meta.url);

interface Entry {
  readonly Id: string;
  readonly MessageId?: string;
  readonly ReceiptHandle?: string;
  readonly MessageBody?: string;
  readonly MessageAttributes?: Readonly<Record<string, Attribute>>;
}

/** The parts of requests that are looked at. */
interface Input extends Partial<Entry> {
  readonly QueueUrl?: string;
  readonly QueueName?: string;
  readonly Attributes?: Readonly<Record<string, string>>;
  readonly AttributeNames?: readonly string[];
  readonly MessageSystemAttributeNames?: readonly string[];
  readonly MessageAttributeNames?: readonly string[];
  readonly Entries?: readonly Entry[];
}

interface Batch {
  readonly Successful: readonly Entry[];
  readonly Failed: readonly (Entry & { readonly Code: string })[];
}

/** fauxqs gives out UUIDs as receipts. */
const RECEIPT = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const INVALID_RECEIPT = "ReceiptHandleIsInvalid";
const invalidReceipt = () => new ServiceError(INVALID_RECEIPT, "The input receipt handle is invalid.", 404);

/** Maximum number of entries in a batch. */
const MAX_ENTRIES = 10;

export interface SqsOptions {
  readonly queues: QueueStore;
  /** Told of the policies of queues. */
  readonly identity: Identity;
  /** Told of messages that are received. */
  readonly events: Events;
  /** Has an operation done by fauxqs. */
  readonly ask: AskSqs;
}

/** Does an operation, for the most part by fauxqs, with an input that may be another than the client's. */
type Answer = (input: Input) => Promise<object | undefined>;

export async function openSqs(options: SqsOptions): Promise<AskSqs> {
  const { queues, identity, ask } = options;
  const { md5OfMessageAttributes } = await fauxqsPart("./common/md5.js");
  return async (operation, given, host) => {
    const input: Input = given;
    const { QueueUrl = "", MessageBody = "", MessageAttributes } = input;
    const queue = queues.getQueue(QueueUrl);
    const answer: Answer = (asked) => ask(operation, asked, host);
    switch (operation) {
      case "CreateQueue":
        checkQueue(input);
        return withPolicy(options, input, await answer(input));
      case "SetQueueAttributes":
        return withPolicy(options, input, await answer(input));
      case "DeleteQueue": {
        const answered = await answer(input);
        if (queue) identity.setResourcePolicy(queue.arn, "");
        return answered;
      }
      case "SendMessage": {
        const fault = messageFault(MessageBody, MessageAttributes);
        if (fault) throw fault;
        return answer(input);
      }
      case "SendMessageBatch":
        return sendBatch(input, answer);
      case "ReceiveMessage":
        return receive(options, queue, input, answer, md5OfMessageAttributes);
      case "DeleteMessage":
        if (isForged(input)) throw invalidReceipt();
        return answer(input);
      case "ChangeMessageVisibility":
        return changeVisibility(queue, input, answer);
      case "DeleteMessageBatch":
        return withoutForged(input, (await answer(input)) as Batch);
      case "ChangeMessageVisibilityBatch":
        queue?.processTimers();
        return withChanged(input, (await answer(input)) as Batch, queue);
      default:
        return answer(input);
    }
  };
}

/** Receives, with what fauxqs does not know of a message. */
async function receive(
  { events }: SqsOptions,
  queue: Queue | undefined,
  input: Input,
  answer: Answer,
  md5OfMessageAttributes: (attributes: object) => string,
): Promise<object> {
  const system = [...(input.AttributeNames ?? []), ...(input.MessageSystemAttributeNames ?? [])];
  const wantsSource = system.includes("All") || system.includes("DeadLetterQueueSourceArn");
  const names = input.MessageAttributeNames ?? [];
  // Attributes are for those who name them; a name of none hides all.
  const asked = { ...input, MessageAttributeNames: names.length > 0 ? names : [""] };
  const { Messages } = (await answer(asked)) as { Messages?: Received[] };
  for (const message of Messages ?? []) {
    const known = queue?.receipts.get(message.ReceiptHandle);
    const source = known?.deadLetterQueueSourceArn;
    events.emit("received", () => ({
      queueArn: queue?.arn ?? "",
      messageId: message.MessageId,
      receiveCount: known?.approximateReceiveCount ?? 1,
    }));
    if (wantsSource && source !== undefined) {
      message.Attributes = { ...message.Attributes, DeadLetterQueueSourceArn: source };
    }
    // The digest is of what is handed out.
    if (message.MessageAttributes && !names.includes("All")) {
      message.MD5OfMessageAttributes = md5OfMessageAttributes(message.MessageAttributes);
    }
  }
  return { Messages };
}

/** Puts the policy of a queue in force once fauxqs has made or changed the queue. */
function withPolicy(
  { queues, identity }: SqsOptions,
  { Attributes: { Policy } = {}, QueueUrl, QueueName }: Input,
  answer: object | undefined,
): object | undefined {
  const queue = queues.getQueue(QueueUrl ?? QueueName ?? "");
  if (Policy === undefined || !queue) return answer;
  try {
    identity.setResourcePolicy(queue.arn, Policy);
    return answer;
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    throw new ServiceError(
      "InvalidAttributeValue",
      `Invalid value for the parameter Policy. Reason: ${error.message}`,
    );
  }
}

function checkQueue({ QueueName = "", Attributes = {} }: Input): void {
  if (!/^(?=.{1,80}$)[\w-]+(\.fifo)?$/.test(QueueName)) {
    throw new ServiceError(
      "InvalidParameterValue",
      "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
    );
  }
  if (Object.keys(Attributes).length === 0) return;
  // Loaded here, as this machine's own queues are made without any.
  const { QueueAttributeName } = require("@aws-sdk/client-sqs") as typeof import("@aws-sdk/client-sqs");
  const unknown = Object.keys(Attributes).find((name) => !Object.hasOwn(QueueAttributeName, name));
  if (unknown !== undefined) throw new ServiceError("InvalidAttributeName", `Unknown Attribute ${unknown}.`);
}

/** Changes the visibility of a message, also of one that is visible again. */
async function changeVisibility(queue: Queue | undefined, input: Input, answer: Answer) {
  if (isForged(input)) throw invalidReceipt();
  queue?.processTimers();
  try {
    return await answer(input);
  } catch (error) {
    if (!(error instanceof ServiceError) || error.code !== "MessageNotInflight") throw error;
    const fault = changeFault(queue, input);
    if (fault) throw fault;
    return {};
  }
}

/** Sends what can be sent, and fails the others one by one; a batch that is none is refused whole. */
async function sendBatch(input: Input, answer: Answer): Promise<object | undefined> {
  const { Entries = [] } = input;
  const failed = Entries.flatMap(({ Id, MessageBody = "", MessageAttributes }) => {
    const fault = messageFault(MessageBody, MessageAttributes);
    return fault ? [failure(Id, fault)] : [];
  });
  const isBatch =
    Entries.length <= MAX_ENTRIES && new Set(Entries.map(({ Id }) => Id)).size === Entries.length;
  if (failed.length === 0 || !isBatch) return answer(input);
  const rest = Entries.filter(({ Id }) => !failed.some((each) => each.Id === Id));
  if (rest.length === 0) return { Successful: [], Failed: failed };
  const { Successful, Failed } = (await answer({ ...input, Entries: rest })) as Batch;
  return { Successful, Failed: [...Failed, ...failed] };
}

/**
 * Returns why the visibility of a message that is not in flight cannot be changed; undefined where SQS accepts the change,
 * as the message is visible again.
 */
function changeFault(
  queue: Queue | undefined,
  { ReceiptHandle = "" }: Partial<Entry>,
): ServiceError | undefined {
  if (!RECEIPT.test(ReceiptHandle)) return invalidReceipt();
  if (queue?.receipts.has(ReceiptHandle)) return undefined;
  return new ServiceError(
    "InvalidParameterValue",
    `Value ${ReceiptHandle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.`,
  );
}

/** Fails entries with receipt handles that were never given out: fauxqs accepts them, SQS does not. */
function withoutForged({ Entries = [] }: Input, answered: Batch): Batch {
  const forged = Entries.filter(isForged);
  if (forged.length === 0) return answered;
  return {
    Successful: answered.Successful.filter(({ Id }) => !forged.some((each) => each.Id === Id)),
    Failed: forged.map(({ Id }) => failure(Id, invalidReceipt())),
  };
}

/** Corrects the failures of messages that are not in flight: fauxqs calls all their receipts invalid. */
function withChanged(
  { Entries = [] }: Input,
  { Successful, Failed }: Batch,
  queue: Queue | undefined,
): object {
  const doubtful = Failed.filter(({ Code }) => Code === INVALID_RECEIPT).map(({ Id }) => {
    const entry = Entries.find((each) => each.Id === Id);
    return { Id, fault: changeFault(queue, entry ?? {}) };
  });
  return {
    Successful: [
      ...Successful,
      ...doubtful.filter(({ fault }) => fault === undefined).map(({ Id }) => ({ Id })),
    ],
    Failed: [
      ...Failed.filter(({ Code }) => Code !== INVALID_RECEIPT),
      ...doubtful.flatMap(({ Id, fault }) => (fault ? [failure(Id, fault)] : [])),
    ],
  };
}

/** Makes the failure of an entry in a batch. */
function failure(Id: string, { code: Code, message: Message }: ServiceError) {
  return { Id, SenderFault: true, Code, Message };
}

function isForged({ ReceiptHandle }: Partial<Entry>): boolean {
  return ReceiptHandle !== undefined && !RECEIPT.test(ReceiptHandle);
}
