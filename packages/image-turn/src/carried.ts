/** Metadata that a format carries in blocks of its own: turned along, and what is lost of them goes to the notes. */
import { hasThumbnail, turnedExif } from "./exif.ts";
import { turnJpegThumbnail } from "./formats/jpeg/jpeg.ts";
import { type Carried, resizedXmp, secondOrientation, turnedXmp } from "./metadata.ts";
import type { Job } from "./pixels.ts";

/** Says that something of the source is not in the result: once, however often it is there. */
export function noteDropped({ notes }: Job, what: string): void {
  if (!notes.dropped.includes(what)) {
    notes.dropped.push(what);
  }
}

/**
 * An image's Exif block, or undefined where it cannot be read.
 *
 * @param orientation What it says of its orientation afterwards.
 */
export async function carriedExif(
  exif: Buffer,
  { turn, size, job }: Carried,
  orientation?: (stated: number) => number,
): Promise<Buffer | undefined> {
  const turnThumbnail = (jpeg: Buffer) => turnJpegThumbnail(jpeg, turn, job);
  const turned = await turnedExif(exif, turn, size, turnThumbnail, 0x7fffffff, orientation);
  if (turned === undefined) {
    noteDropped(job, "Exif that cannot be read");
  } else if (hasThumbnail(exif) && !hasThumbnail(turned)) {
    noteDropped(job, "the Exif thumbnail");
  }
  return turned;
}

/** An XMP packet, whose length may change. */
export function carriedXmp(packet: Buffer, carried: Carried): Buffer {
  if (packet.includes("<xmp:Thumbnails")) {
    noteDropped(carried.job, "XMP's thumbnails");
  }
  return resizedXmp(turnedXmp(packet, false, secondOrientation(carried)), carried.size);
}
