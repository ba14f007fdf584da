import { type Lever, leversOf, type Raise, type State } from "./levers.ts";
import { mostAtOnce } from "./mapping.ts";
import type { Numbers } from "./numbers.ts";
import { type Load, type Plan, pollersOf, type WorkerPlan } from "./plan.ts";
import { type Simulation, simulate } from "./simulation.ts";

export interface Advice {
  /** What must be raised; nothing, where all is well or nothing helps. */
  readonly raises: readonly Raise[];
  /** The run with everything raised; where nothing helps, with all that there is. */
  readonly simulation: Simulation;
  readonly plan: Plan;
  readonly numbers: Numbers;
}

const A_DAY = 24 * 3600;

/** How close to the least value the search goes. */
const CLOSE_ENOUGH = 1.02;

/**
 * What must be raised, and to what, for everything to be done with by `deadline`. All is lifted that can be; then one
 * thing after the other is put back to what it is or, where that is too little, to the least that is enough.
 * @param options settingsOnly: takes quotas and buckets for as large as need be, and asks for settings alone;
 *   patience: seconds for which a run is followed that is late whatever is raised, by default a day
 */
export function advise(
  plan: Plan,
  load: Load,
  numbers: Numbers,
  deadline: number,
  options: { seed?: number; settingsOnly?: boolean; patience?: number } = {},
): Advice {
  const given: State = { plan, numbers };
  const levers = leversOf(given);
  const run = (state: State) =>
    simulate(state.plan, load, state.numbers, { seed: options.seed ?? 1, until: deadline });
  const meets = (state: State) => deployable(state) && run(state).drained !== undefined;

  const best = levers.reduce((state, lever) => lever.set(state, lever.most), given);
  if (!meets(best)) {
    const until = options.patience ?? A_DAY;
    const simulation = simulate(best.plan, load, best.numbers, { seed: options.seed ?? 1, until });
    return { raises: [], simulation, ...best };
  }

  const raises: Raise[] = [];
  let state = best;
  for (const lever of levers) {
    if (options.settingsOnly === true && lever.kind !== "setting") continue;
    const kept = lever.keep(state);
    if (meets(kept)) {
      state = kept;
      continue;
    }
    const to = Math.min(lever.most, lever.ask(search(lever, state, meets)));
    state = lever.set(state, to);
    raises.push(...lever.raises(to));
  }
  return { raises, simulation: run(state), ...state };
}

/**
 * Whether the account has what is reserved, which AWS insists on, and what pollers may run at once: what they take from
 * a queue and no function takes from them counts as a try.
 */
function deployable({ plan, numbers }: State): boolean {
  const needs = (worker: WorkerPlan) =>
    worker.reservedConcurrency ?? (pollersOf(worker) ? mostAtOnce(worker, numbers) : 0);
  const needed = plan.workers.reduce((sum, worker) => sum + needs(worker), 0);
  return needed === 0 || needed + numbers.unreservedLeast <= numbers.lambdaConcurrency;
}

/** The least value of a lever that is enough, all else as it is. */
function search(lever: Lever, state: State, meets: (state: State) => boolean): number {
  let low = lever.least;
  let high = lever.most;
  if (meets(lever.set(state, low))) return low;
  while (high - low > 1 && high / low > CLOSE_ENOUGH) {
    const middle = Math.min(high - 1, Math.ceil(Math.sqrt(low * high)));
    if (meets(lever.set(state, middle))) high = middle;
    else low = middle;
  }
  return high;
}
