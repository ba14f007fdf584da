import type { Numbers } from "./numbers.ts";
import type { WorkerPlan } from "./plan.ts";

type Points = readonly (readonly [megapixels: number, seconds: number])[];

/**
 * What a quarter turn of a JPEG takes on one thread: the table in docs/images.md that `npm run bench` makes. A new
 * measurement replaces all of it.
 */
export const BENCH: { date: string; machine: string; image: string; points: Points } = {
  date: "2026-11-23",
  machine: "AMD EPYC, x86-64, one thread, sharp 0.35.5",
  image: "JPEG of a photograph, 4:2:0, not progressive",
  /** In rising order. */
  points: [
    [2, 2 / 70.2],
    [12, 12 / 73.5],
    [48, 48 / 58.9],
  ],
};

/** A millisecond: no image is free, however small. */
const LEAST_SECONDS = 0.001;

/**
 * Seconds of one vCPU for an image: on the line between the two measurements around it, and beyond all of them on the
 * line through the nearest two.
 */
export function cpuSeconds(megapixels: number, points: Points = BENCH.points): number {
  const found = points.findIndex(([at]) => at >= megapixels);
  const upper = found === -1 ? points.length - 1 : Math.max(1, found);
  const [x0, y0] = points[upper - 1] ?? [0, 0];
  const [x1, y1] = points[upper] ?? [1, 0];
  return Math.max(LEAST_SECONDS, y0 + ((megapixels - x0) * (y1 - y0)) / (x1 - x0));
}

/**
 * Seconds that an image takes a worker: reading it, turning it, writing it. A function works on one image at a time
 * in one thread, so that more memory than comes with one vCPU makes nothing faster.
 */
export function secondsPerImage(megapixels: number, numbers: Numbers): (worker: WorkerPlan) => number {
  const cpu = cpuSeconds(megapixels) * numbers.cpuFactor;
  return ({ memorySize }) =>
    2 * numbers.s3RequestSeconds + cpu / Math.min(1, memorySize / numbers.memoryPerCpu);
}
