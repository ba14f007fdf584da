/**
 * The requests that a bucket answers. S3 promises a rate for each partition of the keys, and splits partitions that
 * get more than that for long; until then it answers 503 to what is too much, which is tried again.
 */
export class Bucket {
  #partitions: number;
  readonly #splitSeconds: number;
  #refusedFor = 0;
  /** True where more was wanted in this second than it answers. */
  refused = false;

  /** @param splitSeconds of refusing requests, after which there are twice as many partitions */
  constructor(partitions: number, splitSeconds: number) {
    this.#partitions = partitions;
    this.#splitSeconds = splitSeconds;
  }

  /** Begins a second. */
  tick(): void {
    this.#refusedFor = this.refused ? this.#refusedFor + 1 : 0;
    this.refused = false;
    if (this.#refusedFor < this.#splitSeconds) return;
    this.#partitions *= 2;
    this.#refusedFor = 0;
  }

  /** Requests a second, where a partition answers so many. */
  rate(perPartition: number): number {
    return this.#partitions * perPartition;
  }
}
