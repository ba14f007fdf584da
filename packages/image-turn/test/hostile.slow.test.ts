import { crc32, deflateSync } from "node:zlib";
import { expect } from "chai";
import sharp from "sharp";
import { cpuSeconds } from "../../../test/support/cpu.ts";
import { ImageRejected } from "../src/contract.ts";
import { rotate } from "../src/rotate.ts";
import { exif } from "./corpus/exif.ts";
import { files } from "./corpus/files.ts";
import { animatedGif, gif, palette } from "./corpus/gif.ts";
import { heif, number, phonePhoto } from "./corpus/heif.ts";
import { exifSegment, jpeg, withSegments } from "./corpus/jpeg.ts";
import { file, header, png, pngOf } from "./corpus/png.ts";
import { picture } from "./corpus/raster.ts";
import { fieldsOf, pageOf, tiff } from "./corpus/tiff.ts";
import { chunksOf, file as webpFile } from "./corpus/webp.ts";
import { fuzz } from "./fuzz.ts";
import { limits, rejection, turned } from "./tools.ts";

describe("a hostile image", () => {
  describe("that ends too early", () => {
    it("is rejected or turned wherever it ends, and never anything else", async () => {
      for (const [name, source] of await files()) {
        const step = Math.max(1, Math.floor(source.length / 120));
        for (let length = 0; length < source.length; length += step) {
          const failure = await rotate({ angle: 90 })(source.subarray(0, length), limits).catch(
            (error) => error,
          );
          if (failure instanceof Error) {
            expect(failure, `${name} of ${length} bytes: ${failure.stack}`).to.be.instanceOf(ImageRejected);
          }
        }
      }
    }).timeout(20_000);

    it("is rejected where pixels are missing", async () => {
      const { data } = picture(400, 300);
      const image = sharp(data, { raw: { width: 400, height: 300, channels: 3 } });
      for (const source of [
        await image.clone().jpeg().toBuffer(),
        await image.clone().jpeg({ progressive: true }).toBuffer(),
        await image.clone().png().toBuffer(),
        await image.clone().png({ palette: true }).toBuffer(),
        await image.clone().webp().toBuffer(),
        await image.clone().webp({ lossless: true }).toBuffer(),
        await image.clone().gif().toBuffer(),
        await image.clone().tiff({ compression: "none" }).toBuffer(),
        await image.clone().tiff({ compression: "lzw" }).toBuffer(),
        await image.clone().tiff({ compression: "deflate" }).toBuffer(),
        await image.clone().tiff({ compression: "packbits" }).toBuffer(),
        await image.clone().tiff({ compression: "jpeg" }).toBuffer(),
        await image.clone().avif({ effort: 0 }).toBuffer(),
      ]) {
        for (const part of [0.5, 0.9, 0.99]) {
          await rejection(source.subarray(0, Math.floor(source.length * part)), "corrupt");
        }
      }
    });
  });

  describe("that is a bomb is rejected before its pixels are decoded:", () => {
    it("a PNG of 40,000 × 40,000", async () => {
      const rows = deflateSync(Buffer.alloc(1 << 20));
      const huge = { width: 40_000, height: 40_000, depth: 8, colour: 2 } as const;
      const bomb = file([
        ["IHDR", header(huge)],
        ["IDAT", rows],
        ["IEND", Buffer.alloc(0)],
      ]);
      await rejection(bomb, "too-many-pixels");
      const palette = file([
        ["IHDR", header({ ...huge, colour: 3 })],
        ["PLTE", Buffer.alloc(3)],
        ["IDAT", rows],
        ["IEND", Buffer.alloc(0)],
      ]);
      await rejection(palette, "too-many-pixels");
    });

    it("a PNG with more pixels than its size says", async () => {
      const data = deflateSync(Buffer.alloc(200_000_000));
      for (const depth of [1, 8] as const) {
        const small = { width: 10, height: 10, depth, colour: 3 } as const;
        const bomb = file([
          ["IHDR", header(small)],
          ["PLTE", Buffer.alloc(6)],
          ["IDAT", data],
          ["IEND", Buffer.alloc(0)],
        ]);
        await rejection(bomb, "corrupt");
      }
    });

    it("a GIF of 60,000 × 60,000, and one of 100,000 pages", async () => {
      const frame = { left: 0, top: 0, width: 1, height: 1, indices: [0] };
      await rejection(gif({ width: 60_000, height: 60_000, palette, frames: [frame] }), "too-many-pixels");
      const pages = new Array(100_000).fill(frame);
      expect(
        await rejection(gif({ width: 1, height: 1, palette, frames: pages }), "too-many-pixels"),
      ).to.include("100000 pages");
      const larger = new Array(1000).fill(frame);
      await rejection(gif({ width: 300, height: 300, palette, frames: larger }), "too-many-pixels");
    });

    it("a WebP and a TIFF of enormous sides, and a TIFF of 50,000 pages", async () => {
      const head = Buffer.alloc(10);
      head.writeUIntLE(0xffffff, 4, 3);
      head.writeUIntLE(0xffff, 7, 3);
      const still = await sharp(picture(8, 8).data, { raw: { width: 8, height: 8, channels: 3 } })
        .webp()
        .toBuffer();
      await rejection(webpFile([{ type: "VP8X", data: head }, ...chunksOf(still)]), "too-many-pixels");
      await rejection(
        tiff([{ ...pageOf(picture(8, 8)), width: 100_000, height: 100_000 }]),
        "too-many-pixels",
      );
      const page = pageOf(picture(1, 1));
      await rejection(tiff(new Array(50_000).fill(page)), "too-many-pixels");
    });

    it("a JPEG and an AVIF whose headers state more than there is", async () => {
      const source = await jpeg(picture(64, 48));
      source.writeUInt32BE(0xffffffff, source.indexOf(Buffer.from([0xff, 0xc0])) + 5);
      await rejection(source, "too-many-pixels");
      const avif = await sharp(picture(64, 48).data, { raw: { width: 64, height: 48, channels: 3 } })
        .avif({ effort: 0 })
        .toBuffer();
      const sizes = avif.indexOf("ispe") + 8;
      avif.writeUInt32BE(30_000, sizes);
      avif.writeUInt32BE(30_000, sizes + 4);
      await rejection(avif, "too-many-pixels");
    });

    it("an Exif thumbnail of 65,000 × 65,000, which is dropped", async () => {
      const thumbnail = await jpeg(picture(16, 16));
      thumbnail.writeUInt32BE(0xfde8fde8, thumbnail.indexOf(Buffer.from([0xff, 0xc0])) + 5);
      const source = withSegments(await jpeg(picture(64, 48)), [
        exifSegment(exif({ orientation: 1, thumbnail })),
      ]);
      const result = await turned(source, 90);
      expect((await sharp(result).metadata()).width).to.equal(48);
    });
  });

  it("with a side of no length is rejected", async () => {
    const frame = { left: 0, top: 0, width: 1, height: 1, indices: [0] };
    await rejection(gif({ width: 0, height: 5, palette, frames: [frame] }), "corrupt");
    await rejection(gif({ width: 5, height: 5, palette, frames: [] }), "corrupt");
    await rejection(
      file([
        ["IHDR", header({ width: 0, height: 9, depth: 8, colour: 2 })],
        ["IEND", Buffer.alloc(0)],
      ]),
      "corrupt",
    );
    await rejection(tiff([{ ...pageOf(picture(8, 8)), width: 0 }]), "corrupt");
    const source = await jpeg(picture(64, 48));
    source.writeUInt16BE(0, source.indexOf(Buffer.from([0xff, 0xc0])) + 5);
    await rejection(source, "corrupt");
  });

  it("of 200 pages that share a list of a million strips is turned without reading it for each page", async () => {
    const list = (first: number) => {
      const numbers = Buffer.alloc(4_000_000);
      numbers.writeUInt32LE(first);
      return numbers;
    };
    const page = pageOf(picture(8, 8), [
      [273, 4, list(8)],
      [279, 4, list(8 * 8 * 3)],
    ]);
    const first = tiff([page]);
    const directory = Buffer.from(first.subarray(first.readUInt32LE(4)));
    const pages = [first, ...Array.from({ length: 199 }, () => Buffer.from(directory))];
    let end = 0;
    for (const each of pages.slice(0, -1)) {
      end += each.length;
      each.writeUInt32LE(end, each.length - 4);
    }

    const result = await turned(Buffer.concat(pages), 90); // within its time: read 200 times, the list takes longer

    expect(fieldsOf(result)).to.have.length(200);
  });

  it("with metadata of 60 MB that unpack to more is turned, or rejected, within its time", async () => {
    const text = Buffer.concat([
      Buffer.from("Comment\0\0", "latin1"),
      deflateSync(Buffer.alloc(500_000_000)),
    ]);
    const source = pngOf(picture(16, 16), [
      ["zTXt", text],
      ["iCCP", Buffer.concat([Buffer.from("icc\0\0", "latin1"), text.subarray(9)])],
      ["tEXt", Buffer.alloc(60_000_000, 65)],
      [
        "iTXt",
        Buffer.concat([
          Buffer.from("XML:com.adobe.xmp\0\0\0\0\0", "latin1"),
          Buffer.alloc(20_000_000, "<xmp:Thumbnails"),
        ]),
      ],
    ]);
    const seconds = await cpuSeconds(async () => {
      expect((await turned(source, 90)).length).to.be.above(80_000_000);
    });
    expect(seconds).to.be.below(5);
  });

  it("of nothing but empty pieces is rejected before these fill the memory", async () => {
    const empty = (latin1: string) => Buffer.alloc(300_000 * latin1.length, Buffer.from(latin1, "latin1"));
    const inserted = (source: Buffer, at: number, pieces: Buffer) =>
      Buffer.concat([source.subarray(0, at), pieces, source.subarray(at)]);
    const small = await jpeg(picture(16, 16));
    const animation = animatedGif();
    const chunk = `\0\0\0\0tEXt${number(crc32("tEXt"), 4).toString("latin1")}`;
    const webp = Buffer.concat([Buffer.from("RIFF\0\0\0\0WEBP", "latin1"), empty("free\0\0\0\0")]);
    webp.writeUInt32LE(webp.length - 8, 4);
    for (const source of [
      inserted(small, 2, empty("\xff\xe5\0\x02")),
      inserted(small, 2, empty("\xff\xe5\0\x02stray")),
      inserted(animation, animation.length - 1, empty("!\xfe\0")),
      inserted(pngOf(picture(16, 16)), 33, empty(chunk)),
      webp,
      Buffer.concat([heif(phonePhoto), empty("\0\0\0\x08free")]),
      tiff([pageOf(picture(8, 8), [[34377, 7, empty("8BIM\x07\0\0\0\0\0\0\0")]])]),
    ]) {
      expect(await rejection(source, "corrupt")).to.include("more than 250000 pieces");
    }
  });

  it("whose packets unpack to a thousand times its size is rejected", async () => {
    const packet = deflateSync(Buffer.alloc(15_000_000, " "));
    const text = Buffer.concat([Buffer.from("XML:com.adobe.xmp\0\0", "latin1"), packet]);
    const source = pngOf(picture(16, 16), new Array(3).fill(["zTXt", text]));
    expect(await rejection(source, "corrupt")).to.include("unpack to more than they may");
    expect((await turned(pngOf(picture(16, 16), [["zTXt", text]]), 90)).length).to.be.above(15_000_000);
  });

  it("with tone-mapped images of the same 2,000 inputs is turned without looking at each of them for each", async () => {
    const inputs = Array.from({ length: 2000 }, (_, index) => 100 + index);
    const input = { type: "iden", data: Buffer.alloc(0), hidden: true };
    const references = { dimg: [1, ...inputs] };
    const mapped = { type: "tmap", data: Buffer.alloc(8), properties: ["whole"], references };
    const items = [
      ...inputs.map((item) => [item, input]),
      ...inputs.slice(0, 50).map((item) => [item + 2000, mapped]),
    ];
    const source = heif({ ...phonePhoto, items: { ...phonePhoto.items, ...Object.fromEntries(items) } });
    const seconds = await cpuSeconds(() => turned(source, 90));
    expect(seconds).to.be.below(1);
  });

  it("whose fields share their values is rejected before these are copied", async () => {
    const shared = Buffer.alloc(200_000, 65);
    const first = tiff([pageOf(picture(8, 8), [[60_000, 7, shared]])]);
    const at = first.indexOf(shared.subarray(0, 100));
    const entry = Buffer.alloc(12);
    const fields = Array.from({ length: 20_000 }, (_, index) => {
      const field = Buffer.from(entry);
      field.writeUInt16LE(1000 + index, 0);
      field.writeUInt16LE(7, 2);
      field.writeUInt32LE(shared.length, 4);
      field.writeUInt32LE(at, 8);
      return field;
    });
    const start = first.readUInt32LE(4);
    const old = first.subarray(start + 2, start + 2 + first.readUInt16LE(start) * 12);
    const count = Buffer.alloc(2);
    count.writeUInt16LE(fields.length + old.length / 12);
    const next = Buffer.alloc(4);
    next.writeUInt32LE(start);
    const source = Buffer.concat([first, count, old, ...fields, next]);
    source.writeUInt32LE(first.length, 4);
    expect(await rejection(source, "corrupt")).to.include("over each other");
  });

  it("with Exif whose directories point at themselves and beyond is turned", async () => {
    const block = exif({ orientation: 6, size: [64, 48], thumbnail: Buffer.alloc(10) });
    const stored = await jpeg(picture(64, 48));
    for (let at = 4; at + 4 <= block.length; at += 2) {
      for (const value of [0, 8, 0xfffffff0]) {
        const broken = Buffer.from(block);
        broken.writeUInt32LE(value, at);
        const result = await turned(withSegments(stored, [exifSegment(broken)]), 90);
        expect((await sharp(result).metadata()).format).to.equal("jpeg");
      }
    }
  });

  it("with flipped bits in what a checksum guards is rejected", async () => {
    const source = png({ width: 4, height: 4, depth: 8, colour: 0, samples: new Array(16).fill(7) });
    for (let bit = 8 * 8; bit < source.length * 8; bit += 5) {
      const broken = Buffer.from(source);
      broken[bit >> 3] = (broken[bit >> 3] as number) ^ (1 << (bit & 7));
      await rejection(broken, "corrupt");
    }
  });

  it("of any of 600 mutations gives a readable result or a named rejection in time", async () => {
    const outcomes = await fuzz(600, 7);
    expect(outcomes.result).to.be.above(50);
    expect(outcomes.corrupt).to.be.above(200);
  }).timeout(60_000);
});
