import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import type { SQSClient } from "@aws-sdk/client-sqs";
import { inWords, keyThatPasses, passes } from "../image-filter.ts";
import type { StackOutputs, WorkerOutputs } from "../stack-outputs.ts";
import { countMessages } from "./queue.ts";
import { dropLettersUnder, removeUnder } from "./removal.ts";
import { judge, type Outcome, resultAt } from "./results.ts";
import { reached } from "./stack.ts";

export interface SmokeOptions {
  readonly s3: S3Client;
  readonly sqs: SQSClient;
  readonly stack: StackOutputs;
  /** A JPEG. */
  readonly sample: Buffer;
  /** Seconds from the upload that a result may take. */
  readonly timeout: number;
  /** Ends the waiting; what was uploaded is removed all the same. */
  readonly signal: AbortSignal;
  /** Told of each step when it is over. */
  readonly told: (step: Step) => void;
  /** Looks for a try of a worker's function that failed: asked now and then while its result is waited for. @default nobody */
  readonly failureOf?: (worker: string, key: string) => Promise<string | undefined>;
  /** Told once of each worker whose function failed, while its next try is waited for. */
  readonly retrying?: (worker: string, failure: string) => void;
  /** Seconds between two looks for a failure. @default 5 */
  readonly failureEvery?: number;
}

/** One thing that was done, or was not. */
export interface Step {
  /** `uploaded`, `removed`, or the name of a worker. */
  readonly name: string;
  readonly ok: boolean;
  /** From its begin; for a worker from the end of the upload. */
  readonly seconds: number;
  /** Findings, in words. */
  readonly words: string;
}

/** Milliseconds between two looks at what a worker has done. */
const LOOK_EVERY_MS = 250;

/**
 * Sends one sample through a deployed machine, judges what every worker makes of it, and removes all of it again.
 * @returns what is in each key of the sample, the workers without a right result and those that are told of no such image, and
 *   whether everything was removed
 * @throws Error in a sentence where the machine cannot be reached, or no worker is told of the sample
 */
export async function smoke(
  options: SmokeOptions,
): Promise<{ key: string; failed: string[]; untried: string[]; removed: boolean }> {
  const { s3, stack, sample, told } = options;
  const text = `smoke/${randomUUID()}`;
  const { keys, untried } = keysFor(options, text);
  const since = (from: number) => (performance.now() - from) / 1000;
  const deadLetters = new Map<string, number>();
  for (const worker of keys.keys()) {
    const count = await reached(`The dead-letter queue of ${worker}`, deadLettersOf(options, worker));
    deadLetters.set(worker, count);
  }
  const distinct = [...new Set(keys.values())];
  for (const Key of distinct) {
    const begun = performance.now();
    const upload = { Bucket: stack.sourceBucket, Key, Body: sample, ContentType: "image/jpeg" };
    await reached(`The bucket ${stack.sourceBucket}`, s3.send(new PutObjectCommand(upload)));
    told({ name: "uploaded", ok: true, seconds: since(begun), words: `s3://${stack.sourceBucket}/${Key}` });
  }

  const uploaded = performance.now();
  const failed: string[] = [];
  await Promise.all(
    [...deadLetters].map(async ([worker, count]) => {
      const key = keys.get(worker) ?? "";
      const found = await outcome(options, worker, key, count, () => since(uploaded));
      if (!found.ok) failed.push(worker);
      told({ name: worker, seconds: since(uploaded), ...found });
    }),
  );
  for (const worker of untried) {
    const filter = stack.workers[worker]?.filter;
    const words = `not tried: it is told only of ${filter && inWords(filter)}`;
    told({ name: worker, ok: true, seconds: 0, words });
  }
  const removing = performance.now();
  const removed = await removeAll(options, distinct, failed).then(
    (count) => ({ ok: true, words: `${count} versions and all dead letters of it` }),
    (error: Error) => ({ ok: false, words: `not all of ${text}: ${error.message || error.name}` }),
  );
  told({ name: "removed", seconds: since(removing), ...removed });
  return { key: text, failed, untried, removed: removed.ok };
}

/**
 * A key of the sample for each worker that is told of images of its size: the same one where their filters allow.
 * @throws Error where there is none
 */
function keysFor(
  { stack, sample }: SmokeOptions,
  text: string,
): { keys: Map<string, string>; untried: string[] } {
  const keys = new Map<string, string>();
  const untried: string[] = [];
  for (const [worker, { filter }] of Object.entries(stack.workers)) {
    const key = keyThatPasses(filter, text, ".jpg");
    if (passes(filter, { key, size: sample.length })) keys.set(worker, key);
    else untried.push(worker);
  }
  if (keys.size > 0) return { keys, untried };
  throw new Error(
    `No worker is told of images of ${sample.length} bytes, the size of the sample, so there is nothing to try.`,
  );
}

/** Waits for what becomes of the sample: a result that is judged, a dead letter, or nothing in time. It never throws. */
async function outcome(
  options: SmokeOptions,
  worker: string,
  key: string,
  deadLetters: number,
  seconds: () => number,
): Promise<Outcome> {
  const { s3, sqs, stack, timeout, signal } = options;
  const { failureOf, retrying, failureEvery = 5 } = options;
  const { prefix, deadLetterQueue, angle } = stack.workers[worker] as WorkerOutputs;
  let known = deadLetters;
  let nextLook: number | undefined = failureEvery;
  try {
    for (;;) {
      const result = await resultAt(s3, stack.resultsBucket, `${prefix}/${key}`);
      if (result) return await judge(options.sample, result.body, angle);
      const now = await deadLettersOf(options, worker);
      if (now > known) {
        const letter = await dropLettersUnder(sqs, deadLetterQueue, key);
        if (letter) return { ok: false, words: `rejected as ${letter.code}: ${letter.reason}` };
      }
      known = now;
      if (nextLook !== undefined && seconds() >= nextLook) {
        const failure = await failureOf?.(worker, key);
        if (failure !== undefined) retrying?.(worker, failure);
        nextLook = failure === undefined ? seconds() + failureEvery : undefined;
      }
      if (signal.aborted) return { ok: false, words: "interrupted" };
      if (seconds() > timeout) {
        return {
          ok: false,
          words: `neither a result nor a dead letter after ${timeout} seconds; if a result still comes, \`npm run reconcile\` lists it as orphaned`,
        };
      }
      await setTimeout(LOOK_EVERY_MS, undefined, { signal }).catch(() => {});
    }
  } catch (error) {
    return { ok: false, words: (error as Error).message || (error as Error).name };
  }
}

async function deadLettersOf({ sqs, stack }: SmokeOptions, worker: string): Promise<number> {
  return (await countMessages(sqs, stack.workers[worker]?.deadLetterQueue ?? "")).visible;
}

async function removeAll(
  options: SmokeOptions,
  keys: readonly string[],
  failed: readonly string[],
): Promise<number> {
  let count = 0;
  for (const key of keys) count += await removeUnder(options, key, failed);
  return count;
}
