import { BYTES_OF_LIMIT } from "image-turn/weights";

/** What a function of so much memory accepts: measured by `bench/memory.ts`, rounded up, recorded in docs/images.md. */

/** Megabytes that the function has taken before an image comes: runtime, SDK, sharp, and what they do not give back. */
const base = 170;

/** The part of a function's memory that is used: the rest is for what no measurement has seen. */
const usable = 0.95;

/**
 * Maximum number of pixels, summed over all pages, that a function decodes of one image. Below about 180 MB of memory
 * none are left: 0.
 *
 * @param memoryMegabytes The function's memory, 128 to 10,240.
 */
export function pixelLimit(memoryMegabytes: number): number {
  const forImage = Math.max(0, memoryMegabytes * usable - base);
  return Math.floor((forImage * 2 ** 20) / BYTES_OF_LIMIT);
}

/**
 * Seconds of one whole vCPU that a megapixel of the limit takes at a quarter turn, as a maximum, in any format:
 * `bench/slowest.ts` measured 0.44 for a JPEG of noise with optimised scans, 0.33 for animated WebP, and less for all
 * others. Twice that, as a vCPU of Lambda was not measured.
 */
const secondsPerMegapixel = 0.9;

/**
 * Megabytes with which a function has one whole vCPU, the only one that a single image uses:
 * https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
 */
export const MEMORY_PER_CPU = 1769;

/** Maximum number of seconds of the largest image that a function of so much memory accepts. */
export function secondsOfLargest(memoryMegabytes: number): number {
  const cpu = Math.min(1, memoryMegabytes / MEMORY_PER_CPU);
  return (pixelLimit(memoryMegabytes) / 1e6) * (secondsPerMegapixel / cpu);
}
