import type { Size, Turn } from "./geometry.ts";
import { type Job, open, secondsLeft, turnPixels } from "./pixels.ts";

/** The frames of an animation as they look, one below the other: whole canvases, RGBA of 8 bits. */
export interface Frames extends Size {
  readonly pages: number;
  readonly pixels: Buffer;
}

/** Composes and turns the frames of an animated GIF or WebP. */
export async function turnFrames(source: Buffer, turn: Turn, job: Job): Promise<Frames> {
  const decoder = open(job, source, { animated: true }).ensureAlpha().raw();
  const { data, info } = await decoder.toBuffer({ resolveWithObject: true });
  const raw = { width: info.width, height: info.pageHeight ?? info.height, channels: 4 } as const;
  const pages = info.pages ?? 1;
  const bytes = raw.width * raw.height * 4;
  let frames: Frames = { ...raw, pages, pixels: Buffer.alloc(0) };
  for (let page = 0; page < pages; page += 1) {
    secondsLeft(job);
    const frame = open(job, data.subarray(page * bytes, (page + 1) * bytes), { raw });
    const turned = await turnPixels(frame, turn, true, job.background)
      .raw()
      .toBuffer({ resolveWithObject: true });
    if (page === 0) {
      const { width, height } = turned.info;
      frames = { width, height, pages, pixels: Buffer.allocUnsafe(turned.data.length * pages) };
    }
    frames.pixels.set(turned.data, page * turned.data.length);
  }
  return frames;
}
