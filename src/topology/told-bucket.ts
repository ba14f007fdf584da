import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { ArgumentError } from "./argument-error.ts";
import { existingBucket, type NotificationToAdd, notificationToAdd } from "./existing-bucket.ts";
import type { CheckedFanOutSettings } from "./fan-out-settings.ts";
import type { ImageFanOutTransform } from "./fan-out-transform.ts";
import { notificationFilter } from "./filters.ts";
import { ImageBucket } from "./image-bucket.ts";
import { guarded, kept } from "./kept.ts";
import type { Tags } from "./later.ts";
import { physicalName } from "./names.ts";
import * as policies from "./policies.ts";
import { type Child, childOf } from "./transform.ts";
import type { End, Way } from "./ways.ts";

export type KeyArn = pulumi.Output<string> | undefined;

/** Name and settings of a fan-out, for each step. */
export interface FanOut {
  readonly name: string;
  /** The component, whose children all resources are. */
  readonly component: pulumi.ComponentResource;
  /** PROJECT-STACK-FANOUT, which tells this machine's metrics and names from those of others in the account. */
  readonly machine: string;
  /** Settings with all defaults, and all tags. */
  readonly settings: Omit<CheckedFanOutSettings, "tags"> & { readonly tags: Tags };
  readonly transform: ImageFanOutTransform;
  /** Makes children out of their arguments. */
  readonly own: Child<ImageFanOutTransform>;
  /** ARN of the key that is needed to read what is stored; undefined where AWS holds all keys. */
  readonly keyArn: KeyArn;
  /** ARN of the key that everything new is encrypted with; undefined where it is retired, or AWS holds all keys. */
  readonly encryptionKeyArn: KeyArn;
}

/** A bucket of a fan-out, and what makes it keep versions if that is the machine's. */
export interface Bucket extends End, Partial<Pick<ImageBucket, "versioning">> {
  /** What of others would change if it told a topic of results, to end a sentence with. */
  readonly ofOthers?: string;
}

/** What is told of everything in a bucket, and by what. */
export interface Told {
  readonly topic: aws.sns.Topic;
  /** Undefined if the topic is another stack's. */
  readonly topicPolicy?: aws.sns.TopicPolicy;
  /** Undefined if the bucket is another stack's, or its notifications are left to its owner. */
  readonly notification?: aws.s3.BucketNotification | undefined;
  readonly notificationToAdd?: pulumi.Output<NotificationToAdd> | undefined;
}

export function findBucket(
  { name, component }: FanOut,
  which: "source" | "results",
  given: pulumi.Input<string>,
): Bucket {
  return { bucket: aws.s3.Bucket.get(`${name}-${which}`, given, undefined, { parent: component }), given };
}

export function createBucket(fanOut: FanOut, which: "source" | "results"): Bucket {
  const { name, component, settings, transform, encryptionKeyArn } = fanOut;
  const given = settings[which]?.existing;
  if (given !== undefined) {
    const subject = `ImageFanOut "${name}": ${which}.existing`;
    if (transform[which] !== undefined) {
      throw new ArgumentError(
        `${subject} is its owner's, so transform.${which} would change nothing: leave one of them out.`,
      );
    }
    return {
      bucket: existingBucket(subject, `${name}-${which}`, given, { parent: component }),
      given,
      ofOthers: "the notifications of results.existing, which are its owner's",
    };
  }
  const args = {
    forceDestroy: settings.retention === "destroy",
    noncurrentVersionDays: settings.buckets.noncurrentVersionDays,
    storage: settings.lifecycle[which],
    keyArn: encryptionKeyArn,
    tags: settings.tags,
    transform: transform[which],
  };
  return new ImageBucket(`${name}-${which}`, args, { parent: component, ...kept(settings) });
}

/** Creates the topic that is told of everything in a bucket. */
export function tellOf(fanOut: FanOut, which: "source" | "results", from: Bucket, way: Way): Told {
  const { name, component, machine, settings, transform, encryptionKeyArn } = fanOut;
  const isSource = which === "source";
  const what = isSource ? "created" : "completed";
  const own = childOf(
    { parent: component, ...guarded(settings) },
    isSource ? transform : transform.completed,
  );

  const topic = new aws.sns.Topic(
    ...own("topic", `${name}-${what}`, {
      tags: settings.tags,
      ...(encryptionKeyArn && { kmsMasterKeyId: encryptionKeyArn }),
      // Left out, it would stay what it was.
      tracingConfig: settings.tracing && isSource ? "Active" : "PassThrough",
    }),
  );
  if (settings.tracing && isSource) letTopicTrace(fanOut, topic);
  const arns = pulumi.output({ topicArn: topic.arn, bucketArn: from.bucket.arn });
  const of = isSource ? "Source" : "Results";
  const topicPolicy = new aws.sns.TopicPolicy(
    ...own("topicPolicy", `${name}-${what}-policy`, {
      arn: topic.arn,
      policy: arns.apply((known) => policies.topicPolicy({ ...known, of })),
    }),
  );
  const filter = isSource ? notificationFilter(settings) : {};
  if (isSource && settings.source?.notification === false) {
    const toAdd = notificationToAdd(machine, topic.arn, filter);
    askOwner(component, from.bucket, toAdd);
    return { topic, topicPolicy, notificationToAdd: toAdd };
  }
  way.tellOf(which);
  const topics = [{ id: what, topicArn: topic.arn, events: ["s3:ObjectCreated:*"], ...filter }];
  // S3 tries the topic when it is told of it, and refuses one that it may not publish to. What is uploaded before there are
  // versions must not be told of: S3 may not find it for a while, and cannot say that it is not deleted.
  const dependsOn = [topicPolicy, ...(from.versioning ? [from.versioning] : [])];
  const notification = new aws.s3.BucketNotification(
    ...own(
      "notification",
      `${name}-${which}-notification`,
      { bucket: from.bucket.bucket, topics },
      { dependsOn },
    ),
  );
  return { topic, topicPolicy, notification };
}

/** Prints what the owner of the source bucket must add, as nobody is told of an image before that. */
function askOwner(
  fanOut: pulumi.Resource,
  source: aws.s3.Bucket,
  toAdd: pulumi.Output<NotificationToAdd>,
): void {
  pulumi
    .all([source.bucket, toAdd])
    .apply(([bucket, configuration]) =>
      pulumi.log.info(
        `Workers get no images from ${bucket} until its owner adds this to its notifications, which the machine leaves alone: ${JSON.stringify(configuration)}`,
        fanOut,
      ),
    );
}

function letTopicTrace({ name, machine, own }: FanOut, topic: aws.sns.Topic): void {
  new aws.xray.ResourcePolicy(
    ...own("tracingPolicy", `${name}-tracing-policy`, {
      policyName: physicalName(machine),
      policyDocument: pulumi.jsonStringify(topic.arn.apply(policies.tracingPolicy)),
    }),
  );
}
