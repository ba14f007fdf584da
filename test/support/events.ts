import type { SQSRecord } from "aws-lambda";

/** A record of an S3 event, as S3 sends it. */
export function s3Record(
  key: string,
  overrides: Record<string, unknown> = {},
  eventName = "ObjectCreated:Put",
) {
  return {
    eventVersion: "2.1",
    eventSource: "aws:s3",
    eventTime: "2026-01-01T00:00:00.000Z",
    eventName,
    s3: {
      bucket: { name: "source", arn: "arn:aws:s3:::source" },
      object: {
        key: encodeURIComponent(key).replaceAll("%20", "+").replaceAll("%2F", "/"),
        size: 10,
        eTag: "0123",
        versionId: "v1",
        sequencer: "0055",
        ...overrides,
      },
    },
  };
}

/** A message of a queue, as Lambda shows it. */
export function sqsRecord(body: unknown, receives = 1, messageId = "message-1"): SQSRecord {
  return {
    messageId,
    receiptHandle: `receipt-${messageId}`,
    body: typeof body === "string" ? body : JSON.stringify(body),
    attributes: {
      ApproximateReceiveCount: String(receives),
      SentTimestamp: "0",
      SenderId: "sender",
      ApproximateFirstReceiveTimestamp: "0",
    },
    messageAttributes: {},
    md5OfBody: "",
    eventSource: "aws:sqs",
    eventSourceARN: "arn:aws:sqs:us-east-1:000000000000:queue",
    awsRegion: "us-east-1",
  };
}
