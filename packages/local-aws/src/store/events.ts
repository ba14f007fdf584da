import { randomBytes } from "node:crypto";
import type { ObjectId } from "../events.ts";
import type { NotificationConfiguration, Sequencer, TopicNotification } from "./model.ts";

/** The caller, as the event tells it. */
export interface Origin {
  readonly principalId: string;
  readonly sourceIp: string;
  readonly requestId: string;
  readonly hostId: string;
}

/** A change of an object, in the terms of an S3 event. */
export interface ObjectEvent {
  /** For example `ObjectCreated:Put`, without `s3:`. */
  readonly name: string;
  readonly time: Date;
  readonly bucket: string;
  readonly key: string;
  readonly sequence: number;
  /** Of versions that are not `null`. */
  readonly versionId?: string | undefined;
  /** Not in events about removals. */
  readonly size?: number | undefined;
  /** Not in events about removals, except for a new delete marker. */
  readonly etag?: string | undefined;
}

/**
 * The notifications of a bucket that an event goes to. Prefix and suffix are compared with the key as the event has it: S3 wants
 * a space in them as `+`, and other characters percent-encoded.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
 */
export function matching(
  configuration: NotificationConfiguration,
  eventName: string,
  key: string,
): TopicNotification[] {
  const encoded = encodeKey(key);
  return configuration.topics.filter(
    ({ events, filterPrefix = "", filterSuffix = "" }) =>
      events.some((pattern) => covers(pattern, `s3:${eventName}`)) &&
      encoded.startsWith(filterPrefix) &&
      encoded.endsWith(filterSuffix),
  );
}

/** Tells whether a pattern such as `s3:ObjectCreated:*` covers an event. */
function covers(pattern: string, eventName: string): boolean {
  return pattern.endsWith("*") ? eventName.startsWith(pattern.slice(0, -1)) : pattern === eventName;
}

/**
 * The message that S3 sends: one record, of the shape in the S3 User Guide's "Event message structure".
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
 */
export function eventMessage(
  event: ObjectEvent,
  configurationId: string,
  origin: Origin,
  region: string,
  accountId: string,
  sequencerOf: Sequencer = sequencer,
): string {
  const { bucket, size, etag: eTag, versionId } = event;
  const record = {
    eventVersion: "2.1",
    eventSource: "aws:s3",
    awsRegion: region,
    eventTime: event.time.toISOString(),
    eventName: event.name,
    userIdentity: { principalId: origin.principalId },
    requestParameters: { sourceIPAddress: origin.sourceIp },
    responseElements: { "x-amz-request-id": origin.requestId, "x-amz-id-2": origin.hostId },
    s3: {
      s3SchemaVersion: "1.0",
      configurationId,
      bucket: { name: bucket, ownerIdentity: { principalId: accountId }, arn: `arn:aws:s3:::${bucket}` },
      object: { key: encodeKey(event.key), size, eTag, versionId, sequencer: sequencerOf(event.sequence) },
    },
  };
  return JSON.stringify({ Records: [record] });
}

/** Makes the message that S3 sends when a notification is declared. */
export function testMessage(bucket: string, time: Date): string {
  const { requestId, hostId } = newOrigin("");
  return JSON.stringify({
    Service: "Amazon S3",
    Event: "s3:TestEvent",
    Time: time.toISOString(),
    Bucket: bucket,
    RequestId: requestId,
    HostId: hostId,
  });
}

/** Whoever calls the store itself, not over HTTP. */
export function newOrigin(principalId: string): Origin {
  return {
    principalId,
    sourceIp: "127.0.0.1",
    requestId: randomBytes(8).toString("hex").toUpperCase(),
    hostId: randomBytes(48).toString("base64"),
  };
}

/** Encodes a key as a form does, except for slashes: `a b/ü.jpg` is `a+b/%C3%BC.jpg`. */
export function encodeKey(key: string): string {
  return encodeURIComponent(key).replaceAll("%20", "+").replaceAll("%2F", "/");
}

/** The bucket that a message of ours is about. */
export function bucketOf(message: string): string {
  const { Bucket, Records } = JSON.parse(message);
  return Bucket ?? Records[0].s3.bucket.name;
}

/** The versions that a message of ours tells of, as whoever gets it reads it; none where it is none of ours. */
export function objectsOf(message: string): ObjectId[] {
  const { Records = [] } = JSON.parse(message);
  return Records.map(
    ({ s3 }: { s3: { bucket: { name: string }; object: { key: string; versionId?: string } } }) => ({
      bucket: s3.bucket.name,
      key: decodeURIComponent(s3.object.key.replaceAll("+", " ")),
      versionId: s3.object.versionId ?? "null",
    }),
  );
}

/** Hexadecimal, always of one length, so that comparing text compares age. */
export function sequencer(sequence: number): string {
  return sequence.toString(16).toUpperCase().padStart(18, "0");
}
