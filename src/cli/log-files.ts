import { open } from "node:fs/promises";
import path from "node:path";
import type { StackAccess } from "machine-watch";

/** Reads the logs of the machine on this computer, which are files, each on from where it was read to. */
export function logsIn(folder: string | undefined): StackAccess["logs"] {
  const ends = new Map<string, number>();
  return async ({ function: name }, from) => {
    await using file = folder
      ? await open(path.join(folder, `${name}.log`)).catch(() => undefined)
      : undefined;
    if (!file) return { lines: [] };
    const { size } = await file.stat();
    const known = ends.get(name) ?? 0;
    // A file that is shorter was begun anew.
    const begin = known > size ? 0 : known;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - begin), { position: begin });
    // What follows the last line break is still being written.
    const length = buffer.subarray(0, bytesRead).lastIndexOf("\n") + 1;
    ends.set(name, begin + length);
    const lines = buffer.toString("utf8", 0, length).split("\n");
    return {
      lines: lines.map((line) => ({ time: timeOf(line), line })).filter(({ time }) => time >= from),
    };
  };
}

/** When a line was logged; 0 for one that does not say so. */
function timeOf(line: string): number {
  const [, time = ""] = /"timestamp":"([^"]+)"/.exec(line) ?? [];
  return Date.parse(time) || 0;
}
