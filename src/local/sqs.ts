import { QueueAttributeName } from "@aws-sdk/client-sqs";
import {
  type MessagingRequest,
  type MessagingResponse,
  parsed,
  withAnswer,
  withBody,
} from "./messaging-http.ts";

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
      if (input.MessageAttributeNames?.length) break;
      // Attributes are for those who name them; a name of none hides all.
      return withCode(await answer(withBody(request, { ...input, MessageAttributeNames: [""] })));
    }
    case "DeleteMessage":
    case "ChangeMessageVisibility":
      if (isForged(inputOf(request))) return refusal(INVALID_RECEIPT);
      break;
    case "DeleteMessageBatch":
      return withoutForged(inputOf(request), withCode(await answer(request)));
  }
  return withCode(await answer(request));
}

/** Fails what was to be deleted by a receipt that nobody was given, and of which fauxqs says that it is done. */
function withoutForged({ Entries = [] }: Input, answered: MessagingResponse): MessagingResponse {
  const forged = Entries.filter(isForged).map(({ Id }) => Id);
  if (forged.length === 0 || answered.status !== 200) return answered;
  const { Successful } = parsed(answered.body) as { Successful: readonly Entry[] };
  const { code: Code, message: Message } = INVALID_RECEIPT;
  return withAnswer(answered, {
    Successful: Successful.filter(({ Id }) => !forged.includes(Id)),
    Failed: forged.map((Id) => ({ Id, SenderFault: true, Code, Message })),
  });
}

function isForged({ ReceiptHandle }: { readonly ReceiptHandle?: string }): boolean {
  return ReceiptHandle !== undefined && !RECEIPT.test(ReceiptHandle);
}

function inputOf({ body }: MessagingRequest): Input {
  return parsed(body) as Input;
}

/** The answer with its error code as SQS has it: fauxqs puts the prefix before all. */
function withCode(answer: MessagingResponse): MessagingResponse {
  const [prefixed = "", fault] = String(answer.headers["x-amzn-query-error"] ?? "").split(";");
  const code = prefixed.slice(PREFIX.length);
  if (!prefixed.startsWith(PREFIX) || PREFIXED.test(code)) return answer;
  const named = code === "QueueNameExists" ? "QueueAlreadyExists" : code;
  return { ...answer, headers: { ...answer.headers, "x-amzn-query-error": `${named};${fault}` } };
}

/** How SQS refuses a request. */
export function refusal({ code, status, message }: Failure): MessagingResponse {
  const headers = {
    "content-type": "application/x-amz-json-1.0",
    "x-amzn-query-error": `${code};Sender`,
  };
  return withAnswer(
    { status, headers, body: Buffer.alloc(0) },
    { __type: `com.amazonaws.sqs#${code}`, message },
  );
}
