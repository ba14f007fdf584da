import { readdir, realpath, stat } from "node:fs/promises";
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
 * @param leaveOut is told what in a folder is no file: a link that leads nowhere or to a folder, a pipe
 * @throws {UsageError} where one is not there or neither of both, or two would have the same key
 */
export async function* findInputs(
  given: readonly string[],
  leaveOut: (file: string) => void = () => {},
): AsyncGenerator<Input> {
  // A single folder cannot hold the same path twice, so that it needs no memory of what was seen.
  const seen = given.length > 1 ? new Map<string, string>() : undefined;
  for (const name of given) {
    const info = await stat(name).catch(() => {
      throw new UsageError(`${name}: there is no such file or folder.`);
    });
    if (!info.isDirectory() && !info.isFile()) {
      throw new UsageError(`${name} is neither a file nor a folder.`);
    }
    for await (const input of info.isDirectory()
      ? filesOf(name, "", leaveOut)
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

async function* filesOf(
  root: string,
  folder: string,
  leaveOut: (file: string) => void,
): AsyncGenerator<Input> {
  const entries = await readdir(path.join(root, folder), { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const key = folder ? `${folder}/${entry.name}` : entry.name;
    const file = path.join(root, key);
    const info = entry.isSymbolicLink() ? await stat(file).catch(() => undefined) : entry;
    if (entry.isDirectory()) yield* filesOf(root, key, leaveOut);
    // A link to a file is that file; one to a folder could lead in circles.
    else if (info?.isFile()) yield { file, key };
    else leaveOut(file);
  }
}

/**
 * Checks that results do not go into a folder that images come from, as the next run would take them for images.
 * @param near a path for a person to read
 * @throws {UsageError} where they do
 */
export async function checkApart(
  out: string,
  given: readonly string[],
  near: (file: string) => string,
): Promise<void> {
  const to = await real(out);
  for (const input of given) {
    const from = await real(input);
    if (to !== from && !isBelow(to, from)) continue;
    throw new UsageError(
      `--out ${near(out) || "."} would put results into ${near(input) || "."}, where the next run would take them for images: choose a folder outside.`,
    );
  }
}

function isBelow(file: string, folder: string): boolean {
  const relative = path.relative(folder, file);
  return relative !== "" && relative.split(path.sep)[0] !== ".." && !path.isAbsolute(relative);
}

/** The path without links, of what need not exist yet. */
async function real(file: string): Promise<string> {
  const parent = path.dirname(file);
  return realpath(file).catch(async () =>
    parent === file ? file : path.join(await real(parent), path.basename(file)),
  );
}
