import { readFileSync } from "node:fs";
import { expect } from "chai";
import { ImageRejected } from "image-turn";
import sharp from "sharp";
import { heif, phonePhoto } from "../packages/image-turn/test/corpus/heif.ts";
import { type ThumbnailOptions, thumbnail } from "../src/thumbnail.ts";

const LIMITS = { pixels: 50_000_000, seconds: 10 };

const make = (source: Buffer, options: Partial<ThumbnailOptions> = {}, limits = LIMITS) =>
  thumbnail({ longestSide: 64, format: "webp", ...options })(source, limits);

/** A picture whose left half is red and whose right half is blue. */
const halves = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: "red" } }).composite([
    { input: { create: { width: width / 2, height, channels: 3, background: "blue" } }, gravity: "east" },
  ]);

/** The code with which a source is rejected. */
async function codeOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof ImageRejected) return error.code;
    throw error;
  }
  return "not rejected";
}

describe("thumbnail", () => {
  for (const format of ["jpeg", "png", "webp", "avif"] as const) {
    it(`makes ${format} of the size asked for, and says so`, async () => {
      const { body, contentType } = await make(await halves(400, 200).jpeg().toBuffer(), { format });
      const { width, height, format: found } = await sharp(body).metadata();

      expect({ width, height }).to.deep.equal({ width: 64, height: 32 });
      expect(found).to.equal(format === "avif" ? "heif" : format);
      expect(contentType).to.equal(`image/${format}`);
    });
  }

  it("stands upright, and is not turned again by who shows it", async () => {
    const lying = await halves(400, 200).withMetadata({ orientation: 6 }).jpeg().toBuffer();

    const { body } = await make(lying, { format: "png" });

    const { data, info } = await sharp(body).raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).to.deep.equal([32, 64]);
    expect([...data.subarray(0, 3)]).to.satisfy(
      ([red, , blue]: number[]) => Number(red) > 200 && Number(blue) < 60,
    );
    expect((await sharp(body).metadata()).orientation).to.equal(undefined);
  });

  it("rejects a HEIC as what it is, not as damaged", async () => {
    expect(await codeOf(make(heif(phonePhoto)))).to.equal("unsupported-format");
  });

  it("leaves small images as small as they are", async () => {
    const { body } = await make(await halves(20, 10).png().toBuffer());

    expect((await sharp(body).metadata()).width).to.equal(20);
  });

  it("puts what is transparent on white where the format knows no transparency", async () => {
    const clear = await sharp({ create: { width: 8, height: 8, channels: 4, background: "#0000" } })
      .png()
      .toBuffer();

    const { body } = await make(clear, { format: "jpeg" });

    const { data } = await sharp(body).raw().toBuffer({ resolveWithObject: true });
    expect([...data.subarray(0, 3)]).to.deep.equal([255, 255, 255]);
  });

  it("shows the first picture of an animation", async () => {
    const { body } = await make(readFileSync("samples/start-to-finish.gif"));

    expect((await sharp(body).metadata()).pages ?? 1).to.equal(1);
  });

  it("rejects what it cannot make one of, and says why", async () => {
    const jpeg = await halves(400, 200).jpeg().toBuffer();
    const svg =
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>';

    expect(await codeOf(make(Buffer.alloc(0)))).to.equal("empty");
    expect(await codeOf(make(Buffer.from("no image")))).to.equal("not-an-image");
    expect(await codeOf(make(Buffer.from(svg)))).to.equal("unsupported-format");
    expect(await codeOf(make(jpeg.subarray(0, jpeg.length / 2)))).to.equal("corrupt");
    expect(await codeOf(make(jpeg, {}, { ...LIMITS, pixels: 79_999 }))).to.equal("too-many-pixels");
    expect(await codeOf(make(jpeg, {}, { ...LIMITS, pixels: 0 }))).to.equal("too-many-pixels");
  });
});
