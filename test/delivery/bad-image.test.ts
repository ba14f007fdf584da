import { readFileSync } from "node:fs";
import { expect } from "chai";
import sharp from "sharp";
import { type ImageOperation, ImageRejected, rejectBadImages } from "../../src/exports/handler.ts";

const LIMITS = { pixels: 50_000_000, seconds: 10 };

const grey: ImageOperation = async (source, limits) => ({
  body: await sharp(source, { limitInputPixels: limits.pixels }).autoOrient().greyscale().webp().toBuffer(),
  contentType: "image/webp",
});

/** What comes of an image, whole or cut off, in a worker's own operation. */
async function outcome(source: Buffer, operation = grey, limits = LIMITS): Promise<string> {
  try {
    return (await rejectBadImages(operation)(source, limits)).contentType;
  } catch (error) {
    return error instanceof ImageRejected ? `${error.code}: ${error.message}` : `again: ${error}`;
  }
}

describe("an operation that rejects bad images", () => {
  const cat = readFileSync("samples/cat.jpg");

  it("rejects what sharp cannot read, with its reason", async () => {
    expect(await outcome(cat)).to.equal("image/webp");
    expect(await outcome(cat.subarray(0, 60_000))).to.match(/^corrupt: The image is damaged: \w.*\.$/);
    expect(await outcome(Buffer.from("a letter"))).to.equal("not-an-image: The file is no image.");
    expect(await outcome(Buffer.alloc(0))).to.equal("empty: The file is empty.");
    expect(await outcome(cat, grey, { ...LIMITS, pixels: 100 })).to.match(/^too-many-pixels: /);
  });

  it("leaves to another try what is no image's fault", async () => {
    const failing = (error: () => unknown): Promise<string> =>
      outcome(cat, async () => {
        throw await error();
      });

    expect(await failing(() => new Error("The stamp is not there."))).to.equal(
      "again: Error: The stamp is not there.",
    );
    expect(await failing(() => new TypeError("fetch failed"))).to.match(/^again: /);
    expect(await failing(() => Object.assign(new Error("reset"), { code: "ECONNRESET" }))).to.match(
      /^again: /,
    );
    expect(
      await outcome(cat, async (source) => ({
        body: await sharp(source).blur(-1).toBuffer(),
        contentType: "image/jpeg",
      })),
    ).to.match(/^again: Error: Expected number between/);
  });

  it("keeps the operation's own rejections", async () => {
    const picky: ImageOperation = async () => {
      throw new ImageRejected("unsupported-format", "Only cats.");
    };

    expect(await outcome(cat, picky)).to.equal("unsupported-format: Only cats.");
  });
});
