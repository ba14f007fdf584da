/** What the model needs to know of a machine: the settings that decide what it can do, and no more. */

/** Lambda's own way: batches at once as messages come, up to a maximum. */
export interface StandardScaling {
  /** Batches at once, 2 to 1,000. */
  readonly maximumConcurrency: number;
}

/** Pollers that are paid by the hour. */
export interface ProvisionedScaling {
  /** Pollers that are always there, 2 to 200. */
  readonly minimumPollers: number;
  /** Pollers at most, 2 to 2,000. */
  readonly maximumPollers: number;
}

/** One queue and the function that works on it. */
export interface WorkerPlan {
  readonly name: string;
  /** MB. */
  readonly memorySize: number;
  /** Seconds that one batch may take. */
  readonly timeout: number;
  /** Invocations at once that are this function's alone, and its limit. @default what the account has left */
  readonly reservedConcurrency?: number | undefined;
  /** Most messages of a batch. */
  readonly batchSize: number;
  /** Seconds to wait for a batch to fill. */
  readonly maximumBatchingWindowInSeconds: number;
  /** How the queue is emptied. @default Lambda's own way, with Lambda's own maximum */
  readonly scaling?: StandardScaling | ProvisionedScaling | undefined;
  /** How often a message is tried before it goes to the dead-letter queue. */
  readonly maxReceiveCount: number;
  /** Seconds that the queue keeps a message. */
  readonly retention: number;
}

/** The pollers of a worker that has some of its own. */
export function pollersOf({ scaling }: WorkerPlan): ProvisionedScaling | undefined {
  return scaling && "minimumPollers" in scaling ? scaling : undefined;
}

/** A source bucket, a topic, a results bucket, and workers. */
export interface Plan {
  readonly region: string;
  readonly workers: readonly WorkerPlan[];
  /** How many there are of what costs by the month; of alarms, the metrics that they watch. */
  readonly alarms: number;
  readonly dashboards: number;
  readonly keys: number;
}

/** The images that come. */
export interface Load {
  /** Images that arrive in each second, whole numbers. */
  readonly arrivals: readonly number[];
  /** Seconds that one image takes a worker, reading and writing it included. */
  readonly secondsPerImage: (worker: WorkerPlan) => number;
  /** Part of the tries, 0 to 1, that fail and may succeed later. @default 0 */
  readonly failures?: number;
}
