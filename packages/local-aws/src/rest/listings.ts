import { invalidArgument, invalidVersionId } from "../store/errors.ts";
import { commonPrefixOf, keyBehind, type PageRequest, type Position } from "../store/listing.ts";
import { sequenceOf } from "../store/version-ids.ts";
import { keyWriter, limitOf, objectElements, owner, time } from "./elements.ts";
import type { Exchange } from "./exchange.ts";

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
  const { store, bucket } = exchange;
  const prefix = exchange.parameter("prefix");
  const delimiter = exchange.parameter("delimiter");
  exchange.authorize("s3:ListBucket", { prefix, delimiter });
  const token = exchange.parameter("continuation-token");
  const startAfter = exchange.parameter("start-after");
  const limit = limitOf(exchange, "max-keys");
  const name = keyWriter(exchange);
  const from = token ? readToken(token) : startAfter === undefined ? "" : `${startAfter}\0`;
  const { rows, commonPrefixes, next } = store.list(bucket, from, { prefix, delimiter, limit });
  const withOwner = exchange.parameter("fetch-owner") === "true" ? { Owner: owner(exchange) } : {};
  exchange.xml("ListBucketResult", {
    Name: bucket,
    Prefix: name(prefix ?? ""),
    Delimiter: delimiter && name(delimiter),
    StartAfter: startAfter && name(startAfter),
    ContinuationToken: token,
    NextContinuationToken: next && writeToken(next),
    KeyCount: rows.length + commonPrefixes.length,
    MaxKeys: limit,
    EncodingType: exchange.parameter("encoding-type"),
    IsTruncated: next !== undefined,
    Contents: rows.map((version) => ({ ...objectElements(version, name), ...withOwner })),
    CommonPrefixes: commonPrefixes.map((entry) => ({ Prefix: name(entry) })),
  });
}

/** The first edition of ListObjectsV2, which older clients send. */
export async function listObjects(exchange: Exchange): Promise<void> {
  const { store, bucket } = exchange;
  const prefix = exchange.parameter("prefix");
  const delimiter = exchange.parameter("delimiter");
  exchange.authorize("s3:ListBucket", { prefix, delimiter });
  const marker = exchange.parameter("marker");
  const limit = limitOf(exchange, "max-keys");
  const name = keyWriter(exchange);
  const { key: from } = behind(marker, { prefix, delimiter });
  const { rows, commonPrefixes, last } = store.list(bucket, from, { prefix, delimiter, limit });
  exchange.xml("ListBucketResult", {
    Name: bucket,
    Prefix: name(prefix ?? ""),
    Marker: name(marker ?? ""),
    NextMarker: delimiter && last && name("key" in last ? last.key : last.commonPrefix),
    Delimiter: delimiter && name(delimiter),
    MaxKeys: limit,
    EncodingType: exchange.parameter("encoding-type"),
    IsTruncated: last !== undefined,
    Contents: rows.map((version) => ({ ...objectElements(version, name), Owner: owner(exchange) })),
    CommonPrefixes: commonPrefixes.map((entry) => ({ Prefix: name(entry) })),
  });
}

export async function listObjectVersions(exchange: Exchange): Promise<void> {
  const { store, bucket } = exchange;
  const prefix = exchange.parameter("prefix");
  const delimiter = exchange.parameter("delimiter");
  exchange.authorize("s3:ListBucketVersions", {
    prefix,
    delimiter,
  });
  const keyMarker = exchange.parameter("key-marker");
  const versionMarker = exchange.parameter("version-id-marker");
  if (versionMarker && !keyMarker) {
    throw invalidArgument(
      "A version-id marker cannot be specified without a key marker.",
      "version-id-marker",
      versionMarker,
    );
  }
  const limit = limitOf(exchange, "max-keys");
  const name = keyWriter(exchange);
  const version =
    keyMarker && versionMarker
      ? { key: keyMarker, before: sequenceBehind(exchange, keyMarker, versionMarker) }
      : undefined;
  const from = behind(keyMarker, { prefix, delimiter }, version);
  const { rows, commonPrefixes, last } = store.listVersions(bucket, from, { prefix, delimiter, limit });
  const entry = (version: (typeof rows)[number]) => ({
    ...objectElements(version, name),
    VersionId: version.versionId,
    IsLatest: store.latest(bucket, version.key)?.sequence === version.sequence,
    Owner: owner(exchange),
  });
  exchange.xml("ListVersionsResult", {
    Name: bucket,
    Prefix: name(prefix ?? ""),
    Delimiter: delimiter && name(delimiter),
    KeyMarker: name(keyMarker ?? ""),
    VersionIdMarker: versionMarker ?? "",
    NextKeyMarker: last && name("key" in last ? last.key : last.commonPrefix),
    NextVersionIdMarker: last && "key" in last ? last.versionId : undefined,
    MaxKeys: limit,
    EncodingType: exchange.parameter("encoding-type"),
    IsTruncated: last !== undefined,
    Version: rows.filter((version) => !version.isDeleteMarker).map(entry),
    DeleteMarker: rows
      .filter((version) => version.isDeleteMarker)
      .map(entry)
      .map(({ Key, LastModified, VersionId, IsLatest, Owner }) => ({
        Key,
        LastModified,
        VersionId,
        IsLatest,
        Owner,
      })),
    CommonPrefixes: commonPrefixes.map((entry) => ({ Prefix: name(entry) })),
  });
}

export async function listMultipartUploads(exchange: Exchange): Promise<void> {
  const { store, bucket } = exchange;
  exchange.authorize("s3:ListBucketMultipartUploads");
  const prefix = exchange.parameter("prefix");
  const delimiter = exchange.parameter("delimiter");
  const keyMarker = exchange.parameter("key-marker");
  const id = keyMarker && exchange.parameter("upload-id-marker");
  const limit = limitOf(exchange, "max-uploads");
  const name = keyWriter(exchange);
  const from = behind(keyMarker, { prefix, delimiter }, id ? { key: keyMarker, id } : undefined);
  const { rows, commonPrefixes, last } = store.multipart.list(bucket, from, { prefix, delimiter, limit });
  exchange.xml("ListMultipartUploadsResult", {
    Bucket: bucket,
    KeyMarker: name(keyMarker ?? ""),
    UploadIdMarker: id ?? "",
    NextKeyMarker: last && name("key" in last ? last.key : last.commonPrefix),
    NextUploadIdMarker: last && "key" in last ? last.id : undefined,
    Delimiter: delimiter && name(delimiter),
    Prefix: name(prefix ?? ""),
    MaxUploads: limit,
    EncodingType: exchange.parameter("encoding-type"),
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
    CommonPrefixes: commonPrefixes.map((entry) => ({ Prefix: name(entry) })),
  });
}

export async function listParts(exchange: Exchange): Promise<void> {
  const { store, bucket, key } = exchange;
  exchange.authorize("s3:ListMultipartUploadParts");
  const id = exchange.parameter("uploadId") ?? "";
  const marker = Number(exchange.parameter("part-number-marker") ?? 0);
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
