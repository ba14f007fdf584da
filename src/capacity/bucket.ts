/**
 * The requests that a bucket answers. S3 promises a rate for each partition of the keys, and splits partitions that
 * get more than that for long; until then it answers 503 to what is too much, which is tried again.
 */
export class Bucket {
  readonly #perPartition: { readonly reads: number; readonly writes: number };
  readonly #splitSeconds: number;
  #partitions: number;
  #refusedFor = 0;
  #refused = false;

  /** @param splitSeconds of refusing requests, after which there are twice as many partitions */
  constructor(partitions: number, perPartition: { reads: number; writes: number }, splitSeconds: number) {
    this.#partitions = partitions;
    this.#perPartition = perPartition;
    this.#splitSeconds = splitSeconds;
  }

  /** Begins a second. */
  tick(): void {
    this.#refusedFor = this.#refused ? this.#refusedFor + 1 : 0;
    this.#refused = false;
    if (this.#refusedFor < this.#splitSeconds) return;
    this.#partitions *= 2;
    this.#refusedFor = 0;
  }

  /** Reads that it answers in a second. */
  get reads(): number {
    return this.#partitions * this.#perPartition.reads;
  }

  /** Writes that it answers in a second. */
  get writes(): number {
    return this.#partitions * this.#perPartition.writes;
  }

  /** More was wanted in this second than it answers. */
  refuse(): void {
    this.#refused = true;
  }
}
