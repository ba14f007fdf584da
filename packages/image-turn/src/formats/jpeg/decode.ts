/** Decodes the scans of a JPEG to coefficients (ITU-T T.81, annexes F and G), which land where the result has them. */
import { Damaged } from "../../damage.ts";
import { BitReader } from "./bits.ts";
import { type Frame, isFrame, marker, type Scan, type Segment } from "./file.ts";
import { type Decoding, LOOKAHEAD, readTables } from "./huffman.ts";
import type { Pace } from "./pace.ts";
import { layoutOf, nextPlace, type Plane } from "./planes.ts";

/** What a scan of a progressive JPEG adds: which bits of which coefficients of which components. */
export interface Pass {
  /** Places in the frame's list of components. */
  readonly components: readonly number[];
  /** The first and the last place in the zigzag order. */
  readonly from: number;
  readonly to: number;
  /** The lowest bit that was there before, 0 where none was, and the lowest bit that is there now. */
  readonly before: number;
  readonly low: number;
}

/** More scans than any encoder writes cost more time than they are worth. */
const MAX_SCANS = 100;

/**
 * What each scan adds.
 *
 * @throws {Damaged} where the scans together are not every coefficient's every bit once, in an order that T.81 allows.
 */
export function passesOf(frame: Frame, scans: readonly Scan[]): Pass[] {
  if (scans.length > MAX_SCANS) {
    throw new Damaged("too many scans");
  }
  // By component and coefficient, the lowest bit that is known, or -1.
  const known = frame.components.map(() => new Int8Array(64).fill(-1));
  const passes = scans.map(({ header }) => {
    const pass = passOf(frame, header);
    for (const component of pass.components) {
      const bits = known[component] as Int8Array;
      if (pass.from > 0 && bits[0] === -1) {
        throw new Damaged("a component begins with other than its mean");
      }
      for (let index = pass.from; index <= pass.to; index += 1) {
        const right = bits[index] === -1 ? pass.before === 0 : bits[index] === pass.before && pass.before > 0;
        if (!right) {
          throw new Damaged("scans do not follow each other");
        }
        bits[index] = pass.low;
      }
    }
    return pass;
  });
  if (known.some((bits) => bits.some((low) => low !== 0))) {
    throw new Damaged("scans are missing");
  }
  return passes;
}

function passOf(frame: Frame, header: Buffer): Pass {
  const count = header[0] ?? 0;
  if (count < 1 || count > 4 || header.length !== 4 + 2 * count) {
    throw new Damaged("a scan's header is not as long as it says");
  }
  const components = Array.from({ length: count }, (_, index) =>
    frame.components.findIndex(({ id }) => id === header[1 + 2 * index]),
  );
  if (
    components.includes(-1) ||
    components.some((component, index) => component <= (components[index - 1] ?? -1))
  ) {
    throw new Damaged("a scan of components that are none");
  }
  if (!frame.progressive) {
    return { components, from: 0, to: 63, before: 0, low: 0 };
  }
  const [from, to, bits] = header.subarray(1 + 2 * count) as unknown as [number, number, number];
  const pass = { components, from, to, before: bits >> 4, low: bits & 15 };
  const alone = from === 0 ? to === 0 : to >= from && to <= 63 && count === 1;
  if (!alone || pass.low > 13 || (pass.before > 0 && pass.low !== pass.before - 1)) {
    throw new Damaged("a scan of coefficients that are none");
  }
  return pass;
}

/**
 * Decodes all scans.
 *
 * @param order Where each place of the zigzag order goes.
 * @throws {Damaged}
 */
export async function decode(
  frame: Frame,
  segments: readonly Segment[],
  scans: readonly Scan[],
  passes: readonly Pass[],
  planes: readonly Plane[],
  order: Int32Array,
  pace: Pace,
): Promise<void> {
  const tables = new Map<number, Decoding>();
  let interval = 0;
  const define = ({ marker: code, data }: Segment) => {
    if (code === marker.dht && !readTables(data, tables)) {
      throw new Damaged("a Huffman table is none");
    }
    if (code === marker.dri) {
      interval = data.readUInt16BE(0);
    }
  };
  segments.forEach(define);
  for (const [index, scan] of scans.entries()) {
    if (scan.segments.some((segment) => segment.marker === marker.dqt || isFrame(segment))) {
      throw new Damaged("a quantisation table or a frame between scans");
    }
    scan.segments.forEach(define);
    const pass = passes[index] as Pass;
    const parts = pass.components.map((component, place) => ({
      plane: planes[component] as Plane,
      dc: tables.get((scan.header[2 + 2 * place] as number) >> 4),
      ac: tables.get(16 | ((scan.header[2 + 2 * place] as number) & 15)),
    }));
    await decodeScan(frame, scan.entropy, pass, parts, interval, order, pace);
  }
  if (frame.progressive) {
    for (const plane of planes) {
      await reorder(plane, order, pace);
    }
  }
}

interface Part {
  readonly plane: Plane;
  readonly dc: Decoding | undefined;
  readonly ac: Decoding | undefined;
}

/** Decodes a block of a component, the one at `block` of the result; `state` is what one block leaves to the next. */
type DecodeBlock = (reader: BitReader, part: Part, block: number, place: number, state: State) => void;

interface State {
  /** By place in the scan's list of components, the last mean. */
  readonly means: Int32Array;
  /** Blocks to come in which nothing new begins. */
  ended: number;
}

/** Decodes a scan block by block, in the order in which MCUs have them; the loops stay together, as they are hot. */
async function decodeScan(
  frame: Frame,
  entropy: Buffer,
  pass: Pass,
  parts: readonly Part[],
  interval: number,
  order: Int32Array,
  pace: Pace,
): Promise<void> {
  const [only] = parts;
  const alone = parts.length === 1 && only !== undefined;
  const { width: across, height: down } = alone ? only.plane.source : layoutOf(frame).mcus;
  const reader = new BitReader(entropy, interval === 0 ? 1 : Math.ceil((across * down) / interval));
  const state: State = { means: new Int32Array(4), ended: 0 };
  const decodeBlock = blockDecoder(frame, pass, parts, order);
  let left = interval;
  for (let row = 0; row < down; row += 1) {
    for (let column = 0; column < across; column += 1) {
      if (interval > 0) {
        if (left === 0) {
          reader.next();
          state.means.fill(0);
          if (state.ended !== 0) {
            throw new Damaged("an interval ends before its blocks");
          }
          left = interval;
        }
        left -= 1;
      }
      if (alone) {
        const { first, right, down: below } = only.plane;
        decodeBlock(reader, only, first + column * right + row * below, 0, state);
        continue;
      }
      for (let place = 0; place < parts.length; place += 1) {
        const part = parts[place] as Part;
        const { plane } = part;
        const { horizontal, vertical } = plane.from;
        for (let v = 0; v < vertical; v += 1) {
          const y = row * vertical + v;
          for (let h = 0; h < horizontal; h += 1) {
            const x = column * horizontal + h;
            const real = x < plane.source.width && y < plane.source.height;
            const nowhere = plane.source.width * plane.source.height;
            const block = real ? plane.first + x * plane.right + y * plane.down : nowhere;
            decodeBlock(reader, part, block, place, state);
          }
        }
      }
    }
    if (pace.due) {
      await pace.rest();
    }
  }
  reader.finish();
  if (state.ended !== 0) {
    throw new Damaged("a scan ends before its blocks");
  }
}

function blockDecoder(frame: Frame, pass: Pass, parts: readonly Part[], order: Int32Array): DecodeBlock {
  const { from, to, low, before } = pass;
  const needsDc = from === 0 && before === 0;
  const needsAc = to > 0;
  if (parts.some(({ dc, ac }) => (needsDc && dc === undefined) || (needsAc && ac === undefined))) {
    throw new Damaged("a Huffman table is missing");
  }
  if (!frame.progressive) {
    return (reader, part, block, place, state) => decodeSequential(reader, part, block, place, state, order);
  }
  if (from === 0) {
    return before === 0
      ? (reader, part, block, place, state) => decodeMean(reader, part, block, place, state, low)
      : (reader, part, block) => refineMean(reader, part, block, low);
  }
  return before === 0
    ? (reader, part, block, _, state) => decodeBand(reader, part, block, state, from, to, low)
    : (reader, part, block, _, state) => refineBand(reader, part, block, state, from, to, 1 << low);
}

function nextMean(reader: BitReader, part: Part, place: number, state: State): number {
  const mean = (state.means[place] as number) + reader.signed(reader.symbol(part.dc as Decoding));
  if (mean < -32768 || mean > 32767) {
    throw new Damaged("a mean out of range");
  }
  state.means[place] = mean;
  return mean;
}

/** Decodes a block of a baseline JPEG. One loop, the hottest of all: calls in it, or fields in place of variables, cost more. */
function decodeSequential(
  reader: BitReader,
  part: Part,
  block: number,
  place: number,
  state: State,
  order: Int32Array,
): void {
  const { plane } = part;
  const { coefficients } = plane;
  const base = block * 64;
  plane.means[block] = nextMean(reader, part, place, state);
  const { view, end } = reader;
  const table = part.ac as Decoding;
  const { steps } = table;
  let at = reader.at;
  let first = 0;
  let second = 0;
  for (let index = 1; index < 64; index += 1) {
    const window = view.getInt32(at >>> 3) << (at & 7);
    const step = steps[window >>> (32 - LOOKAHEAD)] as number;
    let value = step >> 16;
    if (value !== 0) {
      at += step & 255;
      index += (step >> 8) & 255;
    } else {
      let symbol = step >> 8;
      if (step !== 0) {
        at += step & 255;
      } else {
        reader.at = at;
        symbol = reader.longSymbol(table);
        at = reader.at;
      }
      const size = symbol & 15;
      if (size === 0) {
        if (symbol === 0xf0) {
          index += 15;
          continue;
        }
        if (symbol === 0) {
          break;
        }
        throw new Damaged("a symbol that means nothing");
      }
      index += symbol >> 4;
      value = (view.getInt32(at >>> 3) << (at & 7)) >>> (32 - size);
      at += size;
      value -= ((1 << size) - 1) & ((value >>> (size - 1)) - 1);
    }
    if (index > 63) {
      throw new Damaged("a block of more than 64 coefficients");
    }
    const moved = order[index] as number;
    const sign = moved >> 31;
    const target = moved ^ sign;
    coefficients[base + target] = (value ^ sign) - sign;
    // Without branches, which nothing could predict: the bit goes into one word, and none into the other.
    const bit = 0x80000000 >>> (target & 31);
    const half = target >> 5;
    first |= bit & (half - 1);
    second |= bit & -half;
  }
  plane.masks[block * 2] = first;
  plane.masks[block * 2 + 1] = second;
  reader.at = at;
  if (at > end) {
    throw new Damaged("a scan is shorter than its picture");
  }
  if (base + 64 < coefficients.length) {
    count(plane, base, first, second);
  }
}

/** Counts the symbols of a block, which then need not be looked at twice. */
function count({ coefficients, counts }: Plane, base: number, first: number, second: number): void {
  let last = 0;
  for (let place = nextPlace(first, second, 0); place < 64; place = nextPlace(first, second, place + 1)) {
    let zeros = place - last - 1;
    last = place;
    for (; zeros > 15; zeros -= 16) {
      counts[0xf0] = (counts[0xf0] as number) + 1;
    }
    const value = coefficients[base + last] as number;
    // No symbol has more than four bits of either; what is larger is refused when it is written.
    const sign = value >> 31;
    const symbol = ((zeros << 4) | (32 - Math.clz32((value ^ sign) - sign))) & 255;
    counts[symbol] = (counts[symbol] as number) + 1;
  }
  if (last < 63) {
    counts[0] = (counts[0] as number) + 1;
  }
}

function decodeMean(
  reader: BitReader,
  part: Part,
  block: number,
  place: number,
  state: State,
  low: number,
): void {
  const mean = nextMean(reader, part, place, state) * (1 << low);
  if (reader.at > reader.end || mean < -32768 || mean > 32767) {
    throw new Damaged("a mean out of range");
  }
  part.plane.means[block] = mean;
}

function refineMean(reader: BitReader, part: Part, block: number, low: number): void {
  const { means } = part.plane;
  means[block] = (means[block] as number) | (reader.number(1) << low);
  if (reader.at > reader.end) {
    throw new Damaged("a scan is shorter than its picture");
  }
}

function mark(masks: Int32Array, block: number, index: number): void {
  const word = block * 2 + (index >> 5);
  masks[word] = (masks[word] as number) | (0x80000000 >>> (index & 31));
}

function decodeBand(
  reader: BitReader,
  part: Part,
  block: number,
  state: State,
  from: number,
  to: number,
  low: number,
): void {
  if (state.ended > 0) {
    state.ended -= 1;
    return;
  }
  const { coefficients, masks } = part.plane;
  const table = part.ac as Decoding;
  for (let index = from; index <= to; index += 1) {
    const symbol = reader.symbol(table);
    const zeros = symbol >> 4;
    const size = symbol & 15;
    if (size === 0 && zeros < 15) {
      state.ended = (1 << zeros) - 1 + reader.number(zeros);
      break;
    }
    index += zeros;
    if (size > 0) {
      const value = reader.signed(size) * (1 << low);
      if (index > to || value < -32767 || value > 32767) {
        throw new Damaged("a coefficient out of range");
      }
      coefficients[block * 64 + index] = value;
      mark(masks, block, index);
    }
  }
  if (reader.at > reader.end) {
    throw new Damaged("a scan is shorter than its picture");
  }
}

function refineBand(
  reader: BitReader,
  part: Part,
  block: number,
  state: State,
  from: number,
  to: number,
  bit: number,
): void {
  const { coefficients, masks } = part.plane;
  const base = block * 64;
  const table = part.ac as Decoding;
  const first = masks[block * 2] as number;
  const second = masks[block * 2 + 1] as number;
  // The next coefficient that is known already, which is passed by and corrected; 64 where none is left.
  let known = nextPlace(first, second, from);
  let index = from;
  if (state.ended === 0) {
    for (; index <= to; index += 1) {
      const symbol = reader.symbol(table);
      const size = symbol & 15;
      let zeros = symbol >> 4;
      let value = 0;
      if (size === 1) {
        value = reader.number(1) === 1 ? bit : -bit;
      } else if (size > 1) {
        throw new Damaged("a symbol that means nothing");
      } else if (zeros < 15) {
        state.ended = (1 << zeros) + reader.number(zeros);
        break;
      }
      while (known <= to && known - index <= zeros) {
        zeros -= known - index;
        correct(reader, coefficients, base + known, bit);
        index = known + 1;
        known = nextPlace(first, second, index);
      }
      index += zeros;
      if (value !== 0) {
        if (index > to) {
          throw new Damaged("a band of more coefficients than it has");
        }
        coefficients[base + index] = value;
        mark(masks, block, index);
      }
    }
  }
  if (state.ended > 0) {
    state.ended -= 1;
    while (known <= to) {
      correct(reader, coefficients, base + known, bit);
      known = nextPlace(first, second, known + 1);
    }
  }
  if (reader.at > reader.end) {
    throw new Damaged("a scan is shorter than its picture");
  }
}

function correct(reader: BitReader, coefficients: Int16Array, place: number, bit: number): void {
  if (reader.number(1) === 1) {
    const old = coefficients[place] as number;
    coefficients[place] = old < 0 ? old - bit : old + bit;
  }
}

/** Moves each block's coefficients, which passes have left in the source's order. */
async function reorder({ coefficients, masks, source }: Plane, order: Int32Array, pace: Pace): Promise<void> {
  const values = new Int16Array(64);
  const blocks = source.width * source.height;
  for (let block = 0; block < blocks; block += 1) {
    const first = masks[block * 2] as number;
    const second = masks[block * 2 + 1] as number;
    const base = block * 64;
    for (let index = nextPlace(first, second, 0); index < 64; index = nextPlace(first, second, index + 1)) {
      values[index] = coefficients[base + index] as number;
      coefficients[base + index] = 0;
    }
    masks[block * 2] = 0;
    masks[block * 2 + 1] = 0;
    for (let index = nextPlace(first, second, 0); index < 64; index = nextPlace(first, second, index + 1)) {
      const moved = order[index] as number;
      const sign = moved >> 31;
      coefficients[base + (moved ^ sign)] = ((values[index] as number) ^ sign) - sign;
      mark(masks, block, moved ^ sign);
    }
    if (block % 4096 === 0 && pace.due) {
      await pace.rest();
    }
  }
}
