import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { sharpLayer } from "../packaging/sharp-layer.ts";
import type { DeclaredOutputs, WorkerOutputs } from "../stack-outputs.ts";
import { AlarmTopic, type AlarmTopicTransform } from "./alarm-topic.ts";
import { createAlarms, topicAlarms } from "./alarms.ts";
import { ArgumentError } from "./argument-error.ts";
import { Attached } from "./attached.ts";
import { checkFullName, checkName } from "./checks.ts";
import { bodyOfAll } from "./dashboard.ts";
import { EncryptionKey, type EncryptionKeyTransform } from "./encryption-key.ts";
import {
  claimNotifications,
  existingBucket,
  type NotificationToAdd,
  notificationToAdd,
} from "./existing-bucket.ts";
import { type CheckedFanOutSettings, checkFanOutSettings, SOURCE_DAYS } from "./fan-out-settings.ts";
import { notificationFilter } from "./filters.ts";
import { type Granted, grant } from "./grants.ts";
import { ImageBucket, type ImageBucketTransform } from "./image-bucket.ts";
import { guarded, kept } from "./kept.ts";
import { from, isLater, merged, type Tags } from "./later.ts";
import { checkListener, claimPolicies, type Listener, subscribeListener } from "./listeners.ts";
import { machineName, physicalName } from "./names.ts";
import { warnOfMissedObjective } from "./objective.ts";
import * as policies from "./policies.ts";
import { checkPrefix, refuseOverlap } from "./prefixes.ts";
import type { FanOutSettings, StandardScaling, WorkerSettings } from "./setting-types.ts";
import { checkTransform, type Transform, transformed } from "./transform.ts";
import { Way } from "./ways.ts";
import { type CheckedWorkerSettings, checkWorkerSettings } from "./worker-settings.ts";
import {
  type ImageWorkerTransform,
  transformsOf,
  WORKER_TRANSFORMS,
  type WorkerTransforms,
} from "./worker-transform.ts";

export interface ImageFanOutArgs extends FanOutSettings {
  /**
   * Fan-out whose results are the images of this one, as soon as they are there: this one has neither a source bucket nor a
   * topic of its own. @default none
   */
  readonly after?: ImageFanOut;

  /** Changes to single resources. @default none */
  readonly transform?: ImageFanOutTransform;
}

/** Changes to a topic, and to the bucket's notification of it. */
export interface ToldTransform {
  readonly topic?: Transform<aws.sns.TopicArgs>;
  readonly topicPolicy?: Transform<aws.sns.TopicPolicyArgs>;
  readonly notification?: Transform<aws.s3.BucketNotificationArgs>;
}

/** Outputs of the stack that a fan-out is in, as its index.ts exports them. */
export interface FanOutOutputs {
  /** Name of the bucket that images are dropped into. */
  readonly sourceBucket: pulumi.Input<string>;
  /** Name of the bucket that results come back in. */
  readonly resultsBucket: pulumi.Input<string>;
  /** ARN of the topic with one message for every new image. */
  readonly topic: pulumi.Input<string>;
  /** The workers there, by name: none here may have its results under the prefix of one. @default not checked */
  readonly workers?: pulumi.Input<Readonly<Record<string, unknown>>>;
}

/** Stands for outputs among arguments, which only {@link ImageFanOut.get} gives. */
const EXISTING = Symbol("a fan-out of another stack");

interface Existing {
  readonly [EXISTING]?: FanOutOutputs;
}

export interface ImageFanOutTransform extends ToldTransform, AlarmTopicTransform {
  readonly key?: EncryptionKeyTransform;
  readonly source?: ImageBucketTransform;
  readonly results?: ImageBucketTransform;
  readonly completed?: ToldTransform;
  readonly tracingPolicy?: Transform<aws.xray.ResourcePolicyArgs>;
  readonly layer?: Transform<aws.lambda.LayerVersionArgs>;
  readonly alarm?: Transform<aws.cloudwatch.MetricAlarmArgs>;
  readonly dashboard?: Transform<aws.cloudwatch.DashboardArgs>;
  /** Changes to resources of every worker, before its own. */
  readonly workers?: ImageWorkerTransform;
}

/** Every transform that there is, for checks. */
const TRANSFORMS: Record<keyof ImageFanOutTransform, true> = {
  key: true,
  source: true,
  results: true,
  completed: true,
  topic: true,
  topicPolicy: true,
  tracingPolicy: true,
  notification: true,
  layer: true,
  alarmTopic: true,
  alarmTopicPolicy: true,
  alarmEmail: true,
  alarm: true,
  dashboard: true,
  workers: true,
};

const TOLD_TRANSFORMS: Record<keyof ToldTransform, true> = {
  topic: true,
  topicPolicy: true,
  notification: true,
};

/** Resources of a fan-out beside its buckets and topics. */
export interface FanOutNodes {
  /** Undefined where the topic is another stack's. */
  readonly topicPolicy?: aws.sns.TopicPolicy;
  /** Undefined where the source bucket is another stack's, or its notifications are left to its owner. */
  readonly notification?: aws.s3.BucketNotification | undefined;
  /** Layer with sharp and libvips for linux-arm64, for every function that processes images. */
  readonly layer: aws.lambda.LayerVersion;
  /** Key that was made for this machine, if there is one. */
  readonly key: EncryptionKey | undefined;
}

/** What a fan-out hands to a worker that is attached to it, and to nobody else. */
export interface Attachment {
  readonly fanOut: Shared;
  /** The worker's own name. */
  readonly worker: string;
  /** How the names of the worker's resources begin: the fan-out's name, and its own. */
  readonly name: string;
  /** How keys of its results begin, up to a slash. */
  readonly prefix: string;
  /** Settings of the worker, with all defaults. */
  readonly settings: CheckedWorkerSettings;
  /** Its share of the fan-out's concurrency; undefined where it has a maximum of its own, or the fan-out has none. */
  readonly share: pulumi.Output<StandardScaling> | undefined;
  /** Returns the transforms of its resources: the fan-out's for all workers, and its own. */
  readonly transforms: (own: ImageWorkerTransform) => WorkerTransforms;
  /** Records outputs of the worker, for the stack's outputs and the dashboard. */
  readonly record: (outputs: Partial<DeclaredOutputs>) => void;
}

interface Shared extends Pick<Child, "name" | "machine" | "logGroups" | "settings" | "transform"> {
  readonly layer: aws.lambda.LayerVersion;
  /** ARN of the key that is needed to read what is stored; undefined where AWS holds all keys. */
  readonly keyArn: KeyArn;
  /** ARN of the key that everything new is encrypted with; undefined where it is retired, or AWS holds all keys. */
  readonly encryptionKeyArn: KeyArn;
  /** ARN of the key of the fan-out whose results are this one's images; undefined where it has none, or there is none. */
  readonly sourceKeyArn: KeyArn;
}

/** A bucket, and the topic that is told of everything that is put there. */
interface Told {
  readonly bucket: aws.s3.Bucket;
  readonly topic: aws.sns.Topic;
  readonly topicPolicy: aws.sns.TopicPolicy;
  /** Undefined where it is left to the bucket's owner. */
  readonly notification: aws.s3.BucketNotification | undefined;
}

/**
 * Everything that workers share: the bucket that images are dropped into, the topic that tells every worker of each
 * new image, the bucket that results come back in, and the layer with sharp.
 *
 * @example
 * const fanOut = new ImageFanOut("images");
 * new RotationWorker("clockwise", { fanOut, angle: 90 });
 */
export class ImageFanOut extends pulumi.ComponentResource {
  /** Bucket that images are dropped into. */
  readonly source: aws.s3.Bucket;
  /** Bucket that results come back in, under `PREFIX/KEY`, by default `WORKER/KEY`. A second bucket, so that no result is ever taken for a source. */
  readonly results: aws.s3.Bucket;
  /** Topic with one message for every object created in the source bucket. */
  readonly topic: aws.sns.Topic;
  /** Topic that all alarms go to. It stays while they are turned off, and with it who subscribed to it. */
  readonly alarmTopic: AlarmTopic;
  /** Outputs of the workers attached so far, by name. */
  readonly workers: Readonly<Record<string, DeclaredOutputs>>;
  /** What the owner of the source bucket must add to its notifications; undefined where the machine has done so. */
  readonly notificationToAdd: pulumi.Output<NotificationToAdd> | undefined;
  /** Further resources, for what neither arguments nor `transform` can say. */
  readonly nodes: FanOutNodes;
  readonly #attached: Attached;
  readonly #shared: Shared;
  readonly #granted = new Set<string>();
  readonly #listeners = new Set<string>();
  readonly #after: ImageFanOut | undefined;
  readonly #way: Way;
  readonly #existing: FanOutOutputs | undefined;
  /** Creates what tells of results. */
  readonly #tellOfResults: () => Told;
  #completed: Told | undefined;

  constructor(name: string, args: ImageFanOutArgs = {}, opts?: pulumi.ComponentResourceOptions) {
    checkName("ImageFanOut", name);
    const { after, transform = {}, ...given } = args;
    const { [EXISTING]: existing } = args as Existing;
    checkTransform(`ImageFanOut "${name}": transform.`, transform, TRANSFORMS);
    checkTransform(`ImageFanOut "${name}": transform.workers.`, transform.workers ?? {}, WORKER_TRANSFORMS);
    checkTransform(`ImageFanOut "${name}": transform.completed.`, transform.completed ?? {}, TOLD_TRANSFORMS);
    const settings = checkFanOutSettings(`ImageFanOut "${name}": `, given, ["after", "transform"]);
    checkAfter(name, after, settings);
    if (existing) checkExisting(name, settings);
    if (after ?? existing) checkChanges(name, transform, existing ? NOT_HERE : NOT_AFTER);
    super("image-machine:index:ImageFanOut", name, settings, opts);
    this.#attached = new Attached(settings.concurrency);
    this.workers = this.#attached.outputs;
    const tags = merged({ Project: pulumi.getProject(), Stack: pulumi.getStack() }, settings.tags);
    const machine = machineName(pulumi.getProject(), pulumi.getStack(), name);
    const child: Child = {
      name,
      machine,
      logGroups: `/aws/lambda/${machine}-`,
      settings: {
        ...settings,
        tags,
        lifecycle: after ? after.#lifecycleAfter(name, settings) : settings.lifecycle,
      },
      transform,
      parent: { parent: this },
    };

    const key = createKey(child);
    const keyArn = key?.arn ?? (settings.key === undefined ? undefined : pulumi.output(settings.key));
    const encryptionKeyArn = settings.key === "retire" ? undefined : keyArn;
    const { bucket, topic, ...telling } = existing
      ? findSource(child, existing)
      : after
        ? after.#told()
        : createSource(child, encryptionKeyArn);
    this.#after = after;
    this.#existing = existing;
    this.source = bucket;
    this.topic = topic;
    const results = existing ? undefined : createBucket(child, "results", encryptionKeyArn);
    this.results = results?.bucket ?? findBucket(child, "results", existing?.resultsBucket ?? "");
    this.#way = new Way(name, this.source, this.results, {
      from: existing?.sourceBucket ?? settings.source?.existing,
      to: existing?.resultsBucket ?? settings.results?.existing,
    });
    this.#tellOfResults = () => {
      if (settings.results) {
        throw new ArgumentError(
          `ImageFanOut "${name}": completed would change the notifications of results.existing, which are its owner's.`,
        );
      }
      if (results) return tellTopic(child, "results", results, encryptionKeyArn);
      throw new ArgumentError(
        `ImageFanOut "${name}": completed would change the results bucket, which is another stack's: ask for it there, and export the topic.`,
      );
    };
    if (settings.tracing && !after && !existing) letTopicTrace(child, topic);
    const isLeft = settings.source?.notification === false;
    this.notificationToAdd = isLeft
      ? notificationToAdd(machine, topic.arn, notificationFilter(settings))
      : undefined;
    if (this.notificationToAdd) tellOwner(this, bucket, this.notificationToAdd);
    const layer = createLayer(child);

    this.alarmTopic = createAlarmTopic(child, encryptionKeyArn);
    // Its own stack has an alarm on it.
    if (!existing) watchDelivery(child, this.topic, this.alarmTopic);
    if (settings.dashboard) createDashboard(child, this.topic, this.#attached);
    warnOfMissedObjective(this, given.objective, this.#attached);

    this.nodes = { ...telling, layer, key };
    const sourceKeyArn = after === undefined ? undefined : after.#shared.keyArn;
    this.#shared = { ...child, layer, keyArn, encryptionKeyArn, sourceKeyArn };

    this.registerOutputs({
      source: this.source.bucket,
      results: this.results.bucket,
      topic: this.topic.arn,
      ...(this.notificationToAdd && { notificationToAdd: this.notificationToAdd }),
    });
  }

  /**
   * A fan-out of another stack, for workers of this one: they are told of its images, and write into its results bucket. Nothing is
   * changed there. Layer, alarms and dashboard are this stack's own.
   * @param name of the fan-out here
   * @param args settings for what is created here
   *
   * @example
   * const stack = new pulumi.StackReference("organization/rube-goldberg-image-machine/prod");
   * const [sourceBucket, resultsBucket, topic, workers] =
   *   ["sourceBucket", "resultsBucket", "topic", "workers"].map((name) => stack.requireOutput(name));
   * const fanOut = ImageFanOut.get("more", { sourceBucket, resultsBucket, topic, workers });
   */
  static get(
    name: string,
    outputs: FanOutOutputs,
    args: Omit<ImageFanOutArgs, "after"> = {},
    opts?: pulumi.ComponentResourceOptions,
  ): ImageFanOut {
    return new ImageFanOut(name, { ...args, [EXISTING]: outputs } as ImageFanOutArgs, opts);
  }

  /**
   * Topic with one message for every result, so that whoever comes next need not poll. It is created, and the results bucket told
   * of it, when it is first asked for.
   */
  get completed(): aws.sns.Topic {
    return this.#told().topic;
  }

  /**
   * What tells others of this fan-out: exported by a program that has several, commands take its name with `--fan-out`, and another stack
   * gives it to {@link ImageFanOut.get}.
   */
  get outputs() {
    return {
      sourceBucket: this.source.bucket,
      resultsBucket: this.results.bucket,
      topic: this.topic.arn,
      workers: this.workers,
    };
  }

  /**
   * Returns how long images of a fan-out after this one stay, which are results of this one, and its own results.
   * @throws ArgumentError where images could be gone before their messages are taken; an `apply` does where that is only known later
   */
  #lifecycleAfter(next: string, { lifecycle }: CheckedFanOutSettings): CheckedFanOutSettings["lifecycle"] {
    const { name, settings } = this.#shared;
    const source = settings.lifecycle.results;
    const check = (days: number) => {
      if (days >= SOURCE_DAYS) return days;
      throw new ArgumentError(
        `ImageFanOut "${next}": its images are results of ImageFanOut "${name}", whose lifecycle.results.expireDays is ${days}, but must be ${SOURCE_DAYS} or more: a message may wait for ${SOURCE_DAYS - 1}, and its image must be there then.`,
      );
    };
    const { expireDays } = source;
    if (expireDays === undefined) return { ...lifecycle, source };
    return { ...lifecycle, source: { ...source, expireDays: from(expireDays, check) } };
  }

  #told(): Told {
    this.#completed ??= this.#tellOfResults();
    return this.#completed;
  }

  /**
   * Tells somebody else of new images, or of results.
   * @param name of the listener, which no other of this fan-out has
   * @throws ArgumentError where the listener is none, or there is one of that name
   */
  subscribe(name: string, listener: Listener): aws.sns.TopicSubscription {
    const own = this.#shared.name;
    checkName(`ImageFanOut "${own}": subscribe`, name);
    checkListener(`ImageFanOut "${own}": subscribe "${name}"`, listener, this.#shared.settings);
    if (this.#listeners.has(name)) {
      throw new ArgumentError(`ImageFanOut "${own}": subscribe has a listener "${name}" already.`);
    }
    claimPolicies(`ImageFanOut "${own}": subscribe "${name}"`, listener);
    this.#listeners.add(name);
    const topic = listener.topic === "completed" ? this.completed : this.topic;
    return subscribeListener(`${own}-listener-${name}`, listener, topic, { parent: this });
  }

  /**
   * Lets a role drop images into the source bucket, with tags where a worker carries them.
   * @param role the resource, or the name of a role that is there already
   * @throws ArgumentError where it is none, or may do so already
   */
  grantUpload(role: Granted): aws.iam.RolePolicy {
    if (this.#after) {
      throw new ArgumentError(
        `ImageFanOut "${this.#shared.name}": grantUpload lets nobody upload, as its images are results of another: grant it there.`,
      );
    }
    const { complete, settings } = this.#attached;
    const tags = complete.then(() => Object.values(settings).some(({ carry }) => carry.includes("tags")));
    const arns = pulumi.output({ sourceArn: this.source.arn, keyArn: this.#shared.encryptionKeyArn, tags });
    return this.#grant("grantUpload", role, "upload", arns.apply(policies.uploadPolicy));
  }

  /**
   * Lets a role read the results of all workers, and list them.
   * @param role the resource, or the name of a role that is there already
   * @throws ArgumentError where it is none, or may do so already
   */
  grantRead(role: Granted): aws.iam.RolePolicy {
    const arns = pulumi.output({ resultsArn: this.results.arn, keyArn: this.#shared.keyArn });
    return this.#grant("grantRead", role, "read", arns.apply(policies.readPolicy));
  }

  #grant(method: string, role: Granted, what: string, policy: pulumi.Output<aws.iam.PolicyDocument>) {
    const { name } = this.#shared;
    const of = { component: `ImageFanOut "${name}"`, method, prefix: `${name}-${what}`, policy };
    return grant(role, of, this.#granted, this);
  }

  /**
   * Attaches a worker: for components of workers, which get what the fan-out shares with them.
   * @param given what the worker itself is told, beside the fan-out's defaults
   * @param prefix how keys of its results begin
   * @throws ArgumentError where it comes too late, its name is taken or too long, its results would be among those of another, or its
   *   settings are out of range
   */
  attach(worker: string, given: WorkerSettings, prefix = worker): Attachment {
    const { name, settings, transform } = this.#shared;
    checkPrefix(worker, prefix);
    this.#attached.check(worker, prefix);
    checkFullName(name, worker);
    checkOthers(worker, prefix, this.#existing?.workers);
    this.#way.add(worker, prefix);
    const checked = checkWorkerSettings(`ImageWorker "${worker}": `, { ...settings.workers, ...given });
    const attached = this.#attached;
    const record = attached.add(worker, prefix, checked);
    const shares = settings.concurrency !== undefined && checked.scaling === undefined;
    return {
      fanOut: this.#shared,
      worker,
      name: `${name}-${worker}`,
      prefix,
      settings: checked,
      share: shares
        ? pulumi.output(attached.complete.then(() => attached.scalingOf(worker) as StandardScaling))
        : undefined,
      transforms: (own) => transformsOf(transform.workers ?? {}, own),
      record,
    };
  }
}

/** Name and settings of the fan-out, for each step. */
interface Child {
  readonly name: string;
  /** PROJECT-STACK-FANOUT, which tells this machine's metrics and names from those of others in the account. */
  readonly machine: string;
  /** Prefix of the names of the workers' log groups. */
  readonly logGroups: string;
  /** Settings with all defaults, and all tags. */
  readonly settings: Omit<CheckedFanOutSettings, "tags"> & { readonly tags: Tags };
  readonly transform: ImageFanOutTransform;
  readonly parent: pulumi.CustomResourceOptions;
}

type KeyArn = pulumi.Output<string> | undefined;

/** @throws ArgumentError where it is no fan-out, or there would be nothing to filter */
function checkAfter(
  name: string,
  after: ImageFanOut | undefined,
  { prefix, suffix, source }: CheckedFanOutSettings,
): void {
  if (after === undefined) return;
  if (!(after instanceof ImageFanOut)) {
    throw new ArgumentError(`ImageFanOut "${name}": after is ${typeof after}, but must be an ImageFanOut.`);
  }
  checkUnfiltered(name, { prefix, suffix }, "its images are results of another fan-out");
  if (source === undefined) return;
  throw new ArgumentError(
    `ImageFanOut "${name}": source is given, but its images are results of another fan-out: leave source or after out.`,
  );
}

/** @throws ArgumentError where there would be nothing to filter */
function checkUnfiltered(
  name: string,
  { prefix, suffix }: Pick<CheckedFanOutSettings, "prefix" | "suffix">,
  why: string,
): void {
  if (prefix === undefined && suffix === undefined) return;
  throw new ArgumentError(
    `ImageFanOut "${name}": ${prefix === undefined ? "suffix" : "prefix"} filters what is uploaded, but ${why}. Tell its workers which they are told of: only.`,
  );
}

/** @throws ArgumentError where settings ask for what only the other stack can do */
function checkExisting(name: string, settings: CheckedFanOutSettings): void {
  checkUnfiltered(name, settings, "its source bucket is another stack's");
  for (const which of ["source", "results"] as const) {
    if (settings[which] === undefined) continue;
    throw new ArgumentError(
      `ImageFanOut "${name}": ${which} is given, but the outputs of the other stack say which bucket that is: leave it out.`,
    );
  }
  if (settings.key !== "create" && settings.key !== "retire") return;
  throw new ArgumentError(
    `ImageFanOut "${name}": key is ${JSON.stringify(settings.key)}, but its buckets are another stack's: give the ARN of the key that they have, or none.`,
  );
}

/** Transforms of what a fan-out after another has from that one, and of what one has from another stack. */
const NOT_AFTER = ["source", "topic", "topicPolicy", "notification", "tracingPolicy"] as const;
const NOT_HERE = [...NOT_AFTER, "results", "completed", "key"] as const;

/** @throws ArgumentError where a transform is of a resource that the fan-out has from another, and would change nothing */
function checkChanges(
  name: string,
  transform: ImageFanOutTransform,
  others: readonly (keyof ImageFanOutTransform)[],
): void {
  const other = others.find((which) => transform[which] !== undefined);
  if (other === undefined) return;
  throw new ArgumentError(
    `ImageFanOut "${name}": transform.${other} can change nothing, as the resource is another fan-out's: say it there.`,
  );
}

/** @throws ArgumentError where a worker of another stack has the prefix; its `apply` does where that is only known later */
function checkOthers(worker: string, prefix: string, others: FanOutOutputs["workers"]): void {
  const check = (known: Readonly<Record<string, unknown>>) => {
    const prefixes = Object.entries(known).map(([name, outputs]) => [
      name,
      (outputs as Partial<WorkerOutputs> | undefined)?.prefix ?? name,
    ]);
    refuseOverlap(worker, prefix, Object.fromEntries(prefixes), " of the fan-out's own stack");
  };
  if (others === undefined) return;
  if (isLater(others)) pulumi.output(others).apply(check);
  else check(others as Readonly<Record<string, unknown>>);
}

/** Finds what another stack has created. */
function findSource(
  child: Child,
  { sourceBucket, topic }: FanOutOutputs,
): Pick<Told, "bucket" | "topic"> & Partial<Told> {
  return {
    bucket: findBucket(child, "source", sourceBucket),
    topic: aws.sns.Topic.get(`${child.name}-created`, topic, undefined, child.parent),
  };
}

function findBucket(
  { name, parent }: Child,
  which: "source" | "results",
  bucket: pulumi.Input<string>,
): aws.s3.Bucket {
  return aws.s3.Bucket.get(`${name}-${which}`, bucket, undefined, parent);
}

function createKey(child: Child): EncryptionKey | undefined {
  const { name, machine, logGroups, settings, transform } = child;
  if (settings.key !== "create" && settings.key !== "retire") return undefined;
  const args = { alias: physicalName(machine), logGroups, tags: settings.tags, transform: transform.key };
  return new EncryptionKey(`${name}-key`, args, kept(settings, child.parent));
}

/** Bucket of a fan-out, and what makes it keep versions if that is the machine's. */
type Source = Pick<ImageBucket, "bucket"> & Partial<Pick<ImageBucket, "versioning">>;

function createBucket(child: Child, of: "source" | "results", keyArn: KeyArn): Source {
  const existing = child.settings[of]?.existing;
  if (existing !== undefined) {
    const subject = `ImageFanOut "${child.name}": ${of}.existing`;
    if (child.transform[of] !== undefined) {
      throw new ArgumentError(
        `${subject} is its owner's, so that transform.${of} can change nothing: leave one of them out.`,
      );
    }
    return { bucket: existingBucket(subject, `${child.name}-${of}`, existing, child.parent) };
  }
  const { buckets, retention, lifecycle, tags } = child.settings;
  const { noncurrentVersionDays } = buckets;
  const args = {
    forceDestroy: retention === "destroy",
    noncurrentVersionDays,
    storage: lifecycle[of],
    keyArn,
    tags,
    transform: child.transform[of],
  };
  return new ImageBucket(`${child.name}-${of}`, args, kept(child.settings, child.parent));
}

/** Names of what tells of each bucket. */
const TOLD = {
  source: { what: "created", of: "Source" },
  results: { what: "completed", of: "Results" },
} as const;

/** Creates the source bucket, and what tells of it. */
function createSource(child: Child, keyArn: KeyArn): Told {
  return tellTopic(child, "source", createBucket(child, "source", keyArn), keyArn);
}

/** Creates the topic that is told of everything in a bucket. */
function tellTopic(child: Child, which: keyof typeof TOLD, from: Source, keyArn: KeyArn): Told {
  const { bucket } = from;
  const topic = createTopic(child, which, keyArn);
  const topicPolicy = letBucketPublish(child, which, topic, bucket);
  const isLeft = which === "source" && child.settings.source?.notification === false;
  const notification = isLeft ? undefined : notify(child, which, topic, from, topicPolicy);
  return { bucket, topic, topicPolicy, notification };
}

/** Changes to what tells of a bucket. */
function toldTransform({ transform }: Child, which: keyof typeof TOLD): ToldTransform {
  return which === "source" ? transform : (transform.completed ?? {});
}

function createTopic(child: Child, which: keyof typeof TOLD, keyArn: KeyArn): aws.sns.Topic {
  const { name, settings, parent } = child;
  const traced = settings.tracing && which === "source";
  return new aws.sns.Topic(
    ...transformed(
      toldTransform(child, which).topic,
      `${name}-${TOLD[which].what}`,
      {
        tags: settings.tags,
        ...(keyArn && { kmsMasterKeyId: keyArn }),
        // Left out, it would stay what it was.
        tracingConfig: traced ? "Active" : "PassThrough",
      },
      guarded(settings, parent),
    ),
  );
}

function letBucketPublish(
  child: Child,
  which: keyof typeof TOLD,
  topic: aws.sns.Topic,
  bucket: aws.s3.Bucket,
): aws.sns.TopicPolicy {
  const { what, of } = TOLD[which];
  const arns = pulumi.output({ topicArn: topic.arn, bucketArn: bucket.arn });
  return new aws.sns.TopicPolicy(
    ...transformed<aws.sns.TopicPolicyArgs>(
      toldTransform(child, which).topicPolicy,
      `${child.name}-${what}-policy`,
      { arn: topic.arn, policy: arns.apply((known) => policies.topicPolicy({ ...known, of })) },
      guarded(child.settings, child.parent),
    ),
  );
}

function letTopicTrace({ name, machine, transform, parent }: Child, topic: aws.sns.Topic): void {
  new aws.xray.ResourcePolicy(
    ...transformed(
      transform.tracingPolicy,
      `${name}-tracing-policy`,
      {
        policyName: physicalName(machine),
        policyDocument: pulumi.jsonStringify(topic.arn.apply(policies.tracingPolicy)),
      },
      parent,
    ),
  );
}

/**
 * S3 tries the topic when it is told of it, and refuses one that it may not publish to. What is uploaded before there are
 * versions must not be told of: S3 may not find it for a while, and cannot say that it is not deleted.
 */
function notify(
  child: Child,
  which: keyof typeof TOLD,
  topic: aws.sns.Topic,
  from: Source,
  topicPolicy: aws.sns.TopicPolicy,
): aws.s3.BucketNotification {
  const { name, settings, parent } = child;
  claimNotifications(name, from.bucket, settings[which]?.existing);
  return new aws.s3.BucketNotification(
    ...transformed(
      toldTransform(child, which).notification,
      `${name}-${which}-notification`,
      {
        bucket: from.bucket.bucket,
        topics: [
          {
            id: TOLD[which].what,
            topicArn: topic.arn,
            events: ["s3:ObjectCreated:*"],
            ...(which === "source" && notificationFilter(settings)),
          },
        ],
      },
      {
        ...guarded(settings, parent),
        dependsOn: [topicPolicy, ...(from.versioning ? [from.versioning] : [])],
      },
    ),
  );
}

function createLayer({ name, machine, transform, parent }: Child): aws.lambda.LayerVersion {
  return new aws.lambda.LayerVersion(
    ...transformed(
      transform.layer,
      `${name}-sharp`,
      {
        // Machines of one account must not share a layer: each would take away the other's versions.
        layerName: physicalName(`${machine}-sharp`),
        description: "sharp and libvips",
        code: sharpLayer(),
        compatibleArchitectures: ["arm64"],
        compatibleRuntimes: ["nodejs24.x"],
      },
      parent,
    ),
  );
}

function createAlarmTopic({ name, settings, transform, parent }: Child, keyArn: KeyArn): AlarmTopic {
  const { email } = settings.alarms;
  const args = { email, keyArn, tags: settings.tags, transform };
  return new AlarmTopic(`${name}-alarms`, args, guarded(settings, parent));
}

function watchDelivery({ settings, ...child }: Child, topic: aws.sns.Topic, alarmTopic: AlarmTopic): void {
  const { alarms, tags } = settings;
  if (alarms.enabled) createAlarms(topicAlarms(topic.name, alarms), alarmTopic.arn, { ...child, tags });
}

function createDashboard(
  { name, machine, transform, parent }: Child,
  topic: aws.sns.Topic,
  attached: Attached,
): void {
  new aws.cloudwatch.Dashboard(
    ...transformed(
      transform.dashboard,
      `${name}-dashboard`,
      { dashboardName: physicalName(machine), dashboardBody: bodyOfAll({ topic, machine, attached }) },
      parent,
    ),
  );
}

/** Prints what the owner of the source bucket must add, as nobody is told of an image before that. */
function tellOwner(
  fanOut: ImageFanOut,
  source: aws.s3.Bucket,
  toAdd: pulumi.Output<NotificationToAdd>,
): void {
  pulumi
    .all([source.bucket, toAdd])
    .apply(([bucket, configuration]) =>
      pulumi.log.info(
        `Nobody is told of images in ${bucket} before its owner adds this to its notifications, which the machine leaves alone: ${JSON.stringify(configuration)}`,
        fanOut,
      ),
    );
}
