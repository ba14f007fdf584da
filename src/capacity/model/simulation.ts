import { RETENTION_SECONDS } from "../../delivery/queue.ts";
import type { Assumptions } from "../assumptions.ts";
import { sum } from "../format.ts";
import type { Bound, Limit, Wait } from "../limits.ts";
import type { Load, Plan, WorkerPlan } from "../plan.ts";
import { Bucket } from "./bucket.ts";
import { Feed } from "./feed.ts";
import { maxMinFairShare } from "./max-min-fair-share.ts";
import { rng } from "./rng.ts";
import { type WorkerSeries, WorkerState } from "./worker.ts";

export interface Simulation {
  /**
   * Images so far that came, that S3 took, that are in all queues, and that all workers are done with, by second; without
   * workers whose images are results.
   */
  readonly arrived: readonly number[];
  readonly accepted: readonly number[];
  readonly queued: readonly number[];
  readonly finished: readonly number[];
  readonly workers: readonly WorkerSeries[];
  /** The worst first. */
  readonly waits: readonly Wait[];
  /** The second by whose end everything was done with. @default none, where it was not in the time given */
  readonly drained: number | undefined;
}

/** Limits that all workers share. */
const SHARED: ReadonlySet<Limit> = new Set(["sourceReads", "resultWrites", "account"]);

/**
 * Runs a load through the workers of a plan, second by second.
 * @param options the seed of chance, and the second at which to stop at the latest, by default when queues forget
 * @throws Error where in any second a message was neither waiting, nor under way, nor done with: the model is wrong then
 */
export function simulate(
  plan: Pick<Plan, "workers">,
  load: Load,
  assumed: Assumptions,
  { seed = 1, until = RETENTION_SECONDS }: { seed?: number; until?: number } = {},
): Simulation {
  const run = new Run(plan.workers, load, assumed, seed);
  const end = Math.min(until, RETENTION_SECONDS);
  for (let second = 0; second < end && run.drained === undefined; second++) {
    run.upload(second);
    run.publish(second);
    run.process(second);
    run.record(second);
  }
  return run.result();
}

class Run {
  drained: number | undefined;
  readonly #load: Load;
  readonly #assumed: Assumptions;
  readonly #source: Bucket;
  readonly #results: Bucket;
  /** Messages about what is uploaded. */
  readonly #uploads: Feed;
  readonly #workers: readonly WorkerState[];
  /** Messages about results, and the workers that write and that get them. */
  readonly #chains: readonly { feed: Feed; from: readonly WorkerState[]; to: WorkerState }[];
  readonly #waits = new Map<string, Wait>();
  readonly #arrived: number[] = [];

  constructor(plans: readonly WorkerPlan[], load: Load, assumed: Assumptions, seed: number) {
    const chance = rng(seed);
    this.#load = load;
    this.#assumed = assumed;
    this.#source = new Bucket(assumed.s3SourcePartitions, assumed.s3SplitSeconds);
    this.#results = new Bucket(assumed.s3ResultsPartitions, assumed.s3SplitSeconds);
    this.#uploads = new Feed(assumed.s3EventSeconds);
    this.#workers = plans.map((plan) => {
      const feed = plan.after ? new Feed(assumed.s3EventSeconds) : this.#uploads;
      return new WorkerState(plan, feed, load, assumed, chance);
    });
    this.#chains = this.#workers.flatMap((to) => {
      const { after } = to.plan;
      return after
        ? [{ feed: to.feed, from: this.#workers.filter(({ plan }) => after.includes(plan.name)), to }]
        : [];
    });
  }

  /** Clients upload, and try again what S3 refuses. */
  upload(second: number): void {
    this.#source.tick();
    this.#results.tick();
    const came = (this.#arrived.at(-1) ?? 0) + (this.#load.arrivals[second] ?? 0);
    const before = this.#uploads.stored.at(-1) ?? 0;
    const stored = Math.min(came, before + Math.floor(this.#source.rate(this.#assumed.s3WritesPerSecond)));
    this.#arrived.push(came);
    this.#uploads.stored.push(stored);
    if (came > stored) {
      this.#source.refused = true;
      this.#wait(second, "sourceWrites", came - stored);
    }
  }

  /** S3 tells the topics, and each topic its queues. What is left of the quota for publishes is for topics of results. */
  publish(second: number): void {
    const max = Math.floor(this.#assumed.snsPublishesPerSecond);
    this.#wait(second, "publishes", this.#uploads.publish(second, max));
    for (const { feed, to } of this.#chains) {
      this.#wait(second, "publishes", feed.publish(second, max - this.#uploads.now), to.plan.name);
    }
  }

  /** Functions begin what may begin, and end what ends. */
  process(second: number): void {
    const { s3ReadsPerSecond, s3WritesPerSecond } = this.#assumed;
    for (const worker of this.#workers) worker.tick(second);
    const slots = concurrency(this.#workers, this.#assumed);
    const rates = [
      requests("sourceReads", this.#source.rate(s3ReadsPerSecond), this.#workers),
      requests("resultWrites", this.#results.rate(s3WritesPerSecond), this.#workers),
    ];
    for (const [index, worker] of this.#workers.entries()) {
      const left = worker.start(
        second,
        slots[index] as Bound,
        rates.flatMap((each) => each[index] ?? []),
      );
      if (!left) continue;
      if (left.limit === "sourceReads") this.#source.refused = true;
      if (left.limit === "resultWrites") this.#results.refused = true;
      this.#wait(second, left.limit, left.messages, SHARED.has(left.limit) ? undefined : worker.plan.name);
    }
    for (const worker of this.#workers) worker.end(second);
    for (const { feed, from } of this.#chains) feed.stored.push(sum(from, ({ work }) => work.done));
  }

  /** Notes what stands at the end of a second, and whether that is the end of all. */
  record(second: number): void {
    for (const worker of this.#workers) worker.record(second);
    const isDone =
      second + 1 >= this.#load.arrivals.length &&
      this.#arrived.at(-1) === this.#uploads.published.at(-1) &&
      this.#chains.every(({ feed }) => feed.stored.at(-1) === feed.published.at(-1)) &&
      this.#workers.every(({ open }) => open === 0);
    if (isDone) this.drained = second + 1;
  }

  result(): Simulation {
    const workers = this.#workers.map((worker) => worker.result());
    return {
      arrived: this.#arrived,
      accepted: this.#uploads.stored,
      queued: this.#uploads.published,
      finished: this.#arrived.map((_, second) =>
        Math.min(...workers.filter(({ plan }) => !plan.after).map(({ finished }) => finished[second] ?? 0)),
      ),
      workers,
      waits: [...this.#waits.values()].sort((a, b) => b.imageSeconds - a.imageSeconds),
      drained: this.drained,
    };
  }

  #wait(second: number, limit: Limit, images: number, worker?: string): void {
    if (images === 0) return;
    const name = `${limit} ${worker}`;
    const wait = this.#waits.get(name) ?? { limit, worker, imageSeconds: 0, from: second, to: second };
    wait.imageSeconds += images;
    wait.to = second + 1;
    this.#waits.set(name, wait);
  }
}

/**
 * Environments that each worker may have of the account: what is reserved is its owner's, the rest is divided. Where
 * more is reserved than the account has, nobody gets what was promised.
 */
function concurrency(workers: readonly WorkerState[], assumed: Assumptions): Bound[] {
  const { lambdaConcurrency, unreservedMin } = assumed;
  const reserved = sum(workers, ({ plan }) => plan.reservedConcurrency ?? 0);
  const kept = reserved === 0 ? 1 : Math.min(1, Math.max(0, lambdaConcurrency - unreservedMin) / reserved);
  const parts = maxMinFairShare(
    lambdaConcurrency - kept * reserved,
    workers.map(({ plan, wanted, environments: { busy } }) =>
      plan.reservedConcurrency === undefined ? { wants: wanted, has: busy } : { wants: 0 },
    ),
  );
  return workers.map(({ plan: { reservedConcurrency: own } }, index) =>
    own === undefined
      ? { limit: "account", max: Math.floor(parts[index] ?? 0) }
      : { limit: kept < 1 ? "account" : "reserved", max: Math.floor(kept * own) },
  );
}

/** Messages that each worker may begin in a second, where each makes one of so many requests; none where all may. */
function requests(limit: Limit, perSecond: number, workers: readonly WorkerState[]): Bound[] {
  const shares = workers.map(({ queue, wanted, work }) => ({
    wants: Math.min(queue.visible, wanted / work.secondsPerImage),
  }));
  if (sum(shares, ({ wants }) => wants) <= perSecond) return [];
  return maxMinFairShare(perSecond, shares).map((part) => ({ limit, max: Math.max(1, Math.floor(part)) }));
}
