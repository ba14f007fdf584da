import type { Plan, ProvisionedScaling, StandardScaling, WorkerPlan } from "./plan.ts";

/** A resource as the program registers it, its inputs resolved. */
export interface Declared {
  /** For example `aws:sqs/queue:Queue`. */
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
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

  /** What a resource is told to be, as far as others refer to it. */
  readonly provision = async (
    declared: Declared,
  ): Promise<{ id: string; state: Record<string, unknown> }> => {
    this.resources.push(declared);
    const { type, name, inputs } = declared;
    const service = /^aws:(\w+)\//.exec(type)?.[1] ?? "";
    const region = service === "s3" ? "" : this.#region;
    const arn = `arn:aws:${service}:${region}:${region && ACCOUNT}:${name}`;
    return { id: name, state: { name, bucket: name, url: name, arn, ...inputs } };
  };
}

/** What AWS takes where the program says nothing: lambda/latest/dg/configuration-memory.html and its neighbours. */
const DEFAULTS = { memorySize: 128, timeout: 3, batchSize: 10, retention: 345_600 };

/** A queue without a redrive policy tries until the message is too old. */
const NEVER = 1000;

/**
 * What the model needs of a program's resources: one worker for each event source mapping of a queue.
 * @throws Error where there is none, or one refers to what is not declared
 */
export function planOf(resources: readonly Declared[], region: string): Plan {
  const workers = ofType(resources, "aws:lambda/eventSourceMapping:EventSourceMapping").map((mapping) =>
    workerOf(mapping, resources),
  );
  if (workers.length === 0) throw new Error("The program declares no queue that a function works on.");
  return {
    region,
    workers,
    alarms: ofType(resources, "aws:cloudwatch/metricAlarm:MetricAlarm")
      .map(({ inputs }) => metricsOf(inputs.metricQueries))
      .reduce((sum, metrics) => sum + metrics, 0),
    dashboards: ofType(resources, "aws:cloudwatch/dashboard:Dashboard").length,
    keys: ofType(resources, "aws:kms/key:Key").length,
  };
}

/** How many metrics an alarm watches, each of which is paid for: one, or those of its expression. */
function metricsOf(queries: unknown): number {
  if (!Array.isArray(queries)) return 1;
  return queries.filter((query: { metric?: unknown }) => query.metric !== undefined).length;
}

function workerOf({ name, inputs }: Declared, resources: readonly Declared[]): WorkerPlan {
  const lambda = referred(resources, "aws:lambda/function:Function", inputs.functionName, name);
  const queue = referred(resources, "aws:sqs/queue:Queue", inputs.eventSourceArn, name);
  const { variables } = (lambda.inputs.environment ?? {}) as { variables?: Record<string, unknown> };
  const reserved = lambda.inputs.reservedConcurrentExecutions;
  return {
    name: String(variables?.WORKER ?? lambda.name),
    memorySize: Number(lambda.inputs.memorySize ?? DEFAULTS.memorySize),
    timeout: Number(lambda.inputs.timeout ?? DEFAULTS.timeout),
    // -1 is Pulumi's way to say that nothing is reserved.
    reservedConcurrency: reserved === undefined || reserved === -1 ? undefined : Number(reserved),
    batchSize: Number(inputs.batchSize ?? DEFAULTS.batchSize),
    maximumBatchingWindowInSeconds: Number(inputs.maximumBatchingWindowInSeconds ?? 0),
    scaling: scalingOf(inputs),
    maxReceiveCount: maxReceiveCount(queue.inputs.redrivePolicy),
    retention: Number(queue.inputs.messageRetentionSeconds ?? DEFAULTS.retention),
  };
}

function scalingOf(mapping: Record<string, unknown>): WorkerPlan["scaling"] {
  const pollers = mapping.provisionedPollerConfig as Partial<ProvisionedScaling> | undefined;
  if (pollers) return { minimumPollers: 2, maximumPollers: 200, ...pollers };
  return mapping.scalingConfig as StandardScaling | undefined;
}

function maxReceiveCount(redrivePolicy: unknown): number {
  if (redrivePolicy === undefined) return NEVER;
  return Number((JSON.parse(String(redrivePolicy)) as { maxReceiveCount: number }).maxReceiveCount);
}

function ofType(resources: readonly Declared[], type: string): Declared[] {
  return resources.filter((resource) => resource.type === type);
}

/** The resource of a type that an ARN or a name stands for, as the {@link Recorder} gave it. */
function referred(resources: readonly Declared[], type: string, reference: unknown, by: string): Declared {
  const found = ofType(resources, type).find(({ name }) => String(reference).split(":").at(-1) === name);
  if (found) return found;
  throw new Error(
    `${by} refers to ${reference}, and the program declares no such ${type.split(":").at(-1)}.`,
  );
}
