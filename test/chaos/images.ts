import { createHash } from "node:crypto";
import sharp from "sharp";

/** Images that can be told apart, few enough that the same content comes under a key again. */
const DIFFERENT = 64;

/** One pixel beside another. */
export interface TwoPixels {
  readonly png: Buffer;
  /** Hexadecimal, left and right. */
  readonly left: string;
  readonly right: string;
}

export async function twoPixels(): Promise<TwoPixels[]> {
  return Promise.all(
    Array.from({ length: DIFFERENT }, async (_, index) => {
      const bytes = createHash("sha256").update(String(index)).digest().subarray(0, 6);
      const png = await sharp(bytes, { raw: { width: 2, height: 1, channels: 3 } })
        .png()
        .toBuffer();
      return { png, left: bytes.toString("hex", 0, 3), right: bytes.toString("hex", 3, 6) };
    }),
  );
}

const decoded = new Map<string, string>();

/** The pixels of one above the other, from top to bottom; what is seen often is decoded once. */
export async function pixelsOf(image: Buffer): Promise<string> {
  const name = createHash("sha256").update(image).digest("hex");
  const known = decoded.get(name);
  if (known !== undefined) return known;
  const { data, info } = await sharp(image).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const pixels = `${info.width}x${info.height} ${data.toString("hex")}`;
  decoded.set(name, pixels);
  return pixels;
}
