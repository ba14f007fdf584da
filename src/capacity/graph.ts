import type { StandardScaling } from "../topology/setting-types.ts";
import { sum } from "./format.ts";
import type { Plan, Stay, WorkerPlan } from "./plan.ts";

/** A resource as the program registers it, its inputs resolved. */
export interface Declared {
  /** For example `aws:sqs/queue:Queue`. */
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
  /** Identifier of a resource that the program does not make but reads. */
  readonly existing?: string | undefined;
}

/** The account that resources are in while nothing is deployed. */
const ACCOUNT = "000000000000";

/**
 * Takes down what a program declares, and makes nothing of it. Names stand for all that AWS would answer, so that it
 * can be seen what refers to what.
 */
export class Recorder {
  readonly resources: Declared[] = [];
  readonly #region: string;

  constructor(region: string) {
    this.#region = region;
  }

  /** Notes a resource. @returns what it is told to be, as far as others refer to it */
  readonly provision = async (
    declared: Declared,
  ): Promise<{ id: string; state: Record<string, unknown> }> => {
    this.resources.push(declared);
    const { type, name, inputs, existing } = declared;
    // A bucket that exists is taken for one that keeps versions, as only AWS could tell.
    const read = existing === undefined ? {} : { versioning: { enabled: true } };
    const service = /^aws:(\w+)\//.exec(type)?.[1] ?? "";
    const region = service === "s3" ? "" : this.#region;
    const arn = `arn:aws:${service}:${region}:${region && ACCOUNT}:${name}`;
    return { id: name, state: { name, bucket: name, url: name, arn, ...read, ...inputs } };
  };
}

/** AWS's own defaults: lambda/latest/dg/configuration-memory.html and its neighbours. */
const DEFAULTS = { memorySize: 128, timeout: 3, batchSize: 10, retention: 345_600 };

/** A queue without a redrive policy tries until the message is too old. */
const NEVER = 1000;

/**
 * Finds what the model needs of a program's resources: one worker for each event source mapping of a queue.
 * @throws Error where there is none, or one refers to what is not declared
 */
export function planOf(resources: readonly Declared[], region: string): Plan {
  const of = (type: string) => resources.filter((resource) => resource.type === type);
  const listed = (type: string, key: string) =>
    of(type).flatMap(({ inputs: { bucket, [key]: list } }) =>
      ((list ?? []) as object[]).map((each) => ({ ...each, bucket })),
    );
  const told = listed("aws:s3/bucketNotification:BucketNotification", "topics") as Told[];
  const rules = listed("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", "rules") as Rule[];
  const found = of("aws:lambda/eventSourceMapping:EventSourceMapping").map((mapping) =>
    workerOf(mapping, resources),
  );
  if (found.length === 0) throw new Error("The program declares no queue that a function works on.");
  const machines = new Set(found.map(({ plan }) => plan.dimensions?.machine));
  // What a results bucket tells is of no new images.
  const sources = told.filter(({ id }) => id !== "completed").map(({ bucket }) => bucket);
  const stay = (isSource: boolean) =>
    stayOf(rules.filter(({ bucket }) => sources.includes(bucket) === isSource));
  return {
    region,
    workers: inChains(machines.size > 1 ? found.map(withMachine) : found, told),
    alarms: sum(of("aws:cloudwatch/metricAlarm:MetricAlarm"), ({ inputs }) =>
      metricsOf(inputs.metricQueries),
    ),
    dashboards: of("aws:cloudwatch/dashboard:Dashboard").length,
    keys: of("aws:kms/key:Key").length,
    noncurrentDays: Math.max(
      0,
      ...rules.map((rule) => rule.noncurrentVersionExpiration?.noncurrentDays ?? 0),
    ),
    stay: { sources: stay(true), results: stay(false) },
  };
}

/** What a bucket tells a topic. */
interface Told {
  readonly bucket: unknown;
  readonly id?: string;
  readonly topicArn?: unknown;
  readonly filterPrefix?: string;
  readonly filterSuffix?: string;
}

/** A rule of a bucket's lifecycle. */
interface Rule {
  readonly bucket: unknown;
  readonly expiration?: { readonly days?: number };
  readonly transitions?: readonly {
    readonly days?: number;
    readonly storageClass: NonNullable<Stay["moved"]>["to"];
  }[];
  readonly noncurrentVersionExpiration?: { readonly noncurrentDays?: number };
}

/** Counts the metrics that an alarm watches, each of which is paid for: one, or those of its expression. */
function metricsOf(queries: unknown): number {
  if (!Array.isArray(queries)) return 1;
  return queries.filter((query: { metric?: unknown }) => query.metric !== undefined).length;
}

/** What rules say of current objects. */
function stayOf(rules: readonly Rule[]): Stay {
  const [transition] = rules.flatMap(({ transitions = [] }) => transitions);
  return {
    days: rules.map(({ expiration }) => expiration?.days).find((days) => days !== undefined),
    moved: transition && { to: transition.storageClass, after: transition.days ?? 0 },
  };
}

/** A worker, where its results go, and the subscription by which it is told. */
interface Found {
  readonly plan: WorkerPlan;
  readonly resultsBucket: string | undefined;
  /** How keys of its results begin. */
  readonly prefix: string;
  readonly subscription: Declared["inputs"];
}

function workerOf({ name, inputs }: Declared, resources: readonly Declared[]): Found {
  const lambda = referred(resources, "aws:lambda/function:Function", inputs.functionName, name);
  const queue = referred(resources, "aws:sqs/queue:Queue", inputs.eventSourceArn, name);
  const reserved = lambda.inputs.reservedConcurrentExecutions;
  const redrive = queue.inputs.redrivePolicy;
  const { variables = {} } = (lambda.inputs.environment ?? {}) as { variables?: Record<string, string> };
  const { WORKER: service, MACHINE: machine, CARRY: carry = "", PIPELINE_DEPTH: depth = "1" } = variables;
  const subscription = resources.find(
    ({ type, inputs }) =>
      /:TopicSubscription$/.test(type) && String(inputs.endpoint).split(":").at(-1) === queue.name,
  );
  return {
    plan: {
      name: service ?? lambda.name,
      dimensions: service && machine ? { service, machine } : undefined,
      memorySize: Number(lambda.inputs.memorySize ?? DEFAULTS.memorySize),
      timeout: Number(lambda.inputs.timeout ?? DEFAULTS.timeout),
      // -1 is Pulumi's way to say that nothing is reserved.
      reservedConcurrency: reserved === undefined || reserved === -1 ? undefined : Number(reserved),
      batchSize: Number(inputs.batchSize ?? DEFAULTS.batchSize),
      pipelineDepth: Number(depth),
      maximumBatchingWindowInSeconds: Number(inputs.maximumBatchingWindowInSeconds ?? 0),
      scaling: scalingOf(inputs),
      maxReceiveCount: redrive === undefined ? NEVER : Number(JSON.parse(String(redrive)).maxReceiveCount),
      retention: Number(queue.inputs.messageRetentionSeconds ?? DEFAULTS.retention),
      filtersBodies: subscription?.inputs.filterPolicyScope === "MessageBody",
      readsTags: carry.split(",").includes("tags"),
    },
    resultsBucket: variables.RESULTS_BUCKET,
    prefix: variables.RESULTS_PREFIX ?? service ?? "",
    subscription: subscription?.inputs ?? {},
  };
}

/** Says the machine with a worker's name, as each of several may have a worker of that name. */
function withMachine(found: Found): Found {
  const { name, dimensions } = found.plan;
  return dimensions ? { ...found, plan: { ...found.plan, name: `${dimensions.machine}/${name}` } } : found;
}

/**
 * Says of each worker whether it is told of all images, whether these are results of others, and of which, and whether anybody is
 * told of its own.
 */
function inChains(found: readonly Found[], told: readonly Told[]): WorkerPlan[] {
  return found.map(({ plan, resultsBucket, subscription: { topic, filterPolicy } }) => {
    const from = told.filter(({ topicArn }) => topic !== undefined && topicArn === topic);
    const before = found.filter(({ resultsBucket }) =>
      from.some(({ bucket }) => bucket !== undefined && bucket === resultsBucket),
    );
    const selections = before.map(({ prefix }) => selection(filterPolicy, prefix));
    return {
      ...plan,
      tellsOfResults: told.some(({ bucket }) => bucket === resultsBucket),
      isFiltered:
        before.length > 0
          ? selections.includes("some")
          : filterPolicy !== undefined ||
            from.some(({ filterPrefix, filterSuffix }) => (filterPrefix ?? filterSuffix) !== undefined),
      after:
        before.length > 0
          ? before.filter((_, index) => selections[index] !== "none").map((each) => each.plan.name)
          : undefined,
    };
  });
}

/** How many of a worker's results, which begin with its prefix, a filter policy passes on. */
function selection(filterPolicy: unknown, prefix: string): "all" | "some" | "none" {
  if (filterPolicy === undefined) return "all";
  const { key, ...others } = JSON.parse(String(filterPolicy))?.Records?.s3?.object ?? {};
  const begins = ((key ?? []) as { prefix?: string }[]).map((rule) => rule.prefix);
  if (Object.keys(others).length > 0 || begins.includes(undefined)) return "some";
  if (begins.some((text = "") => `${prefix}/`.startsWith(text))) return "all";
  return begins.some((text = "") => text.startsWith(`${prefix}/`)) ? "some" : "none";
}

function scalingOf({ provisionedPollerConfig, scalingConfig }: Declared["inputs"]): WorkerPlan["scaling"] {
  if (!provisionedPollerConfig) return scalingConfig as StandardScaling | undefined;
  return { minimumPollers: 2, maximumPollers: 200, ...provisionedPollerConfig };
}

/** The resource of a type that an ARN or a name stands for, as the {@link Recorder} gave it. */
function referred(resources: readonly Declared[], type: string, reference: unknown, by: string): Declared {
  const names = (each: Declared) => each.type === type && String(reference).split(":").at(-1) === each.name;
  const found = resources.find(names);
  if (found) return found;
  throw new Error(
    `${by} refers to ${reference}, and the program declares no such ${type.split(":").at(-1)}.`,
  );
}
