/** Reads the signature of a request, from the Authorization header or the query of a presigned URL. */

import type { IncomingHttpHeaders } from "node:http";
import type { ParsedUrlQuery } from "node:querystring";
import type { Refuse } from "./refusals.ts";

/** The only algorithm that is understood. */
export const ALGORITHM = "AWS4-HMAC-SHA256";
/** Maximum difference between the client's clock and this one. */
const SKEW_MILLISECONDS = 15 * 60 * 1000;
/** The longest life of a presigned URL: a week. */
const MAX_SECONDS = 7 * 24 * 60 * 60;

/** The signature of a request as the client states it, before it is verified. */
export interface Claim {
  readonly place: "header" | "query";
  readonly credential: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** As `yyyymmddThhmmssZ`. */
  readonly timestamp: string;
  readonly token: string | undefined;
  /** Seconds; presigned URLs only. */
  readonly lifetime: number | undefined;
}

/** Reads the claim, from wherever it is. */
export function readClaim(headers: IncomingHttpHeaders, query: ParsedUrlQuery, refuse: Refuse): Claim {
  const inQuery = Object.keys(query).some((name) => /^x-amz-(algorithm|credential|signature)$/i.test(name));
  if (inQuery && headers.authorization !== undefined) {
    return refuse("twice", "only one auth mechanism allowed: the Authorization header or the query");
  }
  if (inQuery) return readQueryClaim(query, refuse);
  if (headers.authorization !== undefined) return readHeaderClaim(headers, refuse);
  if (query.AWSAccessKeyId !== undefined) {
    // As S3 does for every bucket that was made since June 2020.
    return refuse(
      "mechanism",
      `the URL is presigned with signature version 2; please use ${ALGORITHM}: AWS CLI 2 does, and AWS CLI 1 after "aws configure set default.s3.signature_version s3v4"`,
    );
  }
  return refuse("unsigned", "the request carries no signature");
}

function readHeaderClaim(headers: IncomingHttpHeaders, refuse: Refuse): Claim {
  const [, algorithm, fields = ""] = /^\s*(\S+)\s*(.*)$/.exec(headers.authorization ?? "") ?? [];
  if (algorithm !== ALGORITHM) return refuse("mechanism", `please use ${ALGORITHM}, not ${algorithm}`);
  const field = new Map(fields.split(",").map((text) => text.trim().split(/=(.*)/s) as [string, string]));
  const [credential, signed, signature] = ["Credential", "SignedHeaders", "Signature"].map(
    (name) => field.get(name) || refuse("header", `the authorization header has no ${name}`),
  ) as [string, string, string];
  const timestamp = one(headers["x-amz-date"]) ?? httpDate(headers.date);
  if (!isTimestamp(timestamp)) return refuse("header", "a valid x-amz-date or Date header is required");
  const signedHeaders = signed.split(";");
  return {
    place: "header",
    credential,
    signedHeaders,
    signature,
    timestamp,
    token: one(headers["x-amz-security-token"]),
    lifetime: undefined,
  };
}

function readQueryClaim(query: ParsedUrlQuery, refuse: Refuse): Claim {
  const names = ["Algorithm", "Credential", "SignedHeaders", "Signature", "Date", "Expires"];
  const [algorithm, credential, signed, signature, timestamp, expires] = names.map((name) => {
    const value = query[`X-Amz-${name}`];
    return typeof value === "string" && value !== ""
      ? value
      : refuse("query", `one X-Amz-${name} is required`);
  }) as [string, string, string, string, string, string];
  if (algorithm !== ALGORITHM) return refuse("query", `X-Amz-Algorithm only supports ${ALGORITHM}`);
  if (!isTimestamp(timestamp)) return refuse("query", "X-Amz-Date must be in the format yyyymmddThhmmssZ");
  if (!/^\d{1,9}$/.test(expires) || Number(expires) > MAX_SECONDS) {
    return refuse("query", `X-Amz-Expires must be a number of seconds from 0 to ${MAX_SECONDS}`);
  }
  const signedHeaders = signed.split(";");
  const token = one(query["X-Amz-Security-Token"]);
  const lifetime = Number(expires);
  return { place: "query", credential, signedHeaders, signature, timestamp, token, lifetime };
}

/** Refuses what was signed too long ago, or is not to be used yet. */
export function checkTime(claim: Claim, now: Date, refuse: Refuse): void {
  const age = now.getTime() - timeOf(claim.timestamp);
  const clocks = `signed at ${claim.timestamp}, received at ${now.toISOString()}`;
  if (claim.lifetime === undefined) {
    if (Math.abs(age) > SKEW_MILLISECONDS) refuse("skewed", `the clocks are too far apart: ${clocks}`);
  } else if (age > claim.lifetime * 1000) {
    refuse("expired", `Request has expired: ${clocks}, valid for ${claim.lifetime} seconds`);
  } else if (age < -SKEW_MILLISECONDS) {
    refuse("expired", `Request is not valid yet: ${clocks}`);
  }
}

function isTimestamp(text: string | undefined): text is string {
  return text !== undefined && !Number.isNaN(timeOf(text));
}

function timeOf(timestamp: string): number {
  const pattern = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;
  return pattern.test(timestamp) ? Date.parse(timestamp.replace(pattern, "$1-$2-$3T$4:$5:$6Z")) : Number.NaN;
}

function httpDate(text: string | undefined): string | undefined {
  const time = Date.parse(text ?? "");
  return Number.isNaN(time) ? undefined : new Date(time).toISOString().replace(/[-:]|\.\d+/g, "");
}

/** The first value of a header or parameter. */
export function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
