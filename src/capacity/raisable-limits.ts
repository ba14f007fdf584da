import { secondsOfLargest } from "../delivery/limits.ts";
import { imagesFor, secondsFor } from "../delivery/share.ts";
import { BATCHES_PER_POLLER, SCALING_RANGES, WORKER_CHOICES } from "../topology/worker-settings.ts";
import type { AssumptionName, Assumptions } from "./assumptions.ts";
import { list } from "./format.ts";
import { type Plan, pollersOf, type WorkerPlan } from "./plan.ts";

/** Something to be raised, and to what. */
export interface Raise {
  /** Whose it is: a quota of the account, a setting of the stack, or the partitions of a bucket. */
  readonly kind: "quota" | "setting" | "partitions";
  readonly what: string;
  /** The name under which Service Quotas knows it, where it does. */
  readonly quota?: { readonly service: string; readonly code: string };
  readonly from: number | string;
  readonly to: number;
}

export interface State {
  readonly plan: Plan;
  readonly assumed: Assumptions;
}

/** One thing that can be raised, for all workers alike. */
export interface RaisableLimit {
  readonly kind: Raise["kind"];
  readonly min: number;
  readonly max: number;
  readonly set: (state: State, value: number) => State;
  /** Puts back what was given. */
  readonly keep: (state: State) => State;
  /** What to ask for where so much would be just enough. */
  readonly ask: (enough: number) => number;
  readonly raises: (to: number) => Raise[];
}

/** The names under which Service Quotas knows quotas. */
export const QUOTAS = {
  snsPublishesPerSecond: { service: "sns", code: "L-F8E2BA85" },
  lambdaConcurrency: { service: "lambda", code: "L-B99A9384" },
} as const;

/** What AWS raises on request has no upper bound that is written down. */
const PLENTY = 10_000_000;

/** More than a bucket needs for millions of requests a second. */
export const MANY_PARTITIONS = 10_000;

/** As few pollers as there can be. */
const FEWEST = { minimumPollers: 2, maximumPollers: 2 };

/** Asks for a tenth more, up to two digits that count, as the model is not the world. */
function generous(value: number): number {
  const more = value * 1.1;
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(more)) - 1);
  return Math.ceil(more / unit) * unit;
}

/** All that can be raised, from the first thing that an image meets to the last. */
export function raisableLimits({ plan, assumed }: State): RaisableLimit[] {
  const number = (kind: Raise["kind"], name: AssumptionName, what: string, quota?: Raise["quota"]) => {
    const from = assumed[name];
    const set = (state: State, value: number) => ({ ...state, assumed: { ...state.assumed, [name]: value } });
    return {
      kind,
      min: Math.max(1, from),
      max: Math.max(kind === "quota" ? PLENTY : MANY_PARTITIONS, from),
      set,
      keep: (state: State) => set(state, from),
      ask: kind === "quota" ? generous : (enough: number) => Math.ceil(enough * 1.1),
      raises: (to: number) => [{ kind, what, ...(quota && { quota }), from, to }],
    };
  };
  return [
    number("partitions", "s3SourcePartitions", "partitions of the source bucket"),
    number(
      "quota",
      "snsPublishesPerSecond",
      'SNS "Messages Published per Second"',
      QUOTAS.snsPublishesPerSecond,
    ),
    number("partitions", "s3ResultsPartitions", "partitions of the results bucket"),
    number("quota", "sqsInFlight", "SQS messages in flight per queue"),
    // What costs by the month is raised only where what costs nothing is not enough.
    pollers("minimumPollers", plan),
    pollers("maximumPollers", plan),
    number("quota", "lambdaConcurrency", 'Lambda "Concurrent executions"', QUOTAS.lambdaConcurrency),
    // Images of a batch come again together: no more of them than all the rest leaves necessary.
    batchSize(plan, assumed),
  ];
}

function changed(state: State, change: (worker: WorkerPlan, index: number) => Partial<WorkerPlan>): State {
  const workers = state.plan.workers.map((worker, index) => ({ ...worker, ...change(worker, index) }));
  return { ...state, plan: { ...state.plan, workers } };
}

/** A setting, which is told with all workers that have less of it. */
function raise(
  setting: string,
  plan: Plan,
  of: (worker: WorkerPlan) => number | string,
  to: number,
): Raise[] {
  const less = plan.workers.filter((worker) => !(Number(of(worker)) >= to));
  const [from = to] = less.map(of);
  const what = `${setting} of ${list(less.map(({ name }) => name))}`;
  return less.length === 0 ? [] : [{ kind: "setting", what, from, to }];
}

/**
 * How many pollers are always there, which cost by the hour, or how many there may be. What is reserved for a function
 * grows with them, as it is its maximum.
 */
function pollers(name: "minimumPollers" | "maximumPollers", plan: Plan): RaisableLimit {
  const given = plan.workers.map((worker) => pollersOf(worker) ?? FEWEST);
  const reserved = (worker: WorkerPlan, max: number) =>
    worker.reservedConcurrency && Math.max(worker.reservedConcurrency, max * BATCHES_PER_POLLER);
  const set = (state: State, value: number) =>
    changed(state, (worker, index) => {
      const before = given[index] ?? FEWEST;
      const now = { ...(pollersOf(worker) ?? before), [name]: Math.max(before[name], value) };
      const { minimumPollers: min, maximumPollers: max } = now;
      const scaling =
        name === "minimumPollers"
          ? { minimumPollers: min, maximumPollers: Math.max(min, max) }
          : { minimumPollers: Math.min(min, max), maximumPollers: max };
      const own = plan.workers[index] ?? worker;
      return { scaling, reservedConcurrency: reserved(own, scaling.maximumPollers) };
    });
  const fewest = Math.min(...given.map((pollers) => pollers[name]));
  const hasPollers = plan.workers.some((worker) => pollersOf(worker));
  return {
    kind: "setting",
    min: fewest,
    max: Math.max(SCALING_RANGES[name].maximum, fewest),
    set,
    // A mode that is enough is left alone.
    keep: (state) =>
      name === "maximumPollers" && !hasPollers
        ? changed(state, (_, index) => {
            const { scaling, reservedConcurrency } = plan.workers[index] ?? {};
            return { scaling, reservedConcurrency };
          })
        : set(state, fewest),
    ask: generous,
    raises: (to) => [
      ...raise(`scaling.${name}`, plan, (worker) => pollersOf(worker)?.[name] ?? "standard mode", to),
      ...(name === "maximumPollers"
        ? raise(
            "reservedConcurrency",
            plan,
            ({ reservedConcurrency }) => reservedConcurrency ?? PLENTY,
            to * BATCHES_PER_POLLER,
          )
        : []),
    ],
  };
}

/** How many messages one poll brings; the time of an invocation grows with them, as it does by default. */
function batchSize(plan: Plan, assumed: Assumptions): RaisableLimit {
  const sizes = plan.workers.map((worker) => worker.batchSize);
  const timeoutFor = ({ timeout, memorySize }: WorkerPlan, size: number) =>
    Math.max(timeout, secondsFor(secondsOfLargest(memorySize), size));
  const fitting = plan.workers.map(({ memorySize }) =>
    imagesFor(secondsOfLargest(memorySize), WORKER_CHOICES.timeout.maximum),
  );
  const set = (state: State, size: number) =>
    changed(state, (_, index) => {
      const { batchSize, timeout, ...worker } = plan.workers[index] as WorkerPlan;
      if (size <= batchSize) return { batchSize, timeout };
      return { batchSize: size, timeout: timeoutFor({ ...worker, batchSize, timeout }, size) };
    });
  const min = Math.min(...sizes);
  return {
    kind: "setting",
    min,
    max: Math.max(min, Math.min(assumed.pollBatch, ...fitting)),
    set,
    keep: (state) => set(state, min),
    ask: (enough) => enough,
    raises: (to) => [
      ...raise("batchSize", plan, (worker) => worker.batchSize, to),
      ...raise(
        "timeout",
        plan,
        ({ timeout }) => timeout,
        Math.max(...plan.workers.map((worker) => timeoutFor(worker, to))),
      ),
    ],
  };
}
