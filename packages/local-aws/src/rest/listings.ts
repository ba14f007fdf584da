import { invalidArgument, invalidVersionId } from "../store/errors.ts";
import { commonPrefixOf, keyBehind, type PageRequest, type Position } from "../store/listing.ts";
import type { ObjectVersion } from "../store/model.ts";
import { sequenceOf } from "../store/version-ids.ts";
import type { AccessRequest } from "./access.ts";
import { keyWriter, limitOf, objectElements, owner, time } from "./elements.ts";
import type { Exchange } from "./exchange.ts";
import type { Xml } from "./xml.ts";

export async function listBuckets(exchange: Exchange): Promise<void> {
  exchange.authorize("s3:ListAllMyBuckets");
  const { store } = exchange;
  const prefix = exchange.parameter("prefix");
  const region = exchange.parameter("bucket-region");
  const token = exchange.parameter("continuation-token");
  const limit = limitOf(exchange, "max-buckets", 1, 10_000);
  const first = token ? readToken(token) : "";
  const found = store
    .buckets()
    .filter(({ name }) => name >= first && name.startsWith(prefix ?? ""))
    .filter(() => region === undefined || region === store.region);
  const next = found[limit]?.name;
  exchange.xml("ListAllMyBucketsResult", {
    Owner: owner(exchange),
    Buckets: {
      Bucket: found.slice(0, limit).map(({ name, created }) => ({
        Name: name,
        CreationDate: time(created),
        BucketRegion: store.region,
        BucketArn: `arn:aws:s3:::${name}`,
      })),
    },
    ContinuationToken: next && writeToken(next),
    Prefix: prefix,
  });
}

export async function listObjectsV2(exchange: Exchange): Promise<void> {
  const { request, name, said } = readList(exchange, "s3:ListBucket", "max-keys");
  const token = exchange.parameter("continuation-token");
  const startAfter = exchange.parameter("start-after");
  const from = token ? readToken(token) : startAfter === undefined ? "" : `${startAfter}\0`;
  const { rows, commonPrefixes, next } = exchange.store.list(exchange.bucket, from, request);
  const withOwner = exchange.parameter("fetch-owner") === "true" ? { Owner: owner(exchange) } : {};
  exchange.xml("ListBucketResult", {
    ...said(commonPrefixes),
    Name: exchange.bucket,
    MaxKeys: request.limit,
    StartAfter: startAfter && name(startAfter),
    ContinuationToken: token,
    NextContinuationToken: next && writeToken(next),
    KeyCount: rows.length + commonPrefixes.length,
    IsTruncated: next !== undefined,
    Contents: rows.map((version) => ({ ...objectElements(version, name), ...withOwner })),
  });
}

/** The first edition of ListObjectsV2, which older clients send. */
export async function listObjects(exchange: Exchange): Promise<void> {
  const { request, name, said } = readList(exchange, "s3:ListBucket", "max-keys");
  const marker = exchange.parameter("marker");
  const { key: from } = behind(marker, request);
  const { rows, commonPrefixes, last } = exchange.store.list(exchange.bucket, from, request);
  exchange.xml("ListBucketResult", {
    ...said(commonPrefixes),
    Name: exchange.bucket,
    MaxKeys: request.limit,
    Marker: name(marker ?? ""),
    NextMarker: request.delimiter && last && name("key" in last ? last.key : last.commonPrefix),
    IsTruncated: last !== undefined,
    Contents: rows.map((version) => ({ ...objectElements(version, name), Owner: owner(exchange) })),
  });
}

export async function listObjectVersions(exchange: Exchange): Promise<void> {
  const { store, bucket } = exchange;
  const { request, name, said } = readList(exchange, "s3:ListBucketVersions", "max-keys");
  const keyMarker = exchange.parameter("key-marker");
  const versionMarker = exchange.parameter("version-id-marker");
  if (versionMarker && !keyMarker) {
    throw invalidArgument(
      "A version-id marker cannot be specified without a key marker.",
      "version-id-marker",
      versionMarker,
    );
  }
  const version =
    keyMarker && versionMarker
      ? { key: keyMarker, before: sequenceBehind(exchange, keyMarker, versionMarker) }
      : undefined;
  const { rows, commonPrefixes, last } = store.listVersions(
    bucket,
    behind(keyMarker, request, version),
    request,
  );
  const entry = (version: ObjectVersion) => {
    const { Key, LastModified, ...ofObject } = objectElements(version, name);
    return {
      ...{ Key, LastModified, ...(version.isDeleteMarker ? {} : ofObject) },
      VersionId: version.versionId,
      IsLatest: store.latest(bucket, version.key)?.sequence === version.sequence,
      Owner: owner(exchange),
    };
  };
  exchange.xml("ListVersionsResult", {
    ...said(commonPrefixes),
    Name: bucket,
    MaxKeys: request.limit,
    KeyMarker: name(keyMarker ?? ""),
    VersionIdMarker: versionMarker ?? "",
    NextKeyMarker: last && name("key" in last ? last.key : last.commonPrefix),
    NextVersionIdMarker: last && "key" in last ? last.versionId : undefined,
    IsTruncated: last !== undefined,
    Version: rows.filter((version) => !version.isDeleteMarker).map(entry),
    DeleteMarker: rows.filter((version) => version.isDeleteMarker).map(entry),
  });
}

export async function listMultipartUploads(exchange: Exchange): Promise<void> {
  const { store, bucket } = exchange;
  const { request, name, said } = readList(exchange, "s3:ListBucketMultipartUploads", "max-uploads");
  const keyMarker = exchange.parameter("key-marker");
  const id = keyMarker && exchange.parameter("upload-id-marker");
  const from = behind(keyMarker, request, id ? { key: keyMarker, id } : undefined);
  const { rows, commonPrefixes, last } = store.multipart.list(bucket, from, request);
  exchange.xml("ListMultipartUploadsResult", {
    ...said(commonPrefixes),
    Bucket: bucket,
    MaxUploads: request.limit,
    KeyMarker: name(keyMarker ?? ""),
    UploadIdMarker: id ?? "",
    NextKeyMarker: last && name("key" in last ? last.key : last.commonPrefix),
    NextUploadIdMarker: last && "key" in last ? last.id : undefined,
    IsTruncated: last !== undefined,
    Upload: rows.map((upload) => ({
      Key: name(upload.key),
      UploadId: upload.id,
      Initiator: owner(exchange),
      Owner: owner(exchange),
      StorageClass: "STANDARD",
      Initiated: time(upload.initiated),
      ChecksumAlgorithm: upload.checksumAlgorithm,
      ChecksumType: upload.checksumType,
    })),
  });
}

/** Reads the page that a listing is to be, where the caller may have it; `said` is how the answer tells of it. */
function readList(
  exchange: Exchange,
  action: AccessRequest["action"],
  max: "max-keys" | "max-uploads",
): {
  request: PageRequest;
  name: (key: string) => string;
  said: (commonPrefixes: readonly string[]) => { [name: string]: Xml };
} {
  const prefix = exchange.parameter("prefix");
  const delimiter = exchange.parameter("delimiter");
  exchange.authorize(action, { prefix, delimiter });
  const name = keyWriter(exchange);
  return {
    request: { prefix, delimiter, limit: limitOf(exchange, max) },
    name,
    said: (commonPrefixes) => ({
      Prefix: name(prefix ?? ""),
      Delimiter: delimiter && name(delimiter),
      EncodingType: exchange.parameter("encoding-type"),
      CommonPrefixes: commonPrefixes.map((entry) => ({ Prefix: name(entry) })),
    }),
  };
}

export async function listParts(exchange: Exchange): Promise<void> {
  const { store, bucket, key } = exchange;
  exchange.authorize("s3:ListMultipartUploadParts");
  const id = exchange.parameter("uploadId") ?? "";
  const marker = exchange.parameter("part-number-marker")
    ? limitOf(exchange, "part-number-marker", 0, 10_000)
    : 0;
  const limit = limitOf(exchange, "max-parts");
  const { checksumAlgorithm: algorithm, checksumType } = store.multipart.find(bucket, key, id);
  const rest = store.multipart.parts(bucket, key, id).filter((part) => part.number > marker);
  const page = rest.slice(0, limit);
  exchange.xml("ListPartsResult", {
    Bucket: bucket,
    Key: key,
    UploadId: id,
    Initiator: owner(exchange),
    Owner: owner(exchange),
    StorageClass: "STANDARD",
    PartNumberMarker: marker,
    NextPartNumberMarker: page.at(-1)?.number ?? 0,
    MaxParts: limit,
    IsTruncated: rest.length > page.length,
    ChecksumAlgorithm: algorithm,
    ChecksumType: checksumType,
    Part: page.map((part) => ({
      PartNumber: part.number,
      LastModified: time(part.modified),
      ETag: `"${part.etag}"`,
      Size: part.size,
      ...(algorithm ? { [`Checksum${algorithm}`]: part.checksum } : {}),
    })),
  });
}

/**
 * Returns the position behind the key of a marker, or at `within` among that key's own. A marker within a common prefix
 * stands for all keys that share it.
 */
function behind<P extends Position>(
  marker: string | undefined,
  page: Omit<PageRequest, "limit">,
  within?: P,
): P | Position {
  if (marker === undefined) return { key: "" };
  const shared = marker.startsWith(page.prefix ?? "") ? commonPrefixOf(marker, page) : undefined;
  const next = shared && keyBehind(shared);
  return next === undefined ? (within ?? { key: `${marker}\0` }) : { key: next };
}

/** Of the version in a marker; one that was deleted meanwhile had its place too. */
function sequenceBehind({ store, bucket }: Exchange, key: string, versionId: string): number | undefined {
  const sequence = store.version(bucket, key, versionId)?.sequence ?? sequenceOf(versionId);
  // Where the version null was, nobody knows any more: its key begins again.
  if (sequence === undefined && versionId !== "null") throw invalidVersionId("version-id-marker", versionId);
  return sequence;
}

/** A continuation token is the next key; nobody else needs to know. */
function writeToken(key: string): string {
  return Buffer.from(key).toString("base64url");
}

function readToken(token: string): string {
  if (!/^[\w-]+$/.test(token)) {
    throw invalidArgument("The continuation token provided is incorrect", "continuation-token", token);
  }
  return Buffer.from(token, "base64url").toString("utf8");
}
