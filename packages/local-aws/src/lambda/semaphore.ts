/** Bounds how many things happen at once; who has to wait is served in turn. */
export class Semaphore {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param places how many may be held at once, 1 or more */
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
