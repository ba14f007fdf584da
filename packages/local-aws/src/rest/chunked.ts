import { createHash } from "node:crypto";
import { S3Error } from "../store/errors.ts";

/** One signed piece of an aws-chunked body, as it is needed to check the signature. */
export interface SignedPiece {
  readonly kind: "chunk" | "trailer";
  /** Hexadecimal, as the client sent it; undefined where it sent none. */
  readonly signature: string | undefined;
  /** Hexadecimal SHA-256 of the chunk's data, or of the trailer's canonical form. */
  readonly sha256: string;
}

export interface ChunkedBody {
  /** The decoded body. */
  readonly data: AsyncIterable<Uint8Array>;
  /** By lower-case name; complete once `data` is. */
  readonly trailers: ReadonlyMap<string, string>;
}

/** Minimum size of every chunk but the last. */
const MIN_CHUNK_BYTES = 8 * 1024;

const MAX_LINE_BYTES = 16 * 1024;

/**
 * Decodes `aws-chunked`: chunks of `SIZE[;chunk-signature=…]`, then trailers.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
 *
 * @param verify is called with each signed piece, in order; what it throws ends the body
 */
export function decodeChunked(
  source: AsyncIterable<Uint8Array>,
  length: number,
  verify?: (piece: SignedPiece) => void,
): ChunkedBody {
  const trailers = new Map<string, string>();
  return { data: decode(new ByteReader(source), length, trailers, verify), trailers };
}

async function* decode(
  reader: ByteReader,
  length: number,
  trailers: Map<string, string>,
  verify: ((piece: SignedPiece) => void) | undefined,
): AsyncIterable<Uint8Array> {
  let received = 0;
  let before = MIN_CHUNK_BYTES;
  for (let number = 1; ; number += 1) {
    const header = /^([0-9a-f]{1,8})(?:;chunk-signature=([0-9a-f]{64}))?$/i.exec(await reader.line());
    if (!header) throw incompleteBody();
    const size = Number.parseInt(header[1] as string, 16);
    if (size > 0 && before < MIN_CHUNK_BYTES) throw chunkTooSmall(number, before);
    before = size;
    const hash = verify && createHash("sha256");
    for (let missing = size; missing > 0; ) {
      const piece = await reader.take(missing);
      hash?.update(piece);
      missing -= piece.length;
      yield piece;
    }
    if (hash) verify?.({ kind: "chunk", signature: header[2], sha256: hash.digest("hex") });
    received += size;
    if (received > length) throw incompleteBody();
    if (size === 0) break;
    if ((await reader.line()) !== "") throw incompleteBody();
  }
  if (received !== length) throw incompleteBody();
  await readTrailers(reader, trailers, verify);
}

async function readTrailers(
  reader: ByteReader,
  trailers: Map<string, string>,
  verify: ((piece: SignedPiece) => void) | undefined,
): Promise<void> {
  for (let line = await reader.line(); line !== ""; line = await reader.line()) {
    const colon = line.indexOf(":");
    if (colon < 1)
      throw new S3Error(
        400,
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed.",
      );
    trailers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  const signature = trailers.get("x-amz-trailer-signature");
  trailers.delete("x-amz-trailer-signature");
  if (trailers.size === 0 && signature === undefined) return;
  const canonical = [...trailers].sort().map(([name, value]) => `${name}:${value}\n`);
  verify?.({
    kind: "trailer",
    signature,
    sha256: createHash("sha256").update(canonical.join("")).digest("hex"),
  });
}

function chunkTooSmall(number: number, before: number): S3Error {
  return new S3Error(
    403,
    "InvalidChunkSizeError",
    `Only the last chunk is allowed to have a size less than ${MIN_CHUNK_BYTES} bytes`,
    { Chunk: String(number), BadChunkSize: String(before) },
  );
}

export function incompleteBody(): S3Error {
  return new S3Error(
    400,
    "IncompleteBody",
    "You did not provide the number of bytes specified by the Content-Length HTTP header.",
  );
}

/** Lines and bytes of a stream, in turns. */
class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #held: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Takes some of the next bytes: 1 to `max`. */
  async take(max: number): Promise<Buffer> {
    while (this.#held.length === 0) if (!(await this.#fill())) throw incompleteBody();
    const taken = this.#held.subarray(0, max);
    this.#held = this.#held.subarray(taken.length);
    return taken;
  }

  /** The next line without its end; the end of the stream is an empty line. */
  async line(): Promise<string> {
    let end = this.#held.indexOf("\r\n");
    while (end < 0) {
      if (this.#held.length > MAX_LINE_BYTES) throw incompleteBody();
      if (!(await this.#fill())) break;
      end = this.#held.indexOf("\r\n");
    }
    const line = this.#held.toString("latin1", 0, end < 0 ? this.#held.length : end);
    this.#held = end < 0 ? Buffer.alloc(0) : this.#held.subarray(end + 2);
    return line;
  }

  async #fill(): Promise<boolean> {
    const { done, value } = await this.#source.next();
    if (done) return false;
    const chunk = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    return true;
  }
}
