import type { Assumptions } from "../assumptions.ts";
import { pollersOf, type WorkerPlan } from "../plan.ts";

/** Maximum number of batches that a worker's event source mapping works on at once. */
export function maxConcurrency({ scaling }: WorkerPlan, assumed: Assumptions): number {
  if (!scaling) return assumed.standardMax;
  return "maximumPollers" in scaling
    ? scaling.maximumPollers * assumed.pollerConcurrency
    : Math.min(scaling.maximumConcurrency, assumed.standardMax);
}

/** Concurrency of an event source mapping, which grows while messages wait. */
export class Mapping {
  readonly max: number;
  readonly #perSecond: number;
  readonly #messagesPerInvocation: number;
  #concurrency: number;

  constructor(worker: WorkerPlan, assumed: Assumptions) {
    this.max = maxConcurrency(worker, assumed);
    const pollers = pollersOf(worker);
    const { pollerConcurrency, pollerPollsPerSecond, pollBatch } = assumed;
    this.#concurrency = pollers
      ? pollers.minimumPollers * pollerConcurrency
      : Math.min(assumed.standardStart, this.max);
    this.#perSecond = (pollers ? assumed.provisionedPerMinute : assumed.standardPerMinute) / 60;
    // A poll brings no more than one batch: where batches are small, polls are what is short.
    const perPoller = pollerPollsPerSecond * Math.min(pollBatch, worker.batchSize);
    this.#messagesPerInvocation = pollers ? perPoller / pollerConcurrency : Number.POSITIVE_INFINITY;
  }

  /** Batches at once, a whole number. */
  get concurrency(): number {
    return Math.floor(this.#concurrency + 1e-9);
  }

  /** Messages that its pollers can take from the queue in a second. */
  get messagesPerSecond(): number {
    return this.#concurrency * this.#messagesPerInvocation;
  }

  /** Grows after a second in which messages had to wait for it. */
  grow(): void {
    this.#concurrency = Math.min(this.max, this.#concurrency + this.#perSecond);
  }
}
