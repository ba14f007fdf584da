/** Encodes coefficients to the scans of a JPEG with the best Huffman tables for them (ITU-T T.81, annexes F and G). */
import { Damaged } from "../../damage.ts";
import type { Size } from "../../geometry.ts";
import { BitWriter } from "./bits.ts";
import type { Pass } from "./decode.ts";
import { marker, type Scan } from "./file.ts";
import { type Encoding, encoding } from "./huffman.ts";
import type { Pace } from "./pace.ts";
import { nextPlace, type Plane } from "./planes.ts";

/** Blocks that an MCU may have. */
const MAX_BLOCKS = 10;

/** Maximum bytes of a block before stuffing. */
const BLOCK_BYTES = 256;

/** Encodes scan by scan what the passes say: those of the source, or all at once where there are none. */
export async function encode(
  planes: readonly Plane[],
  mcus: Size,
  passes: readonly Pass[] | undefined,
  bytes: number,
  pace: Pace,
): Promise<Scan[]> {
  const all = { from: 0, to: 63, before: 0, low: 0 };
  const blocks = planes.reduce((sum, { to }) => sum + to.horizontal * to.vertical, 0);
  const every = [...planes.keys()];
  const sequential = (blocks <= MAX_BLOCKS ? [every] : every.map((component) => [component])).map(
    (components) => ({ ...all, components }),
  );
  const scans: Scan[] = [];
  // A sequential scan's symbols were counted when they were decoded.
  const largest = Math.max(...planes.map(({ means }) => means.length));
  const tokens = new Uint32Array(passes ? largest * TOKENS : 0);
  for (const pass of passes ?? sequential) {
    scans.push(await encodeScan(planes, mcus, pass, passes !== undefined, bytes, tokens, pace));
  }
  return scans;
}

/** The table of a token that is bits without a symbol. */
const BARE = 7;

/** Tokens that replay writes between two looks at the clock. */
const REPLAYED = 1 << 16;

/** Tokens of a progressive scan that are remembered for a block: a byte a sample, half of what its coefficients take. */
const TOKENS = 16;

/** How a scan's symbols and bits leave: counted and remembered first, then written. */
class Sink {
  /** By class and number of a table, as a DHT segment has them, how often each symbol comes. */
  readonly counts: Uint32Array[] = [];
  readonly codes: Uint32Array[] = [];
  writer: BitWriter | undefined;
  /** What was counted, in order: `table << 29 | symbol << 21 | length << 16 | bits`. */
  readonly #tokens: Uint32Array;
  #count = 0;

  /** @param tokens Room for symbols and pieces of bits to be remembered; where more come, the scan is walked again. */
  constructor(tokens: Uint32Array) {
    this.#tokens = tokens;
  }

  /** Whether all that was counted is remembered. */
  get remembersAll(): boolean {
    return this.#count <= this.#tokens.length;
  }

  /** A symbol and the bits behind it. */
  symbol(table: number, symbol: number, bits: number, length: number): void {
    if (this.writer === undefined) {
      const counts = this.counts[table] as Uint32Array;
      counts[symbol] = (counts[symbol] as number) + 1;
      this.#remember((table << 29) | (symbol << 21) | (length << 16) | bits);
      return;
    }
    const code = (this.codes[table] as Uint32Array)[symbol] as number;
    this.writer.put(((code >>> 5) << length) | bits, (code & 31) + length);
  }

  /** Bits without a symbol, which need no counting. */
  bits(bits: number, length: number): void {
    if (this.writer === undefined) {
      this.#remember((BARE << 29) | (length << 16) | bits);
      return;
    }
    this.writer.put(bits, length);
  }

  #remember(token: number): void {
    if (this.#count < this.#tokens.length) {
      this.#tokens[this.#count] = token;
    }
    this.#count += 1;
  }

  /** Writes what was counted. */
  async replay(writer: BitWriter, pace: Pace): Promise<void> {
    const tokens = this.#tokens;
    const { codes } = this;
    for (let from = 0; from < this.#count; from += REPLAYED) {
      const to = Math.min(from + REPLAYED, this.#count);
      writer.reserve((to - from) * 4);
      for (let index = from; index < to; index += 1) {
        const token = tokens[index] as number;
        const length = (token >>> 16) & 31;
        const bits = token & 0xffff;
        const table = token >>> 29;
        if (table === BARE) {
          writer.put(bits, length);
        } else {
          const code = (codes[table] as Uint32Array)[(token >>> 21) & 255] as number;
          writer.put(((code >>> 5) << length) | bits, (code & 31) + length);
        }
      }
      if (pace.due) {
        await pace.rest();
      }
    }
  }
}

/** What one block leaves to the next. */
interface State {
  /** By place in the scan's list of components, the last mean. */
  readonly means: Int32Array;
  /** Blocks in which nothing new begins, and have not been written. */
  ended: number;
  /** Bits of known coefficients in these blocks, which are written behind them. */
  readonly corrections: Uint8Array;
  corrected: number;
}

/** Corrections after which a run of ended blocks is written: libjpeg's decoders and encoders hold as many. */
const MAX_CORRECTIONS = 1000 - 63;

async function encodeScan(
  planes: readonly Plane[],
  mcus: Size,
  pass: Pass,
  progressive: boolean,
  bytes: number,
  tokens: Uint32Array,
  pace: Pace,
): Promise<Scan> {
  const dc = pass.from === 0 && pass.before === 0;
  const ac = pass.to > 0;
  const parts = pass.components.map((component) => planes[component] as Plane);
  const sink = new Sink(tokens);
  // Means have tables 0 to 3, one a component at first; the other coefficients 4 to 7.
  for (const [place, { counts }] of parts.entries()) {
    sink.counts[place] = new Uint32Array(256);
    sink.counts[4 + place] = progressive ? new Uint32Array(256) : counts;
  }
  await walk(parts, mcus, pass, progressive, sink, pace);
  // Colour has statistics of its own; whether tables of its own pay, the sums say.
  const numbers = pass.components.map((component) => (component === 1 || component === 2 ? 1 : 0));
  const tables = [
    ...(dc ? chooseTables(sink, 0, numbers) : []),
    ...(ac ? chooseTables(sink, 4, numbers) : []),
  ];
  const writer = new BitWriter(bytes);
  if (sink.remembersAll) {
    await sink.replay(writer, pace);
  } else {
    sink.writer = writer;
    await walk(parts, mcus, pass, progressive, sink, pace);
  }
  const numberOf = (kind: number, place: number) =>
    tables.find(({ first, places }) => first === kind && places.includes(place))?.number ?? 0;
  return {
    segments: tables.map(({ first, number, encoding: { definition } }) => ({
      marker: marker.dht,
      data: Buffer.concat([Buffer.from([(first === 0 ? 0 : 16) | number]), definition]),
    })),
    header: Buffer.from([
      parts.length,
      ...parts.flatMap(({ to: { id } }, place) => [id, (numberOf(0, place) << 4) | numberOf(4, place)]),
      ...[pass.from, pass.to, (pass.before << 4) | pass.low],
    ]),
    entropy: writer.finish(),
  };
}

interface Table {
  readonly first: number;
  readonly number: number;
  /** The places in the scan's list of components that use it. */
  readonly places: readonly number[];
  readonly encoding: Encoding;
}

/** One table for all components, or two, whichever takes fewer bits. */
function chooseTables(sink: Sink, first: number, numbers: readonly number[]): Table[] {
  const group = (number: number, places: readonly number[]): Table => {
    const counts = new Uint32Array(256);
    for (const place of places) {
      sink.counts[first + place]?.forEach((count, symbol) => {
        counts[symbol] = (counts[symbol] as number) + count;
      });
    }
    return { first, number, places, encoding: encoding(counts) };
  };
  const places = [...numbers.keys()];
  const used = [...new Set(numbers)];
  const apart = used.map((number) =>
    group(
      number,
      places.filter((place) => numbers[place] === number),
    ),
  );
  const together = [group(used[0] as number, places)];
  const bits = (tables: readonly Table[]) =>
    tables.reduce((sum, { encoding: { cost } }) => sum + cost + 8 * 5, 0);
  const best = bits(together) < bits(apart) ? together : apart;
  for (const {
    places: users,
    encoding: { codes },
  } of best) {
    for (const place of users) {
      sink.codes[first + place] = codes;
    }
  }
  return best;
}

type EncodeBlock = (sink: Sink, plane: Plane, block: number, place: number, state: State) => void;

/** Hands every block of a scan to the sink, in the order of the scan. */
async function walk(
  parts: readonly Plane[],
  mcus: Size,
  pass: Pass,
  progressive: boolean,
  sink: Sink,
  pace: Pace,
): Promise<void> {
  const [only] = parts;
  const alone = parts.length === 1 && only !== undefined;
  const { width, height } = alone ? only.result : mcus;
  const state: State = {
    means: new Int32Array(4),
    ended: 0,
    corrections: new Uint8Array(MAX_CORRECTIONS + 64),
    corrected: 0,
  };
  const encodeBlock = blockEncoder(pass, progressive);
  for (let row = 0; row < height; row += 1) {
    sink.writer?.reserve(width * BLOCK_BYTES * (alone ? 1 : MAX_BLOCKS));
    for (let column = 0; column < width; column += 1) {
      if (alone) {
        encodeBlock(sink, only, row * width + column, 0, state);
        continue;
      }
      for (let place = 0; place < parts.length; place += 1) {
        const plane = parts[place] as Plane;
        const { horizontal, vertical } = plane.to;
        for (let v = 0; v < vertical; v += 1) {
          const y = row * vertical + v;
          for (let h = 0; h < horizontal; h += 1) {
            const x = column * horizontal + h;
            if (x < plane.result.width && y < plane.result.height) {
              encodeBlock(sink, plane, y * plane.result.width + x, place, state);
            } else {
              encodeNothing(sink, pass, progressive, place);
            }
          }
        }
      }
    }
    if (pace.due) {
      await pace.rest();
    }
  }
  flush(sink, state);
}

/** A block beyond the picture: the mean of the one before, and nothing else. */
function encodeNothing(sink: Sink, { before }: Pass, progressive: boolean, place: number): void {
  if (before > 0) {
    sink.bits(0, 1);
    return;
  }
  sink.symbol(place, 0, 0, 0);
  if (!progressive) {
    sink.symbol(4 + place, 0, 0, 0);
  }
}

function blockEncoder(pass: Pass, progressive: boolean): EncodeBlock {
  const { from, before, low } = pass;
  if (!progressive) {
    return encodeSequential;
  }
  if (from === 0) {
    return before === 0
      ? (sink, { means }, block, place, state) =>
          encodeMean(sink, (means[block] as number) >> low, place, state)
      : (sink, { means }, block) => sink.bits(((means[block] as number) >> low) & 1, 1);
  }
  return before === 0
    ? (sink, plane, block, _, state) => encodeBand(sink, plane, block, state, pass)
    : (sink, plane, block, _, state) => encodeRefinement(sink, plane, block, state, pass);
}

function encodeMean(sink: Sink, mean: number, place: number, state: State): void {
  const change = mean - (state.means[place] as number);
  state.means[place] = mean;
  const size = 32 - Math.clz32(change < 0 ? -change : change);
  if (size > 11) {
    throw new Damaged("a mean that 8 bits a sample do not give");
  }
  sink.symbol(place, size, (change < 0 ? change - 1 : change) & ((1 << size) - 1), size);
}

function encodeSequential(sink: Sink, plane: Plane, block: number, place: number, state: State): void {
  const { writer } = sink;
  encodeMean(sink, plane.means[block] as number, place, state);
  if (writer === undefined) {
    return; // All other symbols were counted when they were decoded.
  }
  const { coefficients, masks } = plane;
  const base = block * 64;
  const codes = sink.codes[4 + place] as Uint32Array;
  const first = masks[block * 2] as number;
  const second = masks[block * 2 + 1] as number;
  let last = 0;
  for (let place = nextPlace(first, second, 0); place < 64; place = nextPlace(first, second, place + 1)) {
    let zeros = place - last - 1;
    last = place;
    for (; zeros > 15; zeros -= 16) {
      const code = codes[0xf0] as number;
      writer.put(code >>> 5, code & 31);
    }
    const value = coefficients[base + last] as number;
    const sign = value >> 31;
    const size = 32 - Math.clz32((value ^ sign) - sign);
    if (size > 10) {
      throw new Damaged("a coefficient that 8 bits a sample do not give");
    }
    const code = codes[(zeros << 4) | size] as number;
    const bits = (value + sign) & ((1 << size) - 1);
    writer.put(((code >>> 5) << size) | bits, (code & 31) + size);
  }
  if (last < 63) {
    const code = codes[0] as number;
    writer.put(code >>> 5, code & 31);
  }
}

/** Writes the run of ended blocks that waits, and their corrections, which end where those of the next block begin. */
function flush(sink: Sink, state: State, end = state.corrected): void {
  if (state.ended > 0) {
    const size = 31 - Math.clz32(state.ended);
    sink.symbol(4, size << 4, state.ended & ((1 << size) - 1), size);
    state.ended = 0;
    correct(sink, state, 0, end);
    if (end === state.corrected) {
      state.corrected = 0;
    }
  }
}

/** Writes corrections from one to another. */
function correct(sink: Sink, { corrections }: State, from: number, to: number): void {
  let bits = 0;
  let length = 0;
  for (let index = from; index < to; index += 1) {
    bits = (bits << 1) | (corrections[index] as number);
    length += 1;
    if (length === 16) {
      sink.bits(bits, length);
      bits = 0;
      length = 0;
    }
  }
  sink.bits(bits, length);
}

function encodeBand(sink: Sink, plane: Plane, block: number, state: State, { from, to, low }: Pass): void {
  const { coefficients, masks } = plane;
  const base = block * 64;
  const first = masks[block * 2] as number;
  const second = masks[block * 2 + 1] as number;
  let last = from - 1;
  for (let place = nextPlace(first, second, from); place <= to; place = nextPlace(first, second, place + 1)) {
    const value = coefficients[base + place] as number;
    const magnitude = magnitudeOf(value, low);
    if (magnitude === 0) {
      continue;
    }
    flush(sink, state);
    let zeros = place - last - 1;
    last = place;
    for (; zeros > 15; zeros -= 16) {
      sink.symbol(4, 0xf0, 0, 0);
    }
    const size = 32 - Math.clz32(magnitude);
    if (size > 10) {
      throw new Damaged("a coefficient that 8 bits a sample do not give");
    }
    sink.symbol(4, (zeros << 4) | size, (magnitude ^ (value >> 31)) & ((1 << size) - 1), size);
  }
  if (last < to) {
    end(sink, state);
  }
}

/** Counts a block as one in which nothing new begins from here on. */
function end(sink: Sink, state: State): void {
  state.ended += 1;
  if (state.ended === 0x7fff || state.corrected > MAX_CORRECTIONS) {
    flush(sink, state);
  }
}

function encodeRefinement(
  sink: Sink,
  plane: Plane,
  block: number,
  state: State,
  { from, to, low }: Pass,
): void {
  const { coefficients, masks } = plane;
  const base = block * 64;
  const first = masks[block * 2] as number;
  const second = masks[block * 2 + 1] as number;
  // The last coefficient that becomes other than 0 in this pass: runs of zeros behind it need no symbol.
  let newest = 0;
  for (let place = nextPlace(first, second, from); place <= to; place = nextPlace(first, second, place + 1)) {
    if (magnitudeOf(coefficients[base + place] as number, low) === 1) newest = place;
  }
  let last = from - 1;
  let known = 0;
  // Corrections of this block, behind those of ended blocks that wait.
  let start = state.corrected;
  for (let place = nextPlace(first, second, from); place <= to; place = nextPlace(first, second, place + 1)) {
    const value = coefficients[base + place] as number;
    const magnitude = magnitudeOf(value, low);
    if (magnitude === 0) {
      continue;
    }
    // Zeros since the last symbol: what is known already does not count.
    let zeros = place - last - 1 - known;
    while (zeros > 15 && place <= newest) {
      flush(sink, state, start);
      sink.symbol(4, 0xf0, 0, 0);
      correct(sink, state, start, state.corrected);
      state.corrected = 0;
      start = 0;
      last += 16 + known;
      zeros -= 16;
      known = 0;
    }
    if (magnitude > 1) {
      state.corrections[state.corrected] = magnitude & 1;
      state.corrected += 1;
      known += 1;
      continue;
    }
    flush(sink, state, start);
    sink.symbol(4, (zeros << 4) | 1, value < 0 ? 0 : 1, 1);
    correct(sink, state, start, state.corrected);
    state.corrected = 0;
    start = 0;
    last = place;
    known = 0;
  }
  if (last + known < to || state.corrected > start) {
    end(sink, state);
  }
}

function magnitudeOf(value: number, low: number): number {
  return (value < 0 ? -value : value) >> low;
}
