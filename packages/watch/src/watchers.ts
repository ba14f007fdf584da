import type { Snapshot, Tick } from "./protocol.ts";

type Tell = (news: Snapshot | Tick) => void;

/** Does something at once, and again every so many milliseconds. */
type Clock = readonly [everyMs: number, act: () => unknown];

/** Whoever watches a source, whose clocks run while there is anybody. */
export class Watchers {
  readonly #begin: () => void;
  readonly #clocks: readonly Clock[];
  readonly #all = new Set<Tell>();
  #timers: NodeJS.Timeout[] = [];

  /** @param begin is called before the clocks run */
  constructor(begin: () => void, ...clocks: readonly Clock[]) {
    this.#begin = begin;
    this.#clocks = clocks;
  }

  /** @returns what ends it */
  add(tell: Tell): () => void {
    this.#all.add(tell);
    if (this.#all.size === 1) {
      this.#begin();
      for (const [, act] of this.#clocks) act();
      this.#timers = this.#clocks.map(([everyMs, act]) => setInterval(act, everyMs).unref());
    }
    return () => {
      this.#all.delete(tell);
      if (this.#all.size === 0) for (const timer of this.#timers) clearInterval(timer);
    };
  }

  tell(news: Snapshot | Tick): void {
    for (const tell of this.#all) tell(news);
  }
}
