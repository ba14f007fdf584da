import { setImmediate } from "node:timers/promises";
import type { DeclaredOutputs } from "../stack-outputs.ts";
import { ArgumentError } from "./argument-error.ts";
import { batchesAtOnce, type CheckedWorkerSettings, SCALING } from "./worker-settings.ts";

/** The workers of a fan-out, which are complete when the turn of the program is over that made it. */
export class Attached {
  readonly outputs: Record<string, DeclaredOutputs> = {};
  /** Settings of each worker, with all defaults. */
  readonly settings: Record<string, CheckedWorkerSettings> = {};
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

  /**
   * @param component class and name of the worker, for messages
   * @throws ArgumentError where it comes too late, or too little of the fan-out's concurrency would be left to a worker
   */
  add(component: string, worker: string, settings: CheckedWorkerSettings): void {
    if (this.#isComplete) {
      throw new ArgumentError(
        `${component}: it was created after an await, too late for the fan-out's dashboard and objective. Create the fan-out and all its workers without an await in between; await what you need before them.`,
      );
    }
    this.settings[worker] = settings;
    const { minimum } = SCALING.maximumConcurrency;
    if (this.#share() >= minimum) return;
    throw new ArgumentError(
      `${component}: concurrency of the fan-out is ${this.#concurrency}, but with this worker ${this.#taken()} batches at once are taken, and ${this.#sharing().length} workers share the rest, which need ${minimum} each. Raise concurrency, or give workers less.`,
    );
  }

  /** Records outputs of a worker, beside those that are known of it. */
  record(worker: string, outputs: Partial<DeclaredOutputs>): void {
    this.outputs[worker] = { ...this.outputs[worker], ...outputs } as DeclaredOutputs;
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
    const { length } = this.#sharing();
    // Whoever has a maximum of its own must fit in, even where nobody shares what is left.
    return left >= 0 && length === 0 ? Number.POSITIVE_INFINITY : Math.floor(left / length);
  }

  #sharing(): CheckedWorkerSettings[] {
    return Object.values(this.settings).filter(({ scaling }) => scaling === undefined);
  }

  /** Batches at once of the workers that have a maximum of their own. */
  #taken(): number {
    return Object.values(this.settings).reduce(
      (sum, { scaling }) => sum + (scaling ? batchesAtOnce(scaling) : 0),
      0,
    );
  }
}
