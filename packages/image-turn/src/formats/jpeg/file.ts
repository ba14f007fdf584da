/** The structure of a JPEG file: marker segments, scans, and what its frame header says (ITU-T T.81, annex B). */

import { ImageRejected } from "../../contract.ts";
import { checkPieces, Damaged } from "../../damage.ts";
import type { Size } from "../../geometry.ts";

/** A marker segment: its marker's second byte and its data, without marker and length. */
export interface Segment {
  readonly marker: number;
  readonly data: Buffer;
}

export interface Component {
  readonly id: number;
  /** Sampling factors, 1 to 4. */
  readonly horizontal: number;
  readonly vertical: number;
  /** The number of its quantisation table. */
  readonly table: number;
}

export interface Frame extends Size {
  /** The second byte of its marker, which names the coding process. */
  readonly process: number;
  readonly progressive: boolean;
  readonly arithmetic: boolean;
  readonly components: readonly Component[];
}

/** A scan: the tables that were defined since the scan before, its header's data and its entropy-coded bytes. */
export interface Scan {
  readonly segments: readonly Segment[];
  readonly header: Buffer;
  readonly entropy: Buffer;
}

export interface Parsed {
  /** All segments before the first scan. */
  readonly segments: readonly Segment[];
  /** Of the first scan, `segments` is empty. */
  readonly scans: readonly Scan[];
  /** Where the bytes behind the picture begin. */
  readonly end: number;
  /** Whether its last marker is missing, so that scans may be missing too. */
  readonly open: boolean;
  /** What was wrong and did not matter, in a few words each. */
  readonly repaired: ReadonlySet<string>;
}

export const marker = {
  dht: 0xc4,
  dac: 0xcc,
  soi: 0xd8,
  eoi: 0xd9,
  sos: 0xda,
  dqt: 0xdb,
  dri: 0xdd,
  app0: 0xe0,
  app1: 0xe1,
  app2: 0xe2,
  app11: 0xeb,
  app13: 0xed,
  app14: 0xee,
  com: 0xfe,
} as const;

/** By what a metadata segment holds, its marker and the words that it begins with. */
const signatures = {
  jfif: [marker.app0, Buffer.from("JFIF\0", "latin1")],
  exif: [marker.app1, Buffer.from("Exif\0\0", "latin1")],
  xmp: [marker.app1, Buffer.from("http://ns.adobe.com/xap/1.0/\0", "latin1")],
  profile: [marker.app2, Buffer.from("ICC_PROFILE\0", "latin1")],
  /** A list of the pictures of a file (CIPA DC-007). */
  pictures: [marker.app2, Buffer.from("MPF\0", "latin1")],
  /** Says that there is a gain map, or in the gain map, how to use it (ISO 21496-1). */
  gainMap: [marker.app2, Buffer.from("urn:iso:std:iso:ts:21496:-1\0", "latin1")],
  photoshop: [marker.app13, Buffer.from("Photoshop 3.0\0", "latin1")],
} as const;

export type Kind = keyof typeof signatures;

export function isA({ marker: code, data }: Segment, kind: Kind): boolean {
  const [expected, signature] = signatures[kind];
  return code === expected && data.subarray(0, signature.length).equals(signature);
}

/** What a segment holds, and behind which words; undefined where only its maker knows. */
export function kindOf(segment: Segment): { kind: Kind; signature: Buffer } | undefined {
  const kind = (Object.keys(signatures) as Kind[]).find((each) => isA(segment, each));
  return kind && { kind, signature: signatures[kind][1] };
}

/** What the first segment of a kind holds behind its signature. */
export function contentOf(segments: readonly Segment[], kind: Kind): Buffer | undefined {
  const found = segments.find((segment) => isA(segment, kind));
  return found?.data.subarray(signatures[kind][1].length);
}

/** Stray bytes between segments that are skipped: more may be a segment whose length is wrong. */
const MAX_STRAY = 64;

/** Reads the structure of a JPEG up to the end of its picture. */
export function parse(source: Buffer): Parsed {
  const segments: Segment[] = [];
  const scans: Scan[] = [];
  // A file can have many stray bytes; the same words are said once.
  const repaired = new Set<string>();
  let pieces = 0;
  let since: Segment[] = segments;
  let at = 2;
  for (;;) {
    if (scans.length > 0 && since.length === 0 && at === source.length) {
      repaired.add("the end marker is missing");
      return { segments, scans, end: at, open: true, repaired };
    }
    const marked = source.indexOf(0xff, at);
    if (marked < 0 || marked - at > MAX_STRAY) {
      throw new Damaged("a marker is missing before its pixels");
    }
    const code = source.readUInt8(marked + 1);
    const stray = code === 0 || marked > at;
    if (stray && (code === 0 || code === marker.soi)) {
      throw new Damaged("there is something else before its pixels");
    }
    if (stray) {
      repaired.add(`${marked - at} stray bytes are before a marker`);
    }
    at = marked;
    if (code === 0xff) {
      at += 1;
    } else if (code === marker.eoi && scans.length > 0) {
      return { segments, scans, end: at + 2, open: false, repaired };
    } else if (code === 0x01 || (code >= 0xd0 && code <= 0xd8)) {
      at += 2;
    } else {
      pieces += 1;
      checkPieces(pieces);
      const length = source.readUInt16BE(at + 2);
      const data = source.subarray(at + 4, at + 2 + length);
      if (length < 2 || data.length !== length - 2) {
        throw new Damaged("it ends before its pixels");
      }
      at += 2 + length;
      if (code === marker.sos) {
        const end = endOfEntropy(source, at);
        const own = scans.length === 0 ? [] : since;
        scans.push({ segments: own, header: data, entropy: source.subarray(at, end) });
        since = [];
        at = end;
      } else {
        since.push({ marker: code, data });
      }
    }
  }
}

/** Where the next marker is that does not belong to entropy-coded bytes, or the file's end. */
function endOfEntropy(source: Buffer, from: number): number {
  let at = source.indexOf(0xff, from);
  while (at >= 0 && at + 1 < source.length) {
    const next = source[at + 1] as number;
    if (next !== 0 && next !== 0xff && !(next >= 0xd0 && next <= 0xd7)) {
      return at;
    }
    at = source.indexOf(0xff, next === 0xff ? at + 1 : at + 2);
  }
  return source.length;
}

/** A JPEG of some segments and scans. */
export function join(segments: readonly Segment[], scans: readonly Scan[]): Buffer {
  const pieces: Buffer[] = [Buffer.from([0xff, marker.soi])];
  const push = ({ marker: code, data }: Segment) => {
    const head = Buffer.from([0xff, code, 0, 0]);
    head.writeUInt16BE(data.length + 2, 2);
    pieces.push(head, data);
  };
  segments.forEach(push);
  for (const scan of scans) {
    scan.segments.forEach(push);
    push({ marker: marker.sos, data: scan.header });
    pieces.push(scan.entropy);
  }
  return Buffer.concat([...pieces, Buffer.from([0xff, marker.eoi])]);
}

export function isFrame({ marker: code }: Segment): boolean {
  return code >= 0xc0 && code <= 0xcf && code !== marker.dht && code !== 0xc8 && code !== marker.dac;
}

/** What a JPEG's frame header says. */
export function findFrame(segments: readonly Segment[]): Frame {
  const frames = segments.filter(isFrame);
  const [first] = frames;
  if (first === undefined || frames.length > 1) {
    throw new Damaged(`it has ${frames.length} frames`);
  }
  const { marker: code, data } = first;
  const precision = data.readUInt8(0);
  if (![0xc0, 0xc1, 0xc2, 0xc9, 0xca].includes(code) || precision !== 8) {
    const kind = precision === 8 ? "lossless or hierarchical" : `${precision}-bit`;
    throw new ImageRejected("unsupported-format", `The file is a ${kind} JPEG, which is not turned here.`);
  }
  const components = [];
  for (let at = 6; at < 6 + 3 * data.readUInt8(5); at += 3) {
    const factors = data.readUInt8(at + 1);
    components.push({
      id: data.readUInt8(at),
      horizontal: factors >> 4,
      vertical: factors & 15,
      table: data.readUInt8(at + 2),
    });
  }
  return {
    width: data.readUInt16BE(3),
    height: data.readUInt16BE(1),
    process: code,
    progressive: code === 0xc2 || code === 0xca,
    arithmetic: code >= 0xc9,
    components,
  };
}

/**
 * The scans with headers that say what they have to: all coefficients at once leave no choice, and some cameras write
 * other numbers.
 */
export function withSoundHeaders(frame: Frame, scans: readonly Scan[]): readonly Scan[] {
  const everything = Buffer.from([0, 63, 0]);
  const sound = ({ header }: Scan) => frame.progressive || header.subarray(-3).equals(everything);
  return scans.every(sound)
    ? scans
    : scans.map((scan) =>
        sound(scan) ? scan : { ...scan, header: Buffer.concat([scan.header.subarray(0, -3), everything]) },
      );
}

/** The quantisation tables that segments define, by their numbers: 64 steps in zigzag order. */
export function quantisationTables(segments: readonly Segment[]): Map<number, number[]> {
  const tables = new Map<number, number[]>();
  for (const { data } of segments.filter((segment) => segment.marker === marker.dqt)) {
    for (let at = 0; at < data.length; ) {
      const wide = data.readUInt8(at) >> 4 !== 0;
      const id = data.readUInt8(at) & 15;
      const steps = Array.from({ length: 64 }, (_, index) =>
        wide ? data.readUInt16BE(at + 1 + 2 * index) : data.readUInt8(at + 1 + index),
      );
      tables.set(id, steps);
      at += wide ? 129 : 65;
    }
  }
  return tables;
}
