import { setImmediate } from "node:timers/promises";
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { sharpLayer } from "../packaging/sharp-layer.ts";
import type { DeclaredOutputs } from "../stack-outputs.ts";
import { AlarmTopic } from "./alarm-topic.ts";
import { alarmArgs, undeliveredAlarm } from "./alarms.ts";
import { checkFullName, checkName } from "./checks.ts";
import { bodyOfAll } from "./dashboard.ts";
import { EncryptionKey, type EncryptionKeyTransform } from "./encryption-key.ts";
import { type CheckedFanOutSettings, checkFanOutSettings, type FanOutSettings } from "./fan-out-settings.ts";
import { type Granted, grant } from "./grants.ts";
import { ImageBucket, type ImageBucketTransform } from "./image-bucket.ts";
import { physicalName } from "./names.ts";
import * as policies from "./policies.ts";
import { checkTransform, type Transform, transformed } from "./transform.ts";
import type { CheckedWorkerSettings } from "./worker-settings.ts";

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
};

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
  /** Layer with sharp and libvips for linux-arm64, for every function that processes images. */
  readonly sharp: aws.lambda.LayerVersion;
  /** Topic that all alarms go to. It stays while they are turned off, and with it who subscribed to it. */
  readonly alarmTopic: AlarmTopic;
  /** ARN of the key that is needed to read what is stored; undefined where AWS holds all keys. */
  readonly keyArn: pulumi.Output<string> | undefined;
  /** ARN of the key that everything new is encrypted with; undefined where it is retired, or AWS holds all keys. */
  readonly encryptionKeyArn: pulumi.Output<string> | undefined;
  /** Settings with all defaults, and all tags. */
  readonly settings: CheckedFanOutSettings;
  /** How the names of its resources begin, and those of its workers' resources. */
  readonly name: string;
  /** PROJECT-STACK-FANOUT, which tells this machine's metrics and names from those of others in the account. */
  readonly machine: string;
  /** Prefix of the names of the workers' log groups. */
  readonly logGroups: string;
  /** The workers attached so far, by name. */
  readonly workers: Record<string, DeclaredOutputs> = {};
  /** Their settings, by name, with all defaults. */
  readonly workerSettings: Record<string, CheckedWorkerSettings> = {};
  /** Resolves when the turn is over in which the fan-out was made: all workers are attached then, and later ones refused. */
  readonly complete: Promise<void>;
  #isComplete = false;
  readonly #granted = new Set<string>();

  constructor(name: string, args: ImageFanOutArgs = {}, opts?: pulumi.ComponentResourceOptions) {
    checkName("ImageFanOut", name);
    const { transform = {} } = args;
    checkTransform(`ImageFanOut "${name}"`, transform, TRANSFORMS);
    const settings = checkFanOutSettings(`ImageFanOut "${name}": `, args, ["transform"]);
    super("image-machine:index:ImageFanOut", name, {}, opts);
    const tags = { Project: pulumi.getProject(), Stack: pulumi.getStack(), ...settings.tags };
    this.name = name;
    this.machine = `${pulumi.getProject()}-${pulumi.getStack()}-${name}`;
    this.logGroups = `/aws/lambda/${this.machine}-`;
    this.settings = { ...settings, tags };
    this.complete = setImmediate().then(() => {
      this.#isComplete = true;
    });
    const child: Child = { name, settings: this.settings, transform, parent: { parent: this } };

    this.keyArn = createKey(child, this.logGroups);
    this.encryptionKeyArn = settings.customerManagedKey === "retire" ? undefined : this.keyArn;
    const source = createBucket(child, "source", this.encryptionKeyArn);
    this.source = source.bucket;
    this.results = createBucket(child, "results", this.encryptionKeyArn).bucket;

    this.topic = createTopic(child, this.encryptionKeyArn);
    const topicPolicy = letSourcePublish(child, this.topic, this.source);
    if (settings.tracing) letTopicTrace(child, this.topic, this.machine);
    tellTopic(child, this.topic, source, topicPolicy);
    this.sharp = createLayer(child, this.machine);

    this.alarmTopic = createAlarmTopic(child, this.encryptionKeyArn);
    if (settings.alarms.enabled) createAlarm(child, this.topic, this.alarmTopic);
    if (settings.dashboard) createDashboard(child, this);

    this.registerOutputs({
      source: this.source.bucket,
      results: this.results.bucket,
      topic: this.topic.arn,
    });
  }

  /** @throws RangeError where a worker of this name cannot be attached */
  checkNewWorker(name: string): void {
    if (this.#isComplete) {
      throw new RangeError(
        `ImageWorker "${name}": it comes too late for the fan-out's dashboard and objective, after an await. Create the fan-out and all its workers without an await in between: what has to be waited for comes before them.`,
      );
    }
    checkFullName(this.name, name);
    if (!this.workers[name]) return;
    throw new RangeError(
      `ImageWorker "${name}": the fan-out has a worker of that name already, whose results are under "${name}/". Give one of them another name.`,
    );
  }

  /**
   * Lets a role drop images into the source bucket.
   * @param role the resource, or the name of a role that is there already
   * @throws RangeError where it is none, or may do so already
   */
  grantUpload(role: Granted): aws.iam.RolePolicy {
    const arns = pulumi.output({ sourceArn: this.source.arn, keyArn: this.encryptionKeyArn });
    return this.#grant("grantUpload", role, "upload", arns.apply(policies.uploadPolicy));
  }

  /**
   * Lets a role read the results of all workers, and list them.
   * @param role the resource, or the name of a role that is there already
   * @throws RangeError where it is none, or may do so already
   */
  grantRead(role: Granted): aws.iam.RolePolicy {
    const arns = pulumi.output({ resultsArn: this.results.arn, keyArn: this.keyArn });
    return this.#grant("grantRead", role, "read", arns.apply(policies.readPolicy));
  }

  #grant(method: string, role: Granted, what: string, policy: pulumi.Output<aws.iam.PolicyDocument>) {
    const of = { component: `ImageFanOut "${this.name}"`, method, prefix: `${this.name}-${what}`, policy };
    return grant(role, of, this.#granted, this);
  }

  /** Records a worker, for the stack's outputs, the dashboard and the objective. */
  attach(name: string, outputs: DeclaredOutputs, settings: CheckedWorkerSettings): void {
    this.workers[name] = outputs;
    this.workerSettings[name] = settings;
  }
}

/** Name and settings of the fan-out, for each step. */
interface Child {
  readonly name: string;
  readonly settings: CheckedFanOutSettings;
  readonly transform: ImageFanOutTransform;
  readonly parent: pulumi.CustomResourceOptions;
}

type KeyArn = pulumi.Output<string> | undefined;

/** Options of resources that the settings may protect and keep. */
function kept({ settings: { buckets }, parent }: Child): pulumi.ComponentResourceOptions {
  return { ...parent, protect: buckets.protect, retainOnDelete: buckets.retainOnDelete };
}

function createKey(child: Child, logGroups: string): KeyArn {
  const { name, settings, transform } = child;
  if (!settings.customerManagedKey) return undefined;
  const args = { logGroups, tags: settings.tags, transform: transform.key };
  return new EncryptionKey(`${name}-key`, args, kept(child)).arn;
}

function createBucket(child: Child, of: "source" | "results", keyArn: KeyArn): ImageBucket {
  const { buckets, tags } = child.settings;
  const { forceDestroy, noncurrentVersionDays } = buckets;
  const args = { forceDestroy, noncurrentVersionDays, keyArn, tags, transform: child.transform[of] };
  return new ImageBucket(`${child.name}-${of}`, args, kept(child));
}

function createTopic({ name, settings, transform, parent }: Child, keyArn: KeyArn): aws.sns.Topic {
  return new aws.sns.Topic(
    `${name}-created`,
    ...transformed(
      transform.topic,
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
    `${name}-created-policy`,
    ...transformed<aws.sns.TopicPolicyArgs>(
      transform.topicPolicy,
      { arn: topic.arn, policy: arns.apply(policies.topicPolicy) },
      parent,
    ),
  );
}

function letTopicTrace({ name, transform, parent }: Child, topic: aws.sns.Topic, machine: string): void {
  new aws.xray.ResourcePolicy(
    `${name}-tracing-policy`,
    ...transformed(
      transform.tracingPolicy,
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
  { name, transform, parent }: Child,
  topic: aws.sns.Topic,
  source: ImageBucket,
  topicPolicy: aws.sns.TopicPolicy,
): void {
  new aws.s3.BucketNotification(
    `${name}-source-notification`,
    ...transformed(
      transform.notification,
      {
        bucket: source.bucket.bucket,
        topics: [{ id: "created", topicArn: topic.arn, events: ["s3:ObjectCreated:*"] }],
      },
      { ...parent, dependsOn: [topicPolicy, source.versioning] },
    ),
  );
}

function createLayer({ name, transform, parent }: Child, machine: string): aws.lambda.LayerVersion {
  return new aws.lambda.LayerVersion(
    `${name}-sharp`,
    ...transformed(
      transform.layer,
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

function createAlarm(
  { name, settings, transform, parent }: Child,
  topic: aws.sns.Topic,
  alarmTopic: AlarmTopic,
): void {
  const args = alarmArgs(undeliveredAlarm(topic.name), alarmTopic.arn, settings.tags);
  new aws.cloudwatch.MetricAlarm(`${name}-undelivered-alarm`, ...transformed(transform.alarm, args, parent));
}

function createDashboard({ name, transform, parent }: Child, fanOut: ImageFanOut): void {
  new aws.cloudwatch.Dashboard(
    `${name}-dashboard`,
    ...transformed(
      transform.dashboard,
      { dashboardName: physicalName(fanOut.machine), dashboardBody: bodyOfAll(fanOut) },
      parent,
    ),
  );
}
