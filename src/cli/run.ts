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
import { createdObjects } from "../delivery/envelope.ts";
import type { Machine, WorkerOutputs } from "../local/machine.ts";
import type { Input } from "./inputs.ts";

/** Something a worker did not make a result of, and why. */
export interface Rejection {
  readonly worker: string;
  readonly key: string;
  readonly reason: string;
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
  /** From the first upload to the last result. */
  readonly seconds: number;
}

const UPLOADS_AT_ONCE = 4;
const DOWNLOADS_AT_ONCE = 4;

/** How long, in milliseconds, everything must have been quiet before what is missing counts as lost. */
const QUIET_MS = 3000;

/**
 * Puts files through a machine: uploads them, waits until every worker has made a result of each or has rejected it,
 * and copies the results to `OUT/PREFIX/KEY`.
 */
export async function run(
  machine: Machine,
  inputs: () => AsyncIterable<Input>,
  out: string,
  onProgress: (progress: Progress) => void,
): Promise<Summary> {
  const workers = Object.entries(machine.outputs.workers);
  const started = performance.now();
  const rejections = new Map<string, Rejection>();
  const created = new Map<string, number>(workers.map(([name]) => [name, 0]));
  let uploaded = 0;
  const done = () => rejections.size + [...created.values()].reduce((sum, count) => sum + count, 0);
  const expected = () => uploaded * workers.length;
  const tell = () => onProgress({ uploaded, done: done(), perImage: workers.length });

  const onCreated = ({ bucket, key }: { bucket: string; key: string }) => {
    const worker =
      bucket === machine.outputs.resultsBucket &&
      workers.find(([, { prefix }]) => key.startsWith(`${prefix}/`));
    if (worker) created.set(worker[0], (created.get(worker[0]) ?? 0) + 1);
    tell();
  };
  machine.store.on("created", onCreated);
  try {
    await eachAtOnce(inputs(), UPLOADS_AT_ONCE, async ({ file, key }) => {
      await upload(machine, file, key);
      uploaded++;
      tell();
    });

    let quietSince = performance.now();
    let last = -1;
    while (done() < expected()) {
      for (const [name, worker] of workers) {
        for (const rejection of await takeRejections(machine, name, worker)) {
          rejections.set(`${rejection.worker}/${rejection.key}`, rejection);
        }
      }
      tell();
      if (done() !== last || !(await isQuiet(machine))) {
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
  for (const [name, { prefix }] of workers) results[name] = await download(machine, prefix, out);
  const lost = done() < expected() ? await findLost(machine, inputs(), rejections) : [];
  return { images: uploaded, results, rejections: [...rejections.values()], lost, seconds };
}

async function upload(machine: Machine, file: string, key: string): Promise<void> {
  const { size } = await stat(file);
  await machine.s3.send(
    new PutObjectCommand({
      Bucket: machine.outputs.sourceBucket,
      Key: key,
      Body: createReadStream(file),
      ContentLength: size,
    }),
  );
}

/** Takes what is in a dead-letter queue. */
async function takeRejections(machine: Machine, name: string, worker: WorkerOutputs): Promise<Rejection[]> {
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
  return Messages.flatMap((message) => rejectionsOf(name, message));
}

/** A message that failed too often has no reason in its attributes: SQS itself put it there. */
function rejectionsOf(worker: string, { Body = "", MessageAttributes = {} }: Message): Rejection[] {
  const reason = MessageAttributes.Reason?.StringValue ?? "It failed too often; the function's log says why.";
  try {
    return createdObjects(Body).map(({ key }) => ({ worker, key, reason }));
  } catch {
    return [{ worker, key: "(a message that is no S3 event)", reason }];
  }
}

/** Whether nothing is under way: no event, no message, no batch. */
async function isQuiet(machine: Machine): Promise<boolean> {
  if (!machine.store.idle()) return false;
  for (const { queue, deadLetterQueue } of Object.values(machine.outputs.workers)) {
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
async function download(machine: Machine, prefix: string, out: string): Promise<number> {
  const Bucket = machine.outputs.resultsBucket;
  let count = 0;
  const keys = async function* () {
    for await (const { Contents = [] } of paginateListObjectsV2(
      { client: machine.s3 },
      { Bucket, Prefix: `${prefix}/` },
    )) {
      for (const { Key } of Contents) if (Key) yield Key;
    }
  };
  await eachAtOnce(keys(), DOWNLOADS_AT_ONCE, async (Key) => {
    const file = path.join(out, Key);
    await mkdir(path.dirname(file), { recursive: true });
    const { Body } = await machine.s3.send(new GetObjectCommand({ Bucket, Key }));
    // Whole or not at all, also where this is interrupted.
    const partial = path.join(path.dirname(file), `.${randomUUID()}.partial`);
    await pipeline(Body as Readable, createWriteStream(partial));
    await rename(partial, file);
    count++;
  });
  return count;
}

/** Which images a worker left neither a result nor a rejection of. */
async function findLost(
  machine: Machine,
  inputs: AsyncIterable<Input>,
  rejections: ReadonlyMap<string, Rejection>,
): Promise<Summary["lost"]> {
  const lost: Summary["lost"] = [];
  for await (const { key } of inputs) {
    for (const [worker, { prefix }] of Object.entries(machine.outputs.workers)) {
      if (rejections.has(`${worker}/${key}`)) continue;
      const head = new HeadObjectCommand({ Bucket: machine.outputs.resultsBucket, Key: `${prefix}/${key}` });
      await machine.s3.send(head).catch(() => lost.push({ worker, key }));
    }
  }
  return lost;
}

/** Does something for each of many, a few at a time; stops at the first that fails. */
async function eachAtOnce<T>(
  items: AsyncIterable<T>,
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  const lane = async () => {
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}
