import { crc32 } from "node:zlib";
import { ImageRejected } from "../../contract.ts";
import { checkPieces, Damaged } from "../../damage.ts";
import { statedOrientation } from "../../exif.ts";
import {
  isQuarter,
  type Rectangle,
  type Size,
  swapsSides,
  type Turn,
  turnedRaster,
  turnedRectangle,
  turnedSize,
  turnFrom,
} from "../../geometry.ts";
import { type Carried, carriedExif, carriedXmp, noteDropped, secondOrientation } from "../../metadata.ts";
import { checkPixels, type Job, keepSpace, open, secondsLeft, turnPixels } from "../../pixels.ts";
import { textStays } from "../../privacy.ts";
import { weight } from "../../weights.ts";
import { decodeProfile, decodeXmp, encodeProfile, maxPacket, xmpHead } from "./png-profile.ts";
import { bytesOf, decodeRaster, encodeRaster, isFiltered, type PngHeader } from "./png-raster.ts";

interface Chunk {
  readonly type: string;
  readonly data: Buffer;
  /** The whole chunk, with length and checksum. */
  readonly bytes: Buffer;
}

/** A picture of the file: its header, what explains its pixels, and its compressed pixels. */
interface Picture {
  readonly header: PngHeader;
  readonly palette: readonly Chunk[];
  readonly data: readonly Chunk[];
  /** The original bytes where nothing in them must be hidden from the decoder, or those that the encoder made. */
  readonly file?: Buffer | undefined;
}

const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
/** What a still image is made of. */
const pictorial: readonly string[] = ["IHDR", "PLTE", "tRNS", "IDAT", "IEND"];
/** Chunks that are read here; others whose name says that an image cannot be shown without them are not. */
const critical: readonly string[] = [...pictorial, "acTL", "fcTL", "fdAT"];

/** Chunks that hold for a turned image too, some of them changed. Unknown chunks are copied only if their safe-to-copy bit is set. */
const portable: readonly string[] = [
  ...["cHRM", "gAMA", "iCCP", "sRGB", "cICP", "mDCV", "cLLI"],
  ...["sBIT", "bKGD", "hIST", "pHYs", "sPLT", "eXIf", "tIME", "tEXt", "iTXt", "zTXt"],
];
/** Of these, those that speak of the samples as they were. */
const bound: readonly string[] = ["sBIT", "bKGD", "hIST"];
/** Those that come before a palette. */
const early: readonly string[] = ["cHRM", "gAMA", "iCCP", "sRGB", "cICP", "mDCV", "cLLI", "sBIT"];

/** What an animation is made of besides the still image. */
const animated: readonly string[] = ["acTL", "fcTL", "fdAT"];
/** Known chunks that viewers do without where their checksum is wrong; no pixel depends on them. */
const dispensable: readonly string[] = [...portable, "acTL", "fcTL"];

const texts: readonly string[] = ["tEXt", "zTXt", "iTXt"];

/**
 * Turns a PNG. Palettes, colour keys and depths below 8 bits, which the encoder would change, are turned here,
 * index by index; everything else by the decoder, which gets pixels only. An animation's frames are turned as the
 * parts of the canvas that they are.
 */
export async function turnPng(source: Buffer, job: Job): Promise<Buffer> {
  const read = readChunks(source, job);
  const header = headerOf(read);
  const chunks = soundAnimation(read, header, job);
  const frames = chunks.filter(({ type }) => type === "fcTL").length;

  const pages = new Array<Size>(Math.max(1, frames)).fill(header);
  const orientation = statedOrientation(chunks.find(({ type }) => type === "eXIf")?.data);
  const turn = turnFrom(orientation, job.angle);
  checkPixels(job, pages, weight(header.depth === 16 ? "png16" : "png8", isQuarter(turn)));
  if (frames > 0 && !isQuarter(turn)) {
    throw new ImageRejected(
      "unsupported-format",
      "The file is an animated PNG, which only quarter turns are for.",
    );
  }

  const palette = chunks.filter(({ type }) => type === "PLTE" || type === "tRNS");
  checkPalette(header, palette);
  const file = job.notes.repaired.length === 0 && isPlain(chunks) ? source : undefined;
  const still = await turnPicture({ header, palette, data: only(chunks, "IDAT"), file }, turn, job);
  const same = still.header.colour === header.colour && still.header.depth === header.depth;
  const carried = { turn, size: still.header, oriented: orientation !== undefined, job };
  const metadata: Chunk[] = [];
  let metadataBytes = 0;
  for (const chunk of chunks.filter(({ type }) => !critical.includes(type))) {
    secondsLeft(job);
    if (isPortable(chunk.type) && (same || !bound.includes(chunk.type))) {
      const turned = await turnedChunk(chunk, carried);
      if (turned !== undefined) {
        metadata.push(turned);
        metadataBytes += turned.bytes.length;
      }
      if (metadataBytes > source.length + maxPacket) {
        throw new Damaged("its texts unpack to more than they may");
      }
    } else {
      noteDropped(job, bound.includes(chunk.type) ? `the chunk ${chunk.type}` : "private chunks");
    }
  }
  const animation = frames > 0 ? await turnFrames(chunks, header, still, turn, job) : still.data;
  return join(
    [
      encodeHeader(still.header),
      ...metadata.filter(({ type }) => early.includes(type)),
      ...still.palette,
      ...metadata.filter(({ type }) => !early.includes(type)),
      ...animation,
      chunkOf("IEND"),
    ],
    still.file,
  );
}

/** The file of these chunks: `file` itself where it is exactly that, as comparing is cheaper than copying. */
function join(chunks: readonly Chunk[], file?: Buffer): Buffer {
  const pieces = [signature, ...chunks.map(({ bytes }) => bytes)];
  let at = 0;
  const isThere = (piece: Buffer) => {
    const place = file?.subarray(at, at + piece.length);
    at += piece.length;
    const isItself = place?.buffer === piece.buffer && place.byteOffset === piece.byteOffset;
    return isItself || place?.equals(piece);
  };
  return file && pieces.every(isThere) && at === file.length ? file : Buffer.concat(pieces);
}

/** Is there nothing but pixels and their density? The decoder gets no other metadata. */
function isPlain(chunks: readonly Chunk[]): boolean {
  const isDensity = ({ type, data }: Chunk) => type === "pHYs" && data.length === 9 && (data[8] ?? 2) < 2;
  return chunks.every((chunk, index) => pictorial.includes(chunk.type) || (index === 1 && isDensity(chunk)));
}

function only(chunks: readonly Chunk[], type: string): Chunk[] {
  return chunks.filter((chunk) => chunk.type === type);
}

/** The chunks of an image, without those that viewers do without; the notes say what was wrong. */
function readChunks(source: Buffer, { notes }: Job): Chunk[] {
  const { chunks, end } = parse(source);
  if (end === undefined) {
    notes.repaired.push("its end is missing");
  } else if (end < source.length) {
    notes.repaired.push(`${source.length - end} bytes are behind its end`);
  }
  // The decoder checks image data itself.
  const sound = chunks.filter((chunk) => chunk.type === "IDAT" || isSound(chunk));
  if (sound.length === chunks.length) {
    return chunks;
  }
  const kept = new Set(sound);
  const wrong = new Set(chunks.filter((chunk) => !kept.has(chunk)).map(({ type }) => type));
  for (const type of wrong) {
    if (!dispensable.includes(type)) {
      throw new Damaged("a checksum is wrong");
    }
    notes.repaired.push(`the checksum of a chunk ${type} is wrong`);
    if (!animated.includes(type)) {
      notes.dropped.push(`a chunk ${type}`);
    }
  }
  return sound;
}

/** The chunks without their animation where it contradicts itself: viewers then show the still image. */
function soundAnimation(chunks: Chunk[], header: PngHeader, { notes }: Job): Chunk[] {
  const how = contradiction(chunks, header);
  if (how === undefined) {
    return chunks;
  }
  notes.repaired.push(`its animation contradicts itself: ${how}`);
  notes.dropped.push("the animation");
  return chunks.filter(({ type }) => !animated.includes(type));
}

/** What is wrong with how an animation is put together (PNG third edition, 4.9 and 11.3.6). */
function contradiction(chunks: readonly Chunk[], canvas: PngHeader): string | undefined {
  const parts = chunks.filter(({ type }) => animated.includes(type));
  const controls = only(parts, "acTL");
  const [control] = controls;
  const frames = only(parts, "fcTL");
  if (parts.length === 0) {
    return undefined;
  }
  if (control === undefined || controls.length > 1) {
    return control === undefined ? "it has frames and no animation" : "it is announced twice";
  }
  if (chunks.indexOf(control) > chunks.findIndex(({ type }) => type === "IDAT")) {
    return "it is announced behind the still image";
  }
  if (control.data.length !== 8 || control.data.readUInt32BE(0) !== frames.length) {
    return `it has ${frames.length} frames and says otherwise`;
  }
  const numbered = parts.filter((part) => part !== control);
  if (numbered.some(({ data }, index) => data.length < 4 || data.readUInt32BE(0) !== index)) {
    return "its parts are not in their order";
  }
  const begin = chunks.findIndex(({ type }) => type === "fcTL" || type === "IDAT");
  const pictures = groups(chunks.slice(begin));
  if (pictures[0]?.type !== "IDAT") {
    return "the still image is not its first";
  }
  for (const { control: frame, type } of pictures) {
    if (frame === undefined ? type !== "IDAT" : frame.length !== 26 || type === undefined) {
      return "a frame is incomplete";
    }
    const part = frame && partOf(frame);
    if (part && !isInside(part, canvas)) {
      return "a frame lies outside its canvas";
    }
    if (part && type === "IDAT" && (part.width !== canvas.width || part.height !== canvas.height)) {
      return "the still image is a frame of another size";
    }
  }
  return undefined;
}

const lastChunk = Buffer.from("\0\0\0\0IEND\xae\x42\x60\x82", "latin1");

/** A file's chunks, and where the last one ends: undefined where nothing but that one is missing. */
function parse(source: Buffer): { chunks: Chunk[]; end: number | undefined } {
  const chunks: Chunk[] = [];
  let at = signature.length;
  while (chunks.at(-1)?.type !== "IEND") {
    checkPieces(chunks.length);
    const rest = source.subarray(at);
    const isCut = rest.length < lastChunk.length && rest.equals(lastChunk.subarray(0, rest.length));
    // An animation that ends so may have had more frames.
    if (isCut && chunks.some(({ type }) => type === "IDAT") && !chunks.some(({ type }) => type === "acTL")) {
      return { chunks: [...chunks, chunkOf("IEND")], end: undefined };
    }
    const end = at + 8 + source.readUInt32BE(at);
    if (end + 4 > source.length) {
      throw new Damaged("it ends too early");
    }
    const type = source.toString("latin1", at + 4, at + 8);
    if (!/^[a-z][A-Za-z]{3}$/.test(type) && !critical.includes(type)) {
      throw new Damaged("it has a chunk of no known kind");
    }
    chunks.push({ type, data: source.subarray(at + 8, end), bytes: source.subarray(at, end + 4) });
    at = end + 4;
  }
  return { chunks, end: at };
}

function isSound({ bytes }: Chunk): boolean {
  const end = bytes.length - 4;
  return bytes.readUInt32BE(end) === crc32(bytes.subarray(4, end));
}

/** Refuses a palette or transparency that the pixels cannot have, which no reader would accept in the result. */
function checkPalette({ colour, depth }: PngHeader, palette: readonly Chunk[]): void {
  const [first, second, ...more] = palette.map(({ type, data }) => ({ type, bytes: data.length }));
  const colours = first?.type === "PLTE" ? first.bytes / 3 : 0;
  const transparency = first?.type === "tRNS" ? first : second;
  const paletteFits =
    colour === 3 ? colours >= 1 && colours <= 2 ** depth : colours <= (colour & 2 ? 256 : 0);
  const max = { 0: 2, 2: 6, 3: colours, 4: 0, 6: 0 }[colour];
  const min = colour === 3 ? 1 : max;
  const fits = !transparency || (max > 0 && transparency.bytes >= min && transparency.bytes <= max);
  if (more.length > 0 || second?.type === "PLTE" || !Number.isInteger(colours) || !paletteFits || !fits) {
    throw new Damaged("its palette does not fit its pixels");
  }
}

function headerOf([first]: readonly Chunk[]): PngHeader {
  if (first?.type !== "IHDR") {
    throw new Damaged("it has no header");
  }
  const { data } = first;
  const [depth, colour, interlace] = [data.readUInt8(8), data.readUInt8(9), data.readUInt8(12)];
  const depths: Record<number, number[]> = {
    0: [1, 2, 4, 8, 16],
    2: [8, 16],
    3: [1, 2, 4, 8],
    4: [8, 16],
    6: [8, 16],
  };
  if (!depths[colour]?.includes(depth) || interlace > 1) {
    throw new Damaged("its header contradicts itself");
  }
  return {
    width: data.readUInt32BE(0),
    height: data.readUInt32BE(4),
    depth,
    colour: colour as PngHeader["colour"],
    interlaced: interlace === 1,
  };
}

function encodeHeader({ width, height, depth, colour, interlaced }: PngHeader): Chunk {
  const data = Buffer.alloc(13);
  data.writeUInt32BE(width, 0);
  data.writeUInt32BE(height, 4);
  data.set([depth, colour, 0, 0, interlaced ? 1 : 0], 8);
  return chunkOf("IHDR", data);
}

function chunkOf(type: string, ...pieces: readonly Uint8Array[]): Chunk {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(length, 0);
  head.write(type, 4, "latin1");
  const bytes = Buffer.concat([head, ...pieces, Buffer.alloc(4)]);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, length + 8)), length + 8);
  return { type, data: bytes.subarray(8, length + 8), bytes };
}

function concatenated(chunks: readonly Chunk[], skip = 0): Buffer {
  return Buffer.concat(chunks.map(({ data }) => data.subarray(skip)));
}

async function turnPicture(picture: Picture, turn: Turn, job: Job): Promise<Picture> {
  const { header, palette, data } = picture;
  const keyed = palette.some(({ type }) => type === "tRNS");
  if (isQuarter(turn) && (header.depth < 8 || header.colour === 3 || keyed)) {
    if (!data.every(isSound)) {
      throw new Damaged("a checksum is wrong");
    }
    const raster = turnedRaster(turn, header, decodeRaster(header, concatenated(data)), bytesOf(header));
    const turned = { ...header, ...turnedSize(turn, header) };
    return { header: turned, palette, data: [chunkOf("IDAT", encodeRaster(turned, raster))] };
  }
  const alpha = header.colour >= 4 || keyed;
  const grey = header.colour === 0 || header.colour === 4;
  const space = header.depth === 16 ? (grey ? "grey16" : "rgb16") : grey ? "b-w" : "srgb";
  const end = chunkOf("IEND");
  const bare = picture.file ?? join([encodeHeader(header), ...palette, ...data, end]);
  const turned = turnPixels(keepSpace(open(job, bare), space), turn, alpha, job.background);
  const file = await turned
    .png({ progressive: header.interlaced, adaptiveFiltering: isFiltered(header, data[0]?.data ?? bare) })
    .toBuffer();
  const result = parse(file).chunks;
  return { header: headerOf(result), palette: [], data: only(result, "IDAT"), file };
}

/** The frames of an animation (PNG third edition, 11.3.6), the still image among them where it is their first. */
async function turnFrames(
  chunks: readonly Chunk[],
  canvas: PngHeader,
  still: Picture,
  turn: Turn,
  job: Job,
): Promise<Chunk[]> {
  const begin = chunks.findIndex(({ type }) => type === "fcTL" || type === "IDAT");
  const palette = chunks.filter(({ type }) => type === "PLTE" || type === "tRNS");
  const encoded = only(chunks, "acTL");
  let sequence = 0;
  const numbered = (type: string, data: Buffer) => {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(sequence, 0);
    sequence += 1;
    encoded.push(chunkOf(type, number, data));
  };
  for (const { control: frame, type, pieces } of groups(chunks.slice(begin))) {
    if (frame !== undefined) {
      secondsLeft(job);
      const moved = Buffer.from(frame.subarray(4));
      const part = partOf(frame);
      const place = turnedRectangle(turn, canvas, part);
      for (const [field, value] of [place.width, place.height, place.left, place.top].entries()) {
        moved.writeUInt32BE(value, 4 * field);
      }
      numbered("fcTL", moved);
      if (type === "fdAT") {
        const header = { ...canvas, width: part.width, height: part.height };
        const data = [chunkOf("IDAT", concatenated(pieces, 4))];
        numbered("fdAT", concatenated((await turnPicture({ header, palette, data }, turn, job)).data));
      }
    }
    if (type === "IDAT") {
      encoded.push(...still.data);
    }
  }
  return encoded;
}

/** The still image and the frames, in their order: how a frame is shown, and its pixels. */
function groups(chunks: readonly Chunk[]) {
  const found: { control: Buffer | undefined; type: string | undefined; pieces: Chunk[] }[] = [];
  for (const chunk of chunks) {
    const { type, data } = chunk;
    const last = found.at(-1);
    if (type === "fcTL") {
      found.push({ control: data, type: undefined, pieces: [] });
    } else if ((type === "IDAT" || type === "fdAT") && (last?.type ?? type) === type) {
      const group = last ?? { control: undefined, type, pieces: [] };
      group.type = type;
      group.pieces.push(chunk);
      if (last === undefined) {
        found.push(group);
      }
    }
  }
  return found;
}

function partOf(frame: Buffer): Rectangle {
  return {
    width: frame.readUInt32BE(4),
    height: frame.readUInt32BE(8),
    left: frame.readUInt32BE(12),
    top: frame.readUInt32BE(16),
  };
}

function isInside({ left, top, width, height }: Rectangle, canvas: Size): boolean {
  return width > 0 && height > 0 && left + width <= canvas.width && top + height <= canvas.height;
}

function keywordOf(text: Buffer): string {
  return text.toString("latin1", 0, Math.min(80, text.length)).split("\0")[0] as string;
}

function isPortable(type: string): boolean {
  const safeToCopy = (type.charCodeAt(3) & 0x20) !== 0;
  return portable.includes(type) || safeToCopy;
}

/** A text as it is in the result: XMP, Exif in hexadecimal digits, or another. */
async function turnedText(chunk: Chunk, carried: Carried): Promise<Chunk | undefined> {
  const { type, data } = chunk;
  const packet = decodeXmp(type, data);
  if (packet !== undefined) {
    const xmp = carriedXmp(packet, carried);
    return xmp && chunkOf("iTXt", xmpHead, xmp);
  }
  const profile = type === "iTXt" ? undefined : decodeProfile(type, data);
  if (profile !== undefined) {
    const exif = await carriedExif(profile.exif, carried, { orientation: secondOrientation(carried) });
    return exif && chunkOf(type, encodeProfile(type, profile, exif));
  }
  return textStays(carried.job.metadata, keywordOf(data)) ? chunk : undefined;
}

/** A metadata chunk as it is in the result, or undefined where it cannot be right. */
async function turnedChunk(chunk: Chunk, carried: Carried): Promise<Chunk | undefined> {
  const { type, data } = chunk;
  const { job } = carried;
  if (type === "eXIf") {
    const exif = await carriedExif(data, carried);
    return exif && chunkOf(type, exif);
  }
  if (type === "tIME") {
    return job.metadata === "none" ? undefined : chunk;
  }
  if (texts.includes(type)) {
    return turnedText(chunk, carried);
  }
  if (type === "pHYs" && swapsSides(carried.turn) && data.length === 9) {
    return chunkOf(type, data.subarray(4, 8), data.subarray(0, 4), data.subarray(8));
  }
  return job.metadata === "keep" || portable.includes(type) ? chunk : undefined;
}
