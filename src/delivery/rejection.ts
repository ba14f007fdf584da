import { MetricUnit } from "@aws-lambda-powertools/metrics";
import { type MessageAttributeValue, SendMessageCommand } from "@aws-sdk/client-sqs";
import type { CreatedObject, UnknownMessage } from "./envelope.ts";
import type { Within } from "./send.ts";
import { named, type Worker } from "./worker.ts";

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

/** Why an image can never be processed. */
export function rejectionOf(source: CreatedObject, code: string, reason: string): Rejection {
  return { code, reason, source, body: JSON.stringify({ Records: [source.record] }) };
}

/** Why a message, or a record of it, is not understood. */
export function rejectionOfUnknown({ message, record }: UnknownMessage, body: string): Rejection {
  return {
    code: "unknown-message",
    reason: message,
    source: undefined,
    body: record === undefined ? body : JSON.stringify({ Records: [record] }),
  };
}

/** Sends a rejection to the dead-letter queue, what is known about it in the message's attributes, and says so in log and metrics. */
export async function reject(worker: Worker, rejection: Rejection, within: Within): Promise<void> {
  const { source, code, reason, body } = rejection;
  const message = new SendMessageCommand({
    QueueUrl: worker.deadLetterQueueUrl,
    MessageBody: body,
    MessageAttributes: {
      ...attribute("Worker", worker.name),
      ...attribute("Code", code),
      ...attribute("Reason", reason),
      ...attribute("Bucket", source?.bucket),
      ...attribute("Key", source?.key),
      ...attribute("VersionId", source?.versionId),
    },
  });
  await within((options) => worker.sqs.send(message, options));
  worker.logger.warn("rejected", { ...named(source), bytesIn: source?.size, code, reason });
  worker.metrics.addMetric("rejected", MetricUnit.Count, 1);
}

/** Characters that SQS takes in no message: a key may have them. */
const UNSENDABLE = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu;

/** An attribute of a message; none for nothing, as SQS refuses empty ones. */
function attribute(name: string, value: string | undefined): Record<string, MessageAttributeValue> {
  return value
    ? { [name]: { DataType: "String", StringValue: value.replaceAll(UNSENDABLE, "\u{FFFD}") } }
    : {};
}
