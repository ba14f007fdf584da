import { advise } from "./advice.ts";
import { arrivals } from "./arrivals.ts";
import { secondsPerImage } from "./durations.ts";
import { numbersFor } from "./numbers.ts";
import type { Load, WorkerPlan } from "./plan.ts";
import { simulate } from "./simulation.ts";
import { clock, count, list } from "./words.ts";

/** What a stack is meant to be able to do. */
export interface Objective {
  /** Images, 1 or more. */
  readonly images: number;
  /** Minutes in which they come, evenly, above 0. */
  readonly minutes: number;
  /** Minutes from the first image by which all must be processed. @default one more than they come in */
  readonly within?: number;
  /** Megapixels of an image. @default 12 */
  readonly megapixels?: number;
}

/** How many times the time that there is a run is followed, to say by when it would end. */
const PATIENCE = 10;

/** Fourteen days, in seconds: what every queue of ours keeps. */
const RETENTION = 14 * 24 * 3600;

/**
 * Says whether settings can meet an objective at all: with every quota raised and every bucket partitioned, as those
 * are not the stack's to decide. Pure and quick; asks nobody.
 * @returns what is wrong and what would be right, in a sentence or two, or undefined where nothing is wrong
 *
 * @example
 * const warning = preflight(workers, { images: 2_000_000, minutes: 5 });
 * if (warning) pulumi.log.warn(warning);
 */
export function preflight(
  workers: readonly Omit<WorkerPlan, "retention">[],
  objective: Objective,
): string | undefined {
  const { images, minutes, megapixels = 12, within = minutes + 1 } = objective;
  const plan = {
    region: "",
    workers: workers.map((worker) => ({ ...worker, retention: RETENTION })),
    alarms: 0,
    dashboards: 0,
    keys: 0,
  };
  const known = numbersFor("");
  const numbers = {
    ...known,
    lambdaConcurrency: Number.MAX_SAFE_INTEGER,
    snsPublishesPerSecond: Number.MAX_SAFE_INTEGER,
    sqsInFlight: Number.MAX_SAFE_INTEGER,
    s3SourcePartitions: 10_000,
    s3ResultsPartitions: 10_000,
  };
  const load: Load = {
    arrivals: arrivals("constant", images, Math.ceil(minutes * 60), 1),
    secondsPerImage: secondsPerImage(megapixels, numbers),
  };
  const deadline = Math.floor(within * 60);
  if (simulate(plan, load, numbers, { until: deadline }).drained !== undefined) return undefined;

  const { drained } = simulate(plan, load, numbers, { until: PATIENCE * deadline });
  const advice = advise(plan, load, numbers, deadline, { settingsOnly: true, patience: deadline });
  const missed = `${count(images)} images of ${megapixels} megapixels in ${minutes} minutes are to be processed by ${clock(deadline)}, but with these settings they are ${drained === undefined ? `not even by ${clock(PATIENCE * deadline)}` : `only by ${clock(drained)}`}, even if every quota is raised.`;
  if (advice.raises.length === 0) return `${missed} No pollers and no reserved concurrency change that.`;
  const raises = advice.raises.map(({ what, from, to }) => `${what} from ${from} to ${count(to)}`);
  return `${missed} To meet it raise ${list(raises)}.`;
}
