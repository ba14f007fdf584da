import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { type DigestAlgorithm, Digester, type Digests } from "./digests.ts";

/** What may be streamed into the store. */
export type Body = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/**
 * Writes a body to `temporary`, moves it to what `path` says when all of it is there, and makes it durable. It is digested
 * while the disk is busy. What the body throws, this throws, and no file is left.
 */
export async function writeBody(
  body: Body,
  temporary: string,
  path: () => string,
  algorithms: readonly DigestAlgorithm[],
): Promise<{ size: number; digests: Digests }> {
  const digester = new Digester(algorithms);
  // Read-only: a version is never changed, not even by an editor that opens it through the browsable folder.
  const file = await open(temporary, "wx", 0o444);
  try {
    let size = 0;
    for await (const chunk of body) {
      const written = file.appendFile(chunk);
      digester.update(chunk);
      size += chunk.length;
      await written;
    }
    const target = path();
    await rename(temporary, target);
    await makeDurable(file, dirname(target));
    return { size, digests: await digester.finish() };
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/** Data and name are synced at once: either order will do, since the catalog does not know the file yet. */
async function makeDurable(file: FileHandle, directory: string): Promise<void> {
  await Promise.all([file.datasync(), syncNames(directory)]);
}

const directories = new Map<string, { running: Promise<void>; next: Promise<void> | undefined }>();

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
