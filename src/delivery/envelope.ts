/**
 * What is in a message: the records of an S3 event, raw or in an SNS envelope. S3 and SNS deliver at least
 * once and in any order, so nothing here assumes that a record is new.
 */

/** One object that was created in the source bucket. */
export interface CreatedObject {
  readonly bucket: string;
  /** The key as the uploader gave it, decoded. */
  readonly key: string;
  /** Absent where the bucket keeps no versions, or keeps none any more: S3 calls such a version `null` in places. */
  readonly versionId: string | undefined;
  readonly eTag: string | undefined;
  /** Bytes, as the event says; absent from some hand-made events. */
  readonly size: number | undefined;
  /** When S3 says that it was created; absent from some hand-made events. */
  readonly createdAt: Date | undefined;
  /** The record as it came, for a message about this object alone. */
  readonly record: unknown;
}

/** A message of a shape that this machine does not know. It is never dropped: it goes to the dead-letter queue. */
export class UnknownMessage extends Error {
  override readonly name = "UnknownMessage";
  /** The record that is meant, where the others of its message may be good. */
  readonly record: unknown;

  constructor(message: string, record?: unknown) {
    super(message);
    this.record = record;
  }
}

/**
 * The objects that a message tells of; none for the `s3:TestEvent` that S3 sends when a notification is set up.
 * @throws {UnknownMessage}
 */
export function createdObjects(body: string): CreatedObject[] {
  return eachRecord(body).map((object) => {
    if (object instanceof UnknownMessage) throw object;
    return object;
  });
}

/** The same, with what is wrong with a record in its place. One that is wrong as a whole has that alone. */
export function eachRecord(body: string): (CreatedObject | UnknownMessage)[] {
  try {
    return recordsOf(body).map((record) => orUnknown(() => createdObject(record), record));
  } catch (error) {
    if (error instanceof UnknownMessage) return [error];
    throw error;
  }
}

function recordsOf(body: string): unknown[] {
  const event = unwrapped(parsed(body));
  if (event.Event === "s3:TestEvent") return [];
  if (!Array.isArray(event.Records) || event.Records.length === 0) {
    throw new UnknownMessage("The message is not an S3 event: it has no Records.");
  }
  return event.Records;
}

function orUnknown<T>(read: () => T, record: unknown): T | UnknownMessage {
  try {
    return read();
  } catch (error) {
    if (error instanceof UnknownMessage) return new UnknownMessage(error.message, record);
    throw error;
  }
}

function parsed(json: string): Record<string, unknown> {
  try {
    const value = JSON.parse(json);
    if (isObject(value)) return value;
  } catch {
    // Told below, like JSON that is no object.
  }
  throw new UnknownMessage("The message is not an S3 event: it is not a JSON object.");
}

/** What SNS wrapped, where the subscription does not deliver raw messages. */
function unwrapped(message: Record<string, unknown>): Record<string, unknown> {
  return message.Type === "Notification" && typeof message.Message === "string"
    ? parsed(message.Message)
    : message;
}

function createdObject(record: unknown): CreatedObject {
  const event = isObject(record) ? record : {};
  const s3 = isObject(event.s3) ? event.s3 : {};
  const bucket = isObject(s3.bucket) ? s3.bucket.name : undefined;
  const object = isObject(s3.object) ? s3.object : {};
  if (typeof event.eventName !== "string" || !event.eventName.startsWith("ObjectCreated:")) {
    throw new UnknownMessage(`The message is about ${JSON.stringify(event.eventName)}, not ObjectCreated.`);
  }
  if (typeof bucket !== "string" || typeof object.key !== "string") {
    throw new UnknownMessage("The message is not an S3 event: a record names no bucket and key.");
  }
  return {
    bucket,
    key: decodedKey(object.key),
    versionId: versionOf(text(object.versionId)),
    eTag: text(object.eTag),
    size: typeof object.size === "number" ? object.size : undefined,
    createdAt: date(event.eventTime),
    record,
  };
}

/** Keys come URL-encoded, with `+` for a space (https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html). */
function decodedKey(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll("+", " "));
  } catch {
    throw new UnknownMessage(
      `The message is not an S3 event: the key ${JSON.stringify(key)} is not URL-encoded.`,
    );
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function date(value: unknown): Date | undefined {
  const time = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? undefined : new Date(time);
}

/** The version that S3 names. In a bucket whose versioning is suspended it says "null", or nothing: both are none. */
export function versionOf(versionId: string | undefined): string | undefined {
  return versionId === "null" ? undefined : versionId;
}

/**
 * Which version of its key an object is: its version, or its entity tag where it has none. The same in events, answers
 * and listings, whether or not they quote the tag.
 */
export function identity(object: {
  readonly versionId?: string | undefined;
  readonly eTag?: string | undefined;
}): string {
  return versionOf(object.versionId) ?? object.eTag?.replaceAll('"', "") ?? "";
}

/** Whether it is what consoles put where somebody creates a folder: nothing, under a key that ends in "/". */
export function isFolderMarker({
  key,
  size,
}: {
  readonly key: string;
  readonly size: number | undefined;
}): boolean {
  return size === 0 && key.endsWith("/");
}
