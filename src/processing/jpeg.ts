import { ImageRejected } from "./contract.ts";
import { exifOrientation, turnedExif } from "./exif.ts";
import { isQuarter, type Size, swapsSides, type Turn, turnFrom } from "./geometry.ts";
import { quantisation } from "./jpeg-quality.ts";
import { weight } from "./limits.ts";
import { turnedResources, turnedXmp } from "./metadata.ts";
import { checkPixels, type Job, keepSpace, open, turnPixels } from "./pixels.ts";

/** A marker segment: its marker's second byte and its data, without marker and length. */
interface Segment {
  readonly marker: number;
  readonly data: Buffer;
}

interface Frame extends Size {
  readonly progressive: boolean;
  readonly components: readonly {
    readonly horizontal: number;
    readonly vertical: number;
    readonly table: number;
  }[];
}

/** A JPEG up to its first scan, and everything from there on. */
interface Parsed {
  readonly segments: readonly Segment[];
  readonly scans: Buffer;
}

const marker = {
  dht: 0xc4,
  dac: 0xcc,
  sos: 0xda,
  dqt: 0xdb,
  dri: 0xdd,
  app0: 0xe0,
  app14: 0xee,
  com: 0xfe,
} as const;
const forDecoder: readonly number[] = [marker.dht, marker.dac, marker.dqt, marker.dri, marker.app14];
const signature = {
  jfif: Buffer.from("JFIF\0", "latin1"),
  exif: Buffer.from("Exif\0\0", "latin1"),
  xmp: Buffer.from("http://ns.adobe.com/xap/1.0/\0", "latin1"),
  photoshop: Buffer.from("Photoshop 3.0\0", "latin1"),
  multiPicture: Buffer.from("MPF\0", "latin1"),
  gainMap: Buffer.from("urn:iso:std:iso:ts:21496:-1\0", "latin1"),
} as const;

/**
 * Turns a JPEG. Only what describes pixels reaches the decoder, and only metadata is read here; the result has the
 * source's colours, progression, quality, and chroma subsampling as near as the encoder can.
 */
export async function turnJpeg(source: Buffer, job: Job): Promise<Buffer> {
  const { segments, scans } = parse(source);
  const turn = turnFrom(exifOrientation(findExif(segments)), job.angle);
  const result = await turnFrame(segments, scans, turn, job);
  const size = findFrame(result.segments);
  const metadata: Segment[] = [];
  for (const segment of segments) {
    const turned = await turnedMetadata(segment, turn, size, job);
    if (turned !== undefined) {
      metadata.push(turned);
    }
  }
  return join([...metadata, ...result.segments], result.scans);
}

/** The turned pixels as a JPEG without metadata. */
async function turnFrame(segments: readonly Segment[], scans: Buffer, turn: Turn, job: Job): Promise<Parsed> {
  const frame = findFrame(segments);
  checkPixels(job, [frame], weight(frame.components.length === 4 ? "jpegCmyk" : "jpeg", isQuarter(turn)));
  const space = { 1: "b-w", 3: "srgb", 4: "cmyk" }[frame.components.length];
  if (space === undefined) {
    throw new ImageRejected(
      "unsupported-format",
      `The JPEG has ${frame.components.length} colour components.`,
    );
  }
  const bare = join(
    segments.filter((segment) => forDecoder.includes(segment.marker) || isFrame(segment)),
    scans,
  );
  const turned = turnPixels(keepSpace(open(job, bare), space), turn, false, job.background);
  const settings = { progressive: frame.progressive, chromaSubsampling: subsampling(frame) };
  const result = parse(await turned.jpeg({ ...settings, ...quality(segments, frame) }).toBuffer());
  return { ...result, segments: result.segments.filter((segment) => !isJfif(segment)) };
}

function parse(source: Buffer): Parsed {
  const segments: Segment[] = [];
  let at = 2;
  for (;;) {
    if (source.readUInt8(at) !== 0xff) {
      throw new ImageRejected("corrupt", "The JPEG is damaged: a marker is missing before its pixels.");
    }
    const code = source.readUInt8(at + 1);
    if (code === 0xff) {
      at += 1;
    } else if (code === marker.sos) {
      return { segments, scans: source.subarray(at) };
    } else if (code === 0x01 || (code >= 0xd0 && code <= 0xd8)) {
      at += 2;
    } else {
      const length = source.readUInt16BE(at + 2);
      const data = source.subarray(at + 4, at + 2 + length);
      if (length < 2 || data.length !== length - 2) {
        throw new ImageRejected("corrupt", "The JPEG is damaged: it ends before its pixels.");
      }
      segments.push({ marker: code, data });
      at += 2 + length;
    }
  }
}

function join(segments: readonly Segment[], scans: Buffer): Buffer {
  const pieces: Buffer[] = [Buffer.from([0xff, 0xd8])];
  for (const { marker: code, data } of segments) {
    const head = Buffer.from([0xff, code, 0, 0]);
    head.writeUInt16BE(data.length + 2, 2);
    pieces.push(head, data);
  }
  return Buffer.concat([...pieces, scans]);
}

function isFrame({ marker: code }: Segment): boolean {
  return code >= 0xc0 && code <= 0xcf && code !== marker.dht && code !== 0xc8 && code !== marker.dac;
}

function findFrame(segments: readonly Segment[]): Frame {
  const frames = segments.filter(isFrame);
  const [first] = frames;
  if (first === undefined || frames.length > 1) {
    throw new ImageRejected("corrupt", `The JPEG is damaged: it has ${frames.length} frames.`);
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
    components.push({ horizontal: factors >> 4, vertical: factors & 15, table: data.readUInt8(at + 2) });
  }
  return {
    width: data.readUInt16BE(3),
    height: data.readUInt16BE(1),
    progressive: code === 0xc2 || code === 0xca,
    components,
  };
}

/** The encoder knows 4:2:0 and 4:4:4; what lies between keeps all its colour. */
function subsampling({ components: [first, ...others] }: Frame): "4:2:0" | "4:4:4" {
  const halved = others.some(
    ({ horizontal, vertical }) => (first?.horizontal ?? 1) > horizontal && (first?.vertical ?? 1) > vertical,
  );
  return halved ? "4:2:0" : "4:4:4";
}

/** The quality that quantises like an abbreviated JPEG, which a TIFF keeps its tables in. */
export function tablesQuality(tables: Buffer): number {
  const { segments } = parse(Buffer.concat([tables.subarray(0, -2), Buffer.from([0xff, marker.sos])]));
  const components = [0, 1].map((table) => ({ horizontal: 1, vertical: 1, table }));
  return quality(segments, { components, progressive: false }).quality;
}

/** The encoder's quality settings that quantise like the source. */
function quality(
  segments: readonly Segment[],
  { components, progressive }: Pick<Frame, "components" | "progressive">,
) {
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
  const brightness = tables.get(components[0]?.table ?? 0);
  if (brightness === undefined) {
    throw new ImageRejected("corrupt", "The JPEG is damaged: it has no quantisation table.");
  }
  const nearest = quantisation(brightness, tables.get(components[1]?.table ?? -1));
  // An encoder that has mozjpeg's table also arranges scans as mozjpeg does: without that, results are a tenth larger.
  return {
    quality: nearest.quality,
    quantisationTable: nearest.table,
    optimiseScans: nearest.table === 3 && progressive,
  };
}

function startsWith({ data }: Segment, text: Buffer): boolean {
  return data.subarray(0, text.length).equals(text);
}

function isJfif(segment: Segment): boolean {
  return segment.marker === marker.app0 && startsWith(segment, signature.jfif);
}

function findExif(segments: readonly Segment[]): Buffer | undefined {
  const found = segments.find((segment) => segment.marker === 0xe1 && startsWith(segment, signature.exif));
  return found?.data.subarray(signature.exif.length);
}

/** A metadata segment as it is in the result, or undefined where it does not belong there. */
async function turnedMetadata(
  segment: Segment,
  turn: Turn,
  size: Size,
  job: Job,
): Promise<Segment | undefined> {
  const { marker: code, data } = segment;
  const changed = (text: Buffer, rest: Buffer) => ({ marker: code, data: Buffer.concat([text, rest]) });
  switch (code) {
    case marker.app0:
      return isJfif(segment) && data.length >= 14
        ? { marker: code, data: turnedJfif(data, turn) }
        : undefined;
    case 0xe1:
      if (startsWith(segment, signature.exif)) {
        const rest = data.subarray(signature.exif.length);
        const exif = await turnedExif(rest, turn, size, (thumbnail) =>
          turnJpegThumbnail(thumbnail, turn, job),
        );
        return exif && changed(signature.exif, exif);
      }
      return startsWith(segment, signature.xmp)
        ? changed(signature.xmp, turnedXmp(data.subarray(signature.xmp.length)))
        : segment;
    case 0xe2:
      // Lists of pictures behind the image, and its gain map among them: they do not come along.
      return startsWith(segment, signature.multiPicture) || startsWith(segment, signature.gainMap)
        ? undefined
        : segment;
    case 0xed:
      return startsWith(segment, signature.photoshop)
        ? changed(
            signature.photoshop,
            turnedResources(data.subarray(signature.photoshop.length), swapsSides(turn)),
          )
        : segment;
    case 0xeb:
    case marker.app14:
      return undefined;
    default:
      return (code >= 0xe3 && code <= 0xef) || code === marker.com ? segment : undefined;
  }
}

/** JFIF's header with the densities swapped where the sides were, and without its thumbnail. */
function turnedJfif(data: Buffer, turn: Turn): Buffer {
  const jfif = Buffer.from(data.subarray(0, 14));
  if (swapsSides(turn)) {
    data.copy(jfif, 8, 10, 12);
    data.copy(jfif, 10, 8, 10);
  }
  return jfif.fill(0, 12, 14);
}

/** An Exif thumbnail lies as its image does, so that it is turned alike. */
export async function turnJpegThumbnail(thumbnail: Buffer, turn: Turn, job: Job): Promise<Buffer> {
  const { segments, scans } = parse(thumbnail);
  const turned = await turnFrame(segments, scans, turn, job);
  return join(turned.segments, turned.scans);
}
