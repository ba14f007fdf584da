import { HeadObjectCommand, PutObjectCommand, type S3Client, S3ServiceException } from "@aws-sdk/client-s3";
import type { Along } from "./carry.ts";
import { type CreatedObject, identity } from "./envelope.ts";
import type { Within } from "./send.ts";
import { currentSource } from "./source.ts";

/** What became of a result. */
export interface Written {
  /** It stands now, it stood already, or that of a newer source stands. */
  readonly outcome: "processed" | "duplicate" | "superseded";
  /** The source's current version where it may have no result yet: the caller must process it. */
  readonly superseding: CreatedObject | undefined;
  /** Whether the result that stands may have been written here. */
  readonly wrote: boolean;
}

/** Maximum number of writes before the message goes back to the queue. */
const MAX_ATTEMPTS = 5;

/**
 * Writes the result of a source, unless it is not the current version any more and another one's result stands: newest
 * wins, whatever the order in which events arrive and however many handlers race. One request where there is no earlier
 * result. Where there is one, nothing but the source bucket says which is newer.
 *
 * Each write is conditional on what was seen (`If-None-Match: *`, then `If-Match`), so that what another handler
 * wrote in between is not lost unseen: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 * With one exception, for which the source is looked at once more after a replacement: ETags identify content, not
 * versions, and a newer source may have given the same bytes as the one that was seen. docs/delivery.md has the proof.
 */
export async function writeResult(
  s3: S3Client,
  target: { bucket: string; key: string },
  source: CreatedObject,
  result: { body: Buffer; contentType: string; along?: Along["put"] },
  within: Within,
  now: () => number,
): Promise<Written> {
  let unsure = false;
  const put = async (condition: { IfNoneMatch: string } | { IfMatch: string }): Promise<boolean> => {
    const command = new PutObjectCommand({
      Bucket: target.bucket,
      Key: target.key,
      Body: result.body,
      ContentType: result.contentType,
      ...result.along,
      Metadata: { ...result.along?.Metadata, ...ownMetadata(source) },
      ...condition,
    });
    try {
      // A large body on a slow line may take as long as there is time: only idleness ends it sooner.
      await within((options) => s3.send(command, { ...options, requestTimeout: 0 }));
      return true;
    } catch (error) {
      if (!lostRace(error)) throw error;
      // One that was made again may have been refused because of itself, its first answer lost.
      unsure ||= (error.$metadata.attempts ?? 1) > 1;
      return false;
    }
  };

  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    // Nothing stands as a rule, so that the first write asks no one.
    const existing = attempt === 0 ? undefined : await existingResult(s3, target, within);
    if (!existing) {
      if (await put({ IfNoneMatch: "*" }))
        return { outcome: "processed", superseding: undefined, wrote: true };
      continue;
    }
    const current = await currentSource(s3, source, within, now);
    if (existing.source === identity(source)) {
      return { outcome: "duplicate", superseding: supersedingOf(identity(source), current), wrote: unsure };
    }
    if (!current || identity(current) !== identity(source)) {
      return { outcome: "superseded", superseding: supersedingOf(existing.source, current), wrote: false };
    }
    if (await put({ IfMatch: existing.eTag })) {
      return {
        outcome: "processed",
        superseding: supersedingOf(identity(source), await currentSource(s3, source, within, now)),
        wrote: true,
      };
    }
  }
  throw new Error(`The result ${target.key} changed ${MAX_ATTEMPTS} times while it was being written.`);
}

/** The current version, unless there is none or its result is the existing one. */
function supersedingOf(existing: string, current: CreatedObject | undefined): CreatedObject | undefined {
  return current && identity(current) !== existing ? current : undefined;
}

/** 412: somebody else's result stands. 409: somebody else is writing. 404: what we wanted to replace is gone. */
function lostRace(error: unknown): error is S3ServiceException {
  return (
    error instanceof S3ServiceException &&
    [404, 409, 412].includes(error.$metadata.httpStatusCode ?? 0) &&
    error.name !== "NoSuchBucket"
  );
}

async function existingResult(
  s3: S3Client,
  target: { bucket: string; key: string },
  within: Within,
): Promise<{ eTag: string; source: string } | undefined> {
  const head = new HeadObjectCommand({ Bucket: target.bucket, Key: target.key });
  try {
    const { ETag, Metadata = {} } = await within((options) => s3.send(head, options));
    return { eTag: ETag ?? "", source: resultOf(Metadata) };
  } catch (error) {
    // S3 says 403 for what is not there to whoever may not list, and this role may read its results, not list them.
    if (error instanceof S3ServiceException && [403, 404].includes(error.$metadata.httpStatusCode ?? 0)) {
      return undefined;
    }
    throw error;
  }
}

/** Metadata by which a result is known. */
export function ownMetadata({ versionId = "", eTag = "" }: CreatedObject): Record<string, string> {
  return { "source-version": versionId, "source-etag": eTag };
}

/** Which version of its source a result is of: the source's identity, from the result's metadata. */
export function resultOf(metadata: Record<string, string | undefined>): string {
  return identity({ versionId: metadata["source-version"] || undefined, eTag: metadata["source-etag"] });
}
