/** Time that passes only when nothing else is left to do: timers of everybody, and the milliseconds that tests sleep. */
export class VirtualTime {
  /** Milliseconds since the beginning. */
  now = 0;
  readonly #real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
  readonly #timers = new Map<object, { readonly at: number; readonly call: () => void }>();

  sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.#set(resolve, milliseconds));
  }

  /** Lives through what a promise waits for. */
  async run<T>(begin: () => Promise<T>): Promise<T> {
    const set = (call: () => void, milliseconds = 0) => this.#set(call, milliseconds);
    const clear = (timer: object) => void this.#timers.delete(timer);
    Object.assign(globalThis, { setTimeout: set, clearTimeout: clear });
    try {
      let over = false;
      const done = begin().finally(() => {
        over = true;
      });
      done.catch(() => {});
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve));
        if (over) return await done;
        const next = [...this.#timers].reduce<readonly [object, { at: number }] | undefined>(
          (first, each) => (first && first[1].at <= each[1].at ? first : each),
          undefined,
        );
        if (!next) throw new Error("Everybody waits, and nothing will ever happen.");
        const [timer, { at }] = next;
        const { call } = this.#timers.get(timer) ?? {};
        this.#timers.delete(timer);
        this.now = at;
        call?.();
      }
    } finally {
      Object.assign(globalThis, this.#real);
    }
  }

  #set(call: () => void, milliseconds: number): { unref(): object } {
    const timer = { unref: () => timer };
    this.#timers.set(timer, { at: this.now + milliseconds, call });
    return timer;
  }
}

/** Milliseconds of each timer that is set meanwhile, none of which ever ends. */
export function timersOf(act: () => void): number[] {
  const { setTimeout } = globalThis;
  const given: number[] = [];
  const timer = { unref: () => timer };
  Object.assign(globalThis, {
    setTimeout: (_: unknown, milliseconds: number) => {
      given.push(milliseconds);
      return timer;
    },
  });
  try {
    act();
    return given;
  } finally {
    Object.assign(globalThis, { setTimeout });
  }
}
