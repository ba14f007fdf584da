import { expect } from "chai";
import sharp from "sharp";
import { vp8Quality } from "../src/formats/webp/webp-quality.ts";
import { exif, xmp } from "./corpus/exif.ts";
import { difference, oriented, photograph, picture, quarters, type Raster } from "./corpus/raster.ts";
import { animatedWebp, type Chunk, chunksOf, file, withChunks } from "./corpus/webp.ts";
import { decode, decodeFrames, turned, turnedAround } from "./tools.ts";

function webp({ width, height, channels, data }: Raster, lossless: boolean, quality = 90): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels } })
    .webp({ lossless, exact: true, quality })
    .toBuffer();
}

function chunk(webp: Buffer, type: string): Buffer | undefined {
  return chunksOf(webp).find((found) => found.type === type)?.data;
}

describe("a WebP", () => {
  for (const channels of [3, 4] as const) {
    it(`that is lossless, of ${channels} channels, stays lossless and exact`, async () => {
      const source = await webp(picture(37, 23, channels), true);
      const pixels = await decode(source);
      const result = await turned(source, 90);
      expect(chunksOf(result).map(({ type }) => type)).to.deep.equal(
        chunksOf(source).map(({ type }) => type),
      );
      expect(difference(await decode(result), quarters(pixels, 1)).largest).to.equal(0);
      expect(difference(await decode(await turnedAround(source)), pixels).largest).to.equal(0);
      expect(difference(await decode(await turned(await turned(source, 90), -90)), pixels).largest).to.equal(
        0,
      );
      const twice = await turned(await turned(source, 90), 90);
      expect(difference(await decode(await turned(source, 180)), await decode(twice)).largest).to.equal(0);
    });
  }

  it("keeps the colours of transparent pixels", async () => {
    const raster = picture(16, 16, 4);
    raster.data.fill(0, 3, 4);
    const result = await decode(await turned(await webp(raster, true), 90));
    expect(difference(result, quarters(raster, 1)).largest).to.equal(0);
  });

  it("that is lossy keeps its alpha exactly and its colours nearly", async () => {
    const source = await webp(picture(64, 48, 4), false, 90);
    const [before, after] = [await decode(source), await decode(await turned(source, 90))];
    const alpha = ({ data }: Raster) => data.filter((_, index) => index % 4 === 3);
    expect(alpha(after)).to.deep.equal(alpha(quarters(before, 1)));
    expect(difference(after, quarters(before, 1)).mean).to.be.below(2);
  });

  for (const quality of [30, 50, 75, 90, 98]) {
    it(`that is lossy, of quality ${quality}, keeps it`, async () => {
      const source = await webp(photograph(320, 240), false, quality);
      const lossy = chunk(source, "VP8 ") as Buffer;
      expect(vp8Quality(lossy)).to.be.within(quality - 6, quality + 6);
      const result = await turned(source, 90);
      expect(result.length / source.length).to.be.within(0.8, 1.2);
    });
  }

  for (let orientation = 1; orientation <= 8; orientation += 1) {
    it(`in orientation ${orientation} comes out upright, turned, orientation 1`, async () => {
      const stored = await webp(picture(37, 23), true);
      const source = withChunks(stored, 0x08, [{ type: "EXIF", data: exif({ orientation }) }]);
      const result = await turned(source, 90);
      const expected = quarters(oriented(await decode(stored), orientation), 1);
      expect(difference(await decode(result), expected).largest).to.equal(0);
      expect(chunk(result, "EXIF")?.equals(exif({ orientation: 1 }))).to.equal(true);
    });
  }

  it("keeps profile, Exif and XMP, with orientation 1", async () => {
    const { data } = picture(37, 23);
    const image = sharp(data, { raw: { width: 37, height: 23, channels: 3 } }).withIccProfile("p3");
    const profiled = await image.webp({ lossless: true }).toBuffer();
    const added = [
      { type: "EXIF", data: exif({ orientation: 6, copyright: "A. Person", resolution: [300, 150] }) },
      { type: "XMP ", data: xmp(6) },
    ];
    const source = withChunks(profiled, 0x2c, added);
    const result = await turned(source, 180);
    expect(chunk(result, "ICCP")?.equals(chunk(source, "ICCP") as Buffer)).to.equal(true);
    const expected = exif({ orientation: 1, copyright: "A. Person", resolution: [150, 300] });
    expect(chunk(result, "EXIF")?.equals(expected)).to.equal(true);
    expect(chunk(result, "XMP ")?.toString()).to.include('tiff:Orientation="1"');
    expect((await sharp(result).metadata()).hasProfile).to.equal(true);
  });

  for (const angle of [90, 180, 270]) {
    it(`that is animated looks the same in every frame, turned by ${angle}`, async () => {
      const source = await animatedWebp();
      const [before, after] = [await decodeFrames(source), await decodeFrames(await turned(source, angle))];
      expect(after.length).to.equal(before.length);
      for (const [page, frame] of before.entries()) {
        const apart = difference(after[page] as Raster, quarters(frame, angle / 90));
        // The third frame is lossy, and so is its turn.
        expect(apart.mean, `frame ${page}`).to.be.below(page === 2 ? 3 : page === 3 ? 3 : 1e-9);
      }
    });
  }

  it("that is animated keeps delays, loop and background", async () => {
    const source = await animatedWebp();
    const result = await turned(source, 90);
    const [before, after] = [await sharp(source).metadata(), await sharp(result).metadata()];
    expect([after.pages, after.loop, after.delay]).to.deep.equal([before.pages, before.loop, before.delay]);
    expect(chunk(result, "ANIM")?.equals(chunk(source, "ANIM") as Buffer)).to.equal(true);
  });

  it("that is animated keeps frames that show the same", async () => {
    const once = await animatedWebp();
    const frames = chunksOf(once).filter(({ type }) => type === "ANMF");
    const copies = [frames[0], frames[0], frames[0]] as Chunk[];
    const others = chunksOf(once).filter(({ type }) => type !== "ANMF");
    const result = await turned(file([...others, ...copies]), 90);
    expect((await sharp(result).metadata()).pages).to.equal(3);
  });

  it("turned by 45 degrees has transparent corners where it has alpha", async () => {
    const result = await decode(await turned(await webp(picture(40, 40, 4), true), 45));
    expect([result.width, result.data[3]]).to.deep.equal([57, 0]);
  });
});
