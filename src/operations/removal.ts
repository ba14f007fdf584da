import { DeleteObjectsCommand, ListObjectVersionsCommand, type S3Client } from "@aws-sdk/client-s3";
import type { SQSClient } from "@aws-sdk/client-sqs";
import type { StackOutputs } from "../stack-outputs.ts";
import { type DeadLetter, dealWithDeadLetters } from "./dead-letters.ts";

/**
 * Removes all versions of the sources that begin with a prefix, of their results, and dead letters about them. Sources go first: a
 * worker that takes up a message later finds nothing to do.
 * @param rejecting workers whose dead letters are looked at, which takes seconds
 * @returns how many versions there were
 */
export async function removeUnder(
  { s3, sqs, stack }: { readonly s3: S3Client; readonly sqs: SQSClient; readonly stack: StackOutputs },
  prefix: string,
  rejecting: readonly string[] = Object.keys(stack.workers),
): Promise<number> {
  let count = await removeVersions(s3, stack.sourceBucket, prefix);
  for (const [name, worker] of Object.entries(stack.workers)) {
    count += await removeVersions(s3, stack.resultsBucket, `${worker.prefix}/${prefix}`);
    if (rejecting.includes(name)) await dropLettersUnder(sqs, worker.deadLetterQueue, prefix);
  }
  return count;
}

/** Deletes the dead letters that are about keys with a prefix alone. @returns one of them */
export async function dropLettersUnder(
  sqs: SQSClient,
  queueUrl: string,
  prefix: string,
): Promise<DeadLetter | undefined> {
  let dropped: DeadLetter | undefined;
  const only = (letter: DeadLetter) => {
    const isUnder = letter.keys.length > 0 && letter.keys.every((key) => key.startsWith(prefix));
    if (isUnder) dropped = letter;
    return isUnder;
  };
  await dealWithDeadLetters({ sqs, queueUrl, action: "drop", only }, () => true);
  return dropped;
}

/**
 * Removes all versions of what begins with a prefix, delete markers included.
 * @throws Error where S3 refuses to remove one
 */
async function removeVersions(s3: S3Client, Bucket: string, Prefix: string): Promise<number> {
  let count = 0;
  // The first page is asked for until nothing is left of it, as what was listed is gone by then.
  for (;;) {
    const { Versions = [], DeleteMarkers = [] } = await s3.send(
      new ListObjectVersionsCommand({ Bucket, Prefix }),
    );
    const Objects = [...Versions, ...DeleteMarkers].map(({ Key, VersionId }) => ({ Key, VersionId }));
    if (Objects.length === 0) return count;
    const { Errors = [] } = await s3.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }),
    );
    if (Errors[0])
      throw new Error(`${Errors.length} of ${Objects.length} in ${Bucket}: ${Errors[0].Message}`);
    count += Objects.length;
  }
}
