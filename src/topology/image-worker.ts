import { existsSync } from "node:fs";
import path from "node:path";
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { RETENTION_SECONDS } from "../delivery/queue.ts";
import { bundleHandler } from "../packaging/bundle.ts";
import type { DeclaredOutputs } from "../stack-outputs.ts";
import { createAlarms, workerAlarms } from "./alarms.ts";
import { ArgumentError } from "./argument-error.ts";
import { checkName } from "./checks.ts";
import type { CheckedFanOutSettings } from "./fan-out-settings.ts";
import { filterOf, subscriptionFilter } from "./filters.ts";
import { type Granted, grant } from "./grants.ts";
import type { Attachment, ImageFanOut } from "./image-fan-out.ts";
import { guarded, kept } from "./kept.ts";
import { from, isLater, merged, type Tags } from "./later.ts";
import { claimPolicy } from "./listeners.ts";
import { checkPermissions } from "./permissions.ts";
import { lambdaTrustPolicy, queuePolicy, redrivePolicy, workerPolicy } from "./policies.ts";
import type { WorkerSettings } from "./setting-types.ts";
import { checkTransform, transformed, transformedFunction, withVariables } from "./transform.ts";
import { type CheckedWorkerSettings, secondsOfCrash, visibilityTimeout } from "./worker-settings.ts";
import { type ImageWorkerTransform, WORKER_TRANSFORMS, type WorkerTransforms } from "./worker-transform.ts";

export interface ImageWorkerArgs extends WorkerSettings {
  /** The fan-out that the worker is attached to: it gets a message for every image dropped there. */
  readonly fanOut: ImageFanOut;

  /**
   * The TypeScript file that exports `handler`, absolute or relative to the Pulumi project, or an archive with an
   * `index.js` that does.
   */
  readonly handler: string | pulumi.asset.Archive;

  /**
   * How keys of results begin, up to a slash: 1 to 128 letters, digits, "_", "." and "-", in parts that are set off by "/". Of two
   * workers, neither's results may be among the other's. @default the worker's name
   */
  readonly prefix?: string;

  /** Further environment variables for the handler. @default none */
  readonly environment?: pulumi.Input<Record<string, pulumi.Input<string>>>;

  /**
   * What the handler itself needs beside the worker's own permissions, a table or a secret for example: statements that are
   * added to the role's policy. @default none
   */
  readonly permissions?: pulumi.Input<pulumi.Input<aws.iam.PolicyStatement>[]>;

  /** Changes to single resources. @default none */
  readonly transform?: ImageWorkerTransform;
}

/** Resources of a worker beside its queues and function. */
export interface ImageWorkerNodes {
  readonly role: aws.iam.Role;
  readonly logGroup: aws.cloudwatch.LogGroup;
  readonly mapping: aws.lambda.EventSourceMapping;
  readonly subscription: aws.sns.TopicSubscription;
}

/**
 * One processor: a queue that is told of every image, a function that processes it and writes the result under
 * the worker's prefix, a dead-letter queue for what cannot be processed, and a role that allows just that.
 *
 * @example
 * new ImageWorker("grey", { fanOut, handler: "handlers/grey.ts" });
 */
export class ImageWorker extends pulumi.ComponentResource {
  /** Messages for this worker. */
  readonly queue: aws.sqs.Queue;
  /** Messages that were rejected, with the reason in their attributes, or failed too often. */
  readonly deadLetterQueue: aws.sqs.Queue;
  /** Function that processes the images. */
  readonly function: aws.lambda.Function;
  /** Further resources, for what neither arguments nor `transform` can say. */
  readonly nodes: ImageWorkerNodes;
  /** Type token, of which a class for one kind of worker has its own. */
  protected static readonly type: string = "image-machine:index:ImageWorker";
  readonly #attachment: Attachment;
  readonly #granted = new Set<string>();

  constructor(name: string, args: ImageWorkerArgs, opts?: pulumi.ComponentResourceOptions) {
    checkName("ImageWorker", name);
    const { fanOut, handler, prefix, environment = {}, permissions = [], transform = {}, ...given } = args;
    checkTransform(`ImageWorker "${name}": transform.`, transform, WORKER_TRANSFORMS);
    const attachment = fanOut.attach(name, given, prefix);
    checkHandler(name, handler);
    const others = checkPermissions(`ImageWorker "${name}": `, permissions);
    const { fanOut: shared, settings } = attachment;
    const filter = filterOf(`ImageWorker "${name}": `, shared.settings, settings.only);
    // A worker that gets a class of its own stays the same worker, and keeps its queues and what is in them.
    const own: pulumi.ComponentResourceOptions = { parent: fanOut, aliases: [{ type: ImageWorker.type }] };
    super(
      new.target.type,
      attachment.name,
      { ...settings, prefix: attachment.prefix },
      pulumi.mergeOptions(own, opts),
    );
    this.#attachment = attachment;
    const child: Child = {
      worker: name,
      name: attachment.name,
      prefix: attachment.prefix,
      fanOut,
      shared,
      settings,
      transform: attachment.transforms(transform),
      tags: merged(shared.settings.tags, { Worker: name }),
      parent: { parent: this },
    };

    this.deadLetterQueue = createDeadLetterQueue(child);
    this.queue = createQueue(child, this.deadLetterQueue);
    const queues = { queue: this.queue, deadLetterQueue: this.deadLetterQueue };
    allowRedrive(child, queues);
    const queuePolicies = letTopicSend(child, queues);
    const subscription = subscribe(child, queues, queuePolicies);

    const logGroup = createLogGroup(child);
    const role = createRole(child);
    const rolePolicy = createRolePolicy(child, role, { ...queues, logGroup }, others);
    const code = { handler, environment };
    this.function = createFunction(child, code, { ...queues, logGroup, role, rolePolicy });
    const mapping = createMapping(child, attachment.share, this.queue, this.function, rolePolicy);
    if (shared.settings.alarms.enabled) watchWorker(child, queues, this.function);

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
   * Lets a role look at the dead letters, and delete them or send them again, as `npm run dead-letters` and SQS do.
   * @param role the resource, or the name of a role that is there already
   * @throws ArgumentError where it is none, or may do so already
   */
  grantRedrive(role: Granted): aws.iam.RolePolicy {
    const { fanOut, worker, name } = this.#attachment;
    const arns = pulumi.output({
      queueArn: this.queue.arn,
      deadLetterArn: this.deadLetterQueue.arn,
      keyArn: fanOut.keyArn,
    });
    const of = {
      component: `ImageWorker "${worker}"`,
      method: "grantRedrive",
      prefix: `${name}-redrive`,
      policy: arns.apply(redrivePolicy),
    };
    return grant(role, of, this.#granted, this);
  }

  /** Adds to what the stack's outputs tell of the worker. */
  protected tell(outputs: Partial<DeclaredOutputs>): void {
    this.#attachment.record(outputs);
  }
}

/** Tells in a worker's outputs after how many days sources and results expire, where they do. */
function expiry({
  source,
  results,
}: CheckedFanOutSettings["lifecycle"]): Pick<DeclaredOutputs, "expireDays"> {
  const days = {
    ...(source.expireDays !== undefined && { source: source.expireDays }),
    ...(results.expireDays !== undefined && { results: results.expireDays }),
  };
  return Object.keys(days).length > 0 ? { expireDays: from(days, (known) => known) } : {};
}

/** Name, fan-out and settings of the worker, for each step. */
interface Child {
  /** The worker's own name. */
  readonly worker: string;
  /** How the names of its resources begin: the fan-out's name, and the worker's. */
  readonly name: string;
  /** How keys of its results begin, up to a slash. */
  readonly prefix: string;
  readonly fanOut: ImageFanOut;
  /** Names, settings, layer and keys that the fan-out hands to its workers alone. */
  readonly shared: Attachment["fanOut"];
  readonly settings: CheckedWorkerSettings;
  readonly transform: WorkerTransforms;
  readonly tags: Tags;
  readonly parent: pulumi.CustomResourceOptions;
}

interface Queues {
  readonly queue: aws.sqs.Queue;
  readonly deadLetterQueue: aws.sqs.Queue;
}

/** @throws ArgumentError where there is no such file */
function checkHandler(name: string, handler: ImageWorkerArgs["handler"]): void {
  if (typeof handler !== "string" || existsSync(path.resolve(handler))) return;
  throw new ArgumentError(
    `ImageWorker "${name}": handler is ${JSON.stringify(handler)}, but there is no such file in ${process.cwd()}.`,
  );
}

/** Arguments that both queues have. */
function queueArgs({ shared: { encryptionKeyArn }, tags }: Child): aws.sqs.QueueArgs {
  return {
    messageRetentionSeconds: RETENTION_SECONDS,
    ...(encryptionKeyArn ? { kmsMasterKeyId: encryptionKeyArn } : { sqsManagedSseEnabled: true }),
    tags,
  };
}

function createDeadLetterQueue(child: Child): aws.sqs.Queue {
  const { name, shared, transform, parent } = child;
  return new aws.sqs.Queue(
    ...transformed(
      transform.deadLetterQueue,
      `${name}-dead-letters`,
      queueArgs(child),
      kept(shared.settings, parent),
    ),
  );
}

function createQueue(child: Child, deadLetterQueue: aws.sqs.Queue): aws.sqs.Queue {
  const { name, shared, settings, transform, parent } = child;
  const { maxReceiveCount } = settings;
  return new aws.sqs.Queue(
    ...transformed(
      transform.queue,
      `${name}-queue`,
      {
        ...queueArgs(child),
        visibilityTimeoutSeconds: visibilityTimeout(settings),
        redrivePolicy: pulumi.jsonStringify({ deadLetterTargetArn: deadLetterQueue.arn, maxReceiveCount }),
      },
      guarded(shared.settings, parent),
    ),
  );
}

function allowRedrive({ name, shared, transform, parent }: Child, { queue, deadLetterQueue }: Queues): void {
  new aws.sqs.RedriveAllowPolicy(
    ...transformed(
      transform.redriveAllow,
      `${name}-redrive-allow`,
      {
        queueUrl: deadLetterQueue.url,
        redriveAllowPolicy: pulumi.jsonStringify({
          redrivePermission: "byQueue",
          sourceQueueArns: [queue.arn],
        }),
      },
      kept(shared.settings, parent),
    ),
  );
}

/** Lets the topic send images to the queue, and to the dead-letter queue what it could not deliver. */
function letTopicSend(
  { worker, name, fanOut, shared, transform, parent }: Child,
  { queue, deadLetterQueue }: Queues,
): aws.sqs.QueuePolicy[] {
  for (const own of [queue, deadLetterQueue]) claimPolicy(`ImageWorker "${worker}"`, own);
  const policyOf = ({ url, arn }: aws.sqs.Queue): aws.sqs.QueuePolicyArgs => ({
    queueUrl: url,
    policy: pulumi.output({ queueArn: arn, topicArn: fanOut.topic.arn }).apply(queuePolicy),
  });
  return [
    new aws.sqs.QueuePolicy(
      ...transformed(
        transform.queuePolicy,
        `${name}-queue-policy`,
        policyOf(queue),
        guarded(shared.settings, parent),
      ),
    ),
    new aws.sqs.QueuePolicy(
      ...transformed(
        transform.deadLetterPolicy,
        `${name}-dead-letters-policy`,
        policyOf(deadLetterQueue),
        kept(shared.settings, parent),
      ),
    ),
  ];
}

/** @param policies come first: a message that a queue's policy refuses is a client error, which SNS does not try again */
function subscribe(
  { name, fanOut, shared, settings, transform, parent }: Child,
  { queue, deadLetterQueue }: Queues,
  policies: aws.sqs.QueuePolicy[],
): aws.sns.TopicSubscription {
  return new aws.sns.TopicSubscription(
    ...transformed<aws.sns.TopicSubscriptionArgs>(
      transform.subscription,
      `${name}-subscription`,
      {
        topic: fanOut.topic.arn,
        protocol: "sqs",
        endpoint: queue.arn,
        rawMessageDelivery: true,
        redrivePolicy: pulumi.jsonStringify({ deadLetterTargetArn: deadLetterQueue.arn }),
        ...subscriptionFilter(settings.only),
      },
      { ...guarded(shared.settings, parent), dependsOn: policies },
    ),
  );
}

function createLogGroup({
  worker,
  name,
  shared,
  settings,
  transform,
  tags,
  parent,
}: Child): aws.cloudwatch.LogGroup {
  const { logGroups, encryptionKeyArn } = shared;
  return new aws.cloudwatch.LogGroup(
    ...transformed(
      transform.logGroup,
      `${name}-log`,
      {
        namePrefix: `${logGroups}${worker}-`,
        retentionInDays: settings.logRetentionInDays,
        ...(encryptionKeyArn && { kmsKeyId: encryptionKeyArn }),
        tags,
      },
      parent,
    ),
  );
}

function createRole({ name, transform, tags, parent }: Child): aws.iam.Role {
  return new aws.iam.Role(
    ...transformed<aws.iam.RoleArgs>(
      transform.role,
      `${name}-role`,
      { assumeRolePolicy: lambdaTrustPolicy(), tags },
      parent,
    ),
  );
}

function createRolePolicy(
  { name, prefix, fanOut, shared, settings, transform, parent }: Child,
  role: aws.iam.Role,
  { queue, deadLetterQueue, logGroup }: Queues & { logGroup: aws.cloudwatch.LogGroup },
  others: pulumi.Output<aws.iam.PolicyStatement[]>,
): aws.iam.RolePolicy {
  const { tracing } = shared.settings;
  const tags = settings.carry.includes("tags");
  const arns = pulumi.output({
    sourceArn: fanOut.source.arn,
    resultsArn: fanOut.results.arn,
    prefix,
    queueArn: queue.arn,
    deadLetterArn: deadLetterQueue.arn,
    logGroupArn: logGroup.arn,
    keyArn: shared.keyArn,
    sourceKeyArn: shared.sourceKeyArn,
  });
  return new aws.iam.RolePolicy(
    ...transformed<aws.iam.RolePolicyArgs>(
      transform.rolePolicy,
      `${name}-role-policy`,
      {
        role: role.name,
        policy: pulumi
          .all([arns, others])
          .apply(([known, permissions]) => workerPolicy(known, { tracing, tags, permissions })),
      },
      parent,
    ),
  );
}

/** Resources that the function refers to, or waits for. */
interface Surroundings extends Queues {
  readonly logGroup: aws.cloudwatch.LogGroup;
  readonly role: aws.iam.Role;
  /** Policy that the function waits for: invoked before it is there, it would fail. */
  readonly rolePolicy: aws.iam.RolePolicy;
}

function createFunction(
  { worker, name, prefix, fanOut, shared, settings, transform, tags, parent }: Child,
  { handler, environment }: Pick<Required<ImageWorkerArgs>, "handler" | "environment">,
  { queue, deadLetterQueue, logGroup, role, rolePolicy }: Surroundings,
): aws.lambda.Function {
  const { memorySize, timeout, reservedConcurrency } = settings;
  const own = {
    WORKER: worker,
    DAMAGED: settings.damaged,
    METADATA: settings.metadata,
    PIPELINE_DEPTH: from(settings.pipelineDepth, String),
    ...(settings.carry.length > 0 && { CARRY: settings.carry.join(",") }),
    MACHINE: shared.machine,
    RESULTS_BUCKET: fanOut.results.bucket,
    ...(prefix !== worker && { RESULTS_PREFIX: prefix }),
    QUEUE_URL: queue.url,
    DEAD_LETTER_QUEUE_URL: deadLetterQueue.url,
    // One arena per core keeps glibc from holding on to the memory of every image it has seen.
    MALLOC_ARENA_MAX: "2",
    // Stack traces name lines of the TypeScript.
    NODE_OPTIONS: "--enable-source-maps",
  };
  const withOwn = (given: Record<string, pulumi.Input<string>>) =>
    withVariables(`ImageWorker "${worker}": environment`, given, own);
  const variables = isLater(environment) ? pulumi.output(environment).apply(withOwn) : withOwn(environment);
  return new aws.lambda.Function(
    ...transformedFunction(
      `ImageWorker "${worker}"`,
      transform.function,
      `${name}-function`,
      {
        runtime: "nodejs24.x",
        architectures: ["arm64"],
        handler: "index.handler",
        code: typeof handler === "string" ? bundleHandler(handler) : handler,
        layers: [shared.layer.arn],
        role: role.arn,
        memorySize,
        timeout,
        ...(reservedConcurrency && { reservedConcurrentExecutions: reservedConcurrency }),
        // Left out, it would stay what it was.
        tracingConfig: { mode: shared.settings.tracing ? "Active" : "PassThrough" },
        loggingConfig: { logFormat: "Text", logGroup: logGroup.name },
        environment: { variables },
        ...(shared.encryptionKeyArn && { kmsKeyArn: shared.encryptionKeyArn }),
        tags,
      },
      // Before its log group is there Lambda would make one.
      { ...parent, dependsOn: [rolePolicy, logGroup] },
    ),
  );
}

/** @param rolePolicy comes first: Lambda checks that the role may receive from the queue when the mapping is made */
function createMapping(
  { name, settings, transform, tags, parent }: Child,
  share: Attachment["share"],
  queue: aws.sqs.Queue,
  lambda: aws.lambda.Function,
  rolePolicy: aws.iam.RolePolicy,
): aws.lambda.EventSourceMapping {
  return new aws.lambda.EventSourceMapping(
    ...transformed<aws.lambda.EventSourceMappingArgs>(
      transform.mapping,
      `${name}-mapping`,
      {
        eventSourceArn: queue.arn,
        functionName: lambda.arn,
        functionResponseTypes: ["ReportBatchItemFailures"],
        batchSize: settings.batchSize,
        maximumBatchingWindowInSeconds: settings.maximumBatchingWindowInSeconds,
        ...(share ? { scalingConfig: share } : scalingArgs(settings.scaling)),
        metricsConfig: { metrics: ["EventCount"] },
        tags,
      },
      { ...parent, dependsOn: rolePolicy },
    ),
  );
}

function watchWorker(
  { worker, fanOut, shared, settings, ...child }: Child,
  { queue, deadLetterQueue }: Queues,
  lambda: aws.lambda.Function,
): void {
  const alarms = workerAlarms({
    name: worker,
    machine: shared.machine,
    queue: queue.name,
    deadLetterQueue: deadLetterQueue.name,
    function: lambda.name,
    thresholds: shared.settings.alarms,
    secondsOfCrash: secondsOfCrash(settings),
  });
  createAlarms(alarms, fanOut.alarmTopic.arn, child);
}

/** Turns `scaling` into arguments of the mapping: one of the two modes, or Lambda's own way. */
function scalingArgs(scaling: CheckedWorkerSettings["scaling"]): Partial<aws.lambda.EventSourceMappingArgs> {
  if (scaling === undefined) return {};
  return "maximumConcurrency" in scaling ? { scalingConfig: scaling } : { provisionedPollerConfig: scaling };
}
