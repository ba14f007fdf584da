import type { ProvisionedScaling, StandardScaling } from "../topology/setting-types.ts";
import type { Assumptions } from "./assumptions.ts";

/** One queue and the function that works on it: the settings that decide what it can do, and no more. */
export interface WorkerPlan {
  readonly name: string;
  /** Dimensions of the metrics that its function publishes. @default none, where it is no ImageWorker's */
  readonly dimensions?: Readonly<Record<string, string>> | undefined;
  /** MB. */
  readonly memorySize: number;
  /** Seconds that one batch may take. */
  readonly timeout: number;
  /** Invocations at once that are this function's alone, and its limit. @default what the account has left */
  readonly reservedConcurrency?: number | undefined;
  /** Maximum number of messages of a batch. */
  readonly batchSize: number;
  /** Images of a batch that are in hand at once: while one is turned, others are read and written. @default 1 */
  readonly pipelineDepth?: number;
  /** Seconds to wait for a batch to fill. */
  readonly maximumBatchingWindowInSeconds: number;
  /** Mode in which the queue is emptied. @default Lambda's own way, with Lambda's own maximum */
  readonly scaling?: StandardScaling | ProvisionedScaling | undefined;
  /** Tries of a message before it goes to the dead-letter queue. */
  readonly maxReceiveCount: number;
  /** Seconds that the queue keeps a message. @default 14 days, which is the maximum */
  readonly retention?: number;
  /** Whether a filter of bucket or topic leaves images out, nobody knows how many. @default false */
  readonly isFiltered?: boolean;
  /** Whether SNS looks into the body of each message for it. @default false */
  readonly filtersBodies?: boolean;
  /** Names of the workers whose results are its images. @default none: they are what is uploaded */
  readonly after?: readonly string[] | undefined;
  /** Whether S3 tells a topic of its results. @default false */
  readonly tellsOfResults?: boolean;
  /** Whether it asks for the tags of each source, too. @default false */
  readonly readsTags?: boolean;
}

/** The pollers of a worker that has some of its own. */
export function pollersOf({ scaling }: WorkerPlan): ProvisionedScaling | undefined {
  return scaling && "minimumPollers" in scaling ? scaling : undefined;
}

/** A source bucket, a topic, a results bucket, and workers. */
export interface Plan {
  readonly region: string;
  readonly workers: readonly WorkerPlan[];
  /** Numbers of what costs by the month; of alarms, the metrics that they watch. */
  readonly alarms: number;
  readonly dashboards: number;
  readonly keys: number;
  /** Days for which overwritten and deleted versions are kept. */
  readonly noncurrentDays: number;
  /** How long sources and results stay. */
  readonly stay: { readonly sources: Stay; readonly results: Stay };
}

/** How long current objects of a bucket stay, and where. */
export interface Stay {
  /** Days until they expire; undefined where they do not. */
  readonly days?: number | undefined;
  /** Storage class that they go to, and the days after which they do. @default S3 Standard */
  readonly moved?: { readonly to: "STANDARD_IA" | "INTELLIGENT_TIERING"; readonly after: number } | undefined;
}

/** The images that come. */
export interface Load {
  /** Images that arrive in each second, whole numbers. */
  readonly arrivals: readonly number[];
  /** Seconds of work that one image takes a worker, of which one is done at a time. */
  readonly secondsPerImage: (worker: WorkerPlan, assumed: Assumptions) => number;
  /** Seconds for which it is read and written, while others are worked on. @default 0, as that is in `secondsPerImage` */
  readonly requestSeconds?: (worker: WorkerPlan, assumed: Assumptions) => number;
  /** Part of the tries, 0 to 1, that fail and may succeed later. @default 0 */
  readonly failures?: number;
}
