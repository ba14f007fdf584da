import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { ArgumentError } from "./argument-error.ts";
import { type CheckedFanOutSettings, SOURCE_DAYS } from "./fan-out-settings.ts";
import type { ImageFanOutTransform } from "./fan-out-transform.ts";
import { from } from "./later.ts";
import {
  type Bucket,
  createBucket,
  type FanOut,
  findBucket,
  type KeyArn,
  type Told,
  tellOf,
} from "./told-bucket.ts";
import type { Way, Workers } from "./ways.ts";

/** Outputs of the stack that a fan-out is in, as its index.ts exports them. */
export interface FanOutOutputs {
  /** Name of the bucket that images are dropped into. */
  readonly sourceBucket: pulumi.Input<string>;
  /** Name of the bucket for results. */
  readonly resultsBucket: pulumi.Input<string>;
  /** ARN of the topic with one message for every new image. */
  readonly topic: pulumi.Input<string>;
  /** The workers of that stack, by name: no worker here may have its results under the prefix of one. @default not checked */
  readonly workers?: pulumi.Input<Readonly<Record<string, unknown>>>;
}

/** Where the images of a fan-out come from, and all that is otherwise for it. */
export interface Origin {
  /**
   * Returns the fan-out's settings, and where images are another's how long they stay there.
   * @throws ArgumentError where settings or transforms are about what is another's
   */
  readonly settings: (
    subject: string,
    own: CheckedFanOutSettings,
    transform: ImageFanOutTransform,
  ) => CheckedFanOutSettings;
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
  readonly isWatchedThere: boolean;
}

/** Images that are dropped into a bucket of the fan-out's own. */
export const UPLOADS: Origin = {
  settings: (_subject, own) => own,
  source: (fanOut) => createBucket(fanOut, "source"),
  results: (fanOut) => createBucket(fanOut, "results"),
  told: (fanOut, source, way) => tellOf(fanOut, "source", source, way),
  isUploaded: true,
  isWatchedThere: false,
};

/** Transforms of what a fan-out has from another that tells it of images. */
const OF_TOPIC = ["source", "topic", "topicPolicy", "notification", "tracingPolicy"] as const;

/** Images that are results of another fan-out. @param tell has the results bucket tell of them */
export function resultsOf(first: FanOut, results: Bucket, tell: () => Told): Origin {
  const { name, settings, keyArn } = first;
  return {
    ...UPLOADS,
    settings: (subject, own, transform) => {
      refuseFilter(subject, own, "its images are results of another fan-out");
      refuseTransforms(subject, transform, OF_TOPIC);
      if (own.source !== undefined) {
        throw new ArgumentError(
          `${subject}: source is given, but its images are results of another fan-out: leave out source or after.`,
        );
      }
      const { expireDays, ...others } = settings.lifecycle.results;
      const checked =
        expireDays &&
        from(expireDays, (days) => {
          if (days >= SOURCE_DAYS) return days;
          throw new ArgumentError(
            `${subject}: its images are results of ImageFanOut "${name}", whose lifecycle.results.expireDays is ${days}, but must be ${SOURCE_DAYS} or more: a message may wait for ${SOURCE_DAYS - 1} days, and its image must still exist then.`,
          );
        });
      return { ...own, lifecycle: { ...own.lifecycle, source: { ...others, expireDays: checked } } };
    },
    source: () => results,
    told: (next) => {
      checkRegion(next, first);
      return tell();
    },
    keyArn,
    isUploaded: false,
  };
}

/** Images that another stack has, and results that go into its bucket. */
export function otherStack({ sourceBucket, resultsBucket, topic, workers }: FanOutOutputs): Origin {
  return {
    ...UPLOADS,
    settings: (subject, settings, transform) => {
      refuseFilter(subject, settings, "its source bucket is another stack's");
      for (const which of ["source", "results"] as const) {
        if (settings[which] === undefined) continue;
        throw new ArgumentError(
          `${subject}: ${which} is given, but the other stack's outputs name that bucket: leave it out.`,
        );
      }
      if (settings.key === "create" || settings.key === "retire") {
        throw new ArgumentError(
          `${subject}: key is ${JSON.stringify(settings.key)}, but its buckets are another stack's: give the ARN of their key, or none.`,
        );
      }
      refuseTransforms(subject, transform, [...OF_TOPIC, "results", "completed", "key"]);
      return settings;
    },
    source: (fanOut) => findBucket(fanOut, "source", sourceBucket),
    results: (fanOut) => ({
      ...findBucket(fanOut, "results", resultsBucket),
      ofOthers: "the results bucket, which is another stack's: read completed there, and export the topic",
    }),
    told: ({ name, component }) => ({
      topic: aws.sns.Topic.get(`${name}-created`, topic, undefined, { parent: component }),
    }),
    workers,
    isWatchedThere: true,
  };
}

/** @throws ArgumentError where a transform is of a resource that the fan-out has from another, and would change nothing */
function refuseTransforms(
  subject: string,
  transform: ImageFanOutTransform,
  others: readonly (keyof ImageFanOutTransform)[],
): void {
  const other = others.find((which) => transform[which] !== undefined);
  if (other === undefined) return;
  throw new ArgumentError(
    `${subject}: transform.${other} would change nothing, because the resource is another fan-out's: set it there.`,
  );
}

/**
 * @throws ArgumentError where the images of a fan-out would be in another region than it is itself, as topics only have subscriptions in
 *   their own; an `apply` does where a provider's region is only known later
 */
function checkRegion(next: FanOut, first: FanOut): void {
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
      `ImageFanOut "${next.name}": its provider is for ${own}, but its images are results of ImageFanOut "${first.name}" in ${other}, whose topic can only have subscriptions in its own region: give both a provider of the same region.`,
    );
  });
}

/** @throws ArgumentError where there would be nothing to filter */
function refuseFilter(
  subject: string,
  { prefix, suffix }: Pick<CheckedFanOutSettings, "prefix" | "suffix">,
  why: string,
): void {
  if (prefix === undefined && suffix === undefined) return;
  throw new ArgumentError(
    `${subject}: ${prefix === undefined ? "suffix" : "prefix"} filters uploads, but ${why}. Filter with only in its workers instead.`,
  );
}
