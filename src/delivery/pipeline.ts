import { release, type Signal } from "./send.ts";

/** Something that one at a time may have, in the order in which they ask for it. */
export class Turns {
  #last: Promise<void> = Promise.resolve();
  #taken = 0;

  /** Whether a turn would come at once. */
  get free(): boolean {
    return this.#taken === 0;
  }

  /** Queues up at once. @returns what ends the caller's turn, when it has come */
  async take(): Promise<() => void> {
    const before = this.#last;
    let end = () => {};
    this.#last = new Promise((resolve) => {
      end = () => {
        this.#taken--;
        resolve();
      };
    });
    this.#taken++;
    await before;
    return end;
  }
}

/** An image that is in hand: from the first byte that is read of it until its result is written. */
export interface Held {
  /** Images of one key are never in hand at the same time. */
  readonly key: string;
  /** Whether it must have the function for itself, as it may be what ended one. */
  readonly alone: boolean;
  /** Bytes that it takes while another image is turned. */
  bytes: number;
  /** Forgets what was read of it, where its turn has not come. */
  drop?: (() => void) | undefined;
}

/**
 * Images of one invocation that are in hand, bounded by their number and by what they take beside the one that is turned:
 * files that were read, and results that are not written yet.
 */
export class Hand {
  readonly #depth: number;
  readonly #limit: number;
  readonly #held = new Set<Held>();
  #waiting: (() => void)[] = [];
  #cleared = false;

  /** @param limit maximum of the bytes of all images in hand but the one that is turned */
  constructor(depth: number, limit: number) {
    this.#depth = depth;
    this.#limit = limit;
  }

  /** Takes an image in hand when there is room for it. */
  async enter(held: Held): Promise<void> {
    await this.#when(() => this.#fits(held));
    this.#held.add(held);
  }

  leave(held: Held): void {
    this.#held.delete(held);
    this.#wake();
  }

  /** Says how many bytes an image takes now. */
  set(held: Held, bytes: number): void {
    held.bytes = bytes;
    this.#wake();
  }

  /** Waits until what is in hand leaves an image that is to be turned its memory: results were larger than sources. */
  async settled(): Promise<void> {
    await this.#when(() => this.#bytes() <= this.#limit);
  }

  /** Empties the hand of all others, for the time of one task: those whose turn has not come are read again when it comes. */
  async cleared<T>(held: Held, task: () => Promise<T>): Promise<T> {
    this.#cleared = true;
    try {
      for (const other of this.#held) if (other !== held) other.drop?.();
      await this.#when(() => this.#bytes() === held.bytes);
      return await task();
    } finally {
      this.#cleared = false;
      this.#wake();
    }
  }

  #fits(held: Held): boolean {
    const others = [...this.#held];
    if (others.length === 0) return true;
    return (
      !this.#cleared &&
      others.length < this.#depth &&
      !others.some(({ alone, key }) => alone || key === held.key) &&
      this.#bytes() + held.bytes <= this.#limit
    );
  }

  #bytes(): number {
    let bytes = 0;
    for (const held of this.#held) bytes += held.bytes;
    return bytes;
  }

  async #when(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((wake) => this.#waiting.push(wake));
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/**
 * Something that is read before its turn has come. Until then nothing of it counts: it has no deadline, and what fails is
 * read again in its turn, unless the answer is final. That is so also where it fails in its turn, as tries before count as well.
 */
export class Ahead<T> {
  readonly #read: (signal: Signal, isAhead: boolean) => Promise<T>;
  readonly #controller = new AbortController();
  #reading: Promise<T | undefined> | undefined;
  #begun = false;

  constructor(read: (signal: Signal, isAhead: boolean) => Promise<T>, isFinal: (error: unknown) => boolean) {
    this.#read = read;
    this.#reading = read(() => this.#controller.signal, true).catch((error) => {
      if (isFinal(error) || (this.#begun && this.#controller.signal.aborted)) throw error;
      return undefined;
    });
    this.#reading.catch(() => {});
  }

  /** Forgets what was read so far. */
  readonly drop = (): void => {
    this.#controller.abort();
    this.#reading = undefined;
  };

  /** Gives what was read, once: its turn has come, and ends by this signal. */
  async take(signal: Signal): Promise<T> {
    this.#begun = true;
    const reading = this.#reading;
    this.#reading = undefined;
    const over = signal();
    const abort = () => this.#controller.abort(over.reason);
    over.addEventListener("abort", abort, { once: true });
    try {
      return (await reading) ?? (await this.#read(signal, false));
    } finally {
      over.removeEventListener("abort", abort);
      release(over);
    }
  }
}
