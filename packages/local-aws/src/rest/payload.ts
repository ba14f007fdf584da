import {
  CHECKSUMS,
  type ChecksumAlgorithm,
  type DigestAlgorithm,
  Digester,
  type Digests,
} from "../store/digests.ts";
import { S3Error } from "../store/errors.ts";
import { type ChunkedBody, decodeChunked, incompleteBody } from "./chunked.ts";
import type { Exchange } from "./exchange.ts";

/** Maximum size of the body of one PUT. https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const MAX_BYTES = 5 * 1024 ** 3;

/** XML bodies are read into memory; the longest that S3 accepts is a list of 10,000 parts. */
const MAX_XML_BYTES = 4 * 1024 * 1024;

/** A request's body, decoded, and everything that its sender says it must come to. */
export interface Payload {
  readonly data: AsyncIterable<Uint8Array>;
  /** The checksum that the client sends along, in a header or a trailer. */
  readonly checksum: ChecksumAlgorithm | undefined;
  /** The checksum, once the whole body was read. */
  claimed(): string | undefined;
  /** Digests that `verify` needs. */
  readonly digests: readonly DigestAlgorithm[];
  /** @throws 400 where a digest is not what was promised */
  verify(digests: Digests, size: number): void;
}

/**
 * @param about what the checksum headers are about: this body, or something that the operation knows
 */
export function readPayload({ request, caller }: Exchange, about: "body" | "other" = "body"): Payload {
  const { http, header } = request;
  const sha256 = header("x-amz-content-sha256");
  const chunked = sha256?.startsWith("STREAMING-") || header("content-encoding")?.includes("aws-chunked");
  const length = Number(header(chunked ? "x-amz-decoded-content-length" : "content-length") ?? Number.NaN);
  if (Number.isNaN(length)) {
    throw new S3Error(411, "MissingContentLength", "You must provide the Content-Length HTTP header.");
  }
  if (length > MAX_BYTES) throw tooLarge(length);

  // The connection outlives a body that is refused half-way: the error must still reach the client.
  const source: AsyncIterable<Uint8Array> = http.iterator({ destroyOnReturn: false });
  const signed = sha256?.startsWith("STREAMING-AWS4-");
  const body: ChunkedBody = chunked
    ? decodeChunked(source, length, signed ? (piece) => caller.verifyChunk(piece) : undefined)
    : { data: source, trailers: new Map() };

  const md5 = contentMd5(header("content-md5"));
  const checksum = about === "body" ? checksumOf(header) : undefined;
  const payloadHash = sha256 && /^[0-9a-f]{64}$/.test(sha256) ? sha256 : undefined;
  const digests: DigestAlgorithm[] = [...(md5 ? (["MD5"] as const) : [])];
  if (checksum) digests.push(checksum.algorithm);
  if (payloadHash) digests.push("SHA256");
  const claimed = () => checksum && (checksum.value ?? body.trailers.get(headerOf(checksum.algorithm)));
  return {
    data: body.data,
    checksum: checksum?.algorithm,
    claimed,
    digests,
    verify: (results, size) => {
      if (size !== length) throw incompleteBody();
      if (payloadHash && results.get("SHA256")?.toString("hex") !== payloadHash) {
        throw new S3Error(
          400,
          "XAmzContentSHA256Mismatch",
          "The provided 'x-amz-content-sha256' header does not match what was computed.",
        );
      }
      if (md5 && !results.get("MD5")?.equals(md5)) {
        throw new S3Error(400, "BadDigest", "The Content-MD5 you specified did not match what we received.");
      }
      if (!checksum) return;
      if (claimed() === undefined) {
        throw new S3Error(
          400,
          "MalformedTrailerError",
          "The request contained trailing data that was not well-formed.",
        );
      }
      if (results.get(checksum.algorithm)?.toString("base64") !== claimed()) {
        throw new S3Error(
          400,
          "BadDigest",
          `The ${checksum.algorithm} you specified did not match the calculated checksum.`,
        );
      }
    },
  };
}

/** A short body, whole and verified. */
export async function readText(exchange: Exchange, about: "body" | "other" = "body"): Promise<string> {
  const payload = readPayload(exchange, about);
  const digester = new Digester(payload.digests);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of payload.data) {
    size += chunk.length;
    if (size > MAX_XML_BYTES) throw tooLarge(size);
    digester.update(chunk);
    chunks.push(chunk);
  }
  payload.verify(await digester.finish(), size);
  return Buffer.concat(chunks).toString("utf8");
}

export function headerOf(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}

function tooLarge(size: number): S3Error {
  return new S3Error(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", {
    ProposedSize: String(size),
    MaxSizeAllowed: String(MAX_BYTES),
  });
}

function contentMd5(header: string | undefined): Buffer | undefined {
  if (header === undefined) return undefined;
  const bytes = Buffer.from(header, "base64");
  if (bytes.length !== 16)
    throw new S3Error(400, "InvalidDigest", "The Content-MD5 you specified was invalid.");
  return bytes;
}

/** The one checksum that the headers announce; its value is undefined where it comes as a trailer. */
function checksumOf(
  header: (name: string) => string | undefined,
): { algorithm: ChecksumAlgorithm; value: string | undefined } | undefined {
  const trailers = (header("x-amz-trailer") ?? "").toLowerCase().split(/\s*,\s*/);
  const sent = CHECKSUMS.filter(
    (name) => header(headerOf(name)) !== undefined || trailers.includes(headerOf(name)),
  );
  const [algorithm] = sent;
  if (sent.length > 1) {
    throw invalidRequest(
      "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
    );
  }
  if (!algorithm) {
    if (header("x-amz-sdk-checksum-algorithm") === undefined) return undefined;
    throw invalidRequest(
      "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
    );
  }
  const value = header(headerOf(algorithm));
  const bytes = { CRC32: 4, CRC32C: 4, CRC64NVME: 8, SHA1: 20, SHA256: 32 }[algorithm];
  if (value !== undefined && Buffer.from(value, "base64").length !== bytes) {
    throw invalidRequest(`Value for ${headerOf(algorithm)} header is invalid.`);
  }
  return { algorithm, value };
}

export function invalidRequest(message: string): S3Error {
  return new S3Error(400, "InvalidRequest", message);
}
