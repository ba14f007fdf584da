import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { ArgumentError } from "./argument-error.ts";
import { isBucket } from "./fan-out-settings.ts";
import type { Later } from "./later.ts";

/** What a bucket's notifications must have, as `aws s3api put-bucket-notification-configuration` takes it. */
export interface NotificationToAdd {
  readonly TopicConfigurations: readonly {
    readonly Id: string;
    readonly TopicArn: string;
    readonly Events: readonly string[];
    readonly Filter?: {
      readonly Key: { readonly FilterRules: readonly { readonly Name: string; readonly Value: string }[] };
    };
  }[];
}

/**
 * Reads the bucket that somebody else made; `pulumi destroy` leaves it alone. Whether a resource of the same program gets
 * versions nobody can tell, as another resource says so; one that is given by its name is looked at, in an apply.
 * @param subject says whose it is, to begin a sentence with
 */
export function existingBucket(
  subject: string,
  name: string,
  existing: Later<string> | aws.s3.Bucket,
  parent: pulumi.CustomResourceOptions,
): aws.s3.Bucket {
  if (isBucket(existing)) return existing;
  const bucket = aws.s3.Bucket.get(name, existing, undefined, parent);
  pulumi
    .all([existing, bucket.versioning])
    .apply(([name, versioning]) => checkVersions(subject, name, versioning));
  return bucket;
}

/** @throws ArgumentError where AWS says that the bucket keeps no versions */
export function checkVersions(
  subject: string,
  bucket: string,
  versioning: { enabled?: boolean } | undefined,
): void {
  if (versioning?.enabled) return;
  throw new ArgumentError(
    `${subject} is ${JSON.stringify(bucket)}, which keeps no versions, but events and results must name the exact bytes that they are about. Turn them on first: aws s3api put-bucket-versioning --bucket ${bucket} --versioning-configuration Status=Enabled`,
  );
}

/** Whose notifications the buckets of a program have, by resource and by name, for each engine that programs run in. */
const notified = new WeakMap<object, Map<unknown, string>>();

/**
 * Notes whose the notifications of a bucket become: it has one configuration, which a second one would take the place of.
 * @param existing of the program's settings, where the bucket has its name from there
 * @throws ArgumentError where they are another fan-out's already; the bucket's `apply` does where its name is only known later
 */
export function claimNotifications(
  fanOut: string,
  bucket: aws.s3.Bucket,
  existing: Later<string> | aws.s3.Bucket | undefined,
): void {
  const monitor = pulumi.runtime.getMonitor() as object;
  const owners = notified.get(monitor) ?? new Map<unknown, string>();
  notified.set(monitor, owners);
  const taken = (by: unknown): string | undefined => {
    const owner = owners.get(by) ?? fanOut;
    owners.set(by, owner);
    return owner === fanOut ? undefined : owner;
  };
  const sentence = (owner: string) =>
    `ImageFanOut "${fanOut}": source.existing is a bucket of which ImageFanOut "${owner}" has the notifications, and a bucket has one configuration of them, so that one of the two would be told of nothing. Let one fan-out have all workers, or, where no key fits prefix and suffix of both, say notification: false and add what notificationToAdd says: S3 refuses two that the same image would set off.`;
  const owner = taken(existing ?? bucket) ?? taken(bucket);
  if (owner !== undefined) throw new ArgumentError(sentence(owner));
  bucket.bucket.apply((name) => {
    const other = taken(name);
    if (other !== undefined) throw new ArgumentError(sentence(other));
  });
}

/** What the owner of a bucket adds to its notifications, so that a topic is told. */
export function notificationToAdd(
  id: string,
  topicArn: pulumi.Output<string>,
  filter: { filterPrefix?: string; filterSuffix?: string },
): pulumi.Output<NotificationToAdd> {
  const rules = [
    ...(filter.filterPrefix === undefined ? [] : [{ Name: "prefix", Value: filter.filterPrefix }]),
    ...(filter.filterSuffix === undefined ? [] : [{ Name: "suffix", Value: filter.filterSuffix }]),
  ];
  return topicArn.apply((TopicArn) => ({
    TopicConfigurations: [
      {
        Id: id,
        TopicArn,
        Events: ["s3:ObjectCreated:*"],
        ...(rules.length > 0 && { Filter: { Key: { FilterRules: rules } } }),
      },
    ],
  }));
}
