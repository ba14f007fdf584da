import { closeSync, fdatasync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { parentPort, workerData } from "node:worker_threads";
import { type DigestAlgorithm, Digester } from "./digests.ts";

/*
 * The thread that writes bodies to the disk and digests them: the two things that would keep the main thread from
 * answering others. It is started by writers.ts, and knows nothing but files.
 */

/** What is to be known of a body before its first piece. */
export interface Beginning {
  /** The file that it is written to until all of it is there. */
  readonly temporary: string;
  readonly algorithms: readonly DigestAlgorithm[];
}

/** A piece of a body, empty only where the body is. */
export interface Piece {
  readonly kind: "piece";
  readonly job: number;
  /** Where in the shared memory the piece is. */
  readonly slot: number;
  readonly length: number;
  /** Comes with the first piece. */
  readonly beginning?: Beginning | undefined;
  /** Where the file is to be in the end: comes with the last piece. */
  readonly path?: string | undefined;
}

/** The body ends here, and is not wanted. */
export interface Abandon {
  readonly kind: "abandon";
  readonly job: number;
}

export type Order = Piece | Abandon;

/** The piece is written, and its slot is free. */
export interface Written {
  readonly kind: "written";
  readonly job: number;
  readonly slot: number;
}

/** The file is where it should be, and durable. */
export interface Finished {
  readonly kind: "finished";
  readonly job: number;
  readonly digests: ReadonlyMap<DigestAlgorithm, Uint8Array>;
}

export interface Failed {
  readonly kind: "failed";
  readonly job: number;
  readonly error: unknown;
}

export type Report = Written | Finished | Failed;

interface Job {
  readonly fd: number;
  readonly temporary: string;
  readonly digester: Digester;
}

const { memory, pieceBytes } = workerData as { memory: SharedArrayBuffer; pieceBytes: number };
const sync = promisify(fdatasync);
const jobs = new Map<number, Job>();
const directories = new Map<string, { running: Promise<void>; next: Promise<void> | undefined }>();

parentPort?.on("message", (order: Order) => {
  obey(order).catch((error: unknown) => {
    abandon(order.job);
    report({ kind: "failed", job: order.job, error });
  });
});

async function obey(order: Order): Promise<void> {
  if (order.kind === "abandon") abandon(order.job);
  else await write(order);
}

async function write({ job: id, slot, length, beginning, path }: Piece): Promise<void> {
  let durable: Promise<void> | undefined;
  let job: Job | undefined;
  try {
    if (beginning) jobs.set(id, begin(beginning));
    job = jobs.get(id);
    if (!job) return; // it failed before
    const piece = new Uint8Array(memory, slot * pieceBytes, length);
    for (let written = 0; written < length; ) written += writeSync(job.fd, piece, written);
    durable = path === undefined ? undefined : finish(job, path);
    durable?.catch(() => {}); // awaited below
    job.digester.update(piece); // while the disk is busy
  } finally {
    report({ kind: "written", job: id, slot });
  }
  if (!durable) return;
  await durable;
  const digests = await job.digester.finish();
  jobs.delete(id);
  closeSync(job.fd);
  report({ kind: "finished", job: id, digests });
}

function begin({ temporary, algorithms }: Beginning): Job {
  // Read-only: a version is never changed, not even by an editor that opens it through the browsable folder.
  const fd = openSync(temporary, "wx", 0o444);
  return { fd, temporary, digester: new Digester(algorithms) };
}

/** Data and name are synced at once: either order will do, since the catalog does not know the file yet. */
async function finish({ fd, temporary }: Job, path: string): Promise<void> {
  renameSync(temporary, path);
  await Promise.all([sync(fd), syncNames(dirname(path))]);
}

function abandon(id: number): void {
  const job = jobs.get(id);
  if (!job) return;
  jobs.delete(id);
  closeSync(job.fd);
  rmSync(job.temporary, { force: true });
}

/** Makes the names in a directory durable. Callers that come during a sync share the next. */
function syncNames(directory: string): Promise<void> {
  const state = directories.get(directory) ?? { running: Promise.resolve(), next: undefined };
  directories.set(directory, state);
  state.next ??= state.running
    .catch(() => {})
    .then(() => {
      state.next = undefined;
      state.running = syncDirectory(directory);
      return state.running;
    });
  return state.next;
}

async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return; // Windows cannot open a directory, and journals names itself
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function report(message: Report): void {
  parentPort?.postMessage(message);
}
