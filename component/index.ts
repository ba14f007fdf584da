/**
 * The machine for programs in any language: `pulumi package add` makes a class of it in theirs. One component with flat named
 * arguments, as Pulumi's schema has neither unions nor functions; what is public here is in the schema, comments included.
 */
import * as pulumi from "@pulumi/pulumi";
import { declare } from "./machine.ts";
import type { FanOutSettings, WorkerSettings } from "./settings.ts";

/** What every worker has. */
export interface Worker extends WorkerSettings {
  /** The worker's name, unless `prefix` is set also how keys of its results begin, up to a slash. */
  name: string;

  /** How keys of its results begin, up to a slash. Default: the worker's name. */
  prefix?: string;
}

/** A worker that turns images by an angle. */
export interface Rotation extends Worker {
  /** Degrees by which every image is turned, clockwise; negative is counter-clockwise. Not a multiple of 360. */
  angle: number;
}

/** A worker that makes thumbnails. */
export interface Thumbnail extends Worker {
  /** Pixels of the longer side. A smaller image stays as small as it is. Range: 16 to 4,096. Default: 256. */
  longestSide?: number;

  /** What every thumbnail is encoded in: jpeg, png, webp or avif. Default: webp. */
  format?: string;
}

/** What a handler of one's own is allowed, beside what every worker is. */
export interface Permission {
  /** Letters and digits that name it in the role's policy. */
  sid: string;

  /** Actions, such as dynamodb:GetItem. */
  actions: string[];

  /** ARNs. */
  resources: pulumi.Input<pulumi.Input<string>[]>;
}

/** A worker with a handler of one's own. */
export interface Processor extends Worker {
  /** The TypeScript or JavaScript file that exports `handler`, absolute or relative to the Pulumi project. */
  handler: string;

  /** Further environment variables for the handler. Default: none. */
  environment?: pulumi.Input<Record<string, pulumi.Input<string>>>;

  /** What the handler itself needs beside the worker's own permissions. Default: nothing. */
  permissions?: Permission[];
}

/** A machine: buckets, topic, and a worker for whatever becomes of each image. */
export interface ImageMachineArgs extends FanOutSettings {
  /** Workers that turn images. Default: none. */
  rotations?: Rotation[];

  /** Workers that make thumbnails. Default: none. */
  thumbnails?: Thumbnail[];

  /** Workers with handlers of one's own. Default: none. */
  processors?: Processor[];
}

/** An image dropped into the source bucket comes back in the results bucket from every worker. */
export class ImageMachine extends pulumi.ComponentResource {
  /** Name of the bucket that images are dropped into. */
  readonly sourceBucket: pulumi.Output<string>;

  /** Name of the bucket that results come back in. */
  readonly resultsBucket: pulumi.Output<string>;

  /** ARN of the topic with one message for every new image. */
  readonly topic: pulumi.Output<string>;

  /** ARN of the topic that alarms go to, for a pager to subscribe to. */
  readonly alarmTopic: pulumi.Output<string>;

  /** Of each worker by its name: queue, dead-letter queue, function, log group, the prefix of its results, and its angle. */
  // biome-ignore lint/suspicious/noExplicitAny: what a worker tells depends on its kind
  readonly workers: pulumi.Output<any>;

  constructor(name: string, args: ImageMachineArgs, opts?: pulumi.ComponentResourceOptions) {
    super("image-machine:index:ImageMachine", name, {}, opts);
    const outputs = declare(this, name, args);
    this.sourceBucket = outputs.sourceBucket;
    this.resultsBucket = outputs.resultsBucket;
    this.topic = outputs.topic;
    this.alarmTopic = outputs.alarmTopic;
    this.workers = outputs.workers;
    this.registerOutputs({ ...outputs });
  }
}
