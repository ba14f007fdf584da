/**
 * `npm run fuzz [-- COUNT [SEED]]`: mutated images, each of which has to give a readable result or a named rejection
 * within its time. A crash ends the process, after the count of those that were done.
 */
import { pathToFileURL } from "node:url";
import { crc32 } from "node:zlib";
import sharp from "sharp";
import { ImageRejected, type RejectionCode } from "../src/contract.ts";
import type { MetadataPolicy } from "../src/privacy.ts";
import { rotate } from "../src/rotate.ts";
import { files } from "./corpus/files.ts";
import { mutate, random } from "./mutate.ts";

/** What became of the mutations: results, and rejections by code. */
export type Outcomes = Partial<Record<RejectionCode | "result", number>> & { slowest?: number };

const limits = { pixels: 4_000_000, seconds: 5 };
/** Milliseconds beyond the limit that a piece of work that cannot be stopped may take. */
const grace = 2000;
const policies: readonly MetadataPolicy[] = ["keep", "keep", "no-location", "none"];
const angles = [90, 90, 90, 180, 270, 33];

/**
 * Turns mutations of the corpus.
 *
 * @throws {Error} naming seed and file where a mutation's outcome is neither a readable result nor a rejection.
 */
export async function fuzz(
  count: number,
  seed: number,
  progress?: (done: number) => void,
): Promise<Outcomes> {
  const corpus = [...(await files())];
  const outcomes: Outcomes = { slowest: 0 };
  for (let index = 0; index < count; index += 1) {
    const next = random(seed * 1_000_003 + index);
    const [name, source] = corpus[Math.floor(next() * corpus.length)] as [string, Buffer];
    const mutated = mutate(source, next);
    const file = name.startsWith("png") && next() < 0.7 ? withChecksums(mutated) : mutated;
    const angle = angles[Math.floor(next() * angles.length)] as number;
    const metadata = policies[Math.floor(next() * policies.length)] as MetadataPolicy;
    const start = performance.now();
    let outcome: RejectionCode | "result" = "result";
    try {
      const { body, contentType, notes } = await rotate({ angle, metadata })(file, limits);
      const taken = performance.now() - start;
      outcomes.slowest = Math.max(outcomes.slowest ?? 0, taken);
      if (name === "heic") {
        // There is no decoder for HEIC here; what can be turned again can be read.
        await rotate({ angle: 270 })(body, limits);
      } else {
        const animated = name === "gif" || name === "webp animated";
        const { channels } = await sharp(body, { animated }).stats();
        if (notes?.exact && contentType === "image/jpeg") {
          await sameColours(file, channels);
        }
      }
    } catch (error) {
      if (!(error instanceof ImageRejected)) {
        const cause = error instanceof Error ? error : new Error(String(error));
        throw new Error(`seed ${seed}, mutation ${index} of ${name} by ${angle}: ${cause.stack}`, { cause });
      }
      outcome = error.code;
    }
    const taken = performance.now() - start;
    outcomes.slowest = Math.max(outcomes.slowest ?? 0, taken);
    if (taken > limits.seconds * 1000 + grace) {
      throw new Error(
        `seed ${seed}, mutation ${index} of ${name} by ${angle}: took ${(taken / 1000).toFixed(1)} s`,
      );
    }
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    progress?.(index + 1);
  }
  return outcomes;
}

/**
 * Holds a result that was turned without decoding against what an independent decoder sees in its source: the same
 * colours in the mean, wherever they are.
 */
async function sameColours(source: Buffer, channels: readonly { readonly mean: number }[]): Promise<void> {
  const decoded = await sharp(source, { failOn: "none" })
    .stats()
    .catch(() => undefined);
  // Coefficients beyond what pixels give are cut and wrapped by decoders, along one axis after the other.
  if (decoded === undefined || decoded.channels.some(({ min, max }) => min === 0 || max === 255)) {
    return;
  }
  for (const [index, { mean }] of decoded.channels.entries()) {
    const apart = Math.abs(mean - (channels[index]?.mean ?? Number.POSITIVE_INFINITY));
    if (apart > 2) {
      throw new Error(`the exact turn of channel ${index} is ${apart.toFixed(1)} off in the mean`);
    }
  }
}

/** The file with its chunks' checksums put right, so that what they protect is reached. */
function withChecksums(png: Buffer): Buffer {
  const file = Buffer.from(png);
  for (let at = 8; at + 12 <= file.length; ) {
    const end = at + 8 + file.readUInt32BE(at);
    if (end + 4 > file.length) {
      break;
    }
    file.writeUInt32BE(crc32(file.subarray(at + 4, end)), end);
    at = end + 4;
  }
  return file;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [count = "10000", seed = "1"] = process.argv.slice(2);
  const outcomes = await fuzz(Number(count), Number(seed), (done) => {
    if (done % 500 === 0) {
      console.log(`${done} of ${count}`);
    }
  });
  console.log(outcomes);
}
