import type { ByteRange } from "../store/blobs.ts";
import { checkRead, checkWrite, preconditionFailed } from "../store/conditions.ts";
import { CHECKSUMS, type ChecksumAlgorithm } from "../store/digests.ts";
import { invalidArgument } from "../store/errors.ts";
import type { ObjectVersion } from "../store/model.ts";
import { checksumElements, time } from "./elements.ts";
import type { Exchange } from "./exchange.ts";
import {
  identityHeaders,
  readDescription,
  readReadCondition,
  readWriteCondition,
  refuseUnsupported,
} from "./headers.ts";
import { authorizeWrite, findForReading, isVersioned } from "./objects.ts";
import { invalidRequest } from "./payload.ts";
import { decodePath } from "./request.ts";

/** Headers that allow an object to be copied onto itself, even where they change nothing. */
const CHANGES = ["x-amz-storage-class", "x-amz-server-side-encryption"];

export async function copyObject(exchange: Exchange): Promise<void> {
  const { store, request, bucket, key } = exchange;
  const { headers } = request.http;
  refuseUnsupported(headers);
  const condition = readWriteCondition(request.header);
  const replace = readDirective("metadata", request.header("x-amz-metadata-directive"));
  const retag = readDirective("tagging", request.header("x-amz-tagging-directive"));
  authorizeWrite(exchange);
  const source = findSource(exchange);
  const inPlace = source.bucket === bucket && source.key === key && source.isCurrent;
  const changes = replace || retag || CHANGES.some((name) => request.header(name) !== undefined);
  if (inPlace && !changes) {
    checkWrite(condition, key, source);
    throw invalidRequest(
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  const given = readDescription(headers);
  const { headers: kept, metadata } = replace ? given : source;
  const { tags } = retag ? given : source;
  if (tags && !retag) authorizeTags(exchange, source);
  const version = await store.put(bucket, key, bytesOf(exchange, source), {
    headers: kept,
    metadata,
    tags,
    condition,
    checksum: readAlgorithm(request.header("x-amz-checksum-algorithm")) ?? source.checksum?.algorithm,
    event: "Copy",
    origin: exchange.origin,
  });
  exchange
    .set({ ...identityHeaders(version, isVersioned(exchange)), etag: undefined })
    .set({ "x-amz-copy-source-version-id": sourceVersion(exchange, source) })
    .xml("CopyObjectResult", {
      LastModified: time(version.modified),
      ETag: `"${version.etag}"`,
      ...checksumElements(version.checksum),
    });
}

/**
 * The version in `x-amz-copy-source`, which the caller must be allowed to read, and for which the conditions in
 * `x-amz-copy-source-if-…` must hold.
 */
export function findSource(exchange: Exchange): ObjectVersion {
  const header = exchange.request.header("x-amz-copy-source") ?? "";
  const [path = "", versionId] = header.split("?versionId=");
  const [, bucket, key] = /^\/?([^/]+)\/(.+)$/s.exec(decodePath(path)) ?? [];
  if (!bucket || !key) {
    throw invalidArgument(
      "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
      "x-amz-copy-source",
      header,
    );
  }
  const source = findForReading(exchange, bucket, key, versionId);
  exchange.useKey(source.encryptionKey, "kms:Decrypt");
  const { request, store } = exchange;
  const prefix = "x-amz-copy-source-";
  const unmet = checkRead(readReadCondition(request.header, store.now(), prefix), source, prefix);
  if (unmet) throw preconditionFailed(`${prefix}${unmet}`);
  return source;
}

/** The bytes to copy. The file is opened when they are first asked for: nothing stays open where the write is refused before. */
export async function* bytesOf(
  { store }: Exchange,
  source: ObjectVersion,
  range?: ByteRange,
): AsyncGenerator<Uint8Array> {
  yield* store.read(source, range);
}

export function sourceVersion({ store }: Exchange, source: ObjectVersion): string | undefined {
  return store.bucket(source.bucket).versioning && source.versionId;
}

export function readAlgorithm(header: string | undefined): ChecksumAlgorithm | undefined {
  const algorithm = CHECKSUMS.find((name) => name === header?.toUpperCase());
  if (header !== undefined && !algorithm) {
    throw invalidRequest(
      "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
    );
  }
  return algorithm;
}

/** Tags are copied by whoever may read and write them. */
function authorizeTags(exchange: Exchange, { bucket, key, versionId }: ObjectVersion): void {
  const named = exchange.request.header("x-amz-copy-source")?.includes("?versionId=");
  exchange.authorize(
    named ? "s3:GetObjectVersionTagging" : "s3:GetObjectTagging",
    named ? { bucket, key, versionId } : { bucket, key },
  );
  exchange.authorize("s3:PutObjectTagging");
}

/** Tells whether the copy gets the description, or the tags, in the request instead of the source's. */
function readDirective(what: "metadata" | "tagging", header = "COPY"): boolean {
  if (header !== "COPY" && header !== "REPLACE") {
    throw invalidArgument(`Unknown ${what} directive.`, `x-amz-${what}-directive`, header);
  }
  return header === "REPLACE";
}
