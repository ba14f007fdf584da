import type { AssumptionName } from "./assumptions.ts";
import { sum } from "./format.ts";
import { maxConcurrency } from "./model/mapping.ts";
import { simulate } from "./model/simulation.ts";
import { type Load, pollersOf } from "./plan.ts";
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

export interface Advice extends State {
  /** Raises that are needed; none where all is well or nothing helps: then all that there is is raised. */
  readonly raises: readonly Raise[];
}

/** Ratio to the minimum at which the search ends. */
const CLOSE_ENOUGH = 1.02;

/**
 * Finds what must be raised, and to what, for everything to be done with by `deadline`. All is lifted that can be; then one
 * thing after the other is put back to what it is or, where that is too little, to the minimum that is enough.
 * @param options settingsOnly: takes quotas and buckets for as large as need be, and asks for settings alone
 */
export function advise(
  before: State,
  load: Load,
  deadline: number,
  { seed = 1, settingsOnly = false }: { seed?: number; settingsOnly?: boolean } = {},
): Advice {
  const meets = (values: Values) => {
    const state = raised(before, values);
    return (
      isDeployable(state) &&
      simulate(state, load, state.assumed, { seed, until: deadline }).drained !== undefined
    );
  };
  const names = (Object.keys(RAISABLE) as RaisableName[]).filter(
    (name) => !settingsOnly || RAISABLE[name].kind === "setting",
  );
  let values: Values = Object.fromEntries(names.map((name) => [name, RAISABLE[name].max]));
  if (!meets(values)) return { raises: [], ...raised(before, values) };

  for (const name of names) {
    const { [name]: max = 0, ...kept } = values;
    if (meets(kept)) values = kept;
    else {
      const min = name in before.assumed ? Math.max(1, before.assumed[name as AssumptionName]) : 1;
      const enough = search(min, max, (value) => meets({ ...kept, [name]: value }));
      values = { ...kept, [name]: generous(name, enough) };
    }
  }
  const after = raised(before, values);
  return { raises: raisesOf(before, after, values), ...after };
}

/**
 * Checks that the account has what is reserved, which AWS insists on, and what pollers may run at once: what they take from
 * a queue and no function takes from them counts as a try.
 */
function isDeployable({ workers, assumed }: State): boolean {
  const needed = sum(
    workers,
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
