import { expect } from "chai";
import sharp, { type TiffOptions } from "sharp";
import { exif, iptc, resources, xmp } from "./corpus/exif.ts";
import { difference, oriented, picture, quarters, type Raster } from "./corpus/raster.ts";
import { type Field, fieldsOf, pageOf, tiff } from "./corpus/tiff.ts";
import { decode, rejection, turned, turnedAround } from "./tools.ts";

function encoded({ width, height, channels, data }: Raster, options: TiffOptions): Promise<Buffer> {
  const image = sharp(data, { raw: { width, height, channels } });
  return (channels === 1 ? image.toColourspace("b-w") : image).tiff(options).toBuffer();
}

/** The first number of a field of a little-endian TIFF. */
function number(file: Buffer, tag: number, page = 0): number | undefined {
  const value = fieldsOf(file)[page]?.get(tag);
  return value === undefined ? undefined : value.readUIntLE(0, Math.min(4, value.length));
}

const compression = 259;
const kinds: Record<string, Buffer> = {
  "8-bit RGB": tiff([pageOf(picture(37, 23))]),
  "8-bit RGB, big-endian": tiff([pageOf(picture(37, 23), [], true)], true),
  "8-bit RGB and alpha": tiff([pageOf(picture(37, 23, 4))]),
  "16-bit RGB and alpha, big-endian": tiff([pageOf(picture(37, 23, 4, 16), [], true)], true),
  "8-bit grey": tiff([pageOf(picture(37, 23, 1))]),
  "8-bit grey, white is zero": tiff([{ ...pageOf(picture(37, 23, 1)), photometric: 0 }]),
  "16-bit RGB": tiff([pageOf(picture(37, 23, 3, 16))]),
  "16-bit RGB, big-endian": tiff([pageOf(picture(37, 23, 3, 16), [], true)], true),
  "16-bit RGB and alpha": tiff([pageOf(picture(37, 23, 4, 16))]),
  "16-bit grey": tiff([pageOf(picture(37, 23, 1, 16))]),
  CMYK: tiff([{ ...pageOf(picture(37, 23, 4)), photometric: 5, fields: [] }]),
};

function bilevel(photometric: number): Buffer {
  const pixels = Buffer.from(Array.from({ length: 5 * 23 }, (_, index) => (index * index * 29) & 255));
  return tiff([{ width: 40, height: 23, bits: [1], photometric, pixels }]);
}

describe("a TIFF", () => {
  for (const [name, source] of Object.entries(kinds)) {
    it(`of ${name} is turned exactly, stays what it was, and comes back`, async () => {
      const pixels = await decode(source);
      const result = await turned(source, 90);
      expect(difference(await decode(result), quarters(pixels, 1)).largest).to.equal(0);
      const [before, after] = [await sharp(source).metadata(), await sharp(result).metadata()];
      expect([after.space, after.depth, after.channels]).to.deep.equal([
        before.space,
        before.depth,
        before.channels,
      ]);
      expect(number(result, 262)).to.equal(
        name === "CMYK" ? 5 : name.includes("white") ? 0 : name.includes("grey") ? 1 : 2,
      );
      expect(difference(await decode(await turnedAround(source)), pixels).largest).to.equal(0);
      expect(difference(await decode(await turned(await turned(source, 90), -90)), pixels).largest).to.equal(
        0,
      );
      const twice = await turned(await turned(source, 90), 90);
      expect((await turned(source, 180)).equals(twice)).to.equal(true);
    });
  }

  for (const photometric of [0, 1]) {
    it(`of 1 bit, ${photometric === 0 ? "white" : "black"} is zero, stays that and exact`, async () => {
      const source = bilevel(photometric);
      const result = await turned(source, 90);
      expect([number(result, 258), number(result, 262)]).to.deep.equal([1, photometric]);
      expect(difference(await decode(result), quarters(await decode(source), 1)).largest).to.equal(0);
    });
  }

  it("of 1 bit in a fax's compression keeps it", async () => {
    const source = await sharp(bilevel(0))
      .toColourspace("b-w")
      .tiff({ bitdepth: 1, compression: "ccittfax4" })
      .toBuffer();
    const result = await turned(source, 90);
    expect([number(result, 258), number(result, compression)]).to.deep.equal([1, 4]);
    expect(difference(await decode(result), quarters(await decode(source), 1)).largest).to.equal(0);
  });

  it("of 4-bit grey stays that", async () => {
    const source = await encoded(picture(40, 24, 1), { bitdepth: 4, compression: "none" });
    const result = await turned(source, 90);
    expect(number(result, 258)).to.equal(4);
    expect(difference(await decode(result), quarters(await decode(source), 1)).largest).to.equal(0);
  });

  it("with a palette keeps its colours, written as RGB", async () => {
    const colours = Array.from({ length: 768 }, (_, index) => ((index * 31 + (index >> 8) * 50) % 256) * 257);
    const pixels = Buffer.from(Array.from({ length: 20 * 12 }, (_, index) => index));
    const source = tiff([
      { width: 20, height: 12, bits: [8], photometric: 3, pixels, fields: [[320, 3, colours]] },
    ]);
    const result = await turned(source, 90);
    expect(number(result, 262)).to.equal(2);
    expect(difference(await decode(result), quarters(await decode(source), 1)).largest).to.equal(0);
  });

  for (const [name, code] of [
    ["none", 1],
    ["lzw", 5],
    ["deflate", 8],
    ["packbits", 32773],
  ] as const) {
    it(`compressed by ${name} keeps that, its predictor and its tiles`, async () => {
      for (const options of [
        {},
        { predictor: "none" as const },
        { tile: true, tileWidth: 32, tileHeight: 16 },
      ]) {
        const source = await encoded(picture(70, 50), { compression: name, ...options });
        const result = await turned(source, 90);
        expect(number(result, compression)).to.equal(code);
        expect([317, 322, 323].map((tag) => number(result, tag))).to.deep.equal(
          [317, 322, 323].map((tag) => number(source, tag)),
        );
        expect(difference(await decode(result), quarters(await decode(source), 1)).largest).to.equal(0);
      }
    });
  }

  for (const order of ["in order", "out of order", "at odd places"]) {
    it(`uncompressed, in strips ${order}, is turned exactly`, async () => {
      const raster = picture(37, 23, 3, 16);
      const { pixels, ...page } = pageOf(raster);
      const rowBytes = 37 * 6;
      const strips = [0, 10, 20].map((row) => pixels.subarray(row * rowBytes, (row + 10) * rowBytes));
      const stored = order === "out of order" ? strips.toReversed() : strips;
      // The file's header is before them, and one more byte where they shall be at odd places.
      const gap = order === "at odd places" ? 1 : 0;
      const starts = strips.map(
        (strip) => 8 + gap + Buffer.concat(stored.slice(0, stored.indexOf(strip))).length,
      );
      const fields: Field[] = [
        [273, 4, starts],
        [278, 3, [10]],
        [279, 4, strips.map(({ length }) => length)],
      ];
      const source = tiff([{ ...page, pixels: Buffer.concat([Buffer.alloc(gap), ...stored]), fields }]);

      const result = await turned(source, 90);

      expect(difference(await decode(result), quarters(raster, 1)).largest).to.equal(0);
      // Strips that are out of order go through the encoder, which has its own number of rows.
      if (order !== "out of order") expect(number(result, 278)).to.equal(10);
    });
  }

  it("compressed as JPEG keeps that and its quality", async () => {
    const source = await encoded(picture(160, 96), { compression: "jpeg", quality: 70 });
    const result = await turned(source, 90);
    expect(number(result, compression)).to.equal(7);
    expect(difference(await decode(result), quarters(await decode(source), 1)).mean).to.be.below(2);
    expect(result.length / source.length).to.be.within(0.8, 1.25);
  });

  it("with planes one after the other has them interleaved, exactly", async () => {
    const { data } = picture(37, 23);
    const planes = [0, 1, 2].map((plane) => Buffer.from(data.filter((_, index) => index % 3 === plane)));
    const size = 37 * 23;
    const fields: Field[] = [
      [273, 4, [8, 8 + size, 8 + 2 * size]],
      [279, 4, [size, size, size]],
      [284, 3, [2]],
    ];
    const source = tiff([{ ...pageOf(picture(37, 23)), pixels: Buffer.concat(planes), fields }]);
    const result = await turned(source, 90);
    expect(number(result, 284) ?? 1).to.equal(1);
    expect(difference(await decode(result), quarters(picture(37, 23), 1)).largest).to.equal(0);
  });

  it("of more samples than its colours need, which it does not explain, has them explained as alpha", async () => {
    for (const raster of [picture(37, 23, 2), picture(37, 23, 4)]) {
      const source = tiff([{ ...pageOf(raster), fields: [] }]);
      const result = await turned(source, 90);
      expect([number(result, 338), number(result, 277)]).to.deep.equal([2, raster.channels]);
      // Of grey and alpha, decode gives the grey.
      const expected = raster.channels === 2 ? picture(37, 23, 1) : raster;
      expect(difference(await decode(result), quarters(expected, 1)).largest).to.equal(0);
    }
  });

  it("whose alpha is multiplied in has it divided out, and says so", async () => {
    const page = pageOf(picture(37, 23, 4));
    const source = tiff([{ ...page, fields: [[338, 3, [1]]] }]);
    const result = await turned(source, 90);
    expect(number(result, 338)).to.equal(2);
    expect(difference(await decode(result), quarters(await decode(source), 1)).largest).to.equal(0);
  });

  it("that is a BigTIFF becomes a classic one, exactly", async () => {
    for (const compression of ["lzw", "none"] as const) {
      const source = await encoded(picture(37, 23), { compression, bigtiff: true });
      expect(source.readUInt16LE(2)).to.equal(43);
      const result = await turned(source, 90);
      expect(result.readUInt16LE(2)).to.equal(42);
      expect(difference(await decode(result), quarters(await decode(source), 1)).largest).to.equal(0);
    }
  });

  it("of many pages keeps them all, each of its own size, depth and orientation", async () => {
    const pages = [
      pageOf(picture(37, 23), [
        [274, 3, [6]],
        [270, 2, "first"],
      ]),
      pageOf(picture(16, 40, 1), [[270, 2, "second"]]),
      pageOf(picture(21, 22, 4, 16), [
        [274, 3, [3]],
        [270, 2, "third"],
      ]),
    ];
    const source = tiff(pages);
    const result = await turned(source, 90);
    expect((await sharp(result).metadata()).pages).to.equal(3);
    for (const [page, orientation] of [6, 1, 3].entries()) {
      const expected = quarters(oriented(await decode(source, page), orientation), 1);
      expect(difference(await decode(result, page), expected).largest).to.equal(0);
      expect(number(result, 274, page) ?? 1).to.equal(1);
    }
    expect(fieldsOf(result).map((page) => page.get(270)?.toString())).to.deep.equal([
      "first\0",
      "second\0",
      "third\0",
    ]);
  });

  for (let orientation = 1; orientation <= 8; orientation += 1) {
    it(`in orientation ${orientation}, landscape and portrait, comes out upright, turned, orientation 1`, async () => {
      for (const raster of [picture(37, 23), picture(23, 37)]) {
        const source = tiff([pageOf(raster, [[274, 3, [orientation]]])]);
        const result = await turned(source, 90);
        const expected = quarters(oriented(await decode(source), orientation), 1);
        expect(difference(await decode(result), expected).largest).to.equal(0);
        expect(number(result, 274)).to.equal(1);
      }
    });
  }

  for (const bigEndian of [false, true]) {
    it(`that is ${bigEndian ? "big" : "little"}-endian keeps profile, IPTC, XMP, texts and unknown tags`, async () => {
      const profile = (
        await sharp(
          await sharp(tiff([pageOf(picture(8, 8))]))
            .withIccProfile("p3")
            .png()
            .toBuffer(),
        ).metadata()
      ).icc;
      const fields: Field[] = [
        [282, 5, [300, 1]],
        [283, 5, [150, 1]],
        [296, 3, [2]],
        [315, 2, "A. Person"],
        [700, 1, xmp(6)],
        [33723, 7, iptc()],
        [34377, 7, resources()],
        [34675, 7, profile as Buffer],
        [65000, 3, [1, 515, 70]],
      ];
      const source = tiff([pageOf(picture(37, 23), fields, bigEndian)], bigEndian);
      const result = fieldsOf(await turned(source, 90))[0] as Map<number, Buffer>;
      expect(result.get(282)?.readUInt32LE(0)).to.equal(150);
      expect(result.get(283)?.readUInt32LE(0)).to.equal(300);
      expect(result.get(315)?.toString()).to.equal("A. Person\0");
      expect(result.get(700)?.toString()).to.include('dc:source="drawn"');
      expect(result.get(33723)?.equals(iptc())).to.equal(true);
      expect(result.get(34377)?.includes("A corner that is dark")).to.equal(true);
      expect(result.get(34675)?.equals(profile as Buffer)).to.equal(true);
      expect(result.get(65000)?.toString("hex")).to.equal("010003024600");
    });
  }

  it("keeps its Exif directory, with the new size", async () => {
    // An Exif block is a TIFF without pixels: its directory serves as this one's by its offset.
    const block = exif({ makerNote: Buffer.from("only its maker knows"), size: [37, 23] });
    const shell = tiff([pageOf(picture(37, 23), [[34665, 4, [0]]])]);
    const at = block.readUInt32LE(8 + 2 + 8);
    const moved = Buffer.from(block);
    moved.writeUInt32LE(shell.length + moved.readUInt32LE(at + 2 + 8), at + 2 + 8);
    const source = Buffer.concat([shell, moved]);
    source.writeUInt32LE(shell.length + at, source.indexOf(Buffer.from([0x69, 0x87, 4, 0])) + 8);

    const result = await turned(source, 90);

    const exifAt = fieldsOf(result)[0]?.get(34665)?.readUInt32LE(0) as number;
    const link = Buffer.from(result);
    link.writeUInt32LE(exifAt, 4);
    const fields = fieldsOf(link)[0];
    expect(fields?.get(0x927c)?.toString()).to.equal("only its maker knows");
    expect(fields?.get(0xa002)?.readUInt32LE(0)).to.equal(23);
    expect(fields?.get(0xa003)?.readUInt32LE(0)).to.equal(37);
  });

  it("turned by 45 degrees has white corners, transparent ones where it has alpha", async () => {
    const opaque = await decode(await turned(tiff([pageOf(picture(40, 40))]), 45));
    const alpha = await decode(await turned(tiff([pageOf(picture(40, 40, 4))]), 45));
    expect([opaque.width, ...opaque.data.subarray(0, 3)]).to.deep.equal([57, 255, 255, 255]);
    expect(alpha.data[3]).to.equal(0);
  });

  it("from a camera's raw format is rejected, not turned into its preview", async () => {
    const raw = tiff([
      pageOf(picture(16, 16), [
        [254, 4, [1]],
        [330, 4, [8]],
      ]),
    ]);
    expect(await rejection(raw, "unsupported-format")).to.include("raw");
    expect(
      await rejection(tiff([pageOf(picture(16, 16), [[50706, 1, [1, 4, 0, 0]]])]), "unsupported-format"),
    ).to.include("raw");
  });

  it("of kinds that would not come back as they were is rejected with the kind", async () => {
    const page = pageOf(picture(16, 16));
    expect(await rejection(tiff([{ ...page, photometric: 8 }]), "unsupported-format")).to.include("kind 8");
    const float = { ...page, width: 4, bits: [32, 32, 32], fields: [[339, 3, [3, 3, 3]]] as Field[] };
    expect(await rejection(tiff([float]), "unsupported-format")).to.include("32 bits");
  });

  it("in old-style JPEG compression is rejected as not supported, whichever page is", async () => {
    const page = pageOf(picture(16, 16));
    const old = { ...page, fields: [[compression, 3, [6]]] as Field[] };
    for (const pages of [[old], [page, old]]) {
      expect(await rejection(tiff(pages), "unsupported-format")).to.equal(
        "The file is a TIFF in old-style JPEG compression, which is not turned here.",
      );
    }
  });

  it("with its compression in a field of an unknown type is turned as if there were none", async () => {
    const source = tiff([pageOf(picture(8, 6))]);
    const directory = source.readUInt32LE(4);
    for (let entry = directory + 2; entry < source.length - 4; entry += 12) {
      if (source.readUInt16LE(entry) === 259) source.writeUInt16LE(255, entry + 2);
    }
    const result = await decode(await turned(source, 90));
    expect(difference(result, quarters(picture(8, 6), 1)).largest).to.equal(0);
  });

  it("whose pages have no end is rejected", async () => {
    const source = tiff([pageOf(picture(16, 16)), pageOf(picture(8, 8))]);
    const first = source.readUInt32LE(4);
    const second = source.readUInt32LE(first + 2 + source.readUInt16LE(first) * 12);
    source.writeUInt32LE(first, second + 2 + source.readUInt16LE(second) * 12);
    expect(await rejection(source, "corrupt")).to.include("no end");
  });
});
