import { type Job, secondsLeft } from "../../pixels.ts";

/** Milliseconds that others wait at most for their turn, or little more. */
const SLICE = 10;

/** Lets work that nothing can stop look at its deadline, and lets others run in between. */
export class Pace {
  readonly #job: Job;
  #next: number;

  /** @throws {ImageRejected} `too-slow` where no time is left. */
  constructor(job: Job) {
    this.#job = job;
    secondsLeft(job);
    this.#next = performance.now() + SLICE;
  }

  /** Whether it is time to rest. */
  get due(): boolean {
    return performance.now() >= this.#next;
  }

  /** @throws {ImageRejected} `too-slow` where no time is left. */
  async rest(): Promise<void> {
    secondsLeft(this.#job);
    await new Promise((resolve) => setImmediate(resolve));
    this.#next = performance.now() + SLICE;
  }
}
