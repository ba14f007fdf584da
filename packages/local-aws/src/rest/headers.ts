import type { ReadCondition, WriteCondition } from "../store/conditions.ts";
import { invalidArgument, S3Error } from "../store/errors.ts";
import type { Checksum, Completed, Description, ObjectVersion } from "../store/model.ts";
import { headerOf } from "./payload.ts";
import { readTags } from "./tags.ts";

type Header = (name: string) => string | undefined;

/** The standard headers that S3 keeps with an object, as they are. */
const KEPT = ["content-type", "cache-control", "content-disposition", "content-language", "expires"];

/** Headers that a GET may override, by query parameter. */
const OVERRIDES = [...KEPT, "content-encoding"];

/** Headers that ask for what this store does not do, and the values that ask for nothing. */
const UNSUPPORTED: readonly (readonly [header: RegExp, ...harmless: string[]])[] = [
  [/^x-amz-tagging-directive$/, "COPY", "REPLACE"],
  [/^x-amz-acl$/, "private", "bucket-owner-full-control"], // there is one owner
  [/^x-amz-grant-/],
  [/^x-amz-website-redirect-location$/],
  [/^x-amz-object-lock-/],
  [/^x-amz-storage-class$/, "STANDARD"],
  [/^x-amz-server-side-encryption$/, "AES256"], // which AWS does unasked
  [/^x-amz-server-side-encryption-/],
  [/^x-amz-write-offset-bytes$/],
  [/^x-amz-if-match-(last-modified-time|size)$/], // of directory buckets
];

/** @throws 501 NotImplemented, naming the header, rather than to take it and do nothing */
export function refuseUnsupported(headers: NodeJS.Dict<string | string[]>): void {
  for (const [name, value] of Object.entries(headers)) {
    const found = UNSUPPORTED.find(([header]) => header.test(name));
    if (found && !found.slice(1).includes(String(value))) throw unsupportedHeader(name);
  }
}

function unsupportedHeader(name: string, additionalMessage?: string): S3Error {
  return new S3Error(
    501,
    "NotImplemented",
    "A header you provided implies functionality that is not implemented",
    { Header: name, ...(additionalMessage === undefined ? {} : { additionalMessage }) },
  );
}

/** Reads the headers, metadata and tags of an upload. */
export function readDescription(headers: NodeJS.Dict<string | string[]>): Description {
  const kept: Record<string, string> = {};
  const metadata: Record<string, string> = {};
  for (const [name, raw] of Object.entries(headers)) {
    const value = decodeHeader(String(raw));
    if (KEPT.includes(name)) kept[name] = value;
    else if (name.startsWith("x-amz-meta-")) metadata[name.slice("x-amz-meta-".length)] = decodeWords(value);
  }
  const encoding = String(headers["content-encoding"] ?? "")
    .split(/\s*,\s*/)
    .filter((coding) => coding !== "" && coding !== "aws-chunked");
  if (encoding.length > 0) kept["content-encoding"] = encoding.join(",");
  const tags = readTags(headers["x-amz-tagging"]?.toString());
  return { headers: { "content-type": "binary/octet-stream", ...kept }, metadata, tags };
}

/** @throws 501 where the condition is one that S3 does not know: a write asks for one ETag, or for none at all */
export function readWriteCondition(header: Header): WriteCondition {
  const ifMatch = header("if-match");
  const ifNoneMatch = header("if-none-match");
  if (ifMatch !== undefined && ifNoneMatch !== undefined) {
    const several = "Multiple conditional request headers present in the request";
    throw unsupportedHeader("If-Match,If-None-Match", several);
  }
  const refused = (name: string) =>
    unsupportedHeader(name, `We don't accept the provided value of ${name} header for this API`);
  if (ifMatch === "*") throw refused("If-Match");
  if (ifNoneMatch !== undefined && ifNoneMatch !== "*") throw refused("If-None-Match");
  return { ifMatch, ifNoneMatch };
}

/**
 * @param now a date of If-Modified-Since that is later is no condition
 * @param prefix `x-amz-copy-source-` for the source of a copy
 */
export function readReadCondition(header: Header, now: Date, prefix = ""): ReadCondition {
  const ifModifiedSince = date(header(`${prefix}if-modified-since`));
  return {
    ifMatch: header(`${prefix}if-match`),
    ifNoneMatch: header(`${prefix}if-none-match`),
    ifModifiedSince: ifModifiedSince && ifModifiedSince <= now ? ifModifiedSince : undefined,
    ifUnmodifiedSince: date(header(`${prefix}if-unmodified-since`)),
  };
}

/** Makes the headers that every answer about a version has. */
export function identityHeaders(version: Completed, versioned: boolean): Record<string, string | undefined> {
  return { etag: `"${version.etag}"`, "x-amz-version-id": versioned ? version.versionId : undefined };
}

export function checksumHeaders(checksum: Checksum | undefined): Record<string, string> {
  if (!checksum) return {};
  return { [headerOf(checksum.algorithm)]: checksum.value, "x-amz-checksum-type": checksum.type };
}

/** Makes the headers of GET and HEAD, with those that the query overrides. */
export function descriptionHeaders(version: ObjectVersion, query: URLSearchParams): Record<string, string> {
  const described: Record<string, string> = {
    "last-modified": version.modified.toUTCString(),
    "accept-ranges": "bytes",
  };
  if (version.encryptionKey !== undefined) {
    described["x-amz-server-side-encryption"] = "aws:kms";
    described["x-amz-server-side-encryption-aws-kms-key-id"] = version.encryptionKey;
  }
  for (const [name, value] of Object.entries(version.headers)) described[name] = utf8Header(value);
  for (const [name, value] of Object.entries(version.metadata))
    described[`x-amz-meta-${name}`] = encodeHeader(value);
  for (const name of OVERRIDES) {
    const override = query.get(`response-${name}`);
    if (override !== null) described[name] = latin1Header(`response-${name}`, override);
  }
  return described;
}

function date(header: string | undefined): Date | undefined {
  const time = Date.parse(header ?? "");
  return Number.isNaN(time) ? undefined : new Date(time); // a date that is none is no condition
}

/** Node reads headers as Latin-1; clients send UTF-8. */
function decodeHeader(value: string): string {
  const bytes = Buffer.from(value, "latin1");
  const decoded = bytes.toString("utf8");
  return decoded.includes("\ufffd") ? value : decoded;
}

/** Like S3, which keeps the text of encoded words in user metadata (RFC 2047), and encodes it again for who reads it. */
function decodeWords(value: string): string {
  return value
    .replaceAll(/(=\?[^?]+\?[bq]\?[^?]*\?=)\s+(?==\?)/gi, "$1")
    .replaceAll(/=\?utf-8\?([bq])\?([^?]*)\?=/gi, (_, encoding: string, text: string) =>
      encoding.toLowerCase() === "b"
        ? Buffer.from(text, "base64").toString()
        : Buffer.from(
            text
              .replaceAll("_", " ")
              .replaceAll(/=([0-9a-f]{2})/gi, (_, hex: string) =>
                String.fromCharCode(Number.parseInt(hex, 16)),
              ),
            "latin1",
          ).toString(),
    );
}

/** The bytes that came with the object; Node writes headers as Latin-1. */
function utf8Header(value: string): string {
  return Buffer.from(value).toString("latin1");
}

function latin1Header(name: string, value: string): string {
  if (/^[^\u0100-\uffff]*$/.test(value)) return value;
  throw invalidArgument("Header value cannot be represented using ISO-8859-1.", name, value);
}

/** Like S3, which makes text beyond ASCII in user metadata mail-safe (RFC 2047). */
function encodeHeader(value: string): string {
  return /^[\t\x20-\x7e]*$/.test(value) ? value : `=?UTF-8?B?${Buffer.from(value).toString("base64")}?=`;
}
