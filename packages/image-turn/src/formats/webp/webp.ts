import type { Sharp } from "sharp";
import { checkPieces, Damaged } from "../../damage.ts";
import { statedOrientation } from "../../exif.ts";
import { type Frames, turnFrames } from "../../frames.ts";
import { isQuarter, type Rectangle, type Size, type Turn, turnFrom } from "../../geometry.ts";
import { type Carried, carriedExif, carriedXmp, noteDropped } from "../../metadata.ts";
import { checkPixels, type Job, open, secondsLeft, turnPixels } from "../../pixels.ts";
import { weight } from "../../weights.ts";
import { vp8Quality } from "./webp-quality.ts";

interface Chunk {
  readonly type: string;
  readonly data: Buffer;
}

/** Flags of the extended header (WebP container specification, VP8X). */
const flag = { animation: 0x02, xmp: 0x04, exif: 0x08, alpha: 0x10, profile: 0x20 } as const;
const pictureChunks: readonly string[] = ["ALPH", "VP8 ", "VP8L"];
const known: readonly string[] = [...pictureChunks, "VP8X", "ANIM", "ANMF", "ICCP", "EXIF", "XMP "];

/**
 * Turns a WebP. Lossless pictures stay lossless, lossy ones keep their quality. An animation is turned as it looks:
 * each frame then holds what changed since the one before, with the source's timing.
 */
export async function turnWebp(source: Buffer, job: Job): Promise<Buffer> {
  const chunks = parse(source);
  const behind = source.length - (8 + source.readUInt32LE(4));
  if (behind > 0) {
    job.notes.repaired.push(`${behind} bytes are behind its end`);
  }
  const extended = chunks.find(({ type }) => type === "VP8X")?.data;
  const flags = extended?.readUInt8(0) ?? 0;
  const animated = (flags & flag.animation) !== 0;
  const frames = chunks.filter(({ type }) => type === "ANMF");
  const canvas =
    extended === undefined
      ? pictureSize(chunks)
      : { width: extended.readUIntLE(4, 3) + 1, height: extended.readUIntLE(7, 3) + 1 };

  const orientation = statedOrientation(exifOf(chunks));
  const turn = turnFrom(orientation, job.angle);
  const exact = (flags & flag.alpha) !== 0 || chunks.some(({ type }) => type === "VP8L");
  const cost = animated
    ? frameWeight(frames.length, turn)
    : weight(exact ? "webpExact" : "webp", isQuarter(turn));
  checkPixels(job, animated ? frames.map(() => canvas) : [canvas], cost);
  const pictures = chunks.filter(({ type }) => [...pictureChunks, "ANIM", "ANMF"].includes(type));
  const bareFlags = flags & (flag.animation | flag.alpha);
  const bare = encode(extended === undefined ? pictures : [header(bareFlags, canvas), ...pictures]);
  const turned = animated
    ? await turnAnimation(bare, chunks, frames, turn, job)
    : await turnStill(bare, pictures, bareFlags, turn, job);

  const profile = chunks.filter(({ type }) => type === "ICCP").slice(0, 1);
  const carried = { turn, size: turned.size, oriented: orientation !== undefined, job };
  const [packet] = chunks.filter(({ type }) => type === "XMP ").map(({ data }) => carriedXmp(data, carried));
  const xmp = packet === undefined ? [] : [{ type: "XMP ", data: packet }];
  const exif = await turnedExifOf(chunks, carried);
  if (chunks.some(({ type }) => !known.includes(type))) {
    noteDropped(job, "unknown chunks");
  }
  const features =
    (animated ? flag.animation : 0) |
    (turned.alpha ? flag.alpha : 0) |
    (profile.length > 0 ? flag.profile : 0) |
    (exif.length > 0 ? flag.exif : 0) |
    (xmp.length > 0 ? flag.xmp : 0);
  return encode([
    ...(isExtended(features, turned) ? [header(features, turned.size)] : []),
    ...profile,
    ...turned.chunks,
    ...exif,
    ...xmp,
  ]);
}

/** All frames are held at once, and each is encoded by itself. */
function frameWeight(frames: number, turn: Turn): number {
  return weight("webp", isQuarter(turn)) + weight("webpExact", isQuarter(turn)) / Math.max(1, frames);
}

/** A lossless picture says itself that it has alpha; everything else that a flag says needs the header. */
function isExtended(features: number, { chunks }: Turned): boolean {
  return (features & ~flag.alpha) !== 0 || chunks.some(({ type }) => type === "ALPH");
}

/** What a turn of the pixels gives: the chunks that hold them, in their order. */
interface Turned {
  readonly chunks: readonly Chunk[];
  readonly size: Size;
  readonly alpha: boolean;
}

async function turnStill(
  bare: Buffer,
  pictures: readonly Chunk[],
  flags: number,
  turn: Turn,
  job: Job,
): Promise<Turned> {
  const lossless = pictures.find(({ type }) => type === "VP8L")?.data;
  const alpha = lossless === undefined ? (flags & flag.alpha) !== 0 : (lossless.readUInt8(4) & 0x10) !== 0;
  const image = turnPixels(open(job, bare), turn, alpha, job.background);
  const { data, info } = await like(image, pictures, job).toBuffer({ resolveWithObject: true });
  const chunks = parse(data).filter(({ type }) => pictureChunks.includes(type));
  return { chunks, size: info, alpha: hasAlpha(chunks) };
}

async function turnAnimation(
  bare: Buffer,
  chunks: readonly Chunk[],
  sources: readonly Chunk[],
  turn: Turn,
  job: Job,
): Promise<Turned> {
  const frames = await turnFrames(bare, turn, job);
  if (frames.pages !== sources.length) {
    throw new Damaged("some of its frames cannot be read");
  }
  const encoded = chunks.filter(({ type }) => type === "ANIM").slice(0, 1);
  let alpha = false;
  for (const [page, { data }] of sources.entries()) {
    secondsLeft(job);
    const part =
      page === 0 ? { left: 0, top: 0, width: frames.width, height: frames.height } : changed(frames, page);
    const raw = { width: frames.width, height: frames.height, channels: 4 } as const;
    const image = open(job, frameOf(frames, page), { raw }).extract(part);
    const pictures = parseChunks(data.subarray(16));
    const picture = parse(await like(image, pictures, job).toBuffer()).filter(({ type }) =>
      pictureChunks.includes(type),
    );
    alpha ||= hasAlpha(picture);
    encoded.push({
      type: "ANMF",
      data: Buffer.concat([frameHeader(part, data), ...picture.map(encodeChunk)]),
    });
  }
  return { chunks: encoded, size: frames, alpha };
}

/**
 * Encodes as the source's picture is: lossless with the colours of transparent pixels too, or at its quality. The
 * efforts take half the time of the default ones and give results 1 % and 5 % larger (docs/images.md).
 */
function like(image: Sharp, pictures: readonly Chunk[], job: Job): Sharp {
  const lossy = pictures.find(({ type }) => type === "VP8 ");
  if (lossy !== undefined) {
    job.notes.exact = false;
  }
  return lossy === undefined
    ? image.webp({ lossless: true, exact: true, effort: 1 })
    : image.webp({ quality: Math.max(1, Math.round(vp8Quality(lossy.data))), exact: true, effort: 2 });
}

function frameOf({ width, height, pixels }: Frames, page: number): Buffer {
  return pixels.subarray(page * width * height * 4, (page + 1) * width * height * 4);
}

/** The part of a frame that differs from the one before. It begins at even places, as the container wants. */
function changed(frames: Frames, page: number): Rectangle {
  const { width, height } = frames;
  const [now, before] = [frameOf(frames, page), frameOf(frames, page - 1)];
  let [left, right, top, bottom] = [width, 0, height, 0];
  for (let y = 0; y < height; y += 1) {
    const row = y * width * 4;
    if (now.compare(before, row, row + width * 4, row, row + width * 4) === 0) {
      continue;
    }
    [top, bottom] = [Math.min(top, y), y + 1];
    const differs = (x: number) => now.readUInt32LE(row + x * 4) !== before.readUInt32LE(row + x * 4);
    let first = 0;
    while (first < left && !differs(first)) {
      first += 1;
    }
    let last = width;
    while (last > right && !differs(last - 1)) {
      last -= 1;
    }
    [left, right] = [Math.min(left, first), Math.max(right, last)];
  }
  if (bottom === 0) {
    return { left: 0, top: 0, width: 1, height: 1 };
  }
  [left, top] = [left - (left % 2), top - (top % 2)];
  return { left, top, width: right - left, height: bottom - top };
}

/** A frame that replaces what it covers and stays, shown as long as the source's. */
function frameHeader({ left, top, width, height }: Rectangle, source: Buffer): Buffer {
  const data = Buffer.alloc(16);
  data.writeUIntLE(left / 2, 0, 3);
  data.writeUIntLE(top / 2, 3, 3);
  data.writeUIntLE(width - 1, 6, 3);
  data.writeUIntLE(height - 1, 9, 3);
  source.copy(data, 12, 12, 15);
  const doNotBlend = 0x02;
  data.writeUInt8(doNotBlend, 15);
  return data;
}

function parse(source: Buffer): Chunk[] {
  const end = 8 + source.readUInt32LE(4);
  if (end > source.length) {
    throw new Damaged("it ends too early");
  }
  return parseChunks(source.subarray(12, end));
}

function parseChunks(data: Buffer): Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = 0; at + 8 <= data.length; ) {
    const length = data.readUInt32LE(at + 4);
    checkPieces(chunks.length);
    if (at + 8 + length > data.length) {
      throw new Damaged("a chunk is longer than the file");
    }
    chunks.push({ type: data.toString("latin1", at, at + 4), data: data.subarray(at + 8, at + 8 + length) });
    at += 8 + length + (length % 2);
  }
  return chunks;
}

function encode(chunks: readonly Chunk[]): Buffer {
  const body = chunks.map(encodeChunk);
  const head = Buffer.from("RIFF\0\0\0\0WEBP", "latin1");
  head.writeUInt32LE(
    body.reduce((sum, chunk) => sum + chunk.length, 4),
    4,
  );
  return Buffer.concat([head, ...body]);
}

function encodeChunk({ type, data }: Chunk): Buffer {
  const chunk = Buffer.alloc(8 + data.length + (data.length % 2));
  chunk.write(type, 0, "latin1");
  chunk.writeUInt32LE(data.length, 4);
  chunk.set(data, 8);
  return chunk;
}

function header(flags: number, { width, height }: Size): Chunk {
  const data = Buffer.alloc(10);
  data.writeUInt8(flags, 0);
  data.writeUIntLE(width - 1, 4, 3);
  data.writeUIntLE(height - 1, 7, 3);
  return { type: "VP8X", data };
}

/** The size that a picture's own header states. */
function pictureSize(chunks: readonly Chunk[]): Size {
  const [first] = chunks;
  if (first?.type === "VP8 ") {
    return { width: first.data.readUInt16LE(6) & 0x3fff, height: first.data.readUInt16LE(8) & 0x3fff };
  }
  if (first?.type === "VP8L") {
    const bits = first.data.readUInt32LE(1);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  throw new Damaged("it has no picture");
}

function hasAlpha(picture: readonly Chunk[]): boolean {
  return picture.some(
    ({ type, data }) => type === "ALPH" || (type === "VP8L" && (data.readUInt8(4) & 0x10) !== 0),
  );
}

/** The Exif block. Some writers put JPEG's signature before it. */
function exifOf(chunks: readonly Chunk[]): Buffer | undefined {
  const data = chunks.find(({ type }) => type === "EXIF")?.data;
  return data?.toString("latin1", 0, 6) === "Exif\0\0" ? data.subarray(6) : data;
}

async function turnedExifOf(chunks: readonly Chunk[], carried: Carried): Promise<Chunk[]> {
  const exif = exifOf(chunks);
  const data = exif && (await carriedExif(exif, carried));
  return data === undefined ? [] : [{ type: "EXIF", data }];
}
