/** Names of AWS's errors that ask for fewer requests. */
const THROTTLED = /throttl|toomanyrequests|requestlimitexceeded|slowdown/i;
/** Milliseconds between two requests where AWS wants fewer of them, at most. */
const MAX_SPACING_MS = 30_000;

/** Sends requests one by one, so many a second and no more: those that a person waits for first, others as they came. */
export class Budget {
  readonly #spacing: number;
  readonly #sleep: (milliseconds: number) => Promise<unknown>;
  /** Milliseconds from one request to the next, at the moment. */
  #current: number;
  #running = false;
  readonly #urgent: (() => Promise<void>)[] = [];
  readonly #others: (() => Promise<void>)[] = [];

  /**
   * @param perSecond requests that there are in any second, whatever is asked
   * @param sleep waits some milliseconds; replaced in tests
   */
  constructor(perSecond: number, sleep: (milliseconds: number) => Promise<unknown>) {
    this.#spacing = 1000 / perSecond;
    this.#current = this.#spacing;
    this.#sleep = sleep;
  }

  /** Sends a request when it may go. After each one that AWS throttles, all wait twice as long, up to half a minute. */
  spend<T>(request: () => Promise<T>, urgent = false): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      (urgent ? this.#urgent : this.#others).push(async () => {
        try {
          const answer = await request();
          this.#current = this.#spacing;
          resolve(answer);
        } catch (error) {
          if (isThrottled(error)) this.#current = Math.min(this.#current * 2, MAX_SPACING_MS);
          reject(error);
        }
      });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (;;) {
      const send = this.#urgent.shift() ?? this.#others.shift();
      if (!send) break;
      void send();
      await this.#sleep(this.#current);
    }
    this.#running = false;
  }
}

/** Whether AWS asks for fewer requests. */
export function isThrottled(error: unknown): boolean {
  const { name = "", $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number } };
  return THROTTLED.test(name) || $metadata?.httpStatusCode === 429;
}
