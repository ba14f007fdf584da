import type { Metadata } from "sharp";
import { ImageRejected } from "../../contract.ts";
import { isQuarter, type Turn, turnFrom } from "../../geometry.ts";
import { checkPixels, inspect, type Job, keepSpace, open, turnPixels } from "../../pixels.ts";
import { weight } from "../../weights.ts";
import { NotTurnable, readContainer, turnContainer } from "./heif.ts";

/**
 * Turns an AVIF. A quarter turn is one of the format's own properties, which every reader has to apply: it is set,
 * and no pixel is touched. The pixels are decoded all the same, so that a damaged image is not passed on. Any other
 * angle, and a file whose structure is not read here, is encoded anew.
 */
export async function turnAvif(source: Buffer, job: Job): Promise<Buffer> {
  const metadata = await inspect(source);
  if (metadata.compression !== "av1") {
    throw new ImageRejected("unsupported-format", "The file is a HEIC image that says it is an AVIF.");
  }
  const deep = metadata.depth === "ushort";
  const turn = turnFrom(undefined, job.angle);
  checkPixels(job, [metadata], weight(deep ? "avif16" : "avif8", isQuarter(turn)));
  if (isQuarter(turn)) {
    await open(job, source).extract({ left: 0, top: 0, width: 1, height: 1 }).raw().toBuffer();
    try {
      return await turnContainer(source, readContainer(source), turn, job);
    } catch (error) {
      if (!(error instanceof NotTurnable)) throw error;
    }
  }
  job.notes.exact = false;
  const encoded = await encode(source, metadata, turn, job);
  // The encoder takes its metadata over as they are.
  return turnContainer(encoded, readContainer(encoded), turnFrom(undefined, 0), job);
}

function encode(source: Buffer, metadata: Metadata, turn: Turn, job: Job): Promise<Buffer> {
  const deep = metadata.depth === "ushort";
  const image = keepSpace(open(job, source), metadata.space);
  return turnPixels(image, turn, metadata.hasAlpha, job.background)
    .keepMetadata()
    .avif({ quality: 80, effort: 2, ...(deep && { bitdepth: metadata.bitsPerSample === 10 ? 10 : 12 }) })
    .toBuffer();
}
