import type { Readable } from "node:stream";
import { GetObjectCommand, type GetObjectCommandOutput, NoSuchKey } from "@aws-sdk/client-s3";
import type { Model } from "./model.ts";
import type { SourceFile } from "./source.ts";

/** Errors of S3 that say that a version is not there any more. */
const GONE = ["NoSuchVersion", "MethodNotAllowed"];

/**
 * Opens an object.
 * @param get sends the request
 * @returns nothing where there is none any more
 */
export async function openObject(
  object: NonNullable<ReturnType<Model["object"]>>,
  get: (command: GetObjectCommand) => Promise<GetObjectCommandOutput>,
): Promise<SourceFile | undefined> {
  const { bucket: Bucket, key: Key, versionId } = object;
  const version = versionId && versionId !== "null" ? { VersionId: versionId } : {};
  try {
    const {
      Body,
      ContentLength = 0,
      ETag = "",
    } = await get(new GetObjectCommand({ Bucket, Key, ...version }));
    return { key: Key, etag: `${versionId}${ETag}`, size: ContentLength, body: Body as Readable };
  } catch (error) {
    if (error instanceof NoSuchKey || GONE.includes((error as Error).name)) return undefined;
    throw error;
  }
}
