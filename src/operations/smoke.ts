import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { GetObjectCommand, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import type { SQSClient } from "@aws-sdk/client-sqs";
import sharp, { type Sharp } from "sharp";
import { inWords, keyThatPasses, passes } from "../image-filter.ts";
import type { StackOutputs, WorkerOutputs } from "../stack-outputs.ts";
import { type DeadLetter, dealWithDeadLetters } from "./dead-letters.ts";
import { countMessages } from "./queue.ts";
import { removeUnder } from "./removal.ts";
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

/** The mean difference of two pixels' channels, of 255, below which JPEGs of the same picture stay. */
const ALIKE = 8;

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

interface Outcome {
  readonly ok: boolean;
  readonly words: string;
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
  const { prefix, deadLetterQueue, angle } = stack.workers[worker] as WorkerOutputs;
  let known = deadLetters;
  try {
    for (;;) {
      const result = await bodyOf(s3, stack.resultsBucket, `${prefix}/${key}`);
      if (result) return await judge(options.sample, result, angle);
      const now = await deadLettersOf(options, worker);
      if (now > known) {
        const letter = await takeDeadLetter(sqs, deadLetterQueue, key);
        if (letter) return { ok: false, words: `rejected as ${letter.code}: ${letter.reason}` };
      }
      known = now;
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

async function bodyOf(s3: S3Client, Bucket: string, Key: string): Promise<Buffer | undefined> {
  try {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  } catch (error) {
    if ((error as Error).name === "NoSuchKey") return undefined;
    throw new Error(`s3://${Bucket}/${Key} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Judges a result by its pixels.
 * @param angle degrees clockwise that the worker turns by; of a worker that does something else it is asked only that
 *   the result can be decoded
 */
export async function judge(sample: Buffer, result: Buffer, angle: number | undefined): Promise<Outcome> {
  const pixels = (image: Sharp) =>
    image.toColourspace("srgb").removeAlpha().raw().toBuffer({ resolveWithObject: true });
  let actual: Awaited<ReturnType<typeof pixels>>;
  try {
    actual = await pixels(sharp(result, { failOn: "warning" }).autoOrient());
  } catch (error) {
    return { ok: false, words: `its result cannot be decoded: ${(error as Error).message.split("\n")[0]}` };
  }
  const { width, height } = actual.info;
  const size = `${width} × ${height}`;
  if (angle === undefined) return { ok: true, words: `its result can be decoded, ${size}` };
  const turn = angle > 180 ? `${360 - angle}° counter-clockwise` : `${angle}° clockwise`;
  const upright = await sharp(sample).autoOrient().toColourspace("srgb").png().toBuffer();
  const expected = await pixels(sharp(upright).rotate(angle, { background: "white" }));
  if (expected.info.width !== width || expected.info.height !== height) {
    return {
      ok: false,
      words: `its result is ${size}, but turned by ${turn} it is ${expected.info.width} × ${expected.info.height}`,
    };
  }
  const apart = meanDifference(expected.data, actual.data);
  return apart < ALIKE
    ? { ok: true, words: `turned by ${turn}, ${size}` }
    : {
        ok: false,
        words: `its result is not the sample turned by ${turn}: pixels differ by ${apart.toFixed(0)} of 255`,
      };
}

function meanDifference(a: Buffer, b: Buffer): number {
  let sum = 0;
  for (const [index, value] of a.entries()) sum += Math.abs(value - (b[index] ?? 0));
  return sum / a.length;
}

async function deadLettersOf({ sqs, stack }: SmokeOptions, worker: string): Promise<number> {
  return (await countMessages(sqs, stack.workers[worker]?.deadLetterQueue ?? "")).visible;
}

/** Deletes the dead letters about a key. @returns one of them */
async function takeDeadLetter(
  sqs: SQSClient,
  queueUrl: string,
  key: string,
): Promise<DeadLetter | undefined> {
  let taken: DeadLetter | undefined;
  const only = (letter: DeadLetter) => {
    const about = letter.objects.some((object) => object.key === key);
    if (about) taken = letter;
    return about;
  };
  await dealWithDeadLetters({ sqs, queueUrl, action: "drop", only }, () => true);
  return taken;
}

/**
 * Removes all versions of the sample and its results. The source goes first: a worker that takes up the message later finds
 * nothing to do.
 * @returns how many versions there were
 */
async function removeAll(
  { s3, sqs, stack }: SmokeOptions,
  keys: readonly string[],
  failed: readonly string[],
): Promise<number> {
  let count = 0;
  for (const key of keys) {
    count += await removeUnder(s3, stack.sourceBucket, key);
    for (const { prefix } of Object.values(stack.workers)) {
      count += await removeUnder(s3, stack.resultsBucket, `${prefix}/${key}`);
    }
    for (const worker of failed) {
      await takeDeadLetter(sqs, stack.workers[worker]?.deadLetterQueue ?? "", key);
    }
  }
  return count;
}
