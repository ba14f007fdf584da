import { GetObjectCommand, HeadObjectCommand, type S3Client, S3ServiceException } from "@aws-sdk/client-s3";
import type { CreatedObject } from "./envelope.ts";

/** The source is not what the event told of any more. There is nothing to do: a newer event tells of what is there now. */
export class SourceGone extends Error {
  override readonly name = "SourceGone";
}

/** The source has more bytes than this function takes. */
export class SourceTooLarge extends Error {
  override readonly name = "SourceTooLarge";
}

/** Error codes with which S3 says that this version is not there (any more). */
const GONE = new Set(["NoSuchKey", "NoSuchVersion", "PreconditionFailed", "MethodNotAllowed"]);

/**
 * The bytes of exactly the version that an event names, with one request.
 * @param limit most bytes that are read into memory
 * @param abortSignal ends a body that comes too slowly
 * @throws {SourceGone} @throws {SourceTooLarge} Any other error may pass when tried again.
 */
export async function readSource(
  s3: S3Client,
  source: CreatedObject,
  limit: number,
  abortSignal: AbortSignal,
): Promise<Buffer> {
  if ((source.size ?? 0) > limit) throw tooLarge(source.size ?? 0, limit);
  try {
    const { Body, ContentLength } = await s3.send(
      new GetObjectCommand({
        Bucket: source.bucket,
        Key: source.key,
        // Without versions, the entity tag says whether it is still the object that the event is about.
        ...(source.versionId ? { VersionId: source.versionId } : source.eTag ? { IfMatch: source.eTag } : {}),
      }),
      { abortSignal },
    );
    if (!Body) throw new Error(`S3 answered without a body for ${source.key}.`);
    if ((ContentLength ?? 0) > limit) {
      (Body as { destroy?: () => void }).destroy?.();
      throw tooLarge(ContentLength ?? 0, limit);
    }
    return Buffer.from(await Body.transformToByteArray());
  } catch (error) {
    if (error instanceof S3ServiceException && GONE.has(error.name)) {
      throw new SourceGone(`The version is gone (${error.name}).`, { cause: error });
    }
    throw error;
  }
}

/**
 * The source as it is now, which may be another version than the event told of; undefined where it was deleted. Nobody
 * but an event knows a sequencer, so that it has none.
 */
export async function currentSource(s3: S3Client, source: CreatedObject): Promise<CreatedObject | undefined> {
  try {
    const head = await s3.send(new HeadObjectCommand({ Bucket: source.bucket, Key: source.key }));
    return {
      ...source,
      versionId: head.VersionId,
      eTag: head.ETag?.replaceAll('"', ""),
      size: head.ContentLength,
      sequencer: "",
      record: undefined,
    };
  } catch (error) {
    if (error instanceof S3ServiceException && error.$metadata.httpStatusCode === 404) return undefined;
    throw error;
  }
}

/** Which version of its key a source is: its version, or its entity tag where the bucket keeps none. */
export function identity(source: Pick<CreatedObject, "versionId" | "eTag">): string {
  return source.versionId ?? source.eTag?.replaceAll('"', "") ?? "";
}

function tooLarge(bytes: number, limit: number): SourceTooLarge {
  return new SourceTooLarge(
    `The file has ${megabytes(bytes)} MB, but with this function's memory ${megabytes(limit)} MB are the most.`,
  );
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
