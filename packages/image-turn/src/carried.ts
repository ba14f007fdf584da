/** Metadata that a format carries in blocks of its own: turned along, and what is lost of them goes to the notes. */
import { exifOrientation, hasThumbnail, turnedExif } from "./exif.ts";
import { turnJpegThumbnail } from "./formats/jpeg/jpeg.ts";
import {
  type Carried,
  noteDropped,
  noteXmpThumbnails,
  resizedXmp,
  secondOrientation,
  turnedXmp,
} from "./metadata.ts";
import { exifUnder, xmpUnder } from "./privacy.ts";

/**
 * An image's Exif block, or undefined where it cannot be read.
 *
 * @param orientation What it says of its orientation afterwards.
 */
export async function carriedExif(
  exif: Buffer,
  { turn, size, job }: Carried,
  orientation: (stated: number) => number = () => 1,
): Promise<Buffer | undefined> {
  const allowed = exifUnder(job.metadata, exif, orientation(exifOrientation(exif)) === 1);
  if (allowed === undefined) {
    return undefined;
  }
  const turnThumbnail = (jpeg: Buffer) => turnJpegThumbnail(jpeg, turn, job);
  const turned = await turnedExif(allowed, turn, size, turnThumbnail, 0x7fffffff, orientation);
  if (turned === undefined) {
    noteDropped(job, "Exif that cannot be read");
  } else if (hasThumbnail(allowed) && !hasThumbnail(turned)) {
    noteDropped(job, "the Exif thumbnail");
  }
  return turned;
}

/** An XMP packet, whose length may change; undefined where nothing of it goes along. */
export function carriedXmp(packet: Buffer, carried: Carried): Buffer | undefined {
  const allowed = xmpUnder(carried.job.metadata, packet, carried.oriented);
  if (allowed === undefined) {
    return undefined;
  }
  noteXmpThumbnails(allowed, carried.job);
  return resizedXmp(turnedXmp(allowed, false, secondOrientation(carried)), carried.size);
}
