import type { DatabaseSync, StatementSync } from "node:sqlite";

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
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #save: StatementSync;
  readonly #release: StatementSync;
  readonly #sync: () => Promise<void>;
  #waiting: Waiting[] = [];
  #flushing: Promise<void> | undefined;

  /** @param sync makes what was committed durable */
  constructor(database: DatabaseSync, sync: () => Promise<void>) {
    this.#database = database;
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
    this.#save = database.prepare("SAVEPOINT change");
    this.#release = database.prepare("RELEASE change");
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
    this.#begin.run();
    try {
      const answers = batch.map((waiting) => this.#attempt(waiting, afterwards));
      this.#commit.run();
      return answers;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  #attempt({ change, resolve, reject }: Waiting, afterwards: Afterwards): () => void {
    const steps: (() => void)[] = [];
    this.#save.run();
    try {
      const value = change((step) => steps.push(step));
      this.#release.run();
      steps.forEach(afterwards);
      return () => resolve(value);
    } catch (error) {
      this.#database.exec("ROLLBACK TO change; RELEASE change");
      return () => reject(error);
    }
  }
}
