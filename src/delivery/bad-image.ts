import { type ImageOperation, ImageRejected, type RejectionCode } from "image-turn";

/**
 * Makes an operation that uses sharp reject bad images: what sharp cannot read is rejected with the reason. Everything else that
 * the operation throws is tried again, as without this: wrong parameters for sharp, an error of another service, or a mistake.
 *
 * @example
 * rejectBadImages(async (source, { pixels }) => ({
 *   body: await sharp(source, { limitInputPixels: pixels }).greyscale().webp().toBuffer(),
 *   contentType: "image/webp",
 * }));
 */
export function rejectBadImages(operation: ImageOperation): ImageOperation {
  return async (source, limits) => {
    if (source.length === 0) throw new ImageRejected("empty", "The file is empty.");
    try {
      return await operation(source, limits);
    } catch (error) {
      throw meaningOf(error);
    }
  };
}

/** A frame of a stack that is in sharp itself, whichever folder it is installed in. */
const IN_SHARP = /[\\/]sharp[\\/](?:dist|lib)[\\/]/;

/** Turns what sharp says of an image into a rejection, and leaves other errors as they are. */
function meaningOf(error: unknown): unknown {
  // Errors of programs, networks and AWS have classes, names or codes; what sharp says of an image is a plain Error.
  if (!(error instanceof Error) || error.name !== "Error" || "code" in error) return error;
  const { message, stack = "" } = error;
  // Of our making: wrong parameters, or no memory.
  if (!IN_SHARP.test(stack) || /^Expected |alloc|memory/i.test(message)) return error;
  const reject = (code: RejectionCode, sentence: string) =>
    new ImageRejected(code, sentence, { cause: error });
  if (/unsupported image format/.test(message)) return reject("not-an-image", "The file is no image.");
  if (/exceeds pixel limit/.test(message)) {
    return reject("too-many-pixels", "The image has more pixels than this function's memory holds.");
  }
  if (/^timeout/.test(message)) {
    return reject("too-slow", "The image takes longer than the time that there is.");
  }
  return reject("corrupt", `The image is damaged: ${message.split("\n")[0]}.`);
}
