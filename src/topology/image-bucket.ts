import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { bucketPolicy } from "./policies.ts";

export interface ImageBucketArgs {
  /** Whether `pulumi destroy` deletes a bucket that still holds objects. @default false */
  readonly forceDestroy?: boolean;

  /** Days, 1 or more, until an overwritten or deleted version expires. @default 30 */
  readonly noncurrentVersionDays?: number;
}

/** Days until the parts of an upload that was never completed are removed. */
const ABANDONED_UPLOAD_DAYS = 7;

/**
 * A bucket for images: versioned, so that an event names the exact bytes it is about; encrypted; closed to the
 * public and to requests without TLS; free of abandoned uploads and of versions nobody asks for any more.
 */
export class ImageBucket extends pulumi.ComponentResource {
  /** The bucket itself. It is ready for objects once the whole component is. */
  readonly bucket: aws.s3.Bucket;

  constructor(name: string, args: ImageBucketArgs = {}, opts?: pulumi.ComponentResourceOptions) {
    super("image-machine:index:ImageBucket", name, {}, opts);
    const parent = { parent: this };

    this.bucket = new aws.s3.Bucket(name, { forceDestroy: args.forceDestroy ?? false }, parent);
    const bucket = this.bucket.bucket;

    const versioning = new aws.s3.BucketVersioning(
      `${name}-versioning`,
      { bucket, versioningConfiguration: { status: "Enabled" } },
      parent,
    );
    const publicAccess = new aws.s3.BucketPublicAccessBlock(
      `${name}-public-access`,
      {
        bucket,
        blockPublicAcls: true,
        blockPublicPolicy: true,
        ignorePublicAcls: true,
        restrictPublicBuckets: true,
      },
      parent,
    );
    new aws.s3.BucketOwnershipControls(
      `${name}-ownership`,
      { bucket, rule: { objectOwnership: "BucketOwnerEnforced" } },
      parent,
    );
    new aws.s3.BucketServerSideEncryptionConfiguration(
      `${name}-encryption`,
      { bucket, rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }] },
      parent,
    );
    new aws.s3.BucketPolicy(
      `${name}-policy`,
      {
        bucket,
        policy: this.bucket.arn.apply((bucketArn) => JSON.stringify(bucketPolicy({ bucketArn }))),
      },
      // Both are changes of the bucket's policy status: S3 answers a conflict when they race.
      { parent: this, dependsOn: publicAccess },
    );
    new aws.s3.BucketLifecycleConfiguration(
      `${name}-lifecycle`,
      {
        bucket,
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
            noncurrentVersionExpiration: { noncurrentDays: args.noncurrentVersionDays ?? 30 },
            expiration: { expiredObjectDeleteMarker: true },
          },
        ],
      },
      // A rule about noncurrent versions means nothing before there are versions.
      { parent: this, dependsOn: versioning },
    );

    this.registerOutputs({ bucket });
  }
}
