import { History, MAX_SECONDS } from "./history.ts";
import type { Counts, LegState, Second, WorkerCounts } from "./protocol.ts";

/** Milliseconds without any event after which what a queue says of itself is believed, even where it is less. */
const QUIET_MS = 2000;

/** What two queues say of themselves. */
export interface Depth {
  readonly visible: number;
  /** With a function, or waiting for the next try. */
  readonly hidden: number;
  /** In the dead-letter queue. */
  readonly dead: number;
}

/** An image at a worker. */
interface Leg {
  readonly state: LegState;
  /** When it came to this state, in milliseconds since 1970. */
  readonly since: number;
}

/** What is counted of one worker. */
interface Tally {
  done: number;
  rejected: number;
  /** Images in its queue, those that have waited longest first. */
  readonly waiting: Set<Leg>;
  inFlight: number;
  /** What the queues said last. */
  depth: Depth | undefined;
  /** Time of the last event. */
  last: number;
}

/** Counts what is where at each worker, and second by second what came and went. */
export class Tallies {
  #tallies = new Map<string, Tally>();
  #in = 0;
  /** The second that is not over, since 1970; 0 before the first event. */
  #second = 0;
  /** What came and went in it. */
  #passed = { in: 0, done: 0, rejected: 0 };
  readonly #history = new History();
  #finished: Second | undefined;

  /** Counts for these workers, and forgets all others. */
  keep(workers: readonly string[]): void {
    this.#tallies = new Map(workers.map((name) => [name, this.#tallies.get(name) ?? emptyTally()]));
  }

  /** Takes what a worker's queues say of themselves, which counts also what was there before. */
  measure(worker: string, said: Partial<Depth>): void {
    const tally = this.#tallies.get(worker);
    if (tally) tally.depth = { visible: 0, hidden: 0, dead: 0, ...tally.depth, ...said };
  }

  /** What a worker's queues said last. */
  depth(worker: string): Depth | undefined {
    return this.#tallies.get(worker)?.depth;
  }

  get counts(): Counts {
    const now = this.#second * 1000;
    const workers = [...this.#tallies].map(([name, tally]) => [name, countsOf(tally, now)]);
    return { in: this.#in, workers: Object.fromEntries(workers) };
  }

  get history(): readonly Second[] {
    return this.#history.seconds;
  }

  uploaded(): void {
    this.#in++;
    this.#passed.in++;
  }

  done(worker: string): void {
    this.#of(worker).done++;
    this.#passed.done++;
  }

  rejected(worker: string): void {
    this.#of(worker).rejected++;
    this.#passed.rejected++;
  }

  /** Takes note of a sign of life. */
  seen(worker: string, time: number): void {
    const tally = this.#of(worker);
    tally.last = Math.max(tally.last, time);
  }

  /** Counts an image where it is now. @param from where it was */
  moved(worker: string, leg: Leg, from: LegState): void {
    this.seen(worker, leg.since);
    const tally = this.#of(worker);
    if (from === "working") tally.inFlight--;
    if (leg.state === "working") tally.inFlight++;
    tally.waiting.delete(leg);
    if (leg.state === "waiting" || leg.state === "again") tally.waiting.add(leg);
  }

  /** Counts an image no more. */
  forget(worker: string, leg: Leg): void {
    this.#of(worker).waiting.delete(leg);
  }

  /** Takes note of the seconds that are over; where nothing happened for long, of the last ones. @param now milliseconds since 1970 */
  roll(now: number): void {
    const second = Math.floor(now / 1000);
    this.#second ||= second;
    for (let over = Math.max(this.#second, second - MAX_SECONDS); over < second; over++) {
      this.#finished = this.#history.add(over, this.counts.workers, this.#passed);
      this.#passed = { in: 0, done: 0, rejected: 0 };
      this.#second = over + 1;
    }
  }

  /** Returns the last second that is over, once. */
  takeFinished(): Second | undefined {
    const finished = this.#finished;
    this.#finished = undefined;
    return finished;
  }

  #of(worker: string): Tally {
    const known = this.#tallies.get(worker) ?? emptyTally();
    this.#tallies.set(worker, known);
    return known;
  }
}

function emptyTally(): Tally {
  return { done: 0, rejected: 0, waiting: new Set(), inFlight: 0, depth: undefined, last: 0 };
}

function countsOf({ done, rejected, waiting, inFlight, depth, last }: Tally, now: number): WorkerCounts {
  const [oldest] = waiting;
  const counts = {
    waiting: waiting.size,
    inFlight,
    oldest: oldest ? Math.round(span(oldest.since, now) / 1000) : 0,
    ...{ done, rejected, dead: depth?.dead ?? 0 },
  };
  if (!depth) return counts;
  const isQuiet = now - last > QUIET_MS;
  const said = isQuiet
    ? Math.max(0, depth.visible + depth.hidden - inFlight)
    : Math.max(waiting.size, depth.visible);
  return { ...counts, waiting: said };
}

/** Milliseconds from one time to another; none where clocks disagree. */
export function span(from: number, to: number): number {
  return Math.max(0, to - from);
}
