/**
 * The messages of one queue, counted by how often they were received. Messages are alike, and the oldest is taken
 * first: SQS does not promise that, but on the whole does it.
 */
export class Queue {
  readonly #maxReceiveCount: number;
  /** Visible messages, by the number of times they were received before. */
  readonly #visible: number[];
  /** Messages that become visible in a later second, by second and then by receives. */
  readonly #hidden = new Map<number, number[]>();
  visible = 0;
  /** Messages that failed and are not visible yet. */
  hidden = 0;
  /** Messages that were received too often. */
  deadLetters = 0;
  /** Messages that were kept longer than the queue keeps them. */
  expired = 0;

  /** @param maxReceiveCount tries, after which a message goes to the dead-letter queue */
  constructor(maxReceiveCount: number) {
    this.#maxReceiveCount = maxReceiveCount;
    this.#visible = new Array(maxReceiveCount).fill(0);
  }

  /** Begins a second: what was hidden until now is visible, or goes to the dead-letter queue. */
  tick(second: number): void {
    for (const [receives, messages = 0] of this.#hidden.get(second)?.entries() ?? []) {
      this.hidden -= messages;
      if (receives >= this.#maxReceiveCount) this.deadLetters += messages;
      else this.add(messages, receives);
    }
    this.#hidden.delete(second);
  }

  add(messages: number, receives = 0): void {
    this.#visible[receives] = (this.#visible[receives] ?? 0) + messages;
    this.visible += messages;
  }

  /** Takes visible messages, those first that came first. @returns how many, by the times they were received before */
  take(messages: number): number[] {
    const taken: number[] = [];
    let left = Math.min(messages, this.visible);
    this.visible -= left;
    for (let receives = this.#maxReceiveCount - 1; receives >= 0 && left > 0; receives--) {
      const here = Math.min(left, this.#visible[receives] ?? 0);
      this.#visible[receives] = (this.#visible[receives] ?? 0) - here;
      taken[receives] = here;
      left -= here;
    }
    return taken;
  }

  /** Gives messages back that were received once more, to be seen again in a later second. */
  giveBack(messages: number, receives: number, second: number): void {
    const at = this.#hidden.get(second) ?? [];
    at[receives] = (at[receives] ?? 0) + messages;
    this.#hidden.set(second, at);
    this.hidden += messages;
  }

  /** Drops the oldest visible messages, which were kept too long. */
  expire(messages: number): void {
    const before = this.visible;
    this.take(messages);
    this.expired += before - this.visible;
  }
}
