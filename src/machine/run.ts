import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, rename, stat } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout } from "node:timers/promises";
import {
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import {
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
} from "@aws-sdk/client-sqs";
import pMap from "p-map";
import { createdObjects, isFolderMarker } from "../delivery/envelope.ts";
import type { Failure, Failures } from "./failures.ts";
import type { Input } from "./inputs.ts";
import type { Machine, Worker } from "./machine.ts";

/** Something a worker did not make a result of, and why. */
export interface Rejection {
  readonly worker: string;
  readonly key: string;
  /** A stable identifier to group by. */
  readonly code: string;
  readonly reason: string;
}

/** What became of one image at one worker. */
export interface Outcome {
  readonly key: string;
  readonly worker: string;
  /** "created", "lost", "not-done" or a rejection's own. */
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
  /** Results and rejections that one image gives. */
  readonly perImage: number;
}

export interface Summary {
  readonly images: number;
  /** Results per worker. */
  readonly results: Record<string, number>;
  readonly rejections: Rejection[];
  /** Images of which a worker left nothing at all. */
  readonly lost: { worker: string; key: string }[];
  /** Workers that failed with every image in the same way, and the images that they were given up with. */
  readonly givenUp: { worker: string; failure: Failure; keys: string[] }[];
  /** From the first upload to the last result. */
  readonly seconds: number;
}

const UPLOADS_AT_ONCE = 4;
const DOWNLOADS_AT_ONCE = 4;

/** How long, in milliseconds, everything must have been quiet before what is missing counts as lost. */
const QUIET_MS = 3000;

export interface RunOptions {
  /** Knows which workers are to be given up. @default none is */
  readonly failures?: Failures | undefined;
  /** Is told what becomes of each image at each worker. */
  readonly onOutcome?: ((outcome: Outcome) => void) | undefined;
}

/**
 * Puts files through a machine: uploads them to the source bucket of every fan-out, waits until every worker has made a
 * result of each or has rejected it, and copies the results to `OUT/PREFIX/KEY`.
 */
export async function run(
  machine: Machine,
  inputs: () => AsyncIterable<Input>,
  out: string,
  onProgress: (progress: Progress) => void,
  { failures, onOutcome }: RunOptions = {},
): Promise<Summary> {
  const { workers } = machine;
  const started = performance.now();
  const rejections = new Map<string, Rejection>();
  const created = new Map<string, number>(workers.map(({ name }) => [name, 0]));
  const rejected = new Map<string, number>(workers.map(({ name }) => [name, 0]));
  const givenUp = new Map<string, Failure>();
  const clock = new Clock(workers.length);
  let images = 0;
  let uploaded = 0;
  const doneBy = (worker: string) => (created.get(worker) ?? 0) + (rejected.get(worker) ?? 0);
  const done = () => workers.reduce((sum, { name }) => sum + doneBy(name), 0);
  const unfinished = () =>
    workers.filter(({ name }) => !givenUp.has(name) && doneBy(name) < uploaded).map(({ name }) => name);
  const became = (key: string, worker: string, code: string, reason: string | null) =>
    onOutcome?.({ key, worker, code, reason, ...clock.stop(key) });
  const tell = () => onProgress({ uploaded, done: done(), perImage: workers.length });

  const onCreated = ({ bucket, key }: { bucket: string; key: string }) => {
    const worker = workers.find(({ results, prefix }) => bucket === results && key.startsWith(`${prefix}/`));
    if (worker) {
      const { name, prefix } = worker;
      created.set(name, (created.get(name) ?? 0) + 1);
      failures?.succeeded(name);
      became(key.slice(prefix.length + 1), name, "created", null);
    }
    tell();
  };
  const giveUp = () => {
    for (const { name, function: functionName } of workers) {
      const failure = givenUp.has(name) ? undefined : failures?.hopeless(name);
      if (!failure) continue;
      givenUp.set(name, failure);
      machine.lambda.abandon(functionName);
    }
  };
  machine.store.on("created", onCreated);
  try {
    const uploadOne = async ({ file, key }: Input) => {
      const { size } = await stat(file);
      // No worker owes anything for a folder.
      if (isFolderMarker({ key, size })) return upload(machine, file, key, size);
      images++;
      giveUp();
      if (givenUp.size === workers.length) return;
      if (onOutcome) clock.start(key, size);
      await upload(machine, file, key, size);
      uploaded++;
      tell();
    };
    await pMap(inputs(), uploadOne, { concurrency: UPLOADS_AT_ONCE });

    let quietSince = performance.now();
    let last = -1;
    while (unfinished().length > 0) {
      for (const worker of workers) {
        const { name } = worker;
        for (const rejection of await takeRejections(machine, worker)) {
          const id = `${rejection.worker}/${rejection.key}`;
          if (rejections.has(id)) continue;
          rejections.set(id, rejection);
          rejected.set(name, (rejected.get(name) ?? 0) + 1);
          if (rejection.code !== FAILED_TOO_OFTEN.code) failures?.succeeded(name);
          became(rejection.key, name, rejection.code, rejection.reason);
        }
      }
      giveUp();
      tell();
      if (done() !== last || !(await isQuiet(machine, unfinished()))) {
        last = done();
        quietSince = performance.now();
      } else if (performance.now() - quietSince > QUIET_MS) break;
      await setTimeout(50);
    }
  } finally {
    machine.store.off("created", onCreated);
  }
  const seconds = (performance.now() - started) / 1000;

  const results: Record<string, number> = {};
  for (const worker of workers) results[worker.name] = await download(machine, worker, out);
  const missing = done() < images * workers.length ? await findMissing(machine, inputs(), rejections) : [];
  for (const { worker, key } of missing) {
    const failure = givenUp.get(worker);
    if (failure) became(key, worker, "not-done", failure.what);
    else became(key, worker, "lost", "It left neither a result nor a rejection.");
  }
  return {
    images,
    results,
    rejections: [...rejections.values()],
    lost: missing.filter(({ worker }) => !givenUp.has(worker)),
    givenUp: [...givenUp].map(([worker, failure]) => ({
      worker,
      failure,
      keys: missing.filter((each) => each.worker === worker).map(({ key }) => key),
    })),
    seconds,
  };
}

/** Of messages that SQS itself put into a dead-letter queue. */
const FAILED_TOO_OFTEN = {
  code: "failed-too-often",
  reason: "It failed too often; the function's log says why.",
};

/** Knows since when images are under way, and how large they are. */
class Clock {
  readonly #started = new Map<string, { at: number; bytes: number; left: number }>();
  readonly #workers: number;

  constructor(workers: number) {
    this.#workers = workers;
  }

  start(key: string, bytes: number): void {
    this.#started.set(key, { at: performance.now(), bytes, left: this.#workers });
  }

  /** One worker is done with an image. */
  stop(key: string): Pick<Outcome, "milliseconds" | "bytes"> {
    const started = this.#started.get(key);
    if (!started) return { milliseconds: null, bytes: null };
    if (--started.left === 0) this.#started.delete(key);
    return { milliseconds: Math.round(performance.now() - started.at), bytes: started.bytes };
  }
}

/** Puts a file into the source bucket of every fan-out. */
async function upload(machine: Machine, file: string, key: string, size: number): Promise<void> {
  for (const source of new Set(machine.workers.map(({ source }) => source))) {
    await machine.s3.send(
      new PutObjectCommand({ Bucket: source, Key: key, Body: createReadStream(file), ContentLength: size }),
    );
  }
}

/** Takes what is in a dead-letter queue. */
async function takeRejections(machine: Machine, worker: Worker): Promise<Rejection[]> {
  const { Messages = [] } = await machine.sqs.send(
    new ReceiveMessageCommand({
      QueueUrl: worker.deadLetterQueue,
      MaxNumberOfMessages: 10,
      MessageAttributeNames: ["All"],
    }),
  );
  if (Messages.length === 0) return [];
  await machine.sqs.send(
    new DeleteMessageBatchCommand({
      QueueUrl: worker.deadLetterQueue,
      Entries: Messages.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle })),
    }),
  );
  return Messages.flatMap((message) => rejectionsOf(worker.name, message));
}

/** A message that failed too often has no reason in its attributes: SQS itself put it there. */
function rejectionsOf(worker: string, { Body = "", MessageAttributes = {} }: Message): Rejection[] {
  const code = MessageAttributes.Code?.StringValue ?? FAILED_TOO_OFTEN.code;
  const reason = MessageAttributes.Reason?.StringValue ?? FAILED_TOO_OFTEN.reason;
  try {
    return createdObjects(Body).map(({ key }) => ({ worker, key, code, reason }));
  } catch {
    return [{ worker, key: "(a message that is no S3 event)", code, reason }];
  }
}

/** Whether nothing is under way at some workers: no event, no message, no batch. */
async function isQuiet(machine: Machine, workers: readonly string[]): Promise<boolean> {
  if (!machine.store.idle()) return false;
  for (const { name, queue, deadLetterQueue } of machine.workers) {
    if (!workers.includes(name)) continue;
    for (const QueueUrl of [queue, deadLetterQueue]) {
      const { Attributes } = await machine.sqs.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }),
      );
      const messages =
        Number(Attributes?.ApproximateNumberOfMessages) +
        Number(Attributes?.ApproximateNumberOfMessagesNotVisible) +
        Number(Attributes?.ApproximateNumberOfMessagesDelayed);
      if (messages > 0) return false;
    }
  }
  return true;
}

/** Copies all results of a worker. @returns how many */
async function download(machine: Machine, worker: Worker, out: string): Promise<number> {
  const { results: Bucket, prefix } = worker;
  let count = 0;
  const keys = async function* () {
    for await (const { Contents = [] } of paginateListObjectsV2(
      { client: machine.s3 },
      { Bucket, Prefix: `${prefix}/` },
    )) {
      for (const { Key } of Contents) if (Key) yield Key;
    }
  };
  const download = async (Key: string) => {
    const file = path.join(out, Key);
    await mkdir(path.dirname(file), { recursive: true });
    const { Body } = await machine.s3.send(new GetObjectCommand({ Bucket, Key }));
    // Whole or not at all, also where this is interrupted.
    const partial = path.join(path.dirname(file), `.${randomUUID()}.partial`);
    await pipeline(Body as Readable, createWriteStream(partial));
    await rename(partial, file);
    count++;
  };
  await pMap(keys(), download, { concurrency: DOWNLOADS_AT_ONCE });
  return count;
}

/** Which images a worker left neither a result nor a rejection of. */
async function findMissing(
  machine: Machine,
  inputs: AsyncIterable<Input>,
  rejections: ReadonlyMap<string, Rejection>,
): Promise<{ worker: string; key: string }[]> {
  const missing: { worker: string; key: string }[] = [];
  for await (const { file, key } of inputs) {
    if (isFolderMarker({ key, size: (await stat(file)).size })) continue;
    for (const { name: worker, prefix, results } of machine.workers) {
      if (rejections.has(`${worker}/${key}`)) continue;
      const head = new HeadObjectCommand({ Bucket: results, Key: `${prefix}/${key}` });
      await machine.s3.send(head).catch(() => missing.push({ worker, key }));
    }
  }
  return missing;
}
