import { closeSync, fdatasync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { shared } from "./commits.ts";
import { type DigestAlgorithm, Digester, type Digests } from "./digests.ts";

/** What may be streamed into the store. */
export type Body = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

const syncData = promisify(fdatasync);

/**
 * Writes a body to `temporary`, moves it to what `path` says when all of it is there, and makes it durable where that is
 * asked for. What the body throws, this throws, and no file is left.
 *
 * Pieces are written at once, into the system's memory as a rule: another thread would take longer to be asked.
 */
export async function writeBody(
  body: Body,
  temporary: string,
  path: () => string,
  { algorithms, durable }: { algorithms: readonly DigestAlgorithm[]; durable: boolean },
): Promise<{ size: number; digests: Digests }> {
  const digester = new Digester(algorithms);
  // Read-only: a version is never changed, not even by an editor that opens it through the browsable folder.
  const file = openSync(temporary, "wx", 0o444);
  try {
    let size = 0;
    for await (const chunk of body) {
      for (let at = 0; at < chunk.length; ) at += writeSync(file, chunk, at);
      digester.update(chunk);
      size += chunk.length;
    }
    const target = path();
    renameSync(temporary, target);
    if (durable) await makeDurable(file, dirname(target));
    return { size, digests: await digester.finish() };
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

/** Data and name are synced at once: either order will do, since the catalog does not know the file yet. */
async function makeDurable(file: number, directory: string): Promise<void> {
  await Promise.all([syncData(file), syncNames(directory)]);
}

const directories = new Map<string, () => Promise<void>>();

/** Makes the names in a directory durable. */
function syncNames(directory: string): Promise<void> {
  const sync = directories.get(directory) ?? shared(() => syncDirectory(directory));
  directories.set(directory, sync);
  return sync();
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
