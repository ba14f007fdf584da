import { deflateSync, inflateSync } from "node:zlib";
import { expect } from "chai";
import sharp from "sharp";
import { exif, xmp } from "./corpus/exif.ts";
import { gif, palette } from "./corpus/gif.ts";
import { jpeg, withSegments, xmpSegment } from "./corpus/jpeg.ts";
import { chunksOf, palettePng, pngOf } from "./corpus/png.ts";
import { difference, oriented, picture, quarters, type Raster } from "./corpus/raster.ts";
import { fieldsOf, pageOf, tiff } from "./corpus/tiff.ts";
import { withChunks } from "./corpus/webp.ts";
import { decode, turned } from "./tools.ts";

const rgb = picture(37, 23);
const packet = (orientation: number, element = false) =>
  element
    ? Buffer.from(
        xmp(9)
          .toString("latin1")
          .replace(' tiff:Orientation="9"', "")
          .replace("<xmp:Th", `<tiff:Orientation>${orientation}</tiff:Orientation><xmp:Th`),
        "latin1",
      )
    : xmp(orientation);
const xmpText = (data: Buffer) => Buffer.concat([Buffer.from("XML:com.adobe.xmp\0\0\0\0\0", "latin1"), data]);

/** Exif as ImageMagick writes it into a text. */
function profile(orientation: number, type: "exif" | "APP1" = "exif", prefix = "Exif\0\0"): Buffer {
  const bytes = Buffer.concat([
    Buffer.from(prefix, "latin1"),
    exif({ orientation, size: [37, 23], copyright: "A. Person" }),
  ]);
  const digits = bytes.toString("hex").match(/.{1,72}/g) ?? [];
  return Buffer.from(
    `\n${type === "exif" ? "exif" : "generic"}\n${String(bytes.length).padStart(8)}\n${digits.join("\n")}\n`,
    "latin1",
  );
}

function profileOf(png: Buffer): Buffer {
  const [type, data] = chunksOf(png).find(([type]) => type === "tEXt" || type === "zTXt") ?? [];
  const at = (data?.indexOf(0) ?? 0) + 1;
  const text = type === "zTXt" ? inflateSync(data?.subarray(at + 1) as Buffer) : data?.subarray(at);
  const [, , length, ...digits] = String(text).split("\n");
  const bytes = Buffer.from(digits.join(""), "hex");
  expect(bytes.length).to.equal(Number(length));
  return bytes;
}

/** Images whose orientation is stated in a place that some viewers follow, and what the same place of another states. */
const places: Record<
  string,
  { source: (orientation: number) => Buffer | Promise<Buffer>; stated: (image: Buffer) => number }
> = {
  "XMP in a PNG": {
    source: (orientation) => pngOf(rgb, [["iTXt", xmpText(packet(orientation))]]),
    stated: inXmp,
  },
  "XMP in a PNG with a palette, as an element": {
    source: (orientation) => palettePng(37, 23, [["iTXt", xmpText(packet(orientation, true))]]),
    stated: inXmp,
  },
  "a PNG's compressed profile": {
    source: (orientation) =>
      pngOf(rgb, [
        [
          "zTXt",
          Buffer.concat([Buffer.from("Raw profile type exif\0\0"), deflateSync(profile(orientation))]),
        ],
      ]),
    stated: (image) => profileOf(image).readUInt16LE(6 + 18),
  },
  "a PNG's profile of the older name": {
    source: (orientation) =>
      pngOf(rgb, [
        ["tEXt", Buffer.concat([Buffer.from("Raw profile type APP1\0"), profile(orientation, "APP1", "")])],
      ]),
    stated: (image) => profileOf(image).readUInt16LE(18),
  },
  "XMP in a WebP": {
    source: async (orientation) =>
      withChunks(
        await sharp(rgb.data, { raw: { width: 37, height: 23, channels: 3 } })
          .webp({ lossless: true })
          .toBuffer(),
        0x04,
        [{ type: "XMP ", data: packet(orientation) }],
      ),
    stated: inXmp,
  },
  "XMP in a TIFF": {
    source: (orientation) => tiff([pageOf(rgb, [[700, 1, packet(orientation)]])]),
    stated: inXmp,
  },
  "XMP in a GIF": {
    source: (orientation) => {
      const indices = Array.from({ length: 37 * 23 }, (_, index) => (index * 7 + (index >> 5)) % 16);
      const frame = { left: 0, top: 0, width: 37, height: 23, indices };
      const bare = gif({ width: 37, height: 23, palette, frames: [frame] });
      const trailer = Buffer.from(Array.from({ length: 258 }, (_, at) => (at === 0 ? 1 : 256 - at) & 255));
      trailer[257] = 0;
      const head = Buffer.from("\x21\xff\x0bXMP DataXMP", "latin1");
      return Buffer.concat([bare.subarray(0, 61), head, packet(orientation), trailer, bare.subarray(61)]);
    },
    stated: inXmp,
  },
};

function inXmp(image: Buffer): number {
  return Number(/tiff:Orientation(?:="|>)(\d)/.exec(image.toString("latin1"))?.[1]);
}

describe("an orientation that not every viewer follows", () => {
  for (const [name, { source, stated }] of Object.entries(places)) {
    it(`(${name}) is neither applied nor lost: both kinds of viewers see the image turned`, async () => {
      for (let orientation = 2; orientation <= 8; orientation += 1) {
        const image = await source(orientation);
        const stored = await decode(image);
        for (const angle of [90, 180, -90]) {
          const result = await turned(image, angle);
          const pixels = await decode(result);
          // Who follows nothing sees what is stored.
          expect(difference(pixels, quarters(stored, angle / 90)).largest).to.equal(0);
          const shown = oriented(pixels, stated(result));
          const expected = quarters(oriented(stored, orientation), angle / 90);
          expect(difference(shown, expected).largest, `${orientation} by ${angle}`).to.equal(0);
          // A rotation stays as it was.
          if ([3, 6, 8].includes(orientation)) expect(stated(result)).to.equal(orientation);
        }
        expect(stated(await turned(image, 45))).to.equal(orientation);
      }
    });
  }

  it("(XMP in a JPEG) is neither applied nor lost", async () => {
    const raster = picture(64, 48);
    const bare = await jpeg(raster, { quality: 95, chromaSubsampling: "4:4:4" });
    const stored = await decode(bare);
    for (let orientation = 2; orientation <= 8; orientation += 1) {
      for (const angle of [90, 180, -90]) {
        const result = await turned(withSegments(bare, [xmpSegment(packet(orientation))]), angle);
        const shown = oriented(await decode(result), inXmp(result));
        const expected = quarters(oriented(stored, orientation), angle / 90);
        // Decoders round each block as it lies.
        expect(difference(shown, expected).mean, `${orientation} by ${angle}`).to.be.below(1);
      }
    }
  });

  it("is 1 where Exif states one, which was applied", async () => {
    for (const orientation of [1, 6]) {
      const source = pngOf(rgb, [
        ["eXIf", exif({ orientation })],
        ["iTXt", xmpText(packet(6))],
        ["tEXt", Buffer.concat([Buffer.from("Raw profile type exif\0"), profile(6)])],
      ]);
      const result = await turned(source, 90);
      const expected: Raster = quarters(oriented(rgb, orientation), 1);
      expect(difference(await decode(result), expected).largest).to.equal(0);
      expect([inXmp(result), profileOf(result).readUInt16LE(6 + 18)]).to.deep.equal([1, 1]);
    }
  });

  it("is 1 where a TIFF states one of its own", async () => {
    const result = await turned(
      tiff([
        pageOf(rgb, [
          [274, 3, [8]],
          [700, 1, packet(6)],
        ]),
      ]),
      90,
    );
    expect(difference(await decode(result), rgb).largest).to.equal(0);
    expect([inXmp(result), fieldsOf(result)[0]?.get(274)?.readUInt16LE(0)]).to.deep.equal([1, 1]);
  });

  it("in a profile that is damaged, or other text, is left alone", async () => {
    const whole = Buffer.concat([Buffer.from("Raw profile type exif\0"), profile(6)]);
    const digits = Buffer.from(whole);
    digits.write("xx", whole.length - 10, "latin1");
    for (const [type, data] of [
      ["tEXt", whole.subarray(0, -9)],
      ["tEXt", digits],
      ["zTXt", Buffer.from("Raw profile type exif\0\0not deflated")],
      ["tEXt", Buffer.from("Raw profile type exif\0")],
    ] as const) {
      const result = await turned(pngOf(rgb, [[type, data]]), 90);
      expect(
        chunksOf(result)
          .find(([name]) => name === type)?.[1]
          .equals(data),
      ).to.equal(true);
    }
  });
});
