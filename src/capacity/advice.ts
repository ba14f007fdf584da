import { secondsOfLargest } from "../delivery/limits.ts";
import { imagesFor, secondsFor } from "../delivery/share.ts";
import { BATCHES_PER_POLLER, SCALING, WORKER } from "../topology/worker-settings.ts";
import type { AssumptionName, Assumptions } from "./assumptions.ts";
import { list, sum } from "./format.ts";
import { maxConcurrency } from "./model/mapping.ts";
import { simulate } from "./model/simulation.ts";
import { type Load, pollersOf, type WorkerPlan } from "./plan.ts";

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

/** Said in place of a number of pollers where a worker has none. */
export const STANDARD_MODE = "standard mode";

/** More than a bucket needs for millions of requests a second. */
export const MANY_PARTITIONS = 10_000;

/**
 * All that can be raised, from the first thing that an image meets to the last; but what costs by the month is raised only
 * where what costs nothing is not enough, and as images of a batch come again together, batches at the very end.
 */
const RAISABLE = {
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
    settings: { "scaling.minimumPollers": (worker) => pollersOf(worker)?.minimumPollers ?? STANDARD_MODE },
    max: SCALING.minimumPollers.maximum,
  },
  maximumPollers: {
    kind: "setting",
    settings: {
      "scaling.maximumPollers": (worker) => pollersOf(worker)?.maximumPollers ?? STANDARD_MODE,
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

type RaisableName = keyof typeof RAISABLE;

/** Values of what is raised. */
type Values = Readonly<Partial<Record<RaisableName, number>>>;

export interface Advice extends State {
  /** Raises that are needed; none where all is well or nothing helps: then all that there is is raised. */
  readonly raises: readonly Raise[];
}

/** Ratio to the minimum at which the search ends. */
const CLOSE_ENOUGH = 1.02;

/**
 * Finds what must be raised, and to what, for everything to be done with by `deadline`. All is lifted that can be; then one
 * thing after the other is put back to what it is or, where that is too little, to the minimum that is enough.
 * @param options settingsOnly: takes quotas and buckets for as large as need be, and asks for settings alone
 */
export function advise(
  before: State,
  load: Load,
  deadline: number,
  { seed = 1, settingsOnly = false }: { seed?: number; settingsOnly?: boolean } = {},
): Advice {
  const meets = (values: Values) => {
    const state = raised(before, values);
    return (
      isDeployable(state) &&
      simulate(state, load, state.assumed, { seed, until: deadline }).drained !== undefined
    );
  };
  const names = (Object.keys(RAISABLE) as RaisableName[]).filter(
    (name) => !settingsOnly || RAISABLE[name].kind === "setting",
  );
  let values: Values = Object.fromEntries(names.map((name) => [name, RAISABLE[name].max]));
  if (!meets(values)) return { raises: [], ...raised(before, values) };

  for (const name of names) {
    const { [name]: max = 0, ...kept } = values;
    if (meets(kept)) values = kept;
    else {
      const min = name in before.assumed ? Math.max(1, before.assumed[name as AssumptionName]) : 1;
      const enough = search(min, max, (value) => meets({ ...kept, [name]: value }));
      values = { ...kept, [name]: generous(name, enough) };
    }
  }
  const after = raised(before, values);
  return { raises: raisesOf(before, after, values), ...after };
}

/**
 * Checks that the account has what is reserved, which AWS insists on, and what pollers may run at once: what they take from
 * a queue and no function takes from them counts as a try.
 */
function isDeployable({ workers, assumed }: State): boolean {
  const needed = sum(
    workers,
    (worker) => worker.reservedConcurrency ?? (pollersOf(worker) ? maxConcurrency(worker, assumed) : 0),
  );
  return needed === 0 || needed + assumed.unreservedMin <= assumed.lambdaConcurrency;
}

/** The minimum that is enough, by halving the ratio between what is not and what is. */
function search(min: number, max: number, isEnough: (value: number) => boolean): number {
  let [low, high] = [min, max];
  if (isEnough(low)) return low;
  while (high - low > 1 && high / low > CLOSE_ENOUGH) {
    const middle = Math.min(high - 1, Math.ceil(Math.sqrt(low * high)));
    if (isEnough(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** Asks for a tenth more, up to two digits that count, as the model is not the world; but for no larger batches. */
function generous(name: RaisableName, value: number): number {
  const { kind, max } = RAISABLE[name];
  if (name === "batchSize") return value;
  const more = value * 1.1;
  const unit = kind === "partitions" ? 1 : 10 ** Math.max(0, Math.floor(Math.log10(more)) - 1);
  return Math.min(max, Math.ceil(more / unit) * unit);
}

/** The workers and the numbers with some values raised. What was higher stays. */
function raised({ workers, assumed }: State, values: Values): State {
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
  const own = pollersOf(worker);
  const min = Math.max(own?.minimumPollers ?? SCALING.minimumPollers.minimum, minimumPollers ?? 0);
  const max = Math.max(own?.maximumPollers ?? min, maximumPollers ?? 0, min);
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
function raisesOf(before: State, after: State, values: Values): Raise[] {
  return (Object.entries(values) as [RaisableName, number][]).flatMap(([name, to]): Raise[] => {
    const { max: _, ...limit } = RAISABLE[name];
    if (!("settings" in limit)) return [{ ...limit, from: before.assumed[name as AssumptionName], to }];
    return Object.entries<(worker: WorkerPlan) => number | string>(limit.settings).flatMap(([what, of]) => {
      const raised = after.workers.map(of);
      const changed = before.workers.filter((worker, at) => of(worker) !== raised[at]);
      if (!changed[0]) return [];
      const names = list(changed.map(({ name }) => name));
      const to = Math.max(...raised.filter((value) => typeof value === "number"));
      return [{ kind: "setting", what: `workers.${what} of ${names}`, from: of(changed[0]), to }];
    });
  });
}
