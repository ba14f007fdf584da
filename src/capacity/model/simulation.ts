import { RETENTION_SECONDS } from "../../delivery/queue.ts";
import type { Assumptions } from "../assumptions.ts";
import { sum } from "../format.ts";
import type { Bound, Limit, Wait } from "../limits.ts";
import type { Load, Plan, WorkerPlan } from "../plan.ts";
import { Bucket } from "./bucket.ts";
import { maxMinFairShare } from "./max-min-fair-share.ts";
import { rng } from "./rng.ts";
import type { Usage } from "./work.ts";
import { WorkerState } from "./worker.ts";

/** Records of one worker, second by second. Counts are of a second's end; all are whole numbers but for `running`. */
export interface WorkerSeries {
  readonly plan: WorkerPlan;
  /** Messages in the queue that no function works on. */
  readonly backlog: number[];
  /** Environments at work, on average. */
  readonly running: number[];
  /** Batches that the mapping would run at once. */
  readonly mapping: number[];
  /** Messages so far that were done with: results, and what went to the dead-letter queue. */
  readonly finished: number[];
  readonly results: number;
  readonly deadLetters: number;
  /** Messages that were kept too long. */
  readonly lost: number;
  /** Messages that the queue got. */
  readonly messages: number;
  readonly usage: Usage;
}

export interface Simulation {
  /**
   * Images so far that came, that S3 took, that are in all queues, and that all workers are done with, by second; without
   * workers whose images are results.
   */
  readonly arrived: number[];
  readonly accepted: number[];
  readonly queued: number[];
  readonly finished: number[];
  readonly workers: readonly WorkerSeries[];
  /** The worst first. */
  readonly waits: readonly Wait[];
  /** The second by whose end everything was done with. @default none, where it was not in the time given */
  readonly drained: number | undefined;
}

/** Limits that all workers share. */
const SHARED: ReadonlySet<Limit> = new Set(["sourceReads", "resultWrites", "account"]);

/**
 * Runs a load through a plan, second by second.
 * @param options the seed of chance, and the second at which to stop at the latest, by default when queues forget
 * @throws Error where in any second an image was neither waiting, nor under way, nor done with: the model is wrong then
 */
export function simulate(
  plan: Plan,
  load: Load,
  assumed: Assumptions,
  { seed = 1, until = RETENTION_SECONDS }: { seed?: number; until?: number } = {},
): Simulation {
  const run = new Run(plan, load, assumed, seed);
  const end = Math.min(until, RETENTION_SECONDS);
  for (let second = 0; second < end && run.drained === undefined; second++) {
    const stored = run.upload(second);
    run.publish(second, stored);
    run.process(second);
    run.record(second);
  }
  return run.result();
}

/** Messages to one queue: of uploads, or of results of other workers. */
interface Told {
  /** Workers whose results they are about; undefined where they are about uploads. */
  readonly after: readonly WorkerState[] | undefined;
  /** Results of theirs that were noticed, and those of which the event is on its way, by the second in which it is there. */
  results: number;
  readonly events: Map<number, number>;
  onTheWay: number;
  unpublished: number;
  /** Messages in the second that runs, and so far; the latter by second, too. */
  now: number;
  published: number;
  readonly queued: number[];
}

class Run {
  drained: number | undefined;
  readonly #load: Load;
  readonly #assumed: Assumptions;
  readonly #source: Bucket;
  readonly #results: Bucket;
  readonly #workers: readonly WorkerState[];
  /** What each worker is told. */
  readonly #told: readonly Told[];
  readonly #series: readonly Record<"backlog" | "mapping" | "finished", number[]>[];
  readonly #waits = new Map<string, Wait>();
  readonly #arrived: number[] = [];
  readonly #accepted: number[] = [];
  readonly #queued: number[] = [];
  /** Events of S3 on their way, by the second in which they are there. */
  readonly #events = new Map<number, number>();
  /** Images that came, wait to be uploaded, whose event is on its way, waits to be published, and was published. */
  readonly #images = { came: 0, uploading: 0, onTheWay: 0, unpublished: 0, published: 0 };

  constructor(plan: Plan, load: Load, assumed: Assumptions, seed: number) {
    const chance = rng(seed);
    this.#load = load;
    this.#assumed = assumed;
    this.#source = new Bucket(assumed.s3SourcePartitions, assumed.s3SplitSeconds);
    this.#results = new Bucket(assumed.s3ResultsPartitions, assumed.s3SplitSeconds);
    this.#workers = plan.workers.map((worker) => new WorkerState(worker, load, assumed, chance));
    this.#series = plan.workers.map(() => ({ backlog: [], mapping: [], finished: [] }));
    this.#told = plan.workers.map(({ after }) => ({
      after: after && this.#workers.filter(({ plan: { name } }) => after.includes(name)),
      ...{ results: 0, onTheWay: 0, unpublished: 0, now: 0, published: 0 },
      events: new Map<number, number>(),
      queued: [],
    }));
  }

  /** Clients upload, and try again what S3 refuses. @returns images that S3 took */
  upload(second: number): number {
    this.#source.tick();
    this.#results.tick();
    const images = this.#images;
    const arriving = this.#load.arrivals[second] ?? 0;
    images.came += arriving;
    images.uploading += arriving;
    const stored = Math.min(images.uploading, Math.floor(this.#source.rate(this.#assumed.s3WritesPerSecond)));
    images.uploading -= stored;
    if (images.uploading > 0) {
      this.#source.refused = true;
      this.#wait(second, "sourceWrites", images.uploading);
    }
    return stored;
  }

  /** S3 tells the topics, and each topic its queues. What is left of the quota for publishes is for topics of results. */
  publish(second: number, stored: number): void {
    const images = this.#images;
    images.onTheWay += stored;
    this.#events.set(this.#later(second), stored);
    const told = this.#events.get(second) ?? 0;
    this.#events.delete(second);
    images.onTheWay -= told;
    images.unpublished += told;
    const published = Math.min(images.unpublished, Math.floor(this.#assumed.snsPublishesPerSecond));
    images.unpublished -= published;
    images.published += published;
    if (images.unpublished > 0) this.#wait(second, "publishes", images.unpublished);
    const left = Math.floor(this.#assumed.snsPublishesPerSecond) - published;
    for (const [index, told] of this.#told.entries()) {
      told.now = told.after ? this.#publishResults(second, told, left) : published;
      told.published += told.now;
      if (told.unpublished > 0)
        this.#wait(second, "publishes", told.unpublished, this.#workers[index]?.plan.name);
    }
  }

  /** @returns results of which the topic tells */
  #publishResults(second: number, told: Told, max: number): number {
    const here = told.events.get(second) ?? 0;
    told.events.delete(second);
    told.onTheWay -= here;
    const waiting = told.unpublished + here;
    const published = Math.min(waiting, max);
    told.unpublished = waiting - published;
    return published;
  }

  /** The second in which the event is there of what S3 stores in this one. */
  #later(second: number): number {
    return second + 1 + Math.round(this.#assumed.s3EventSeconds);
  }

  /** Functions begin what may begin, and end what ends. */
  process(second: number): void {
    const { s3ReadsPerSecond, s3WritesPerSecond } = this.#assumed;
    for (const [index, worker] of this.#workers.entries()) worker.tick(second, this.#toldTo(index).now);
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
    for (const [index, { work, queue, plan }] of this.#workers.entries()) {
      work.end(second, queue);
      const { queued, published } = this.#toldTo(index);
      const outdated = (queued[second - plan.retention] ?? 0) - (published - queue.visible);
      if (outdated > 0) queue.expire(outdated);
    }
    for (const told of this.#told) {
      if (!told.after) continue;
      const results = sum(told.after, ({ work }) => work.done);
      told.onTheWay += results - told.results;
      told.events.set(this.#later(second), results - told.results);
      told.results = results;
    }
  }

  #toldTo(index: number): Told {
    return this.#told[index] as Told;
  }

  /** Notes what stands at the end of a second, and counts every image. */
  record(second: number): void {
    const { came, uploading, onTheWay, unpublished, published } = this.#images;
    const waiting = uploading + onTheWay + unpublished;
    check("the buckets and the topic", second, came, waiting + published);
    this.#arrived.push(came);
    this.#accepted.push(came - uploading);
    this.#queued.push(published);
    for (const [index, worker] of this.#workers.entries()) {
      const told = this.#toldTo(index);
      told.queued.push(told.published);
      check(worker.plan.name, second, told.published, worker.open + worker.finished);
      if (told.after)
        check(`the topic before ${worker.plan.name}`, second, told.results, pending(told) + told.published);
      this.#series[index]?.backlog.push(worker.queue.visible + worker.queue.hidden);
      this.#series[index]?.mapping.push(worker.mapping.concurrency);
      this.#series[index]?.finished.push(worker.finished);
    }
    const allCame =
      second + 1 >= this.#load.arrivals.length &&
      waiting === 0 &&
      this.#told.every((told) => pending(told) === 0);
    if (allCame && this.#workers.every(({ open }) => open === 0)) this.drained = second + 1;
  }

  result(): Simulation {
    const workers = this.#workers.map(({ plan, work, queue }, index) => ({
      plan,
      ...(this.#series[index] ?? { backlog: [], mapping: [], finished: [] }),
      running: this.#arrived.map((_, second) => work.running[second] ?? 0),
      results: work.done,
      deadLetters: work.rejected + queue.deadLetters,
      lost: queue.expired,
      messages: this.#toldTo(index).published,
      usage: work.usage,
    }));
    return {
      arrived: this.#arrived,
      accepted: this.#accepted,
      queued: this.#queued,
      finished: this.#arrived.map((_, second) =>
        Math.min(...workers.filter(({ plan }) => !plan.after).map(({ finished }) => finished[second] ?? 0)),
      ),
      workers,
      waits: [...this.#waits.values()].sort((a, b) => b.imageSeconds - a.imageSeconds),
      drained: this.drained,
    };
  }

  #wait(second: number, limit: Limit, images: number, worker?: string): void {
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
      plan.reservedConcurrency === undefined ? { wants: wanted, has: busy } : { wants: 0, has: 0 },
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
    has: 0,
  }));
  if (sum(shares, ({ wants }) => wants) <= perSecond) return [];
  return maxMinFairShare(perSecond, shares).map((part) => ({ limit, max: Math.max(1, Math.floor(part)) }));
}

/** Results of which a worker is to be told, and was not. */
function pending({ onTheWay, unpublished }: Told): number {
  return onTheWay + unpublished;
}

function check(where: string, second: number, came: number, accounted: number): void {
  if (came === accounted) return;
  throw new Error(
    `The model lost count: at ${where}, in second ${second}, ${came} came and ${accounted} are accounted for.`,
  );
}
