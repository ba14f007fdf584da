import { CARRIED, type Carried } from "../delivery/carry.ts";
import { secondsOfLargest } from "../delivery/limits.ts";
import { imagesFor, promisedWork, secondsFor } from "../delivery/share.ts";
import { type Choices, checkInteger, choose, type Range } from "./checks.ts";
import { checkOnly, type OnlySettings } from "./filters.ts";

/** Settings of a worker: in the fan-out as the default of all, or in a worker as its own. */
export interface WorkerSettings {
  /**
   * The function's memory in MB, 256 to 10,240. It buys speed as well: 1,769 MB is one whole vCPU. The largest
   * image that is accepted follows from it. @default 1769
   */
  readonly memorySize?: number;

  /**
   * Seconds, 1 to 900, that one batch may take. Each of its images is promised an equal share, which has to be enough
   * for the largest image that `memorySize` accepts; where 120 are not, the default is as many as that takes. @default 120
   */
  readonly timeout?: number;

  /**
   * Maximum number of messages in one batch, 1 to 10,000; more than 10 needs a batching window. Images of a batch share
   * its time, and come again together where one of them ends the function. @default 1
   */
  readonly batchSize?: number;

  /** Seconds, 0 to 300, that Lambda waits for a batch to fill. @default 0 */
  readonly maximumBatchingWindowInSeconds?: number;

  /**
   * How often, 5 to 1,000, a message is tried before it goes to the dead-letter queue. AWS advises a minimum of 5,
   * as throttling counts as a try. @default 5
   */
  readonly maxReceiveCount?: number;

  /**
   * Days, 1 to 3,653, that the function's log is kept; CloudWatch knows 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180,
   * 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 and 3653. @default 30
   */
  readonly logRetentionInDays?: number;

  /**
   * What becomes of an image that is damaged although all its pixels are there, as far as the worker's handler can tell:
   * turned as viewers show it, which its log says, or rejected. @default repair
   */
  readonly damaged?: "repair" | "reject";

  /**
   * What of an image's Exif, XMP, IPTC and texts goes along, as far as the worker's handler can tell: all; all but where it
   * was taken, and what cannot be looked into; or nothing. Orientation and colour profile always do. @default keep
   */
  readonly metadata?: "keep" | "no-location" | "none";

  /**
   * What goes along from the source object to its result, beside what is in the image: its Cache-Control, its
   * Content-Disposition, its user metadata as far as there is room for it in 2 KB, its tags. @default none
   */
  readonly carry?: readonly Carried[];

  /**
   * How fast the queue is emptied: up to a maximum and free of charge, or by pollers that are paid by the hour.
   * @default Lambda's own scaling, up to 1,250 batches at once
   */
  readonly scaling?: StandardScaling | ProvisionedScaling;

  /**
   * Reserved concurrency, also the function's limit: invocations at once, 2 to 100,000, that no other function may use.
   * `scaling` must fit into it; without `scaling` it is the maximum concurrency, too. AWS keeps 100 of an account's
   * for functions without any. @default none
   */
  readonly reservedConcurrency?: number;

  /**
   * Which images the worker is told of; it neither costs nor counts the others, and no command misses their results. Case
   * matters. @default all that the fan-out is told of
   */
  readonly only?: OnlySettings;
}

/** Standard mode: 5 batches at once at first, up to 300 more each minute. */
export interface StandardScaling {
  /** Standard mode: maximum of batches at once, 2 to 1,000. Without any scaling it is 1,250. @default none */
  readonly maximumConcurrency: number;
}

/**
 * Provisioned mode: pollers that are paid by the hour, each for up to 10 batches at once, and up to 1,000 batches more each minute:
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
 */
export interface ProvisionedScaling {
  /** Provisioned mode: pollers, 2 to 200, that are always ready, each for 10 batches at once. @default none */
  readonly minimumPollers: number;
  /** Provisioned mode: maximum of pollers, 2 to 2,000. @default none */
  readonly maximumPollers: number;
}

/**
 * Settings that every worker has, whole numbers first. Bounds are AWS's, but for the receive count's, which is its advice, and the
 * minimum of memory: in less than 180 MB there is no room for any image beside the runtime (docs/images.md).
 */
export const WORKER_CHOICES = {
  memorySize: { minimum: 256, maximum: 10_240, unit: "MB", default: 1769 },
  timeout: { minimum: 1, maximum: 900, unit: "seconds", default: 120 },
  batchSize: { minimum: 1, maximum: 10_000, unit: "messages", default: 1 },
  maximumBatchingWindowInSeconds: { minimum: 0, maximum: 300, unit: "seconds", default: 0 },
  maxReceiveCount: { minimum: 5, maximum: 1000, unit: "", default: 5 },
  logRetentionInDays: { minimum: 1, maximum: 3653, unit: "days", default: 30 },
  damaged: ["repair", "reject"],
  metadata: ["keep", "no-location", "none"],
} as const satisfies Choices;

/** Ranges of the whole numbers in `scaling`, which have no defaults. */
export const SCALING_RANGES = {
  maximumConcurrency: { minimum: 2, maximum: 1000, unit: "batches at once" },
  minimumPollers: { minimum: 2, maximum: 200, unit: "pollers" },
  maximumPollers: { minimum: 2, maximum: 2000, unit: "pollers" },
} as const satisfies Record<string, Omit<Range, "default">>;

export const RESERVED_CONCURRENCY = { minimum: 2, maximum: 100_000, unit: "invocations at once" } as const;

/** https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html */
const LOG_RETENTION_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

/** Maximum number of batches that one poller has under way. */
export const BATCHES_PER_POLLER = 10;

/**
 * The settings with their defaults.
 * @param prefix whose they are, up to the name: `ImageWorker "grey": ` or `Setting workers.`
 * @throws RangeError where one is unknown or out of range, or two do not go together
 */
export function checkWorkerSettings(prefix: string, given: WorkerSettings) {
  const numbers = choose(prefix, given, WORKER_CHOICES, ["carry", "scaling", "reservedConcurrency", "only"]);
  const carry = checkCarry(prefix, given.carry ?? []);
  if (!LOG_RETENTION_DAYS.includes(numbers.logRetentionInDays)) {
    throw new RangeError(
      `${prefix}logRetentionInDays is ${numbers.logRetentionInDays}, but CloudWatch keeps logs for one of ${LOG_RETENTION_DAYS.join(", ")} days.`,
    );
  }
  if (numbers.batchSize > 10 && numbers.maximumBatchingWindowInSeconds < 1) {
    throw new RangeError(
      `${prefix}batchSize is ${numbers.batchSize}, but more than 10 needs maximumBatchingWindowInSeconds of 1 or more.`,
    );
  }
  const { memorySize, batchSize } = numbers;
  const enough = Math.max(numbers.timeout, secondsFor(secondsOfLargest(memorySize), batchSize));
  const timeout = given.timeout ?? Math.min(enough, WORKER_CHOICES.timeout.maximum);
  checkPromise(prefix, { memorySize, batchSize, timeout });
  const { scaling, reservedConcurrency } = given;
  const only = given.only && checkOnly(`${prefix}only.`, given.only);
  if (reservedConcurrency !== undefined) {
    checkInteger(`${prefix}reservedConcurrency`, reservedConcurrency, RESERVED_CONCURRENCY);
  }
  if (scaling !== undefined) checkScaling(prefix, scaling, reservedConcurrency);
  const derived = reservedConcurrency && {
    maximumConcurrency: Math.min(reservedConcurrency, SCALING_RANGES.maximumConcurrency.maximum),
  };
  const scaled = scaling ?? (derived || undefined);
  return { ...numbers, carry, timeout, reservedConcurrency, scaling: scaled, only };
}

/** Returns what goes along, each once and in one order, so that another order is no other setting. */
function checkCarry(prefix: string, given: unknown): readonly Carried[] {
  const unknown = Array.isArray(given) ? given.find((name) => !CARRIED.includes(name)) : given;
  if (unknown !== undefined || !Array.isArray(given)) {
    const subject = Array.isArray(given) ? "has" : "is";
    throw new RangeError(
      `${prefix}carry ${subject} ${JSON.stringify(unknown)}, but is a list of ${CARRIED.join(", ")}.`,
    );
  }
  return CARRIED.filter((name) => given.includes(name));
}

/** Checks that what is accepted can be done in time: else the largest images would be rejected as too slow. */
function checkPromise(
  prefix: string,
  { memorySize, batchSize, timeout }: { memorySize: number; batchSize: number; timeout: number },
): void {
  const work = secondsOfLargest(memorySize);
  const promised = promisedWork(timeout * 1000, batchSize) / 1000;
  if (promised >= work) return;
  const { maximum } = WORKER_CHOICES.timeout;
  const [enough, fitting] = [secondsFor(work, batchSize), imagesFor(work, timeout)];
  const smaller = fitting > 0 ? `lower batchSize to ${fitting}` : "";
  const remedy =
    enough <= maximum
      ? [`raise timeout to ${enough}`, smaller].filter(Boolean).join(", or ")
      : smaller || `raise timeout to ${maximum} and lower batchSize to ${imagesFor(work, maximum)}`;
  throw new RangeError(
    `${prefix}timeout is ${timeout} and batchSize ${batchSize}, which promises ${promised.toFixed(1)} seconds of work to an image, but the largest that memorySize ${memorySize} accepts takes up to ${work.toFixed(1)}: ${remedy}.`,
  );
}

export type CheckedWorkerSettings = ReturnType<typeof checkWorkerSettings>;

/** Checks that no more is handed out at once than the function may take: throttling counts as a try. */
function checkScaling(
  prefix: string,
  scaling: Partial<StandardScaling & ProvisionedScaling>,
  reserved: number | undefined,
): void {
  choose(`${prefix}scaling.`, scaling, {}, Object.keys(SCALING_RANGES));
  const { maximumConcurrency, minimumPollers, maximumPollers } = scaling;
  const provisioned = minimumPollers !== undefined || maximumPollers !== undefined;
  if (maximumConcurrency !== undefined && provisioned) {
    throw new RangeError(
      `${prefix}scaling is ${JSON.stringify(scaling)}, but is either maximumConcurrency or minimumPollers and maximumPollers.`,
    );
  }
  for (const name of provisioned
    ? (["minimumPollers", "maximumPollers"] as const)
    : ["maximumConcurrency" as const]) {
    checkInteger(`${prefix}scaling.${name}`, scaling[name], SCALING_RANGES[name]);
  }
  if (Number(minimumPollers) > Number(maximumPollers)) {
    throw new RangeError(
      `${prefix}scaling.minimumPollers is ${minimumPollers}, but maximumPollers is only ${maximumPollers}.`,
    );
  }
  const atOnce = maximumConcurrency ?? Number(maximumPollers) * BATCHES_PER_POLLER;
  if (reserved !== undefined && atOnce > reserved) {
    throw new RangeError(
      `${prefix}scaling lets ${atOnce} batches run at once, but reservedConcurrency is ${reserved}, so that the others would be throttled.`,
    );
  }
}

type Times = Pick<CheckedWorkerSettings, "timeout" | "maximumBatchingWindowInSeconds">;

/**
 * Seconds for which a message that was taken is hidden from others: six times the function's timeout and the
 * window, as AWS asks (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html).
 */
export function visibilityTimeout({ timeout, maximumBatchingWindowInSeconds }: Times): number {
  return 6 * timeout + maximumBatchingWindowInSeconds;
}

/** Seconds from when a batch is taken until it is done at the latest, where it crashes once: it is hidden, and taken again. */
export function secondsOfCrash(times: Times): number {
  return visibilityTimeout(times) + times.maximumBatchingWindowInSeconds + times.timeout;
}
