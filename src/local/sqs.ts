import { QueueAttributeName } from "@aws-sdk/client-sqs";
import type { MessagingRequest, MessagingResponse } from "./messaging.ts";

/*
 * SQS as AWS has it, where fauxqs has it otherwise: what AWS refuses must be refused here, in the same words.
 */

type Answer = (request: MessagingRequest) => Promise<MessagingResponse>;

interface Entry {
  readonly Id: string;
  readonly ReceiptHandle?: string;
}

/** The parts of requests that are looked at. */
interface Input {
  readonly QueueName?: string;
  readonly Attributes?: Readonly<Record<string, string>>;
  readonly ReceiptHandle?: string;
  readonly MessageAttributeNames?: readonly string[];
  readonly Entries?: readonly Entry[];
}

interface Failure {
  readonly code: string;
  readonly status: number;
  readonly message: string;
}

/** Every character but those that XML has not. https://www.w3.org/TR/REC-xml/#charsets */
const MESSAGE_TEXT = /^[\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u;

/** fauxqs gives out UUIDs as receipts. */
const RECEIPT = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const INVALID_RECEIPT: Failure = {
  code: "ReceiptHandleIsInvalid",
  status: 404,
  message: "The input receipt handle is invalid.",
};

/**
 * What the older protocol calls errors, which the SDKs still go by: these alone have a prefix.
 * From the errors of the SQS model in @aws-sdk/client-sqs.
 */
const PREFIXED =
  /^(BatchEntryIdsNotDistinct|BatchRequestTooLong|EmptyBatchRequest|InvalidBatchEntryId|MessageNotInflight|NonExistentQueue|PurgeQueueInProgress|QueueDeletedRecently|TooManyEntriesInBatchRequest|UnsupportedOperation)$/;
const PREFIX = "AWS.SimpleQueueService.";

/** A stand-in for fauxqs' pattern of characters that a message may not have, which is without most emoji. */
export const forbiddenCharacters = { test: (text: string) => !MESSAGE_TEXT.test(text) };

/** Has a request to SQS answered by fauxqs, except for what it would answer wrongly. */
export async function answerSqs(request: MessagingRequest, answer: Answer): Promise<MessagingResponse> {
  const [, operation] = /^AmazonSQS\.(\w+)$/.exec(String(request.headers["x-amz-target"])) ?? [];
  switch (operation) {
    case "CreateQueue": {
      const { QueueName = "", Attributes = {} } = inputOf(request);
      if (!/^(?=.{1,80}$)[\w-]+(\.fifo)?$/.test(QueueName)) {
        return refusal({
          code: "InvalidParameterValue",
          status: 400,
          message: "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        });
      }
      const unknown = Object.keys(Attributes).find((name) => !Object.hasOwn(QueueAttributeName, name));
      if (unknown !== undefined) {
        return refusal({
          code: "InvalidAttributeName",
          status: 400,
          message: `Unknown Attribute ${unknown}.`,
        });
      }
      break;
    }
    case "ReceiveMessage": {
      const input = inputOf(request);
      // Attributes are for those who name them; a name of none hides all.
      const names = input.MessageAttributeNames ?? [];
      const hiding = { ...input, MessageAttributeNames: [""] };
      return withCode(await answer(names.length === 0 ? withInput(request, hiding) : request));
    }
    case "DeleteMessage":
    case "ChangeMessageVisibility":
      if (!isReceipt(inputOf(request))) return refusal(INVALID_RECEIPT);
      break;
    case "DeleteMessageBatch":
      return deleteBatch(request, answer);
  }
  return withCode(await answer(request));
}

/** Deletes what has a receipt, and fails what has none. */
async function deleteBatch(request: MessagingRequest, answer: Answer): Promise<MessagingResponse> {
  const { Entries = [], ...input } = inputOf(request);
  const forged = Entries.filter((entry) => !isReceipt(entry));
  if (forged.length === 0 || Entries.length > 10) return withCode(await answer(request));
  const Failed = forged.map(({ Id }) => ({
    ...{ Id, SenderFault: true, Code: INVALID_RECEIPT.code, Message: INVALID_RECEIPT.message },
  }));
  const rest = Entries.filter(isReceipt);
  if (rest.length === 0) return json(200, { Successful: [], Failed });
  const answered = withCode(await answer(withInput(request, { ...input, Entries: rest })));
  if (answered.status !== 200) return answered;
  return json(200, { ...JSON.parse(answered.body.toString("utf8")), Failed });
}

function isReceipt({ ReceiptHandle }: { readonly ReceiptHandle?: string }): boolean {
  return ReceiptHandle === undefined || RECEIPT.test(ReceiptHandle);
}

function inputOf({ body }: MessagingRequest): Input {
  return JSON.parse(body.toString("utf8")) as Input;
}

function withInput(request: MessagingRequest, input: Input): MessagingRequest {
  const body = Buffer.from(JSON.stringify(input));
  return { ...request, body, headers: { ...request.headers, "content-length": String(body.length) } };
}

/** The answer with its error code as SQS has it: fauxqs puts the prefix before all. */
function withCode(answer: MessagingResponse): MessagingResponse {
  const [prefixed = "", fault] = String(answer.headers["x-amzn-query-error"] ?? "").split(";");
  const code = prefixed.slice(PREFIX.length);
  if (!prefixed.startsWith(PREFIX) || PREFIXED.test(code)) return answer;
  const named = code === "QueueNameExists" ? "QueueAlreadyExists" : code;
  return { ...answer, headers: { ...answer.headers, "x-amzn-query-error": `${named};${fault}` } };
}

function refusal({ code, status, message }: Failure): MessagingResponse {
  const answer = json(status, { __type: `com.amazonaws.sqs#${code}`, message });
  return { ...answer, headers: { ...answer.headers, "x-amzn-query-error": `${code};Sender` } };
}

function json(status: number, value: object): MessagingResponse {
  const body = Buffer.from(JSON.stringify(value));
  return {
    ...{ status, body },
    headers: { "content-type": "application/x-amz-json-1.0", "content-length": body.length },
  };
}
