import { randomUUID } from "node:crypto";
import {
  closeSync,
  constants,
  createReadStream,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  unlink,
} from "node:fs";
import { chmod, copyFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import type { DigestAlgorithm, Digests } from "./digests.ts";
import { S3Error } from "./errors.ts";
import { sendFile } from "./sending.ts";
import { type Body, writeBody } from "./writing.ts";

const READ_SIZE = 512 * 1024;

/** The bytes `start` to `end` of an object, both included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** A body that was written, and what it came to. */
export interface WrittenBlob {
  readonly blob: string;
  readonly size: number;
  readonly digests: Digests;
}

/**
 * The bytes of every version and part: files that are written once, under `data/HOUR/UUID`, and never changed.
 * A body is written to `incoming/` and moved when all of it is there.
 */
export class Blobs {
  readonly #incoming: string;
  readonly #data: string;
  readonly #durable: boolean;
  #hour = "";

  /** @param durable whether what was written is to survive a power cut */
  constructor(folder: string, durable = true) {
    this.#durable = durable;
    this.#incoming = join(folder, "incoming");
    this.#data = join(folder, "data");
    rmSync(this.#incoming, { recursive: true, force: true });
    for (const directory of [this.#incoming, this.#data]) mkdirSync(directory, { recursive: true });
  }

  path(blob: string): string {
    return join(this.#data, blob);
  }

  /**
   * Writes a body to the disk, durably, digesting it on the way, and has it used. Where that is refused nothing is left of it;
   * after a fault of the disk nobody knows what the catalog holds, and the next start sweeps up.
   */
  async write<T>(
    body: Body,
    algorithms: readonly DigestAlgorithm[],
    use: (written: WrittenBlob) => Promise<T>,
  ): Promise<T> {
    const name = randomUUID();
    let blob = "";
    const path = () => {
      blob = `${this.#currentHour()}/${name}`;
      return this.path(blob);
    };
    const temporary = join(this.#incoming, name);
    const written = await writeBody(body, temporary, path, { algorithms, durable: this.#durable });
    try {
      return await use({ blob, ...written });
    } catch (error) {
      if (error instanceof S3Error) this.remove(blob);
      throw error;
    }
  }

  /** The file is open when this returns, so that removing the blob does not disturb the reader. */
  read(blob: string, range?: ByteRange): Readable {
    const fd = openSync(this.path(blob), "r");
    return createReadStream("", { fd, ...range, highWaterMark: READ_SIZE });
  }

  /** Copies a file. The copy may be written, as the blob may not. */
  async save(blob: string, file: string): Promise<void> {
    await copyFile(this.path(blob), file, constants.COPYFILE_FICLONE);
    await chmod(file, 0o666 & ~process.umask());
  }

  /** Sends a range of bytes, and ends the stream. */
  async send(blob: string, { start, end }: ByteRange, to: Writable): Promise<void> {
    await sendFile(this.path(blob), start, end - start + 1, to);
  }

  /** Removes a file in the background, because a large one takes the file system a while. */
  remove(blob: string, failed: (error: Error) => void = () => {}): void {
    unlink(this.path(blob), (error) => {
      if (error && error.code !== "ENOENT") failed(error);
    });
  }

  /** Removes what a crash left behind: files of the last hour that was written in, or later, that nobody knows. */
  sweep(newest: string | undefined, knownFrom: (first: string) => Set<string>): void {
    const since = newest ? dirname(newest) : "";
    const known = knownFrom(since);
    for (const directory of readdirSync(this.#data).filter((name) => name >= since)) {
      for (const file of readdirSync(join(this.#data, directory))) {
        const blob = `${directory}/${file}`;
        if (!known.has(blob)) this.remove(blob);
      }
    }
  }

  /** The folder of now, a name that sorts: `2026-11-23T09`. */
  #currentHour(): string {
    const hour = new Date().toISOString().slice(0, 13);
    if (hour !== this.#hour) {
      mkdirSync(join(this.#data, hour), { recursive: true });
      if (this.#durable) syncDirectory(this.#data);
      this.#hour = hour;
    }
    return hour;
  }
}

/** Makes the names in a directory durable. */
function syncDirectory(directory: string): void {
  if (process.platform === "win32") return; // Windows cannot open a directory, and journals names itself
  const fd = openSync(directory, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
