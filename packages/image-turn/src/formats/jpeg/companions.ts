/** What may lie behind a JPEG's picture: a gain map, further pictures, a film; and what the metadata says of them. */
import { readable } from "../../damage.ts";
import { TiffReader } from "../../directory.ts";
import { contentOf, isA, marker, type Parsed, parse, type Segment } from "./file.ts";

/** Most pictures of a list that are looked at. */
const MAX_PICTURES = 16;

export interface Companions {
  /** The gain map of an Ultra HDR image, from its first byte to its last. */
  readonly gainMap: Buffer | undefined;
  /** How many other pictures the list has. */
  readonly others: number;
  /** Whether the metadata says that a film follows. */
  readonly film: boolean;
}

/** What lies behind a picture. */
export function companionsOf(source: Buffer, { segments, end }: Parsed): Companions {
  const listed = listedOffsets(source, segments);
  const offsets = [...new Set([end, ...listed])].filter(
    (offset) => offset >= end && isPicture(source, offset),
  );
  const maps = segments.some(saysGainMap)
    ? offsets.flatMap((offset) => readable(() => gainMapAt(source, offset)) ?? [])
    : [];
  return {
    gainMap: maps[0],
    others: offsets.length - (maps[0] === undefined ? 0 : 1),
    film: end < source.length && segments.some((segment) => filmClaim.test(xmpOf(segment))),
  };
}

function isPicture(source: Buffer, offset: number): boolean {
  return offset + 4 <= source.length && source.readUIntBE(offset, 3) === 0xffd8ff;
}

function gainMapAt(source: Buffer, offset: number): Buffer | undefined {
  const { segments, end } = parse(source.subarray(offset));
  return segments.some(saysGainMap) ? source.subarray(offset, offset + end) : undefined;
}

function saysGainMap(segment: Segment): boolean {
  return isA(segment, "gainMap") || /\bhdrgm:Version\b/.test(xmpOf(segment));
}

function xmpOf(segment: Segment): string {
  return isA(segment, "xmp") ? segment.data.toString("latin1") : "";
}

/** Where the list of pictures says that others begin than the first, whose offset is no offset. */
function listedOffsets(source: Buffer, segments: readonly Segment[]): number[] {
  const offsets = readable(() => {
    const block = new TiffReader(contentOf(segments, "pictures") ?? Buffer.alloc(0));
    const pictures = block.directoryAt(block.start).directory.get(0xb002)?.value ?? Buffer.alloc(0);
    // Offsets count from where the list's structure begins.
    const from = block.file.byteOffset - source.byteOffset;
    return Array.from(
      { length: Math.min(MAX_PICTURES, pictures.length >> 4) },
      (_, index) => from + block.number(pictures.subarray(16 * index + 8, 16 * index + 12)),
    ).slice(1);
  });
  return offsets ?? [];
}

/** A list of two pictures, an image and its gain map: as long for any numbers. */
export function listOf(primary: number, gainMap: number, offset: number): Segment {
  const data = Buffer.alloc(90);
  data.write("MPF\0MM\0*", "latin1");
  data.writeUInt32BE(8, 8);
  data.writeUInt16BE(3, 12);
  const fields = [
    [0xb000, 7, 4, 0x30313030],
    [0xb001, 4, 1, 2],
    [0xb002, 7, 32, 50],
  ] as const;
  for (const [index, [tag, type, count, value]] of fields.entries()) {
    data.writeUInt16BE(tag, 14 + 12 * index);
    data.writeUInt16BE(type, 16 + 12 * index);
    data.writeUInt32BE(count, 18 + 12 * index);
    data.writeUInt32BE(value, 22 + 12 * index);
  }
  // "Baseline MP Primary Image", and an image of no type that the standard names.
  data.writeUInt32BE(0x030000, 54);
  data.writeUInt32BE(primary, 58);
  data.writeUInt32BE(gainMap, 74);
  data.writeUInt32BE(offset, 78);
  return { marker: marker.app2, data };
}

/** The list with the numbers that belong to a file's first segments, of which `place` is the list. */
export function placedList(before: readonly Segment[], primary: number, gainMap: number): Segment {
  // Marker, length and signature are before the structure from which offsets count.
  const place = before.reduce((sum, { data }) => sum + 4 + data.length, 2) + 8;
  return listOf(primary, gainMap, primary - place);
}

const filmClaim = /\b[\w-]{1,40}:(?:MotionPhoto|MicroVideo)/;
const filmAttributes =
  /\s[\w-]{1,40}:(?:MotionPhoto|MicroVideo)\w{0,60}\s{0,9}=\s{0,9}(?:"[^"<]{0,200}"|'[^'<]{0,200}')/g;
const filmElements = /<([\w-]{1,40}:(?:MotionPhoto|MicroVideo)\w{0,60})>[^<]{0,200}<\/\1>/g;

/**
 * An XMP packet that says nothing of a film or of pictures that are not there, and the right length of the gain map.
 *
 * @param gainMap The gain map's bytes; undefined where there is none.
 */
export function withoutClaims(packet: Buffer, gainMap: number | undefined): Buffer {
  const text = packet.toString("latin1").replace(filmAttributes, "").replace(filmElements, "");
  const pieces: string[] = [];
  let done = 0;
  for (;;) {
    const start = text.indexOf("<rdf:li", done);
    const end = start < 0 ? -1 : text.indexOf("</rdf:li>", start);
    if (end < 0) {
      return Buffer.from(pieces.join("") + text.slice(done), "latin1");
    }
    const item = text.slice(start, end + 9);
    pieces.push(text.slice(done, start), claimedItem(item, gainMap));
    done = end + 9;
  }
}

/** An item of a list in XMP: of a list of files, only the image itself and its gain map stay. */
function claimedItem(item: string, gainMap: number | undefined): string {
  const semantic = /:Semantic(?:\s{0,9}=\s{0,9}["']|>\s{0,9})(\w{1,40})/.exec(item)?.[1];
  if (semantic === undefined || semantic === "Primary") {
    return item;
  }
  return semantic === "GainMap" && gainMap !== undefined
    ? item.replace(/(:Length(?:\s{0,9}=\s{0,9}["']|>\s{0,9}))\d{1,12}/, `$1${gainMap}`)
    : "";
}
