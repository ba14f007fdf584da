import { secondsOfLargest } from "../delivery/limits.ts";
import { imagesFor, secondsFor } from "../delivery/share.ts";
import type { NumberName, Numbers } from "./numbers.ts";
import { type Plan, type ProvisionedScaling, pollersOf, type WorkerPlan } from "./plan.ts";
import { list } from "./words.ts";

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
  readonly numbers: Numbers;
}

/** One thing that can be raised, from the least to the most that can be had. */
export interface Lever {
  readonly kind: Raise["kind"];
  readonly least: number;
  readonly most: number;
  readonly set: (state: State, value: number) => State;
  /** Puts back what was given. */
  readonly keep: (state: State) => State;
  /** What to ask for where so much is the least that is enough. */
  readonly ask: (least: number) => number;
  readonly raises: (to: number) => Raise[];
}

/** What AWS raises on request has no upper bound that is written down. */
const PLENTY = 10_000_000;

/** More than a bucket needs for millions of requests a second. */
const MANY_PARTITIONS = 10_000;

/** Asked for above what the model needs, as the model is not the world. */
const HEADROOM = 1.1;

/** A tenth more, up to two digits that count: what a person would ask for. */
function generous(value: number): number {
  const more = value * HEADROOM;
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(more)) - 1);
  return Math.ceil(more / unit) * unit;
}

/** All that can be raised, from the first thing that an image meets to the last. */
export function leversOf({ plan, numbers }: State): Lever[] {
  const groups = groupsOf(plan);
  return [
    partitions("s3SourcePartitions", "partitions of the source bucket", numbers),
    quota("snsPublishesPerSecond", 'SNS "Messages Published per Second"', numbers, {
      service: "sns",
      code: "L-F8E2BA85",
    }),
    partitions("s3ResultsPartitions", "partitions of the results bucket", numbers),
    quota("sqsInFlight", "SQS messages in flight per queue", numbers),
    // What costs by the month is raised only where what costs nothing is not enough.
    ...groups.map((group) => minimumPollers(group, numbers)),
    ...groups.map((group) => maximumPollers(group, numbers)),
    quota("lambdaConcurrency", 'Lambda "Concurrent executions"', numbers, {
      service: "lambda",
      code: "L-B99A9384",
    }),
    // Images of a batch come again together: no more of them than all the rest leaves necessary.
    ...groups.map((group) => batchSize(group, numbers)),
  ];
}

function quota(name: NumberName, what: string, numbers: Numbers, code?: NonNullable<Raise["quota"]>): Lever {
  const from = numbers[name];
  return {
    kind: "quota",
    least: Math.max(1, from),
    most: Math.max(PLENTY, from),
    ...number(name, from),
    ask: generous,
    raises: (to) => [{ kind: "quota", what, ...(code ? { quota: code } : {}), from, to }],
  };
}

function partitions(name: NumberName, what: string, numbers: Numbers): Lever {
  const from = numbers[name];
  return {
    kind: "partitions",
    least: Math.max(1, from),
    most: Math.max(MANY_PARTITIONS, from),
    ...number(name, from),
    ask: (least) => Math.ceil(least * HEADROOM),
    raises: (to) => [{ kind: "partitions", what, from, to }],
  };
}

function number(name: NumberName, given: number): Pick<Lever, "set" | "keep"> {
  const set = (state: State, value: number) => ({ ...state, numbers: { ...state.numbers, [name]: value } });
  return { set, keep: (state) => set(state, given) };
}

/** Workers that are alike but for their names: what one needs, all of them do. */
interface Group {
  readonly worker: WorkerPlan;
  readonly names: readonly string[];
}

function groupsOf(plan: Plan): Group[] {
  const alike = Map.groupBy(plan.workers, (worker) => JSON.stringify({ ...worker, name: "" }));
  return [...alike.values()].flatMap((workers) => {
    const names = workers.map(({ name }) => name);
    return workers.slice(0, 1).map((worker) => ({ worker, names }));
  });
}

function changed(state: State, { names }: Group, change: (worker: WorkerPlan) => Partial<WorkerPlan>): State {
  const workers = state.plan.workers.map((worker) =>
    names.includes(worker.name) ? { ...worker, ...change(worker) } : worker,
  );
  return { ...state, plan: { ...state.plan, workers } };
}

/** As few pollers as there can be. */
const FEWEST: ProvisionedScaling = { minimumPollers: 2, maximumPollers: 2 };

/** How many pollers there may be; what is reserved for the function grows with them, as it is its most. */
function maximumPollers({ worker, names }: Group, numbers: Numbers): Lever {
  const group = { worker, names };
  const given = pollersOf(worker);
  const { scaling, reservedConcurrency } = worker;
  const from = given?.maximumPollers ?? FEWEST.maximumPollers;
  const reservedFor = (pollers: number) =>
    reservedConcurrency && Math.max(reservedConcurrency, pollers * numbers.pollerConcurrency);
  const set = (state: State, most: number) =>
    changed(state, group, (now) => ({
      scaling: {
        minimumPollers: Math.min(most, (pollersOf(now) ?? given ?? FEWEST).minimumPollers),
        maximumPollers: most,
      },
      reservedConcurrency: reservedFor(most),
    }));
  return {
    kind: "setting",
    least: from,
    most: Math.max(numbers.maximumPollersMost, from),
    set,
    // A mode that is enough is left alone.
    keep: (state) =>
      given
        ? changed(set(state, from), group, () => ({ reservedConcurrency }))
        : changed(state, group, () => ({ scaling, reservedConcurrency })),
    ask: generous,
    raises: (to) => [
      raise("scaling.maximumPollers", names, given ? from : "standard mode", to),
      ...(reservedConcurrency && reservedFor(to) !== reservedConcurrency
        ? [raise("reservedConcurrency", names, reservedConcurrency, reservedFor(to) ?? 0)]
        : []),
    ],
  };
}

/** How many pollers are always there, which cost by the hour. */
function minimumPollers({ worker, names }: Group, numbers: Numbers): Lever {
  const group = { worker, names };
  const given = pollersOf(worker);
  const from = (given ?? FEWEST).minimumPollers;
  const set = (state: State, least: number) =>
    changed(state, group, (now) => ({
      scaling: {
        minimumPollers: least,
        maximumPollers: Math.max(least, (pollersOf(now) ?? given ?? FEWEST).maximumPollers),
      },
    }));
  return {
    kind: "setting",
    least: from,
    most: Math.max(numbers.minimumPollersMost, from),
    set,
    keep: (state) => {
      const now = state.plan.workers.find(({ name }) => names.includes(name)) ?? worker;
      return pollersOf(now) ? set(state, from) : state;
    },
    ask: generous,
    raises: (to) => [raise("scaling.minimumPollers", names, given ? from : "standard mode", to)],
  };
}

/** How many messages one poll brings; the time of an invocation grows with them, as it does by default. */
function batchSize({ worker, names }: Group, numbers: Numbers): Lever {
  const { batchSize: from, timeout, memorySize } = worker;
  const work = secondsOfLargest(memorySize);
  const timeoutFor = (size: number) => Math.max(timeout, secondsFor(work, size));
  const set = (state: State, size: number) =>
    changed(state, { worker, names }, () =>
      size === from ? { batchSize: from, timeout } : { batchSize: size, timeout: timeoutFor(size) },
    );
  return {
    kind: "setting",
    least: from,
    most: Math.max(from, Math.min(numbers.pollBatch, imagesFor(work, numbers.timeoutMost))),
    set,
    keep: (state) => set(state, from),
    ask: (least) => least,
    raises: (to) => [
      raise("batchSize", names, from, to),
      ...(timeoutFor(to) === timeout ? [] : [raise("timeout", names, timeout, timeoutFor(to))]),
    ],
  };
}

function raise(setting: string, names: readonly string[], from: Raise["from"], to: number): Raise {
  return { kind: "setting", what: `${setting} of ${list(names)}`, from, to };
}
