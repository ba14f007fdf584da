import { type MessageAttributeValue, SendMessageCommand, type SQSClient } from "@aws-sdk/client-sqs";
import type { CreatedObject } from "./envelope.ts";
import { until } from "./send.ts";

/** Something that can never be processed, and why. */
export interface Rejection {
  /** A stable identifier to group by, for example `corrupt`. */
  readonly code: string;
  /** A sentence for a person. */
  readonly reason: string;
  /** The object, where the message could be read. */
  readonly source: CreatedObject | undefined;
  /** What the dead letter holds, so that it can be sent to the worker's queue again as it is. */
  readonly body: string;
}

/** Sends a rejection to the dead-letter queue, what is known about it in the message's attributes. */
export async function reject(
  sqs: SQSClient,
  queueUrl: string,
  worker: string,
  rejection: Rejection,
  abortSignal: AbortSignal,
): Promise<void> {
  const { source } = rejection;
  const message = new SendMessageCommand({
    QueueUrl: queueUrl,
    MessageBody: rejection.body,
    MessageAttributes: {
      ...attribute("Worker", worker),
      ...attribute("Code", rejection.code),
      ...attribute("Reason", rejection.reason),
      ...attribute("Bucket", source?.bucket),
      ...attribute("Key", source?.key),
      ...attribute("VersionId", source?.versionId),
    },
  });
  await until(abortSignal, sqs.send(message, { abortSignal }));
}

/** Characters that SQS takes in no message: a key may have them. */
const UNSENDABLE = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu;

/** An attribute of a message; none for nothing, as SQS refuses empty ones. */
function attribute(name: string, value: string | undefined): Record<string, MessageAttributeValue> {
  return value
    ? { [name]: { DataType: "String", StringValue: value.replaceAll(UNSENDABLE, "\u{FFFD}") } }
    : {};
}
