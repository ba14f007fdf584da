import type { Catalog, Notification } from "./catalog.ts";
import type { GroupCommit } from "./commits.ts";

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 10_000;
const CONCURRENCY = 32;

/** Publishes a message to a topic; a rejection means "try again later", unless it is {@link Refused}. */
export type Notify = (topicArn: string, message: string) => Promise<void>;

/** A policy forbids it, or the topic is gone: S3 drops the event. */
export class Refused extends Error {
  override readonly name = "Refused";
}

/** A delivery that failed and will be tried again, unless it was {@link Refused}. */
export interface FailedDelivery {
  readonly notification: Notification;
  readonly attempt: number;
  readonly error: unknown;
}

/**
 * Delivers notifications in the background, each at least once where the topic takes them. They were written in the
 * transaction of the change that they tell of, and are removed after delivery; a crash between the two delivers again.
 */
export class Outbox {
  readonly #catalog: Catalog;
  readonly #commits: GroupCommit;
  readonly #notify: Notify;
  readonly #failed: (failure: FailedDelivery) => void;
  readonly #ready: { readonly id: number; readonly attempt: number }[];
  readonly #delays = new Set<NodeJS.Timeout>();
  readonly #underWay = new Set<Promise<void>>();
  #closed = false;

  constructor(
    catalog: Catalog,
    commits: GroupCommit,
    notify: Notify,
    failed: (failure: FailedDelivery) => void,
  ) {
    this.#catalog = catalog;
    this.#commits = commits;
    this.#notify = notify;
    this.#failed = failed;
    this.#ready = catalog.notifications().map((id) => ({ id, attempt: 1 }));
    setImmediate(() => this.#pump()); // when whoever opens the store has it
  }

  /** Announces a notification that the catalog now holds. */
  add(id: number): void {
    this.#ready.push({ id, attempt: 1 });
    this.#pump();
  }

  isEmpty(): boolean {
    return this.#ready.length + this.#delays.size + this.#underWay.size === 0;
  }

  /** Finishes what is under way; the rest waits in the catalog. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const delay of this.#delays) clearTimeout(delay);
    await Promise.all(this.#underWay);
  }

  #pump(): void {
    while (!this.#closed && this.#underWay.size < CONCURRENCY) {
      const next = this.#ready.shift();
      if (!next) return;
      const delivery = this.#deliver(next.id, next.attempt).finally(() => {
        this.#underWay.delete(delivery);
        this.#pump();
      });
      this.#underWay.add(delivery);
    }
  }

  async #deliver(id: number, attempt: number): Promise<void> {
    const notification = this.#catalog.notification(id);
    if (!notification) return;
    const failed = (error: unknown) => this.#failed({ notification, attempt, error });
    try {
      await this.#notify(notification.topicArn, notification.message).catch((error) => {
        if (!(error instanceof Refused)) throw error;
        failed(error);
      });
      await this.#commits.run(() => this.#catalog.removeNotification(id));
    } catch (error) {
      failed(error);
      this.#retry(id, attempt);
    }
  }

  #retry(id: number, attempt: number): void {
    if (this.#closed) return;
    const delay = setTimeout(
      () => {
        this.#delays.delete(delay);
        this.#ready.push({ id, attempt: attempt + 1 });
        this.#pump();
      },
      Math.min(FIRST_DELAY_MS * 2 ** (attempt - 1), MAX_DELAY_MS),
    );
    delay.unref();
    this.#delays.add(delay);
  }
}
