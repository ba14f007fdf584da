import { expect } from "chai";
import sharp from "sharp";
import { rotate } from "../src/rotate.ts";
import { files } from "./corpus/files.ts";
import { pngOf } from "./corpus/png.ts";
import { difference, picture, quarters, type Raster } from "./corpus/raster.ts";
import { decode, limits, rejection, turned } from "./tools.ts";

describe("the rotation", () => {
  it("has a result of the format that came in, said in its media type, for every kind of image", async () => {
    for (const [name, source] of await files()) {
      const { body, contentType } = await rotate({ angle: 90 })(source, limits);
      const { mediaType } = await sharp(body).metadata();
      expect(contentType, name)
        .to.equal(mediaType)
        .and.equal(`image/${name.split(" ")[0]}`);
    }
  });

  it("says of every kind of image whether its samples were moved, and says so of none at other angles", async () => {
    const anew: string[] = [];
    for (const [name, source] of await files()) {
      const { notes } = await rotate({ angle: 90 })(source, limits);
      if (notes?.exact === false) anew.push(name);
      const slanted = await rotate({ angle: 30 })(source, limits).catch(() => undefined);
      expect(slanted?.notes?.exact ?? false, name).to.equal(false);
    }
    expect(anew).to.deep.equal([
      ...["jpeg", "jpeg progressive", "jpeg grey", "jpeg cmyk"],
      ...["webp lossy", "webp animated", "tiff jpeg"],
    ]);
  });

  it("gives the same bytes for the same bytes, and leaves those alone", async () => {
    for (const [name, source] of await files()) {
      const before = Buffer.from(source);
      const [once, again] = [await turned(source, 90), await turned(source, 90)];
      expect(once.equals(again), name).to.equal(true);
      expect(source.equals(before), name).to.equal(true);
    }
  });

  it("does the same for angles that differ by whole turns", async () => {
    const source = pngOf(picture(30, 20));
    for (const [angle, same] of [
      [450, 90],
      [-270, 90],
      [-90, 270],
      [720, 0],
      [-0, 0],
      [392.5, 32.5],
    ] as const) {
      expect((await turned(source, angle)).equals(await turned(source, same)), `${angle}`).to.equal(true);
    }
  });

  it("turns clockwise", async () => {
    const raster = picture(30, 20);
    const expected = quarters(raster, 1);
    expect(difference(await decode(await turned(pngOf(raster), 90)), expected).largest).to.equal(0);
    const near = await decode(await turned(pngOf(raster), 90.001));
    const [same, opposite] = [quarters(raster, 1), quarters(raster, 3)].map(
      (turn) => difference(cropped(near, turn), turn).mean,
    );
    expect(same).to.be.below((opposite ?? 0) / 4);
  });

  it("by any angle keeps the middle where it is and grows the canvas to hold every corner", async () => {
    const raster: Raster = { ...picture(41, 41), data: new Uint8Array(41 * 41 * 3).fill(40) };
    for (const angle of [1, 17, 45, 63.4, 89, 133, 269]) {
      const radians = (angle / 180) * Math.PI;
      const across = 41 * (Math.abs(Math.sin(radians)) + Math.abs(Math.cos(radians)));
      const result = await decode(await turned(pngOf(raster), angle));
      expect(result.width).to.be.within(Math.floor(across), Math.ceil(across) + 1);
      const dark = result.data.filter((sample) => sample < 140).length / 3;
      expect(dark).to.be.within(41 * 41 * 0.97, 41 * 41 * 1.03);
      const middle = (Math.floor(result.height / 2) * result.width + Math.floor(result.width / 2)) * 3;
      expect(result.data[middle]).to.equal(40);
    }
  });

  it("by any angle and back resembles the original, as a bicubic resampling does", async () => {
    const raster = picture(120, 90);
    const there = await turned(pngOf(raster), 30);
    const back = await decode(await turned(there, -30));
    expect(
      difference(
        cropped(back, { ...raster, width: 60, height: 40 }),
        cropped(raster, { ...raster, width: 60, height: 40 }),
      ).mean,
    ).to.be.below(4);
  });

  it("has corners of the background's colour, translucent where the image can be", async () => {
    const background = { r: 10, g: 200, b: 30, alpha: 0.5 };
    const corner = async (channels: 1 | 3 | 4) => {
      const { body } = await rotate({ angle: 45, background })(pngOf(picture(40, 40, channels)), limits);
      const { data, channels: count } = await decode(body);
      return [...data.subarray(0, count)];
    };
    for (const [index, sample] of [10, 200, 30, 128].entries()) {
      expect((await corner(4))[index]).to.be.closeTo(sample, 1);
    }
    expect(await corner(3)).to.deep.equal([133, 228, 143]);
    expect((await corner(1)).length).to.equal(1);
  });

  it("refuses an angle or a background that is none when it is made, not when an image comes", () => {
    for (const angle of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => rotate({ angle })).to.throw(RangeError, "finite number of degrees");
    }
    for (const background of [
      { r: 256, g: 0, b: 0, alpha: 1 },
      { r: 0, g: -1, b: 0, alpha: 1 },
      { r: 0, g: 0, b: 0, alpha: 2 },
      { r: Number.NaN, g: 0, b: 0, alpha: 1 },
    ]) {
      expect(() => rotate({ angle: 45, background })).to.throw(RangeError, "background");
    }
  });

  it("rejects what takes longer than it may", async () => {
    const source = await sharp(picture(1200, 900).data, { raw: { width: 1200, height: 900, channels: 3 } })
      .png()
      .toBuffer();
    expect(await rejection(source, "too-slow", { ...limits, seconds: 0 })).to.include("0 s");
  });

  it("rejects an image over the limit, saying how large it is and how large it may be", async () => {
    const decoded = [...(await files())].filter(([name]) => name !== "heic");
    for (const [name, source] of decoded) {
      const message = await rejection(source, "too-many-pixels", { ...limits, pixels: 100 });
      expect(message, name).to.match(
        /\d+ × \d+ pixels, which count as .* megapixels.*; the maximum is 0\.0\.$/,
      );
    }
  });
});

/** The middle of a raster, as large as another. */
function cropped(raster: Raster, { width, height }: Pick<Raster, "width" | "height">): Raster {
  const [left, top] = [(raster.width - width) >> 1, (raster.height - height) >> 1];
  const { channels } = raster;
  const data = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y += 1) {
    const from = ((top + y) * raster.width + left) * channels;
    data.set(raster.data.subarray(from, from + width * channels), y * width * channels);
  }
  return { width, height, channels, data };
}
