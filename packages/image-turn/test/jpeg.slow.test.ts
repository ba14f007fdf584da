import { expect } from "chai";
import decodeJpeg from "jpeg-js";
import sharp from "sharp";
import { turnedExif } from "../src/exif.ts";
import { rotate } from "../src/rotate.ts";
import { exif, resources, xmp } from "./corpus/exif.ts";
import {
  cmykJpeg,
  exifSegment,
  flat422,
  jpeg,
  metadataOf,
  photoshopSegment,
  segments,
  withSegments,
  xmpSegment,
} from "./corpus/jpeg.ts";
import {
  difference,
  oriented,
  photograph,
  picture,
  quarters,
  type Raster,
  similarity,
} from "./corpus/raster.ts";
import { decode, limits, rejection, turned } from "./tools.ts";

function independently(file: Buffer): Raster {
  const { width, height, data } = decodeJpeg.decode(file, { useTArray: true, maxMemoryUsageInMB: 2048 });
  return { width, height, channels: 4, data };
}

describe("a JPEG", () => {
  for (const [name, width, height] of [
    ["landscape", 64, 48],
    ["portrait", 40, 56],
  ] as const) {
    for (let orientation = 1; orientation <= 8; orientation += 1) {
      it(`stored in orientation ${orientation}, ${name}, comes out upright and turned`, async () => {
        const stored = await jpeg(picture(width, height), { quality: 95, chromaSubsampling: "4:4:4" });
        const source = withSegments(stored, [exifSegment(exif({ orientation }))]);

        const result = await turned(source, 90);

        const expected = quarters(oriented(await decode(stored), orientation), 1);
        expect(difference(await decode(result), expected).mean).to.be.below(1);
        expect((await sharp(result).metadata()).orientation).to.equal(1);
      });
    }
  }

  it("of 12 megapixels in orientation 6 equals an independent decoder's own turn", async () => {
    const raster = picture(4000, 3000);
    const { data } = raster;
    const image = sharp(data, { raw: { width: 4000, height: 3000, channels: 3 } });
    const profiled = await image.withIccProfile("p3").jpeg({ quality: 90 }).toBuffer();
    const source = withSegments(profiled, [exifSegment(exif({ orientation: 6, size: [4000, 3000] }))]);

    const result = await turned(source, 90);

    const metadata = await sharp(result).metadata();
    expect([metadata.width, metadata.height]).to.deep.equal([4000, 3000]);
    const expected = quarters(independently(profiled), 2);
    expect(difference(independently(result), expected).mean).to.be.below(1.5);
    expect(metadata.orientation).to.equal(1);
    expect(metadata.icc?.equals((await sharp(source).metadata()).icc as Buffer)).to.equal(true);
  }).timeout(60_000);

  it("of 12 megapixels that lies on its side has its sides swapped from 4:3 to 3:4", async () => {
    const source = await jpeg({ ...picture(4000, 3000, 1), channels: 1 }, { quality: 50 });
    const metadata = await sharp(await turned(source, -90)).metadata();
    expect([metadata.width, metadata.height]).to.deep.equal([3000, 4000]);
  });

  it("keeps progression", async () => {
    const progressive = await jpeg(picture(64, 48), { progressive: true });
    const baseline = await jpeg(picture(64, 48), { progressive: false });
    expect((await sharp(await turned(progressive, 90)).metadata()).isProgressive).to.equal(true);
    expect((await sharp(await turned(baseline, 90)).metadata()).isProgressive).to.equal(false);
  });

  for (const chromaSubsampling of ["4:2:0", "4:4:4"]) {
    it(`keeps chroma subsampling of ${chromaSubsampling}`, async () => {
      const source = await jpeg(picture(64, 48), { chromaSubsampling, quality: 95 });
      expect((await sharp(await turned(source, 90)).metadata()).chromaSubsampling).to.equal(
        chromaSubsampling,
      );
    });
  }

  it("in 4:2:2 becomes 4:4:0 on its side, and 4:4:4 where it is encoded anew", async () => {
    const factors = (file: Buffer) =>
      segments(file)
        .find(({ marker }) => marker === 0xc0)
        ?.data.readUInt8(7);
    expect(factors(await turned(flat422(64, 48), 90))).to.equal(0x12);
    expect(factors(await turned(flat422(64, 48), 33))).to.equal(0x11);
  });

  it("in grey stays grey, with one component", async () => {
    const source = await jpeg(picture(40, 24, 1), { quality: 95 });
    const result = await turned(source, 90);
    expect((await sharp(result).metadata()).channels).to.equal(1);
    expect(difference(await decode(result), quarters(await decode(source), 1)).mean).to.be.below(1);
  });

  for (const profile of [false, true]) {
    it(`in CMYK ${profile ? "with" : "without"} a profile stays CMYK`, async () => {
      const source = await cmykJpeg(64, 48, profile);
      const result = await turned(source, 90);
      const metadata = await sharp(result).metadata();
      expect(metadata.space).to.equal("cmyk");
      expect(metadata.icc?.length).to.equal((await sharp(source).metadata()).icc?.length);
      expect(difference(await decode(result), quarters(await decode(source), 1)).mean).to.be.below(1.5);
    });
  }

  for (const profile of ["srgb", "p3"]) {
    it(`keeps its ${profile} profile byte for byte and its samples as they are`, async () => {
      const image = sharp(picture(64, 48).data, { raw: { width: 64, height: 48, channels: 3 } });
      const source = await image
        .withIccProfile(profile)
        .jpeg({ quality: 95, chromaSubsampling: "4:4:4" })
        .toBuffer();
      const result = await turned(source, 90);
      const [before, after] = [await sharp(source).metadata(), await sharp(result).metadata()];
      expect(after.icc?.equals(before.icc as Buffer)).to.equal(true);
      expect(difference(await decode(result), quarters(await decode(source), 1)).mean).to.be.below(1);
    });
  }

  it("keeps Exif byte for byte, but for orientation, size and swapped resolutions", async () => {
    const content = { makerNote: Buffer.from("only its maker knows"), copyright: "A. Person" };
    const stored = await jpeg(picture(64, 48));
    for (const bigEndian of [false, true]) {
      const block = exif({ ...content, orientation: 6, resolution: [300, 150], size: [64, 48], bigEndian });
      const result = await turned(withSegments(stored, [exifSegment(block)]), 180);
      const expected = exif({
        ...content,
        orientation: 1,
        resolution: [150, 300],
        size: [48, 64],
        bigEndian,
      });
      expect(metadataOf(result, "Exif\0\0")?.equals(expected)).to.equal(true);
    }
  });

  it("turns its Exif thumbnail along", async () => {
    const thumbnail = await jpeg(picture(32, 24), { quality: 95 });
    const block = exif({ orientation: 6, thumbnail });
    const source = withSegments(await jpeg(picture(64, 48)), [exifSegment(block)]);

    const result = metadataOf(await turned(source, 90), "Exif\0\0") as Buffer;

    const start = result.indexOf(Buffer.from([0xff, 0xd8, 0xff]));
    const expected = quarters(await decode(thumbnail), 2);
    expect(difference(await decode(result.subarray(start)), expected).mean).to.be.below(2);
  });

  it("loses an Exif thumbnail that cannot be turned", async () => {
    const block = exif({ orientation: 6, thumbnail: Buffer.from("\xff\xd8\xff no JPEG", "latin1") });
    const source = withSegments(await jpeg(picture(64, 48)), [exifSegment(block)]);
    const result = metadataOf(await turned(source, 90), "Exif\0\0") as Buffer;
    const nextDirectory = result.readUInt32LE(8 + 2 + 12);
    expect(nextDirectory).to.equal(0);
  });

  it("loses Exif that cannot be read, and says so", async () => {
    const source = withSegments(await jpeg(picture(64, 48)), [
      exifSegment(Buffer.from("II*\0\xff\xff\0\0", "latin1")),
    ]);
    const { body, notes } = await rotate({ angle: 90 })(source, limits);
    expect(metadataOf(body, "Exif\0\0")).to.equal(undefined);
    expect(notes?.dropped).to.deep.equal(["Exif that cannot be read"]);
  });

  it("loses an Exif thumbnail for which a segment has no room", async () => {
    const block = exif({ orientation: 1, thumbnail: Buffer.alloc(100) });
    const turn = { flop: false, degrees: 90 };
    const terms = { maxBytes: 65_527, orientation: () => 1 };
    const result = await turnedExif(
      block,
      turn,
      { width: 1, height: 1 },
      async () => Buffer.alloc(70_000),
      terms,
    );
    expect(result?.readUInt32LE(8 + 2 + 12)).to.equal(0);
    expect(result?.length).to.equal(block.length);
  });

  it("keeps XMP, with orientation 1 where Exif's was applied, and without thumbnails", async () => {
    const applied = exifSegment(exif({ orientation: 6, size: [64, 48] }));
    const source = withSegments(await jpeg(picture(64, 48)), [applied, xmpSegment(xmp(6))]);
    const result = metadataOf(await turned(source, 90), "http://ns.adobe.com/xap/1.0/\0")?.toString();
    expect(result).to.include('tiff:Orientation="1"').and.include('dc:source="drawn"');
    expect(result).not.to.include("Thumbnails");
  });

  it("keeps IPTC, with Photoshop's resolutions swapped and its thumbnail dropped", async () => {
    const source = withSegments(await jpeg(picture(64, 48)), [photoshopSegment(resources())]);
    const result = metadataOf(await turned(source, 90), "Photoshop 3.0\0") as Buffer;
    expect(result.includes("A corner that is dark")).to.equal(true);
    expect([result.readUInt16BE(12), result.readUInt16BE(20)]).to.deep.equal([150, 300]);
    expect(result.includes(Buffer.from([0x04, 0x0c, 0, 0]))).to.equal(false);
  });

  it("keeps comments and unknown application segments, and drops what would be wrong", async () => {
    const source = withSegments(await jpeg(picture(64, 48)), [
      { marker: 0xe2, data: Buffer.from("MPF\0II*\0 where other pictures were", "latin1") },
      { marker: 0xe2, data: Buffer.from("urn:iso:std:iso:ts:21496:-1\0 how to use one of them", "latin1") },
      { marker: 0xeb, data: Buffer.from("JP, a signature over all bytes") },
      { marker: 0xe5, data: Buffer.from("someone's own") },
      { marker: 0xfe, data: Buffer.from("a comment") },
    ]);
    const result = segments(await turned(source, 90)).map(({ data }) => data.toString("latin1"));
    expect(result).to.include.members(["someone's own", "a comment"]);
    expect(result.some((text) => /^(MPF|urn:|JP)/.test(text))).to.equal(false);
  });

  it("keeps its density, swapped where its sides are", async () => {
    const source = await jpeg(picture(64, 48));
    const jfif = Buffer.from("JFIF\0\x01\x02\x01\x01\x2c\x00\x96\x00\x00", "latin1");
    const dense = withSegments(source, [{ marker: 0xe0, data: jfif }]);
    const densities = (file: Buffer) => {
      const data = metadataOf(file, "JFIF\0") as Buffer;
      return [data.readUInt16BE(3), data.readUInt16BE(5)];
    };
    expect(densities(await turned(dense, 90))).to.deep.equal([150, 300]);
    expect(densities(await turned(dense, 180))).to.deep.equal([300, 150]);
  });

  it("that is lossless, or has other than 8 bits, is rejected with its kind", async () => {
    const source = await jpeg(picture(64, 48));
    const at = source.indexOf(Buffer.from([0xff, 0xc0]));
    const lossless = Buffer.from(source);
    lossless.writeUInt8(0xc3, at + 1);
    expect(await rejection(lossless, "unsupported-format")).to.include("lossless");
    const deep = Buffer.from(source);
    deep.writeUInt8(12, at + 4);
    expect(await rejection(deep, "unsupported-format")).to.include("12-bit");
  });

  it("turned by 33 degrees grows and has white corners, or the background's colour on white", async () => {
    const source = await jpeg(picture(64, 48), { quality: 95 });
    const result = await decode(await turned(source, 33));
    expect([result.width, result.height]).to.deep.equal([80, 75]);
    expect([...result.data.subarray(0, 3)].every((sample) => sample > 250)).to.equal(true);
  });
});

describe("a JPEG's quality", () => {
  const whole = photograph(480, 320);
  for (const chromaSubsampling of ["4:2:0", "4:4:4"]) {
    for (const quality of [30, 40, 50, 60, 70, 80, 85, 90, 95, 98]) {
      it(`${quality} in ${chromaSubsampling} gives as large and as good an image`, async () => {
        const source = await jpeg(whole, { quality, chromaSubsampling });
        const result = await turned(source, 90);
        expect(result.length / source.length).to.be.within(0.85, 1.15);
        expect(similarity(quarters(await decode(source), 1), await decode(result))).to.be.at.least(0.98);
      });
    }
  }

  for (const quality of [50, 75, 90]) {
    it(`${quality} by mozjpeg is recognised`, async () => {
      const source = await jpeg(whole, { quality, mozjpeg: true });
      const result = await turned(source, 90);
      expect(result.length / source.length).to.be.within(0.85, 1.15);
      expect(similarity(quarters(await decode(source), 1), await decode(result))).to.be.at.least(0.98);
    });
  }

  for (const quantisationTable of [2, 4, 6, 7]) {
    it(`of an encoder with tables of its own (${quantisationTable}) is met nearly`, async () => {
      const source = await jpeg(whole, { quality: 80, quantisationTable });
      const result = await turned(source, 90);
      expect(result.length / source.length).to.be.within(0.8, 1.2);
      expect(similarity(quarters(await decode(source), 1), await decode(result))).to.be.at.least(0.98);
    });
  }

  it("is met where the side that becomes the left one is of whole blocks, whatever the other is", async () => {
    for (const quality of [30, 65, 90]) {
      const [wide, high] = [
        await jpeg(photograph(475, 320), { quality }),
        await jpeg(photograph(480, 317), { quality }),
      ];
      for (const [source, angle, quarter] of [
        [wide, 90, 1],
        [high, -90, 3],
      ] as const) {
        const result = await turned(source, angle);
        expect(result.length / source.length).to.be.within(0.85, 1.15);
        const exact = quarters(await decode(source), quarter);
        expect(similarity(exact, await decode(result))).to.be.at.least(0.98);
      }
    }
  });

  it("is met with a loss where sides are no whole blocks, because the blocks lie elsewhere then", async () => {
    const odd = photograph(475, 317);
    for (const [quality, least] of [
      [30, 0.92],
      [65, 0.96],
      [80, 0.975],
      [90, 0.98],
    ] as const) {
      const source = await jpeg(odd, { quality });
      const result = await turned(source, 90);
      expect(result.length / source.length).to.be.within(0.85, 1.2);
      expect(similarity(quarters(await decode(source), 1), await decode(result))).to.be.at.least(least);
    }
  });
});
