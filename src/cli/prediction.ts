import { type Answer, answer } from "../capacity/answer.ts";
import { assumptionsFor } from "../capacity/assumptions.ts";
import { runCost, total } from "../capacity/cost.ts";
import { planOf, Recorder } from "../capacity/graph.ts";
import { asMeasured, liveDurations } from "../capacity/live.ts";
import { arrivals } from "../capacity/model/arrivals.ts";
import { durations } from "../capacity/model/durations.ts";
import { simulate } from "../capacity/model/simulation.ts";
import type { Load, Plan } from "../capacity/plan.ts";
import { runProgram } from "../machine/program.ts";
import { programIn, readStackConfig, regionOf, type StackConfig } from "../machine/stack-config.ts";
import { PROJECT } from "./words.ts";

const SEED = 1;

/** Finds what the program declares with a stack's configuration. */
export async function declaredPlan(config: StackConfig, region: string): Promise<Plan> {
  const recorder = new Recorder(region);
  await runProgram(programIn(PROJECT), config, recorder.provision);
  return planOf(recorder.resources, region);
}

/** Answer of the model of `npm run capacity` about a run that has not begun. */
export interface Prediction {
  readonly plan: Plan;
  readonly answer: Answer;
  /** Computes the dollars for the run if an image takes each worker as long as its metrics have measured. */
  readonly costAsMeasured: () => Promise<number>;
}

/** Asks the model what a stack does with images that come evenly. */
export async function predict(options: {
  readonly stack: string;
  readonly region: string | undefined;
  readonly images: number;
  /** In which they come. */
  readonly seconds: number;
  readonly megapixels: number;
}): Promise<Prediction> {
  const { images, seconds, megapixels } = options;
  const config = readStackConfig(PROJECT, options.stack);
  const region = options.region ?? regionOf(config);
  const plan = await declaredPlan(config, region);
  const assumed = assumptionsFor(region);
  const load: Load = {
    arrivals: arrivals("constant", images, Math.max(1, Math.ceil(seconds)), SEED),
    ...durations(megapixels),
  };
  // Whenever it is done is soon enough: nothing is to be raised.
  const question = {
    plan,
    load,
    assumed,
    known: [],
    megapixels,
    deadline: Number.POSITIVE_INFINITY,
    seed: SEED,
  };
  return {
    plan,
    answer: answer(question).answer,
    costAsMeasured: async () => {
      const measured = await liveDurations(plan, new Date());
      if (measured.size === 0) throw new Error("CloudWatch has no durations of these workers yet.");
      const known: Load = { ...load, ...asMeasured(measured, durations(megapixels)) };
      return total(runCost(simulate(plan, known, assumed, { seed: SEED }), assumed));
    },
  };
}
