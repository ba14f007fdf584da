import { type ImageOperation, ImageRejected } from "image-turn";
import sharp from "sharp";
import { rejectBadImages } from "./delivery/bad-image.ts";

export interface ThumbnailOptions {
  /** Length of the longer side in pixels, 16 to 4,096. A smaller image keeps its size. */
  readonly longestSide: number;
  /** What the thumbnail is encoded in, whatever the image was. */
  readonly format: "jpeg" | "png" | "webp" | "avif";
}

/** What sharp calls the formats that are read. It reads drawings and documents, too, which are no images. */
const READ = new Set(["jpeg", "png", "webp", "gif", "tiff", "heif"]);

/**
 * A processor that makes an image small enough to be looked at in a list: upright, in sRGB, without metadata, and
 * of an animation the first picture.
 */
export function thumbnail({ longestSide, format }: ThumbnailOptions): ImageOperation {
  return rejectBadImages(async (source, limits) => {
    const image = sharp(source, {
      // For sharp, 0 is no limit at all.
      limitInputPixels: Math.max(1, limits.pixels),
      failOn: "warning",
      sequentialRead: true,
    });
    const { format: found, compression } = await image.metadata();
    // The container of HEIC is read, but there is no decoder for what is in it.
    const name = compression === "hevc" ? "HEIC" : found;
    if (!READ.has(name)) {
      throw new ImageRejected("unsupported-format", `There are no thumbnails of ${name} files.`);
    }
    const small = image
      .autoOrient()
      .resize({ width: longestSide, height: longestSide, fit: "inside", withoutEnlargement: true })
      .timeout({ seconds: Math.ceil(limits.seconds) });
    // JPEG knows no transparency, and would show black.
    const opaque = format === "jpeg" ? small.flatten({ background: "white" }) : small;
    return { body: await opaque.toFormat(format).toBuffer(), contentType: `image/${format}` };
  });
}
