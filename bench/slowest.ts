/**
 * `node bench/slowest.ts [WORD…]`: processor seconds for each megapixel of the limit, of the kinds of image that take
 * the longest. The worst of them decides how long the largest image that is accepted may take.
 */

import { rotate } from "image-turn";
import { weight } from "image-turn/weights";
import sharp, { type Sharp } from "sharp";
import { gif } from "../packages/image-turn/test/corpus/gif.ts";
import { photograph } from "../packages/image-turn/test/corpus/raster.ts";

type Kind = Parameters<typeof weight>[0];

const WIDTH = 1600;
const HEIGHT = 1200;

/** Incompressible, or as a photograph is. */
function pixels(kind: "noise" | "photo", width: number, height: number, channels: 3 | 4 = 3): Sharp {
  const data = Buffer.alloc(width * height * channels, 200);
  if (kind === "noise") for (let at = 0; at < data.length; at++) data[at] = (at * 2654435761) >>> 23;
  if (kind === "noise") for (let at = 0; at < data.length; at++) data[at] = Math.floor(Math.random() * 256);
  else {
    const tile = photograph(width, height).data;
    for (let at = 0; at < width * height; at++)
      for (let channel = 0; channel < 3; channel++)
        data[at * channels + channel] = tile[at * 3 + channel] as number;
  }
  return sharp(data, { raw: { width, height, channels } });
}

const still =
  (what: "noise" | "photo", encode: (image: Sharp) => Sharp, channels: 3 | 4 = 3) =>
  () =>
    encode(pixels(what, WIDTH, HEIGHT, channels)).toBuffer();

function frames(width: number, height: number, count: number, what: "noise" | "photo"): Promise<Buffer> {
  const base = photograph(width, height).data;
  const palette = Buffer.from(Array.from({ length: 768 }, (_, index) => (index * 7) & 255));
  const all = Array.from({ length: count }, (_, page) => ({
    left: 0,
    top: 0,
    width,
    height,
    delay: 5,
    indices: Uint8Array.from({ length: width * height }, (_, at) =>
      what === "noise" ? Math.floor(Math.random() * 256) : (base[at * 3] as number) ^ page,
    ),
  }));
  return Promise.resolve(gif({ width, height, palette, frames: all, loop: 0 }));
}
const webp = async (source: Promise<Buffer>, options: object) =>
  sharp(await source, { animated: true, limitInputPixels: false })
    .webp({ effort: 0, ...options })
    .toBuffer();

const tiny = 1500;
const cases: [
  string,
  Kind | ((quarter: boolean, frames: number) => number),
  number,
  number,
  () => Promise<Buffer>,
][] = [];
const mp = (WIDTH * HEIGHT) / 1e6;
for (const what of ["photo", "noise"] as const) {
  cases.push(
    [`JPEG ${what}`, "jpeg", mp, 1, still(what, (i) => i.jpeg({ quality: 95, chromaSubsampling: "4:4:4" }))],
    [
      `JPEG ${what} mozjpeg`,
      "jpeg",
      mp,
      1,
      still(what, (i) => i.jpeg({ quality: 95, chromaSubsampling: "4:4:4", mozjpeg: true })),
    ],
    [`PNG ${what}`, "png8", mp, 1, still(what, (i) => i.png({ adaptiveFiltering: true }), 4)],
    [
      `PNG ${what} 16-bit`,
      "png16",
      mp,
      1,
      still(what, (i) => i.toColourspace("rgb16").png({ adaptiveFiltering: true })),
    ],
    [`PNG ${what} palette`, "png8", mp, 1, still(what, (i) => i.png({ palette: true, effort: 1 }))],
    [`WebP ${what}`, "webp", mp, 1, still(what, (i) => i.webp({ quality: 90, effort: 0 }))],
    [`WebP ${what} alpha`, "webpExact", mp, 1, still(what, (i) => i.webp({ quality: 90, effort: 0 }), 4)],
    [`WebP ${what} lossless`, "webpExact", mp, 1, still(what, (i) => i.webp({ lossless: true, effort: 0 }))],
    [
      `TIFF ${what} lzw`,
      "tiff8",
      mp,
      1,
      still(what, (i) => i.tiff({ compression: "lzw", predictor: "horizontal" })),
    ],
    [
      `TIFF ${what} deflate`,
      "tiff8",
      mp,
      1,
      still(what, (i) => i.tiff({ compression: "deflate", predictor: "horizontal" })),
    ],
    [
      `TIFF ${what} 16-bit`,
      "tiff16",
      mp,
      1,
      still(what, (i) => i.toColourspace("rgb16").tiff({ compression: "deflate" })),
    ],
    [`AVIF ${what}`, "avif8", mp, 1, still(what, (i) => i.avif({ quality: 60, effort: 0 }))],
    [`GIF ${what} one`, "gif", mp, 1, () => frames(WIDTH, HEIGHT, 1, what)],
    [`GIF ${what} 24`, "gif", (320 * 240 * 24) / 1e6, 24, () => frames(320, 240, 24, what)],
    [`GIF ${what} tiny`, "gif", (4096 * tiny) / 1e6, tiny, () => frames(4, 4, tiny, what)],
  );
  const exact = (quarter: boolean, count: number) =>
    weight("webp", quarter) + weight("webpExact", quarter) / Math.max(1, count);
  cases.push(
    [
      `WebP ${what} 24`,
      exact,
      (320 * 240 * 24) / 1e6,
      24,
      () => webp(frames(320, 240, 24, what), { quality: 80 }),
    ],
    [
      `WebP ${what} 24 lossless`,
      exact,
      (320 * 240 * 24) / 1e6,
      24,
      () => webp(frames(320, 240, 24, what), { lossless: true }),
    ],
    [
      `WebP ${what} 4 large`,
      exact,
      (1000 * 800 * 4) / 1e6,
      4,
      () => webp(frames(1000, 800, 4, what), { lossless: true }),
    ],
    [
      `WebP ${what} tiny`,
      exact,
      (4096 * tiny) / 1e6,
      tiny,
      () => webp(frames(4, 4, tiny, what), { lossless: true }),
    ],
  );
}

const words = process.argv.slice(2);
console.log("| image | angle | megapixels of the limit | s | s a megapixel of the limit |");
console.log("|---|---|---|---|---|");
for (const [name, kind, megapixels, count, make] of cases) {
  if (!words.every((word) => name.includes(word))) continue;
  const source = await make();
  for (const angle of [90, 45]) {
    const counted =
      megapixels * (typeof kind === "function" ? kind(angle === 90, count) : weight(kind, angle === 90));
    let least = Infinity;
    try {
      for (let round = 0; round < 2; round++) {
        const before = process.cpuUsage();
        await rotate({ angle })(source, { pixels: 1e9, seconds: 600 });
        const { user, system } = process.cpuUsage(before);
        least = Math.min(least, (user + system) / 1e6);
      }
      console.log(
        `| ${name} | ${angle} | ${counted.toFixed(1)} | ${least.toFixed(2)} | ${(least / counted).toFixed(3)} |`,
      );
    } catch (error) {
      console.log(`| ${name} | ${angle} | ${(error as Error).message} |`);
    }
  }
}
