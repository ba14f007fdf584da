import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { CheckedStorageSettings } from "./fan-out-settings.ts";
import type { Tags } from "./later.ts";
import { bucketPolicy } from "./policies.ts";
import { checkTransform, type Transform, transformed } from "./transform.ts";

export interface ImageBucketArgs {
  /** Whether `pulumi destroy` deletes a bucket that still holds objects. */
  readonly forceDestroy: boolean;

  /** Days, 1 to 3,650, until an overwritten or deleted version expires. */
  readonly noncurrentVersionDays: pulumi.Input<number>;

  /** How long current objects stay, and in which storage class. @default for ever, in S3 Standard */
  readonly storage?: CheckedStorageSettings | undefined;

  /** ARN of the KMS key that encrypts the objects. @default S3's own keys, SSE-S3 */
  readonly keyArn?: pulumi.Input<string> | undefined;

  readonly tags: Tags;

  /** Changes to single resources. @default none */
  readonly transform?: ImageBucketTransform | undefined;
}

export interface ImageBucketTransform {
  readonly bucket?: Transform<aws.s3.BucketArgs>;
  readonly versioning?: Transform<aws.s3.BucketVersioningArgs>;
  readonly publicAccess?: Transform<aws.s3.BucketPublicAccessBlockArgs>;
  readonly ownership?: Transform<aws.s3.BucketOwnershipControlsArgs>;
  readonly encryption?: Transform<aws.s3.BucketServerSideEncryptionConfigurationArgs>;
  readonly policy?: Transform<aws.s3.BucketPolicyArgs>;
  readonly lifecycle?: Transform<aws.s3.BucketLifecycleConfigurationArgs>;
}

/** Every transform that there is, for checks. */
const TRANSFORMS: Record<keyof ImageBucketTransform, true> = {
  bucket: true,
  versioning: true,
  publicAccess: true,
  ownership: true,
  encryption: true,
  policy: true,
  lifecycle: true,
};

/** Days until the parts of an upload that was never completed are removed. */
const ABANDONED_UPLOAD_DAYS = 7;

/**
 * A bucket for images: versioned, so that an event names the exact bytes it is about; encrypted; closed to the
 * public and to requests without TLS; free of abandoned uploads and of versions nobody asks for any more.
 *
 * The options `protect` and `retainOnDelete` hold for all of it: a bucket that is kept stays closed and encrypted.
 */
export class ImageBucket extends pulumi.ComponentResource {
  /** The bucket itself. It is ready for objects once the whole component is. */
  readonly bucket: aws.s3.Bucket;
  /** Versioning of the bucket: an event about an object that came before it names no version. */
  readonly versioning: aws.s3.BucketVersioning;

  constructor(name: string, args: ImageBucketArgs, opts?: pulumi.ComponentResourceOptions) {
    checkTransform(`ImageBucket "${name}": transform.`, args.transform ?? {}, TRANSFORMS);
    super("image-machine:index:ImageBucket", name, {}, opts);
    const parent = { parent: this, retainOnDelete: opts?.retainOnDelete ?? false };
    const { forceDestroy, tags, transform = {} } = args;

    this.bucket = new aws.s3.Bucket(...transformed(transform.bucket, name, { forceDestroy, tags }, parent));
    const child: Child = { name, bucket: this.bucket, args, transform, parent };
    this.versioning = keepVersions(child);
    const publicAccess = closeToThePublic(child);
    forgetAccessLists(child);
    encrypt(child);
    refuseWithoutTls(child, publicAccess);
    forgetWhatNobodyAsksFor(child, this.versioning);

    this.registerOutputs({ bucket: this.bucket.bucket });
  }
}

/** The bucket and what its constructor was given, for each step. */
interface Child {
  readonly name: string;
  readonly bucket: aws.s3.Bucket;
  readonly args: ImageBucketArgs;
  readonly transform: ImageBucketTransform;
  readonly parent: pulumi.CustomResourceOptions;
}

function keepVersions({ name, bucket, transform, parent }: Child): aws.s3.BucketVersioning {
  return new aws.s3.BucketVersioning(
    ...transformed(
      transform.versioning,
      `${name}-versioning`,
      { bucket: bucket.bucket, versioningConfiguration: { status: "Enabled" } },
      parent,
    ),
  );
}

function closeToThePublic({ name, bucket, transform, parent }: Child): aws.s3.BucketPublicAccessBlock {
  return new aws.s3.BucketPublicAccessBlock(
    ...transformed(
      transform.publicAccess,
      `${name}-public-access`,
      {
        bucket: bucket.bucket,
        blockPublicAcls: true,
        blockPublicPolicy: true,
        ignorePublicAcls: true,
        restrictPublicBuckets: true,
      },
      parent,
    ),
  );
}

function forgetAccessLists({ name, bucket, transform, parent }: Child): void {
  new aws.s3.BucketOwnershipControls(
    ...transformed(
      transform.ownership,
      `${name}-ownership`,
      { bucket: bucket.bucket, rule: { objectOwnership: "BucketOwnerEnforced" } },
      parent,
    ),
  );
}

function encrypt({ name, bucket, args: { keyArn }, transform, parent }: Child): void {
  const rule =
    keyArn === undefined
      ? { applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }
      : {
          applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms", kmsMasterKeyId: keyArn },
          // One request to KMS for many objects instead of one for each.
          bucketKeyEnabled: true,
        };
  new aws.s3.BucketServerSideEncryptionConfiguration(
    ...transformed(
      transform.encryption,
      `${name}-encryption`,
      { bucket: bucket.bucket, rules: [rule] },
      parent,
    ),
  );
}

/** @param publicAccess also changes the bucket's policy status: S3 answers a conflict when the two race */
function refuseWithoutTls(
  { name, bucket, transform, parent }: Child,
  publicAccess: aws.s3.BucketPublicAccessBlock,
): void {
  new aws.s3.BucketPolicy(
    ...transformed<aws.s3.BucketPolicyArgs>(
      transform.policy,
      `${name}-policy`,
      { bucket: bucket.bucket, policy: bucket.arn.apply(bucketPolicy) },
      { ...parent, dependsOn: publicAccess },
    ),
  );
}

/** @param versioning comes first: a rule about noncurrent versions means nothing before there are versions */
function forgetWhatNobodyAsksFor(
  { name, bucket, args: { noncurrentVersionDays, storage }, transform, parent }: Child,
  versioning: aws.s3.BucketVersioning,
): void {
  new aws.s3.BucketLifecycleConfiguration(
    ...transformed(
      transform.lifecycle,
      `${name}-lifecycle`,
      {
        bucket: bucket.bucket,
        rules: [
          {
            id: "abandoned-uploads",
            status: "Enabled",
            filter: {},
            abortIncompleteMultipartUpload: { daysAfterInitiation: ABANDONED_UPLOAD_DAYS },
          },
          {
            id: "old-versions",
            status: "Enabled",
            filter: {},
            noncurrentVersionExpiration: { noncurrentDays: noncurrentVersionDays },
            expiration: { expiredObjectDeleteMarker: true },
          },
          ...storageRules(storage),
        ],
      },
      { ...parent, dependsOn: versioning },
    ),
  );
}

/** Returns rules about current objects. S3 moves none by itself that is below 128 KB, and would cost more elsewhere. */
function storageRules(
  storage: CheckedStorageSettings | undefined,
): aws.types.input.s3.BucketLifecycleConfigurationRule[] {
  if (!storage) return [];
  const { expireDays: days, infrequentAccessDays, intelligentTiering } = storage;
  const rule = (id: string) => ({ id, status: "Enabled", filter: {} });
  const moving = (id: string, days: pulumi.Input<number>, storageClass: string) => ({
    ...rule(id),
    transitions: [{ days, storageClass }],
  });
  return [
    ...(days === undefined ? [] : [{ ...rule("expiry"), expiration: { days } }]),
    ...(infrequentAccessDays === undefined
      ? []
      : [moving("infrequent-access", infrequentAccessDays, "STANDARD_IA")]),
    ...(intelligentTiering ? [moving("intelligent-tiering", 0, "INTELLIGENT_TIERING")] : []),
  ];
}
