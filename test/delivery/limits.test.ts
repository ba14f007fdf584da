import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import sharp, { type Sharp } from "sharp";
import { gif, palette } from "../../packages/image-turn/test/corpus/gif.ts";
import { photograph } from "../../packages/image-turn/test/corpus/raster.ts";
import { rejection } from "../../packages/image-turn/test/tools.ts";
import { pixelLimit } from "../../src/delivery/limits.ts";

describe("the pixel limit", () => {
  it("grows with the function's memory, and leaves nothing where the runtime needs all", () => {
    expect(
      [128, 512, 1024, 1769, 10_240].map((memory) => Math.round(pixelLimit(memory) / 1e6)),
    ).to.deep.equal([0, 17, 42, 79, 501]);
  });

  it("lets a photograph of 12 megapixels through at 512 MB", () => {
    expect(pixelLimit(512)).to.be.above(12_000_000);
  });

  const memory = 400;
  const tile = photograph(1024, 1024);
  /** An image that counts as just less than the limit, each of its pixels counting `weight` times. */
  const atLimit = (weight: number, channels: 3 | 4, deep = false): Sharp => {
    const side = Math.floor(Math.sqrt(pixelLimit(memory) / weight));
    const data = deep ? new Uint16Array(side * side * channels) : new Uint8Array(side * side * channels);
    for (let index = 0; index < side * side; index += 1) {
      const from = (((Math.floor(index / side) & 1023) << 10) + ((index % side) & 1023)) * 3;
      for (let channel = 0; channel < channels; channel += 1) {
        data[index * channels + channel] = (tile.data[from + (channel % 3)] as number) * (deep ? 257 : 1);
      }
    }
    const depth = deep ? { depth: "ushort" as const } : {};
    const image = sharp(data, { raw: { width: side, height: side, channels, ...depth } });
    return deep ? image.toColourspace("rgb16") : image;
  };
  const animation = () => {
    const pages = Math.floor(pixelLimit(memory) / 512 ** 2);
    const frame = { left: 0, top: 0, width: 512, height: 512 };
    const indices = (page: number) =>
      Uint8Array.from({ length: 512 ** 2 }, (_, index) => (index ^ page) & 15);
    const frames = Array.from({ length: pages }, (_, page) => ({
      ...frame,
      indices: indices(page),
      delay: 4,
    }));
    return gif({ width: 512, height: 512, palette, frames, loop: 0 });
  };
  const kinds: [string, number, () => Buffer | Promise<Buffer>][] = [
    [
      "an RGB JPEG in 4:4:4",
      90,
      () => atLimit(1, 3).jpeg({ quality: 92, chromaSubsampling: "4:4:4" }).toBuffer(),
    ],
    [
      "an RGB JPEG in 4:4:4",
      45,
      () => atLimit(1.6, 3).jpeg({ quality: 92, chromaSubsampling: "4:4:4" }).toBuffer(),
    ],
    ["an RGBA PNG", 90, () => atLimit(1, 4).png({ compressionLevel: 1 }).toBuffer()],
    ["a 16-bit RGBA PNG", 90, () => atLimit(1.4, 4, true).png({ compressionLevel: 1 }).toBuffer()],
    ["a lossless WebP with alpha", 90, () => atLimit(2.7, 4).webp({ lossless: true, effort: 0 }).toBuffer()],
    ["a 16-bit RGBA TIFF", 90, () => atLimit(1.4, 4, true).tiff({ compression: "none" }).toBuffer()],
    ["an animated GIF", 90, animation],
  ];
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "limits-"));
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const [name, angle, build] of kinds) {
    it(`keeps ${name} that is just below it within the memory, turned by ${angle}`, async function () {
      if (process.platform !== "linux") {
        this.skip();
      }
      const file = join(folder, "source");
      writeFileSync(file, await build());
      const script = join(import.meta.dirname, "peak.ts");
      const env = { ...process.env, MALLOC_ARENA_MAX: "2" };
      const words = [script, file, String(angle), String(pixelLimit(memory))];
      const peak = Number(execFileSync(process.execPath, words, { env }));
      // 60 MB for what a function has loaded besides: its runtime's own parts and the SDK.
      expect(peak + 60).to.be.below(memory);
    });
  }

  it("counts all pages of an animation", async () => {
    const frame = { left: 0, top: 0, width: 100, height: 100, indices: new Uint8Array(10_000) };
    const source = gif({ width: 100, height: 100, palette, frames: new Array(30).fill(frame) });
    expect(await rejection(source, "too-many-pixels", { pixels: 299_999, seconds: 5 })).to.include(
      "30 pages",
    );
  });
});
