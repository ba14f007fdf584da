import { setImmediate } from "node:timers/promises";
import type { DeclaredOutputs } from "../stack-outputs.ts";
import { ArgumentError } from "./argument-error.ts";
import { refuseOverlap } from "./prefixes.ts";
import { BATCHES_PER_POLLER, type CheckedWorkerSettings, SCALING } from "./worker-settings.ts";

/** The workers of a fan-out, which are complete when the turn of the program is over that made it. */
export class Attached {
  readonly outputs: Record<string, DeclaredOutputs> = {};
  /** Settings of each worker, with all defaults. */
  readonly settings: Record<string, CheckedWorkerSettings> = {};
  /** How keys of each worker's results begin. */
  readonly #prefixes: Record<string, string> = {};
  /** Resolves when that turn is over: later workers are refused. */
  readonly complete: Promise<void>;
  /** Batches that all may run at once. @default each has its own maximum */
  readonly #concurrency: number | undefined;
  #isComplete = false;

  constructor(concurrency?: number) {
    this.#concurrency = concurrency;
    this.complete = setImmediate().then(() => {
      this.#isComplete = true;
    });
  }

  /** @throws ArgumentError where a worker of this name and prefix cannot be attached */
  check(worker: string, prefix: string): void {
    if (this.#isComplete) {
      throw new ArgumentError(
        `ImageWorker "${worker}": it comes too late for the fan-out's dashboard and objective, after an await. Create the fan-out and all its workers without an await in between: what has to be waited for comes before them.`,
      );
    }
    if (Object.hasOwn(this.settings, worker)) {
      throw new ArgumentError(
        `ImageWorker "${worker}": the fan-out has a worker of that name already, whose results are under "${this.#prefixes[worker]}/". Give one of them another name.`,
      );
    }
    refuseOverlap(worker, prefix, this.#prefixes);
  }

  /**
   * @returns a function that records outputs of the worker, beside those that are known of it
   * @throws ArgumentError where too little of the fan-out's concurrency would be left to a worker
   */
  add(
    worker: string,
    prefix: string,
    settings: CheckedWorkerSettings,
  ): (outputs: Partial<DeclaredOutputs>) => void {
    this.settings[worker] = settings;
    this.#prefixes[worker] = prefix;
    const { minimum } = SCALING.maximumConcurrency;
    if (this.#share() < minimum) {
      throw new ArgumentError(
        `ImageWorker "${worker}": concurrency of the fan-out is ${this.#concurrency}, but with this worker ${this.#taken()} batches at once are taken, and ${this.#sharing().length} workers share the rest, each of which needs ${minimum}. Raise concurrency, or give workers less.`,
      );
    }
    return (outputs) => {
      this.outputs[worker] = { ...this.outputs[worker], ...outputs } as DeclaredOutputs;
    };
  }

  /** Returns how a worker's queue is emptied, its share of the fan-out's concurrency included. All workers must be known. */
  scalingOf(worker: string): CheckedWorkerSettings["scaling"] {
    const scaling = this.settings[worker]?.scaling;
    if (scaling !== undefined || this.#concurrency === undefined) return scaling;
    return { maximumConcurrency: Math.min(this.#share(), SCALING.maximumConcurrency.maximum) };
  }

  /** Batches at once for each worker that has no maximum of its own; as many as they like where the fan-out has none. */
  #share(): number {
    const left = (this.#concurrency ?? Number.POSITIVE_INFINITY) - this.#taken();
    // Whoever has a maximum of its own must fit in as well.
    return left < 0 ? left : Math.floor(left / this.#sharing().length);
  }

  #sharing(): CheckedWorkerSettings[] {
    return Object.values(this.settings).filter(({ scaling }) => scaling === undefined);
  }

  /** Batches at once of the workers that have a maximum of their own. */
  #taken(): number {
    return Object.values(this.settings).reduce((sum, { scaling }) => {
      if (scaling === undefined) return sum;
      const own =
        "maximumConcurrency" in scaling
          ? scaling.maximumConcurrency
          : scaling.maximumPollers * BATCHES_PER_POLLER;
      return sum + own;
    }, 0);
  }
}
