import { closeSync, openSync, readSync } from "node:fs";
import type { Writable } from "node:stream";

/** Size of one read and one write. */
const PIECE_BYTES = 1024 * 1024;
const MAX_KEPT = 16;

/** Memory that was sent and may be filled again: to ask for it anew, and to collect it, takes half as long as all else. */
const kept: Buffer[] = [];

/**
 * Sends the bytes of a file from `start` on, and ends the stream. They are in the system's cache as a rule: another thread
 * would take longer to be asked.
 */
export async function sendFile(path: string, start: number, length: number, to: Writable): Promise<void> {
  const fd = openSync(path, "r");
  const piece = kept.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
  try {
    for (let left = length; left > 0; ) {
      const read = readSync(fd, piece, 0, Math.min(PIECE_BYTES, left), start + length - left);
      if (read === 0) throw new Error(`${path} is shorter than it was`);
      left -= read;
      await send(piece.subarray(0, read), left === 0, to);
    }
    if (kept.length < MAX_KEPT) kept.push(piece);
  } finally {
    closeSync(fd);
  }
}

/** Resolves when the memory is free again; rejects where the receiver went away. */
function send(bytes: Buffer, last: boolean, to: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new Error("the receiver went away"));
    const sent = (error?: Error | null) => {
      to.off("close", gone);
      if (error) reject(error);
      else resolve();
    };
    if (to.destroyed) return gone();
    to.once("close", gone);
    if (last) to.end(bytes, sent);
    else to.write(bytes, sent);
  });
}
