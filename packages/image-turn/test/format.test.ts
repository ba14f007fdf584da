import { expect } from "chai";
import { identify } from "../src/format.ts";
import { rejection } from "./tools.ts";

const iso = (...brands: string[]) => {
  const head = Buffer.alloc(8 + 8 + (brands.length - 1) * 4 + 40);
  head.writeUInt32BE(16 + (brands.length - 1) * 4, 0);
  head.write(`ftyp${brands[0]}\0\0\0\0${brands.slice(1).join("")}`, 4, "latin1");
  return head;
};

describe("a file's format", () => {
  for (const [name, start, expected] of [
    ["JPEG", "\xff\xd8\xff\xe0", "jpeg"],
    ["PNG", "\x89PNG\r\n\x1a\n", "png"],
    ["WebP", "RIFF\x10\0\0\0WEBPVP8 ", "webp"],
    ["GIF", "GIF89a", "gif"],
    ["little-endian TIFF", "II*\0\x08\0\0\0", "tiff"],
    ["big-endian TIFF", "MM\0*\0\0\0\x08", "tiff"],
    ["BigTIFF", "II+\0\x08\0\0\0", "tiff"],
  ] as const) {
    it(`is told by how it begins: ${name}`, () => {
      expect(identify(Buffer.from(start, "latin1"))).to.equal(expected);
    });
  }

  it("is told by its brands: AVIF", () => {
    expect(identify(iso("avif", "mif1", "miaf"))).to.equal("avif");
    expect(identify(iso("mif1", "avif", "miaf"))).to.equal("avif");
  });

  it("is told by its brands: HEIC", () => {
    for (const brands of [
      ["heic", "mif1"],
      ["heix", "mif1"],
      ["mif1", "miaf", "heic"],
      ["msf1", "heic"],
    ]) {
      expect(identify(iso(...brands))).to.equal("heic");
    }
  });

  for (const [name, file, code] of [
    ["an animated HEIC image", iso("hevc", "msf1"), "unsupported-format"],
    ["a HEIF image", iso("mif1", "miaf"), "unsupported-format"],
    ["an animated AVIF image", iso("avis", "avif", "msf1"), "unsupported-format"],
    ["an MP4 video", iso("isom", "iso2", "mp41"), "not-an-image"],
    ["a QuickTime video", iso("qt  "), "not-an-image"],
    [
      "an SVG drawing",
      Buffer.from('<?xml version="1.0"?>\n<!-- drawn --><svg xmlns="http://www.w3.org/2000/svg"/>'),
      "unsupported-format",
    ],
    ["an SVG drawing", Buffer.from("\ufeff <svg></svg>"), "unsupported-format"],
    ["a PDF document", Buffer.from("%PDF-1.7\n"), "unsupported-format"],
    ["a Photoshop document", Buffer.from("8BPS\0\x01"), "unsupported-format"],
    ["a JPEG XL image", Buffer.from("\xff\x0a\0", "latin1"), "unsupported-format"],
    ["a JPEG 2000 image", Buffer.from("\0\0\0\x0cjP  \r\n", "latin1"), "unsupported-format"],
    ["a BMP image", Buffer.from("BM\x40\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", "latin1"), "unsupported-format"],
    ["an icon", Buffer.from("\0\0\x01\0\x01\0\x20\x20", "latin1"), "unsupported-format"],
    ["a camera's raw file", Buffer.from("II*\0\x10\0\0\0CR\x02\0", "latin1"), "unsupported-format"],
    ["a video", Buffer.from("\x1a\x45\xdf\xa3", "latin1"), "not-an-image"],
    ["an AVI video", Buffer.from("RIFF\x10\0\0\0AVI LIST", "latin1"), "not-an-image"],
    ["a sound", Buffer.from("ID3\x04"), "not-an-image"],
    ["a ZIP archive", Buffer.from("PK\x03\x04"), "not-an-image"],
    ["an archive", Buffer.from("\x1f\x8b\x08", "latin1"), "not-an-image"],
    ["an HTML page", Buffer.from("<!doctype html><html></html>"), "not-an-image"],
    ["an XML document", Buffer.from('<?xml version="1.0"?><note/>'), "not-an-image"],
    ["text", Buffer.from("Dear photographer,\n\nplease find attached"), "not-an-image"],
    ["no image that is known here", Buffer.from([1, 2, 3, 4, 5, 6, 7, 8]), "not-an-image"],
    ["empty", Buffer.alloc(0), "empty"],
  ] as const) {
    it(`that is not turned is named in the rejection: ${name} (${file.toString("latin1", 0, 12).replace(/[^ -~]/g, ".")})`, async () => {
      expect(await rejection(file, code))
        .to.include(name)
        .and.match(/^The file .*\.$/);
    });
  }

  it("is not what a beginning of two bytes may mean", async () => {
    for (const start of ["\xff\xd8", "RIFF", "GIF8", "II", "\x89PNG", "\0\0\0\x1cftyp"]) {
      await rejection(Buffer.from(start, "latin1"), "not-an-image");
    }
  });
});
