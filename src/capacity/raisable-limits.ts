import { secondsOfLargest } from "../delivery/limits.ts";
import { imagesFor, secondsFor } from "../delivery/share.ts";
import { BATCHES_PER_POLLER, SCALING, WORKER } from "../topology/worker-settings.ts";
import type { AssumptionName, Assumptions } from "./assumptions.ts";
import { list } from "./format.ts";
import { pollersOf, type WorkerPlan } from "./plan.ts";

/** Something to be raised, and to what. */
export interface Raise {
  /** Owner: a quota of the account, a setting of the stack, or the partitions of a bucket. */
  readonly kind: "quota" | "setting" | "partitions";
  readonly what: string;
  /** The name under which Service Quotas knows it, where it does. */
  readonly quota?: { readonly service: string; readonly code: string };
  readonly from: number | string;
  readonly to: number;
}

/** What can be raised as a whole. */
export interface State {
  readonly workers: readonly WorkerPlan[];
  readonly assumed: Assumptions;
}

/** The names under which Service Quotas knows quotas. */
export const QUOTAS = {
  snsPublishesPerSecond: { service: "sns", code: "L-F8E2BA85" },
  lambdaConcurrency: { service: "lambda", code: "L-B99A9384" },
} as const;

/** One thing that can be raised, for all workers alike. */
type RaisableLimit =
  | (Omit<Raise, "from" | "to"> & { readonly max: number })
  | {
      readonly kind: "setting";
      /** The setting, with those that follow from it, as a worker has them. */
      readonly settings: Readonly<Record<string, (worker: WorkerPlan) => number | string>>;
      readonly max: number;
    };

/** Upper bound for quotas, for which AWS has none in writing. */
const PLENTY = 10_000_000;

/** More than a bucket needs for millions of requests a second. */
export const MANY_PARTITIONS = 10_000;

/**
 * All that can be raised, from the first thing that an image meets to the last; but what costs by the month is raised only
 * where what costs nothing is not enough, and as images of a batch come again together, batches at the very end.
 */
export const RAISABLE = {
  s3SourcePartitions: { kind: "partitions", what: "partitions of the source bucket", max: MANY_PARTITIONS },
  snsPublishesPerSecond: {
    kind: "quota",
    what: 'SNS "Messages Published per Second"',
    quota: QUOTAS.snsPublishesPerSecond,
    max: PLENTY,
  },
  s3ResultsPartitions: { kind: "partitions", what: "partitions of the results bucket", max: MANY_PARTITIONS },
  sqsInFlight: { kind: "quota", what: "SQS messages in flight per queue", max: PLENTY },
  minimumPollers: {
    kind: "setting",
    settings: { "scaling.minimumPollers": (worker) => pollersOf(worker)?.minimumPollers ?? "standard mode" },
    max: SCALING.minimumPollers.maximum,
  },
  maximumPollers: {
    kind: "setting",
    settings: {
      "scaling.maximumPollers": (worker) => pollersOf(worker)?.maximumPollers ?? "standard mode",
      reservedConcurrency: ({ reservedConcurrency = "none" }) => reservedConcurrency,
    },
    max: SCALING.maximumPollers.maximum,
  },
  lambdaConcurrency: {
    kind: "quota",
    what: 'Lambda "Concurrent executions"',
    quota: QUOTAS.lambdaConcurrency,
    max: PLENTY,
  },
  batchSize: {
    kind: "setting",
    settings: { batchSize: ({ batchSize }) => batchSize, timeout: ({ timeout }) => timeout },
    max: 10,
  },
} as const satisfies Record<string, RaisableLimit>;

export type RaisableName = keyof typeof RAISABLE;

/** Values of what is raised. */
export type Values = Readonly<Partial<Record<RaisableName, number>>>;

/** As few pollers as there can be. */
const FEWEST = { minimumPollers: 2, maximumPollers: 2 };

/** Asks for a tenth more, up to two digits that count, as the model is not the world; but for no larger batches. */
export function generous(name: RaisableName, value: number): number {
  const { kind, max } = RAISABLE[name];
  if (name === "batchSize") return value;
  const more = value * 1.1;
  const unit = kind === "partitions" ? 1 : 10 ** Math.max(0, Math.floor(Math.log10(more)) - 1);
  return Math.min(max, Math.ceil(more / unit) * unit);
}

/** The workers and the numbers with some values raised. What was higher stays. */
export function raised({ workers, assumed }: State, values: Values): State {
  const numbers = Object.entries(values).filter(([name]) => name in assumed);
  return {
    workers: workers.map((worker) => ({
      ...worker,
      ...withPollers(worker, values),
      ...withBatch(worker, values),
    })),
    assumed: { ...assumed, ...Object.fromEntries(numbers) },
  };
}

/** Raises pollers, and what is reserved for the function with them, as that is its maximum. */
function withPollers(worker: WorkerPlan, { minimumPollers, maximumPollers }: Values): Partial<WorkerPlan> {
  if (minimumPollers === undefined && maximumPollers === undefined) return {};
  const own = pollersOf(worker) ?? FEWEST;
  const min = Math.max(own.minimumPollers, minimumPollers ?? 0);
  const max = Math.max(own.maximumPollers, maximumPollers ?? 0, min);
  const reserved =
    worker.reservedConcurrency && Math.max(worker.reservedConcurrency, max * BATCHES_PER_POLLER);
  return { scaling: { minimumPollers: min, maximumPollers: max }, reservedConcurrency: reserved };
}

/** Raises the batch, and the time of an invocation with it, as settings do by default. */
function withBatch({ batchSize, timeout, memorySize }: WorkerPlan, values: Values): Partial<WorkerPlan> {
  const work = secondsOfLargest(memorySize);
  const size = Math.min(values.batchSize ?? 0, imagesFor(work, WORKER.timeout.maximum));
  if (size <= batchSize) return {};
  return { batchSize: size, timeout: Math.max(timeout, secondsFor(work, size)) };
}

/** Lists what was raised from one state to another, in which these values are. */
export function raisesOf(before: State, after: State, values: Values): Raise[] {
  return (Object.entries(values) as [RaisableName, number][]).flatMap(([name, to]): Raise[] => {
    const { max: _, ...limit } = RAISABLE[name];
    if (!("settings" in limit)) return [{ ...limit, from: before.assumed[name as AssumptionName], to }];
    return Object.entries<(worker: WorkerPlan) => number | string>(limit.settings).flatMap(([what, of]) => {
      const raised = after.workers.map(of);
      const changed = before.workers.filter((worker, at) => of(worker) !== raised[at]);
      if (!changed[0]) return [];
      const names = list(changed.map(({ name }) => name));
      const to = Math.max(...raised.filter((value) => typeof value === "number"));
      return [{ kind: "setting", what: `${what} of ${names}`, from: of(changed[0]), to }];
    });
  });
}
