import sharp, { type Sharp } from "sharp";
import { gif } from "../packages/image-turn/test/corpus/gif.ts";
import { photograph, type Raster } from "../packages/image-turn/test/corpus/raster.ts";

/** An image to be turned, and the bare sharp call that gives the nearest result. */
export interface Case {
  readonly name: string;
  /** Pixels, summed over all pages. */
  readonly pixels: number;
  readonly source: () => Promise<Buffer>;
  /** A quarter turn by sharp alone with our output settings. */
  readonly bare: (source: Buffer) => Promise<Buffer>;
}

/** A photograph of some megapixels, 4:3. Large ones repeat a smaller one, so that drawing them takes no minutes. */
function photo(
  megapixels: number,
  channels: Raster["channels"] = 3,
): { image: Sharp; width: number; height: number } {
  const height = Math.round(Math.sqrt((megapixels * 1e6 * 3) / 4 / 256)) * 16;
  const width = Math.round((height * 4) / 3 / 16) * 16;
  const tile = photograph(1024, 768);
  const data = Buffer.alloc(width * height * channels, 200);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const from = ((y % 768) * 1024 + (x % 1024)) * 3;
      for (let channel = 0; channel < Math.min(3, channels); channel += 1) {
        data[(y * width + x) * channels + channel] = tile.data[from + channel] as number;
      }
    }
  }
  const image = sharp(data, { raw: { width, height, channels }, limitInputPixels: false });
  return { image: channels < 3 ? image.toColourspace("b-w") : image, width, height };
}

function still(
  name: string,
  megapixels: number,
  encode: (image: Sharp) => Sharp,
  output: (image: Sharp) => Sharp = encode,
  channels: Raster["channels"] = 3,
): Case {
  return {
    name,
    pixels: megapixels * 1e6,
    source: () => encode(photo(megapixels, channels).image).toBuffer(),
    bare: (source) =>
      output(sharp(source, { limitInputPixels: false }).autoOrient().rotate(90).keepMetadata()).toBuffer(),
  };
}

function animated(name: string, width: number, height: number, pages: number): Case {
  return {
    name,
    pixels: width * height * pages,
    source: async () => {
      const { data } = photograph(width, height);
      const frames = Array.from({ length: pages }, (_, page) => {
        const indices = Uint8Array.from(
          { length: width * height },
          (_, index) => (data[index * 3] as number) ^ page,
        );
        return { left: 0, top: 0, width, height, indices, delay: 5 };
      });
      const palette = Buffer.from(Array.from({ length: 768 }, (_, index) => (index * 7) & 255));
      const source = gif({ width, height, palette, frames, loop: 0 });
      return name.startsWith("WebP")
        ? sharp(source, { animated: true }).webp({ quality: 80, effort: 2 }).toBuffer()
        : source;
    },
    bare: async (source) => {
      const { pages: count = 1, delay = [], loop = 0 } = await sharp(source).metadata();
      const turned: Buffer[] = [];
      for (let page = 0; page < count; page += 1) {
        turned.push(await sharp(source, { page }).rotate(90).png({ compressionLevel: 0 }).toBuffer());
      }
      const joined = sharp(turned, { join: { animated: true } });
      return name.startsWith("WebP")
        ? joined.webp({ quality: 80, exact: true, effort: 2, delay, loop }).toBuffer()
        : joined.gif({ delay, loop }).toBuffer();
    },
  };
}

const jpeg = (image: Sharp) => image.jpeg({ quality: 85 });
const progressive = (image: Sharp) => image.jpeg({ quality: 85, progressive: true });
const detailed = (image: Sharp) => image.jpeg({ quality: 94 });
const fine = (image: Sharp) => image.jpeg({ quality: 95, chromaSubsampling: "4:4:4" });
const png = (image: Sharp) => image.png();
const deep = (image: Sharp) => image.toColourspace("rgb16").png();
const lossy = (image: Sharp) => image.webp({ quality: 80, exact: true, effort: 2 });
const lossless = (image: Sharp) => image.webp({ lossless: true, exact: true, effort: 1 });
const lzw = (image: Sharp) => image.tiff({ compression: "lzw", predictor: "horizontal" });
const wide = (image: Sharp) => image.toColourspace("rgb16").tiff({ compression: "none", predictor: "none" });

export const cases: readonly Case[] = [
  still("JPEG 0.3 MP", 0.3, jpeg),
  still("JPEG 2 MP", 2, jpeg),
  still("JPEG 12 MP", 12, jpeg),
  still("JPEG 12 MP of 3 MB", 12, detailed),
  still("JPEG 48 MP", 48, jpeg),
  still("JPEG 12 MP progressive", 12, progressive),
  still("JPEG 12 MP 4:4:4", 12, fine),
  still("PNG 2 MP", 2, png),
  still("PNG 12 MP", 12, png),
  still("PNG 12 MP alpha", 12, png, png, 4),
  still("PNG 12 MP 16-bit", 12, deep),
  still("PNG 2 MP palette", 2, (image) => image.png({ palette: true, colours: 64, effort: 1 })),
  still("WebP 2 MP", 2, lossy),
  still("WebP 12 MP", 12, lossy),
  still("WebP 2 MP lossless", 2, lossless),
  still("TIFF 12 MP", 12, lzw),
  still("TIFF 12 MP 16-bit", 12, wide),
  still("AVIF 2 MP", 2, (image) => image.avif({ quality: 60, effort: 0 })),
  still("AVIF 12 MP", 12, (image) => image.avif({ quality: 60, effort: 0 })),
  animated("GIF 24 frames of 320 × 240", 320, 240, 24),
  animated("WebP 24 frames of 320 × 240", 320, 240, 24),
];
