import { expect } from "chai";
import sharp from "sharp";
import { decodeLzw, encodeLzw } from "../src/formats/gif/gif-lzw.ts";
import { rotate } from "../src/rotate.ts";
import { xmp } from "./corpus/exif.ts";
import { animatedGif, gif, palette } from "./corpus/gif.ts";
import { difference, quarters } from "./corpus/raster.ts";
import { decodeFrames, limits, rejection, turned, turnedAround } from "./tools.ts";

function still(width: number, height: number, interlaced = false): Buffer {
  const indices = Array.from({ length: width * height }, (_, index) => (index * 7 + (index >> 5)) % 16);
  return gif({ width, height, palette, frames: [{ left: 0, top: 0, width, height, indices, interlaced }] });
}

/** The file with the beginning of another block in place of its trailer. */
function appended(file: Buffer, bytes: readonly number[]): Buffer {
  return Buffer.concat([file.subarray(0, -1), Buffer.from(bytes)]);
}

describe("a GIF", () => {
  for (const interlaced of [false, true]) {
    it(`${interlaced ? "that is interlaced " : ""}is turned exactly, with its palette as it was`, async () => {
      const source = still(37, 23, interlaced);
      const result = await turned(source, 90);
      expect(result.subarray(13, 13 + 48).equals(palette)).to.equal(true);
      const [before] = await decodeFrames(source);
      const [after] = await decodeFrames(result);
      expect(before && after && difference(after, quarters(before, 1)).largest).to.equal(0);
      expect((result.readUInt8(13 + 48 + 8 + 9) & 0x40) !== 0).to.equal(interlaced);
    });
  }

  for (const angle of [90, 180, 270, -90, 450]) {
    it(`that is animated looks the same in every frame, turned by ${angle}`, async () => {
      const source = animatedGif();
      const before = await decodeFrames(source);
      const after = await decodeFrames(await turned(source, angle));
      expect(after.length).to.equal(before.length);
      for (const [page, frame] of before.entries()) {
        expect(difference(after[page] as typeof frame, quarters(frame, angle / 90)).largest).to.equal(0);
      }
    });
  }

  it("that is animated keeps frames, delays, loop, disposal and comments", async () => {
    const source = animatedGif();
    const result = await turned(source, 90);
    const [before, after] = [await sharp(source).metadata(), await sharp(result).metadata()];
    expect([after.pages, after.loop, after.delay]).to.deep.equal([before.pages, before.loop, before.delay]);
    const controls = (file: Buffer) => file.toString("hex").match(/21f904.{10}/g);
    expect(controls(result)).to.deep.equal(controls(source));
    expect(result.includes("drawn for a test")).to.equal(true);
  });

  it("keeps a comment on XMP as it is", async () => {
    const comment = 'XMP DataXMP tiff:ImageWidth="8"';
    const frame = { left: 0, top: 0, width: 4, height: 2, indices: new Uint8Array(8) };
    const source = gif({ width: 4, height: 2, palette, frames: [frame], comment });
    expect((await turned(source, 90)).includes(comment)).to.equal(true);
  });

  it("is the same file's pixels after four quarters, there and back, and two quarters for a half", async () => {
    const source = animatedGif();
    const frames = await decodeFrames(source);
    expect(await decodeFrames(await turnedAround(source))).to.deep.equal(frames);
    expect(await decodeFrames(await turned(await turned(source, 90), -90))).to.deep.equal(frames);
    const twice = await turned(await turned(source, 90), 90);
    expect((await turned(source, 180)).equals(twice)).to.equal(true);
  });

  it("turned by 45 degrees grows, has transparent corners, and keeps delays and loop", async () => {
    const source = animatedGif(24, 24);
    const result = await turned(source, 45);
    const [before, after] = [await sharp(source).metadata(), await sharp(result).metadata()];
    expect([after.width, after.pages, after.loop]).to.deep.equal([34, before.pages, before.loop]);
    expect(after.delay).to.deep.equal(before.delay);
    const [first] = await decodeFrames(result);
    expect(first?.data[3]).to.equal(0);
  });

  it("keeps delays longer than the encoder takes, up to the eleven minutes that the format has", async () => {
    const indices = Uint8Array.from({ length: 64 }, (_, index) => index % 16);
    const frame = { left: 0, top: 0, width: 8, height: 8, indices };
    const frames = [12_000, 7, 65_535].map((delay) => ({ ...frame, delay }));
    const source = gif({ width: 8, height: 8, palette, frames, loop: 0 });
    for (const angle of [90, 45]) {
      const { delay } = await sharp(await turned(source, angle)).metadata();
      expect(delay).to.deep.equal([120_000, 70, 655_350]);
    }
  });

  it("turned by 45 degrees has corners of a background that is given", async () => {
    const background = { r: 255, g: 0, b: 0, alpha: 1 };
    const { body } = await rotate({ angle: 45, background })(animatedGif(24, 24), limits);
    const [first] = await decodeFrames(body);
    expect([...(first?.data.subarray(0, 4) ?? [])]).to.deep.equal([255, 0, 0, 255]);
  });

  it("has the shape of its pixels turned too", async () => {
    const source = still(8, 4);
    source.writeUInt8(113, 12); // (113 + 15) / 64: twice as wide as high
    expect((await turned(source, 90)).readUInt8(12)).to.equal(17); // a half
    expect((await turned(source, 180)).readUInt8(12)).to.equal(113);
  });

  it("keeps XMP", async () => {
    const source = still(8, 4);
    const packet = xmp(6);
    const trailer = Buffer.from(
      Array.from({ length: 258 }, (_, index) => (index === 0 ? 1 : Math.max(0, 256 - index))),
    );
    const extension = Buffer.concat([Buffer.from("\x21\xff\x0bXMP DataXMP", "latin1"), packet, trailer]);
    const result = await turned(Buffer.concat([source.subarray(0, 61), extension, source.subarray(61)]), 90);
    expect(result.toString("latin1")).to.include('dc:source="drawn"');
    expect((await decodeFrames(result)).length).to.equal(1);
  });

  for (const [words, where, cut] of [
    ["the trailer is missing", "", (file: Buffer) => file.subarray(0, -1)],
    // The terminator of the last frame's pixels, and with it the end of its codes.
    ["its last block is cut off", "in the terminator of its pixels", (file: Buffer) => file.subarray(0, -2)],
    ["its last block is cut off", "in the end of its codes", (file: Buffer) => file.subarray(0, -3)],
    ["its last block is cut off", "in a comment", (file: Buffer) => appended(file, [0x21, 0xfe, 9, 65])],
    ["its last block is cut off", "in an extension's label", (file: Buffer) => appended(file, [0x21])],
    [
      "its last block is cut off",
      "in a frame's header",
      (file: Buffer) => appended(file, [0x2c, 0, 0, 0, 0, 8, 0, 8]),
    ],
    [
      "its last block is cut off",
      "before a frame's pixels",
      (file: Buffer) => appended(file, [0x2c, 0, 0, 0, 0, 8, 0, 8, 0, 0, 8]),
    ],
    ["3 bytes are behind its end", "", (file: Buffer) => Buffer.concat([file, Buffer.alloc(3)])],
  ] as const) {
    it(`of which ${`${words} ${where}`.trim()} is turned where its frames are complete, and says so`, async () => {
      for (const sound of [still(37, 23), animatedGif()]) {
        for (const angle of [90, 45]) {
          const { body, notes } = await rotate({ angle })(cut(sound), limits);
          expect(notes?.repaired).to.deep.equal([words]);
          expect(body.equals(await turned(sound, angle))).to.equal(true);
          const strict = rotate({ angle, damaged: "reject" });
          const failure = await strict(cut(sound), limits).catch((error) => error);
          expect([failure.code, failure.message]).to.deep.equal(["corrupt", `The GIF is damaged: ${words}.`]);
          expect((await strict(sound, limits)).notes?.repaired).to.deep.equal([]);
        }
      }
    });
  }

  it("whose last frame has too few pixels is rejected at any angle", async () => {
    for (const sound of [still(37, 23), animatedGif()]) {
      for (const angle of [90, 45]) {
        for (const missing of [10, 30]) {
          const cut = sound.subarray(0, -missing);
          const failure = await rotate({ angle })(cut, limits).catch((error) => error);
          expect([failure.code, failure.message]).to.deep.equal([
            "corrupt",
            "The GIF is damaged: a frame has too few pixels.",
          ]);
        }
      }
    }
    expect(await rejection(still(37, 23).subarray(0, 61), "corrupt")).to.include("ends too early");
  });

  it("with a frame outside its canvas is rejected", async () => {
    const frame = { left: 5, top: 0, width: 4, height: 4, indices: new Array(16).fill(0) };
    await rejection(gif({ width: 8, height: 8, palette, frames: [frame] }), "corrupt");
  });
});

describe("GIF's compression", () => {
  for (const [name, indexAt] of [
    ["noise", (index: number) => (Math.imul(index ^ (index >> 3), 2654435761) >>> 13) & 255],
    ["one colour", () => 3],
    ["stripes", (index: number) => (index >> 4) & 1],
  ] as const) {
    it(`decodes what it encodes: ${name}`, () => {
      for (const length of [1, 2, 255, 4096, 60_000]) {
        const indices = Uint8Array.from({ length }, (_, index) => indexAt(index));
        expect(decodeLzw(8, encodeLzw(8, indices), length)).to.deep.equal(indices);
      }
    });
  }
});
