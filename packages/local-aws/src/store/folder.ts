import { createHash } from "node:crypto";
import {
  constants,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";

/** Keys that are no path on this file system are found in here, by a hash and the end of the key. */
const ELSEWHERE = ".other-keys";

/** Characters that Windows allows in no file name. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const NOT_ON_WINDOWS = /[<>:"\\|?*\u0000-\u001f]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/**
 * The folder that a person opens: `BUCKET/KEY` is the current version. It is a view. Its files are second names
 * (hard links) of the store's own, so that it costs no space, and what a person moves or deletes in it is not lost.
 */
export class Folder {
  readonly #root: string;
  readonly #scratch: string;

  /** `scratch` is a path on the same file system, for a file that is on its way to its place. */
  constructor(root: string, scratch: string) {
    this.#root = root;
    this.#scratch = scratch;
  }

  addBucket(bucket: string): void {
    mkdirSync(join(this.#root, bucket), { recursive: true });
  }

  /** A folder with files that are not the store's stays. */
  removeBucket(bucket: string): void {
    removeEmpty(join(this.#root, bucket, ELSEWHERE));
    removeEmpty(join(this.#root, bucket));
  }

  /**
   * Where the current version of a key will be: under its key, unless that is no path here or is taken, by the
   * folder of other keys (`a` and `a/b`), by a key in another case, or by a file that the store did not write.
   */
  placeFor(bucket: string, key: string): string {
    return isPath(key) && !exists(join(this.#root, bucket, key)) ? key : elsewhere(key);
  }

  /**
   * Puts the file at its place in one step; the old version is there until the new one is. Answers the place,
   * which is another where a sibling took it meanwhile and `replace` is not set.
   */
  show(bucket: string, key: string, place: string, file: string, replace: boolean): string {
    const path = join(this.#root, bucket, place);
    try {
      mkdirSync(dirname(path), { recursive: true });
      if (replace) this.#replace(file, path);
      else linkOrCopy(file, path);
      return place;
    } catch (error) {
      if (place === elsewhere(key)) throw error;
      return this.show(bucket, key, elsewhere(key), file, true);
    }
  }

  /** Removes the file, and the folders above it that it leaves empty. */
  hide(bucket: string, place: string): void {
    const top = join(this.#root, bucket);
    const path = join(top, place);
    try {
      unlinkSync(path);
    } catch {
      return; // not there, or a folder that a person made in its stead
    }
    for (let above = dirname(path); above !== top && removeEmpty(above); above = dirname(above));
  }

  #replace(file: string, path: string): void {
    rmSync(this.#scratch, { force: true });
    linkOrCopy(file, this.#scratch);
    renameSync(this.#scratch, path);
    rmSync(this.#scratch, { force: true }); // renaming a link onto itself leaves both names
  }
}

function isPath(key: string): boolean {
  const segments = key.split("/");
  return (
    segments[0] !== ELSEWHERE &&
    !key.includes("\0") &&
    segments.every((segment) => segment !== "" && segment !== "." && segment !== "..") &&
    segments.every((segment) => Buffer.byteLength(segment) <= 255) &&
    (process.platform !== "win32" || !segments.some((segment) => NOT_ON_WINDOWS.test(segment)))
  );
}

function elsewhere(key: string): string {
  const hash = createHash("sha256").update(key).digest("hex").slice(0, 32);
  const readable = basename(key)
    .replace(/[^\p{L}\p{N}._-]/gu, "_")
    .slice(-50);
  return `${ELSEWHERE}/${hash}-${readable}`;
}

function exists(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true; // a file is where a folder would have to be
  }
}

function linkOrCopy(file: string, path: string): void {
  try {
    linkSync(file, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") throw error;
    // A file system without hard links, or one that has no more of them for this file.
    copyFileSync(file, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  }
}

function removeEmpty(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch {
    return false;
  }
}
