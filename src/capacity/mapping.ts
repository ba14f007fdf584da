import type { Numbers } from "./numbers.ts";
import { pollersOf, type WorkerPlan } from "./plan.ts";

/** Batches that a worker's event source mapping works on at once, at most. */
export function mostAtOnce(worker: WorkerPlan, numbers: Numbers): number {
  const { scaling } = worker;
  if (!scaling) return numbers.standardMost;
  return "maximumPollers" in scaling
    ? scaling.maximumPollers * numbers.pollerConcurrency
    : Math.min(scaling.maximumConcurrency, numbers.standardMost);
}

/** How many batches an event source mapping works on at once, as it grows while messages wait. */
export class Mapping {
  readonly most: number;
  readonly #perSecond: number;
  readonly #messagesPerInvocation: number;
  #concurrency: number;

  constructor(worker: WorkerPlan, numbers: Numbers) {
    this.most = mostAtOnce(worker, numbers);
    const pollers = pollersOf(worker);
    if (pollers) {
      const { pollerConcurrency, pollerPollsPerSecond, pollerBytesPerSecond, messageBytes, pollBatch } =
        numbers;
      this.#concurrency = pollers.minimumPollers * pollerConcurrency;
      this.#perSecond = numbers.provisionedPerMinute / 60;
      // A poll brings no more than one batch: where batches are small, polls are what is short.
      const perPoll = Math.min(pollBatch, worker.batchSize);
      const perPoller = Math.min(pollerPollsPerSecond * perPoll, pollerBytesPerSecond / messageBytes);
      this.#messagesPerInvocation = perPoller / pollerConcurrency;
    } else {
      this.#concurrency = Math.min(numbers.standardStart, this.most);
      this.#perSecond = numbers.standardPerMinute / 60;
      this.#messagesPerInvocation = Number.POSITIVE_INFINITY;
    }
  }

  /** Batches at once, a whole number. */
  get concurrency(): number {
    return Math.floor(this.#concurrency + 1e-9);
  }

  /** Messages that its pollers can take from the queue in a second. */
  get messagesPerSecond(): number {
    return this.#concurrency * this.#messagesPerInvocation;
  }

  /** A second passed in which messages had to wait for it. */
  grow(): void {
    this.#concurrency = Math.min(this.most, this.#concurrency + this.#perSecond);
  }
}
