import type { DatabaseSync } from "node:sqlite";

/** Runs a step once a change is durable, before its caller hears of it. The step must not throw. */
export type Afterwards = (step: () => void) => void;

interface Waiting {
  readonly change: (afterwards: Afterwards) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Lets changes that arrive together share one transaction, and with it one wait for the disk. Changes run one
 * after the other, each sees those before it, and a change that throws is undone alone.
 */
export class GroupCommit {
  readonly #database: DatabaseSync;
  readonly #sync: () => Promise<void>;
  #waiting: Waiting[] = [];
  #flushing: Promise<void> | undefined;

  /** @param sync makes what was committed durable */
  constructor(database: DatabaseSync, sync: () => Promise<void>) {
    this.#database = database;
    this.#sync = sync;
  }

  /** Resolves with what `change` returned once that is durable; rejects with what it threw. */
  run<T>(change: (afterwards: Afterwards) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ change, resolve: resolve as (value: unknown) => void, reject });
      this.#flushing ??= this.#flush();
    });
  }

  /** Resolves when nothing waits any more. */
  async settled(): Promise<void> {
    await this.#flushing;
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      await new Promise(setImmediate); // for those who come in the same turn
      const batch = this.#waiting;
      this.#waiting = [];
      const steps: (() => void)[] = [];
      try {
        const answers = this.#transact(batch, (step) => steps.push(step));
        await this.#sync();
        for (const step of steps) step();
        for (const answer of answers) answer();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#flushing = undefined;
  }

  /** Runs the changes; what it returns answers them. */
  #transact(batch: readonly Waiting[], afterwards: Afterwards): (() => void)[] {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const answers = batch.map((waiting) => this.#attempt(waiting, afterwards));
      this.#database.exec("COMMIT");
      return answers;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  #attempt({ change, resolve, reject }: Waiting, afterwards: Afterwards): () => void {
    const steps: (() => void)[] = [];
    this.#database.exec("SAVEPOINT change");
    try {
      const value = change((step) => steps.push(step));
      this.#database.exec("RELEASE change");
      steps.forEach(afterwards);
      return () => resolve(value);
    } catch (error) {
      this.#database.exec("ROLLBACK TO change; RELEASE change");
      return () => reject(error);
    }
  }
}
