import type { Simulation } from "./simulation.ts";

/** Seconds from the first try to upload an image until the last worker is done with it. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/**
 * Measures how long images take, if those that come first are done first, as they are on the whole.
 * @returns undefined where not one was done by all workers
 */
export function latency({ arrived, finished }: Simulation): Latency | undefined {
  const histogram: number[] = [];
  let came = 0;
  let done = 0;
  for (const [second, sofar] of finished.entries()) {
    while (done < sofar) {
      while ((arrived[came] ?? 0) <= done) came++;
      const here = Math.min(sofar, arrived[came] ?? 0) - done;
      // Done in this second, having come in that one.
      histogram[second - came] = (histogram[second - came] ?? 0) + here;
      done += here;
    }
  }
  if (done === 0) return undefined;
  const at = (part: number) => {
    let left = part * done;
    return [...histogram].findIndex((images = 0) => {
      left -= images;
      return left <= 0;
    });
  };
  return { p50: at(0.5), p99: at(0.99), max: histogram.length - 1 };
}
