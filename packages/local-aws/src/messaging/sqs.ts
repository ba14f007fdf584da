import { createRequire } from "node:module";
import type { Events } from "../events.ts";
import type { Identity } from "../iam/identity.ts";
import { PolicyError } from "../iam/policy.ts";
import { fauxqsPart, type Queue, type QueueStore, type Received } from "./fauxqs.ts";
import {
  type MessagingRequest,
  type MessagingResponse,
  parsed,
  withAnswer,
  withBody,
} from "./messaging-http.ts";
import { type Attribute, type Failure, messageFault } from "./sqs-messages.ts";

/*
 * SQS as AWS has it, where fauxqs has it otherwise: what AWS refuses must be refused here, in the same words.
 */

const require = createRequire(import.meta.url);

type Answer = (request: MessagingRequest) => Promise<MessagingResponse>;

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

const INVALID_RECEIPT: Failure = {
  code: "ReceiptHandleIsInvalid",
  status: 404,
  message: "The input receipt handle is invalid.",
};

/** Maximum number of entries in a batch. */
const MAX_ENTRIES = 10;

/**
 * Errors that have a prefix in the older protocol, whose names the SDKs still use.
 * From the errors of the SQS model in @aws-sdk/client-sqs.
 */
const PREFIXED =
  /^(BatchEntryIdsNotDistinct|BatchRequestTooLong|EmptyBatchRequest|InvalidBatchEntryId|MessageNotInflight|NonExistentQueue|PurgeQueueInProgress|QueueDeletedRecently|TooManyEntriesInBatchRequest|UnsupportedOperation)$/;
const PREFIX = "AWS.SimpleQueueService.";

export interface Sqs {
  /** Answers a request by fauxqs, except where that would be wrong. */
  answer(request: MessagingRequest, answer: Answer): Promise<MessagingResponse>;
}

export interface SqsOptions {
  readonly queues: QueueStore;
  /** Told of the policies of queues. */
  readonly identity: Identity;
  /** Told of messages that are received. */
  readonly events: Events;
}

/** What each step needs: the options, and the parts of fauxqs that answer. */
interface Context extends SqsOptions {
  readonly parts: Awaited<ReturnType<typeof fauxqsPart>>;
}

export async function openSqs(options: SqsOptions): Promise<Sqs> {
  const { queues, identity } = options;
  const [{ receiveMessage }, { md5OfMessageAttributes }, { SqsError }] = await Promise.all(
    ["./sqs/actions/receiveMessage.js", "./common/md5.js", "./common/errors.js"].map(fauxqsPart),
  );
  const context: Context = { ...options, parts: { receiveMessage, md5OfMessageAttributes, SqsError } };
  return {
    async answer(request, answer) {
      const [, operation] = /^AmazonSQS\.(\w+)$/.exec(String(request.headers["x-amz-target"])) ?? [];
      const input = parsed(request.body) as Input;
      const { QueueUrl = "", MessageBody = "", MessageAttributes } = input;
      switch (operation) {
        case "CreateQueue": {
          const fault = queueFault(input);
          return fault ? refusal(fault) : withPolicy(context, input, answer(request));
        }
        case "SetQueueAttributes":
          return withPolicy(context, input, answer(request));
        case "DeleteQueue": {
          const queue = queues.getQueue(QueueUrl);
          const answered = withCode(await answer(request));
          if (queue) identity.setResourcePolicy(queue.arn, "");
          return answered;
        }
        case "SendMessage": {
          const fault = messageFault(MessageBody, MessageAttributes);
          return fault ? refusal(fault) : withCode(await answer(request));
        }
        case "SendMessageBatch":
          return sendBatch(request, input, answer);
        case "ReceiveMessage":
          return receive(context, input);
        case "DeleteMessage":
          return isForged(input) ? refusal(INVALID_RECEIPT) : withCode(await answer(request));
        case "ChangeMessageVisibility": {
          if (isForged(input)) return refusal(INVALID_RECEIPT);
          queues.getQueue(QueueUrl)?.processTimers();
          const answered = withCode(await answer(request));
          if (!String(answered.headers["x-amzn-query-error"]).includes("MessageNotInflight")) return answered;
          const fault = changeFault(queues.getQueue(QueueUrl), input);
          return fault ? refusal(fault) : answerOf(200, {});
        }
        case "DeleteMessageBatch":
          return withoutForged(input, withCode(await answer(request)));
        case "ChangeMessageVisibilityBatch":
          queues.getQueue(QueueUrl)?.processTimers();
          return withChanged(input, withCode(await answer(request)), queues.getQueue(QueueUrl));
        default:
          return withCode(await answer(request));
      }
    },
  };
}

/** Receives, with what fauxqs does not know of a message. */
async function receive(
  { queues, events, parts: { receiveMessage, md5OfMessageAttributes, SqsError } }: Context,
  input: Input,
): Promise<MessagingResponse> {
  const queue = queues.getQueue(input.QueueUrl ?? "");
  const system = [...(input.AttributeNames ?? []), ...(input.MessageSystemAttributeNames ?? [])];
  const wantsSource = system.includes("All") || system.includes("DeadLetterQueueSourceArn");
  const names = input.MessageAttributeNames ?? [];
  // Attributes are for those who name them; a name of none hides all.
  const asked = { ...input, MessageAttributeNames: names.length > 0 ? names : [""] };
  try {
    const { Messages }: { Messages?: Received[] } = await receiveMessage(asked, queues);
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
    return answerOf(200, { Messages });
  } catch (error) {
    if (!(error instanceof SqsError)) throw error;
    const { queryErrorHeader, statusCode } = error as { queryErrorHeader: string; statusCode: number };
    return withCode(answerOf(statusCode, error, { "x-amzn-query-error": queryErrorHeader }));
  }
}

/** Puts the policy of a queue in force once fauxqs has made or changed the queue. */
async function withPolicy(
  { queues, identity }: Context,
  { Attributes: { Policy } = {}, QueueUrl, QueueName }: Input,
  answered: Promise<MessagingResponse>,
): Promise<MessagingResponse> {
  const answer = withCode(await answered);
  const queue = queues.getQueue(QueueUrl ?? QueueName ?? "");
  if (Policy === undefined || answer.status !== 200 || !queue) return answer;
  try {
    identity.setResourcePolicy(queue.arn, Policy);
    return answer;
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    const message = `Invalid value for the parameter Policy. Reason: ${error.message}`;
    return refusal({ code: "InvalidAttributeValue", status: 400, message });
  }
}

function queueFault({ QueueName = "", Attributes = {} }: Input): Failure | undefined {
  if (!/^(?=.{1,80}$)[\w-]+(\.fifo)?$/.test(QueueName)) {
    return {
      code: "InvalidParameterValue",
      status: 400,
      message: "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
    };
  }
  if (Object.keys(Attributes).length === 0) return undefined;
  // Loaded here, as this machine's own queues are made without any.
  const { QueueAttributeName } = require("@aws-sdk/client-sqs") as typeof import("@aws-sdk/client-sqs");
  const unknown = Object.keys(Attributes).find((name) => !Object.hasOwn(QueueAttributeName, name));
  if (unknown === undefined) return undefined;
  return { code: "InvalidAttributeName", status: 400, message: `Unknown Attribute ${unknown}.` };
}

/** Sends what can be sent, and fails the others one by one; a batch that is none is refused whole. */
async function sendBatch(
  request: MessagingRequest,
  input: Input,
  answer: Answer,
): Promise<MessagingResponse> {
  const { Entries = [] } = input;
  const failed = Entries.flatMap(({ Id, MessageBody = "", MessageAttributes }) => {
    const fault = messageFault(MessageBody, MessageAttributes);
    return fault ? [failure(Id, fault)] : [];
  });
  const isBatch =
    Entries.length <= MAX_ENTRIES && new Set(Entries.map(({ Id }) => Id)).size === Entries.length;
  if (failed.length === 0 || !isBatch) return withCode(await answer(request));
  const rest = Entries.filter(({ Id }) => !failed.some((each) => each.Id === Id));
  if (rest.length === 0) return answerOf(200, { Successful: [], Failed: failed });
  const answered = withCode(await answer(withBody(request, { ...input, Entries: rest })));
  if (answered.status !== 200) return answered;
  const { Successful, Failed } = parsed(answered.body) as unknown as Batch;
  return withAnswer(answered, { Successful, Failed: [...Failed, ...failed] });
}

/**
 * Returns why the visibility of a message that is not in flight cannot be changed; undefined where SQS accepts the change,
 * as the message is visible again.
 */
function changeFault(queue: Queue | undefined, { ReceiptHandle = "" }: Partial<Entry>): Failure | undefined {
  if (!RECEIPT.test(ReceiptHandle)) return INVALID_RECEIPT;
  if (queue?.receipts.has(ReceiptHandle)) return undefined;
  return {
    code: "InvalidParameterValue",
    status: 400,
    message: `Value ${ReceiptHandle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.`,
  };
}

/** Fails entries with receipt handles that were never given out: fauxqs accepts them, SQS does not. */
function withoutForged({ Entries = [] }: Input, answered: MessagingResponse): MessagingResponse {
  const forged = Entries.filter(isForged);
  if (forged.length === 0 || answered.status !== 200) return answered;
  const { Successful } = parsed(answered.body) as unknown as Batch;
  return withAnswer(answered, {
    Successful: Successful.filter(({ Id }) => !forged.some((each) => each.Id === Id)),
    Failed: forged.map(({ Id }) => failure(Id, INVALID_RECEIPT)),
  });
}

/** Corrects the failures of messages that are not in flight: fauxqs calls all their receipts invalid. */
function withChanged(
  { Entries = [] }: Input,
  answered: MessagingResponse,
  queue: Queue | undefined,
): MessagingResponse {
  if (answered.status !== 200) return answered;
  const { Successful, Failed } = parsed(answered.body) as unknown as Batch;
  const doubtful = Failed.filter(({ Code }) => Code === INVALID_RECEIPT.code).map(({ Id }) => {
    const entry = Entries.find((each) => each.Id === Id);
    return { Id, fault: changeFault(queue, entry ?? {}) };
  });
  return withAnswer(answered, {
    Successful: [
      ...Successful,
      ...doubtful.filter(({ fault }) => fault === undefined).map(({ Id }) => ({ Id })),
    ],
    Failed: [
      ...Failed.filter(({ Code }) => Code !== INVALID_RECEIPT.code),
      ...doubtful.flatMap(({ Id, fault }) => (fault ? [failure(Id, fault)] : [])),
    ],
  });
}

/** Makes the failure of an entry in a batch. */
function failure(Id: string, { code: Code, message: Message }: Failure) {
  return { Id, SenderFault: true, Code, Message };
}

function isForged({ ReceiptHandle }: Partial<Entry>): boolean {
  return ReceiptHandle !== undefined && !RECEIPT.test(ReceiptHandle);
}

/** The answer with its error code as SQS has it: fauxqs puts the prefix before all. */
function withCode(answer: MessagingResponse): MessagingResponse {
  const [prefixed = "", fault] = String(answer.headers["x-amzn-query-error"] ?? "").split(";");
  const code = prefixed.slice(PREFIX.length);
  if (!prefixed.startsWith(PREFIX) || PREFIXED.test(code)) return answer;
  const named = code === "QueueNameExists" ? "QueueAlreadyExists" : code;
  return { ...answer, headers: { ...answer.headers, "x-amzn-query-error": `${named};${fault}` } };
}

/** Makes SQS's answer to a refused request. */
export function refusal({ code, status, message }: Failure): MessagingResponse {
  const body = { __type: `com.amazonaws.sqs#${code}`, message };
  return answerOf(status, body, { "x-amzn-query-error": `${code};Sender` });
}

function answerOf(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): MessagingResponse {
  const type = { "content-type": "application/x-amz-json-1.0" };
  return withAnswer({ status, headers: { ...type, ...headers }, body: Buffer.alloc(0) }, body);
}
