import { type Advice, advise } from "./advice.ts";
import { type CostItem, runCost, standingCost } from "./cost.ts";
import { type Latency, latency } from "./latency.ts";
import type { Wait } from "./limits.ts";
import type { Numbers } from "./numbers.ts";
import type { Load, Plan } from "./plan.ts";
import { type Simulation, simulate } from "./simulation.ts";

/** The question. */
export interface Question {
  readonly plan: Plan;
  readonly load: Load;
  readonly numbers: Numbers;
  /** Seconds from the first image by which all are to be processed. */
  readonly deadline: number;
  readonly seed: number;
}

/** The answer, in numbers. Moments are seconds from the first image, costs are dollars. */
export interface Answer {
  readonly images: number;
  /** By when S3 had taken the last image. @default never */
  readonly accepted: number | undefined;
  /** By when every image was in the queue of every worker, from where it is not lost any more. @default never */
  readonly queued: number | undefined;
  /** By when every image was done with. @default never */
  readonly drained: number | undefined;
  readonly results: number;
  readonly deadLetters: number;
  readonly lost: number;
  /** Of images that were done. @default none were */
  readonly latency: Latency | undefined;
  /** Functions that ran at once, at most. */
  readonly mostRunning: number;
  /** Messages that waited in queues at once, of all workers, at most. */
  readonly mostWaiting: number;
  readonly waits: readonly Wait[];
  readonly cost: readonly CostItem[];
  readonly standing: readonly CostItem[];
  /** What it would take. @default everything is done in time as it is */
  readonly advice: Advised | undefined;
}

/** What it would take, and what that would come to. */
export interface Advised extends Omit<Advice, "simulation"> {
  readonly drained: number | undefined;
  readonly waits: readonly Wait[];
  readonly standing: readonly CostItem[];
}

/** Runs the model, and the advice where it is needed. */
export function answer({ plan, load, numbers, deadline, seed }: Question): {
  answer: Answer;
  run: Simulation;
} {
  const run = simulate(plan, load, numbers, { seed });
  const images = run.arrived.at(-1) ?? 0;
  const inTime = run.drained !== undefined && run.drained <= deadline;
  const by = (series: readonly number[]) => {
    const second = series.indexOf(images);
    return second === -1 ? undefined : second + 1;
  };
  const most = (of: (second: number) => number) =>
    run.arrived.reduce((highest, _, second) => Math.max(highest, of(second)), 0);
  const sum = (of: (worker: Simulation["workers"][number]) => number) =>
    run.workers.reduce((total, worker) => total + of(worker), 0);
  return {
    run,
    answer: {
      images,
      accepted: by(run.accepted),
      queued: by(run.queued),
      drained: run.drained,
      results: sum(({ results }) => results),
      deadLetters: sum(({ deadLetters }) => deadLetters),
      lost: sum(({ lost }) => lost),
      latency: latency(run),
      mostRunning: Math.round(most((second) => sum(({ running }) => running[second] ?? 0))),
      mostWaiting: most((second) => sum(({ backlog }) => backlog[second] ?? 0)),
      waits: run.waits,
      cost: runCost(run, numbers),
      standing: standingCost(plan, numbers),
      advice: inTime ? undefined : advised(advise(plan, load, numbers, deadline, { seed })),
    },
  };
}

function advised({ simulation, ...advice }: Advice): Advised {
  return {
    ...advice,
    drained: simulation.drained,
    waits: simulation.waits,
    standing: standingCost(advice.plan, advice.numbers),
  };
}
