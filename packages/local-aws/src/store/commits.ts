import type { DatabaseSync, StatementSync } from "node:sqlite";

/** Runs a step once a change is durable, before its caller hears of it. The step must not throw. */
export type Afterwards = (step: () => void) => void;

/**
 * Makes changes one after the other, each in a transaction of its own, so that one that throws is undone alone. Those that
 * come together share one wait for the disk.
 */
export class GroupCommit {
  readonly #database: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #sync: () => Promise<void>;
  #underWay = 0;

  /** @param sync makes what was committed durable */
  constructor(database: DatabaseSync, sync: () => Promise<void>) {
    this.#database = database;
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
    this.#sync = shared(sync);
  }

  /** Resolves with what `change` returned once that is durable; rejects with what it threw. */
  async run<T>(change: (afterwards: Afterwards) => T): Promise<T> {
    const steps: (() => void)[] = [];
    this.#underWay += 1;
    try {
      const value = this.#transact(() => change((step) => steps.push(step)));
      await this.#sync();
      for (const step of steps) step();
      return value;
    } finally {
      this.#underWay -= 1;
    }
  }

  /** Resolves when no change is under way any more, nor any that a step of one made. */
  async settled(): Promise<void> {
    while (this.#underWay > 0) await this.#sync().catch(() => {});
  }

  #transact<T>(change: () => T): T {
    this.#begin.run();
    try {
      const value = change();
      this.#commit.run();
      return value;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }
}

/** Lets all who ask while some work is done share its next turn, which begins after what they have done. */
export function shared(work: () => Promise<void>): () => Promise<void> {
  let running = Promise.resolve();
  let next: Promise<void> | undefined;
  return () => {
    next ??= running
      .catch(() => {})
      .then(() => {
        next = undefined;
        running = work();
        return running;
      });
    return next;
  };
}
