import type { IncomingMessage, ServerResponse } from "node:http";
import { S3Error } from "../store/errors.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { Caller } from "./access.ts";
import {
  createBucket,
  deleteBucket,
  getBucketLocation,
  getBucketNotification,
  getBucketVersioning,
  headBucket,
  putBucketNotification,
  putBucketVersioning,
} from "./buckets.ts";
import { copyObject } from "./copies.ts";
import { deleteObjects } from "./deletes.ts";
import { Exchange } from "./exchange.ts";
import {
  listBuckets,
  listMultipartUploads,
  listObjects,
  listObjectsV2,
  listObjectVersions,
  listParts,
} from "./listings.ts";
import {
  abortMultipartUpload,
  completeMultipartUpload,
  createMultipartUpload,
  uploadPart,
  uploadPartCopy,
} from "./multipart.ts";
import { deleteObject, getObject, getObjectTagging, putObject } from "./objects.ts";
import { readRequest, type S3Request } from "./request.ts";
import { errorXml } from "./xml.ts";

export type { AccessRequest, Caller } from "./access.ts";
export type { SignedPiece } from "./chunked.ts";

type Operation = (exchange: Exchange) => Promise<void>;

/** Operations, by method, level and the query parameter or header that makes it another operation. */
const OPERATIONS: Readonly<Record<string, Operation>> = {
  "GET service": listBuckets,

  "PUT bucket": createBucket,
  "HEAD bucket": headBucket,
  "DELETE bucket": deleteBucket,
  "GET bucket": listObjects,
  "GET bucket list-type": listObjectsV2,
  "GET bucket versions": listObjectVersions,
  "GET bucket uploads": listMultipartUploads,
  "GET bucket location": getBucketLocation,
  "GET bucket versioning": getBucketVersioning,
  "PUT bucket versioning": putBucketVersioning,
  "GET bucket notification": getBucketNotification,
  "PUT bucket notification": putBucketNotification,
  "POST bucket delete": deleteObjects,

  "PUT object": putObject,
  "GET object": getObject,
  "HEAD object": getObject,
  "GET object tagging": getObjectTagging,
  "DELETE object": deleteObject,
  "PUT object x-amz-copy-source": copyObject,
  "POST object uploads": createMultipartUpload,
  "PUT object uploadId": uploadPart,
  "PUT object uploadId x-amz-copy-source": uploadPartCopy,
  "GET object uploadId": listParts,
  "POST object uploadId": completeMultipartUpload,
  "DELETE object uploadId": abortMultipartUpload,
};

/** The query parameters that make a request another operation, of those that are done here. */
const FACETS = new Set(Object.keys(OPERATIONS).flatMap((name) => name.split(" ").slice(2)));

/** The query parameters that only say more about an operation. Any other makes it one that is not done here. */
const DETAILS = new Set([
  ...["versionId", "partNumber", "x-id", "prefix", "delimiter", "encoding-type", "max-keys", "fetch-owner"],
  ...["continuation-token", "start-after", "marker", "key-marker", "version-id-marker", "upload-id-marker"],
  ...["max-uploads", "part-number-marker", "max-parts", "bucket-region", "max-buckets"],
  // An old kind of presigned URL, which is refused as such.
  ...["AWSAccessKeyId", "Signature", "Expires"],
]);

export interface S3Hooks {
  /** Finds out who sent a request; throws an S3Error to refuse it. @default everybody may do everything */
  readonly authenticate?: ((http: IncomingMessage) => Caller) | undefined;
  /** Told of faults of the store itself, which the caller sees as 500 InternalError. */
  readonly failed?: ((error: unknown) => void) | undefined;
}

/** S3's REST protocol, path-style and virtual-hosted, over an object store. */
export function createS3Handler(
  store: ObjectStore,
  { authenticate, failed }: S3Hooks = {},
): (http: IncomingMessage, response: ServerResponse) => Promise<void> {
  const anybody: Caller = {
    principalId: `AWS:${store.accountId}`,
    authorize: () => {},
    verifyChunk: () => {},
  };
  return async (http, response) => {
    let request: S3Request | undefined;
    try {
      request = readRequest(http);
      response.setHeader("x-amz-request-id", request.requestId);
      response.setHeader("x-amz-id-2", request.hostId);
      refuseOtherOwner(request, store);
      const operation = route(request);
      await operation(new Exchange(store, request, response, authenticate?.(http) ?? anybody));
    } catch (error) {
      if (response.destroyed || (http.destroyed && !http.complete)) return void response.destroy(); // the client went away
      if (!(error instanceof S3Error)) failed?.(error);
      if (response.headersSent) return void response.destroy();
      answerError(error, response, request, http.method);
    }
  };
}

/** Refuses a request that expects another owner of the bucket. */
function refuseOtherOwner(request: S3Request, { accountId }: ObjectStore): void {
  for (const name of ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"]) {
    const expected = request.header(name);
    if (expected !== undefined && expected !== accountId)
      throw new S3Error(403, "AccessDenied", "Access Denied");
  }
}

function route(request: S3Request): Operation {
  const { method, bucket, key, query } = request;
  const level = key !== undefined ? "object" : bucket !== undefined ? "bucket" : "service";
  const facet =
    [...FACETS].find((name) => query.has(name)) ??
    [...query.keys()].find((name) => !DETAILS.has(name) && !/^(x-amz|response)-/i.test(name));
  const copies = level === "object" && method === "PUT" && request.header("x-amz-copy-source") !== undefined;
  const name = [method, level, facet, copies ? "x-amz-copy-source" : undefined].filter(Boolean).join(" ");
  const operation = OPERATIONS[name];
  if (!operation) throw notImplemented(method, level, facet);
  return operation;
}

/** S3's answer to what it does not do, naming the operation as the SDKs do: `GetBucketAcl`. */
function notImplemented(method: string, level: string, facet = ""): S3Error {
  const words = [method.toLowerCase(), level, ...facet.split("-")].map(
    (word) => word.charAt(0).toUpperCase() + word.slice(1),
  );
  const name = words.join("");
  return new S3Error(501, "NotImplemented", `${name} is not implemented by this object store.`, {
    Operation: name,
  });
}

function answerError(
  error: unknown,
  response: ServerResponse,
  { requestId: RequestId, hostId: HostId }: Partial<S3Request> = {},
  method = "GET",
): void {
  const { status, code, message, details, headers } =
    error instanceof S3Error
      ? error
      : new S3Error(500, "InternalError", "We encountered an internal error. Please try again.");
  for (const name of ["content-length", "content-range", "etag", "last-modified"])
    response.removeHeader(name);
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.statusCode = status;
  response.setHeader("content-type", "application/xml");
  const body = errorXml({ Code: code, Message: message, ...details, RequestId, HostId });
  response.end(method === "HEAD" ? "" : body);
}
