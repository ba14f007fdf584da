import type { AssumptionName, Assumptions } from "./assumptions.ts";
import { sum } from "./format.ts";
import { maxConcurrency } from "./model/mapping.ts";
import { type Simulation, simulate } from "./model/simulation.ts";
import { type Load, type Plan, pollersOf } from "./plan.ts";
import {
  generous,
  RAISABLE,
  type RaisableName,
  type Raise,
  raised,
  raisesOf,
  type State,
  type Values,
} from "./raisable-limits.ts";

export interface Advice {
  /** Raises that are needed; none where all is well or nothing helps. */
  readonly raises: readonly Raise[];
  /** The run with everything raised; where nothing helps, with all that there is. */
  readonly simulation: Simulation;
  readonly plan: Plan;
  readonly assumed: Assumptions;
}

const A_DAY = 24 * 3600;

/** Ratio to the minimum at which the search ends. */
const CLOSE_ENOUGH = 1.02;

/**
 * Finds what must be raised, and to what, for everything to be done with by `deadline`. All is lifted that can be; then one
 * thing after the other is put back to what it is or, where that is too little, to the minimum that is enough.
 * @param options settingsOnly: takes quotas and buckets for as large as need be, and asks for settings alone;
 *   patience: seconds for which a run is followed that is late whatever is raised, by default a day
 */
export function advise(
  plan: Plan,
  load: Load,
  assumed: Assumptions,
  deadline: number,
  options: { seed?: number; settingsOnly?: boolean; patience?: number } = {},
): Advice {
  const { seed = 1, settingsOnly = false, patience = A_DAY } = options;
  const before = { plan, assumed };
  const run = (state: State, until = deadline) => simulate(state.plan, load, state.assumed, { seed, until });
  const meets = (values: Values) => {
    const state = raised(before, values);
    return isDeployable(state) && run(state).drained !== undefined;
  };
  const names = (Object.keys(RAISABLE) as RaisableName[]).filter(
    (name) => !settingsOnly || RAISABLE[name].kind === "setting",
  );
  let values: Values = Object.fromEntries(names.map((name) => [name, RAISABLE[name].max]));
  const best = raised(before, values);
  if (!meets(values)) return { raises: [], simulation: run(best, patience), ...best };

  for (const name of names) {
    const { [name]: max = 0, ...kept } = values;
    if (meets(kept)) values = kept;
    else {
      const enough = search(
        name in assumed ? Math.max(1, assumed[name as AssumptionName]) : 1,
        max,
        (value) => meets({ ...kept, [name]: value }),
      );
      values = { ...kept, [name]: generous(name, enough) };
    }
  }
  const after = raised(before, values);
  return { raises: raisesOf(before, after, values), simulation: run(after), ...after };
}

/**
 * Checks that the account has what is reserved, which AWS insists on, and what pollers may run at once: what they take from
 * a queue and no function takes from them counts as a try.
 */
function isDeployable({ plan, assumed }: State): boolean {
  const needed = sum(
    plan.workers,
    (worker) => worker.reservedConcurrency ?? (pollersOf(worker) ? maxConcurrency(worker, assumed) : 0),
  );
  return needed === 0 || needed + assumed.unreservedMin <= assumed.lambdaConcurrency;
}

/** The minimum that is enough, by halving the ratio between what is not and what is. */
function search(min: number, max: number, isEnough: (value: number) => boolean): number {
  let [low, high] = [min, max];
  if (isEnough(low)) return low;
  while (high - low > 1 && high / low > CLOSE_ENOUGH) {
    const middle = Math.min(high - 1, Math.ceil(Math.sqrt(low * high)));
    if (isEnough(middle)) high = middle;
    else low = middle;
  }
  return high;
}
