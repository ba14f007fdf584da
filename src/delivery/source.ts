import {
  GetObjectCommand,
  type GetObjectCommandOutput,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  InvalidObjectState,
  type S3Client,
  S3ServiceException,
  type Tag,
} from "@aws-sdk/client-s3";
import { FOUND_AFTER } from "./backoff.ts";
import { type CreatedObject, versionOf } from "./envelope.ts";
import type { Within } from "./send.ts";

/** The source is not what the event told of any more. There is nothing to do: a newer event tells of what is there now. */
export class SourceGone extends Error {
  override readonly name = "SourceGone";
}

/**
 * S3 does not find what an event told of, and does not say that it was deleted. It may come: for some minutes after
 * versioning was enabled for the first time, new objects are not found.
 */
export class SourceMissing extends Error {
  override readonly name = "SourceMissing";
}

/** The source can never be read as it is. The message is a sentence for the person who uploaded it. */
export class SourceRejected extends Error {
  override readonly name = "SourceRejected";
  readonly code: "too-large" | "archived" | "customer-key" | "key-denied" | "unknown-version";

  constructor(code: SourceRejected["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A source, as S3 gives it. */
export interface Source {
  readonly bytes: Buffer;
  /** What its uploader said of it. */
  readonly described: Pick<GetObjectCommandOutput, "CacheControl" | "ContentDisposition" | "Metadata">;
}

/**
 * Exactly the version that an event names, with one request.
 * @param limit maximum number of bytes that are read into memory
 * @param within ends a body that comes too slowly
 * @throws {SourceGone} @throws {SourceMissing} @throws {SourceRejected} Any other error may pass when tried again.
 */
export async function readSource(
  s3: S3Client,
  source: CreatedObject,
  limit: number,
  within: Within,
  now: () => number,
): Promise<Source> {
  if ((source.size ?? 0) > limit) throw tooLarge(source.size ?? 0, limit);
  const tag = source.eTag?.replaceAll('"', "");
  try {
    const command = new GetObjectCommand({
      Bucket: source.bucket,
      Key: source.key,
      // Without versions, the entity tag says whether it is still the object that the event is about.
      ...(source.versionId ? { VersionId: source.versionId } : tag ? { IfMatch: `"${tag}"` } : {}),
    });
    return await within(async (options) => whole(await s3.send(command, options), source, limit));
  } catch (error) {
    const absent = absence(error, source, now());
    if (absent || !(error instanceof S3ServiceException)) throw absent ?? error;
    throw (await rejected(s3, source, error, within)) ?? error;
  }
}

/** Everything of an answer, in memory. */
async function whole(
  { Body, ContentLength, CacheControl, ContentDisposition, Metadata }: GetObjectCommandOutput,
  { key }: CreatedObject,
  limit: number,
): Promise<Source> {
  if (!Body) throw new Error(`S3 answered without a body for ${key}.`);
  if ((ContentLength ?? 0) > limit) {
    (Body as { destroy?: () => void }).destroy?.();
    throw tooLarge(ContentLength ?? 0, limit);
  }
  const { buffer, byteOffset, byteLength } = await Body.transformToByteArray();
  const described = {
    ...(CacheControl !== undefined && { CacheControl }),
    ...(ContentDisposition !== undefined && { ContentDisposition }),
    ...(Metadata && { Metadata }),
  };
  return { bytes: Buffer.from(buffer, byteOffset, byteLength), described };
}

/**
 * The tags that the version has now: unlike all else of a version, they can be changed.
 * @throws {SourceGone} @throws {SourceMissing} Any other error may pass when tried again.
 */
export async function tagsOf(
  s3: S3Client,
  source: CreatedObject,
  within: Within,
  now: () => number,
): Promise<readonly Tag[]> {
  const { bucket: Bucket, key: Key, versionId: VersionId } = source;
  const command = new GetObjectTaggingCommand({ Bucket, Key, ...(VersionId && { VersionId }) });
  try {
    return (await within((options) => s3.send(command, options))).TagSet ?? [];
  } catch (error) {
    throw absence(error, source, now()) ?? error;
  }
}

/**
 * The source as it is now, which may be another version than the event told of; undefined where it was deleted, or where
 * its uploader keeps the key to it, so that it cannot be read.
 * @throws {SourceMissing} Any other error may pass when tried again, too.
 */
export async function currentSource(
  s3: S3Client,
  source: CreatedObject,
  within: Within,
  now: () => number,
): Promise<CreatedObject | undefined> {
  try {
    const command = new HeadObjectCommand({ Bucket: source.bucket, Key: source.key });
    const head = await within((options) => s3.send(command, options));
    return {
      ...source,
      versionId: versionOf(head.VersionId),
      eTag: head.ETag?.replaceAll('"', ""),
      size: head.ContentLength,
      createdAt: head.LastModified ?? source.createdAt,
      record: undefined,
    };
  } catch (error) {
    const absent = absence(error, source, now());
    if (absent instanceof SourceGone) return undefined;
    // HEAD has no codes: 400 may be anything.
    const is400 = error instanceof S3ServiceException && error.$metadata.httpStatusCode === 400;
    if (is400 && (await needsCustomerKey(s3, source, within))) return undefined;
    throw absent ?? error;
  }
}

/**
 * What an error says of where a source is: gone, or not found and perhaps to come; undefined where it says something else. A
 * bucket that never kept versions has no other way to say that an object is gone than that the key is not there; it may be
 * a young one that keeps versions, where the object is young. Any other bucket has delete markers, and codes for versions.
 * HEAD has no codes. https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
 */
function absence(error: unknown, source: CreatedObject, now: number): SourceGone | SourceMissing | undefined {
  if (!(error instanceof S3ServiceException)) return undefined;
  const isNotFound = error.name === "NoSuchKey" || error.name === "NotFound";
  const isYoung = source.createdAt && now - source.createdAt.getTime() < FOUND_AFTER;
  const isGone =
    ["NoSuchVersion", "PreconditionFailed", "MethodNotAllowed"].includes(error.name) ||
    error.$response?.headers["x-amz-delete-marker"] === "true" ||
    (isNotFound && source.versionId === undefined && !isYoung);
  if (isGone) return new SourceGone(`The version is gone (${error.name}).`, { cause: error });
  if (!isNotFound) return undefined;
  const sentence = `S3 does not find ${source.key} (yet), and does not say that it was deleted.`;
  return new SourceMissing(sentence, { cause: error });
}

/** Of a GET, nothing else is invalid. */
function isCustomerKey(error: unknown): boolean {
  return (
    error instanceof S3ServiceException &&
    error.name === "InvalidRequest" &&
    error.$metadata.httpStatusCode === 400
  );
}

/** Whether the current version cannot be read without its uploader's key. */
async function needsCustomerKey(s3: S3Client, source: CreatedObject, within: Within): Promise<boolean> {
  const get = new GetObjectCommand({ Bucket: source.bucket, Key: source.key });
  try {
    const { Body } = await within((options) => s3.send(get, options));
    (Body as { destroy?: () => void } | undefined)?.destroy?.();
    return false;
  } catch (error) {
    return isCustomerKey(error);
  }
}

/** KMS says that a key is disabled, waits for its deletion, is gone or is of no use here. */
const UNUSABLE_KEY = /^KMS\.(Disabled|NotFound|(KMS)?InvalidState|InvalidKeyUsage)/;

/** Why an object is refused that no further try will read; undefined where one may. */
async function rejected(
  s3: S3Client,
  source: CreatedObject,
  error: S3ServiceException,
  within: Within,
): Promise<SourceRejected | undefined> {
  if (error.name === "InvalidObjectState") {
    const place = (error instanceof InvalidObjectState && error.StorageClass) || "an archive";
    return new SourceRejected(
      "archived",
      `The file is in the storage class ${place}, from which it cannot be read: restore it and send its dead letter again, or upload it in another class.`,
      { cause: error },
    );
  }
  if (error.name === "InvalidArgument" && /version id/i.test(error.message)) {
    return new SourceRejected(
      "unknown-version",
      `The event names the version ${source.versionId}, which is none of S3's: send an event with the versionId that S3 gave.`,
      { cause: error },
    );
  }
  if (isCustomerKey(error)) {
    return new SourceRejected(
      "customer-key",
      "The file is encrypted with a key that its uploader keeps (SSE-C): upload it without one.",
      { cause: error },
    );
  }
  const denied = error.name === "AccessDenied";
  const key = UNUSABLE_KEY.test(error.name) || (denied && /\bperform: kms:/i.test(error.message));
  if (!key && !(denied && (await mayBeRead(s3, source, within)))) return undefined;
  return new SourceRejected(
    "key-denied",
    "The file is encrypted with a KMS key that the worker may not use: let the worker's role use it and send the dead letter again, or upload the file without that key.",
    { cause: error },
  );
}

/**
 * Whether the role has the permission to read an object whose GET is denied: then its key is what is denied. HEAD takes
 * the same permission, and no key. Where HEAD is denied, too, every object is, and none is at fault.
 */
async function mayBeRead(s3: S3Client, source: CreatedObject, within: Within): Promise<boolean> {
  const head = new HeadObjectCommand({
    Bucket: source.bucket,
    Key: source.key,
    ...(source.versionId ? { VersionId: source.versionId } : {}),
  });
  try {
    const { ServerSideEncryption } = await within((options) => s3.send(head, options));
    return ServerSideEncryption?.startsWith("aws:kms") ?? false;
  } catch {
    return false;
  }
}

function tooLarge(bytes: number, limit: number): SourceRejected {
  return new SourceRejected(
    "too-large",
    `The file has ${megabytes(bytes)} MB, but ${megabytes(limit)} MB are the maximum with this function's memory.`,
  );
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
