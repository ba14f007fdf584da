import type * as pulumi from "@pulumi/pulumi";

/** Where a worker takes its messages and leaves its results. */
export interface WorkerOutputs {
  /** URL of the queue. */
  readonly queue: pulumi.Output<string>;
  /** URL of the dead-letter queue. */
  readonly deadLetterQueue: pulumi.Output<string>;
  /** Name of the function. */
  readonly function: pulumi.Output<string>;
  /** Name of the log group that the function writes to. */
  readonly logGroup: pulumi.Output<string>;
  /** First segment of the keys of its results. */
  readonly prefix: string;
  /** Degrees clockwise that it turns images by; undefined for a worker that does something else. */
  readonly angle?: number;
}
