import { type Assumptions, assumptionsFor } from "../../src/capacity/assumptions.ts";
import type { Load, Plan, WorkerPlan } from "../../src/capacity/plan.ts";

/** A worker that nothing in particular is said of. */
export function workerPlan(changes: Partial<WorkerPlan> = {}): WorkerPlan {
  return {
    name: "worker",
    memorySize: 1769,
    timeout: 120,
    batchSize: 10,
    maximumBatchingWindowInSeconds: 0,
    maxReceiveCount: 5,
    ...changes,
  };
}

export function planWith(...workers: Partial<WorkerPlan>[]): Plan {
  const stay = { sources: {}, results: {} };
  const nothing = { alarms: 0, dashboards: 0, keys: 0, noncurrentDays: 0, stay };
  return { region: "us-east-1", workers: workers.map(workerPlan), ...nothing };
}

/** So much of everything that nothing is short, no delays, no cold starts: each test makes small what it is about. */
export function plenty(changes: Partial<Assumptions> = {}): Assumptions {
  return assumptionsFor("us-east-1", {
    s3SourcePartitions: 1e6,
    s3ResultsPartitions: 1e6,
    snsPublishesPerSecond: 1e9,
    sqsInFlight: 1e9,
    standardStart: 1e6,
    standardMax: 1e6,
    lambdaConcurrency: 1e7,
    environmentsBurst: 1e7,
    environmentsPerSecond: 1e7,
    s3EventSeconds: 0,
    coldStartSeconds: 0,
    invocationSeconds: 0,
    ...changes,
  });
}

/** As many images in every second. */
export function steady(perSecond: number, seconds: number, secondsPerImage: number): Load {
  return { arrivals: new Array(seconds).fill(perSecond), secondsPerImage: () => secondsPerImage };
}

/** All at once. */
export function atOnce(images: number, secondsPerImage: number): Load {
  return { arrivals: [images], secondsPerImage: () => secondsPerImage };
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
