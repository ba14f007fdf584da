import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { crc32 } from "node:zlib";

/** The checksums that a client may ask S3 to verify and keep. */
export const CHECKSUMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] as const;
export type ChecksumAlgorithm = (typeof CHECKSUMS)[number];

/** The checksum that S3 computes where the client sends none. */
export const DEFAULT_CHECKSUM = "CRC64NVME";

export type DigestAlgorithm = ChecksumAlgorithm | "MD5";

/** The raw digests of one body, by algorithm. */
export type Digests = ReadonlyMap<DigestAlgorithm, Buffer>;

/** Loads the SDK's checksums when they are first needed: that takes longer than most bodies do. */
const loadCrc = () => require("@aws-sdk/checksums/crc") as typeof import("@aws-sdk/checksums/crc");
const require = createRequire(import.meta.url);

interface Digest {
  update(chunk: Uint8Array): void;
  finish(): Promise<Buffer>;
}

/** Digests a body in one pass, a chunk at a time. */
export class Digester {
  readonly #digests: Map<DigestAlgorithm, Digest>;

  constructor(algorithms: Iterable<DigestAlgorithm>) {
    this.#digests = new Map(Array.from(new Set(algorithms), (name) => [name, begin(name)]));
  }

  update(chunk: Uint8Array): void {
    for (const digest of this.#digests.values()) digest.update(chunk);
  }

  async finish(): Promise<Digests> {
    const finished = new Map<DigestAlgorithm, Buffer>();
    for (const [name, digest] of this.#digests) finished.set(name, await digest.finish());
    return finished;
  }
}

/** The digest of bytes that are already in memory. */
export async function digestOf(algorithm: DigestAlgorithm, bytes: Uint8Array): Promise<Buffer> {
  const digest = begin(algorithm);
  digest.update(bytes);
  return digest.finish();
}

function begin(algorithm: DigestAlgorithm): Digest {
  switch (algorithm) {
    case "CRC32": {
      let value = 0;
      return {
        update: (chunk) => {
          value = crc32(chunk, value);
        },
        finish: async () => {
          const bytes = Buffer.alloc(4);
          bytes.writeUInt32BE(value);
          return bytes;
        },
      };
    }
    case "CRC32C":
    case "CRC64NVME": {
      const { Crc32c, Crc64Nvme } = loadCrc();
      const crc = algorithm === "CRC32C" ? new Crc32c() : new Crc64Nvme();
      return {
        update: (chunk) => crc.update(chunk),
        finish: async () => Buffer.from(await crc.digest()),
      };
    }
    default: {
      const hash = createHash(algorithm.toLowerCase());
      return { update: (chunk) => hash.update(chunk), finish: async () => hash.digest() };
    }
  }
}
