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

/** A body begins. */
export interface Begin {
  readonly kind: "begin";
  readonly job: number;
  readonly temporary: string;
  readonly algorithms: readonly DigestAlgorithm[];
}

/** A piece of a body; `path`, where the file is to be in the end, comes with the last one. */
export interface Piece {
  readonly kind: "piece";
  readonly job: number;
  /** Where in the shared memory the piece is. */
  readonly slot: number;
  readonly length: number;
  readonly path?: string | undefined;
}

/** The body ends here, and is not wanted. */
export interface Abandon {
  readonly kind: "abandon";
  readonly job: number;
}

export type Order = Begin | Piece | Abandon;

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
  /** Settles when the last piece is on the disk. */
  durable?: Promise<void> | undefined;
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
  if (order.kind === "begin") {
    // Read-only: a version is never changed, not even by an editor that opens it through the browsable folder.
    const fd = openSync(order.temporary, "wx", 0o444);
    jobs.set(order.job, { fd, temporary: order.temporary, digester: new Digester(order.algorithms) });
  } else if (order.kind === "abandon") {
    abandon(order.job);
  } else {
    await write(order);
  }
}

async function write({ job: id, slot, length, path }: Piece): Promise<void> {
  const job = jobs.get(id);
  try {
    if (!job) return; // it failed before
    const piece = new Uint8Array(memory, slot * pieceBytes, length);
    for (let written = 0; written < length; ) written += writeSync(job.fd, piece, written);
    job.durable = path === undefined ? undefined : finish(job, path);
    job.durable?.catch(() => {}); // awaited below
    job.digester.update(piece); // while the disk is busy
  } finally {
    report({ kind: "written", job: id, slot });
  }
  if (!job.durable) return;
  await job.durable;
  const digests = await job.digester.finish();
  jobs.delete(id);
  closeSync(job.fd);
  report({ kind: "finished", job: id, digests });
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
