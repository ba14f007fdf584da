import { ListObjectsV2Command, ListObjectVersionsCommand, type S3Client } from "@aws-sdk/client-s3";
import { isFolderMarker, versionOf } from "../delivery/envelope.ts";

/** One key of the source bucket. */
export interface SourceKey {
  readonly key: string;
  /** Versions of it, delete markers and folder markers not counted. */
  readonly versions: number;
  /** Version that a GET finds; undefined where the key was deleted. */
  readonly current: SourceVersion | undefined;
}

export interface SourceVersion {
  /** Undefined where the bucket keeps no versions, or kept none when it was created. */
  readonly versionId: string | undefined;
  readonly eTag: string;
  /** Bytes. */
  readonly size: number;
  readonly modified: Date;
}

/** The keys that are meant of a listing. */
export interface Part {
  /** Key behind which all that are meant come. */
  readonly after?: string | undefined;
  /** Beginning of all that are meant. */
  readonly under?: string | undefined;
}

/** One result, by its source's key. */
export interface ResultKey {
  readonly key: string;
  readonly modified: Date;
}

/**
 * The keys of a source bucket in S3's order, page by page, but for those that are folders.
 * @param part only those behind the key `after`, and those that begin with `under`
 */
export async function* sourceKeys(
  s3: S3Client,
  bucket: string,
  { after = "", under = "" }: Part = {},
): AsyncGenerator<SourceKey> {
  let open: SourceKey | undefined;
  let marker: { KeyMarker?: string | undefined; VersionIdMarker?: string | undefined } = {
    ...(after ? { KeyMarker: after } : {}),
  };
  for (let more = true; more; ) {
    const page = await s3.send(
      new ListObjectVersionsCommand({
        Bucket: bucket,
        EncodingType: "url",
        ...(under && { Prefix: under }),
        ...marker,
      }),
    );
    // Versions and delete markers come in two lists, each in order.
    const entries = [
      ...(page.Versions ?? []).map((each) => ({ ...each, isMarker: false })),
      ...(page.DeleteMarkers ?? []).map((each) => ({ ...each, isMarker: true, ETag: "", Size: undefined })),
    ].map((each) => ({ ...each, key: decoded(each.Key) }));
    for (const entry of entries.sort((a, b) => compareKeys(a.key, b.key))) {
      if (isFolderMarker({ key: entry.key, size: entry.Size })) continue;
      if (entry.key !== open?.key) {
        if (open) yield open;
        open = { key: entry.key, versions: 0, current: undefined };
      }
      if (entry.isMarker) continue;
      const version = {
        versionId: versionOf(entry.VersionId),
        eTag: (entry.ETag ?? "").replaceAll('"', ""),
        size: entry.Size ?? 0,
        modified: entry.LastModified ?? new Date(0),
      };
      open = { ...open, versions: open.versions + 1, current: entry.IsLatest ? version : open.current };
    }
    more = page.IsTruncated ?? false;
    marker = { KeyMarker: decoded(page.NextKeyMarker), VersionIdMarker: page.NextVersionIdMarker };
  }
  if (open) yield open;
}

/** The results of a worker in S3's order, page by page. @param part the sources that are meant */
export async function* resultKeys(
  s3: S3Client,
  bucket: string,
  prefix: string,
  { after = "", under = "" }: Part = {},
): AsyncGenerator<ResultKey> {
  let token: string | undefined;
  do {
    const page = await s3.send(
      new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: `${prefix}/${under}`,
        EncodingType: "url",
        ...(token ? { ContinuationToken: token } : after ? { StartAfter: `${prefix}/${after}` } : {}),
      }),
    );
    for (const { Key, LastModified = new Date(0) } of page.Contents ?? []) {
      yield { key: decoded(Key).slice(prefix.length + 1), modified: LastModified };
    }
    token = page.NextContinuationToken;
  } while (token);
}

/** Goes through two listings at once, in order, and pairs what has the same key. */
export async function* merged<A extends { key: string }, B extends { key: string }>(
  left: AsyncIterator<A>,
  right: AsyncIterator<B>,
): AsyncGenerator<[A | undefined, B | undefined]> {
  let [a, b] = [await left.next(), await right.next()];
  while (!a.done || !b.done) {
    const order = a.done ? 1 : b.done ? -1 : compareKeys(a.value.key, b.value.key);
    yield [order <= 0 ? a.value : undefined, order >= 0 ? b.value : undefined];
    if (order <= 0) a = await left.next();
    if (order >= 0) b = await right.next();
  }
}

/** S3 orders keys by their UTF-8 bytes, JavaScript by UTF-16 units. */
function compareKeys(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Keys are asked for URL-encoded, as XML cannot say all that they may hold. */
function decoded(key = ""): string {
  return decodeURIComponent(key.replaceAll("+", " "));
}
