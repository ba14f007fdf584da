import type { ChecksumAlgorithm } from "../store/digests.ts";
import { CHECKSUMS } from "../store/digests.ts";
import { invalidArgument } from "../store/errors.ts";
import type { Checksum } from "../store/model.ts";
import type { PartClaim } from "../store/multipart.ts";
import { bytesOf, findSource, readAlgorithm, sourceVersion } from "./copies.ts";
import { checksumElements, time } from "./elements.ts";
import type { Exchange } from "./exchange.ts";
import { identityHeaders, readDescription, readWriteCondition, refuseUnsupported } from "./headers.ts";
import { authorizeWrite, isVersioned } from "./objects.ts";
import { headerOf, invalidRequest, readPayload, readText } from "./payload.ts";
import { parseCopyRange } from "./ranges.ts";
import { children, malformedXml, type Parsed, parseXml, text } from "./xml.ts";

const MAX_PARTS = 10_000;

export async function createMultipartUpload(exchange: Exchange): Promise<void> {
  const { store, request, bucket, key } = exchange;
  refuseUnsupported(request.http.headers);
  authorizePart(exchange);
  const checksumAlgorithm = readAlgorithm(request.header("x-amz-checksum-algorithm"));
  const checksumType = readType(request.header("x-amz-checksum-type"), checksumAlgorithm);
  const description = readDescription(request.http.headers);
  const upload = await store.multipart.create(bucket, key, {
    ...description,
    checksumAlgorithm,
    checksumType,
  });
  exchange
    .set({ "x-amz-checksum-algorithm": checksumAlgorithm, "x-amz-checksum-type": checksumType })
    .xml("InitiateMultipartUploadResult", { Bucket: bucket, Key: key, UploadId: upload.id });
}

export async function uploadPart(exchange: Exchange): Promise<void> {
  const { store, bucket, key } = exchange;
  authorizePart(exchange);
  const { id, number } = readPartAddress(exchange);
  const { checksumAlgorithm } = store.multipart.find(bucket, key, id);
  const payload = readPayload(exchange);
  if (checksumAlgorithm && payload.checksum && checksumAlgorithm !== payload.checksum) {
    throw invalidRequest(
      `Checksum Type mismatch occurred, expected checksum Type: ${checksumAlgorithm.toLowerCase()}, actual checksum Type: ${payload.checksum.toLowerCase()}`,
    );
  }
  const part = await store.multipart.put(bucket, key, id, number, payload.data, payload);
  const algorithm = checksumAlgorithm ?? payload.checksum;
  const checksum = checksumAlgorithm ? part.checksum : payload.claimed();
  exchange.set({ etag: `"${part.etag}"`, ...(algorithm ? { [headerOf(algorithm)]: checksum } : {}) }).empty();
}

export async function uploadPartCopy(exchange: Exchange): Promise<void> {
  const { store, request, bucket, key } = exchange;
  authorizePart(exchange);
  const { id, number } = readPartAddress(exchange);
  const { checksumAlgorithm } = store.multipart.find(bucket, key, id);
  const source = findSource(exchange);
  const header = request.header("x-amz-copy-source-range");
  const range = header === undefined ? undefined : parseCopyRange(header, source.size);
  const part = await store.multipart.put(bucket, key, id, number, bytesOf(exchange, source, range));
  exchange.set({ "x-amz-copy-source-version-id": sourceVersion(exchange, source) }).xml("CopyPartResult", {
    LastModified: time(part.modified),
    ETag: `"${part.etag}"`,
    ...(checksumAlgorithm ? { [`Checksum${checksumAlgorithm}`]: part.checksum } : {}),
  });
}

export async function completeMultipartUpload(exchange: Exchange): Promise<void> {
  const { store, request, bucket, key, origin } = exchange;
  const condition = readWriteCondition(request.header);
  authorizePart(exchange);
  const id = exchange.parameter("uploadId") ?? "";
  // The checksum headers here are about the object, not about this body, which is a list of its parts.
  const claims = readClaims(parseXml(await readText(exchange, "other"), "CompleteMultipartUpload"));
  const size = request.header("x-amz-mp-object-size");
  const version = await store.multipart.complete(bucket, key, id, claims, {
    condition,
    checksum: (algorithm) => request.header(headerOf(algorithm)),
    checksumType: request.header("x-amz-checksum-type"),
    size: size === undefined ? undefined : Number(size),
    origin,
  });
  exchange
    .set({ ...identityHeaders(version, isVersioned(exchange)), etag: undefined })
    .xml("CompleteMultipartUploadResult", {
      Location: `http://${request.header("host") ?? "localhost"}${request.http.url?.split("?")[0] ?? ""}`,
      Bucket: bucket,
      Key: key,
      ETag: `"${version.etag}"`,
      ...checksumElements(version.checksum),
    });
}

export async function abortMultipartUpload(exchange: Exchange): Promise<void> {
  exchange.authorize("s3:AbortMultipartUpload");
  await exchange.store.multipart.abort(exchange.bucket, exchange.key, exchange.parameter("uploadId") ?? "");
  exchange.empty(204);
}

/** Parts that were encrypted are put together: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions */
function authorizePart(exchange: Exchange): void {
  authorizeWrite(exchange);
  exchange.useKey(exchange.store.encryptionKey(exchange.bucket), "kms:Decrypt");
}

function readPartAddress(exchange: Exchange): { id: string; number: number } {
  const value = exchange.parameter("partNumber") ?? "";
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < 1 || number > MAX_PARTS) {
    throw invalidArgument(
      `Part number must be an integer between 1 and ${MAX_PARTS}, inclusive`,
      "partNumber",
      value,
    );
  }
  return { id: exchange.parameter("uploadId") ?? "", number };
}

function readClaims(parsed: Parsed): PartClaim[] {
  const claims = children(parsed, "Part").map((part) => ({
    number: Number(text(part, "PartNumber")),
    etag: (text(part, "ETag") ?? "").replaceAll('"', ""),
    checksum: CHECKSUMS.map((name) => text(part, `Checksum${name}`)).find((value) => value !== undefined),
  }));
  if (claims.length === 0 || claims.some(({ number }) => !Number.isInteger(number))) throw malformedXml();
  return claims;
}

/** Which types an algorithm knows: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html */
function readType(
  header: string | undefined,
  algorithm: ChecksumAlgorithm | undefined,
): Checksum["type"] | undefined {
  if (!algorithm) {
    if (header === undefined) return undefined;
    throw invalidRequest(
      "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
    );
  }
  const known = {
    CRC32: "both",
    CRC32C: "both",
    CRC64NVME: "FULL_OBJECT",
    SHA1: "COMPOSITE",
    SHA256: "COMPOSITE",
  };
  const type = header ?? (algorithm === "CRC64NVME" ? "FULL_OBJECT" : "COMPOSITE");
  if (
    (type !== "FULL_OBJECT" && type !== "COMPOSITE") ||
    (known[algorithm] !== "both" && known[algorithm] !== type)
  ) {
    throw invalidRequest(
      `The ${type} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
    );
  }
  return type;
}
