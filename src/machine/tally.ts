import { inWords, passes } from "../image-filter.ts";
import type { Failure, Failures } from "./failures.ts";
import type { Machine } from "./machine.ts";
import { takingUploads, type Worker } from "./worker.ts";

/** Something a worker did not make a result of, and why. */
export interface Rejection {
  readonly worker: string;
  readonly key: string;
  /** A stable identifier to group by. */
  readonly code: string;
  readonly reason: string;
}

/** Of messages that SQS itself put into a dead-letter queue. */
export const FAILED_TOO_OFTEN = {
  code: "failed-too-often",
  reason: "It failed too often; the function's log says why.",
};

/** What became of one image at one worker. */
export interface Outcome {
  readonly key: string;
  readonly worker: string;
  /** "created", "not-told", "lost", "not-done" or a rejection's own. */
  readonly code: string;
  /** None where all went well. */
  readonly reason: string | null;
  /** From the beginning of the upload; none where it was not uploaded. */
  readonly milliseconds: number | null;
  /** Of the uploaded file. */
  readonly bytes: number | null;
}

export interface Progress {
  readonly uploaded: number;
  /** Results and rejections so far. */
  readonly done: number;
  /** Results and rejections that one image gives, where every worker is told of it. */
  readonly perImage: number;
  /** Those that no uploaded image gives, as a worker is not told of it. */
  readonly filtered: number;
}

export interface TallyOptions {
  /** Knows which workers are to be given up. @default none is */
  readonly failures?: Pick<Failures, "hopeless"> | undefined;
  /** Is told what becomes of each image that is uploaded at each worker that takes it. */
  readonly onOutcome?: ((outcome: Outcome) => void) | undefined;
}

/** Counts what becomes of the images of one run, worker by worker. */
export class Tally {
  /** Images that were given, and of these the uploaded ones: none is uploaded once all workers are given up. */
  images = 0;
  uploaded = 0;
  /** True once there is no image any more to upload. */
  isUploaded = false;
  /** Workers that take what is uploaded. Others take results of these, and nobody knows how many. */
  readonly first: readonly Worker[];
  /** Rejections by `WORKER/KEY`. */
  readonly rejections = new Map<string, Rejection>();
  /** Workers that failed with every image in the same way. */
  readonly givenUp = new Map<string, Failure>();
  /** Images by worker that it is not told of. */
  readonly filtered: Map<string, number>;
  readonly #machine: Pick<Machine, "workers" | "lambda">;
  readonly #options: TallyOptions;
  /** Results and rejections by worker, of those that take what is uploaded. */
  readonly #done: Map<string, number>;
  /** Images under way: since when, how large, and how many workers are still to be done with each. */
  readonly #underWay = new Map<string, { since: number; bytes: number; left: number }>();

  constructor(machine: Pick<Machine, "workers" | "lambda">, options: TallyOptions) {
    this.#machine = machine;
    this.#options = options;
    this.first = takingUploads(machine.workers);
    this.#done = new Map(this.first.map(({ name }) => [name, 0]));
    this.filtered = new Map(this.#done);
  }

  get progress(): Progress {
    const sum = (counts: Map<string, number>) => [...counts.values()].reduce((all, count) => all + count, 0);
    const perImage = this.first.length;
    return { uploaded: this.uploaded, done: sum(this.#done), perImage, filtered: sum(this.filtered) };
  }

  /** Workers that are not given up. */
  get left(): readonly Worker[] {
    return this.#machine.workers.filter(({ name }) => !this.givenUp.has(name));
  }

  /** Those of them that have not made or rejected every uploaded image. */
  get unfinished(): readonly Worker[] {
    return this.left.filter(({ name }) => {
      const done = this.#done.get(name);
      return done !== undefined && done + (this.filtered.get(name) ?? 0) < this.uploaded;
    });
  }

  /** Takes note that an image's upload begins, and of the workers that are not told of it. */
  begin(key: string, bytes: number): void {
    if (this.#options.onOutcome) {
      this.#underWay.set(key, { since: performance.now(), bytes, left: this.first.length });
    }
    for (const { name, filter } of this.first) {
      if (!filter || passes(filter, { key, size: bytes })) continue;
      this.filtered.set(name, (this.filtered.get(name) ?? 0) + 1);
      this.became(key, name, "not-told", `It is told only of ${inWords(filter)}.`);
    }
  }

  created(worker: string, key: string): void {
    this.#finished(worker, key, "created", null);
  }

  /** Takes a rejection, of which an image has one however often it is delivered. */
  rejected(rejection: Rejection): void {
    const { worker, key, code, reason } = rejection;
    if (this.rejections.has(`${worker}/${key}`)) return;
    this.rejections.set(`${worker}/${key}`, rejection);
    this.#finished(worker, key, code, reason);
  }

  /** Gives up the workers that are hopeless. @returns whether none is left to take what is uploaded */
  giveUp(): boolean {
    for (const { name, function: functionName } of this.left) {
      const failure = this.#options.failures?.hopeless(name);
      if (!failure) continue;
      this.givenUp.set(name, failure);
      this.#machine.lambda.abandon(functionName);
    }
    return this.first.every(({ name }) => this.givenUp.has(name));
  }

  /** Tells what became of an image at a worker. */
  became(key: string, worker: string, code: string, reason: string | null): void {
    const image = this.#underWay.get(key);
    if (image && --image.left === 0) this.#underWay.delete(key);
    const milliseconds = image ? Math.round(performance.now() - image.since) : null;
    this.#options.onOutcome?.({ key, worker, code, reason, milliseconds, bytes: image?.bytes ?? null });
  }

  #finished(worker: string, key: string, code: string, reason: string | null): void {
    const done = this.#done.get(worker);
    if (done === undefined) return;
    this.#done.set(worker, done + 1);
    this.became(key, worker, code, reason);
  }
}
