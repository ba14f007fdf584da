/** What pixels cost in memory: measured by `bench/memory.ts`, rounded up, recorded in docs/images.md. */

/** Bytes that a pixel of the limit stands for. Pixels that take more count as so many more. */
export const BYTES_OF_LIMIT = 20;

/** Bytes that a pixel takes at most while it is turned: by a quarter, and by any other angle, canvas grown. */
const costs = {
  jpeg: [20, 32],
  jpegCmyk: [28, 45],
  png8: [20, 25],
  png16: [28, 32],
  webp: [20, 20],
  webpExact: [54, 68],
  gif: [20, 50],
  tiff8: [20, 20],
  tiff16: [28, 44],
  avif8: [20, 90],
  avif16: [28, 96],
} as const;

/** How many pixels of the limit a pixel counts as. */
export function weight(kind: keyof typeof costs, quarter: boolean): number {
  return costs[kind][quarter ? 0 : 1] / BYTES_OF_LIMIT;
}
