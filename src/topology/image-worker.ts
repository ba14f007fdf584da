import { existsSync } from "node:fs";
import path from "node:path";
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { RETENTION_SECONDS } from "../delivery/queue.ts";
import { bundleHandler } from "../packaging/bundle.ts";
import type { DeclaredOutputs } from "../stack-outputs.ts";
import { createAlarms, workerAlarms } from "./alarms.ts";
import { ArgumentError } from "./argument-error.ts";
import { checkName, checkNames, quoted } from "./checks.ts";
import { filterOf, subscriptionFilter } from "./filters.ts";
import { type Granted, grant } from "./grants.ts";
import type { Attachment, ImageFanOut } from "./image-fan-out.ts";
import { guarded, kept } from "./kept.ts";
import { from, merged, type Tags } from "./later.ts";
import { claimPolicy } from "./listeners.ts";
import { logGroupsOf } from "./names.ts";
import { checkPermissions } from "./permissions.ts";
import { lambdaTrustPolicy, queuePolicy, redrivePolicy, workerPolicy } from "./policies.ts";
import type { WorkerSettings } from "./setting-types.ts";
import { type Child, checkTransforms, childOf, variablesOf, withVariables } from "./transform.ts";
import { secondsOfCrash, visibilityTimeout, WORKER } from "./worker-settings.ts";
import { type ImageWorkerTransform, WORKER_TRANSFORMS } from "./worker-transform.ts";

export interface ImageWorkerArgs extends WorkerSettings {
  /** The fan-out that the worker belongs to. The worker gets a message for every image dropped there. */
  readonly fanOut: ImageFanOut;

  /**
   * The TypeScript file that exports `handler`, absolute or relative to the Pulumi project; or an archive with an
   * `index.js` that exports it.
   */
  readonly handler: string | pulumi.asset.Archive;

  /**
   * How keys of results begin, up to a slash: 1 to 128 letters, digits, "_", "." and "-", in parts separated by "/". No
   * worker's results may be among another's. @default the worker's name
   */
  readonly prefix?: string;

  /** Additional environment variables for the handler. @default none */
  readonly environment?: pulumi.Input<Record<string, pulumi.Input<string>>>;

  /**
   * What the function needs beyond the worker's own permissions, for a table or a VPC for example: statements that are added
   * to the role's policy. @default none
   */
  readonly permissions?: pulumi.Input<pulumi.Input<aws.iam.PolicyStatement>[]>;

  /** Changes to individual resources. @default none */
  readonly transform?: ImageWorkerTransform;
}

/** Resources of a worker besides its queues and function. */
export interface ImageWorkerNodes {
  readonly role: aws.iam.Role;
  readonly logGroup: aws.cloudwatch.LogGroup;
  readonly mapping: aws.lambda.EventSourceMapping;
  readonly subscription: aws.sns.TopicSubscription;
}

/**
 * One processor: a queue that gets a message for every image, a function that processes it and writes the result under
 * the worker's prefix, a dead-letter queue for what cannot be processed, and a role that allows just that.
 *
 * @example
 * new ImageWorker("grey", { fanOut, handler: "handlers/grey.ts" });
 */
export class ImageWorker extends pulumi.ComponentResource {
  /** Messages for this worker. */
  readonly queue: aws.sqs.Queue;
  /** Messages that were rejected, with the reason in their attributes, or that failed too often. */
  readonly deadLetterQueue: aws.sqs.Queue;
  /** Function that processes the images. */
  readonly function: aws.lambda.Function;
  /** Further resources, for what neither arguments nor `transform` can do. */
  readonly nodes: ImageWorkerNodes;
  /** Type token, of which a class for one kind of worker has its own. */
  protected static readonly type: string = "image-machine:index:ImageWorker";
  readonly #worker: Worker;
  readonly #granted = new Set<string>();

  constructor(name: string, args: ImageWorkerArgs, opts?: pulumi.ComponentResourceOptions) {
    const type = String(new.target.type.split(":").at(-1));
    checkName(type, name);
    const subject = `${type} "${name}"`;
    checkWorkerArgs(subject, args, ["handler", "environment"]);
    checkFanOut(subject, args.fanOut);
    const { fanOut, handler, prefix, environment = {}, permissions = [], transform = {}, ...given } = args;
    checkTransforms(`${subject}: transform.`, transform, WORKER_TRANSFORMS);
    const attachment = fanOut.attach(name, given, prefix, type);
    checkHandler(subject, handler);
    const others = checkPermissions(`${subject}: `, permissions);
    const { fanOut: shared, settings } = attachment;
    const filter = filterOf(`${subject}: `, shared.settings, settings.only);
    // A worker that gets a class of its own stays the same worker, and keeps its queues and what is in them.
    const own: pulumi.ComponentResourceOptions = { parent: fanOut, aliases: [{ type: ImageWorker.type }] };
    super(
      new.target.type,
      attachment.name,
      { ...settings, prefix: attachment.prefix },
      pulumi.mergeOptions(own, opts),
    );
    const transforms = [shared.transform.workers, transform];
    const worker: Worker = {
      ...attachment,
      worker: name,
      subject,
      source: fanOut.source,
      results: fanOut.results,
      topic: fanOut.topic,
      tags: merged(shared.settings.tags, { Worker: name }),
      own: childOf({ parent: this }, ...transforms),
      guarded: childOf({ parent: this, ...guarded(shared.settings) }, ...transforms),
      kept: childOf({ parent: this, ...kept(shared.settings) }, ...transforms),
    };
    this.#worker = worker;

    this.deadLetterQueue = createDeadLetterQueue(worker);
    this.queue = createQueue(worker, this.deadLetterQueue);
    const queues = { queue: this.queue, deadLetterQueue: this.deadLetterQueue };
    allowRedrive(worker, queues);
    const queuePolicies = letTopicSend(worker, queues);
    const subscription = subscribe(worker, queues, queuePolicies);

    const logGroup = createLogGroup(worker);
    const role = createRole(worker);
    const rolePolicy = createRolePolicy(worker, { ...queues, logGroup, role }, others);
    this.function = createFunction(
      worker,
      { handler, environment },
      { ...queues, logGroup, role, rolePolicy },
    );
    const mapping = createMapping(worker, this.queue, this.function, rolePolicy);
    if (shared.settings.alarms.enabled) watchWorker(worker, queues, this.function, fanOut.alarmTopic);

    this.nodes = { role, logGroup, mapping, subscription };
    const outputs = {
      queue: this.queue.url,
      deadLetterQueue: this.deadLetterQueue.url,
      function: this.function.name,
      logGroup: logGroup.name,
      prefix: attachment.prefix,
      ...(filter && { filter }),
      ...expiry(shared.settings.lifecycle),
    };
    this.tell(outputs);
    const { source, results } = fanOut;
    const registered = { name, fanOut: shared.name, source: source.bucket, results: results.bucket };
    this.registerOutputs({ ...outputs, ...registered });
  }

  /**
   * Lets a role look at the dead letters, delete them, and send them again, as `npm run dead-letters` and SQS do.
   * @param role its resource, or the name of an existing role
   * @throws ArgumentError if it is not a role, or was granted this already
   */
  grantRedrive(role: Granted): aws.iam.RolePolicy {
    const { fanOut, subject, name } = this.#worker;
    const arns = pulumi.output({
      queueArn: this.queue.arn,
      deadLetterArn: this.deadLetterQueue.arn,
      keyArn: fanOut.keyArn,
    });
    const policy = arns.apply(redrivePolicy);
    const of = { component: subject, method: "grantRedrive", prefix: `${name}-redrive`, policy };
    return grant(role, of, this.#granted, this);
  }

  /** Adds to what the stack's outputs tell of the worker. */
  protected tell(outputs: Partial<DeclaredOutputs>): void {
    this.#worker.record(outputs);
  }
}

/** Tells in a worker's outputs after how many days sources and results expire, where they do. */
function expiry({ source, results }: Worker["fanOut"]["settings"]["lifecycle"]): Partial<DeclaredOutputs> {
  const days = {
    ...(source.expireDays !== undefined && { source: source.expireDays }),
    ...(results.expireDays !== undefined && { results: results.expireDays }),
  };
  return Object.keys(days).length > 0 ? { expireDays: from(days, (known) => known) } : {};
}

/** Names and settings of the worker, for each step. */
interface Worker extends Attachment, Pick<ImageFanOut, "source" | "results" | "topic"> {
  /** The worker's own name. */
  readonly worker: string;
  /** Class and name, to begin a sentence with. */
  readonly subject: string;
  readonly tags: Tags;
  /** Makes children out of their arguments: such as come and go, such as images wait in, and such as are lost with what is in them. */
  readonly own: Child<ImageWorkerTransform>;
  readonly guarded: Child<ImageWorkerTransform>;
  readonly kept: Child<ImageWorkerTransform>;
}

interface Queues {
  readonly queue: aws.sqs.Queue;
  readonly deadLetterQueue: aws.sqs.Queue;
}

/** Names of the arguments that every worker has beside its settings. */
const COMMON = ["permissions", "fanOut", "prefix", "transform"];

/**
 * @param subject class and name of the worker
 * @param own names of the arguments that not all workers have
 * @throws ArgumentError where there is an argument of another name
 */
export function checkWorkerArgs(subject: string, args: unknown, own: readonly string[]): void {
  checkNames(`${subject}: `, args, [...own, ...COMMON, ...Object.keys(WORKER)], WORKER);
}

/** @throws ArgumentError where there is none */
function checkFanOut(subject: string, given: unknown): void {
  // A program may load the package twice, as ES module and as CommonJS.
  if (typeof given === "object" && given !== null && "attach" in given) return;
  const what = typeof given === "object" && given !== null ? "another object" : quoted(given);
  throw new ArgumentError(`${subject}: fanOut is ${what}, but must be an ImageFanOut.`);
}

/** @throws ArgumentError where there is no such file */
function checkHandler(subject: string, handler: ImageWorkerArgs["handler"]): void {
  if (typeof handler !== "string" || existsSync(path.resolve(handler))) return;
  throw new ArgumentError(
    `${subject}: handler is ${JSON.stringify(handler)}, but there is no such file in ${process.cwd()}.`,
  );
}

/** Arguments that both queues have. */
function queueArgs({ fanOut: { encryptionKeyArn }, tags }: Worker): aws.sqs.QueueArgs {
  return {
    messageRetentionSeconds: RETENTION_SECONDS,
    ...(encryptionKeyArn ? { kmsMasterKeyId: encryptionKeyArn } : { sqsManagedSseEnabled: true }),
    tags,
  };
}

function createDeadLetterQueue(worker: Worker): aws.sqs.Queue {
  const args = queueArgs(worker);
  return new aws.sqs.Queue(...worker.kept("deadLetterQueue", `${worker.name}-dead-letters`, args));
}

function createQueue(worker: Worker, deadLetterQueue: aws.sqs.Queue): aws.sqs.Queue {
  const { name, settings, guarded } = worker;
  const { maxReceiveCount } = settings;
  return new aws.sqs.Queue(
    ...guarded("queue", `${name}-queue`, {
      ...queueArgs(worker),
      visibilityTimeoutSeconds: visibilityTimeout(settings),
      redrivePolicy: pulumi.jsonStringify({ deadLetterTargetArn: deadLetterQueue.arn, maxReceiveCount }),
    }),
  );
}

function allowRedrive({ name, kept }: Worker, { queue, deadLetterQueue }: Queues): void {
  const allowed = { redrivePermission: "byQueue", sourceQueueArns: [queue.arn] };
  new aws.sqs.RedriveAllowPolicy(
    ...kept("redriveAllow", `${name}-redrive-allow`, {
      queueUrl: deadLetterQueue.url,
      redriveAllowPolicy: pulumi.jsonStringify(allowed),
    }),
  );
}

/** Lets the topic send images to the queue, and to the dead-letter queue what it could not deliver. */
function letTopicSend(
  { subject, name, topic, guarded, kept }: Worker,
  { queue, deadLetterQueue }: Queues,
): aws.sqs.QueuePolicy[] {
  const policyOf = (own: aws.sqs.Queue): aws.sqs.QueuePolicyArgs => {
    claimPolicy(subject, own);
    const arns = pulumi.output({ queueArn: own.arn, topicArn: topic.arn });
    return { queueUrl: own.url, policy: arns.apply(queuePolicy) };
  };
  return [
    new aws.sqs.QueuePolicy(...guarded("queuePolicy", `${name}-queue-policy`, policyOf(queue))),
    new aws.sqs.QueuePolicy(
      ...kept("deadLetterPolicy", `${name}-dead-letters-policy`, policyOf(deadLetterQueue)),
    ),
  ];
}

/** @param policies come first: a message that a queue's policy refuses is a client error, which SNS does not try again */
function subscribe(
  { name, topic, settings, guarded }: Worker,
  { queue, deadLetterQueue }: Queues,
  policies: aws.sqs.QueuePolicy[],
): aws.sns.TopicSubscription {
  const args = {
    topic: topic.arn,
    protocol: "sqs",
    endpoint: queue.arn,
    rawMessageDelivery: true,
    redrivePolicy: pulumi.jsonStringify({ deadLetterTargetArn: deadLetterQueue.arn }),
    ...subscriptionFilter(settings.only),
  };
  return new aws.sns.TopicSubscription(
    ...guarded("subscription", `${name}-subscription`, args, { dependsOn: policies }),
  );
}

function createLogGroup({ worker, name, fanOut, settings, tags, own }: Worker): aws.cloudwatch.LogGroup {
  const { machine, encryptionKeyArn } = fanOut;
  return new aws.cloudwatch.LogGroup(
    ...own("logGroup", `${name}-log`, {
      namePrefix: `${logGroupsOf(machine)}${worker}-`,
      retentionInDays: settings.logRetentionInDays,
      ...(encryptionKeyArn && { kmsKeyId: encryptionKeyArn }),
      tags,
    }),
  );
}

function createRole({ name, tags, own }: Worker): aws.iam.Role {
  return new aws.iam.Role(...own("role", `${name}-role`, { assumeRolePolicy: lambdaTrustPolicy(), tags }));
}

/** Resources that the function refers to, or waits for. */
interface Surroundings extends Queues {
  readonly logGroup: aws.cloudwatch.LogGroup;
  readonly role: aws.iam.Role;
  /** Policy that the function waits for: invoked before it is there, it would fail. */
  readonly rolePolicy: aws.iam.RolePolicy;
}

function createRolePolicy(
  { name, prefix, source, results, fanOut, settings, own }: Worker,
  { queue, deadLetterQueue, logGroup, role }: Omit<Surroundings, "rolePolicy">,
  permissions: pulumi.Output<aws.iam.PolicyStatement[]>,
): aws.iam.RolePolicy {
  const known = pulumi.output({
    sourceArn: source.arn,
    resultsArn: results.arn,
    prefix,
    queueArn: queue.arn,
    deadLetterArn: deadLetterQueue.arn,
    logGroupArn: logGroup.arn,
    keyArn: fanOut.keyArn,
    sourceKeyArn: fanOut.sourceKeyArn,
    tracing: fanOut.settings.tracing,
    tags: settings.carry.includes("tags"),
    permissions,
  });
  return new aws.iam.RolePolicy(
    ...own("rolePolicy", `${name}-role-policy`, { role: role.name, policy: known.apply(workerPolicy) }),
  );
}

function createFunction(
  { worker, subject, name, prefix, results, fanOut, settings, tags, own }: Worker,
  { handler, environment }: Pick<Required<ImageWorkerArgs>, "handler" | "environment">,
  { queue, deadLetterQueue, logGroup, role, rolePolicy }: Surroundings,
): aws.lambda.Function {
  const { memorySize, timeout, reservedConcurrency } = settings;
  const needed = {
    WORKER: worker,
    DAMAGED: settings.damaged,
    METADATA: settings.metadata,
    PIPELINE_DEPTH: from(settings.pipelineDepth, String),
    ...(settings.carry.length > 0 && { CARRY: settings.carry.join(",") }),
    MACHINE: fanOut.machine,
    RESULTS_BUCKET: results.bucket,
    ...(prefix !== worker && { RESULTS_PREFIX: prefix }),
    QUEUE_URL: queue.url,
    DEAD_LETTER_QUEUE_URL: deadLetterQueue.url,
    // One arena per core keeps glibc from holding on to the memory of every image it has seen.
    MALLOC_ARENA_MAX: "2",
    // Stack traces name lines of the TypeScript.
    NODE_OPTIONS: "--enable-source-maps",
  };
  const [resource, args, opts] = own(
    "function",
    `${name}-function`,
    {
      runtime: "nodejs24.x",
      architectures: ["arm64"],
      handler: "index.handler",
      code: typeof handler === "string" ? bundleHandler(handler) : handler,
      layers: [fanOut.layer.arn],
      role: role.arn,
      memorySize,
      timeout,
      ...(reservedConcurrency && { reservedConcurrentExecutions: reservedConcurrency }),
      // Left out, it would stay what it was.
      tracingConfig: { mode: fanOut.settings.tracing ? "Active" : "PassThrough" },
      loggingConfig: { logFormat: "Text", logGroup: logGroup.name },
      environment: { variables: withVariables(`${subject}: environment`, environment, needed) },
      ...(fanOut.encryptionKeyArn && { kmsKeyArn: fanOut.encryptionKeyArn }),
      tags,
    },
    // Before its log group is there Lambda would make one.
    { dependsOn: [rolePolicy, logGroup] },
  );
  const changed = `${subject}: transform.function.environment.variables`;
  const variables = withVariables(changed, variablesOf(args.environment), needed);
  return new aws.lambda.Function(resource, { ...args, environment: { variables } }, opts);
}

/** @param rolePolicy comes first: Lambda checks that the role may receive from the queue when the mapping is made */
function createMapping(
  { name, settings, scaling, tags, own }: Worker,
  queue: aws.sqs.Queue,
  lambda: aws.lambda.Function,
  rolePolicy: aws.iam.RolePolicy,
): aws.lambda.EventSourceMapping {
  const args = {
    eventSourceArn: queue.arn,
    functionName: lambda.arn,
    functionResponseTypes: ["ReportBatchItemFailures"],
    batchSize: settings.batchSize,
    maximumBatchingWindowInSeconds: settings.maximumBatchingWindowInSeconds,
    ...scalingArgs(scaling),
    metricsConfig: { metrics: ["EventCount"] },
    tags,
  };
  return new aws.lambda.EventSourceMapping(
    ...own("mapping", `${name}-mapping`, args, { dependsOn: rolePolicy }),
  );
}

/** Turns `scaling` into arguments of the mapping: one of the two modes, or Lambda's own way. */
function scalingArgs(scaling: Worker["scaling"]): Partial<aws.lambda.EventSourceMappingArgs> {
  if (scaling === undefined) return {};
  const isStandard = pulumi.Output.isInstance(scaling) || "maximumConcurrency" in scaling;
  return isStandard ? { scalingConfig: scaling } : { provisionedPollerConfig: scaling };
}

function watchWorker(
  { worker, fanOut, settings, ...child }: Worker,
  { queue, deadLetterQueue }: Queues,
  lambda: aws.lambda.Function,
  alarmTopic: ImageFanOut["alarmTopic"],
): void {
  const alarms = workerAlarms({
    name: worker,
    machine: fanOut.machine,
    queue: queue.name,
    deadLetterQueue: deadLetterQueue.name,
    function: lambda.name,
    thresholds: fanOut.settings.alarms,
    secondsOfCrash: secondsOfCrash(settings),
  });
  createAlarms(alarms, alarmTopic.arn, child);
}
