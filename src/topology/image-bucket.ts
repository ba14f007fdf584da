import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { CheckedStorageSettings } from "./fan-out-settings.ts";
import type { Tags } from "./later.ts";
import { bucketPolicy } from "./policies.ts";
import { type Child, childOf, type Known, type Transform } from "./transform.ts";

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

  /** Changes to individual resources. @default none */
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

export const BUCKET_TRANSFORMS: Known<ImageBucketTransform> = {
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
    super("image-machine:index:ImageBucket", name, {}, opts);
    const own = childOf({ parent: this, retainOnDelete: opts?.retainOnDelete ?? false }, args.transform);
    const { forceDestroy, noncurrentVersionDays, storage, keyArn, tags } = args;

    this.bucket = new aws.s3.Bucket(...own("bucket", name, { forceDestroy, tags }));
    const at: Place = { name, bucket: this.bucket.bucket, own };
    this.versioning = keepVersions(at);
    const publicAccess = closeToThePublic(at);
    forgetAccessLists(at);
    encrypt(at, keyArn);
    refuseWithoutTls(at, this.bucket.arn, publicAccess);
    forgetWhatNobodyAsksFor(at, { noncurrentVersionDays, storage }, this.versioning);

    this.registerOutputs({ bucket: this.bucket.bucket });
  }
}

/** The bucket, for each step. */
interface Place {
  readonly name: string;
  /** The bucket's own name. */
  readonly bucket: pulumi.Output<string>;
  readonly own: Child<ImageBucketTransform>;
}

function keepVersions({ name, bucket, own }: Place): aws.s3.BucketVersioning {
  return new aws.s3.BucketVersioning(
    ...own("versioning", `${name}-versioning`, {
      bucket,
      versioningConfiguration: { status: "Enabled" },
    }),
  );
}

function closeToThePublic({ name, bucket, own }: Place): aws.s3.BucketPublicAccessBlock {
  return new aws.s3.BucketPublicAccessBlock(
    ...own("publicAccess", `${name}-public-access`, {
      bucket,
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    }),
  );
}

function forgetAccessLists({ name, bucket, own }: Place): void {
  new aws.s3.BucketOwnershipControls(
    ...own("ownership", `${name}-ownership`, { bucket, rule: { objectOwnership: "BucketOwnerEnforced" } }),
  );
}

function encrypt({ name, bucket, own }: Place, keyArn: ImageBucketArgs["keyArn"]): void {
  const rule =
    keyArn === undefined
      ? { applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }
      : {
          applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms", kmsMasterKeyId: keyArn },
          // One request to KMS for many objects instead of one for each.
          bucketKeyEnabled: true,
        };
  new aws.s3.BucketServerSideEncryptionConfiguration(
    ...own("encryption", `${name}-encryption`, { bucket, rules: [rule] }),
  );
}

/** @param publicAccess also changes the bucket's policy status: S3 answers a conflict when the two race */
function refuseWithoutTls(
  { name, bucket, own }: Place,
  arn: pulumi.Output<string>,
  publicAccess: aws.s3.BucketPublicAccessBlock,
): void {
  const policy = arn.apply(bucketPolicy);
  new aws.s3.BucketPolicy(
    ...own("policy", `${name}-policy`, { bucket, policy }, { dependsOn: publicAccess }),
  );
}

/** @param versioning comes first: a rule about noncurrent versions means nothing before there are versions */
function forgetWhatNobodyAsksFor(
  { name, bucket, own }: Place,
  { noncurrentVersionDays, storage }: Pick<ImageBucketArgs, "noncurrentVersionDays" | "storage">,
  versioning: aws.s3.BucketVersioning,
): void {
  const rules = [
    {
      ...rule("abandoned-uploads"),
      abortIncompleteMultipartUpload: { daysAfterInitiation: ABANDONED_UPLOAD_DAYS },
    },
    {
      ...rule("old-versions"),
      noncurrentVersionExpiration: { noncurrentDays: noncurrentVersionDays },
      expiration: { expiredObjectDeleteMarker: true },
    },
    ...storageRules(storage),
  ];
  new aws.s3.BucketLifecycleConfiguration(
    ...own("lifecycle", `${name}-lifecycle`, { bucket, rules }, { dependsOn: versioning }),
  );
}

type Rule = aws.types.input.s3.BucketLifecycleConfigurationRule;

/** A rule about all objects of a bucket. */
function rule(id: string): Rule {
  return { id, status: "Enabled", filter: {} };
}

/** Returns rules about current objects. S3 moves none by itself that is below 128 KB, and would cost more elsewhere. */
function storageRules({
  expireDays,
  infrequentAccessDays,
  intelligentTiering,
}: Partial<CheckedStorageSettings> = {}): Rule[] {
  const moving = (id: string, days: pulumi.Input<number>, storageClass: string) => ({
    ...rule(id),
    transitions: [{ days, storageClass }],
  });
  return [
    ...(expireDays === undefined ? [] : [{ ...rule("expiry"), expiration: { days: expireDays } }]),
    ...(infrequentAccessDays === undefined
      ? []
      : [moving("infrequent-access", infrequentAccessDays, "STANDARD_IA")]),
    ...(intelligentTiering ? [moving("intelligent-tiering", 0, "INTELLIGENT_TIERING")] : []),
  ];
}
