import type * as pulumi from "@pulumi/pulumi";
import type { ImageFilter } from "./image-filter.ts";

/** Where a worker takes its messages and leaves its results. */
export interface WorkerOutputs {
  /** URL of the queue. */
  readonly queue: string;
  /** URL of the dead-letter queue. */
  readonly deadLetterQueue: string;
  /** Name of the function. */
  readonly function: string;
  /** Name of the log group that the function writes to. */
  readonly logGroup: string;
  /** How the keys of its results begin, up to a slash. */
  readonly prefix: string;
  /** Degrees clockwise that it turns images by; undefined for a worker that does something else. */
  readonly angle?: number;
  /** The images that it is told of; undefined where it is told of all. */
  readonly filter?: ImageFilter;
  /** Days after which S3 deletes its sources and its results; undefined where it does not. */
  readonly expireDays?: { readonly source?: number; readonly results?: number };
}

/** The same while the program runs: what AWS decides is not known yet. */
export type DeclaredOutputs = { readonly [Name in keyof WorkerOutputs]: pulumi.Input<WorkerOutputs[Name]> };

/** What index.ts exports, as far as anybody reads it: the machine on this computer, and whoever operates a stack. */
export interface StackOutputs {
  readonly sourceBucket: string;
  readonly resultsBucket: string;
  /** ARN of the topic. */
  readonly topic: string;
  readonly workers: Readonly<Record<string, WorkerOutputs>>;
}
