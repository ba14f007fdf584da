import { CARRIED, type Carried } from "../delivery/carry.ts";
import { secondsOfLargest } from "../delivery/limits.ts";
import { COMES_AGAIN } from "../delivery/queue.ts";
import { imagesFor, promisedWork, secondsFor } from "../delivery/share.ts";
import { ArgumentError } from "./argument-error.ts";
import {
  type Checked,
  checkAll,
  checkNames,
  checkPlain,
  choice,
  integer,
  other,
  type Setting,
} from "./checks.ts";
import { ONLY } from "./filters.ts";
import { from, type Later } from "./later.ts";
import type { ProvisionedScaling, StandardScaling, WorkerSettings } from "./setting-types.ts";

/** https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html */
const LOG_RETENTION_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

/** Seconds of a batch by default, where that is enough. */
const TIMEOUT = 120;

/** Messages of a batch by default, where each is promised what the largest image takes. */
const BATCH = 10;

const WINDOW = { minimum: 0, maximum: 300, unit: "seconds", default: 0 } as const;

/** Of each number in `scaling`, which is one of two modes. */
const MODE = { minimum: 2, isPlain: true, isRequired: true } as const;

/** Settings of `scaling`, which has either the first or the others. */
export const SCALING = {
  maximumConcurrency: integer("Standard mode: maximum batches at once. Without `scaling`, it is 1,250.", {
    ...MODE,
    maximum: 1000,
    unit: "batches at once",
  }),
  minimumPollers: integer("Provisioned mode: pollers that always run, each for up to 10 batches at once.", {
    ...MODE,
    maximum: 200,
    unit: "pollers",
  }),
  maximumPollers: integer("Provisioned mode: maximum number of pollers.", {
    ...MODE,
    maximum: 2000,
    unit: "pollers",
  }),
};

/** Maximum number of batches that one poller has under way. */
export const BATCHES_PER_POLLER = 10;

const { maximumConcurrency, ...pollers } = SCALING;

const scaling: Setting<StandardScaling | ProvisionedScaling | undefined> = {
  says: "How fast the queue is emptied: free of charge up to a maximum, or by pollers that AWS bills by the hour.",
  type: "StandardScaling | ProvisionedScaling",
  flat: "Scaling",
  range: "",
  standard: "Lambda's own scaling, up to 1,250 batches at once",
  interfaces: {
    StandardScaling: {
      about: "Standard mode: 5 batches at once at first, and up to 300 more each minute.",
      settings: { maximumConcurrency },
    },
    ProvisionedScaling: {
      about:
        "Provisioned mode: pollers that AWS bills by the hour, each for up to 10 batches at once, with up to 1,000 more batches each minute: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html",
      settings: pollers,
    },
  },
  check: (subject, given) => (given === undefined ? undefined : checkScaling(subject, given)),
};

/**
 * Settings of a worker. Bounds are AWS's, but for the receive count's, which is its advice, and the minimum of memory: in less than
 * 180 MB there is no room for any image beside the runtime (docs/images.md).
 */
export const WORKER = {
  memorySize: integer(
    "The function's memory. More memory also means more speed: 1,769 MB is one full vCPU. Memory decides how large an image the worker accepts.",
    { minimum: 256, maximum: 10_240, unit: "MB", default: 1769 },
  ),
  timeout: integer(
    "Time that a batch may take. Each of its images gets an equal share, which must be enough for the largest image that `memorySize` accepts. The default is what that takes, and 120 at least: 815 with all other defaults, for ten images at 1,769 MB.",
    { minimum: 1, maximum: 900, unit: "seconds", standard: `${TIMEOUT} or more` },
  ),
  batchSize: integer(
    "Maximum number of messages in a batch. More than 10 needs a batching window. The images of a batch share its time, and all are tried again if one of them crashes the function. If `timeout`, or Lambda's 900 seconds, is too short for 10 of the largest images, the default is as many as fit.",
    { minimum: 1, maximum: 10_000, unit: "messages", standard: String(BATCH) },
  ),
  pipelineDepth: integer(
    "Maximum number of a batch's images that a function holds at once, as far as its memory allows: while it turns one, it reads the next ones and writes the last results.",
    { minimum: 1, maximum: 50, unit: "images", default: 10 },
  ),
  maximumBatchingWindowInSeconds: integer("Time that Lambda waits for a batch to fill.", WINDOW),
  maxReceiveCount: integer(
    "How often a message is tried before it goes to the dead-letter queue. AWS advises a minimum of 5, because throttling counts as a try.",
    { minimum: 5, maximum: 1000, unit: "", default: 5 },
  ),
  logRetentionInDays: keptLogs(
    `How long the function's log is kept. CloudWatch accepts ${LOG_RETENTION_DAYS.slice(0, -1).join(", ")} and ${LOG_RETENTION_DAYS.at(-1)}.`,
  ),
  damaged: choice(
    "What happens to an image that is damaged, but has all its pixels: `repair` turns it as viewers show it and says so in the log, `reject` rejects it. The worker's handler must support this.",
    ["repair", "reject"],
  ),
  metadata: choice(
    "What the result keeps of an image's Exif, XMP, IPTC and texts: `keep` keeps everything, `no-location` everything except the place where it was taken and what cannot be inspected, `none` nothing. Orientation and colour profile are always kept. The worker's handler must support this.",
    ["keep", "no-location", "none"],
  ),
  carry: other(
    "What is copied from the source object to its result, besides what is in the image: its Cache-Control, its Content-Disposition, its user metadata as far as it fits into 2 KB, its tags.",
    {
      range: `list of ${CARRIED.join(", ")}`,
      type: `readonly (${CARRIED.map((name) => JSON.stringify(name)).join(" | ")})[]`,
      flat: "string[]",
    },
    checkCarry,
  ),
  scaling,
  reservedConcurrency: integer(
    "Reserved concurrency: invocations that no other function may use, and the maximum for this one. `scaling` must fit into it; without `scaling`, it is the maximum concurrency, too. AWS keeps 100 of an account's invocations unreserved.",
    { minimum: 2, maximum: 100_000, unit: "invocations at once", isPlain: true },
  ),
  only: ONLY,
};

function keptLogs(says: string) {
  const days = integer(says, { minimum: 1, maximum: 3653, unit: "days", default: 30 });
  const check = (subject: string, given: unknown) =>
    from(days.check(subject, given), (kept) => {
      if (LOG_RETENTION_DAYS.includes(kept)) return kept;
      throw new ArgumentError(
        `${subject} is ${kept}, but CloudWatch keeps logs for one of ${LOG_RETENTION_DAYS.join(", ")} days.`,
      );
    });
  return { ...days, check };
}

/** Returns what goes along, each once and in one order, so that another order is no other setting. */
function checkCarry(subject: string, given: unknown): readonly Carried[] {
  checkPlain(subject, given);
  const unknown = Array.isArray(given) ? given.find((name) => !CARRIED.includes(name)) : given;
  if (unknown !== undefined || !Array.isArray(given)) {
    throw new ArgumentError(
      `${subject} ${Array.isArray(given) ? "has" : "is"} ${JSON.stringify(unknown)}, but must be a list of ${CARRIED.join(", ")}.`,
    );
  }
  return CARRIED.filter((name) => given.includes(name));
}

function checkScaling(subject: string, given: unknown): StandardScaling | ProvisionedScaling {
  checkNames(`${subject}.`, given, Object.keys(SCALING));
  const { maximumConcurrency, minimumPollers, maximumPollers } = given as Record<string, unknown>;
  const provisioned = minimumPollers !== undefined || maximumPollers !== undefined;
  if (maximumConcurrency !== undefined && provisioned) {
    throw new ArgumentError(
      `${subject} is ${JSON.stringify(given)}, but must have either maximumConcurrency, or minimumPollers and maximumPollers.`,
    );
  }
  if (!provisioned) return checkAll(`${subject}.`, given, { maximumConcurrency: SCALING.maximumConcurrency });
  const checked = checkAll(`${subject}.`, given, pollers);
  if (checked.minimumPollers <= checked.maximumPollers) return checked;
  throw new ArgumentError(
    `${subject}.minimumPollers is ${minimumPollers}, but maximumPollers is only ${maximumPollers}.`,
  );
}

/**
 * Returns the settings with their defaults.
 * @param prefix whose they are, up to the name: `ImageWorker "grey": ` or `Setting workers.`
 * @throws ArgumentError where one is unknown or out of range, or two do not go together
 */
export function checkWorkerSettings(prefix: string, given: WorkerSettings) {
  const { carry = [], ...settings } = checkAll(prefix, given, WORKER);
  const { memorySize, timeout, maximumBatchingWindowInSeconds: window, scaling } = settings;
  const batchSize = from({ memorySize, timeout, batchSize: settings.batchSize, window }, (known) =>
    checkBatch(prefix, known),
  );
  checkReserved(prefix, settings);
  return {
    ...settings,
    carry,
    batchSize,
    timeout: from({ memorySize, batchSize, timeout }, (known) => checkPromise(prefix, known)),
    scaling: scaling ?? scalingWithin(settings.reservedConcurrency),
  };
}

export type CheckedWorkerSettings = ReturnType<typeof checkWorkerSettings>;

/** Checks that a batch can be gathered. @returns its messages: by default as many as are promised what the largest image takes */
function checkBatch(
  prefix: string,
  given: { memorySize: number; timeout: number | undefined; batchSize: number | undefined; window: number },
): number {
  const { memorySize, timeout = WORKER.timeout.maximum, window } = given;
  const fitting = imagesFor(secondsOfLargest(memorySize), timeout);
  const batchSize = given.batchSize ?? Math.max(1, Math.min(BATCH, fitting));
  if (batchSize <= 10 || window >= 1) return batchSize;
  throw new ArgumentError(
    `${prefix}batchSize is ${batchSize}, but more than 10 needs maximumBatchingWindowInSeconds of 1 or more.`,
  );
}

/** Checks that what is accepted can be done in time, as the largest images would be rejected as too slow. @returns the timeout */
function checkPromise(
  prefix: string,
  given: { memorySize: number; batchSize: number; timeout: number | undefined },
): number {
  const { memorySize, batchSize } = given;
  const { maximum } = WORKER.timeout;
  const work = secondsOfLargest(memorySize);
  const enough = secondsFor(work, batchSize);
  const timeout = given.timeout ?? Math.min(Math.max(TIMEOUT, enough), maximum);
  const promised = promisedWork(timeout * 1000, batchSize) / 1000;
  if (promised >= work) return timeout;
  const fitting = imagesFor(work, timeout);
  const smaller = fitting > 0 ? `lower batchSize to ${fitting}` : "";
  const remedy =
    enough <= maximum
      ? [`raise timeout to ${enough}`, smaller].filter(Boolean).join(", or ")
      : smaller || `raise timeout to ${maximum} and lower batchSize to ${imagesFor(work, maximum)}`;
  throw new ArgumentError(
    `${prefix}timeout is ${timeout} and batchSize ${batchSize}, which leaves ${promised.toFixed(1)} seconds of work for each image, but the largest that memorySize ${memorySize} accepts takes up to ${work.toFixed(1)}: ${remedy}.`,
  );
}

/** Checks that no more is handed out at once than the function may take: throttling counts as a try. */
function checkReserved(
  prefix: string,
  { scaling, reservedConcurrency }: Pick<Checked<typeof WORKER>, "scaling" | "reservedConcurrency">,
): void {
  if (scaling === undefined || reservedConcurrency === undefined) return;
  const batches = batchesAtOnce(scaling);
  if (batches <= reservedConcurrency) return;
  throw new ArgumentError(
    `${prefix}scaling lets ${batches} batches run at once, but reservedConcurrency is ${reservedConcurrency}, so Lambda would throttle the rest: raise it, or lower scaling.`,
  );
}

/** Maximum number of batches that run at once. */
export function batchesAtOnce(scaling: StandardScaling | ProvisionedScaling): number {
  return "maximumPollers" in scaling
    ? scaling.maximumPollers * BATCHES_PER_POLLER
    : scaling.maximumConcurrency;
}

function scalingWithin(reserved: number | undefined): StandardScaling | undefined {
  return reserved === undefined
    ? undefined
    : { maximumConcurrency: Math.min(reserved, maximumConcurrency.maximum) };
}

type Times = Pick<CheckedWorkerSettings, "timeout" | "maximumBatchingWindowInSeconds">;

/**
 * Seconds for which a message that was taken is hidden from others: six times the function's timeout and the
 * window, as AWS asks (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html).
 */
export function visibilityTimeout({ timeout, maximumBatchingWindowInSeconds: window }: Times): Later<number> {
  return from({ timeout, window }, (known) => 6 * known.timeout + known.window);
}

/**
 * Seconds from when a batch is taken until it is done at the latest, where it crashes once: the function hides its messages
 * until it must have ended, and a while longer, and they are taken again.
 */
export function secondsOfCrash({ timeout, maximumBatchingWindowInSeconds: window }: Times): Later<number> {
  return from(
    { timeout, window },
    (known) => 2 * (known.window + known.timeout) + COMES_AGAIN.after + COMES_AGAIN.apart,
  );
}
