import { expect } from "chai";
import sharp from "sharp";
import { ImageRejected, type Limits, type RejectionCode } from "../src/contract.ts";
import { rotate } from "../src/rotate.ts";
import type { Raster } from "./corpus/raster.ts";

export const limits: Limits = { pixels: 50_000_000, seconds: 20 };

/** The image turned clockwise by some degrees. */
export async function turned(source: Buffer, angle: number): Promise<Buffer> {
  return (await rotate({ angle })(source, limits)).body;
}

/** The image turned four times by a quarter, encoded every time. */
export async function turnedAround(source: Buffer): Promise<Buffer> {
  let image = source;
  for (let quarter = 0; quarter < 4; quarter += 1) {
    image = await turned(image, 90);
  }
  return image;
}

/** The samples of an image, or of one of its pages, as they are stored: without profiles applied. */
export async function decode(file: Buffer, page = 0): Promise<Raster> {
  const { space, depth } = await sharp(file, { page }).metadata();
  const image = sharp(file, { page, ignoreIcc: true });
  const kept = space === "srgb" ? image : image.pipelineColourspace(space).toColourspace(space);
  const wide = depth === "ushort";
  const { data, info } = await kept
    .raw({ depth: wide ? "ushort" : "uchar" })
    .toBuffer({ resolveWithObject: true });
  const samples = wide ? new Uint16Array(new Uint8Array(data).buffer) : new Uint8Array(data);
  return {
    width: info.width,
    height: info.height,
    channels: info.channels as Raster["channels"],
    data: samples,
  };
}

/** The frames of an animation as they look, RGBA. */
export async function decodeFrames(file: Buffer): Promise<Raster[]> {
  const decoder = sharp(file, { animated: true, ignoreIcc: true }).ensureAlpha().raw();
  const { data, info } = await decoder.toBuffer({ resolveWithObject: true });
  const height = info.pageHeight ?? info.height;
  const bytes = info.width * height * 4;
  return Array.from({ length: data.length / bytes }, (_, page) => {
    const frame = new Uint8Array(data.subarray(page * bytes, (page + 1) * bytes));
    return { width: info.width, height, channels: 4, data: frame };
  });
}

/** Expects an image to be rejected, and gives the reason. */
export async function rejection(
  source: Buffer,
  code: RejectionCode,
  within: Limits = limits,
): Promise<string> {
  try {
    await rotate({ angle: 90 })(source, within);
  } catch (error) {
    expect(error).to.be.instanceOf(ImageRejected);
    expect((error as ImageRejected).code, (error as ImageRejected).message).to.equal(code);
    return (error as ImageRejected).message;
  }
  return expect.fail(`the image was not rejected as ${code}`);
}
