/** Lets one at a time do something, in the order in which they ask. */
class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(task);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

/**
 * The images of one invocation that are in hand: while one is turned, the next are read and the last results written. They
 * are bounded by their number, and by the bytes that all but the one that is turned take: files that were read, and
 * results that are not written yet.
 */
export class Pipeline {
  readonly #depth: number;
  readonly #limit: number;
  readonly #entrance = new Turns();
  readonly #turns = new Turns();
  readonly #inHand = new Set<Place>();
  #turned: Place | undefined;
  #waiting: (() => void)[] = [];

  /** @param limit maximum of bytes in hand, beside the image that is turned */
  constructor(depth: number, limit: number) {
    this.#depth = depth;
    this.#limit = limit;
  }

  /** Takes an image in hand, in the order of the calls, when there is room for it. An empty hand has room for any. */
  async enter(place: Place): Promise<void> {
    await this.#entrance.take(async () => {
      await this.#until(() => this.#inHand.size === 0 || this.#hasRoom(place));
      this.#inHand.add(place);
    });
  }

  leave(place: Place): void {
    this.#inHand.delete(place);
    this.#changed();
  }

  /** Says how many bytes an image takes from now on, whenever it is not the one that is turned. */
  holds(place: Place, bytes: number): void {
    place.bytes = bytes;
    this.#changed();
  }

  /** Has an image turned when it is next, and what the others hold leaves it its memory: results may be larger than sources. */
  turn<T>(place: Place, task: () => Promise<T>): Promise<T> {
    return this.#turns.take(async () => {
      this.#turned = place;
      this.#changed();
      try {
        await this.#until(() => this.#bytes() <= this.#limit);
        return await task();
      } finally {
        this.#turned = undefined;
      }
    });
  }

  #hasRoom({ alone, bytes }: Place): boolean {
    const others = [...this.#inHand];
    return (
      !alone &&
      !others.some((other) => other.alone) &&
      others.length < this.#depth &&
      this.#bytes() + bytes <= this.#limit
    );
  }

  #bytes(): number {
    let bytes = 0;
    for (const place of this.#inHand) if (place !== this.#turned) bytes += place.bytes;
    return bytes;
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((wake) => this.#waiting.push(wake));
  }

  #changed(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** An image's place in the pipeline. */
export interface Place {
  /** Whether nothing else may be in hand: it has all of the memory, and may be what ended a function. */
  alone: boolean;
  /** Bytes that it takes while another image is turned. */
  bytes: number;
}
