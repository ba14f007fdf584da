import type { Readable } from "node:stream";
import { GetObjectCommand, NoSuchKey, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import type { SQSClient } from "@aws-sdk/client-sqs";
import type { MachineAccess, ObjectVersion, SourceFile } from "machine-watch";
import { inWords, passes } from "../image-filter.ts";
import { dealWithDeadLetters } from "../operations/dead-letters.ts";
import { countMessages } from "../operations/queue.ts";
import type { WorkerOutputs } from "../stack-outputs.ts";

/** What the watch page knows of a worker. */
export function wired<Worker extends WorkerOutputs>({ filter, ...worker }: Worker) {
  const told = filter && {
    words: inWords(filter),
    passes: (image: { key: string; size: number }) => passes(filter, image),
  };
  return { ...worker, told };
}

/** Lets the watch page at buckets and queues. */
export function accessWith({ s3, sqs }: { s3: S3Client; sqs: SQSClient }): MachineAccess {
  return {
    open: (object) => openObject(s3, object),
    async count(queueUrl) {
      const { visible, hidden, delayed } = await countMessages(sqs, queueUrl);
      return { visible: visible + delayed, hidden };
    },
    put: (Bucket, Key, Body) => s3.send(new PutObjectCommand({ Bucket, Key, Body })),
    deal: ({ queue, deadLetterQueue: queueUrl }, what, about) =>
      dealWithDeadLetters(
        {
          ...{ sqs, queueUrl, action: what === "drop" ? what : { redriveTo: queue } },
          only: ({ objects }) => !about || objects.some((object) => isSame(object, about)),
        },
        () => true,
      ),
  };
}

function isSame(
  { bucket, key, versionId = "null" }: { bucket: string; key: string; versionId: string | undefined },
  other: ObjectVersion,
): boolean {
  return bucket === other.bucket && key === other.key && versionId === other.versionId;
}

/** Errors of S3 that say that a version is not there any more. */
const GONE = ["NoSuchVersion", "MethodNotAllowed"];

/** @returns nothing where there is none any more */
async function openObject(
  s3: S3Client,
  { bucket: Bucket, key: Key, versionId }: ObjectVersion,
): Promise<SourceFile | undefined> {
  const version = versionId && versionId !== "null" ? { VersionId: versionId } : {};
  const command = new GetObjectCommand({ Bucket, Key, ...version });
  try {
    const { Body, ContentLength = 0, ETag = "" } = await s3.send(command);
    return { key: Key, etag: `${versionId}${ETag}`, size: ContentLength, body: Body as Readable };
  } catch (error) {
    if (error instanceof NoSuchKey || GONE.includes((error as Error).name)) return undefined;
    throw error;
  }
}
