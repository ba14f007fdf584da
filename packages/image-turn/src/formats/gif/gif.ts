import { checkPieces, Damaged } from "../../damage.ts";
import { turnFrames } from "../../frames.ts";
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
import { carriedXmp, noteDropped } from "../../metadata.ts";
import { checkPixels, type Job, open, secondsLeft } from "../../pixels.ts";
import { weight } from "../../weights.ts";
import { decodeLzw, encodeLzw } from "./gif-lzw.ts";

/** A frame, which covers a part of the canvas. */
interface Frame {
  readonly part: Rectangle;
  /** Descriptor's flags: local palette and its size, interlacing, sorting. */
  readonly flags: number;
  readonly palette: Buffer;
  readonly codeSize: number;
  /** Compressed pixels, in sub-blocks as the file has them. */
  readonly blocks: Buffer;
}

/** A GIF in its parts: extensions stay bytes, with their introducer and terminator. */
interface Gif {
  /** What the decoder gets: the source, or where its end is missing, what there is with an end. */
  readonly file: Buffer;
  readonly canvas: Size;
  /** Version, screen descriptor and global palette. */
  readonly head: Buffer;
  readonly parts: readonly (Frame | Buffer)[];
}

const introducer = { extension: 0x21, frame: 0x2c, trailer: 0x3b } as const;
const plainText = 0x01;
const control = 0xf9;
const application = 0xff;
/** Maximum milliseconds that the encoder takes for a frame; a GIF may have ten times as many. */
const maxDelay = 65_535;
const interlacing = 0x40;

/**
 * Turns a GIF. A quarter turn moves palette indices, so that palettes, transparency, frames, their delays and
 * disposals, loops and comments stay what they are. Any other angle composes the frames and finds new palettes.
 */
export async function turnGif(source: Buffer, job: Job): Promise<Buffer> {
  const turn = turnFrom(undefined, job.angle);
  const gif = parse(source, turn, job);
  if (isQuarter(turn)) {
    return turnIndices(gif, turn, job);
  }
  const last = gif.parts.findLast((part): part is Frame => !Buffer.isBuffer(part));
  if (gif.file !== source && last !== undefined) {
    // The decoder does not mind pixels that are missing from the last frame.
    decodeFrame(last);
  }
  const { delay, loop } = await open(job, gif.file).metadata();
  const { width, height, pages, pixels } = await turnFrames(gif.file, turn, job);
  const raw = { width, height: height * pages, channels: 4, pageHeight: height } as const;
  const animation =
    pages > 1 && delay !== undefined
      ? { delay: delay.map((each) => Math.min(each, maxDelay)), loop: loop ?? 0 }
      : {};
  const joined = open(job, pixels, { raw, limitInputPixels: false });
  const encoded = await joined.gif({ ...animation, keepDuplicateFrames: true }).toBuffer();
  if (delay?.some((each) => each > maxDelay)) {
    setDelays(encoded, delay, turn, job);
  }
  const extensions = gif.parts.filter((part) => Buffer.isBuffer(part)).filter((part) => !isAnimation(part));
  const begin = 13 + paletteBytes(encoded.readUInt8(10));
  return Buffer.concat([
    encoded.subarray(0, begin),
    ...extensions.map((extension) => carriedExtension(extension, { width, height }, turn, job)),
    encoded.subarray(begin),
  ]);
}

/** Writes the frames' delays, in milliseconds, into a GIF. */
function setDelays(file: Buffer, delays: readonly number[], turn: Turn, job: Job): void {
  const controls = parse(file, turn, job).parts.filter(
    (part): part is Buffer => Buffer.isBuffer(part) && part[1] === control,
  );
  for (const [index, part] of controls.entries()) {
    part.writeUInt16LE((delays[index] ?? 0) / 10, 4);
  }
}

function turnIndices({ canvas, head, parts }: Gif, turn: Turn, job: Job): Buffer {
  const size = turnedSize(turn, canvas);
  const screen = Buffer.from(head);
  screen.writeUInt16LE(size.width, 6);
  screen.writeUInt16LE(size.height, 8);
  if (swapsSides(turn)) {
    screen.writeUInt8(invertedAspect(head.readUInt8(12)), 12);
  }
  const pieces: Buffer[] = [screen];
  for (const part of parts) {
    secondsLeft(job);
    pieces.push(
      Buffer.isBuffer(part) ? carriedExtension(part, size, turn, job) : turnFrame(part, canvas, turn),
    );
  }
  return Buffer.concat([...pieces, Buffer.from([introducer.trailer])]);
}

function decodeFrame({ part, codeSize, blocks }: Frame): Uint8Array {
  return decodeLzw(codeSize, joinBlocks(blocks), part.width * part.height);
}

function turnFrame(frame: Frame, canvas: Size, turn: Turn): Buffer {
  const { part, flags, palette, codeSize } = frame;
  const decoded = decodeFrame(frame);
  const straight = flags & interlacing ? interlaced(decoded, part, true) : decoded;
  const place = turnedRectangle(turn, canvas, part);
  const turned = turnedRaster(turn, part, straight);
  const descriptor = Buffer.alloc(10);
  descriptor.writeUInt8(introducer.frame, 0);
  descriptor.writeUInt16LE(place.left, 1);
  descriptor.writeUInt16LE(place.top, 3);
  descriptor.writeUInt16LE(place.width, 5);
  descriptor.writeUInt16LE(place.height, 7);
  descriptor.writeUInt8(flags, 9);
  const size = Math.max(2, codeSize);
  const data = encodeLzw(size, flags & interlacing ? interlaced(turned, place) : turned);
  return Buffer.concat([descriptor, palette, Buffer.from([size]), splitBlocks(data)]);
}

/** The file in its parts, read in one walk from block to block, which ends at the trailer or where it is damaged. */
function parse(source: Buffer, turn: Turn, job: Job): Gif {
  const canvas = { width: source.readUInt16LE(6), height: source.readUInt16LE(8) };
  let at = 13 + paletteBytes(source.readUInt8(10));
  const head = source.subarray(0, at);
  const parts: (Frame | Buffer)[] = [];
  let frames = 0;
  const finished = (file: Buffer): Gif => {
    checkPixels(job, new Array<Size>(frames).fill(canvas), weight("gif", isQuarter(turn)));
    return { file, canvas, head, parts };
  };
  /** The file's end is missing, but no pixel that was begun: viewers show the frames that there are. */
  const unfinished = (what: string, rest = source.subarray(0, at)): Gif => {
    if (frames === 0) {
      throw new Damaged("it ends too early");
    }
    job.notes.repaired.push(what);
    return finished(Buffer.concat([rest, Buffer.from([introducer.trailer])]));
  };
  for (;;) {
    checkPieces(parts.length);
    if (at >= source.length) {
      return unfinished("the trailer is missing");
    }
    const kind = source.readUInt8(at);
    if (kind === introducer.trailer) {
      if (at + 1 < source.length) {
        job.notes.repaired.push(`${source.length - at - 1} bytes are behind its end`);
      }
      return finished(source);
    }
    if (kind === introducer.extension) {
      const end = endOfBlocks(source, at + 2);
      if (end === undefined) {
        return unfinished("its last block is cut off");
      }
      const extension = source.subarray(at, end);
      if (source.readUInt8(at + 1) === plainText) {
        noteDropped(job, "plain text");
      } else {
        parts.push(extension);
      }
      at = end;
    } else if (kind === introducer.frame) {
      const data = at + 10 + paletteBytes(source[at + 9] ?? 0);
      if (data + 1 >= source.length) {
        return unfinished("its last block is cut off");
      }
      frames += 1;
      const end = endOfBlocks(source, data + 1);
      const frame = readFrame(source, at, data, end, canvas);
      parts.push(frame);
      if (end === undefined) {
        const rest = Buffer.concat([source.subarray(0, data + 1), frame.blocks]);
        return unfinished("its last block is cut off", rest);
      }
      at = end;
    } else {
      throw new Damaged("it has a block of no known kind");
    }
  }
}

/** The frame at `at`, whose pixels begin at `data` and end at `end`, or with the file. */
function readFrame(source: Buffer, at: number, data: number, end: number | undefined, canvas: Size): Frame {
  return {
    part: partOf(source, at + 1, canvas),
    flags: source.readUInt8(at + 9),
    palette: source.subarray(at + 10, data),
    codeSize: source.readUInt8(data),
    blocks: end === undefined ? endedBlocks(source.subarray(data + 1)) : source.subarray(data + 1, end),
  };
}

/** XMP is no sub-blocks, but text: its length may change. */
function carriedExtension(extension: Buffer, size: Size, turn: Turn, job: Job): Buffer {
  const isPrivate = extension[1] === application;
  const name = isPrivate ? extension.toString("latin1", 3, 14) : "";
  if (name === "XMP DataXMP") {
    return carriedXmp(extension, { turn, size, oriented: false, job }) ?? Buffer.alloc(0);
  }
  const shows = isAnimation(extension) || name.startsWith("ICCRGBG1");
  // What applications put there for themselves cannot be looked into.
  const goes = job.metadata === "none" || (job.metadata === "no-location" && isPrivate);
  return goes && !shows ? Buffer.alloc(0) : extension;
}

/** Whether an extension says how a frame is shown, or how often all of them: what a new encoding has, too. */
function isAnimation(extension: Buffer): boolean {
  return extension[1] === control || /^(NETSCAPE2\.0|ANIMEXTS1\.0)/.test(extension.toString("latin1", 3, 14));
}

function paletteBytes(flags: number): number {
  return flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0;
}

function partOf(source: Buffer, at: number, canvas: Size): Rectangle {
  const part = {
    left: source.readUInt16LE(at),
    top: source.readUInt16LE(at + 2),
    width: source.readUInt16LE(at + 4),
    height: source.readUInt16LE(at + 6),
  };
  const inside = part.left + part.width <= canvas.width && part.top + part.height <= canvas.height;
  if (!inside || part.width === 0 || part.height === 0) {
    throw new Damaged("a frame is empty or lies outside its canvas");
  }
  return part;
}

/** Where the sub-blocks that begin at `at` end, their terminator included; undefined where the file's end cuts them off. */
function endOfBlocks(source: Buffer, at: number): number | undefined {
  let end = at;
  for (let length = source[end]; length !== 0; length = source[end]) {
    if (length === undefined) {
      return undefined;
    }
    end += 1 + length;
  }
  return end + 1;
}

/** Sub-blocks that the file's end cuts off, what there is of them, with a terminator. */
function endedBlocks(blocks: Buffer): Buffer {
  const ended = Buffer.concat([blocks, Buffer.alloc(1)]);
  let last = 0;
  while (last + 1 + (ended[last] as number) < blocks.length) {
    last += 1 + (ended[last] as number);
  }
  const length = Math.min(ended[last] as number, Math.max(0, blocks.length - last - 1));
  ended[last] = length;
  return ended.subarray(0, length === 0 ? last + 1 : ended.length);
}

function joinBlocks(blocks: Buffer): Uint8Array {
  const joined = new Uint8Array(blocks.length);
  let length = 0;
  for (let at = 0; blocks[at] !== 0; at += 1 + (blocks[at] as number)) {
    const block = blocks.subarray(at + 1, at + 1 + (blocks[at] as number));
    joined.set(block, length);
    length += block.length;
  }
  return joined.subarray(0, length);
}

function splitBlocks(data: Uint8Array): Buffer {
  const blocks = Buffer.alloc(data.length + Math.ceil(data.length / 255) + 1);
  let written = 0;
  for (let at = 0; at < data.length; at += 255) {
    const block = data.subarray(at, at + 255);
    blocks.writeUInt8(block.length, written);
    blocks.set(block, written + 1);
    written += 1 + block.length;
  }
  return blocks;
}

/** The rows of an interlaced frame in the order that the file has them (GIF89a, appendix E). */
function interlacedRows(height: number): number[] {
  const rows: number[] = [];
  for (const [first, step] of [
    [0, 8],
    [4, 8],
    [2, 4],
    [1, 2],
  ] as const) {
    for (let row = first; row < height; row += step) {
      rows.push(row);
    }
  }
  return rows;
}

/** A raster with its rows in the order of an interlaced frame, or from that in their own. */
function interlaced(raster: Uint8Array, { width, height }: Size, undo = false): Uint8Array {
  const output = new Uint8Array(raster.length);
  for (const [index, row] of interlacedRows(height).entries()) {
    const [from, to] = undo ? [index, row] : [row, index];
    output.set(raster.subarray(from * width, (from + 1) * width), to * width);
  }
  return output;
}

/** The screen descriptor's pixel aspect, (N + 15) / 64, of pixels that lie on their side; 0 says nothing. */
function invertedAspect(aspect: number): number {
  return aspect === 0 ? 0 : Math.min(255, Math.max(1, Math.round(64 ** 2 / (aspect + 15)) - 15));
}
