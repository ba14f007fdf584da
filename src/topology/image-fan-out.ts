import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { sharpLayer } from "../packaging/sharp-layer.ts";
import type { DeclaredOutputs } from "../stack-outputs.ts";
import { AlarmTopic } from "./alarm-topic.ts";
import { alarmArgs, undeliveredAlarm } from "./alarms.ts";
import { Attached } from "./attached.ts";
import { checkFullName, checkName } from "./checks.ts";
import { bodyOfAll } from "./dashboard.ts";
import { EncryptionKey, type EncryptionKeyTransform } from "./encryption-key.ts";
import { type CheckedFanOutSettings, checkFanOutSettings, type FanOutSettings } from "./fan-out-settings.ts";
import { notificationFilter } from "./filters.ts";
import { type Granted, grant } from "./grants.ts";
import { ImageBucket, type ImageBucketTransform } from "./image-bucket.ts";
import { physicalName } from "./names.ts";
import { warnOfMissedObjective } from "./objective.ts";
import * as policies from "./policies.ts";
import { checkTransform, type Transform, transformed } from "./transform.ts";
import { type CheckedWorkerSettings, checkWorkerSettings, type WorkerSettings } from "./worker-settings.ts";
import {
  type ImageWorkerTransform,
  transformsOf,
  WORKER_TRANSFORMS,
  type WorkerTransforms,
} from "./worker-transform.ts";

export interface ImageFanOutArgs extends FanOutSettings {
  /** Changes to single resources. @default none */
  readonly transform?: ImageFanOutTransform;
}

export interface ImageFanOutTransform {
  readonly key?: EncryptionKeyTransform;
  readonly source?: ImageBucketTransform;
  readonly results?: ImageBucketTransform;
  readonly topic?: Transform<aws.sns.TopicArgs>;
  readonly topicPolicy?: Transform<aws.sns.TopicPolicyArgs>;
  readonly tracingPolicy?: Transform<aws.xray.ResourcePolicyArgs>;
  readonly notification?: Transform<aws.s3.BucketNotificationArgs>;
  readonly layer?: Transform<aws.lambda.LayerVersionArgs>;
  readonly alarmTopic?: Transform<aws.sns.TopicArgs>;
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
  topic: true,
  topicPolicy: true,
  tracingPolicy: true,
  notification: true,
  layer: true,
  alarmTopic: true,
  alarm: true,
  dashboard: true,
  workers: true,
};

/** Resources of a fan-out beside its buckets and topics. */
export interface FanOutNodes {
  readonly topicPolicy: aws.sns.TopicPolicy;
  readonly notification: aws.s3.BucketNotification;
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
  /** Settings of the worker, with all defaults. */
  readonly settings: CheckedWorkerSettings;
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
  /** Bucket that results come back in, under `WORKER/KEY`. A second bucket, so that no result is ever taken for a source. */
  readonly results: aws.s3.Bucket;
  /** Topic with one message for every object created in the source bucket. */
  readonly topic: aws.sns.Topic;
  /** Topic that all alarms go to. It stays while they are turned off, and with it who subscribed to it. */
  readonly alarmTopic: AlarmTopic;
  readonly #attached = new Attached();
  /** Outputs of the workers attached so far, by name. */
  readonly workers: Readonly<Record<string, DeclaredOutputs>> = this.#attached.outputs;
  /** Further resources, for what neither arguments nor `transform` can say. */
  readonly nodes: FanOutNodes;
  readonly #shared: Shared;
  readonly #granted = new Set<string>();

  constructor(name: string, args: ImageFanOutArgs = {}, opts?: pulumi.ComponentResourceOptions) {
    checkName("ImageFanOut", name);
    const { transform = {} } = args;
    checkTransform(`ImageFanOut "${name}": transform.`, transform, TRANSFORMS);
    checkTransform(`ImageFanOut "${name}": transform.workers.`, transform.workers ?? {}, WORKER_TRANSFORMS);
    const settings = checkFanOutSettings(`ImageFanOut "${name}": `, args, ["transform"]);
    super("image-machine:index:ImageFanOut", name, {}, opts);
    const tags = { Project: pulumi.getProject(), Stack: pulumi.getStack(), ...settings.tags };
    const machine = `${pulumi.getProject()}-${pulumi.getStack()}-${name}`;
    const child: Child = {
      name,
      machine,
      logGroups: `/aws/lambda/${machine}-`,
      settings: { ...settings, tags },
      transform,
      parent: { parent: this },
    };

    const key = createKey(child);
    const keyArn = key?.arn ?? (settings.key === undefined ? undefined : pulumi.output(settings.key));
    const encryptionKeyArn = settings.key === "retire" ? undefined : keyArn;
    const source = createBucket(child, "source", encryptionKeyArn);
    this.source = source.bucket;
    this.results = createBucket(child, "results", encryptionKeyArn).bucket;

    this.topic = createTopic(child, encryptionKeyArn);
    const topicPolicy = letSourcePublish(child, this.topic, this.source);
    if (settings.tracing) letTopicTrace(child, this.topic);
    const notification = tellTopic(child, this.topic, source, topicPolicy);
    const layer = createLayer(child);

    this.alarmTopic = createAlarmTopic(child, encryptionKeyArn);
    watchDelivery(child, this.topic, this.alarmTopic);
    if (settings.dashboard) createDashboard(child, this.topic, this.#attached);
    warnOfMissedObjective(this, settings.objective, this.#attached);

    this.nodes = { topicPolicy, notification, layer, key };
    this.#shared = { ...child, layer, keyArn, encryptionKeyArn };

    this.registerOutputs({
      source: this.source.bucket,
      results: this.results.bucket,
      topic: this.topic.arn,
    });
  }

  /**
   * Lets a role drop images into the source bucket, with tags where a worker carries them.
   * @param role the resource, or the name of a role that is there already
   * @throws RangeError where it is none, or may do so already
   */
  grantUpload(role: Granted): aws.iam.RolePolicy {
    const { complete, settings } = this.#attached;
    const tags = complete.then(() => Object.values(settings).some(({ carry }) => carry.includes("tags")));
    const arns = pulumi.output({ sourceArn: this.source.arn, keyArn: this.#shared.encryptionKeyArn, tags });
    return this.#grant("grantUpload", role, "upload", arns.apply(policies.uploadPolicy));
  }

  /**
   * Lets a role read the results of all workers, and list them.
   * @param role the resource, or the name of a role that is there already
   * @throws RangeError where it is none, or may do so already
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
   * @throws RangeError where it comes too late, its name is taken or too long, or its settings are out of range
   */
  attach(worker: string, given: WorkerSettings): Attachment {
    const { name, settings, transform } = this.#shared;
    this.#attached.check(worker);
    checkFullName(name, worker);
    const checked = checkWorkerSettings(`ImageWorker "${worker}": `, { ...settings.workers, ...given });
    return {
      fanOut: this.#shared,
      worker,
      name: `${name}-${worker}`,
      settings: checked,
      transforms: (own) => transformsOf(transform.workers ?? {}, own),
      record: this.#attached.add(worker, checked),
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
  readonly settings: CheckedFanOutSettings;
  readonly transform: ImageFanOutTransform;
  readonly parent: pulumi.CustomResourceOptions;
}

type KeyArn = pulumi.Output<string> | undefined;

/** Options of resources that the settings may protect and keep. */
function kept({ settings: { retention }, parent }: Child): pulumi.ComponentResourceOptions {
  const keep = retention === "keep";
  return { ...parent, protect: keep, retainOnDelete: keep };
}

function createKey(child: Child): EncryptionKey | undefined {
  const { name, logGroups, settings, transform } = child;
  if (settings.key !== "create" && settings.key !== "retire") return undefined;
  const args = { logGroups, tags: settings.tags, transform: transform.key };
  return new EncryptionKey(`${name}-key`, args, kept(child));
}

function createBucket(child: Child, of: "source" | "results", keyArn: KeyArn): ImageBucket {
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
  return new ImageBucket(`${child.name}-${of}`, args, kept(child));
}

function createTopic({ name, settings, transform, parent }: Child, keyArn: KeyArn): aws.sns.Topic {
  return new aws.sns.Topic(
    ...transformed(
      transform.topic,
      `${name}-created`,
      {
        tags: settings.tags,
        ...(keyArn && { kmsMasterKeyId: keyArn }),
        // Left out, it would stay what it was.
        tracingConfig: settings.tracing ? "Active" : "PassThrough",
      },
      parent,
    ),
  );
}

function letSourcePublish(
  { name, transform, parent }: Child,
  topic: aws.sns.Topic,
  source: aws.s3.Bucket,
): aws.sns.TopicPolicy {
  const arns = pulumi.output({ topicArn: topic.arn, bucketArn: source.arn });
  return new aws.sns.TopicPolicy(
    ...transformed<aws.sns.TopicPolicyArgs>(
      transform.topicPolicy,
      `${name}-created-policy`,
      { arn: topic.arn, policy: arns.apply(policies.topicPolicy) },
      parent,
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
function tellTopic(
  { name, settings, transform, parent }: Child,
  topic: aws.sns.Topic,
  source: ImageBucket,
  topicPolicy: aws.sns.TopicPolicy,
): aws.s3.BucketNotification {
  return new aws.s3.BucketNotification(
    ...transformed(
      transform.notification,
      `${name}-source-notification`,
      {
        bucket: source.bucket.bucket,
        topics: [
          {
            id: "created",
            topicArn: topic.arn,
            events: ["s3:ObjectCreated:*"],
            ...notificationFilter(settings),
          },
        ],
      },
      { ...parent, dependsOn: [topicPolicy, source.versioning] },
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
  const args = { email, keyArn, tags: settings.tags, transform: transform.alarmTopic };
  return new AlarmTopic(`${name}-alarms`, args, parent);
}

function watchDelivery(
  { name, settings, transform, parent }: Child,
  topic: aws.sns.Topic,
  alarmTopic: AlarmTopic,
): void {
  const { enabled, undelivered } = settings.alarms;
  if (!enabled || undelivered === false) return;
  const args = alarmArgs(undeliveredAlarm(topic.name, undelivered), alarmTopic.arn, settings.tags);
  new aws.cloudwatch.MetricAlarm(...transformed(transform.alarm, `${name}-undelivered-alarm`, args, parent));
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
