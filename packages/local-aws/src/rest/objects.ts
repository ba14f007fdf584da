import { checkRead } from "../store/conditions.ts";
import { invalidVersionId, S3Error } from "../store/errors.ts";
import type { ObjectVersion } from "../store/model.ts";
import { isVersionId } from "../store/version-ids.ts";
import type { Exchange } from "./exchange.ts";
import {
  checksumHeaders,
  descriptionHeaders,
  identityHeaders,
  readDescription,
  readReadCondition,
  readWriteCondition,
  refuseUnsupported,
} from "./headers.ts";
import { readPayload } from "./payload.ts";
import { checksumOf, selectRange } from "./ranges.ts";

export async function putObject(exchange: Exchange): Promise<void> {
  const { store, request, bucket, key } = exchange;
  const { headers } = request.http;
  refuseUnsupported(headers);
  const condition = readWriteCondition(request.header);
  authorizeWrite(exchange);
  const payload = readPayload(exchange);
  const version = await store.put(bucket, key, payload.data, {
    ...readDescription(headers),
    condition,
    checksum: payload.checksum,
    digests: payload.digests,
    verify: payload.verify,
    origin: exchange.origin,
  });
  exchange
    .set(identityHeaders(version, version.versionId !== "null"))
    .set(checksumHeaders(version.checksum))
    .empty();
}

/**
 * A write with If-Match tells its caller about the object, and so needs the right to read it; one with tags needs the
 * right to tag it. What the bucket encrypts with a key takes a data key of it.
 */
export function authorizeWrite(exchange: Exchange): void {
  exchange.authorize("s3:PutObject");
  exchange.useKey(exchange.store.encryptionKey(exchange.bucket), "kms:GenerateDataKey");
  if (exchange.request.header("x-amz-tagging")) exchange.authorize("s3:PutObjectTagging");
  if (exchange.request.header("if-match") !== undefined) exchange.authorize("s3:GetObject");
}

/** GET and HEAD. */
export async function getObject(exchange: Exchange): Promise<void> {
  const { store, request, response, bucket, key } = exchange;
  const version = findForReading(exchange, bucket, key, exchange.parameter("versionId"));
  const withChecksum = request.header("x-amz-checksum-mode") === "ENABLED";
  // A HEAD decrypts nothing but the checksum: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
  if (request.method === "GET" || withChecksum) exchange.useKey(version.encryptionKey, "kms:Decrypt");
  exchange.set(identityHeaders(version, isVersioned(exchange)));
  if (checkRead(readReadCondition(request.header, store.now()), version)) {
    exchange.set({ "last-modified": version.modified.toUTCString() }).empty(304);
    return;
  }
  const range = selectRange(request.header("range"), exchange.parameter("partNumber"), version);
  exchange
    .set(descriptionHeaders(version, request.query))
    .set(withChecksum ? checksumHeaders(checksumOf(version, range)) : {})
    .set({
      "content-length": range ? range.end - range.start + 1 : version.size,
      "content-range": range && `bytes ${range.start}-${range.end}/${version.size}`,
      "x-amz-mp-parts-count": exchange.parameter("partNumber") ? version.parts?.length : undefined,
    });
  // Before there is a body, because Node encodes Content-Disposition otherwise once it knows the body's length.
  response.writeHead(range ? 206 : 200);
  // Nothing was awaited since the version was found: its file is still there to be opened.
  if (request.method === "HEAD") response.end();
  else await store.send(version, range, response);
}

/**
 * The version that a read is about. That it is missing is told only to those who may list the bucket; to others
 * it is a 403, as on AWS.
 */
export function findForReading(
  exchange: Exchange,
  bucket: string,
  key: string,
  versionId: string | undefined,
): ObjectVersion {
  exchange.authorize(versionId ? "s3:GetObjectVersion" : "s3:GetObject", { bucket, key, versionId });
  try {
    return exchange.store.head(bucket, key, versionId);
  } catch (error) {
    if (error instanceof S3Error && (error.code === "NoSuchKey" || error.code === "NoSuchVersion")) {
      const action = versionId ? "s3:ListBucketVersions" : "s3:ListBucket";
      exchange.authorize(action, { bucket, key: undefined });
    }
    throw error;
  }
}

/** Answers with the tags that the version was written with. AWS CLI 2 asks before it copies a large one. */
export async function getObjectTagging(exchange: Exchange): Promise<void> {
  const { store, bucket, key } = exchange;
  const versionId = exchange.parameter("versionId");
  exchange.authorize(versionId ? "s3:GetObjectVersionTagging" : "s3:GetObjectTagging", { versionId });
  const version = store.head(bucket, key, versionId);
  exchange.set({ "x-amz-version-id": isVersioned(exchange) ? version.versionId : undefined }).xml("Tagging", {
    TagSet: { Tag: Object.entries(version.tags ?? {}).map(([Key, Value]) => ({ Key, Value })) },
  });
}

export async function deleteObject(exchange: Exchange): Promise<void> {
  const { store, request, bucket, key, origin } = exchange;
  const versionId = exchange.parameter("versionId");
  refuseUnsupported(request.http.headers);
  exchange.authorize(versionId ? "s3:DeleteObjectVersion" : "s3:DeleteObject", { versionId });
  const ifMatch = request.header("if-match");
  if (ifMatch !== undefined && ifMatch !== "*") exchange.authorize("s3:GetObject");
  if (versionId && !isVersionId(versionId) && !store.version(bucket, key, versionId)) {
    throw invalidVersionId("versionId", versionId);
  }
  const deleted = await store.delete(bucket, key, { versionId, ifMatch, origin });
  exchange
    .set({
      "x-amz-version-id": deleted.versionId,
      "x-amz-delete-marker": deleted.deleteMarker ? "true" : undefined,
    })
    .empty(204);
}

/** Buckets that were never versioned have no version ids to tell. */
export function isVersioned({ store, bucket }: Exchange): boolean {
  return store.bucket(bucket).versioning !== undefined;
}
