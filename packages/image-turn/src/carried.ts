/** Metadata that a format carries in blocks of its own: turned along, and what is lost of them goes to the notes. */
import { hasThumbnail, turnedExif } from "./exif.ts";
import { turnJpegThumbnail } from "./formats/jpeg/jpeg.ts";
import {
  type Carried,
  noteDropped,
  noteXmpThumbnails,
  resizedXmp,
  secondOrientation,
  turnedXmp,
} from "./metadata.ts";

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
  noteXmpThumbnails(packet, carried.job);
  return resizedXmp(turnedXmp(packet, false, secondOrientation(carried)), carried.size);
}
