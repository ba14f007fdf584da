/**
 * What a processor is: a pure function of an image. Everything that runs one (delivery, tests, benchmarks)
 * knows it by these types alone, and everything that is one knows nothing else of ours.
 */

/** What one image may cost. Both limits follow from the function's settings, not from the image. */
export interface Limits {
  /** Maximum number of pixels to decode, over all pages of an animated or multi-page image. */
  readonly pixels: number;
  /** Maximum seconds that the work on this image may take. */
  readonly seconds: number;
}

/** An encoded image and its media type, for example `image/jpeg`. The type says what was encoded. */
export interface ProcessedImage {
  readonly body: Buffer;
  readonly contentType: string;
  readonly notes?: Notes;
}

/** How an image was processed, for logs and metrics. */
export interface Notes {
  /** Whether all samples are the source's own, moved and not encoded anew. Absent if the operation does not say; `rotate` does. */
  readonly exact?: boolean;
  /** What was wrong with the source, although all its pixels were there: a few words each. */
  readonly repaired: readonly string[];
  /** What of the source is not in the result, nor any mention of it: a few words each. */
  readonly dropped: readonly string[];
}

/**
 * Turns the bytes of one image into the bytes of another. The same bytes and limits give the same result; it
 * touches neither network nor disk.
 *
 * @throws {ImageRejected} if this image can never be processed, however often it is tried.
 * Any other error is a fault of the processor, and the message is tried again.
 */
export type ImageOperation = (source: Buffer, limits: Limits) => Promise<ProcessedImage>;

/** Why an image was rejected: stable identifiers that dashboards and redrives group by. */
export type RejectionCode =
  | "empty"
  | "not-an-image"
  | "unsupported-format"
  | "corrupt"
  | "too-many-pixels"
  | "too-slow";

/** Error for an image that can never be processed. The message is a sentence for the person who uploaded it. */
export class ImageRejected extends Error {
  override readonly name = "ImageRejected";
  readonly code: RejectionCode;

  constructor(code: RejectionCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
