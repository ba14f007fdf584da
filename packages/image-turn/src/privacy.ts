/**
 * What metadata tells of people, taken out on request: where a picture was taken, or all that is not needed to show it.
 * Packets and blocks keep their length, so that this can be done where they are.
 */
import { checkPieces } from "./damage.ts";
import { exifWithout, minimalExif, statedOrientation } from "./exif.ts";

/**
 * What of the metadata goes along. Orientation, colour profile, resolution and what a gain map needs are never touched.
 * - `keep`: all of it.
 * - `no-location`: all but where the picture was taken, in GPS's numbers and in words, and what cannot be looked into:
 *   maker notes, private blocks and chunks.
 * - `none`: nothing, nor comments and other texts.
 */
export type MetadataPolicy = "keep" | "no-location" | "none";

/** Exif tags that state a place, or may: GPS's directory, maker notes, and XMP, IPTC and others' blocks inside Exif. */
const locating = [0x8825, 0x927c, 0x02bc, 0x83bb, 0x8649, 0xc634] as const;

/**
 * An Exif block as the policy leaves it, or undefined where that is nothing, or where it cannot be looked into.
 *
 * @param oriented Whether the orientation that it states was applied, and so need not go along.
 */
export function exifUnder(policy: MetadataPolicy, exif: Buffer, oriented = true): Buffer | undefined {
  switch (policy) {
    case "keep":
      return exif;
    case "no-location":
      return exifWithout(exif, locating);
    case "none": {
      const stated = oriented ? undefined : statedOrientation(exif);
      return stated === undefined ? undefined : minimalExif(stated);
    }
  }
}

/** Local names of XMP's properties that state a place, whatever their prefix, or none. */
const place =
  "\\w{0,40}(?:GPS|Gps|gps|[Ll]atitude|[Ll]ongitude|[Ll]ocation|[Cc]ity|Country|WorldRegion)\\w{0,40}|(?:Province)?State|coverage|lat|long?";
const placeAttribute = new RegExp(
  `\\s(?!xmlns:)[\\w.-]{1,40}:(?:${place})\\s*=\\s*(?:"[^"<]*"|'[^'<]*')`,
  "g",
);
const placeElement = new RegExp(`<((?:[\\w.-]{1,40}:)?(?:${place}))(?=[\\s/>])[^<>]*>`, "g");

/**
 * An XMP packet as the policy leaves it, of the same length, or undefined where that is nothing.
 *
 * @param oriented Whether the orientation that it states was applied, and so need not go along.
 */
export function xmpUnder(policy: MetadataPolicy, packet: Buffer, oriented: boolean): Buffer | undefined {
  if (policy === "keep") {
    return packet;
  }
  // In UTF-16, where a tag's bracket is followed by a zero, nothing would be found.
  if (packet.includes("<\0", 0, "latin1")) {
    return undefined;
  }
  const text = packet.toString("latin1");
  return policy === "none" ? technicalXmp(text, oriented) : Buffer.from(withoutPlaces(text), "latin1");
}

function withoutPlaces(packet: string): string {
  const text = packet.replace(placeAttribute, blank);
  const pieces: string[] = [];
  const ends = endsOf(text);
  let done = 0;
  for (const { 0: open, 1: name = "", index } of text.matchAll(placeElement)) {
    if (index < done) {
      continue; // Inside what is gone already.
    }
    const end = (open.endsWith("/>") ? undefined : ends(name, index)) ?? index + open.length;
    pieces.push(text.slice(done, index), " ".repeat(end - index));
    done = end;
  }
  return pieces.join("") + text.slice(done);
}

/**
 * Finds the first end of an element behind a position, or undefined. What is asked for comes in order, and no end is passed
 * twice, or a packet of many elements without ends would take a day.
 */
function endsOf(packet: string): (name: string, from: number) => number | undefined {
  const ends = new Map<string, number[]>();
  for (const { 0: close, 1: name = "", index } of packet.matchAll(/<\/([\w.:-]{1,160})\s{0,99}>/g)) {
    const known = ends.get(name) ?? [];
    known.push(index + close.length);
    ends.set(name, known);
  }
  const next = new Map<string, number>();
  return (name, from) => {
    const known = ends.get(name) ?? [];
    let at = next.get(name) ?? 0;
    while (at < known.length && (known[at] as number) <= from) at++;
    next.set(name, at);
    return known[at];
  };
}

function blank(text: string): string {
  return " ".repeat(text.length);
}

const attribute = /\s([\w-]{1,40}):([\w-]{1,60})\s{0,9}=\s{0,9}(?:"[^"<]{0,4000}"|'[^'<]{0,4000}')/g;
/** Prefixes of what Ultra HDR, Apple's gain maps and depth maps are shown by. */
const technical: readonly string[] = ["hdrgm", "HDRGainMap", "apdi", "depthData"];
const technicalElement =
  /<((?:hdrgm|HDRGainMap|apdi|depthData):\w{1,60}|Container:Directory|tiff:Orientation)(?=[\s/>])/g;
const namespaces: readonly string[] = [...technical, "Container", "Item", "tiff"];

/** A packet of what another says of orientation, gain maps and depth; undefined where that is nothing. */
function technicalXmp(packet: string, oriented: boolean): Buffer | undefined {
  const begin = /<(x:xmpmeta|rdf:RDF)[\s>]/.exec(packet);
  const close = `</${begin?.[1]}>`;
  const end = packet.lastIndexOf(close) + close.length;
  if (begin === null || end < begin.index) {
    return undefined;
  }
  const said = new Map<string, string>();
  const declared = new Map<string, string>();
  for (const [text, prefix = "", name = ""] of packet.matchAll(attribute)) {
    if (prefix === "xmlns" && namespaces.includes(name)) {
      declared.set(name, text.trim());
    } else if (technical.includes(prefix) || (!oriented && prefix === "tiff" && name === "Orientation")) {
      said.set(`${prefix}:${name}`, text.trim()); // An element has each attribute once.
    }
  }
  const elements: string[] = [];
  const ends = endsOf(packet);
  let done = 0;
  for (const { 1: name = "", index } of packet.matchAll(technicalElement)) {
    const last = ends(name, index);
    // One inside another is there already.
    if (index < done || last === undefined || (oriented && name === "tiff:Orientation")) {
      continue;
    }
    elements.push(packet.slice(index, last));
    done = last;
  }
  if (said.size === 0 && elements.length === 0) {
    return undefined;
  }
  const words = ['rdf:about=""', ...declared.values(), ...said.values()].join(" ");
  const body = `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description ${words}>${elements.join("")}</rdf:Description></rdf:RDF></x:xmpmeta>`;
  // The packet's length stays wherever there is room, as others need it.
  const text = packet.slice(0, begin.index) + body.padEnd(end - begin.index, " ") + packet.slice(end);
  return Buffer.from(text, "latin1");
}

/** IPTC's datasets that state a place: record 2, content location, city, sublocation, province, country (IIM 4.2). */
const iptcPlaces: readonly number[] = [26, 27, 90, 92, 95, 100, 101];

/** An IPTC record as the policy leaves it; undefined where that is nothing, or where it cannot be looked into. */
export function iptcUnder(policy: MetadataPolicy, iptc: Buffer): Buffer | undefined {
  if (policy !== "no-location") {
    return policy === "keep" ? iptc : undefined;
  }
  const kept: Buffer[] = [];
  let at = 0;
  while (at + 5 <= iptc.length && iptc[at] === 0x1c) {
    checkPieces(kept.length);
    const length = iptc.readUInt16BE(at + 3);
    const end = at + 5 + length;
    if (length > 0x7fff || end > iptc.length) {
      return undefined;
    }
    if (iptc[at + 1] !== 2 || !iptcPlaces.includes(iptc[at + 2] as number)) {
      kept.push(iptc.subarray(at, end));
    }
    at = end;
  }
  // Writers fill up with zeros.
  return iptc.subarray(at).every((byte) => byte === 0) ? Buffer.concat(kept) : undefined;
}

/** PNG's texts whose keyword states a place, as ImageMagick copies Exif's tags to texts, or holds a profile in hexadecimal digits. */
const locatingText = new RegExp(`^(?:Raw profile type |XML:com|(?:\\w{1,20}:)?(?:${place})$)`);

/** Whether a PNG's text of this keyword goes along, where it is neither XMP nor an Exif profile that is read here. */
export function textStays(policy: MetadataPolicy, keyword: string): boolean {
  return (
    policy === "keep" ||
    (policy === "no-location" &&
      ![keyword, keyword.replaceAll(" ", "")].some((text) => locatingText.test(text)))
  );
}
