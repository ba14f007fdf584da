import { HeadObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import type { SQSClient } from "@aws-sdk/client-sqs";
import { pMapIterable } from "p-map";
import { identity } from "../delivery/envelope.ts";
import { resultOf } from "../delivery/result.ts";
import { passes } from "../image-filter.ts";
import type { StackOutputs } from "../stack-outputs.ts";
import { lookAtDeadLetters } from "./dead-letters.ts";
import {
  merged,
  type Part,
  type ResultKey,
  resultKeys,
  type SourceKey,
  type SourceVersion,
  sourceKeys,
} from "./listings.ts";
import { countMessages } from "./queue.ts";
import { reached } from "./stack.ts";

/** Fates of the versions of the source bucket with one worker. All but `orphaned` and `queued` add up to `created`. */
export interface Tally {
  /** Versions in the source bucket. */
  created: number;
  /** Current versions whose result stands. */
  results: number;
  /** Current versions that are dead letters. */
  rejected: number;
  /** Versions that were overwritten or deleted since: no result is owed for them. */
  superseded: number;
  /** Current versions without their result that are too young for a verdict. */
  inFlight: number;
  /** Current versions without a result. */
  missing: number;
  /** Current versions under whose key an older version's result stands. */
  stale: number;
  /** Current versions that the worker is not told of: no result is owed for them. */
  filtered: number;
  /** Current versions so old that their results may have expired: none is owed any more. */
  expired: number;
  /** Results whose source was deleted, or of an older version than one that the worker is not told of. */
  orphaned: number;
  /** Messages in the worker's queue, approximately. */
  queued: number;
}

/** A key at which source and result do not agree. What is missing or stale can be repaired by sending its source again. */
export type Finding =
  | { readonly kind: "missing" | "stale"; readonly key: string; readonly source: SourceVersion }
  | { readonly kind: "orphaned"; readonly key: string };

export interface ReconcileOptions {
  readonly s3: S3Client;
  readonly sqs: SQSClient;
  readonly stack: StackOutputs;
  /** Name of the worker. */
  readonly worker: string;
  /** Keys that are meant. @default all */
  readonly part?: Part | undefined;
  /** Time before which a version was created that can be missing; what is younger may be on its way. */
  readonly before: Date;
  /** Ends it with an error. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
  /** Told after each key. */
  readonly onKey?: (key: string, tally: Tally) => void;
}

const DAY_MS = 24 * 3600 * 1000;

/** Results that are looked at ahead of the one that is decided about. */
const AHEAD = 16;

/**
 * Compares the source bucket with the results of one worker, from listings and dead letters alone, in memory that
 * does not grow with the number of keys.
 */
export class Reconciliation {
  readonly tally: Tally = {
    created: 0,
    results: 0,
    rejected: 0,
    superseded: 0,
    inFlight: 0,
    missing: 0,
    stale: 0,
    filtered: 0,
    expired: 0,
    orphaned: 0,
    queued: 0,
  };
  /** Dead letters that SQS did not show, approximately: what they are about counts as missing. */
  unseenDeadLetters = 0;
  readonly #options: ReconcileOptions;
  readonly #prefix: string;

  /** @throws Error where the stack has no such worker */
  constructor(options: ReconcileOptions) {
    const worker = options.stack.workers[options.worker];
    if (!worker) {
      const names = Object.keys(options.stack.workers).join(", ");
      throw new Error(`There is no worker ${JSON.stringify(options.worker)}: the stack has ${names}.`);
    }
    this.#options = options;
    this.#prefix = worker.prefix;
  }

  async *findings(): AsyncGenerator<Finding> {
    const { s3, sqs, stack, worker, part, before, onKey } = this.#options;
    const { queue = "", deadLetterQueue = "", filter, expireDays } = stack.workers[worker] ?? {};
    const waiting = await reached(`The queue of ${worker}`, countMessages(sqs, queue));
    this.tally.queued = waiting.visible + waiting.hidden + waiting.delayed;
    const rejected = new Set<string>();
    const { signal, now = Date.now } = this.#options;
    const isOlder = (object: { modified: Date } | undefined, days = Number.POSITIVE_INFINITY) =>
      object !== undefined && now() - object.modified.getTime() > days * DAY_MS;
    const look = { sqs, queueUrl: deadLetterQueue, signal, now };
    this.unseenDeadLetters = await lookAtDeadLetters(look, ({ objects }) => {
      for (const object of objects) rejected.add(nameOf(object.key, object));
    });
    const pairs = merged(
      sourceKeys(s3, stack.sourceBucket, part),
      resultKeys(s3, stack.resultsBucket, this.#prefix, part),
    );
    const { tally } = this;
    for await (const { source, result, agrees } of pMapIterable(pairs, (pair) => this.#compared(pair), {
      concurrency: AHEAD,
    })) {
      signal?.throwIfAborted();
      const key = source?.key ?? result?.key ?? "";
      const current = source?.current;
      tally.created += source?.versions ?? 0;
      tally.superseded += (source?.versions ?? 0) - (current ? 1 : 0);
      const isRejected = current && rejected.has(nameOf(key, current));
      const isOwed = current && passes(filter, { key, size: current.size });
      // Where sources expire, an old result is without one as a matter of course.
      const isLeft = current ? !agrees && !isRejected && !isOwed : !isOlder(result, expireDays?.source);
      if (result && isLeft) {
        tally.orphaned++;
        yield { kind: "orphaned", key };
      }
      if (agrees) tally.results++;
      else if (isRejected) tally.rejected++;
      else if (current && !isOwed) tally.filtered++;
      else if (current && !result && isOlder(current, expireDays?.results)) tally.expired++;
      else if (current && current.modified > before) tally.inFlight++;
      else if (current) {
        const kind = result ? "stale" : "missing";
        tally[kind]++;
        yield { kind, key, source: current };
      }
      onKey?.(key, tally);
    }
  }

  /**
   * Whether the result is that of the current version. Where there is but one version and the result is not older, it
   * can be of no other; else the result's metadata says so, for one more request. A version without an id may have
   * taken the place of others.
   */
  async #compared([source, result]: [SourceKey | undefined, ResultKey | undefined]) {
    const current = source?.current;
    if (!current || !result) return { source, result, agrees: false };
    const only = source.versions === 1 && current.versionId !== undefined;
    if (only && result.modified >= current.modified) return { source, result, agrees: true };
    const { s3, stack } = this.#options;
    const head = new HeadObjectCommand({ Bucket: stack.resultsBucket, Key: `${this.#prefix}/${result.key}` });
    const existing = await s3.send(head).catch((error) => {
      // It was deleted since it was listed.
      if (error?.$metadata?.httpStatusCode === 404) return undefined;
      throw error;
    });
    if (!existing) return { source, result: undefined, agrees: false };
    return { source, result, agrees: resultOf(existing.Metadata ?? {}) === identity(current) };
  }
}

/** One version of a key, in an event as in a listing. */
function nameOf(key: string, version: Parameters<typeof identity>[0]): string {
  return `${identity(version)} ${key}`;
}
