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
import type { End, Way, Workers } from "./ways.ts";

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
  /** Why the machine may not have it tell of results. */
  readonly isOthers?: string;
}

/** What is told of everything in a bucket, and by what. */
export interface Told {
  readonly topic: aws.sns.Topic;
  /** Undefined where the topic is another stack's. */
  readonly topicPolicy?: aws.sns.TopicPolicy;
  /** Undefined where the bucket is another stack's, or its notifications are left to its owner. */
  readonly notification?: aws.s3.BucketNotification | undefined;
  readonly notificationToAdd?: pulumi.Output<NotificationToAdd> | undefined;
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

/** Where the images of a fan-out come from, and all that is otherwise for it. */
export interface Origin {
  /** @throws ArgumentError where settings or transforms are about what is another's */
  readonly check: (subject: string, settings: CheckedFanOutSettings, transform: ImageFanOutTransform) => void;
  /** Returns how long images and results stay. */
  readonly lifecycle: (subject: string, own: CheckedFanOutSettings["lifecycle"]) => typeof own;
  /** Returns the bucket that images are in. */
  readonly source: (fanOut: FanOut) => Bucket;
  /** Returns the bucket that results come back in. */
  readonly results: (fanOut: FanOut) => Bucket;
  /** Returns the topic that is told of images. */
  readonly told: (fanOut: FanOut, source: Bucket, way: Way) => Told;
  /** ARN of the key that images are encrypted with, where it is not the fan-out's. */
  readonly keyArn?: KeyArn;
  /** Workers of another stack, whose results go into the same bucket. */
  readonly workers?: Workers | undefined;
  /** Whether images are uploaded, and do not come from another fan-out. */
  readonly isUploaded: boolean;
  /** Whether another stack has the alarm on what the topic could not deliver. */
  readonly isWatched: boolean;
}

/** Images that are dropped into a bucket of the fan-out's own. */
export const UPLOADS: Origin = {
  check: () => {},
  lifecycle: (_subject, own) => own,
  source: (fanOut) => createBucket(fanOut, "source"),
  results: (fanOut) => createBucket(fanOut, "results"),
  told: (fanOut, source, way) => {
    const told = tellOf(fanOut, "source", source, way);
    if (fanOut.settings.tracing) letTopicTrace(fanOut, told.topic);
    return told;
  },
  isUploaded: true,
  isWatched: false,
};

/** Images that another stack has, and results that go into its bucket. */
export function otherStack({ sourceBucket, resultsBucket, topic, workers }: FanOutOutputs): Origin {
  return {
    ...UPLOADS,
    check: (subject, settings, transform) => {
      refuseFilter(subject, settings, "its source bucket is another stack's");
      for (const which of ["source", "results"] as const) {
        if (settings[which] === undefined) continue;
        throw new ArgumentError(
          `${subject}: ${which} is given, but the outputs of the other stack say which bucket that is: leave it out.`,
        );
      }
      if (settings.key === "create" || settings.key === "retire") {
        throw new ArgumentError(
          `${subject}: key is ${JSON.stringify(settings.key)}, but its buckets are another stack's: give the ARN of the key that they have, or none.`,
        );
      }
      refuseTransforms(subject, transform, [...OF_TOPIC, "results", "completed", "key"]);
    },
    source: (fanOut) => findBucket(fanOut, "source", sourceBucket),
    results: (fanOut) => ({
      ...findBucket(fanOut, "results", resultsBucket),
      isOthers: "the results bucket, which is another stack's: ask for it there, and export the topic",
    }),
    told: ({ name, component }) => ({
      topic: aws.sns.Topic.get(`${name}-created`, topic, undefined, { parent: component }),
    }),
    workers,
    isWatched: true,
  };
}

/** Transforms of what a fan-out has from another that tells it of images. */
export const OF_TOPIC = ["source", "topic", "topicPolicy", "notification", "tracingPolicy"] as const;

/** @throws ArgumentError where a transform is of a resource that the fan-out has from another, and would change nothing */
export function refuseTransforms(
  subject: string,
  transform: ImageFanOutTransform,
  others: readonly (keyof ImageFanOutTransform)[],
): void {
  const other = others.find((which) => transform[which] !== undefined);
  if (other === undefined) return;
  throw new ArgumentError(
    `${subject}: transform.${other} can change nothing, as the resource is another fan-out's: say it there.`,
  );
}

/**
 * @throws ArgumentError where the images of a fan-out would be in another region than it is itself, as topics only have subscriptions in
 *   their own; an `apply` does where a provider's region is only known later
 */
export function checkRegion(next: FanOut, first: FanOut): void {
  const [there, here] = [first, next].map(({ component }) =>
    component.getProvider("aws:index/provider:Provider"),
  );
  if (there === here) return;
  const regionOf = (provider: pulumi.ProviderResource | undefined) =>
    pulumi
      .output((provider as aws.Provider | undefined)?.region)
      .apply((region) => region ?? aws.config.region);
  pulumi.all([regionOf(there), regionOf(here)]).apply(([other, own]) => {
    if (other === undefined || own === undefined || other === own) return;
    throw new ArgumentError(
      `ImageFanOut "${next.name}": its provider is of ${own}, but its images are results of ImageFanOut "${first.name}" in ${other}, whose topic has subscriptions in its own region alone: give both a provider of one region.`,
    );
  });
}

/** @throws ArgumentError where there would be nothing to filter */
export function refuseFilter(
  subject: string,
  { prefix, suffix }: Pick<CheckedFanOutSettings, "prefix" | "suffix">,
  why: string,
): void {
  if (prefix === undefined && suffix === undefined) return;
  throw new ArgumentError(
    `${subject}: ${prefix === undefined ? "suffix" : "prefix"} filters what is uploaded, but ${why}. Tell its workers which they are told of: only.`,
  );
}

function findBucket(
  { name, component }: FanOut,
  which: "source" | "results",
  given: pulumi.Input<string>,
): Bucket {
  return { bucket: aws.s3.Bucket.get(`${name}-${which}`, given, undefined, { parent: component }), given };
}

function createBucket(fanOut: FanOut, which: "source" | "results"): Bucket {
  const { name, component, settings, transform, encryptionKeyArn } = fanOut;
  const given = settings[which]?.existing;
  if (given !== undefined) {
    const subject = `ImageFanOut "${name}": ${which}.existing`;
    if (transform[which] !== undefined) {
      throw new ArgumentError(
        `${subject} is its owner's, so that transform.${which} can change nothing: leave one of them out.`,
      );
    }
    return {
      bucket: existingBucket(subject, `${name}-${which}`, given, { parent: component }),
      given,
      isOthers: "the notifications of results.existing, which are its owner's",
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
        `Nobody is told of images in ${bucket} before its owner adds this to its notifications, which the machine leaves alone: ${JSON.stringify(configuration)}`,
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
