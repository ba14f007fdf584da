import { MEMORY_PER_CPU } from "../../delivery/limits.ts";
import type { Load } from "../plan.ts";

type Points = readonly (readonly [megapixels: number, seconds: number])[];

/** Ratio of the time of a camera's JPEG, a quarter of a byte a pixel, to that of a plain one: both rows of 12 megapixels. */
const DETAIL = 96.9 / 68.4;

/**
 * Measured times of a quarter turn of a JPEG on one thread, warm: the table in docs/images.md that `npm run bench` makes. Its rows
 * of 2 and 48 megapixels are plain pictures, and are taken to become slower by detail as that of 12 does. A new measurement
 * replaces all of it.
 */
export const BENCH: { date: string; machine: string; image: string; points: Points } = {
  date: "2026-11-26",
  machine: "AMD EPYC, x86-64, one thread",
  image: "JPEG of a camera, 4:2:0, not progressive, turned without loss",
  /** In rising order. */
  points: [
    [2, (DETAIL * 2) / 85.4],
    [12, (DETAIL * 12) / 96.9],
    [48, (DETAIL * 48) / 82.5],
  ],
};

/** A millisecond: no image is free, however small. */
const MIN_SECONDS = 0.001;

/**
 * Seconds of one vCPU for an image: on the line between the two measurements around it, and beyond all of them on the
 * line through the nearest two.
 */
export function cpuSeconds(megapixels: number, points: Points = BENCH.points): number {
  const found = points.findIndex(([at]) => at >= megapixels);
  const upper = found === -1 ? points.length - 1 : Math.max(1, found);
  const [x0, y0] = points[upper - 1] ?? [0, 0];
  const [x1, y1] = points[upper] ?? [1, 0];
  return Math.max(MIN_SECONDS, y0 + ((megapixels - x0) * (y1 - y0)) / (x1 - x0));
}

/**
 * Seconds of an image: its work, and reading and writing it, which go on while others are worked on. A function works on one
 * image at a time in one thread, so that more memory than comes with one vCPU makes nothing faster.
 */
export function durations(megapixels: number): Required<Pick<Load, "secondsPerImage" | "requestSeconds">> {
  return {
    secondsPerImage: ({ memorySize }, { cpuFactor }) =>
      (cpuSeconds(megapixels) * cpuFactor) / Math.min(1, memorySize / MEMORY_PER_CPU),
    requestSeconds: (_, { s3RequestSeconds }) => 2 * s3RequestSeconds,
  };
}
