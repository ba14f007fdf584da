import { setTimeout } from "node:timers/promises";
import { DeleteObjectCommand, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import type { SQSClient } from "@aws-sdk/client-sqs";
import { ImageRejected, type ProcessedImage, rotate } from "image-turn";
import pMap from "p-map";
import { identity } from "../delivery/envelope.ts";
import { passes } from "../image-filter.ts";
import type { StackOutputs, WorkerOutputs } from "../stack-outputs.ts";
import { lookAtDeadLetters } from "./dead-letters.ts";
import { merged, resultKeys, sourceKeys } from "./listings.ts";
import type { Item, ProofFile } from "./proof-items.ts";
import { Reconciliation, type Tally } from "./reconcile.ts";
import { removeUnder } from "./removal.ts";
import { Repairs } from "./repair.ts";
import { judge, type Result, resultAt } from "./results.ts";
import { reached } from "./stack.ts";

export interface ProofOptions {
  readonly s3: S3Client;
  readonly sqs: SQSClient;
  readonly stack: StackOutputs;
  readonly items: readonly Item[];
  /** Begins the key of every item, and of nothing else. */
  readonly prefix: string;
  /** Maximum of items begun in a second. */
  readonly rate: number;
  /** Seconds from the last upload that everything may take. */
  readonly timeout: number;
  /** Milliseconds between two looks at what is done. */
  readonly lookEvery: number;
  /** Ends it; what was uploaded is removed all the same. */
  readonly signal: AbortSignal;
  /** Told what is being done, now and then. */
  readonly told: (what: string) => void;
}

/** Result or rejection that is not as it is here. */
export interface Difference {
  readonly worker: string;
  readonly key: string;
  readonly what: string;
}

/** Findings about one worker. */
export interface WorkerProof {
  /** Fates of the versions that were uploaded. */
  readonly tally: Tally;
  /** Results with the same bytes as here. */
  identical: number;
  /** Results with other bytes, but pixels that are within what two encoders differ by. */
  alike: number;
  /** Images that are rejected here and there, for the same reason. */
  rejected: number;
  /** Results of a worker that does not turn images, of which it is known only that they can be decoded. */
  decodable: number;
}

/** Findings about all workers. Seconds are those of S3's clock, which is exact to one. */
export interface Proof {
  readonly workers: Readonly<Record<string, WorkerProof>>;
  readonly differences: readonly Difference[];
  /** Time from the first upload until the last one. */
  readonly uploadSeconds: number;
  /** Time from the first upload until the last result. */
  readonly processedSeconds: number;
  /** Time from the upload of an image until its last result. */
  readonly latency: { readonly p50: number; readonly p99: number; readonly max: number } | undefined;
  /** Says that everything was accounted for in time. */
  readonly inTime: boolean;
}

/** Requests at once. */
const CONCURRENCY = 16;

/** Maximum of passes in which everything is removed. */
const MAX_PASSES = 10;

/** Limits that no image meets: those of the workers are theirs. */
const NO_LIMITS = { pixels: Number.MAX_SAFE_INTEGER, seconds: 900 };

/**
 * Uploads images to a deployed machine, waits until every one is accounted for, and compares what its workers made of them with what
 * the same code makes of the same files here. Nothing is removed.
 * @throws Error in a sentence where the machine cannot be reached, or it was ended
 */
export async function prove(options: ProofOptions): Promise<Proof> {
  await uploadAll(options);
  const names = Object.keys(options.stack.workers);
  const { tallies, inTime } = await settled(options, names);
  const differences: Difference[] = [];
  const workers: Record<string, WorkerProof> = {};
  const times = new Times();
  for (const name of names) {
    options.told(`comparing the results of ${name}`);
    const found = { identical: 0, alike: 0, rejected: 0, decodable: 0 };
    workers[name] = { tally: tallies.get(name) as Tally, ...found };
    await compare(options, name, workers[name], differences);
    await times.add(options, name);
  }
  return { workers, differences, inTime, ...times.summary() };
}

/** Removes all that the proof left. @returns how many versions there were */
export async function removeProof(options: ProofOptions): Promise<number> {
  let count = 0;
  // What a worker was about to write comes after the first pass.
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    if (pass > 0) await setTimeout(options.lookEvery);
    const found = await removeUnder(options, options.prefix);
    if (pass > 0 && found === 0) break;
    count += found;
  }
  return count;
}

/** Does with each item what it says, not faster than the rate. */
async function uploadAll(options: ProofOptions): Promise<void> {
  const { s3, sqs, stack, items, rate, signal, told } = options;
  const { sourceBucket: bucket, workers } = stack;
  const repairs = Object.values(workers).map(({ queue: queueUrl, filter }) => ({
    filter,
    queue: new Repairs(sqs, { bucket, queueUrl, rate: Number.MAX_SAFE_INTEGER }),
  }));
  const begun = performance.now();
  let done = 0;
  const upload = async ({ key, uploads, isDeleted, isRepeated }: Item, index: number) => {
    await setTimeout(Math.max(0, (index / rate) * 1000 - (performance.now() - begun)), undefined, { signal });
    for (const { body } of uploads) {
      const put = s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
      const { VersionId: versionId, ETag: eTag = "" } = await reached(`The bucket ${bucket}`, put);
      if (!isRepeated) continue;
      const source = { versionId, eTag, size: body.length, modified: new Date() };
      for (const { filter, queue } of repairs) {
        if (passes(filter, { key, size: source.size })) await queue.add({ key, source });
      }
    }
    if (isDeleted) await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
    told(`${++done} of ${items.length} uploaded`);
  };
  await pMap(items, upload, { concurrency: CONCURRENCY, signal });
  for (const { queue } of repairs) await queue.flush();
}

/** Waits until every version is accounted for at every worker, or there is no time left. */
async function settled(
  { s3, sqs, stack, prefix, timeout, lookEvery, signal, told }: ProofOptions,
  names: readonly string[],
): Promise<{ tallies: ReadonlyMap<string, Tally>; inTime: boolean }> {
  const tallies = new Map<string, Tally>();
  const begun = performance.now();
  const part = { under: prefix };
  for (;;) {
    for (const worker of names) {
      if (isSettled(tallies.get(worker))) continue;
      const reconciliation = new Reconciliation({
        s3,
        sqs,
        stack,
        worker,
        part,
        signal,
        before: new Date(8.64e15),
      });
      for await (const _ of reconciliation.findings());
      tallies.set(worker, reconciliation.tally);
    }
    const open = names.filter((name) => !isSettled(tallies.get(name)));
    if (open.length === 0) return { tallies, inTime: true };
    if (performance.now() - begun > timeout * 1000) return { tallies, inTime: false };
    told(open.map((name) => `${name}: ${accountedFor(tallies.get(name))}`).join(", "));
    await setTimeout(lookEvery, undefined, { signal });
  }
}

function isSettled(tally: Tally | undefined): boolean {
  return tally !== undefined && tally.missing + tally.stale === 0;
}

function accountedFor(tally: Tally | undefined): string {
  const { created = 0, missing = 0, stale = 0 } = tally ?? {};
  return `${created - missing - stale} of ${created} accounted for`;
}

/** Outcome of a file here: a result, or the code with which it is rejected. */
type Expected = ProcessedImage | string;

/** Holds each result of a worker against what is made of its file here. */
async function compare(
  { s3, sqs, stack, items, prefix, signal }: ProofOptions,
  name: string,
  found: WorkerProof,
  differences: Difference[],
): Promise<void> {
  const worker = stack.workers[name] as WorkerOutputs;
  const codes = await codesOf(sqs, worker.deadLetterQueue, prefix);
  const expected = new Map<ProofFile, Promise<Expected>>();
  const versions = new Map<string, string>();
  for await (const { key, current } of sourceKeys(s3, stack.sourceBucket, { under: prefix })) {
    if (current) versions.set(key, identity(current));
  }
  const one = async ({ key, uploads, isDeleted }: Item) => {
    if (isDeleted) return;
    const file = uploads.at(-1) as ProofFile;
    if (!passes(worker.filter, { key, size: file.body.length })) return;
    if (!expected.has(file)) expected.set(file, made(file, worker.angle));
    const here = await (expected.get(file) as Promise<Expected>);
    const there = codes.get(key) ?? (await resultAt(s3, stack.resultsBucket, `${worker.prefix}/${key}`));
    const verdict = await judged(file, here, there, versions.get(key), worker.angle);
    if (verdict in found) found[verdict as Agreement]++;
    else differences.push({ worker: name, key: key.slice(prefix.length), what: verdict });
  };
  await pMap(items, one, { concurrency: CONCURRENCY, signal });
}

async function made({ body }: ProofFile, angle: number | undefined): Promise<Expected> {
  try {
    // Of a worker that does not turn images it is known only which files are none.
    return await rotate({ angle: angle ?? 90 })(body, NO_LIMITS);
  } catch (error) {
    if (error instanceof ImageRejected) return error.code;
    throw error;
  }
}

/** Reads the codes with which images were rejected, by their keys. */
async function codesOf(
  sqs: SQSClient,
  queueUrl: string,
  prefix: string,
): Promise<ReadonlyMap<string, string>> {
  const codes = new Map<string, string>();
  await lookAtDeadLetters({ sqs, queueUrl }, ({ code, objects }) => {
    for (const { key } of objects) if (key.startsWith(prefix)) codes.set(key, code);
  });
  return codes;
}

type Agreement = "identical" | "alike" | "rejected" | "decodable";

/** @returns how what is there agrees with what is made here, or what is different */
async function judged(
  file: ProofFile,
  here: Expected,
  there: Result | string | undefined,
  version: string | undefined,
  angle: number | undefined,
): Promise<Agreement | string> {
  if (typeof there === "string") {
    if (typeof here !== "string") return `rejected as ${there}, but made here`;
    return here === there ? "rejected" : `rejected as ${there}, but here as ${here}`;
  }
  if (!there) return "neither a result nor a dead letter";
  if (there.source !== version) return "the result of a version other than the current one";
  if (typeof here === "string" && angle !== undefined) return `made, but rejected here as ${here}`;
  if (angle === undefined) {
    const { ok, words } = await judge(file.body, there.body, undefined);
    return ok ? "decodable" : words;
  }
  const { body, contentType } = here as ProcessedImage;
  if (there.contentType !== contentType) return `of type ${there.contentType}, but here ${contentType}`;
  if (there.body.equals(body)) return "identical";
  const { ok, words } = await judge(file.body, there.body, angle);
  return ok ? "alike" : words;
}

/** Times at which images were uploaded, and at which their last result was made. */
class Times {
  readonly #uploaded = new Map<string, number>();
  readonly #made = new Map<string, number>();

  async add({ s3, stack, prefix }: ProofOptions, name: string): Promise<void> {
    const part = { under: prefix };
    const worker = stack.workers[name] as WorkerOutputs;
    const pairs = merged(
      sourceKeys(s3, stack.sourceBucket, part),
      resultKeys(s3, stack.resultsBucket, worker.prefix, part),
    );
    for await (const [source, result] of pairs) {
      if (!source?.current) continue;
      this.#uploaded.set(source.key, source.current.modified.getTime());
      if (!result) continue;
      const made = Math.max(result.modified.getTime(), this.#made.get(source.key) ?? 0);
      this.#made.set(source.key, made);
    }
  }

  summary(): Pick<Proof, "uploadSeconds" | "processedSeconds" | "latency"> {
    const uploaded = [...this.#uploaded.values()];
    const first = uploaded.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
    const secondsTo = (times: Iterable<number>) =>
      [...times].reduce((last, time) => Math.max(last, (time - first) / 1000), 0);
    const taken = [...this.#made].map(([key, made]) => (made - (this.#uploaded.get(key) ?? made)) / 1000);
    taken.sort((a, b) => a - b);
    const at = (part: number) => taken[Math.ceil(part * taken.length) - 1] ?? 0;
    return {
      uploadSeconds: secondsTo(uploaded),
      processedSeconds: secondsTo(this.#made.values()),
      latency: taken.length > 0 ? { p50: at(0.5), p99: at(0.99), max: at(1) } : undefined,
    };
  }
}
