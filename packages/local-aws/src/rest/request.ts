import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { S3Error } from "../store/errors.ts";

/** An HTTP request as S3 reads it: which bucket and key, and which of their many facets. */
export interface S3Request {
  readonly http: IncomingMessage;
  readonly method: string;
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  readonly query: URLSearchParams;
  readonly requestId: string;
  readonly hostId: string;
  /** A header by its lower-case name. */
  header(name: string): string | undefined;
}

/** @throws 400 InvalidURI where the path is not well-formed UTF-8, or its key climbs above the bucket */
export function readRequest(http: IncomingMessage): S3Request {
  const [path = "", ...rest] = (http.url ?? "/").split("?");
  const hosted = hostedBucket(http.headers.host ?? "");
  const [, first = "", key] = /^\/([^/]*)\/?(.*)$/s.exec(path) ?? [];
  const bucket = hosted ?? decodePath(first);
  const object = decodePath(hosted === undefined ? (key ?? "") : path.slice(1));
  if (climbs(object)) throw invalidUri(path);
  return {
    http,
    method: http.method ?? "GET",
    bucket: bucket || undefined,
    key: object || undefined,
    query: new URLSearchParams(rest.join("?")),
    requestId: randomBytes(8).toString("hex").toUpperCase(),
    hostId: randomBytes(48).toString("base64"),
    header: (name) => {
      const value = http.headers[name];
      return Array.isArray(value) ? value.join(",") : value;
    },
  };
}

/**
 * The bucket in a virtual-hosted address: `BUCKET.localhost`, `BUCKET.s3.localhost` or
 * `BUCKET.s3.REGION.amazonaws.com`. Undefined where the bucket is in the path.
 */
function hostedBucket(host: string): string | undefined {
  const name = host.replace(/:\d+$/, "").toLowerCase();
  return /^(.+?)\.s3[.-]/.exec(name)?.[1] ?? /^(?!s3\.localhost$)(.+)\.localhost$/.exec(name)?.[1];
}

/** Like S3, which takes a `+` in a path for a space; a plus is `%2B`. */
export function decodePath(encoded: string): string {
  try {
    return decodeURIComponent(encoded.replaceAll("+", "%20"));
  } catch {
    throw invalidUri(encoded);
  }
}

/** Are there more ".." than other names at some place? https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html */
function climbs(key: string): boolean {
  let depth = 0;
  return key.split("/").some((name) => {
    depth += name === ".." ? -1 : 1;
    return depth < 0;
  });
}

function invalidUri(uri: string): S3Error {
  return new S3Error(400, "InvalidURI", "Couldn't parse the specified URI.", { URI: uri });
}
