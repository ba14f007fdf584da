import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { DigestAlgorithm, Digests } from "./digests.ts";
import type { Beginning, Order, Report } from "./writer-thread.ts";

/** A body is handed to its thread in pieces of this size; one is under way and one is gathered at a time. */
const PIECE_BYTES = 512 * 1024;

/** So many pieces of all bodies together are under way at most: the memory that uploads take. */
const MOST_PIECES = 32;

/** What may be streamed into the store. */
export type Body = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** A few threads that write bodies to files and digest them, in memory that does not grow with the bodies. */
class Writers {
  readonly #threads: Thread[] = [];
  readonly #most = Math.max(2, Math.min(4, availableParallelism()));
  readonly #slots = new Slots();

  /**
   * Writes a body to `temporary`, moves it to what `path` says when all of it is there, and makes it durable.
   * What the body throws, this throws, and no file is left.
   */
  async write(
    body: Body,
    temporary: string,
    path: () => string,
    algorithms: readonly DigestAlgorithm[],
  ): Promise<{ size: number; digests: Digests }> {
    const job = this.#idlest().begin(temporary, algorithms);
    let size = 0;
    let held: Uint8Array[] = [];
    let length = 0;
    const send = async (last?: () => string) => {
      await job.written();
      const target = last?.();
      job.send(await this.#slots.fill(held), length, target);
      held = [];
      length = 0;
    };
    try {
      for await (const chunk of body) {
        for (let rest = chunk; rest.length > 0; ) {
          // Not before there is more: the last piece is to be sent as such.
          if (length === PIECE_BYTES) await send();
          const fitting = rest.subarray(0, PIECE_BYTES - length);
          rest = rest.subarray(fitting.length);
          held.push(fitting);
          length += fitting.length;
          size += fitting.length;
        }
      }
      await send(path);
    } catch (error) {
      job.abandon();
      throw error;
    }
    return { size, digests: await job.finished };
  }

  #idlest(): Thread {
    const idle = this.#threads.find((thread) => thread.busy === 0);
    if (idle) return idle;
    if (this.#threads.length < this.#most) {
      const thread: Thread = new Thread(this.#slots, () => {
        this.#threads.splice(this.#threads.indexOf(thread), 1);
      });
      this.#threads.push(thread);
      return thread;
    }
    return this.#threads.reduce((least, thread) => (thread.busy < least.busy ? thread : least));
  }
}

/** One body on its way to the disk. */
class Job {
  /** Resolves when the body is durable; rejects where it could not be written. */
  readonly finished: Promise<Digests>;
  readonly #id: number;
  readonly #thread: Thread;
  readonly #beginning: Beginning;
  readonly #resolve: (digests: Digests) => void;
  readonly #reject: (error: unknown) => void;
  #written: PromiseWithResolvers<void> | undefined;

  constructor(id: number, thread: Thread, beginning: Beginning) {
    const { promise, resolve, reject } = Promise.withResolvers<Digests>();
    this.finished = promise;
    this.finished.catch(() => {}); // who began the job hears of it when it asks
    this.#id = id;
    this.#thread = thread;
    this.#beginning = beginning;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Resolves when the piece that was sent last is written. */
  async written(): Promise<void> {
    await this.#written?.promise;
  }

  send(slot: number, length: number, path?: string): void {
    const beginning = this.#written ? undefined : this.#beginning;
    this.#written = Promise.withResolvers();
    this.#written.promise.catch(() => {});
    this.#thread.send({ kind: "piece", job: this.#id, slot, length, beginning, path });
  }

  abandon(): void {
    this.#thread.send({ kind: "abandon", job: this.#id });
  }

  onWritten(): void {
    this.#written?.resolve();
  }

  onFinished(digests: Digests): void {
    this.#resolve(digests);
  }

  onFailed(error: unknown): void {
    this.#written?.reject(error);
    this.#reject(error);
  }
}

/** One thread and the bodies that it is writing. */
class Thread {
  readonly #worker: Worker;
  readonly #jobs = new Map<number, Job>();
  readonly #slotsUnderWay = new Set<number>();
  #last = 0;

  /** @param ended is called if the thread ends, which it does only by a fault */
  constructor(slots: Slots, ended: () => void) {
    const workerData = { memory: slots.memory, pieceBytes: PIECE_BYTES };
    this.#worker = new Worker(new URL("./writer-thread.ts", import.meta.url), { workerData });
    this.#worker.unref();
    this.#worker.on("message", (report: Report) => {
      const job = this.#jobs.get(report.job);
      if (report.kind === "written") {
        this.#slotsUnderWay.delete(report.slot);
        slots.free(report.slot);
        job?.onWritten();
        return;
      }
      this.#forget(report.job);
      if (report.kind === "failed") job?.onFailed(report.error);
      else
        job?.onFinished(new Map(Array.from(report.digests, ([name, bytes]) => [name, Buffer.from(bytes)])));
    });
    this.#worker.on("error", (error) => {
      ended();
      for (const slot of this.#slotsUnderWay) slots.free(slot);
      for (const [id, job] of this.#jobs) {
        this.#forget(id);
        job.onFailed(error);
      }
    });
  }

  get busy(): number {
    return this.#jobs.size;
  }

  begin(temporary: string, algorithms: readonly DigestAlgorithm[]): Job {
    this.#last += 1;
    const job = new Job(this.#last, this, { temporary, algorithms });
    this.#jobs.set(this.#last, job);
    this.#worker.ref(); // the process does not end while it writes
    return job;
  }

  send(order: Order): void {
    if (order.kind === "piece") this.#slotsUnderWay.add(order.slot);
    this.#worker.postMessage(order);
    if (order.kind === "abandon") this.#forget(order.job);
  }

  #forget(id: number): void {
    this.#jobs.delete(id);
    if (this.#jobs.size === 0) this.#worker.unref();
  }
}

/**
 * Memory that all threads see, in slots of one piece each. Pieces are copied into it: handing over the memory that
 * they lie in would cost more, in collecting it, than the copy.
 */
class Slots {
  readonly memory = new SharedArrayBuffer(MOST_PIECES * PIECE_BYTES);
  readonly #free = Array.from({ length: MOST_PIECES }, (_, slot) => slot);
  readonly #waiting: ((slot: number) => void)[] = [];

  /** Copies the chunks into a slot, as soon as there is one. */
  async fill(chunks: readonly Uint8Array[]): Promise<number> {
    const slot = this.#free.pop() ?? (await new Promise<number>((resolve) => this.#waiting.push(resolve)));
    const piece = Buffer.from(this.memory, slot * PIECE_BYTES, PIECE_BYTES);
    let offset = 0;
    for (const chunk of chunks) {
      // To memory that threads share, fill() copies twenty times as fast as set() and copy(), which go word by word.
      piece.fill(chunk, offset, offset + chunk.length);
      offset += chunk.length;
    }
    return slot;
  }

  free(slot: number): void {
    const next = this.#waiting.shift();
    if (next) next(slot);
    else this.#free.push(slot);
  }
}

/** The threads of this process, begun when they are needed. They keep no process from ending, except while they write. */
export const writers = new Writers();
