import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { sharpLayer } from "../packaging/sharp-layer.ts";
import type { DeclaredOutputs } from "../stack-outputs.ts";
import { AlarmTopic } from "./alarm-topic.ts";
import { alarmArgs, undeliveredAlarm } from "./alarms.ts";
import { checkName } from "./checks.ts";
import { bodyOfAll } from "./dashboard.ts";
import { EncryptionKey, type EncryptionKeyTransform } from "./encryption-key.ts";
import { type CheckedFanOutSettings, checkFanOutSettings, type FanOutSettings } from "./fan-out-settings.ts";
import { ImageBucket, type ImageBucketTransform } from "./image-bucket.ts";
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

/** All that can be transformed. */
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
 * What all workers share: the bucket that images are dropped into, the topic that tells every worker of each
 * new image, the bucket that results come back in, and the layer with sharp.
 *
 * @example
 * const fanOut = new ImageFanOut("images");
 * new RotationWorker("clockwise", { fanOut, angle: 90 });
 */
export class ImageFanOut extends pulumi.ComponentResource {
  /** Images are dropped here. */
  readonly source: aws.s3.Bucket;
  /** Results come back here, under `WORKER/KEY`. A second bucket, so that no result is ever taken for a source. */
  readonly results: aws.s3.Bucket;
  /** One message for every object created in the source bucket. */
  readonly topic: aws.sns.Topic;
  /** sharp and libvips for linux-arm64, for every function that processes images. */
  readonly sharp: aws.lambda.LayerVersion;
  /** Where all alarms go; undefined where there are none. */
  readonly alarmTopic: AlarmTopic | undefined;
  /** ARN of the key that what is stored may be encrypted with; undefined where AWS holds all keys. */
  readonly keyArn: pulumi.Output<string> | undefined;
  /** ARN of the key that everything new is encrypted with: none where it is retired, or AWS holds all keys. */
  readonly encryptionKeyArn: pulumi.Output<string> | undefined;
  /** What it was told, with the defaults. */
  readonly settings: CheckedFanOutSettings;
  /** Tells this stack's metrics and physical names from those of others in the account. */
  readonly stack = `${pulumi.getProject()}-${pulumi.getStack()}`;
  /** How the names of the workers' log groups begin. */
  readonly logGroups = `/aws/lambda/${this.stack}-`;
  /** The workers attached so far, by name. */
  readonly workers: Record<string, DeclaredOutputs> = {};
  /** Their settings, by name, with all defaults. */
  readonly workerSettings: Record<string, CheckedWorkerSettings> = {};

  constructor(name: string, args: ImageFanOutArgs = {}, opts?: pulumi.ComponentResourceOptions) {
    checkName("ImageFanOut", name);
    const { transform = {}, ...given } = args;
    checkTransform(`ImageFanOut "${name}"`, transform, TRANSFORMS);
    const settings = checkFanOutSettings(`ImageFanOut "${name}": `, given);
    super("image-machine:index:ImageFanOut", name, {}, opts);
    const parent = { parent: this };
    const tags = { Project: pulumi.getProject(), Stack: pulumi.getStack(), ...settings.tags };
    const { protect, retainOnDelete, ...bucketArgs } = settings.buckets;
    // For what cannot be named by Pulumi.
    const stackName = `${this.stack}-${name}`;
    const kept = { parent: this, protect, retainOnDelete };
    this.settings = { ...settings, tags };

    this.keyArn = settings.customerManagedKey
      ? new EncryptionKey(`${name}-key`, { logGroups: this.logGroups, tags, transform: transform.key }, kept)
          .arn
      : undefined;
    this.encryptionKeyArn = settings.customerManagedKey === "retire" ? undefined : this.keyArn;

    const bucket = { ...bucketArgs, keyArn: this.encryptionKeyArn, tags };
    const source = new ImageBucket(`${name}-source`, { ...bucket, transform: transform.source }, kept);
    this.source = source.bucket;
    this.results = new ImageBucket(
      `${name}-results`,
      { ...bucket, transform: transform.results },
      kept,
    ).bucket;

    this.topic = new aws.sns.Topic(
      `${name}-created`,
      ...transformed(
        transform.topic,
        {
          tags,
          ...(this.encryptionKeyArn && { kmsMasterKeyId: this.encryptionKeyArn }),
          // Left out, it would stay what it was.
          tracingConfig: settings.tracing ? "Active" : "PassThrough",
        },
        parent,
      ),
    );
    const arns = { topicArn: this.topic.arn, bucketArn: this.source.arn };
    const topicPolicy = new aws.sns.TopicPolicy(
      `${name}-created-policy`,
      ...transformed(
        transform.topicPolicy,
        {
          arn: this.topic.arn,
          policy: pulumi.output(arns).apply((known) => JSON.stringify(policies.topicPolicy(known))),
        },
        parent,
      ),
    );
    if (settings.tracing) {
      new aws.xray.ResourcePolicy(
        `${name}-tracing-policy`,
        ...transformed(
          transform.tracingPolicy,
          {
            policyName: stackName,
            policyDocument: this.topic.arn.apply((topicArn) =>
              JSON.stringify(policies.tracingPolicy({ topicArn })),
            ),
          },
          parent,
        ),
      );
    }
    new aws.s3.BucketNotification(
      `${name}-source-notification`,
      ...transformed(
        transform.notification,
        {
          bucket: this.source.bucket,
          topics: [{ id: "created", topicArn: this.topic.arn, events: ["s3:ObjectCreated:*"] }],
        },
        // S3 tries the topic when it is told of it, and refuses one that it may not publish to. What is uploaded before
        // there are versions must not be told of: S3 may not find it for a while, and cannot say that it is not deleted.
        { parent: this, dependsOn: [topicPolicy, source.versioning] },
      ),
    );

    this.sharp = new aws.lambda.LayerVersion(
      `${name}-sharp`,
      ...transformed(
        transform.layer,
        {
          layerName: `${name}-sharp`,
          description: "sharp and libvips",
          code: sharpLayer(),
          compatibleArchitectures: ["arm64"],
          compatibleRuntimes: ["nodejs24.x"],
        },
        parent,
      ),
    );

    this.alarmTopic = settings.alarms.enabled
      ? new AlarmTopic(
          `${name}-alarms`,
          {
            email: settings.alarms.email,
            keyArn: this.encryptionKeyArn,
            tags,
            transform: transform.alarmTopic,
          },
          parent,
        )
      : undefined;
    if (this.alarmTopic) {
      const watched = undeliveredAlarm(this.topic.name);
      new aws.cloudwatch.MetricAlarm(
        `${name}-undelivered-alarm`,
        ...transformed(transform.alarm, alarmArgs(watched, this.alarmTopic.arn, tags), parent),
      );
    }
    if (settings.dashboard) {
      new aws.cloudwatch.Dashboard(
        `${name}-dashboard`,
        ...transformed(
          transform.dashboard,
          { dashboardName: stackName, dashboardBody: bodyOfAll(this.topic.arn, this.stack, this.workers) },
          parent,
        ),
      );
    }

    this.registerOutputs({
      source: this.source.bucket,
      results: this.results.bucket,
      topic: this.topic.arn,
    });
  }
}
