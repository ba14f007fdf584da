import { Environments } from "./environments.ts";
import { type Bound, type Limit, least } from "./limits.ts";
import { Mapping } from "./mapping.ts";
import type { Numbers } from "./numbers.ts";
import { type Load, pollersOf, type WorkerPlan } from "./plan.ts";
import { Queue } from "./queue.ts";
import type { Random } from "./random.ts";
import { Work } from "./work.ts";

/** One queue, its mapping and its function, second by second. */
export class WorkerState {
  readonly plan: WorkerPlan;
  readonly queue: Queue;
  readonly mapping: Mapping;
  readonly environments: Environments;
  readonly work: Work;
  readonly #numbers: Numbers;
  /** Since when messages wait for a batch to fill. */
  #incompleteSince: number | undefined;

  constructor(plan: WorkerPlan, load: Load, numbers: Numbers, chance: Random) {
    this.plan = plan;
    this.#numbers = numbers;
    this.queue = new Queue(plan.maxReceiveCount);
    this.mapping = new Mapping(plan, numbers);
    this.work = new Work(plan, load, numbers, chance);
    this.environments = new Environments({
      burst: numbers.environmentsBurst,
      perSecond: numbers.environmentsPerSecond,
    });
  }

  /** Messages that are not done with. */
  get open(): number {
    return this.queue.visible + this.queue.hidden + this.work.unfinished;
  }

  /** Messages that are done with, whatever became of them. */
  get finished(): number {
    return this.work.done + this.work.rejected + this.queue.deadLetters + this.queue.expired;
  }

  /** Environments that the worker could use in this second. */
  get wanted(): number {
    const { queue, mapping, environments } = this;
    return Math.min(queue.visible > 0 ? mapping.concurrency : environments.busy, environments.possible);
  }

  /** Begins a second. */
  tick(second: number, arrived: number): void {
    this.queue.tick(second);
    this.queue.add(arrived);
    this.environments.tick(second);
  }

  /**
   * Begins what can begin in this second.
   * @param allowed environments that may run at once, by what bounds them outside of this worker
   * @returns what the messages wait for that are left
   */
  start(second: number, allowed: readonly Bound[]): { limit: Limit; messages: number } | undefined {
    const { queue, mapping, environments, work } = this;
    const limit = Math.min(least(allowed).concurrency, Math.max(mapping.concurrency, environments.busy));
    const waiting = queue.visible;
    // Batches shorter than a second make room for others within it.
    const perSecond = Math.max(1, 1 / work.duration(work.batchSize));
    const inFlight = (this.#numbers.sqsInFlight - work.held - queue.hidden) * perSecond;
    const polls = mapping.messagesPerSecond;
    const most = Math.max(0, Math.floor(Math.min(waiting, inFlight, polls)));
    const { messages, batch, held } = this.#gather(second, most, environments.free(second, limit));

    const begun = environments.run(second, limit, {
      messages,
      batch,
      duration: work.duration(batch),
      coldStart: this.#numbers.coldStartSeconds,
    });
    for (const batches of begun) work.begin(batches, queue.take(batches.messages));
    this.#countPollers();
    const started = waiting - queue.visible;
    const left = queue.visible - held;
    if (left <= 0) return undefined;
    if (started >= most && environments.free(second, limit) > 0) {
      return { limit: inFlight < polls ? "inFlight" : this.#growing("polls"), messages: left };
    }
    return { limit: this.#slots(second, allowed, left), messages: left };
  }

  /** Which messages begin in this second, in batches of what size, and which wait for the window. */
  #gather(second: number, messages: number, free: number) {
    const { batchSize } = this.work;
    const window = this.plan.maximumBatchingWindowInSeconds;
    if (window === 0) {
      // Every poller takes what it finds: where there is little, there are many small batches.
      const batch = Math.min(batchSize, Math.max(1, Math.ceil(messages / Math.max(1, free))));
      return { messages, batch, held: 0 };
    }
    const rest = messages % batchSize;
    if (rest === 0) this.#incompleteSince = undefined;
    else this.#incompleteSince ??= second;
    const over = this.#incompleteSince !== undefined && second - this.#incompleteSince >= window;
    if (over) this.#incompleteSince = undefined;
    const held = over ? 0 : rest;
    return { messages: messages - held, batch: batchSize, held };
  }

  #countPollers(): void {
    const own = pollersOf(this.plan);
    if (!own) return;
    const pollers = Math.ceil(this.mapping.concurrency / this.#numbers.pollerConcurrency);
    this.work.usage.extraPollerHours += Math.max(0, pollers - own.minimumPollers) / 3600;
  }

  /** Why no more batches run at once. */
  #slots(second: number, allowed: readonly Bound[], left: number): Limit {
    const { mapping, environments } = this;
    const outside = least(allowed);
    if (outside.concurrency < Math.min(mapping.concurrency, environments.possible)) {
      if (outside.limit === "sourceReads" || outside.limit === "resultWrites") {
        const running = allowed.filter(({ limit }) => limit === "account" || limit === "reserved");
        this.work.waitInside(second, left, Math.min(mapping.concurrency, least(running).concurrency));
      }
      return outside.limit;
    }
    if (environments.possible < mapping.concurrency) return "environments";
    return this.#growing("mapping");
  }

  /** The mapping grows as long as messages wait for it. @returns what they wait for: `grown` once it cannot grow more */
  #growing(grown: Limit): Limit {
    const { mapping } = this;
    if (mapping.concurrency >= mapping.most) return grown;
    mapping.grow();
    return "ramp";
  }
}
