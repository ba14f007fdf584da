import { isIP } from "node:net";
import { invalidArgument, S3Error } from "./errors.ts";
import type { Description, NotificationConfiguration } from "./model.ts";

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html */
const MAX_KEY_BYTES = 1024;

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html */
const MAX_METADATA_BYTES = 2048;

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
export function validateBucketName(name: string): void {
  const valid = /^[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]$/.test(name) && isIP(name) === 0;
  if (!valid) {
    throw new S3Error(400, "InvalidBucketName", "The specified bucket is not valid.", { BucketName: name });
  }
}

export function validateKey(key: string): void {
  const size = Buffer.byteLength(key);
  if (size > MAX_KEY_BYTES) {
    throw new S3Error(400, "KeyTooLongError", "Your key is too long", {
      Size: String(size),
      MaxSizeAllowed: String(MAX_KEY_BYTES),
    });
  }
}

export function validateDescription({ metadata }: Description): void {
  const size = Buffer.byteLength(Object.entries(metadata).flat().join(""));
  if (size > MAX_METADATA_BYTES) {
    throw new S3Error(
      400,
      "MetadataTooLarge",
      "Your metadata headers exceed the maximum allowed metadata size",
      {
        Size: String(size),
        MaxSizeAllowed: String(MAX_METADATA_BYTES),
      },
    );
  }
}

/** Like S3, which refuses two notifications of one bucket that the same event of the same key would set off. */
export function validateNotification({ topics }: NotificationConfiguration): void {
  for (const [index, topic] of topics.entries()) {
    for (const event of topic.events) {
      if (!/^s3:[A-Za-z]+:[A-Za-z*]+$/.test(event)) {
        throw invalidArgument("The event is not supported for notifications", "Event", event);
      }
    }
    for (const other of topics.slice(0, index)) {
      const sharesEvent = topic.events.some((event) => other.events.some((known) => overlaps(event, known)));
      const { filterPrefix: prefix = "", filterSuffix: suffix = "" } = topic;
      const { filterPrefix: otherPrefix = "", filterSuffix: otherSuffix = "" } = other;
      const sharesKeys =
        (prefix.startsWith(otherPrefix) || otherPrefix.startsWith(prefix)) &&
        (suffix.endsWith(otherSuffix) || otherSuffix.endsWith(suffix));
      if (sharesEvent && sharesKeys) {
        throw invalidArgument(
          "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.",
          "Topic",
          topic.topicArn,
        );
      }
    }
  }
}

function overlaps(a: string, b: string): boolean {
  const covers = (pattern: string, event: string) =>
    pattern === event || (pattern.endsWith("*") && event.startsWith(pattern.slice(0, -1)));
  return covers(a, b) || covers(b, a);
}
