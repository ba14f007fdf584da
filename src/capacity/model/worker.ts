import type { Assumptions } from "../assumptions.ts";
import { type Bound, type Limit, tightest } from "../limits.ts";
import { type Load, pollersOf, type WorkerPlan } from "../plan.ts";
import { Environments } from "./environments.ts";
import { Mapping } from "./mapping.ts";
import { Queue } from "./queue.ts";
import type { Rng } from "./rng.ts";
import { Work } from "./work.ts";

/** One queue, its mapping and its function, second by second. */
export class WorkerState {
  readonly plan: WorkerPlan;
  readonly queue: Queue;
  readonly mapping: Mapping;
  readonly environments: Environments;
  readonly work: Work;
  readonly #assumed: Assumptions;
  /** Since when messages wait for a batch to fill. */
  #incompleteSince: number | undefined;

  constructor(plan: WorkerPlan, load: Load, assumed: Assumptions, rng: Rng) {
    this.plan = plan;
    this.#assumed = assumed;
    this.queue = new Queue(plan.maxReceiveCount);
    this.mapping = new Mapping(plan, assumed);
    this.work = new Work(plan, load, assumed, rng);
    const { environmentsBurst: burst, environmentsPerSecond: perSecond } = assumed;
    this.environments = new Environments({ burst, perSecond });
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
    this.#countPollers();
  }

  /**
   * Begins what can begin in this second.
   * @param slots environments that may run at once, by what bounds them outside of this worker
   * @param rates messages that may begin in a second, likewise
   * @returns what the messages wait for that are left
   */
  start(
    second: number,
    slots: Bound,
    rates: readonly Bound[],
  ): { limit: Limit; messages: number } | undefined {
    const { queue, mapping, environments, work } = this;
    const concurrency = Math.min(slots.max, Math.max(mapping.concurrency, environments.busy));
    const waiting = queue.visible;
    // Batches shorter than a second make room for others within it.
    const perSecond = Math.max(1, 1 / work.duration(this.plan.batchSize));
    const inFlight = (this.#assumed.sqsInFlight - work.held - queue.hidden) * perSecond;
    const polls = mapping.messagesPerSecond;
    const rate = tightest([{ limit: "polls", max: polls }, { limit: "inFlight", max: inFlight }, ...rates]);
    const max = Math.max(0, Math.floor(Math.min(waiting, rate.max)));
    const { messages, batch, held } = this.#gather(second, max, environments.free(second, concurrency));
    const duration = work.duration(batch);
    const coldStart = this.#assumed.coldStartSeconds;
    for (const batches of environments.run(second, concurrency, { messages, batch, duration, coldStart })) {
      work.begin(batches, queue.take(batches.messages));
    }
    const left = queue.visible - held;
    if (left <= 0) return undefined;
    const hasSlots = waiting - queue.visible >= max && environments.free(second, concurrency) > 0;
    if (!hasSlots) return { limit: this.#slots(slots), messages: left };
    // Functions run, and are paid, without getting on: they try again what S3 refused.
    if (rates.includes(rate)) work.waitInside(second, left, concurrency);
    return { limit: rate.limit === "polls" ? this.#growing("polls") : rate.limit, messages: left };
  }

  /** Which messages begin in this second, in batches of what size, and which wait for the window. */
  #gather(second: number, messages: number, free: number) {
    const { batchSize, maximumBatchingWindowInSeconds: window } = this.plan;
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

  /** Counts the hours of pollers that are paid, and polls that find nothing. */
  #countPollers(): void {
    const { usage } = this.work;
    const { pollerConcurrency, idlePolls, idlePollSeconds } = this.#assumed;
    const min = pollersOf(this.plan)?.minimumPollers;
    const pollers = Math.ceil(this.mapping.concurrency / pollerConcurrency);
    if (min !== undefined) usage.extraPollerHours += Math.max(0, pollers - min) / 3600;
    if (this.queue.visible === 0) usage.emptyPolls += Math.max(idlePolls, min ?? 0) / idlePollSeconds;
  }

  /** Why no more batches run at once. */
  #slots(outside: Bound): Limit {
    const { mapping, environments } = this;
    if (outside.max < Math.min(mapping.concurrency, environments.possible)) return outside.limit;
    return environments.possible < mapping.concurrency ? "environments" : this.#growing("mapping");
  }

  /** Grows the mapping while messages wait for it. @returns what they wait for: `grown` once it cannot grow more */
  #growing(grown: Limit): Limit {
    const { mapping } = this;
    if (mapping.concurrency >= mapping.max) return grown;
    mapping.grow();
    return "ramp";
  }
}
