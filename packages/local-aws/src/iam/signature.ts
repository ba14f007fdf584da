/**
 * Verifies AWS Signature Version 4, in the Authorization header or in a presigned URL, as
 * S3, SQS and SNS do. The secret keys and the time are given, and nothing is read.
 *
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
 */

import { createHmac, createSecretKey, hash, type KeyObject, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { type ParsedUrlQuery, parse } from "node:querystring";
import { getCanonicalQuery } from "@smithy/signature-v4";
import { ALGORITHM, type Claim, checkTime, one, readClaim } from "./claim.ts";
import { type Refuse, SignatureError } from "./refusals.ts";

/** A request as it came over the wire. */
export interface SignedRequest {
  readonly method: string;
  /** Path and query exactly as sent, still percent-encoded: Node's `request.url`. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /**
   * The whole body. SQS and SNS sign its hash, so they need it; S3 signs what x-amz-content-sha256 announces and
   * does not look at it.
   *
   * @default an empty body
   */
  readonly body?: Uint8Array;
}

/** The secret of an access key, and whose it is. P is the caller's own notion of a principal. */
export interface Credential<P> {
  readonly secretAccessKey: string;
  readonly principal: P;
  /** Temporary credentials have one, and a request without it is refused. Here they do not end. */
  readonly sessionToken?: string;
}

/** Services that clients sign for. */
const SERVICES = ["s3", "sns", "sqs"] as const;

/** The service that was asked, and what it needs to judge by. */
export interface Verifier<P> {
  readonly service: (typeof SERVICES)[number];
  readonly region: string;
  readonly now: Date;
  lookup(accessKeyId: string): Credential<P> | undefined;
}

/** A request whose signature is right. */
export interface Verified<P> {
  readonly accessKeyId: string;
  readonly principal: P;
  /**
   * The payload hash that was signed: 64 hexadecimal digits, UNSIGNED-PAYLOAD or one of the STREAMING-… values. For S3
   * it is a promise about bytes yet to come, and whoever reads them must keep it.
   */
  readonly payloadHash: string;
  /** `date/region/service/aws4_request`. */
  readonly scope: string;
  /** When it was signed, as `yyyymmddThhmmssZ`. */
  readonly timestamp: string;
  readonly signingKey: KeyObject;
  /** The request's own signature, on which the first chunk's is built. */
  readonly seedSignature: string;
}

const UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD";
const PAYLOADS = new Set([
  UNSIGNED_PAYLOAD,
  "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
  "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
  "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
]);
/** The hash of no bytes, which is part of what every chunk signs. */
const NOTHING = sha256("");

/**
 * Verifies the signature of a request.
 *
 * @throws {SignatureError} where it is absent, malformed, too old, for another service or region, or wrong
 */
export function verifySignature<P>(request: SignedRequest, verifier: Verifier<P>): Verified<P> {
  const refuse: Refuse = (refusal, message) => {
    throw new SignatureError(verifier.service, refusal, message);
  };
  const query = parse(request.url.split(/\?(.*)/s)[1] ?? "", "&", "=", { maxKeys: 0 });
  const claim = readClaim(request.headers, query, refuse);
  const accessKeyId = checkScope(claim, verifier, refuse);
  const credential = verifier.lookup(accessKeyId);
  if (!credential || (credential.sessionToken !== undefined && claim.token === undefined)) {
    return refuse("key", `the access key id ${accessKeyId} does not exist in our records`);
  }
  checkTime(claim, verifier.now, refuse);
  checkHeaders(request, claim, refuse);

  const payloadHash = readPayloadHash(request, query, claim, verifier.service, refuse);
  const canonical = canonicalRequest(request, query, claim, payloadHash, verifier.service, refuse);
  const { timestamp } = claim;
  const scope = claim.credential.slice(accessKeyId.length + 1);
  const signingKey = signingKeyFor(credential.secretAccessKey, scope);
  const seedSignature = sign(signingKey, [ALGORITHM, timestamp, scope, sha256(canonical)]);
  if (!sameText(seedSignature, claim.signature)) {
    return refuse("mismatch", "the signature we calculated does not match the one you provided");
  }
  // Only who knows the secret key learns anything about the session.
  if (claim.token !== undefined && !sameText(credential.sessionToken ?? "", claim.token)) {
    return refuse("token", "the provided token is malformed or otherwise invalid");
  }
  const { principal } = credential;
  return { accessKeyId, principal, payloadHash, scope, timestamp, signingKey, seedSignature };
}

/**
 * Follows the chain of signatures through an aws-chunked body, link by link, in order. That the chain is complete,
 * up to the empty chunk and the trailer that was announced, is for the reader of the body to see.
 */
export interface ChunkVerifier {
  /**
   * The next chunk, by the SHA-256 of its data in hexadecimal; the last chunk is empty.
   *
   * @throws {SignatureError} where the signature is wrong
   */
  chunk(sha256: string, signature: string): void;
  /**
   * The trailing headers after the empty chunk, by the SHA-256 of their lines, sorted, in lower case and each ended
   * by a line feed, without x-amz-trailer-signature itself.
   *
   * @throws {SignatureError} where the signature is wrong
   */
  trailer(sha256: string, signature: string): void;
}

/**
 * Verifies the chunks of a request whose payload hash is STREAMING-AWS4-HMAC-SHA256-PAYLOAD or the same with
 * -TRAILER.
 *
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
 */
export function chunkVerifier(verified: Verified<unknown>): ChunkVerifier {
  let previous = verified.seedSignature;
  const verify = (what: string, algorithm: string, hashes: readonly string[], signature: string) => {
    const text = [algorithm, verified.timestamp, verified.scope, previous, ...hashes];
    previous = sign(verified.signingKey, text);
    if (!sameText(previous, signature)) {
      throw new SignatureError(
        "s3",
        "mismatch",
        `the signature of ${what} does not match the one you provided`,
      );
    }
  };
  return {
    chunk(hash, signature) {
      verify("a chunk", `${ALGORITHM}-PAYLOAD`, [NOTHING, hash], signature);
    },
    trailer(hash, signature) {
      verify("the trailer", `${ALGORITHM}-TRAILER`, [hash], signature);
    },
  };
}

/** The credential must be for this service, in this region, on the day of the signature. Returns its key's id. */
function checkScope(claim: Claim, verifier: Verifier<unknown>, refuse: Refuse): string {
  const [accessKeyId, date, region, service, end, ...rest] = claim.credential.split("/");
  if (!accessKeyId || end !== "aws4_request" || rest.length > 0 || date !== claim.timestamp.slice(0, 8)) {
    return refuse(
      claim.place,
      `the credential ${claim.credential} is not KEY/DATE/REGION/SERVICE/aws4_request`,
    );
  }
  if (region !== verifier.region) {
    return refuse("scope", `the region '${region}' is wrong; expecting '${verifier.region}'`);
  }
  if (service !== undefined && !SERVICES.some((each) => each === service)) {
    return refuse("scope", `only S3, SNS and SQS answer here, and not '${service}'`);
  }
  if (service !== verifier.service) {
    return refuse("scope", `the service '${service}' is wrong; expecting '${verifier.service}'`);
  }
  return accessKeyId;
}

/** Refuses unsigned headers that matter: anybody could have added them on the way. */
function checkHeaders({ headers }: SignedRequest, { signedHeaders }: Claim, refuse: Refuse): void {
  const needed = ["host", ...Object.keys(headers).filter((name) => name.startsWith("x-amz-"))];
  const unsigned = needed.filter((name) => !signedHeaders.includes(name));
  if (unsigned.length > 0) {
    refuse(
      "unsignedHeader",
      `there are headers in the request which were not signed: ${unsigned.join(", ")}`,
    );
  }
}

/** The bytes that a client signs: those of its headers as they came, which Node reads as Latin-1. */
function canonicalRequest(
  { method, url, headers }: SignedRequest,
  query: ParsedUrlQuery,
  { signedHeaders }: Claim,
  payloadHash: string,
  service: string,
  refuse: Refuse,
): Buffer {
  const [path = ""] = url.split("?");
  // The library looks at one field of the request, and its types want them all.
  const rest = { method, protocol: "", hostname: "", path, headers: {} };
  const lines = [
    method,
    service === "s3" ? s3Path(path, refuse) : plainPath(path),
    getCanonicalQuery({ ...rest, query: query as Record<string, string | string[]> }),
    ...signedHeaders.map((name) => `${name}:${headerValue(headers[name])}`),
    "",
    signedHeaders.join(";"),
    payloadHash,
  ];
  return Buffer.from(lines.join("\n"), "latin1");
}

/** Without spaces around it, and with one where there were several. */
function headerValue(value: string | string[] | undefined): string {
  return [value]
    .flat()
    .join(",")
    .replace(/[\t ]+/g, " ")
    .replace(/^ | $/g, "");
}

function readPayloadHash(
  request: SignedRequest,
  query: ParsedUrlQuery,
  claim: Claim,
  service: string,
  refuse: Refuse,
): string {
  if (service !== "s3") return sha256(request.body ?? "");
  const fromQuery = claim.place === "query" ? query["X-Amz-Content-Sha256"] : undefined;
  const announced = one(request.headers["x-amz-content-sha256"] ?? fromQuery);
  if (announced === undefined) {
    return claim.place === "query" ? UNSIGNED_PAYLOAD : refuse("payload", "x-amz-content-sha256 is missing");
  }
  if (!PAYLOADS.has(announced) && !/^[0-9a-f]{64}$/.test(announced)) {
    return refuse("payload", `x-amz-content-sha256 must be a SHA-256 or one of ${[...PAYLOADS].join(", ")}`);
  }
  return announced;
}

/** S3 signs a key as it is: encoded once, dots and empty segments kept. */
function s3Path(path: string, refuse: Refuse): string {
  try {
    return path
      .split("/")
      .map((segment) => encode(decodeURIComponent(segment)))
      .join("/");
  } catch {
    return refuse("uri", `couldn't decode the path ${path}`);
  }
}

/** Every other service signs the path as it was sent, encoded a second time and with its dots resolved. */
function plainPath(path: string): string {
  const segments: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(encode(segment));
  }
  return `/${segments.join("/")}${segments.length > 0 && path.endsWith("/") ? "/" : ""}`;
}

/** Percent-encodes all but A–Z a–z 0–9 - . _ ~ */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(data: string | Uint8Array): string {
  return hash("sha256", data, "hex");
}

/** As an object: of a key of bytes Node.js finds out each time, by an error, that it is none. */
function signingKeyFor(secretAccessKey: string, scope: string): KeyObject {
  const secret = createSecretKey(Buffer.from(`AWS4${secretAccessKey}`));
  return scope.split("/").reduce((key, text) => createSecretKey(hmac(key, text)), secret);
}

function hmac(key: KeyObject, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function sign(key: KeyObject, lines: readonly string[]): string {
  return hmac(key, lines.join("\n")).toString("hex");
}

/** Compares without telling by its duration where the first difference is. */
function sameText(expected: string, actual: string): boolean {
  const [left, right] = [Buffer.from(expected), Buffer.from(actual)];
  return left.length === right.length && timingSafeEqual(left, right);
}
