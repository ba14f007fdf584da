import { type Advice, advise } from "./advice.ts";
import { type Assumptions, atBound } from "./assumptions.ts";
import { type CostItem, runCost, standingCost, storageCost, total } from "./cost.ts";
import { sum } from "./format.ts";
import type { Wait } from "./limits.ts";
import { type Latency, latency } from "./model/latency.ts";
import { type Simulation, simulate } from "./model/simulation.ts";
import type { Load, Plan } from "./plan.ts";
import { accountProblems, isThrottled } from "./preflight.ts";

/** The question. */
export interface Question {
  readonly plan: Plan;
  readonly load: Load;
  readonly assumed: Assumptions;
  /** Names of what is not merely assumed, but was given or asked of the account. */
  readonly known: readonly string[];
  readonly megapixels: number;
  /** Seconds from the first image by which all are to be processed. */
  readonly deadline: number;
  readonly seed: number;
}

/** Seconds from the first image: as assumed, and where assumptions are at their best and worst. */
export interface Moment {
  readonly assumed: number | undefined;
  readonly best: number | undefined;
  readonly worst: number | undefined;
}

/** The answer, in numbers. Costs are dollars; a moment that is undefined is not within fourteen days. */
export interface Answer {
  readonly images: number;
  /** Until S3 had taken the last image. */
  readonly accepted: Moment;
  /** Until every image was in the queue of every worker, from where it is not lost any more. */
  readonly queued: Moment;
  /** Until every image was done with. */
  readonly drained: Moment;
  readonly results: number;
  /** Those of tries that failed; where functions are throttled, there are more. */
  readonly deadLetters: number;
  /** Whether workers may run more at once than the account allows. */
  readonly throttled: boolean;
  readonly lost: number;
  /** Latency of images that were done. @default none were */
  readonly latency: Latency | undefined;
  /** Functions that ran, and messages that waited in all queues, at once. */
  readonly maxRunning: number;
  readonly maxWaiting: number;
  readonly waits: readonly Wait[];
  readonly cost: readonly CostItem[];
  readonly costRange: readonly [best: number, worst: number];
  readonly storage: readonly CostItem[];
  readonly standing: readonly CostItem[];
  /** Sentences about what the account refuses or throttles. */
  readonly account: readonly string[];
  /** Changes that would be needed. @default everything is done in time as it is */
  readonly advice: Advised | undefined;
}

/** Changes that would be needed, and what they would come to. */
export interface Advised extends Pick<Advice, "raises" | "assumed"> {
  readonly plan: Plan;
  readonly drained: number | undefined;
  readonly waits: readonly Wait[];
  readonly standing: readonly CostItem[];
}

/** Runs the model as assumed, at both ends of the assumptions, and for the advice where that is needed. */
export function answer(question: Question): { answer: Answer; run: Simulation } {
  const { plan, load, assumed, known, megapixels, deadline, seed } = question;
  const [best, worst] = [atBound(assumed, "best", known), atBound(assumed, "worst", known)];
  const runOf = (numbers: Assumptions) => simulate(plan, load, numbers, { seed });
  const [run, good, bad] = [runOf(assumed), runOf(best), runOf(worst)] as const;
  const moment = (of: (run: Simulation) => number | undefined): Moment => {
    return { assumed: of(run), best: of(good), worst: of(bad) };
  };
  const { workers, arrived } = run;
  const images = arrived.at(-1) ?? 0;
  const max = (of: (second: number) => number) =>
    arrived.reduce((highest, _, second) => Math.max(highest, of(second)), 0);
  const inTime = run.drained !== undefined && run.drained <= deadline;
  return {
    run,
    answer: {
      images,
      accepted: moment((each) => secondOf(each.accepted, images)),
      queued: moment((each) => secondOf(each.queued, images)),
      drained: moment((each) => each.drained),
      results: sum(workers, ({ results }) => results),
      deadLetters: sum(workers, ({ deadLetters }) => deadLetters),
      throttled: isThrottled(plan, assumed),
      lost: sum(workers, ({ lost }) => lost),
      latency: latency(run),
      maxRunning: Math.round(max((second) => sum(workers, ({ running }) => running[second] ?? 0))),
      maxWaiting: max((second) => sum(workers, ({ backlog }) => backlog[second] ?? 0)),
      waits: run.waits,
      cost: runCost(run, assumed),
      costRange: [total(runCost(good, best)), total(runCost(bad, worst))],
      storage: storageCost(run, plan, assumed, megapixels),
      standing: standingCost(plan, assumed),
      account: accountProblems(plan, assumed),
      advice: inTime ? undefined : advised(question),
    },
  };
}

/** Seconds until a series has reached a value. */
export function secondOf(series: readonly number[], value: number): number | undefined {
  const second = series.indexOf(value);
  return second === -1 ? undefined : second + 1;
}

/** Seconds for which a run is followed that is late whatever is raised. */
const A_DAY = 24 * 3600;

function advised({ plan: declared, load, assumed: before, deadline, seed }: Question): Advised {
  const { raises, workers, assumed } = advise({ ...declared, assumed: before }, load, deadline, { seed });
  const plan = { ...declared, workers };
  const { drained, waits } = simulate(plan, load, assumed, { seed, until: Math.max(A_DAY, deadline) });
  return { raises, plan, assumed, drained, waits, standing: standingCost(plan, assumed) };
}
