import type { Metadata, Sharp, SharpOptions } from "sharp";
import { ImageRejected, type Limits } from "./contract.ts";
import { isQuarter, type Size, type Turn } from "./geometry.ts";
import type { MetadataPolicy } from "./privacy.ts";

let sharp: typeof import("sharp").default | undefined;

/**
 * Loads the decoder, which has to be done before any image is opened. A JPEG that is turned without loss does without: it takes
 * longer to load than everything else.
 */
export async function loadDecoder(): Promise<void> {
  if (sharp) return;
  try {
    const { default: loaded } = await import("sharp");
    // Within a function of one processor: images one after the other, nothing kept between them.
    loaded.cache(false);
    loaded.concurrency(1);
    sharp = loaded;
  } catch (error) {
    // No fault of the image.
    throw new TypeError(`sharp cannot be loaded: ${(error as Error).message}`, { cause: error });
  }
}

function decoder(): NonNullable<typeof sharp> {
  if (sharp) return sharp;
  throw new TypeError("An image is opened before the decoder is loaded.");
}

/** What a format's file knows of the task besides the image itself. */
export interface Job {
  /** Degrees clockwise, after the image is upright. */
  readonly angle: number;
  /** Colour of the corners at angles that are no quarter turns. @default transparent with alpha, else white */
  readonly background: Colour | undefined;
  readonly limits: Limits;
  /** What of the metadata goes along. */
  readonly metadata: MetadataPolicy;
  /** When the work has to be over, in milliseconds of `performance.now()`. */
  readonly deadline: number;
  /** Where a format's file writes what there is to say of this image. */
  readonly notes: { exact: boolean; readonly repaired: string[]; readonly dropped: string[] };
}

/** Red, green, blue 0 to 255, alpha 0 to 1. */
export interface Colour {
  readonly r: number;
  readonly g: number;
  readonly b: number;
  readonly alpha: number;
}

const transparent: Colour = { r: 0, g: 0, b: 0, alpha: 0 };
const white: Colour = { r: 255, g: 255, b: 255, alpha: 1 };

/** Minimum pixels that a page of many counts as, for what it takes besides its pixels. */
const minPage = 4096;

/**
 * Refuses an image that costs more memory than there is, before a pixel of it is decoded.
 *
 * @param sizes The sizes of its pages.
 * @param weight How many pixels of the limit each pixel counts as.
 */
export function checkPixels(job: Job, sizes: readonly Size[], weight: number): void {
  const [{ width, height } = { width: 0, height: 0 }] = sizes;
  const min = sizes.length > 1 ? minPage : 0;
  let pixels = 0;
  for (const size of sizes.length > 0 ? sizes : [{ width, height }]) {
    if (!(size.width > 0 && size.height > 0)) {
      throw new ImageRejected("corrupt", "The image has a side of no length.");
    }
    pixels += Math.max(min, size.width * size.height);
  }
  if (pixels * weight > job.limits.pixels) {
    const pages = sizes.length > 1 ? `${sizes.length} pages, the first of ` : "";
    const count = `${megapixels(pixels * weight)} megapixels${weight > 1 ? " for the memory that they take" : ""}`;
    throw new ImageRejected(
      "too-many-pixels",
      `The image has ${pages}${width} × ${height} pixels, which count as ${count}; ` +
        `the maximum is ${megapixels(job.limits.pixels)}.`,
    );
  }
}

function megapixels(pixels: number): string {
  return (pixels / 1e6).toFixed(pixels < 1e7 ? 1 : 0);
}

/** Seconds that are left, at least one because sharp counts whole ones. */
export function secondsLeft(job: Job): number {
  const left = (job.deadline - performance.now()) / 1000;
  if (left <= 0) {
    throw tooSlow(job);
  }
  return Math.ceil(left);
}

export function tooSlow(job: Job, cause?: unknown): ImageRejected {
  return new ImageRejected(
    "too-slow",
    `Turning the image takes longer than the ${job.limits.seconds} s that there are.`,
    { cause },
  );
}

/** Opens encoded or raw pixels as they are: profiles are not applied, damage is an error. */
export function open(job: Job, source: Uint8Array, options?: SharpOptions): Sharp {
  return decoder()(source, {
    // For sharp, 0 is no limit.
    limitInputPixels: Math.max(1, Math.floor(job.limits.pixels)),
    failOn: "warning",
    sequentialRead: true,
    ignoreIcc: true,
    ...options,
  }).timeout({ seconds: secondsLeft(job) });
}

/** What an encoded image's header says, read without decoding. For formats whose containers are not read here. */
export function inspect(source: Buffer, options?: SharpOptions): Promise<Metadata> {
  return decoder()(source, { limitInputPixels: false, ...options }).metadata();
}

/**
 * Turns the pixels. Quarter turns move them; any other angle is resampled bicubically onto a canvas that has
 * grown to hold every corner.
 */
export function turnPixels(image: Sharp, turn: Turn, alpha: boolean, background: Colour | undefined): Sharp {
  const mirrored = turn.flop ? image.flop() : image;
  if (isQuarter(turn)) {
    return turn.degrees === 0 ? mirrored : mirrored.rotate(turn.degrees);
  }
  const radians = (turn.degrees / 180) * Math.PI;
  const [sin, cos] = [Math.sin(radians), Math.cos(radians)];
  const matrix: [[number, number], [number, number]] = [
    [cos, -sin],
    [sin, cos],
  ];
  return mirrored.affine(matrix, {
    interpolator: decoder().interpolators.bicubic,
    background: alpha ? premultiplied(background ?? transparent) : opaque(background),
  });
}

/** What the resampling expects, which multiplies the image's colours by its alpha, but not the background's. */
function premultiplied({ r, g, b, alpha }: Colour): Colour {
  return { r: r * alpha, g: g * alpha, b: b * alpha, alpha };
}

/** The colour as it looks on white. */
function opaque(colour: Colour | undefined): Colour {
  const { r, g, b, alpha } = colour ?? white;
  const onWhite = (value: number) => Math.round(value * alpha + 255 * (1 - alpha));
  return { r: onWhite(r), g: onWhite(g), b: onWhite(b), alpha: 1 };
}

/** Keeps a space that sharp would otherwise turn into 8-bit sRGB. `space` is libvips' name, for example `rgb16`. */
export function keepSpace(image: Sharp, space: string): Sharp {
  return space === "srgb" ? image : image.pipelineColourspace(space).toColourspace(space);
}
