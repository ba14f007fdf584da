/**
 * The machine for programs in any language: `pulumi package add` generates a class for it. It is one component with flat, named
 * arguments, because Pulumi's schema has neither unions nor functions. What is public here is in the schema, comments included.
 */
import * as pulumi from "@pulumi/pulumi";
import { declare } from "./machine.ts";
import type { FanOutSettings, WorkerSettings } from "./settings.ts";

/** A permission of a function's role, beyond those that every worker has. */
export interface Permission {
  /** Name of the statement in the role's policy: letters and digits. */
  sid: string;

  /** Actions, such as dynamodb:GetItem. */
  actions: string[];

  /** ARNs. */
  resources: pulumi.Input<pulumi.Input<string>[]>;
}

/** What every worker has. */
export interface Worker extends WorkerSettings {
  /** The worker's name. Unless `prefix` is set, keys of its results begin with it, up to a slash. */
  name: string;

  /** How keys of its results begin, up to a slash. Default: the worker's name. */
  prefix?: string;

  /** What the function needs beyond the worker's own permissions. Default: nothing. */
  permissions?: Permission[];
}

/** A worker that turns images by an angle. */
export interface Rotation extends Worker {
  /** Degrees to turn every image clockwise; negative is counter-clockwise. Not a multiple of 360. */
  angle: number;
}

/** A worker that makes thumbnails. */
export interface Thumbnail extends Worker {
  /** Length of the longer side in pixels. A smaller image keeps its size. Range: 16 to 4,096. Default: 256. */
  longestSide?: number;

  /** Format of every thumbnail: jpeg, png, webp or avif. Default: webp. */
  format?: string;
}

/** A worker with a handler of your own. */
export interface Processor extends Worker {
  /** The TypeScript or JavaScript file that exports `handler`, absolute or relative to the Pulumi project. */
  handler: string;

  /** Additional environment variables for the handler. Default: none. */
  environment?: pulumi.Input<Record<string, pulumi.Input<string>>>;
}

/** A machine: buckets, a topic, and its workers. */
export interface ImageMachineArgs extends FanOutSettings {
  /** Workers that turn images. Default: none. */
  rotations?: Rotation[];

  /** Workers that make thumbnails. Default: none. */
  thumbnails?: Thumbnail[];

  /** Workers with handlers of your own. Default: none. */
  processors?: Processor[];
}

/** An image dropped into the source bucket comes back in the results bucket from every worker. */
export class ImageMachine extends pulumi.ComponentResource {
  /** Name of the bucket that images are dropped into. */
  readonly sourceBucket: pulumi.Output<string>;

  /** Name of the bucket for results. */
  readonly resultsBucket: pulumi.Output<string>;

  /** ARN of the topic with one message for every new image. */
  readonly topic: pulumi.Output<string>;

  /** ARN of the topic that alarms go to: subscribe your pager to it. */
  readonly alarmTopic: pulumi.Output<string>;

  /** Each worker, by name: its queue, dead-letter queue, function, log group, result prefix, and angle. */
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
