import { DeleteObjectsCommand, ListObjectVersionsCommand, type S3Client } from "@aws-sdk/client-s3";

/**
 * Removes all versions of what begins with a prefix, delete markers included.
 * @returns how many versions there were
 * @throws Error where S3 refuses to remove one
 */
export async function removeUnder(s3: S3Client, Bucket: string, Prefix: string): Promise<number> {
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
