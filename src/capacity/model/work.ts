import { backoff } from "../../delivery/backoff.ts";
import { requestTime, reserve } from "../../delivery/share.ts";
import type { Assumptions } from "../assumptions.ts";
import type { Load, WorkerPlan } from "../plan.ts";
import type { Batches } from "./environments.ts";
import type { Queue } from "./queue.ts";
import type { Rng } from "./rng.ts";

/** Usage of one worker, to be paid. */
export interface Usage {
  invocations: number;
  /** Seconds of all environments, INIT included. */
  billedSeconds: number;
  /** Tries of a message, each of which reads its source. */
  tries: number;
  /** Polls that brought messages, and those that waited in vain. */
  polls: number;
  emptyPolls: number;
  /** Hours of provisioned pollers above the minimum. */
  extraPollerHours: number;
}

/** Messages whose try ends in one second. */
interface Ending {
  /** Messages of batches that end. */
  held: number;
  done: number;
  rejected: number;
  /** Messages that come again: receives before this try, how many, and in which second. */
  readonly again: { receives: number; messages: number; second: number }[];
}

/** The batches that a function works on, from their beginning to what becomes of each message. */
export class Work {
  readonly usage: Usage = {
    invocations: 0,
    billedSeconds: 0,
    tries: 0,
    polls: 0,
    emptyPolls: 0,
    extraPollerHours: 0,
  };
  /** Seconds of environments that were at work in each second, which is their number on average. */
  readonly running: number[] = [];
  /** Seconds of work, and of reading and writing, of one image. */
  readonly #workSeconds: number;
  readonly #requestSeconds: number;
  /** Messages in functions whose image is not done yet. */
  unfinished = 0;
  /** Messages in functions, done or not: they are deleted together at the end of a batch. */
  held = 0;
  /** Results that were written. */
  done = 0;
  /** Images that took longer than the function may. */
  rejected = 0;
  readonly #plan: WorkerPlan;
  readonly #assumed: Assumptions;
  readonly #rng: Rng;
  readonly #failures: number;
  /** True where an image takes longer than its share of the invocation, as src/delivery divides it. */
  readonly #tooSlow: boolean;
  readonly #endings = new Map<number, Ending>();

  constructor(plan: WorkerPlan, load: Load, assumed: Assumptions, rng: Rng) {
    this.#plan = plan;
    this.#assumed = assumed;
    this.#rng = rng;
    this.#failures = load.failures ?? 0;
    this.#workSeconds = load.secondsPerImage(plan, assumed);
    this.#requestSeconds = load.requestSeconds?.(plan, assumed) ?? 0;
    const milliseconds = plan.timeout * 1000;
    const share = (milliseconds - reserve(plan.batchSize, milliseconds)) / plan.batchSize;
    this.#tooSlow = (this.#workSeconds + this.#requestSeconds) * 1000 > share - requestTime(share);
  }

  /**
   * Seconds that a batch takes: the first image is read, one after the other is worked on, and the last is written. Where that
   * takes long, those that are in hand wait for their requests.
   */
  duration(batch: number): number {
    const alone = this.#requestSeconds + this.#workSeconds;
    const each = Math.max(this.#workSeconds, alone / (this.#plan.pipelineDepth ?? 1));
    return Math.min(this.#plan.timeout, this.#assumed.invocationSeconds + alone + (batch - 1) * each);
  }

  /** Seconds that an image takes of a full batch. */
  get secondsPerImage(): number {
    const { batchSize } = this.#plan;
    return this.duration(batchSize) / batchSize;
  }

  /** @param taken the messages of these batches, by the times they were received before */
  begin(batches: Batches, taken: readonly number[]): void {
    const { count, messages, from, to } = batches;
    this.unfinished += messages;
    this.held += messages;
    this.usage.invocations += count;
    this.usage.billedSeconds += count * (to - from);
    this.usage.polls += count * Math.ceil(messages / count / this.#assumed.pollBatch);
    for (let second = Math.floor(from); second < to; second++) {
      const part = Math.min(to, second + 1) - Math.max(from, second);
      this.running[second] = (this.running[second] ?? 0) + count * part;
    }

    const end = Math.floor(to);
    const ending = this.#endingIn(end);
    ending.held += messages;
    let done = 0;
    for (const [receives, all = 0] of taken.entries()) {
      this.usage.tries += all;
      // An image that takes longer than its share is rejected; the others that fail come again.
      const failed = this.#tooSlow ? 0 : this.#rng.binomial(all, this.#failures);
      if (this.#tooSlow) ending.rejected += all;
      else done += all - failed;
      const second = end + 1 + backoff(receives + 1, 0.5);
      if (failed > 0) ending.again.push({ receives, messages: failed, second });
    }
    this.#write(done, batches);
  }

  /** Writes the results of batches one after the other, not all at the end. */
  #write(results: number, { count, messages, from, to }: Batches): void {
    const perImage = (to - from) / Math.max(1, Math.ceil(messages / count));
    let written = 0;
    for (let second = Math.floor(from); written < results; second++) {
      const images = Math.floor((second + 1 - from) / perImage + 1e-9);
      const ready = second + 1 > to ? results : Math.min(results, count * images);
      this.#endingIn(second).done += ready - written;
      written = ready;
    }
  }

  /** Ends what ends in this second. */
  end(second: number, queue: Queue): void {
    const ending = this.#endings.get(second);
    if (!ending) return;
    this.#endings.delete(second);
    this.held -= ending.held;
    this.done += ending.done;
    this.rejected += ending.rejected;
    this.unfinished -= ending.done + ending.rejected;
    for (const { receives, messages, second: again } of ending.again) {
      this.unfinished -= messages;
      queue.giveBack(messages, receives + 1, again);
    }
  }

  /** Counts environments that run without a result. */
  waitInside(second: number, messages: number, limit: number): void {
    const running = this.running[second] ?? 0;
    const more = Math.max(0, Math.min(limit - running, Math.ceil(messages / this.#plan.batchSize)));
    this.running[second] = running + more;
    this.usage.billedSeconds += more;
  }

  #endingIn(second: number): Ending {
    const ending = this.#endings.get(second) ?? { held: 0, done: 0, rejected: 0, again: [] };
    this.#endings.set(second, ending);
    return ending;
  }
}
