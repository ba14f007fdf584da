import { GetObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import sharp, { type Sharp } from "sharp";
import { resultOf } from "../delivery/result.ts";

/** A worker's result, as it stands. */
export interface Result {
  readonly body: Buffer;
  readonly contentType: string | undefined;
  /** Identity of the version that it is of. */
  readonly source: string;
}

/** Judgement of something, in words. */
export interface Outcome {
  readonly ok: boolean;
  readonly words: string;
}

/** The mean difference of two pixels' channels, of 255, below which JPEGs of the same picture stay. */
const ALIKE = 8;

/** Reads a result; undefined where there is none. */
export async function resultAt(s3: S3Client, Bucket: string, Key: string): Promise<Result | undefined> {
  try {
    const { Body, ContentType, Metadata } = await s3.send(new GetObjectCommand({ Bucket, Key }));
    const body = Buffer.from((await Body?.transformToByteArray()) ?? []);
    return { body, contentType: ContentType, source: resultOf(Metadata ?? {}) };
  } catch (error) {
    if ((error as Error).name === "NoSuchKey") return undefined;
    throw new Error(`s3://${Bucket}/${Key} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Judges a result by its pixels.
 * @param angle degrees clockwise that the worker turns by; of a worker that does something else it is asked only that
 *   the result can be decoded
 */
export async function judge(sample: Buffer, result: Buffer, angle: number | undefined): Promise<Outcome> {
  const pixels = (image: Sharp) =>
    image.toColourspace("srgb").removeAlpha().raw().toBuffer({ resolveWithObject: true });
  let actual: Awaited<ReturnType<typeof pixels>>;
  try {
    actual = await pixels(sharp(result, { failOn: "warning" }).autoOrient());
  } catch (error) {
    return { ok: false, words: `its result cannot be decoded: ${(error as Error).message.split("\n")[0]}` };
  }
  const { width, height } = actual.info;
  const size = `${width} × ${height}`;
  if (angle === undefined) return { ok: true, words: `its result can be decoded, ${size}` };
  const turn = angle > 180 ? `${360 - angle}° counter-clockwise` : `${angle}° clockwise`;
  const upright = await sharp(sample).autoOrient().toColourspace("srgb").png().toBuffer();
  const expected = await pixels(sharp(upright).rotate(angle, { background: "white" }));
  if (expected.info.width !== width || expected.info.height !== height) {
    return {
      ok: false,
      words: `its result is ${size}, but turned by ${turn} it is ${expected.info.width} × ${expected.info.height}`,
    };
  }
  const apart = meanDifference(expected.data, actual.data);
  return apart < ALIKE
    ? { ok: true, words: `turned by ${turn}, ${size}` }
    : {
        ok: false,
        words: `its result is not the sample turned by ${turn}: pixels differ by ${apart.toFixed(0)} of 255`,
      };
}

function meanDifference(a: Buffer, b: Buffer): number {
  let sum = 0;
  for (const [index, value] of a.entries()) sum += Math.abs(value - (b[index] ?? 0));
  return sum / a.length;
}
