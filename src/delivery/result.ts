import { HeadObjectCommand, PutObjectCommand, type S3Client, S3ServiceException } from "@aws-sdk/client-s3";
import { type CreatedObject, isLater } from "./envelope.ts";

/** What became of a result: it stands now, it stood already, or a newer source's result stands. */
export type Written = "written" | "duplicate" | "superseded";

/** How often a write that lost a race is tried again before the message goes back to the queue. */
const ATTEMPTS = 5;

/**
 * Writes the result of a source, unless that of a newer source is there: newest wins, whatever the order in
 * which events arrive and however many handlers race. One request where there is no earlier result.
 *
 * Each write is conditional on what was seen (`If-None-Match: *`, then `If-Match`), so that what another handler
 * wrote in between is never lost unseen: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
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

  if (await put({ IfNoneMatch: "*" })) return "written";
  for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
    const standing = await standingResult(s3, target);
    if (standing?.sequencer === source.sequencer) return "duplicate";
    if (standing && !isLater(source.sequencer, standing.sequencer)) return "superseded";
    if (await put(standing ? { IfMatch: standing.eTag } : { IfNoneMatch: "*" })) return "written";
  }
  throw new Error(`The result ${target.key} changed ${ATTEMPTS} times while it was being written.`);
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
): Promise<{ eTag: string; sequencer: string } | undefined> {
  try {
    const head = await s3.send(new HeadObjectCommand({ Bucket: target.bucket, Key: target.key }));
    return { eTag: head.ETag ?? "", sequencer: head.Metadata?.["source-sequencer"] ?? "" };
  } catch (error) {
    // S3 says 403 for what is not there to whoever may not list, and this role may read its results, not list them.
    if (error instanceof S3ServiceException && [403, 404].includes(error.$metadata.httpStatusCode ?? 0)) {
      return undefined;
    }
    throw error;
  }
}
