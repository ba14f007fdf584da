import type { Simulation } from "./simulation.ts";

/** Seconds from the first try to upload an image until the last worker is done with it. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/**
 * How long images take, if those that come first are done first, as they are on the whole.
 * @returns undefined where not one was done by all workers
 */
export function latency({ arrived, workers }: Simulation): Latency | undefined {
  const histogram: number[] = [];
  let came = 0;
  let done = 0;
  for (let second = 0; second < arrived.length; second++) {
    const finished = Math.min(...workers.map((worker) => worker.finished[second] ?? 0));
    while (done < finished) {
      while ((arrived[came] ?? 0) <= done) came++;
      const here = Math.min(finished, arrived[came] ?? 0) - done;
      // Done in this second, having come in that one.
      histogram[second - came] = (histogram[second - came] ?? 0) + here;
      done += here;
    }
  }
  if (done === 0) return undefined;
  const at = (part: number) => {
    let seen = 0;
    for (const [seconds, images] of histogram.entries()) {
      seen += images ?? 0;
      if (seen >= part * done) return seconds;
    }
    return histogram.length - 1;
  };
  return { p50: at(0.5), p99: at(0.99), max: histogram.length - 1 };
}
