/** What is wrong with a file: said, limited and survived in one way by all formats. */
import { ImageRejected } from "./contract.ts";

/** A file is damaged. Its message goes on from "The PNG is damaged:", which `rotate` makes of it where nothing else helps. */
export class Damaged extends Error {
  override readonly name = "Damaged";
}

/**
 * Maximum number of pieces of a file that are read, be they chunks, segments, blocks or boxes: no image within any limit has
 * more. What is known of a piece takes memory, of a file of empty ones a hundred times its size.
 */
const MAX_PIECES = 250_000;

/** @throws {Damaged} where a file has more pieces than any image. */
export function checkPieces(pieces: number): void {
  if (pieces > MAX_PIECES) {
    throw new Damaged(`it is in more than ${MAX_PIECES} pieces`);
  }
}

/** What `read` gives, or undefined where the bytes that it reads are damaged. */
export function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError || error instanceof Damaged || error instanceof ImageRejected) {
      return undefined;
    }
    throw error;
  }
}
