import { closeSync, openSync, read, readSync } from "node:fs";
import type { Writable } from "node:stream";
import { promisify } from "node:util";

const readLater = promisify(read);

/** Size of one read and one write. Up to two such pieces of a file are in memory. */
const PIECE_BYTES = 1024 * 1024;
const MAX_KEPT = 16;

/** Memory that was sent and may be filled again: asking for it anew, and collecting it, costs more than the copy. */
const kept: Buffer[] = [];

/**
 * Sends the bytes of a file from `start` on, and ends the stream. A file that fits in one piece is read at once:
 * it is in the system's cache as a rule, and changing threads would take longer.
 */
export async function sendFile(path: string, start: number, length: number, to: Writable): Promise<void> {
  const fd = openSync(path, "r");
  try {
    let position = start;
    const end = start + length;
    let sending: Promise<void> | undefined;
    while (position < end) {
      const piece = kept.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
      const wanted = Math.min(PIECE_BYTES, end - position);
      const bytesRead =
        length <= PIECE_BYTES
          ? readSync(fd, piece, 0, wanted, position)
          : (await readLater(fd, piece, 0, wanted, position)).bytesRead;
      if (bytesRead === 0) throw new Error(`${path} is shorter than it was`);
      position += bytesRead;
      await sending;
      sending = send(piece, bytesRead, position === end, to);
      sending.catch(() => {}); // awaited in the next round
    }
    await sending;
  } finally {
    closeSync(fd);
  }
}

/** Resolves when the memory is free again; rejects where the receiver went away. */
function send(piece: Buffer, length: number, last: boolean, to: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new Error("the receiver went away"));
    const sent = (error?: Error | null) => {
      to.off("close", gone);
      if (error) return reject(error);
      if (kept.length < MAX_KEPT) kept.push(piece);
      resolve();
    };
    if (to.destroyed) return gone();
    to.once("close", gone);
    const bytes = piece.subarray(0, length);
    if (last) to.end(bytes, sent);
    else to.write(bytes, sent);
  });
}
