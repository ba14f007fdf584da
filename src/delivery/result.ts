import { HeadObjectCommand, PutObjectCommand, type S3Client, S3ServiceException } from "@aws-sdk/client-s3";
import { type CreatedObject, isLater } from "./envelope.ts";
import { currentSource, identity } from "./source.ts";

/** What became of a result. */
export interface Written {
  /** It stands now, it stood already, or that of a newer source stands. */
  readonly outcome: "processed" | "duplicate" | "superseded";
  /** The source's current version, where its result may not stand: nobody else need be coming to write it. */
  readonly owed: CreatedObject | undefined;
}

/** How often a write that lost a race is tried again before the message goes back to the queue. */
const ATTEMPTS = 5;

/**
 * Writes the result of a source, unless that of a newer source is there: newest wins, whatever the order in
 * which events arrive and however many handlers race. One request where there is no earlier result.
 *
 * Each write is conditional on what was seen (`If-None-Match: *`, then `If-Match`), so that what another handler
 * wrote in between is not lost unseen: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 * With one exception, for which the source is looked at once more after a replacement: an entity tag says which bytes
 * stand, not whose, and a newer source may have given the same bytes as the one that was seen. docs/delivery.md has
 * the proof.
 */
export async function writeResult(
  s3: S3Client,
  target: { bucket: string; key: string },
  source: CreatedObject,
  result: { body: Buffer; contentType: string },
): Promise<Written> {
  const put = async (condition: { IfNoneMatch: string } | { IfMatch: string }): Promise<boolean> => {
    try {
      await s3.send(
        new PutObjectCommand({
          Bucket: target.bucket,
          Key: target.key,
          Body: result.body,
          ContentType: result.contentType,
          Metadata: {
            "source-version": source.versionId ?? "",
            "source-etag": source.eTag ?? "",
            "source-sequencer": source.sequencer,
          },
          ...condition,
        }),
      );
      return true;
    } catch (error) {
      if (lostRace(error)) return false;
      throw error;
    }
  };

  if (await put({ IfNoneMatch: "*" })) return { outcome: "processed", owed: undefined };
  for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
    const standing = await standingResult(s3, target);
    if (!standing) {
      if (await put({ IfNoneMatch: "*" })) return { outcome: "processed", owed: undefined };
      continue;
    }
    if (standing.source === identity(source)) {
      return { outcome: "duplicate", owed: unless(identity(source), await currentSource(s3, source)) };
    }
    if (source.sequencer && standing.sequencer) {
      if (!isLater(source.sequencer, standing.sequencer)) return { outcome: "superseded", owed: undefined };
    } else {
      // What was found in a listing has no sequencer. The source bucket knows: the current version is the newest.
      const current = await currentSource(s3, source);
      if (!current || identity(current) !== identity(source)) {
        return { outcome: "superseded", owed: unless(standing.source, current) };
      }
    }
    if (await put({ IfMatch: standing.eTag })) {
      return { outcome: "processed", owed: unless(identity(source), await currentSource(s3, source)) };
    }
  }
  throw new Error(`The result ${target.key} changed ${ATTEMPTS} times while it was being written.`);
}

/** The current version, unless there is none or its result stands. */
function unless(standing: string, current: CreatedObject | undefined): CreatedObject | undefined {
  return current && identity(current) !== standing ? current : undefined;
}

/** 412: somebody else's result stands. 409: somebody else is writing. 404: what we wanted to replace is gone. */
function lostRace(error: unknown): boolean {
  return (
    error instanceof S3ServiceException &&
    [404, 409, 412].includes(error.$metadata.httpStatusCode ?? 0) &&
    error.name !== "NoSuchBucket"
  );
}

async function standingResult(
  s3: S3Client,
  target: { bucket: string; key: string },
): Promise<{ eTag: string; source: string; sequencer: string } | undefined> {
  try {
    const { ETag, Metadata = {} } = await s3.send(
      new HeadObjectCommand({ Bucket: target.bucket, Key: target.key }),
    );
    return {
      eTag: ETag ?? "",
      source: Metadata["source-version"] || Metadata["source-etag"] || "",
      sequencer: Metadata["source-sequencer"] ?? "",
    };
  } catch (error) {
    // S3 says 403 for what is not there to whoever may not list, and this role may read its results, not list them.
    if (error instanceof S3ServiceException && [403, 404].includes(error.$metadata.httpStatusCode ?? 0)) {
      return undefined;
    }
    throw error;
  }
}
