import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { getSystemErrorMessage } from "node:util";

/** A file, and the key it is uploaded under. */
export interface Input {
  readonly file: string;
  readonly key: string;
}

/** Something that the user asked for and that cannot be. The message is all there is to say. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Says that something cannot be written, and why, in the system's words: "no space left on device". */
export function cannotWrite(what: string, error: unknown): UsageError {
  const { errno, message } = error as NodeJS.ErrnoException;
  const why = errno === undefined ? message : getSystemErrorMessage(errno);
  return new UsageError(`${what} cannot be written: ${why}.`, { cause: error });
}

/**
 * Finds what is to be uploaded: a file under its name, and all files of a folder under their paths in it, one at
 * a time, however many there are.
 * @param given files and folders
 * @throws {UsageError} where one is not there, or two would have the same key
 */
export async function* findInputs(given: readonly string[]): AsyncGenerator<Input> {
  // A single folder cannot hold the same path twice, so that it needs no memory of what was seen.
  const seen = given.length > 1 ? new Map<string, string>() : undefined;
  for (const name of given) {
    const info = await stat(name).catch(() => {
      throw new UsageError(`${name}: there is no such file or folder.`);
    });
    for await (const input of info.isDirectory()
      ? filesOf(name, "")
      : [{ file: name, key: path.basename(name) }]) {
      const other = seen?.get(input.key);
      if (other !== undefined) {
        throw new UsageError(
          `${other} and ${input.file} would both be uploaded as "${input.key}": give a folder that holds both.`,
        );
      }
      seen?.set(input.key, input.file);
      yield input;
    }
  }
}

async function* filesOf(root: string, folder: string): AsyncGenerator<Input> {
  const entries = await readdir(path.join(root, folder), { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const key = folder ? `${folder}/${entry.name}` : entry.name;
    const file = path.join(root, key);
    const info = entry.isSymbolicLink() ? await stat(file).catch(() => undefined) : entry;
    if (entry.isDirectory()) yield* filesOf(root, key);
    // A link to a file is that file; one to a folder could lead in circles.
    else if (info?.isFile()) yield { file, key };
  }
}
