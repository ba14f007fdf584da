import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readFile, rename, stat } from "node:fs/promises";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import type { ReceivedMessage } from "local-aws";
import pMap from "p-map";
import { createdObjects, isFolderMarker } from "../delivery/envelope.ts";
import { type ImageFilter, passes } from "../image-filter.ts";
import type { Failure } from "./failures.ts";
import { cannotWrite, type Input } from "./inputs.ts";
import type { Machine } from "./machine.ts";
import { FAILED_TOO_OFTEN, type Progress, type Rejection, Tally, type TallyOptions } from "./tally.ts";
import { resultIn, type Worker } from "./worker.ts";

export interface Summary {
  readonly images: number;
  /** Results per worker. */
  readonly results: Record<string, number>;
  readonly rejections: Rejection[];
  /** Images of which a worker left nothing at all. */
  readonly lost: { worker: string; key: string }[];
  /** Workers that failed with every image in the same way, and the images that they were given up with. */
  readonly givenUp: { worker: string; failure: Failure; keys: string[] }[];
  /** Workers that are not told of all images, what they are told of, and the number of images that they are not told of. */
  readonly filtered: { worker: string; filter: ImageFilter; images: number }[];
  /** From the first upload to the last result. */
  readonly seconds: number;
}

/** Uploads, and later downloads, at the same time. */
const CONCURRENCY = 4;

/** Bytes of a file that is read at once. */
const READ_BYTES = 1024 * 1024;

/** Has a receive answer at once. */
const NO_WAIT = AbortSignal.abort();

/**
 * Messages that may wait in a worker's queue before more is uploaded: enough to keep every core busy. What waits takes
 * memory, and files are uploaded many times faster than images are turned.
 */
const MAX_WAITING = 1000;

/** Uploads from one look at the queues to the next. */
const LOOK_EVERY_UPLOADS = 100;

/** Milliseconds from one look at the machine to the next. */
const LOOK_EVERY_MS = 50;

/** Looks in a row that must find nothing under way before what is missing counts as lost: three seconds. */
const QUIET_LOOKS = 60;

/**
 * Puts files through a machine: uploads them to the source bucket of every fan-out, waits until every worker has made a
 * result of each or has rejected it, and copies the results to `OUT/WORKER/KEY`.
 */
export async function run(
  machine: Machine,
  inputs: () => AsyncIterable<Input>,
  out: string,
  onProgress: (progress: Progress) => void,
  options: TallyOptions = {},
): Promise<Summary> {
  const started = performance.now();
  const tally = new Tally(machine, options);
  const tell = () => onProgress(tally.progress);
  const allMade = Promise.withResolvers<void>();
  const stopWatching = machine.events.on("put", (object) => {
    const result = resultIn(machine.workers, object);
    if (result) tally.created(result.worker.name, result.key);
    tell();
    if (tally.isUploaded && tally.unfinished.length === 0) allMade.resolve();
  });
  try {
    await pMap(inputs(), (input) => upload(machine, tally, input, tell), { concurrency: CONCURRENCY });
    tally.isUploaded = true;
    await outcomes(machine, tally, tell, allMade.promise);
  } finally {
    stopWatching();
  }
  const seconds = (performance.now() - started) / 1000;

  const results: Record<string, number> = {};
  for (const worker of machine.workers) results[worker.name] = await download(machine, worker, out);
  const { done, perImage, filtered } = tally.progress;
  const missing =
    done + filtered < tally.images * perImage ? await findMissing(machine, inputs(), tally) : [];
  return { images: tally.images, results, seconds, ...account(tally, missing) };
}

/** Puts a file into the source bucket of every fan-out, unless no worker is left to take it. */
async function upload(machine: Machine, tally: Tally, { file, key }: Input, tell: () => void): Promise<void> {
  const { size } = await stat(file);
  // No worker makes anything of a folder.
  const isImage = !isFolderMarker({ key, size });
  if (isImage) {
    tally.images++;
    if (tally.images % LOOK_EVERY_UPLOADS === 0) await room(machine, tally);
    if (tally.giveUp()) return;
    tally.begin(key, size);
  }
  for (const bucket of new Set(tally.first.map(({ source }) => source))) {
    const body = size <= READ_BYTES ? [await readFile(file)] : createReadStream(file);
    await machine.direct.put(bucket, key, body);
  }
  if (isImage) tally.uploaded++;
  tell();
}

/** Waits until no queue is full any more, or nothing is taken from the one that is. */
async function room(machine: Machine, tally: Tally): Promise<void> {
  for (let [last, looks] = [0, 0]; looks < QUIET_LOOKS; looks++) {
    tally.giveUp();
    const waiting = await Promise.all(tally.left.map(({ queue }) => count(machine, queue)));
    const longest = Math.max(0, ...waiting.map(({ visible }) => visible));
    if (longest <= MAX_WAITING) return;
    if (longest !== last) [last, looks] = [longest, 0];
    await setTimeout(LOOK_EVERY_MS);
  }
}

/** Counts the messages of a queue: those that wait, and all of them. */
async function count({ direct }: Machine, QueueUrl: string): Promise<{ visible: number; all: number }> {
  const asked = { QueueUrl, AttributeNames: ["All"] };
  const { Attributes: found = {} } = await direct.sqs<{ Attributes?: Record<string, string> }>(
    "GetQueueAttributes",
    asked,
  );
  const visible = Number(found.ApproximateNumberOfMessages);
  const hidden = Number(found.ApproximateNumberOfMessagesNotVisible);
  return { visible, all: visible + hidden + Number(found.ApproximateNumberOfMessagesDelayed) };
}

/**
 * Waits until every worker has made or rejected every image, is given up, or has nothing more under way. How much comes to workers
 * that take results of others nobody knows.
 */
async function outcomes(
  machine: Machine,
  tally: Tally,
  tell: () => void,
  allMade: Promise<void>,
): Promise<void> {
  let last = -1;
  for (let quietLooks = 0; ; ) {
    for (const worker of machine.workers) {
      for (const rejection of await takeRejections(machine, worker)) tally.rejected(rejection);
    }
    tally.giveUp();
    tell();
    const { unfinished, left, first } = tally;
    const waitedFor = [...unfinished, ...left.filter((worker) => !first.includes(worker))];
    if (waitedFor.length === 0) return;
    const { done } = tally.progress;
    quietLooks = done === last && (await isQuiet(machine, waitedFor)) ? quietLooks + 1 : 0;
    last = done;
    // What one worker was just done with may not have reached the next while they were looked at.
    if (quietLooks >= (unfinished.length > 0 ? QUIET_LOOKS : 2)) return;
    await Promise.race([setTimeout(LOOK_EVERY_MS), ...(unfinished.length > 0 ? [allMade] : [])]);
  }
}

/** Tells what became of images that a worker left nothing of: lost, or not done, as the worker was given up. */
function account(
  tally: Tally,
  missing: Missing[],
): Pick<Summary, "rejections" | "lost" | "givenUp" | "filtered"> {
  for (const { worker, key } of missing) {
    const failure = tally.givenUp.get(worker);
    if (failure) tally.became(key, worker, "not-done", failure.what);
    else tally.became(key, worker, "lost", "It left neither a result nor a rejection.");
  }
  return {
    rejections: [...tally.rejections.values()],
    lost: missing.filter(({ worker }) => !tally.givenUp.has(worker)),
    filtered: tally.first.flatMap(({ name: worker, filter }) => {
      const images = tally.filtered.get(worker) ?? 0;
      return filter && images > 0 ? [{ worker, filter, images }] : [];
    }),
    givenUp: [...tally.givenUp].map(([worker, failure]) => ({
      worker,
      failure,
      keys: missing.filter((each) => each.worker === worker).map(({ key }) => key),
    })),
  };
}

/** Takes what is in a dead-letter queue. */
async function takeRejections(machine: Machine, worker: Worker): Promise<Rejection[]> {
  const queue = machine.direct.queue(worker.deadLetterQueue);
  const messages = await queue.receive(10, 0, NO_WAIT);
  if (messages.length === 0) return [];
  await queue.delete(messages.map(({ ReceiptHandle }) => ReceiptHandle));
  return messages.flatMap((message) => rejectionsOf(worker.name, message));
}

/** A message that failed too often has no reason in its attributes: SQS itself put it there. */
function rejectionsOf(worker: string, { Body = "", MessageAttributes = {} }: ReceivedMessage): Rejection[] {
  const code = MessageAttributes.Code?.StringValue ?? FAILED_TOO_OFTEN.code;
  const reason = MessageAttributes.Reason?.StringValue ?? FAILED_TOO_OFTEN.reason;
  try {
    return createdObjects(Body).map(({ key }) => ({ worker, key, code, reason }));
  } catch {
    return [{ worker, key: "(a message that is not an S3 event)", code, reason }];
  }
}

/** Whether nothing is under way at some workers: no event, no message, no batch. */
async function isQuiet(machine: Machine, workers: readonly Worker[]): Promise<boolean> {
  if (!machine.store.idle()) return false;
  for (const { queue, deadLetterQueue } of workers) {
    for (const url of [queue, deadLetterQueue]) if ((await count(machine, url)).all > 0) return false;
  }
  return true;
}

/** Copies all results of a worker. @returns how many */
async function download(machine: Machine, worker: Worker, out: string): Promise<number> {
  const { results: bucket, prefix } = worker;
  let count = 0;
  const download = async (key: string) => {
    const file = path.join(out, worker.name, key.slice(prefix.length + 1));
    await mkdir(path.dirname(file), { recursive: true });
    // Whole or not at all, also where this is interrupted.
    const partial = path.join(path.dirname(file), `.${randomUUID()}.partial`);
    await machine.direct.save(bucket, key, partial);
    await rename(partial, file);
    count++;
  };
  await pMap(machine.direct.keys(bucket, `${prefix}/`), download, { concurrency: CONCURRENCY }).catch(
    (error) => {
      throw error.syscall ? cannotWrite(`The results in ${out}`, error) : error;
    },
  );
  return count;
}

interface Missing {
  readonly worker: string;
  readonly key: string;
}

/** Finds the images that a worker was told of and left neither a result nor a rejection of. */
async function findMissing(
  machine: Machine,
  inputs: AsyncIterable<Input>,
  { first, rejections }: Tally,
): Promise<Missing[]> {
  const missing: Missing[] = [];
  for await (const { file, key } of inputs) {
    const { size } = await stat(file);
    if (isFolderMarker({ key, size })) continue;
    for (const { name: worker, prefix, results, filter } of first) {
      if (rejections.has(`${worker}/${key}`) || !passes(filter, { key, size })) continue;
      if (!machine.direct.has(results, `${prefix}/${key}`)) missing.push({ worker, key });
    }
  }
  return missing;
}
