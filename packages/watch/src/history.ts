import type { Counts, Second, WorkerCounts } from "./protocol.ts";

/** Seconds that are kept. */
export const MAX_SECONDS = 120;

/** The last two minutes, for sparklines. */
export class History {
  readonly seconds: Second[] = [];

  /**
   * Takes note of a second that is over, or is known already.
   * @param passed images put, and results and rejections made, in that second
   */
  add(second: number, workers: Counts["workers"], passed: Pick<Second, "in" | "done" | "rejected">): Second {
    const all = Object.values(workers);
    const sum = (of: (counts: WorkerCounts) => number) => all.reduce((sums, each) => sums + of(each), 0);
    const { in: put, done, rejected } = passed;
    const recorded = {
      ...{ second, in: put, done, rejected },
      waiting: sum(({ waiting }) => waiting),
      inFlight: sum(({ inFlight }) => inFlight),
      oldest: Math.max(0, ...all.map(({ oldest }) => oldest)),
    };
    if (this.seconds.at(-1)?.second === second) this.seconds.pop();
    this.seconds.push(recorded);
    this.seconds.splice(0, this.seconds.length - MAX_SECONDS);
    return recorded;
  }
}
