/** Messages to queues about what is stored in a bucket: S3 tells a topic, which publishes as much in a second as SNS allows. */
export class Feed {
  /** Objects that are stored, and messages that were published about them, until the end of each second so far. */
  readonly stored: number[] = [];
  readonly published: number[] = [];
  readonly #delay: number;

  /** @param seconds from a stored object to its event */
  constructor(seconds: number) {
    // What is stored at any moment of a second is told in a later one.
    this.#delay = 1 + Math.round(seconds);
  }

  /** Publishes what may be published in a second. @returns how many messages it has to leave for later ones */
  publish(second: number, max: number): number {
    const told = this.stored[second - this.#delay] ?? 0;
    this.published.push(Math.min(told, (this.published.at(-1) ?? 0) + max));
    return told - (this.published.at(-1) ?? 0);
  }

  /** Messages of the last second. */
  get now(): number {
    return (this.published.at(-1) ?? 0) - (this.published.at(-2) ?? 0);
  }
}
