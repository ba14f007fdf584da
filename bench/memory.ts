/** `node bench/memory.ts [WORD…]`: bytes that a pixel of each kind of image takes at most while it is turned. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rotate } from "image-turn";
import sharp, { type Sharp } from "sharp";
import { gif } from "../packages/image-turn/test/corpus/gif.ts";
import { photograph } from "../packages/image-turn/test/corpus/raster.ts";

function peak(): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "latin1"))?.[1]) * 1024;
}

const [first, ...rest] = process.argv.slice(2);
if (first === "one") {
  const source = readFileSync(rest[0] as string);
  const turn = rotate({ angle: Number(rest[1]) });
  const before = peak();
  await turn(source, { pixels: 1e9, seconds: 600 });
  process.stdout.write(String(peak() - before));
  process.exit();
}

const side = 3072;
const tile = photograph(side, side);
function image(channels: 1 | 3 | 4, deep = false): Sharp {
  const samples = side * side * channels;
  const data = deep ? new Uint16Array(samples) : new Uint8Array(samples);
  for (let index = 0; index < samples; index += 1) {
    data[index] =
      ((tile.data[Math.floor((index / channels) * 3)] as number) * (deep ? 257 : 1)) ^ (index & 3);
  }
  const raw = { width: side, height: side, channels, ...(deep && { depth: "ushort" as const }) };
  const plain = sharp(data, { raw, limitInputPixels: false });
  return channels === 1
    ? plain.toColourspace(deep ? "grey16" : "b-w")
    : deep
      ? plain.toColourspace("rgb16")
      : plain;
}
const frame = (width: number, height: number, page: number) => ({
  ...{ left: 0, top: 0, width, height },
  indices: Uint8Array.from({ length: width * height }, (_, index) => (tile.data[index * 3] as number) ^ page),
});
const palette = Buffer.from(Array.from({ length: 768 }, (_, index) => (index * 7) & 255));
const animated = () =>
  gif({
    width: 512,
    height: 512,
    palette,
    loop: 0,
    frames: Array.from({ length: 36 }, (_, page) => frame(512, 512, page)),
  });

const kinds: Record<string, () => Promise<Buffer> | Buffer> = {
  "JPEG 4:2:0": () => image(3).jpeg({ quality: 85 }).toBuffer(),
  "JPEG 4:4:4": () => image(3).jpeg({ quality: 95, chromaSubsampling: "4:4:4" }).toBuffer(),
  "JPEG 4:4:4 progressive": () =>
    image(3).jpeg({ quality: 95, chromaSubsampling: "4:4:4", progressive: true }).toBuffer(),
  "JPEG CMYK": () => image(3).toColourspace("cmyk").jpeg({ quality: 95 }).toBuffer(),
  "PNG RGB": () => image(3).png().toBuffer(),
  "PNG RGBA": () => image(4).png().toBuffer(),
  "PNG RGBA interlaced": () => image(4).png({ progressive: true }).toBuffer(),
  "PNG RGB 16-bit": () => image(3, true).png().toBuffer(),
  "PNG RGBA 16-bit": () => image(4, true).png({ compressionLevel: 1 }).toBuffer(),
  "PNG palette": () => image(1).png({ palette: true, colours: 64, effort: 1 }).toBuffer(),
  "WebP lossy": () => image(3).webp({ effort: 1 }).toBuffer(),
  "WebP lossy alpha": () => image(4).webp({ effort: 1 }).toBuffer(),
  "WebP lossless": () => image(3).webp({ lossless: true, effort: 0 }).toBuffer(),
  "WebP lossless alpha": () => image(4).webp({ lossless: true, effort: 0 }).toBuffer(),
  "WebP animated": () => sharp(animated(), { animated: true }).webp({ effort: 1 }).toBuffer(),
  "TIFF RGB": () => image(3).tiff({ compression: "lzw" }).toBuffer(),
  "TIFF RGB uncompressed": () => image(3).tiff({ compression: "none" }).toBuffer(),
  "TIFF RGBA 16-bit": () => image(4, true).tiff({ compression: "none" }).toBuffer(),
  AVIF: () => image(3).avif({ effort: 0, quality: 50 }).toBuffer(),
  "AVIF alpha": () => image(4).avif({ effort: 0, quality: 50 }).toBuffer(),
  "AVIF 10-bit 4:4:4": () =>
    image(3).avif({ effort: 0, bitdepth: 10, chromaSubsampling: "4:4:4" }).toBuffer(),
  GIF: () => gif({ width: side, height: side, palette, frames: [frame(side, side, 0)] }),
  "GIF animated": animated,
};

const folder = mkdtempSync(join(tmpdir(), "bench-"));
const words = process.argv.slice(2);
console.log("| image | bytes a pixel, 90° | 45° |\n|---|---|---|");
try {
  for (const [name, build] of Object.entries(kinds).filter(([name]) =>
    words.every((word) => name.includes(word)),
  )) {
    const file = join(folder, "source");
    const source = await build();
    writeFileSync(file, source);
    const env = { ...process.env, MALLOC_ARENA_MAX: "2" };
    const bytes = ["90", "45"].map((angle) => {
      const grown = Number(
        execFileSync(process.execPath, [import.meta.filename, "one", file, angle], { env }),
      );
      return ((grown + source.length) / (side * side)).toFixed(1);
    });
    console.log(`| ${name} | ${bytes.join(" | ")} |`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
