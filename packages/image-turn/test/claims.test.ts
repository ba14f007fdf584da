import { expect } from "chai";
import sharp from "sharp";
import { rotate } from "../src/rotate.ts";
import { exif, resources, xmp } from "./corpus/exif.ts";
import { animatedGif } from "./corpus/gif.ts";
import { exifItem, heif, phonePhoto } from "./corpus/heif.ts";
import { jpeg, withSegments, xmpSegment } from "./corpus/jpeg.ts";
import { type Chunk, chunksOf, pngOf } from "./corpus/png.ts";
import { picture } from "./corpus/raster.ts";
import { fieldsOf, pageOf, tiff } from "./corpus/tiff.ts";
import { chunksOf as webpChunksOf, file as webpFile, withChunks } from "./corpus/webp.ts";
import { decodeFrames, limits, turned } from "./tools.ts";

const rgb = picture(37, 23);
/** XMP that states the size of 37 × 23, with a thumbnail. */
const sized = Buffer.from(
  xmp(1)
    .toString("latin1")
    .replace("dc:source", 'tiff:ImageWidth="37" tiff:ImageLength="23" exif:PixelXDimension="37" dc:source')
    .replace("<xmp:Th", "<exif:PixelYDimension>23</exif:PixelYDimension><xmp:Th"),
  "latin1",
);
const xmpText: Chunk = ["iTXt", Buffer.concat([Buffer.from("XML:com.adobe.xmp\0\0\0\0\0", "latin1"), sized])];

function lossless(): Promise<Buffer> {
  return sharp(rgb.data, { raw: { width: 37, height: 23, channels: 3 } })
    .webp({ lossless: true })
    .toBuffer();
}

function gifWithXmp(): Buffer {
  const bare = animatedGif(37, 23);
  const trailer = Buffer.from(Array.from({ length: 258 }, (_, at) => (at === 0 ? 1 : (256 - at) & 255)));
  trailer[257] = 0;
  const head = Buffer.from("\x21\xff\x0bXMP DataXMP", "latin1");
  return Buffer.concat([bare.subarray(0, 61), head, sized, trailer, bare.subarray(61)]);
}

async function notesOf(source: Buffer, angle = 90) {
  return (await rotate({ angle })(source, limits)).notes;
}

describe("what metadata claims of an image", () => {
  it("is its size where XMP in an AVIF states one in as many digits; its thumbnails are dropped, and told", async () => {
    const source = await sharp(rgb.data, { raw: { width: 37, height: 23, channels: 3 } })
      .withXmp(sized.toString())
      .avif({ effort: 0 })
      .toBuffer();
    const { body, notes } = await rotate({ angle: 90 })(source, limits);
    const text = body.toString("latin1");
    expect(text).to.include('tiff:ImageWidth="23" tiff:ImageLength="37" exif:PixelXDimension="23"');
    expect(text).to.include("<exif:PixelYDimension>37</exif:PixelYDimension>");
    expect(text).to.not.include("xmp:Thumbnails");
    expect(notes?.dropped).to.deep.equal(["XMP's thumbnails"]);
  });

  it("is told of what a JPEG and a HEIC lose, too", async () => {
    const jpegs = withSegments(await jpeg(picture(64, 48)), [xmpSegment(sized)]);
    expect((await notesOf(jpegs))?.dropped).to.deep.equal(["XMP's thumbnails"]);
    const data = exifItem(exif({ orientation: 6, thumbnail: Buffer.from("\xff\xd8\xff no JPEG", "latin1") }));
    const item = { ...phonePhoto.items[7], type: "Exif", data };
    const heic = heif({ ...phonePhoto, items: { ...phonePhoto.items, 7: item } });
    expect((await notesOf(heic))?.dropped).to.deep.equal(["the Exif thumbnail", "XMP's thumbnails"]);
  });

  const sources: Record<string, () => Buffer | Promise<Buffer>> = {
    PNG: () => pngOf(rgb, [xmpText]),
    WebP: async () => withChunks(await lossless(), 0x04, [{ type: "XMP ", data: sized }]),
    TIFF: () => tiff([pageOf(rgb, [[700, 1, sized]])]),
    GIF: gifWithXmp,
  };
  for (const [format, make] of Object.entries(sources)) {
    it(`is its size where XMP in a ${format} states one; thumbnails there are dropped, and told`, async () => {
      const source = await make();
      for (const angle of [90, 45]) {
        const { body, notes } = await rotate({ angle })(source, limits);
        const { width, height, pageHeight = height } = await sharp(body).metadata();
        const text = body.toString("latin1");
        expect(text).to.include(`tiff:ImageWidth="${width}" tiff:ImageLength="${pageHeight}"`);
        expect(text).to.include(`exif:PixelXDimension="${width}"`);
        expect(text).to.include(`<exif:PixelYDimension>${pageHeight}</exif:PixelYDimension>`);
        expect(text).to.not.include("xmp:Thumbnails");
        expect(notes?.dropped).to.deep.equal(["XMP's thumbnails"]);
      }
    });
  }

  it("stays readable in a GIF, with its comment, at any angle", async () => {
    for (const angle of [90, 45]) {
      const result = await turned(gifWithXmp(), angle);
      expect(await decodeFrames(result)).to.have.length(4);
      expect(result.includes("drawn for a test")).to.equal(true);
    }
  });

  it("goes with a thumbnail in Exif that cannot be turned, and the notes name it", async () => {
    const block = exif({ orientation: 6, thumbnail: Buffer.from("no JPEG") });
    const webp = withChunks(await lossless(), 0x08, [{ type: "EXIF", data: block }]);
    for (const source of [pngOf(rgb, [["eXIf", block]]), webp]) {
      const { body, notes } = await rotate({ angle: 90 })(source, limits);
      expect(notes?.dropped).to.deep.equal(["the Exif thumbnail"]);
      const [png, other] = [chunksOf, webpChunksOf];
      const kept = body.includes("WEBP")
        ? other(body).find(({ type }) => type === "EXIF")?.data
        : png(body).find(([type]) => type === "eXIf")?.[1];
      // No second directory.
      expect(kept?.readUInt32LE(8 + 2 + 12)).to.equal(0);
    }
  });

  it("goes with what a TIFF holds of the image as it lay: thumbnail, layers, sub-images", async () => {
    const source = tiff([
      pageOf(rgb, [
        [330, 4, [8]],
        [34377, 7, resources()],
        [37724, 7, Buffer.from("Adobe Photoshop Document Data Block\0")],
      ]),
      pageOf(rgb, [[330, 4, [8]]]),
    ]);
    const { body, notes } = await rotate({ angle: 90 })(source, limits);
    expect(notes?.dropped).to.deep.equal([
      "sub-images (SubIFDs)",
      "Photoshop's thumbnail",
      "Photoshop's layers",
    ]);
    const [page] = fieldsOf(body);
    expect([page?.has(330), page?.has(37724)]).to.deep.equal([false, false]);
    expect(page?.get(34377)?.includes("A corner that is dark")).to.equal(true);
  });

  it("is told of where chunks and extensions are not carried over", async () => {
    const text = Buffer.from([0x21, 0x01, 12, ...new Array(12).fill(0), 1, 65, 0]);
    const gif = animatedGif();
    const withText = Buffer.concat([gif.subarray(0, 61), text, gif.subarray(61)]);
    expect((await notesOf(withText))?.dropped).to.deep.equal(["plain text"]);
    const png = pngOf(rgb, [
      ["prVT", Buffer.from("a checksum of the pixels")],
      ["pRVT", Buffer.from("another")],
    ]);
    expect((await notesOf(png))?.dropped).to.deep.equal(["private chunks"]);
    const webp = withChunks(await lossless(), 0, [{ type: "abcd", data: Buffer.from("unknown") }]);
    expect((await notesOf(webp))?.dropped).to.deep.equal(["unknown chunks"]);
  });

  it("is nothing where nothing was dropped or wrong", async () => {
    for (const source of [pngOf(rgb), animatedGif(), await lossless(), tiff([pageOf(rgb)])]) {
      expect(await notesOf(source)).to.deep.include({ repaired: [], dropped: [] });
    }
  });
});

describe("bytes behind a WebP", () => {
  it("are told of, and rejected by a worker that takes no damaged images", async () => {
    const sound = webpFile(webpChunksOf(await lossless()));
    const source = Buffer.concat([sound, Buffer.from("tail")]);
    const { body, notes } = await rotate({ angle: 90 })(source, limits);
    expect(notes?.repaired).to.deep.equal(["4 bytes are behind its end"]);
    expect(body.equals(await turned(sound, 90))).to.equal(true);
    const strict = rotate({ angle: 90, damaged: "reject" });
    expect((await strict(source, limits).catch((error) => error)).code).to.equal("corrupt");
  });
});
