import { setTimeout } from "node:timers/promises";
import { Budget, isThrottled } from "./budget.ts";
import { History } from "./history.ts";
import { happeningsIn, type LoggedLine } from "./log-lines.ts";
import { Model } from "./model.ts";
import type { Counts, Second, Snapshot, Status, Story, Tick, WorkerCounts } from "./protocol.ts";
import type { Access, Source, SourceFile } from "./source.ts";
import { Watchers } from "./watchers.ts";
import { topologyOf, type WiredWorker, type Wiring } from "./wiring.ts";

/** Milliseconds between two looks at the same thing, where the budget lets it. Metrics of AWS are of whole minutes. */
const EVERY_MS = { queues: 2000, logs: 4000, metrics: 60_000 } as const;
/** Milliseconds for which what is refused is not asked again. */
const REFUSED_MS = 60_000;
const TICK_MS = 1000;
/** Milliseconds of the past that logs and metrics are asked of at the beginning. */
const PAST_MS = 10 * 60_000;
/** Milliseconds by which lines of a log may come late. */
const LATE_MS = 30_000;
/** Pages of a log that are read before the newest lines go first. */
const MAX_PAGES = 5;
/** Milliseconds for which the value of a minute is taken for what is now: AWS publishes one after some minutes. */
const RECENT_MS = 5 * 60_000;
/** Lines that are remembered, so that none is taken twice. */
const MAX_LINES = 20_000;

/** What is in a page of a log. */
export interface LogPage {
  readonly lines: readonly LoggedLine[];
  /** Where it goes on; absent at the end. */
  readonly next?: string | undefined;
}

/** Values of one metric, by the minute that each is of: milliseconds since 1970. */
export type Minutes = ReadonlyMap<number, number>;

export type WorkerMetric = "processed" | "duplicate" | "rejected" | "oldest";

/** What metrics say of a machine; one that was not published is not in it. */
export interface Metrics {
  readonly published: Minutes;
  readonly workers: Readonly<Record<string, Readonly<Record<WorkerMetric, Minutes>>>>;
}

/** How a stack is asked. */
export interface StackAccess extends Access {
  /** Lines about images that a worker has logged from a time on, the oldest first. */
  logs(worker: WiredWorker, from: number, next: string | undefined): Promise<LogPage>;
  /** Values from a time on. Absent where there are none, on this computer. */
  readonly metrics?: (from: number) => Promise<Metrics>;
}

export interface DeployedOptions {
  readonly wiring: Wiring;
  /** Called again where credentials may have ended. Its clients must not try again by themselves, as each try is a request. */
  readonly connect: () => StackAccess;
  /** Requests that there are in any second, whatever is asked. */
  readonly requestsPerSecond: number;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
  /** Waits some milliseconds; replaced in tests. */
  readonly sleep?: (milliseconds: number) => Promise<unknown>;
}

/** One thing to be asked again and again. */
interface Question {
  readonly every: number;
  /** When it is to be asked next, in milliseconds since 1970. */
  due: number;
  readonly ask: (access: StackAccess) => Promise<void>;
}

/**
 * A stack on AWS, seen from outside and never changed: what queues, logs and metrics say. A log does not name what waits, and AWS's numbers
 * are minutes old; so single images are seen once a function has dealt with them.
 */
export class DeployedSource implements Source {
  readonly #wiring: Wiring;
  readonly #connect: () => StackAccess;
  readonly #budget: Budget;
  readonly #model: Model;
  readonly #now: () => number;
  readonly #began: number;
  readonly #questions: Question[];
  readonly #watchers = new Watchers(() => this.#model.settle(), [TICK_MS, () => this.tick()]);
  readonly #history = new History();
  #access: StackAccess;
  #metrics: Metrics | undefined;
  #state: Status = { state: "starting" };
  /** What these credentials may not ask, and how AWS says so. */
  readonly #denied = new Map<Question, string>();

  constructor(options: DeployedOptions) {
    const { wiring, connect, now = Date.now } = options;
    this.#wiring = wiring;
    this.#connect = connect;
    this.#budget = new Budget(options.requestsPerSecond, options.sleep ?? setTimeout);
    this.#now = now;
    this.#began = now();
    this.#access = connect();
    this.#model = new Model(wiring);
    this.#questions = [
      ...wiring.workers.flatMap((worker) => [
        this.#queueOf(worker),
        this.#deadOf(worker),
        this.#logOf(worker),
      ]),
      ...(this.#access.metrics ? [this.#metricsQuestion()] : []),
    ];
  }

  snapshot(): Snapshot {
    return {
      ...{ kind: "snapshot", time: this.#now(), status: this.#status, topology: topologyOf(this.#wiring) },
      abilities: { act: false, chaos: false },
      ...{ counts: this.#counts(), history: this.#history.seconds, images: this.#model.images },
    };
  }

  watch(tell: (news: Snapshot | Tick) => void): () => void {
    return this.#watchers.add(tell);
  }

  async story(image: string): Promise<Story | undefined> {
    return this.#model.story(image);
  }

  async open(image: string, worker: string | undefined): Promise<SourceFile | undefined> {
    const object = this.#model.object(image, worker);
    if (!object) return undefined;
    try {
      return await this.#budget.spend(() => this.#access.open(object), true);
    } catch (error) {
      if (!isDenied(error)) this.#failed(error);
      throw error;
    }
  }

  /** Asks what is due, and tells what is new. A clock calls it every second while somebody watches. */
  tick(): void {
    const now = this.#now();
    for (const question of this.#questions) if (question.due <= now) this.#ask(question);
    const counts = this.#counts();
    const second = this.#history.add(Math.floor(now / 1000), counts.workers, this.#passed(now));
    const { images, flow } = this.#model.changes(now);
    this.#watchers.tell({ kind: "tick", time: now, status: this.#status, counts, second, flow, images });
  }

  #ask(question: Question): void {
    question.due = Number.POSITIVE_INFINITY;
    const asked = this.#budget.spend(() => question.ask(this.#access));
    asked.then(
      () => {
        this.#denied.delete(question);
        // What asks for more at once has said so.
        if (question.due === Number.POSITIVE_INFINITY) question.due = this.#now() + question.every;
        this.#state = { state: "running" };
      },
      (error) => {
        const denied = isDenied(error);
        if (denied) this.#denied.set(question, (error as Error).message);
        else this.#failed(error);
        question.due = this.#now() + (denied ? REFUSED_MS : question.every);
      },
    );
  }

  /** Says what is the matter. Credentials that ended may have been renewed where they are from. */
  #failed(error: unknown): void {
    if (isThrottled(error)) return;
    const { name, message } = error as Error;
    this.#state = {
      state: "stopped",
      message: `AWS refuses or does not answer; the page keeps trying: ${message || name}`,
    };
    this.#access = this.#connect();
  }

  get #status(): Status {
    const [denied] = this.#denied.values();
    if (this.#state.state === "stopped" || denied === undefined) return this.#state;
    return {
      state: "running",
      message: `but not everything is shown, because these credentials lack permissions: ${denied}`,
    };
  }

  #queueOf({ name, queue }: WiredWorker): Question {
    return this.#question(EVERY_MS.queues, async (access) => {
      this.#model.tallies.measure(name, await access.count(queue));
    });
  }

  #deadOf({ name, deadLetterQueue }: WiredWorker): Question {
    return this.#question(EVERY_MS.queues, async (access) => {
      const { visible, hidden } = await access.count(deadLetterQueue);
      this.#model.tallies.measure(name, { dead: visible + hidden });
    });
  }

  /** Reads on in a worker's log, a page at a time; where it is too far behind, with the newest lines. */
  #logOf(worker: WiredWorker): Question {
    let from = this.#began - PAST_MS;
    let next: string | undefined;
    let pages = 0;
    const taken = new Set<string>();
    const question = this.#question(EVERY_MS.logs, async (access) => {
      const began = this.#now();
      const page = await access.logs(worker, from, next);
      for (const each of page.lines) {
        const id = `${each.time} ${each.line}`;
        if (taken.has(id)) continue;
        taken.add(id);
        for (const happening of happeningsIn(worker, each)) this.#model.take(happening);
      }
      for (const oldest of taken) {
        if (taken.size <= MAX_LINES) break;
        taken.delete(oldest);
      }
      ({ next } = page);
      pages = next === undefined ? 0 : pages + 1;
      if (next !== undefined && pages < MAX_PAGES) question.due = began;
      else {
        next = undefined;
        from = Math.max(from, began - LATE_MS);
      }
    });
    return question;
  }

  #metricsQuestion(): Question {
    return this.#question(EVERY_MS.metrics, async (access) => {
      const from = Math.max(this.#began - PAST_MS, this.#now() - 3 * 3600_000);
      this.#metrics = await access.metrics?.(from);
    });
  }

  #question(every: number, ask: Question["ask"]): Question {
    return { every, due: this.#began, ask };
  }

  #counts(): Counts {
    const metrics = this.#metrics;
    const [since, now] = [this.#began, this.#now()];
    const workers = Object.entries(this.#model.tallies.counts.workers).map(
      ([name, counts]): [string, WorkerCounts] => {
        // What is hidden is with a function, or waits for its next try: seen from outside it is the same.
        const { visible = 0, hidden = 0 } = this.#model.tallies.depth(name) ?? {};
        const seen = { ...counts, waiting: visible, inFlight: hidden };
        const own = metrics?.workers[name];
        if (!own) return [name, seen];
        // Metrics come minutes after the log does, and the log may be too much to be read whole.
        const done = Math.max(seen.done, sumSince(own.processed, since) + sumSince(own.duplicate, since));
        const rejected = Math.max(seen.rejected, sumSince(own.rejected, since));
        return [name, { ...seen, done, rejected, oldest: newest(own.oldest, now) }];
      },
    );
    return {
      in: metrics ? sumSince(metrics.published, since) : null,
      workers: Object.fromEntries(workers),
    };
  }

  /** What comes and goes in a second: by the last minute that there are metrics of, or else by the logs. */
  #passed(now: number): Pick<Second, "in" | "done" | "rejected"> {
    const metrics = this.#metrics;
    if (!metrics) return this.#model.tallies.history.at(-1) ?? { in: 0, done: 0, rejected: 0 };
    const all = Object.values(metrics.workers);
    const perSecond = (...each: readonly Minutes[]) =>
      each.reduce((sum, minutes) => sum + newest(minutes, now), 0) / 60;
    return {
      in: perSecond(metrics.published),
      done: perSecond(...all.flatMap(({ processed, duplicate }) => [processed, duplicate])),
      rejected: perSecond(...all.map(({ rejected }) => rejected)),
    };
  }
}

/** Sum over the minutes that had not ended at a time. */
function sumSince(minutes: Minutes, since: number): number {
  let sum = 0;
  for (const [time, value] of minutes) if (time + 60_000 > since) sum += value;
  return sum;
}

/** The value of the last minute that there is one of; 0 where that is long ago, as what does not happen has no value. */
function newest(minutes: Minutes, now: number): number {
  const last = Math.max(...minutes.keys());
  return now - last <= RECENT_MS ? (minutes.get(last) ?? 0) : 0;
}

/** Whether it is this request alone that these credentials may not make. */
function isDenied(error: unknown): boolean {
  return /AccessDenied|NotAuthorized|Forbidden/i.test((error as Error).name);
}
