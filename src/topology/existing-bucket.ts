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
    `${subject} is ${JSON.stringify(bucket)}, which has no versioning, but events and results must name exact versions. Turn it on first: aws s3api put-bucket-versioning --bucket ${bucket} --versioning-configuration Status=Enabled`,
  );
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
