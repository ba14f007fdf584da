/** Metadata that agree with a turned image: what is lost of them goes to the notes. */
import { checkPieces } from "./damage.ts";
import { type ExifTerms, hasThumbnail, statedOrientation, turnedExif } from "./exif.ts";
import { withoutClaims } from "./formats/jpeg/companions.ts";
import { turnJpegThumbnail } from "./formats/jpeg/picture.ts";
import { type Size, type Turn, unappliedOrientation } from "./geometry.ts";
import type { Job } from "./pixels.ts";
import { exifUnder, iptcUnder, type MetadataPolicy, xmpUnder } from "./privacy.ts";

/** What metadata must agree with. */
export interface Carried {
  /** How the pixels were turned, and their size now. */
  readonly turn: Turn;
  readonly size: Size;
  /**
   * Whether the orientation that every viewer follows, Exif's or TIFF's own, is stated, and so was applied. Otherwise what
   * others state was not.
   */
  readonly oriented: boolean;
  readonly job: Job;
  /** What lies behind the picture or beside it, of which XMP may tell: all as it was, a gain map of so many bytes, or nothing. */
  readonly behind?: "all" | number | undefined;
}

/** Says that something of the source is not in the result: once, however often it is there. */
export function noteDropped({ notes }: Job, what: string): void {
  if (!notes.dropped.includes(what)) {
    notes.dropped.push(what);
  }
}

/** An image's Exif block, or undefined where it cannot be read, or nothing of it goes along. */
export async function carriedExif(
  exif: Buffer,
  { turn, size, job }: Carried,
  { maxBytes = Number.POSITIVE_INFINITY, orientation = () => 1 }: Partial<ExifTerms> = {},
): Promise<Buffer | undefined> {
  const allowed = exifUnder(job.metadata, exif, orientation(statedOrientation(exif) ?? 1) === 1);
  if (allowed === undefined) {
    return undefined;
  }
  const turnThumbnail = (jpeg: Buffer) => turnJpegThumbnail(jpeg, turn, job);
  const turned = await turnedExif(allowed, turn, size, turnThumbnail, { maxBytes, orientation });
  if (turned === undefined) {
    noteDropped(job, "Exif that cannot be read");
  } else if (hasThumbnail(allowed) && !hasThumbnail(turned)) {
    noteDropped(job, "the Exif thumbnail");
  }
  return turned;
}

/** An XMP packet, or undefined where nothing of it goes along. Sizes for whose digits there is no room stay as they were. */
export function carriedXmp(
  packet: Buffer,
  carried: Carried,
  maxBytes = Number.POSITIVE_INFINITY,
): Buffer | undefined {
  const { job, behind, size } = carried;
  const allowed = xmpUnder(job.metadata, packet, carried.oriented);
  if (allowed === undefined) {
    return undefined;
  }
  if (allowed.includes("<xmp:Thumbnails")) {
    noteDropped(job, "XMP's thumbnails");
  }
  const upright = turnedXmp(allowed, behind !== undefined, secondOrientation(carried));
  const turned = behind === "all" ? upright : withoutClaims(upright, behind);
  const resized = resizedXmp(turned, size);
  return resized.length <= maxBytes ? resized : turned;
}

/** What an orientation becomes that counts only where the one that every viewer follows is not stated. */
export function secondOrientation({ turn, oriented }: Carried): (stated: number) => number {
  return (stated) => (oriented ? 1 : unappliedOrientation(stated, turn.degrees));
}

/**
 * An XMP packet whose image was turned upright: its orientation is 1; its thumbnails, which show the image as it
 * was, and its word that a gain map follows where none does, are blanked. The length stays the same, so that a packet can
 * be changed where it is.
 *
 * @param orientation What it says of its orientation afterwards, where that was not applied.
 */
function turnedXmp(packet: Buffer, gainMap: boolean, orientation: (stated: number) => number): Buffer {
  const restated = (_: string, before: string, stated: string) => `${before}${orientation(Number(stated))}`;
  const text = packet
    .toString("latin1")
    .replace(/(\btiff:Orientation\s{0,9}=\s{0,9}["'])([2-8])(?=["'])/g, restated)
    .replace(/\bhdrgm:Version\s{0,9}=\s{0,9}["'][\d.]{1,9}["']/g, (version) =>
      gainMap ? version : " ".repeat(version.length),
    )
    .replace(/(<tiff:Orientation>\s{0,9})([2-8])(?=\s{0,9}<)/g, restated);
  return Buffer.from(blanked(text, "<xmp:Thumbnails", "</xmp:Thumbnails>"), "latin1");
}

function blanked(text: string, open: string, close: string): string {
  const pieces: string[] = [];
  let done = 0;
  for (;;) {
    const start = text.indexOf(open, done);
    const end = start < 0 ? -1 : text.indexOf(close, start);
    if (end < 0) {
      return pieces.length === 0 ? text : pieces.join("") + text.slice(done);
    }
    pieces.push(text.slice(done, start), " ".repeat(end + close.length - start));
    done = end + close.length;
  }
}

/** An XMP packet with the sizes that it states set right. Its length may change. */
function resizedXmp(packet: Buffer, { width, height }: Size): Buffer {
  const between = "(\\s{0,9}=\\s{0,9}[\"']|>\\s{0,9})\\d{1,9}";
  const text = packet
    .toString("latin1")
    .replace(new RegExp(`\\b(tiff:ImageWidth|exif:PixelXDimension)${between}`, "g"), `$1$2${width}`)
    .replace(new RegExp(`\\b(tiff:ImageLength|exif:PixelYDimension)${between}`, "g"), `$1$2${height}`);
  return Buffer.from(text, "latin1");
}

/** Photoshop's numbers of its resources. */
const resolution = 0x03ed;
const iptc = 0x0404;
const thumbnails: readonly number[] = [0x0409, 0x040c];
/** What a picture is shown by: resolution, colour profile and paths. All others are words, and settings of editors. */
function shows(id: number): boolean {
  return id === resolution || id === 0x040f || (id >= 2000 && id <= 2999);
}

/** Exif, XMP, and IPTC's digest, which metadata beside them repeat. */
const repeated: readonly number[] = [0x0422, 0x0423, 0x0424, 0x0425];

/**
 * Photoshop's image resources (`8BIM` blocks, IPTC among them) of a turned image: without thumbnails, with the
 * resolutions swapped where `swap` says that the sides were, and with what the job's policy lets along. What cannot be
 * read stays as it is, where all may stay.
 */
export function carriedResources(resources: Buffer, swap: boolean, job: Job): Buffer {
  const kept: Buffer[] = [];
  let at = 0;
  while (at + 12 <= resources.length && resources.toString("latin1", at, at + 4) === "8BIM") {
    checkPieces(kept.length);
    const id = resources.readUInt16BE(at + 4);
    const sizeAt = at + 6 + even(1 + resources.readUInt8(at + 6));
    if (sizeAt + 4 > resources.length) {
      break;
    }
    const size = resources.readUInt32BE(sizeAt);
    const end = sizeAt + 4 + even(size);
    if (thumbnails.includes(id)) {
      noteDropped(job, "Photoshop's thumbnail");
    } else if (id === iptc && job.metadata !== "keep") {
      const records = iptcUnder(job.metadata, resources.subarray(sizeAt + 4, sizeAt + 4 + size));
      kept.push(...(records ? [resourceOf(resources.subarray(at, sizeAt), records)] : []));
    } else if (resourceStays(job.metadata, id)) {
      const resource = Buffer.from(resources.subarray(at, end));
      if (id === resolution && swap && size === 16 && end <= resources.length) {
        resources.copy(resource, resource.length - 16, end - 8, end);
        resources.copy(resource, resource.length - 8, end - 16, end - 8);
      }
      kept.push(resource);
    }
    at = end;
  }
  return Buffer.concat(job.metadata === "keep" ? [...kept, resources.subarray(at)] : kept);
}

function resourceStays(policy: MetadataPolicy, id: number): boolean {
  return policy === "keep" || (policy === "none" ? shows(id) : !repeated.includes(id));
}

function resourceOf(head: Buffer, data: Buffer): Buffer {
  const resource = Buffer.alloc(head.length + 4 + even(data.length));
  resource.set(head);
  resource.writeUInt32BE(data.length, head.length);
  resource.set(data, head.length + 4);
  return resource;
}

function even(length: number): number {
  return length + (length % 2);
}
