import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { sharpLayer } from "../packaging/sharp-layer.ts";
import { checkName } from "./checks.ts";
import { ImageBucket, type ImageBucketArgs } from "./image-bucket.ts";
import { topicPolicy } from "./policies.ts";

/** The settings of both buckets. */
export interface ImageFanOutArgs extends ImageBucketArgs {}

/** Where a worker takes its messages and leaves its results. */
export interface WorkerOutputs {
  /** URL of the queue. */
  readonly queue: pulumi.Output<string>;
  /** URL of the dead-letter queue. */
  readonly deadLetterQueue: pulumi.Output<string>;
  /** Name of the function. */
  readonly function: pulumi.Output<string>;
  /** First segment of the keys of its results. */
  readonly prefix: string;
}

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
  /** The workers attached so far, by name. */
  readonly workers: Record<string, WorkerOutputs> = {};

  constructor(name: string, args: ImageFanOutArgs = {}, opts?: pulumi.ComponentResourceOptions) {
    checkName("ImageFanOut", name);
    super("image-machine:index:ImageFanOut", name, {}, opts);
    const parent = { parent: this };

    this.source = new ImageBucket(`${name}-source`, args, parent).bucket;
    this.results = new ImageBucket(`${name}-results`, args, parent).bucket;

    this.topic = new aws.sns.Topic(`${name}-created`, {}, parent);
    const policy = new aws.sns.TopicPolicy(
      `${name}-created-policy`,
      {
        arn: this.topic.arn,
        policy: pulumi
          .output({ topicArn: this.topic.arn, bucketArn: this.source.arn })
          .apply((arns) => JSON.stringify(topicPolicy(arns))),
      },
      parent,
    );
    new aws.s3.BucketNotification(
      `${name}-source-notification`,
      {
        bucket: this.source.bucket,
        topics: [{ id: "created", topicArn: this.topic.arn, events: ["s3:ObjectCreated:*"] }],
      },
      // S3 tries the topic when it is told of it, and refuses one that it may not publish to.
      { parent: this, dependsOn: policy },
    );

    this.sharp = new aws.lambda.LayerVersion(
      `${name}-sharp`,
      {
        layerName: `${name}-sharp`,
        description: "sharp and libvips",
        code: sharpLayer(),
        compatibleArchitectures: ["arm64"],
        compatibleRuntimes: ["nodejs24.x"],
      },
      parent,
    );

    this.registerOutputs({
      source: this.source.bucket,
      results: this.results.bucket,
      topic: this.topic.arn,
    });
  }
}
