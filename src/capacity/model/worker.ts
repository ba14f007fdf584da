import { RETENTION_SECONDS } from "../../delivery/queue.ts";
import type { Assumptions } from "../assumptions.ts";
import type { Bound, Limit } from "../limits.ts";
import { type Load, pollersOf, type WorkerPlan } from "../plan.ts";
import { Environments } from "./environments.ts";
import type { Feed } from "./feed.ts";
import { Mapping } from "./mapping.ts";
import { Queue } from "./queue.ts";
import type { Rng } from "./rng.ts";
import { type Usage, Work } from "./work.ts";

/** Records of one worker, second by second. Counts are of a second's end; all are whole numbers but for `running`. */
export interface WorkerSeries {
  readonly plan: WorkerPlan;
  /** Messages in the queue that no function works on. */
  readonly backlog: readonly number[];
  /** Environments at work, on average. */
  readonly running: readonly number[];
  /** Batches that the mapping would run at once. */
  readonly mapping: readonly number[];
  /** Messages so far that were done with: results, and what went to the dead-letter queue. */
  readonly finished: readonly number[];
  readonly results: number;
  readonly deadLetters: number;
  /** Messages that were kept too long. */
  readonly lost: number;
  /** Messages that the queue got. */
  readonly messages: number;
  readonly usage: Usage;
}

/** One queue, its mapping and its function, second by second. */
export class WorkerState {
  readonly plan: WorkerPlan;
  /** What its queue is told. */
  readonly feed: Feed;
  readonly queue: Queue;
  readonly mapping: Mapping;
  readonly environments: Environments;
  readonly work: Work;
  readonly #assumed: Assumptions;
  readonly #series = { backlog: [] as number[], mapping: [] as number[], finished: [] as number[] };
  /** Since when messages wait for a batch to fill. */
  #incompleteSince: number | undefined;

  constructor(plan: WorkerPlan, feed: Feed, load: Load, assumed: Assumptions, rng: Rng) {
    this.plan = plan;
    this.feed = feed;
    this.#assumed = assumed;
    this.queue = new Queue(plan.maxReceiveCount);
    this.mapping = new Mapping(plan, assumed);
    this.work = new Work(plan, load, assumed, rng);
    this.environments = new Environments(assumed);
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
  tick(second: number): void {
    this.queue.tick(second);
    this.queue.add(this.feed.now);
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
    const rate = [{ limit: "inFlight", max: inFlight } as const, ...rates].reduce<Bound>(
      (tightest, bound) => (bound.max < tightest.max ? bound : tightest),
      { limit: "polls", max: polls },
    );
    const max = Math.max(0, Math.floor(Math.min(waiting, rate.max)));
    const { messages, batch, held } = this.#gather(second, max, environments.free(second, concurrency));
    const duration = work.duration(batch);
    for (const batches of environments.run(second, concurrency, { messages, batch, duration })) {
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

  /** Ends what ends in this second, and drops what was kept too long. */
  end(second: number): void {
    this.work.end(second, this.queue);
    const { published } = this.feed;
    const taken = (published.at(-1) ?? 0) - this.queue.visible;
    const outdated = (published[second - (this.plan.retention ?? RETENTION_SECONDS)] ?? 0) - taken;
    if (outdated > 0) this.queue.expire(outdated);
  }

  /** Notes what stands at the end of a second. @throws Error unless every message is accounted for */
  record(second: number): void {
    const came = this.feed.published.at(-1) ?? 0;
    const accounted = this.open + this.finished;
    if (came !== accounted) {
      throw new Error(
        `The model lost count: at ${this.plan.name}, in second ${second}, ${came} came and ${accounted} are accounted for.`,
      );
    }
    this.#series.backlog.push(this.queue.visible + this.queue.hidden);
    this.#series.mapping.push(this.mapping.concurrency);
    this.#series.finished.push(this.finished);
  }

  result(): WorkerSeries {
    const { plan, work, queue, feed } = this;
    return {
      plan,
      ...this.#series,
      running: this.#series.finished.map((_, second) => work.running[second] ?? 0),
      results: work.done,
      deadLetters: work.rejected + queue.deadLetters,
      lost: queue.expired,
      messages: feed.published.at(-1) ?? 0,
      usage: work.usage,
    };
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
