import type { Assumptions } from "./assumptions.ts";
import { sum } from "./format.ts";
import { maxConcurrency } from "./model/mapping.ts";
import { type Simulation, simulate } from "./model/simulation.ts";
import { type Load, type Plan, pollersOf, type WorkerPlan } from "./plan.ts";
import { type RaisableLimit, type Raise, raisableLimits, type State } from "./raisable-limits.ts";

export interface Advice {
  /** What must be raised; nothing, where all is well or nothing helps. */
  readonly raises: readonly Raise[];
  /** The run with everything raised; where nothing helps, with all that there is. */
  readonly simulation: Simulation;
  readonly plan: Plan;
  readonly assumed: Assumptions;
}

const A_DAY = 24 * 3600;

/** How close to the minimum the search goes. */
const CLOSE_ENOUGH = 1.02;

/**
 * What must be raised, and to what, for everything to be done with by `deadline`. All is lifted that can be; then one
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
  const run = (state: State, until = deadline) => simulate(state.plan, load, state.assumed, { seed, until });
  const meets = (state: State) => isDeployable(state) && run(state).drained !== undefined;
  const limits = raisableLimits({ plan, assumed });
  let state = limits.reduce((best, limit) => limit.set(best, limit.max), { plan, assumed } as State);
  if (!meets(state)) return { raises: [], simulation: run(state, patience), ...state };

  const raises: Raise[] = [];
  for (const limit of limits) {
    if (settingsOnly && limit.kind !== "setting") continue;
    const kept = limit.keep(state);
    if (meets(kept)) {
      state = kept;
      continue;
    }
    const to = Math.min(limit.max, limit.ask(search(limit, state, meets)));
    state = limit.set(state, to);
    raises.push(...limit.raises(to));
  }
  return { raises, simulation: run(state), ...state };
}

/**
 * Whether the account has what is reserved, which AWS insists on, and what pollers may run at once: what they take from
 * a queue and no function takes from them counts as a try.
 */
function isDeployable({ plan, assumed }: State): boolean {
  const needed = sum(
    plan.workers,
    (worker: WorkerPlan) =>
      worker.reservedConcurrency ?? (pollersOf(worker) ? maxConcurrency(worker, assumed) : 0),
  );
  return needed === 0 || needed + assumed.unreservedMin <= assumed.lambdaConcurrency;
}

/** The minimum of a limit that is enough, all else as it is: a binary search by ratios. */
function search(limit: RaisableLimit, state: State, meets: (state: State) => boolean): number {
  let { min: low, max: high } = limit;
  if (meets(limit.set(state, low))) return low;
  while (high - low > 1 && high / low > CLOSE_ENOUGH) {
    const middle = Math.min(high - 1, Math.ceil(Math.sqrt(low * high)));
    if (meets(limit.set(state, middle))) high = middle;
    else low = middle;
  }
  return high;
}
