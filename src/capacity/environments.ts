/** Batches that began together and end together. */
export interface Batches {
  /** How many. */
  readonly count: number;
  /** Messages in all of them. */
  readonly messages: number;
  /** When they begin and end, in seconds. */
  readonly from: number;
  readonly to: number;
}

interface Busy {
  readonly count: number;
  /** When they will be free, in seconds. */
  readonly until: number;
}

/** The execution environments of one function: each works on one batch at a time, and is made when none is free. */
export class Environments {
  readonly #burst: number;
  readonly #perSecond: number;
  #mayBeMade: number;
  /** By the time they are free. */
  #busy: Busy[] = [];
  #idle = 0;
  #all = 0;

  /** @param growth new environments at once, and per second afterwards */
  constructor(growth: { burst: number; perSecond: number }) {
    this.#burst = growth.burst;
    this.#perSecond = growth.perSecond;
    this.#mayBeMade = growth.burst;
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
    this.#mayBeMade = Math.min(this.#burst, this.#mayBeMade + this.#perSecond);
    let done = 0;
    while (this.#busy[done] && (this.#busy[done]?.until ?? 0) <= second) {
      this.#idle += this.#busy[done]?.count ?? 0;
      done++;
    }
    if (done > 0) this.#busy.splice(0, done);
  }

  /** How many can begin a batch in this second, where `limit` may run at once. */
  free(second: number, limit: number): number {
    const ending = this.#busy.reduce((sum, each) => (each.until < second + 1 ? sum + each.count : sum), 0);
    return Math.max(0, Math.min(limit, this.possible) - this.busy + ending);
  }

  /**
   * Begins batches in this second, until all messages are in one or all environments have more to do than the second
   * has time for.
   * @param limit environments that may run at once
   * @param work messages, most messages of a batch, and how long, in seconds, a batch takes in a warm environment and
   *   how much longer in a new one
   */
  run(
    second: number,
    limit: number,
    work: { messages: number; batch: number; duration: number; coldStart: number },
  ): Batches[] {
    const { batch, duration } = work;
    const begun: Batches[] = [];
    const later: Busy[] = [];
    let left = work.messages;

    /** Has some environments work one after the other from a moment on. @returns how many had nothing to do */
    const occupy = (count: number, from: number, extra: number): number => {
      let working = count;
      let unused = 0;
      for (let at = from, first = true; at < second + 1 && working > 0; first = false) {
        const batches = Math.min(working, Math.ceil(left / batch));
        if (batches < working) {
          if (first) unused = working - batches;
          else later.push({ count: working - batches, until: at });
        }
        if (batches === 0) return unused;
        const messages = Math.min(left, batches * batch);
        const to = at + duration + (first ? extra : 0);
        begun.push({ count: batches, messages, from: at, to });
        left -= messages;
        working = batches;
        at = to;
        if (at >= second + 1) later.push({ count: working, until: at });
      }
      return unused;
    };

    let room = Math.max(0, limit - this.busy);
    const surplus = Math.max(0, this.busy - limit);
    const idle = Math.min(room, this.#idle);
    this.#idle -= idle - occupy(idle, second, 0);
    room -= idle;
    const made = Math.min(room, Math.floor(this.#mayBeMade), Math.ceil(left / batch));
    occupy(made, second, work.coldStart);
    this.#all += made;
    this.#mayBeMade -= made;

    let keepFree = surplus;
    for (const { count, until } of this.#busy) {
      if (until >= second + 1) {
        later.push({ count, until });
        continue;
      }
      const stop = Math.min(count, keepFree);
      keepFree -= stop;
      this.#idle += stop + occupy(count - stop, until, 0);
    }
    this.#busy = merged(later);
    return begun;
  }
}

/** Sorted by the time they are free, those together that are free together. */
function merged(groups: Busy[]): Busy[] {
  groups.sort((a, b) => a.until - b.until);
  const result: Busy[] = [];
  for (const group of groups) {
    const last = result.at(-1);
    if (last && group.until - last.until < 1e-6) {
      result[result.length - 1] = { count: last.count + group.count, until: last.until };
    } else result.push(group);
  }
  return result;
}
