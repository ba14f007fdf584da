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
  const lifecycles = of("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration");
  const sources = of("aws:s3/bucketNotification:BucketNotification")
    .filter(tellsOfImages)
    .map(({ inputs }) => inputs.bucket);
  const workers = withOwnNames(
    of("aws:lambda/eventSourceMapping:EventSourceMapping").map((mapping) => workerOf(mapping, resources)),
  );
  if (workers.length === 0) throw new Error("The program declares no queue that a function works on.");
  return {
    region,
    workers,
    alarms: sum(of("aws:cloudwatch/metricAlarm:MetricAlarm"), ({ inputs }) =>
      metricsOf(inputs.metricQueries),
    ),
    dashboards: of("aws:cloudwatch/dashboard:Dashboard").length,
    keys: of("aws:kms/key:Key").length,
    noncurrentDays: Math.max(0, ...lifecycles.map(noncurrentDays)),
    stay: {
      sources: stayOf(lifecycles.find(({ inputs }) => sources.includes(inputs.bucket))),
      results: stayOf(lifecycles.find(({ inputs }) => !sources.includes(inputs.bucket))),
    },
  };
}

/** Whether a bucket's notification is of new images, not of results. */
function tellsOfImages({ inputs }: Declared): boolean {
  return ((inputs.topics ?? []) as { id?: string }[]).some(({ id }) => id !== "completed");
}

/** Counts the metrics that an alarm watches, each of which is paid for: one, or those of its expression. */
function metricsOf(queries: unknown): number {
  if (!Array.isArray(queries)) return 1;
  return queries.filter((query: { metric?: unknown }) => query.metric !== undefined).length;
}

interface StorageRule {
  readonly expiration?: { readonly days?: number };
  readonly transitions?: readonly {
    readonly days?: number;
    readonly storageClass: NonNullable<Stay["moved"]>["to"];
  }[];
}

/** What a bucket's lifecycle says of current objects. */
function stayOf(lifecycle: Declared | undefined): Stay {
  const rules = (lifecycle?.inputs.rules ?? []) as StorageRule[];
  const [transition] = rules.flatMap(({ transitions = [] }) => transitions);
  return {
    days: rules.map(({ expiration }) => expiration?.days).find((days) => days !== undefined),
    moved: transition && { to: transition.storageClass, after: transition.days ?? 0 },
  };
}

/** Days for which a bucket's lifecycle keeps versions that are not current any more. */
function noncurrentDays({ inputs }: Declared): number {
  const rules = (inputs.rules ?? []) as { noncurrentVersionExpiration?: { noncurrentDays?: number } }[];
  return Math.max(0, ...rules.map((rule) => rule.noncurrentVersionExpiration?.noncurrentDays ?? 0));
}

function variablesOf(lambda: Declared | undefined): Record<string, string> {
  return (lambda?.inputs.environment as { variables?: Record<string, string> } | undefined)?.variables ?? {};
}

function workerOf({ name, inputs }: Declared, resources: readonly Declared[]): WorkerPlan {
  const lambda = referred(resources, "aws:lambda/function:Function", inputs.functionName, name);
  const queue = referred(resources, "aws:sqs/queue:Queue", inputs.eventSourceArn, name);
  const reserved = lambda.inputs.reservedConcurrentExecutions;
  const redrive = queue.inputs.redrivePolicy;
  const variables = variablesOf(lambda);
  const { WORKER: service, MACHINE: machine, CARRY: carry = "", PIPELINE_DEPTH: depth = "1" } = variables;
  return {
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
    isFiltered: isFiltered(queue, resources),
    readsTags: carry.split(",").includes("tags"),
  };
}

/** Says the machine with a worker's name where there are several: each may have a worker of that name. */
function withOwnNames(workers: readonly WorkerPlan[]): WorkerPlan[] {
  const machines = new Set(workers.map(({ dimensions }) => dimensions?.machine));
  return workers.map((worker) =>
    machines.size > 1 && worker.dimensions
      ? { ...worker, name: `${worker.dimensions.machine}/${worker.name}` }
      : worker,
  );
}

/** Whether a queue's topic has a filter for it, or is itself told of some keys alone. */
function isFiltered(queue: Declared, resources: readonly Declared[]): boolean {
  const isFor = (arn: unknown, { name }: Declared) => String(arn).split(":").at(-1) === name;
  return resources
    .filter(({ type, inputs }) => /:TopicSubscription$/.test(type) && isFor(inputs.endpoint, queue))
    .some(({ inputs: { topic, filterPolicy } }) => {
      const topics = resources
        .filter(({ type }) => /:BucketNotification$/.test(type))
        .flatMap(({ inputs }) => (inputs.topics ?? []) as Record<string, unknown>[]);
      const notifications = topics.filter(({ topicArn }) => topicArn === topic);
      const ofBucket = notifications.some((each) => each.filterPrefix ?? each.filterSuffix);
      return filterPolicy !== undefined || ofBucket;
    });
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
