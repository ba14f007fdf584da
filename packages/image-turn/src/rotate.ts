import { type ImageOperation, ImageRejected } from "./contract.ts";
import { type Format, identify } from "./format.ts";
import { turnAvif } from "./formats/avif/avif.ts";
import { turnHeic } from "./formats/avif/heic.ts";
import { turnGif } from "./formats/gif/gif.ts";
import { turnJpeg } from "./formats/jpeg/jpeg.ts";
import { turnPng } from "./formats/png/png.ts";
import { turnTiff } from "./formats/tiff/tiff.ts";
import { turnWebp } from "./formats/webp/webp.ts";
import { isQuarter, turnFrom } from "./geometry.ts";
import { type Colour, type Job, loadDecoder, tooSlow } from "./pixels.ts";
import type { MetadataPolicy } from "./privacy.ts";

export interface RotateOptions {
  /** Degrees clockwise, any finite number; negative ones turn counter-clockwise. */
  readonly angle: number;
  /**
   * Colour of the corners at angles that are no quarter turns. Where an image has no transparency, a translucent
   * colour is put on white.
   * @default transparent where the image has an alpha channel, else white
   */
  readonly background?: Colour;
  /**
   * What to do with an image that is damaged although all its pixels are there: `repair` turns it as every viewer
   * shows it, and says so in the result's notes; `reject` rejects it as `corrupt`.
   * @default repair
   */
  readonly damaged?: "repair" | "reject";
  /**
   * What of Exif, XMP, IPTC and texts goes along: `keep` all; `no-location` all but where the picture was taken and what
   * cannot be looked into; `none` nothing. Orientation, colour profile and what a gain map needs are never touched.
   * @default keep
   */
  readonly metadata?: MetadataPolicy;
}

const turners: Record<Format, (source: Buffer, job: Job) => Promise<Buffer>> = {
  jpeg: turnJpeg,
  png: turnPng,
  webp: turnWebp,
  gif: turnGif,
  tiff: turnTiff,
  avif: turnAvif,
  heic: turnHeic,
};

/**
 * A processor that turns an image upright by its own orientation, then by `angle`, and encodes it in the format
 * it came in, with its metadata. docs/images.md says what each format keeps.
 *
 * @throws {RangeError} where the angle is not finite, the background no colour, or `damaged` or `metadata` none of their words.
 */
export function rotate({
  angle,
  background,
  damaged = "repair",
  metadata = "keep",
}: RotateOptions): ImageOperation {
  if (!Number.isFinite(angle)) {
    throw new RangeError(`rotate: angle is ${angle}; it must be a finite number of degrees clockwise.`);
  }
  if (background !== undefined && !isColour(background)) {
    throw new RangeError(
      `rotate: background is ${JSON.stringify(background)}; r, g and b must be 0 to 255, alpha 0 to 1.`,
    );
  }
  if (damaged !== "repair" && damaged !== "reject") {
    throw new RangeError(`rotate: damaged is ${JSON.stringify(damaged)}; it must be "repair" or "reject".`);
  }
  if (!["keep", "no-location", "none"].includes(metadata)) {
    throw new RangeError(
      `rotate: metadata is ${JSON.stringify(metadata)}; it must be "keep", "no-location" or "none".`,
    );
  }
  return async (source, limits) => {
    const format = identify(source);
    const deadline = performance.now() + limits.seconds * 1000;
    // What a format cannot move at a quarter turn, its file says.
    const notes = { exact: isQuarter(turnFrom(undefined, angle)), repaired: [], dropped: [] };
    const job: Job = { angle, background, limits, metadata, deadline, notes };
    try {
      if (format !== "jpeg") await loadDecoder();
      const body = await turners[format](source, job);
      const { repaired } = job.notes;
      if (damaged === "reject" && repaired.length > 0) {
        throw new ImageRejected("corrupt", `${damagedFile(format)}: ${repaired.join("; ")}.`);
      }
      return { body, contentType: `image/${format}`, notes: job.notes };
    } catch (error) {
      throw rejection(error, format, job);
    }
  };
}

function isColour({ r, g, b, alpha }: Colour): boolean {
  return [r, g, b].every((value) => value >= 0 && value <= 255) && alpha >= 0 && alpha <= 1;
}

function damagedFile(format: Format): string {
  return `The ${format === "webp" ? "WebP" : format.toUpperCase()} is damaged`;
}

/** What a failure means: the image's fault, for which it is rejected, or ours, for which it is tried again. */
function rejection(error: unknown, format: Format, job: Job): unknown {
  if (!(error instanceof Error) || error instanceof ImageRejected) {
    return error;
  }
  const damaged = damagedFile(format);
  const code = "code" in error ? String(error.code) : "";
  if (/^ERR_(OUT_OF_RANGE|BUFFER_)/.test(code)) {
    return new ImageRejected("corrupt", `${damaged}: its lengths are wrong.`, { cause: error });
  }
  const ours = ["RangeError", "TypeError"].includes(error.name);
  if (ours || /^Expected |out of memory|could not allocate/i.test(error.message)) {
    return error;
  }
  if (/^timeout/i.test(error.message)) {
    return tooSlow(job, error);
  }
  const [line = ""] = error.message.replace(/^Input buffer has corrupt header:\s*/, "").split("\n");
  const how = line.replace(/^[\w-]+: |^Input buffer contains.*/, "").trim();
  return new ImageRejected("corrupt", how === "" ? `${damaged}.` : `${damaged}: ${how}.`, { cause: error });
}
