import type { Batches } from "./environments.ts";
import type { Numbers } from "./numbers.ts";
import type { Load, WorkerPlan } from "./plan.ts";
import type { Queue } from "./queue.ts";
import type { Random } from "./random.ts";

/** What a worker used, to be paid. */
export interface Usage {
  invocations: number;
  /** Seconds of all environments, INIT included. */
  billedSeconds: number;
  /** Tries of a message, each of which reads its source. */
  tries: number;
  polls: number;
  /** Hours of provisioned pollers above the minimum. */
  extraPollerHours: number;
}

/** What ends in one second. */
interface Ending {
  /** Messages of batches that end. */
  held: number;
  done: number;
  rejected: number;
  /** Messages that come again: receives before this try, how many, and in which second. */
  readonly again: { receives: number; messages: number; second: number }[];
}

/** Seconds of the function's time that src/delivery shares among the images of a batch, less what it keeps for requests. */
const RESERVE = { seconds: 2, perImage: 0.01, requests: 5, part: 0.2 };

/** Seconds after which a message that failed is tried again, on average: src/delivery backs off, with chance. */
function backoff(receives: number): number {
  return Math.round(0.75 * Math.min(900, 15 * 2 ** Math.max(1, receives)));
}

/** The batches that a function works on, from their beginning to what becomes of each message. */
export class Work {
  readonly usage: Usage = { invocations: 0, billedSeconds: 0, tries: 0, polls: 0, extraPollerHours: 0 };
  /** Seconds of environments that were at work in each second, which is their number on average. */
  readonly running: number[] = [];
  /** Seconds that an image takes. */
  readonly secondsPerImage: number;
  /** Messages of a full batch. */
  readonly batchSize: number;
  /** Messages in functions whose image is not done yet. */
  unfinished = 0;
  /** Messages in functions, done or not: they are deleted together at the end of a batch. */
  held = 0;
  /** Results that were written. */
  done = 0;
  /** Images that took longer than the function may. */
  rejected = 0;
  readonly #numbers: Numbers;
  readonly #chance: Random;
  readonly #failures: number;
  readonly #timeout: number;
  /** Whether an image takes longer than its share. */
  readonly #tooSlow: boolean;
  readonly #endings = new Map<number, Ending>();

  constructor(plan: WorkerPlan, load: Load, numbers: Numbers, chance: Random) {
    const { timeout, batchSize } = plan;
    this.#numbers = numbers;
    this.#chance = chance;
    this.#failures = load.failures ?? 0;
    this.#timeout = timeout;
    this.secondsPerImage = load.secondsPerImage(plan);
    this.batchSize = Math.max(1, Math.min(batchSize, Math.floor(numbers.batchBytes / numbers.messageBytes)));
    const reserve = Math.min(timeout / 2, RESERVE.seconds + RESERVE.perImage * this.batchSize);
    const share = (timeout - reserve) / this.batchSize;
    this.#tooSlow = this.secondsPerImage > share - Math.min(RESERVE.requests, RESERVE.part * share);
  }

  /** Seconds that a batch takes. */
  duration(batch: number): number {
    const seconds = batch * this.secondsPerImage;
    return Math.min(this.#timeout, this.#numbers.invocationSeconds + seconds);
  }

  /** @param taken the messages of these batches, by the times they were received before */
  begin({ count, messages, from, to }: Batches, taken: readonly number[]): void {
    this.unfinished += messages;
    this.held += messages;
    this.usage.invocations += count;
    this.usage.billedSeconds += count * (to - from);
    this.usage.polls += count * Math.ceil(messages / count / this.#numbers.pollBatch);
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
      const failed = this.#tooSlow ? 0 : this.#chance.binomial(all, this.#failures);
      if (this.#tooSlow) ending.rejected += all;
      else done += all - failed;
      if (failed > 0) {
        ending.again.push({ receives, messages: failed, second: end + 1 + backoff(receives + 1) });
      }
    }
    this.#write(done, count, (to - from) / Math.max(1, Math.ceil(messages / count)), from, to);
  }

  /** The results of batches are there one after the other, not all at the end. */
  #write(results: number, batches: number, perImage: number, from: number, to: number): void {
    let written = 0;
    for (let second = Math.floor(from); written < results; second++) {
      const images = Math.floor((second + 1 - from) / perImage + 1e-9);
      const ready = second + 1 > to ? results : Math.min(results, batches * images);
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

  /** Environments that run, and are paid, without getting on: they try again what S3 refused. */
  waitInside(second: number, messages: number, limit: number): void {
    const running = this.running[second] ?? 0;
    const more = Math.max(0, Math.min(limit - running, Math.ceil(messages / this.batchSize)));
    this.running[second] = running + more;
    this.usage.billedSeconds += more;
  }

  #endingIn(second: number): Ending {
    const ending = this.#endings.get(second) ?? { held: 0, done: 0, rejected: 0, again: [] };
    this.#endings.set(second, ending);
    return ending;
  }
}
