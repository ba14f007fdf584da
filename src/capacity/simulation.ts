import { Bucket } from "./bucket.ts";
import { divide } from "./divide.ts";
import type { Bound, Limit, Wait } from "./limits.ts";
import type { Numbers } from "./numbers.ts";
import type { Load, Plan, WorkerPlan } from "./plan.ts";
import { random } from "./random.ts";
import type { Usage } from "./work.ts";
import { WorkerState } from "./worker.ts";

/** What happened in each second. Counts are of its end; all are whole numbers but for `running`. */
export interface WorkerSeries {
  readonly plan: WorkerPlan;
  /** Messages in the queue that no function works on. */
  readonly backlog: number[];
  readonly inFlight: number[];
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
  readonly usage: Usage;
}

export interface Simulation {
  /** Images so far that came, that S3 took, and that are in all queues, by second. */
  readonly arrived: number[];
  readonly accepted: number[];
  readonly queued: number[];
  readonly workers: readonly WorkerSeries[];
  /** The worst first. */
  readonly waits: readonly Wait[];
  /** The second by whose end everything was done with. @default none, where it was not in the time given */
  readonly drained: number | undefined;
}

/** What is short for all workers together. */
const SHARED: ReadonlySet<Limit> = new Set(["sourceReads", "resultWrites", "account"]);

/** Fourteen days, the longest that a queue keeps anything. */
const HORIZON = 14 * 24 * 3600;

/**
 * Runs a load through a plan, second by second.
 * @param options the seed of chance, and the second at which to stop at the latest
 * @throws Error where in any second an image was neither waiting, nor under way, nor done with: the model is wrong then
 */
export function simulate(
  plan: Plan,
  load: Load,
  numbers: Numbers,
  options: { seed?: number; until?: number } = {},
): Simulation {
  const chance = random(options.seed ?? 1);
  const rates = { reads: numbers.s3ReadsPerSecond, writes: numbers.s3WritesPerSecond };
  const source = new Bucket(numbers.s3SourcePartitions, rates, numbers.s3SplitSeconds);
  const results = new Bucket(numbers.s3ResultsPartitions, rates, numbers.s3SplitSeconds);
  const workers = plan.workers.map((worker) => new WorkerState(worker, load, numbers, chance));
  const series = workers.map(() => ({
    backlog: [] as number[],
    inFlight: [] as number[],
    mapping: [] as number[],
    finished: [] as number[],
  }));
  const waits = new Map<string, Wait>();
  const wait = (second: number, limit: Limit, images: number, worker?: string) => {
    const name = `${limit} ${worker}`;
    const known = waits.get(name) ?? { limit, worker, imageSeconds: 0, from: second, to: second };
    known.imageSeconds += images;
    known.to = second + 1;
    waits.set(name, known);
  };

  const arrived: number[] = [];
  const accepted: number[] = [];
  const queued: number[] = [];
  const events = new Map<number, number>();
  let [uploads, taken, onTheWay, unpublished, published] = [0, 0, 0, 0, 0];
  let [came, drained] = [0, undefined as number | undefined];
  const end = Math.min(options.until ?? HORIZON, HORIZON);
  for (let second = 0; second < end; second++) {
    source.tick();
    results.tick();

    const arriving = load.arrivals[second] ?? 0;
    came += arriving;
    uploads += arriving;
    const stored = Math.min(uploads, Math.floor(source.writes));
    uploads -= stored;
    taken += stored;
    if (uploads > 0) {
      source.refuse();
      wait(second, "sourceWrites", uploads);
    }

    onTheWay += stored;
    events.set(second + 1 + Math.round(numbers.s3EventSeconds), stored);
    const told = events.get(second) ?? 0;
    events.delete(second);
    onTheWay -= told;
    unpublished += told;
    const publishing = Math.min(unpublished, Math.floor(numbers.snsPublishesPerSecond));
    unpublished -= publishing;
    published += publishing;
    if (unpublished > 0) wait(second, "publishes", unpublished);

    for (const worker of workers) worker.tick(second, publishing);
    const reads = requests("sourceReads", source.reads, workers);
    const writes = requests("resultWrites", results.writes, workers);
    const invocations = concurrency(workers, numbers);
    for (const [index, worker] of workers.entries()) {
      const bounds = [invocations, reads, writes].flatMap((each) => each[index] ?? []);
      const left = worker.start(second, bounds);
      if (!left) continue;
      if (left.limit === "sourceReads") source.refuse();
      if (left.limit === "resultWrites") results.refuse();
      wait(second, left.limit, left.messages, SHARED.has(left.limit) ? undefined : worker.plan.name);
    }
    for (const [index, worker] of workers.entries()) {
      const { queue, work, plan: settings } = worker;
      work.end(second, queue);
      const outdated = (queued[second - settings.retention] ?? 0) - (published - queue.visible);
      if (outdated > 0) queue.expire(outdated);
      check(settings.name, second, published, worker.open + worker.finished);
      series[index]?.backlog.push(queue.visible + queue.hidden);
      series[index]?.inFlight.push(work.unfinished);
      series[index]?.mapping.push(worker.mapping.concurrency);
      series[index]?.finished.push(worker.finished);
    }
    arrived.push(came);
    accepted.push(taken);
    queued.push(published);
    check("the buckets and the topic", second, came, uploads + onTheWay + unpublished + published);

    const waiting = uploads + onTheWay + unpublished;
    if (second + 1 >= load.arrivals.length && waiting === 0 && workers.every(({ open }) => open === 0)) {
      drained = second + 1;
      break;
    }
  }

  return {
    arrived,
    accepted,
    queued,
    workers: workers.map((worker, index) => ({
      plan: worker.plan,
      ...(series[index] as (typeof series)[number]),
      running: arrived.map((_, second) => worker.work.running[second] ?? 0),
      results: worker.work.done,
      deadLetters: worker.work.rejected + worker.queue.deadLetters,
      lost: worker.queue.expired,
      usage: worker.work.usage,
    })),
    waits: [...waits.values()].sort((a, b) => b.imageSeconds - a.imageSeconds),
    drained,
  };
}

/**
 * Environments that each worker may have of the account: what is reserved is its owner's, the rest is divided. Where
 * more is reserved than the account has, nobody gets what was promised.
 */
function concurrency(workers: readonly WorkerState[], numbers: Numbers): Bound[] {
  const { lambdaConcurrency, unreservedLeast } = numbers;
  const reserved = workers.reduce((sum, { plan }) => sum + (plan.reservedConcurrency ?? 0), 0);
  const kept = reserved === 0 ? 1 : Math.min(1, Math.max(0, lambdaConcurrency - unreservedLeast) / reserved);
  const own = ({ plan }: WorkerState) => plan.reservedConcurrency !== undefined;
  const parts = divide(
    lambdaConcurrency - kept * reserved,
    workers.map((worker) =>
      own(worker) ? { wants: 0, has: 0 } : { wants: worker.wanted, has: worker.environments.busy },
    ),
  );
  return workers.map(({ plan: { reservedConcurrency: most } }, index) =>
    most === undefined
      ? { limit: "account", concurrency: Math.floor(parts[index] ?? 0) }
      : { limit: kept < 1 ? "account" : "reserved", concurrency: Math.floor(kept * most) },
  );
}

/** Environments that get on with so many requests a second, of which each makes one for every image. */
function requests(limit: Limit, perSecond: number, workers: readonly WorkerState[]): Bound[] {
  const parts = divide(
    perSecond,
    workers.map(({ wanted, environments, work: { secondsPerImage } }) => ({
      wants: wanted / secondsPerImage,
      has: environments.busy / secondsPerImage,
    })),
  );
  return workers.map(({ work: { secondsPerImage }, wanted }, index) => {
    const part = (parts[index] ?? 0) * secondsPerImage;
    // Who gets all it wants is not held up.
    return {
      limit,
      concurrency: part >= wanted - 1e-9 ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(part)),
    };
  });
}

function check(where: string, second: number, came: number, accounted: number): void {
  if (came === accounted) return;
  throw new Error(
    `The model lost count: at ${where}, in second ${second}, ${came} came and ${accounted} are accounted for.`,
  );
}
