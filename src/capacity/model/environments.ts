import type { Assumptions } from "../assumptions.ts";

/** Batches that began together and end together. */
export interface Batches {
  readonly count: number;
  /** Messages in all of them. */
  readonly messages: number;
  /** Seconds at which they begin and end. */
  readonly from: number;
  readonly to: number;
}

/** Environments that will be free at the same moment. */
interface Busy {
  count: number;
  /** In seconds. */
  readonly until: number;
}

/** Messages that are to begin in a second, in batches of what size, and seconds of one. */
interface Begin {
  readonly messages: number;
  readonly batch: number;
  readonly duration: number;
}

/** The execution environments of one function: each works on one batch at a time, and is made when none is free. */
export class Environments {
  readonly #assumed: Assumptions;
  #mayBeMade: number;
  /** By the time they are free. */
  #busy: Busy[] = [];
  #idle = 0;
  #all = 0;

  constructor(assumed: Assumptions) {
    this.#assumed = assumed;
    this.#mayBeMade = assumed.environmentsBurst;
  }

  /** Environments that are working at the beginning of this second. */
  get busy(): number {
    return this.#all - this.#idle;
  }

  /** Environments that there can be in this second. */
  get possible(): number {
    return this.#all + Math.floor(this.#mayBeMade);
  }

  /** Begins a second: what was done before it is idle. */
  tick(second: number): void {
    const { environmentsBurst, environmentsPerSecond } = this.#assumed;
    this.#mayBeMade = Math.min(environmentsBurst, this.#mayBeMade + environmentsPerSecond);
    let done = 0;
    for (; (this.#busy[done]?.until ?? Number.POSITIVE_INFINITY) <= second; done++) {
      this.#idle += this.#busy[done]?.count ?? 0;
    }
    if (done > 0) this.#busy.splice(0, done);
  }

  /** Counts environments that can begin a batch in this second, where `limit` may run at once. */
  free(second: number, limit: number): number {
    const ending = this.#busy.reduce((sum, each) => (each.until < second + 1 ? sum + each.count : sum), 0);
    return Math.max(0, Math.min(limit, this.possible) - this.busy + ending);
  }

  /**
   * Begins batches in this second, until all messages are in one or all environments have more to do than the second
   * has time for: in those that are idle, in new ones, and in those that become free within the second.
   * @param limit environments that may run at once
   */
  run(second: number, limit: number, { messages, batch, duration }: Begin): Batches[] {
    const end = second + 1;
    const begun: Batches[] = [];
    const busy: Busy[] = [];
    let left = messages;
    /** Has environments work one batch after the other from a moment on. @returns how many had nothing to do */
    const work = (count: number, from: number, extra = 0): number => {
      let working = Math.min(count, Math.ceil(left / batch));
      const unused = count - working;
      for (let at = from, to = at + extra + duration; working > 0; to = at + duration) {
        const taken = Math.min(left, working * batch);
        begun.push({ count: working, messages: taken, from: at, to });
        left -= taken;
        at = to;
        const again = at < end ? Math.min(working, Math.ceil(left / batch)) : 0;
        if (again < working) busy.push({ count: working - again, until: at });
        working = again;
      }
      return unused;
    };

    const room = Math.max(0, limit - this.busy);
    // Where fewer may run than do, as many rest as soon as they are free.
    let resting = Math.max(0, this.busy - limit);
    const idle = Math.min(room, this.#idle);
    this.#idle -= idle - work(idle, second);
    const made = Math.min(room - idle, Math.floor(this.#mayBeMade), Math.ceil(left / batch));
    work(made, second, this.#assumed.coldStartSeconds);
    this.#all += made;
    this.#mayBeMade -= made;
    for (const group of this.#busy) {
      if (group.until >= end) {
        busy.push(group);
        continue;
      }
      const rest = Math.min(group.count, resting);
      resting -= rest;
      this.#idle += rest + work(group.count - rest, group.until);
    }
    this.#busy = merged(busy);
    return begun;
  }
}

/** Sorted by the time they are free, those together that are free together. */
function merged(groups: Busy[]): Busy[] {
  const result: Busy[] = [];
  for (const group of groups.sort((a, b) => a.until - b.until)) {
    const last = result.at(-1);
    if (last && group.until - last.until < 1e-6) last.count += group.count;
    else result.push({ ...group });
  }
  return result;
}
