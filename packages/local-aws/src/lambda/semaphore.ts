/** Limits concurrency; those who wait are served in turn. */
export class Semaphore {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param places maximum number held at the same time, 1 or more */
  constructor(places: number) {
    this.#free = places;
  }

  /** Waits for a place. Call what it gives back, once, to free it. */
  async acquire(): Promise<() => void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return () => {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    };
  }
}
