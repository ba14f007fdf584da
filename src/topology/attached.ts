import { setImmediate } from "node:timers/promises";
import type { DeclaredOutputs } from "../stack-outputs.ts";
import type { CheckedWorkerSettings } from "./worker-settings.ts";

/** The workers of a fan-out, which are complete when the turn of the program is over that made it. */
export class Attached {
  readonly outputs: Record<string, DeclaredOutputs> = {};
  /** Settings of each worker, with all defaults. */
  readonly settings: Record<string, CheckedWorkerSettings> = {};
  /** Resolves when that turn is over: later workers are refused. */
  readonly complete: Promise<void>;
  #isComplete = false;

  constructor() {
    this.complete = setImmediate().then(() => {
      this.#isComplete = true;
    });
  }

  /** @throws RangeError where a worker of this name cannot be attached */
  check(worker: string): void {
    if (this.#isComplete) {
      throw new RangeError(
        `ImageWorker "${worker}": it comes too late for the fan-out's dashboard and objective, after an await. Create the fan-out and all its workers without an await in between: what has to be waited for comes before them.`,
      );
    }
    if (!Object.hasOwn(this.settings, worker)) return;
    throw new RangeError(
      `ImageWorker "${worker}": the fan-out has a worker of that name already, whose results are under "${worker}/". Give one of them another name.`,
    );
  }

  /** @returns a function that records outputs of the worker, beside those that are known of it */
  add(worker: string, settings: CheckedWorkerSettings): (outputs: Partial<DeclaredOutputs>) => void {
    this.settings[worker] = settings;
    return (outputs) => {
      this.outputs[worker] = { ...this.outputs[worker], ...outputs } as DeclaredOutputs;
    };
  }
}
