/** What may lie behind a JPEG's picture: a gain map, further pictures, a film; and what the metadata says of them. */
import { readable } from "../../damage.ts";
import { marker, type Parsed, parse, type Segment } from "./file.ts";

/** A segment that lists the pictures of a file (CIPA DC-007). */
const multiPicture = Buffer.from("MPF\0", "latin1");
/** A segment that says that there is a gain map, or in the gain map, how to use it (ISO 21496-1). */
const isoGainMap = Buffer.from("urn:iso:std:iso:ts:21496:-1\0", "latin1");
const xmp = Buffer.from("http://ns.adobe.com/xap/1.0/\0", "latin1");

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

export function isMultiPicture({ marker: code, data }: Segment): boolean {
  return code === marker.app2 && data.subarray(0, multiPicture.length).equals(multiPicture);
}

export function isIsoGainMap({ marker: code, data }: Segment): boolean {
  return code === marker.app2 && data.subarray(0, isoGainMap.length).equals(isoGainMap);
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
  return isIsoGainMap(segment) || /\bhdrgm:Version\b/.test(xmpOf(segment));
}

function xmpOf({ marker: code, data }: Segment): string {
  return code === marker.app1 && data.subarray(0, xmp.length).equals(xmp) ? data.toString("latin1") : "";
}

/** Where the list of pictures says that others begin. */
function listedOffsets(source: Buffer, segments: readonly Segment[]): number[] {
  const list = segments.find(isMultiPicture);
  return (list && readable(() => entriesOf(list).map(({ offset }) => offset + placeOf(source, list)))) ?? [];
}

/** Where a list's structure begins in its file: offsets in it count from there. */
function placeOf(source: Buffer, { data }: Segment): number {
  return data.byteOffset - source.byteOffset + multiPicture.length;
}

/** The pictures of a list but the first, whose offset is no offset. */
function entriesOf({ data }: Segment): { attributes: number; offset: number }[] {
  const block = data.subarray(multiPicture.length);
  const little = block.toString("latin1", 0, 2) === "II";
  const u16 = (at: number) => (little ? block.readUInt16LE(at) : block.readUInt16BE(at));
  const u32 = (at: number) => (little ? block.readUInt32LE(at) : block.readUInt32BE(at));
  const directory = u32(4);
  for (let at = directory + 2; at < directory + 2 + 12 * u16(directory); at += 12) {
    if (u16(at) === 0xb002) {
      const count = Math.min(MAX_PICTURES, u32(at + 4) >> 4);
      const first = u32(at + 8);
      return Array.from({ length: count }, (_, index) => ({
        attributes: u32(first + 16 * index),
        offset: u32(first + 16 * index + 8),
      })).slice(1);
    }
  }
  return [];
}

/** A list of two pictures, an image and its gain map: as long for any numbers. */
export function listOf(primary: number, gainMap: number, offset: number): Segment {
  const data = Buffer.alloc(90);
  multiPicture.copy(data);
  data.write("MM\0*", 4, "latin1");
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
  const place = before.reduce((sum, { data }) => sum + 4 + data.length, 2) + 4 + multiPicture.length;
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
