/** JPEGs by their coefficients: encoded and turned by definition, and read back. */
import { decode, passesOf } from "../../src/formats/jpeg/decode.ts";
import { findFrame, parse } from "../../src/formats/jpeg/file.ts";
import { Pace } from "../../src/formats/jpeg/pace.ts";
import { moveOf, planesOf, zigzag } from "../../src/formats/jpeg/planes.ts";
import type { Job } from "../../src/pixels.ts";
import { random } from "../mutate.ts";

export interface Coded {
  readonly horizontal: number;
  readonly vertical: number;
  readonly across: number;
  /** Row by row, each block's 64 coefficients row by row. */
  readonly blocks: readonly (readonly number[])[];
}

export interface CodedPicture {
  readonly width: number;
  readonly height: number;
  readonly components: readonly Coded[];
}

/** A picture of sparse coefficients, the same for the same seed. */
export function codedPicture(
  width: number,
  height: number,
  factors: readonly (readonly [number, number])[],
  seed = 1,
): CodedPicture {
  const next = random(seed);
  const below = (limit: number) => Math.floor(next() * limit);
  const [h, v] = [0, 1].map((axis) => Math.max(...factors.map((factor) => factor[axis] as number))) as [
    number,
    number,
  ];
  const components = factors.map(([horizontal, vertical]) => {
    const across = Math.ceil((width * horizontal) / (8 * h));
    const down = Math.ceil((height * vertical) / (8 * v));
    const blocks = Array.from({ length: across * down }, () => {
      const block = new Array<number>(64).fill(0);
      block[0] = below(400) - 200;
      for (let left = below(next() < 0.1 ? 60 : 8); left > 0; left -= 1) {
        block[1 + below(63)] = (next() < 0.2 ? below(600) : below(7)) - 3;
      }
      return block;
    });
    return { horizontal, vertical, across, blocks };
  });
  return { width, height, components };
}

/** A baseline JPEG whose codes are all of one length, so that no encoder's choices matter. */
export function encoded(
  { width, height, components }: CodedPicture,
  { restart = 0, apart = false } = {},
): Buffer {
  const segment = (marker: number, data: readonly number[]) =>
    Buffer.from([0xff, marker, (data.length + 2) >> 8, (data.length + 2) & 255, ...data]);
  const acSymbols = Array.from(
    { length: 16 * 11 },
    (_, index) => (Math.floor(index / 11) << 4) | (index % 11),
  );
  const dcSymbols = Array.from({ length: 12 }, (_, index) => index);
  const ofLength = (length: number, count: number) =>
    Array.from({ length: 16 }, (_, index) => (index + 1 === length ? count : 0));
  const alone = components.length === 1;
  const [h, v] = [
    alone ? 1 : Math.max(...components.map(({ horizontal }) => horizontal)),
    alone ? 1 : Math.max(...components.map(({ vertical }) => vertical)),
  ];
  const scan = (places: readonly number[]) => {
    let bits = "";
    const pieces: Buffer[] = [];
    let markers = 0;
    const last = components.map(() => 0);
    const put = (number: number, length: number) => {
      bits += length === 0 ? "" : number.toString(2).padStart(length, "0");
    };
    const value = (number: number, size: number) => put(number < 0 ? number + 2 ** size - 1 : number, size);
    const sizeOf = (number: number) => (number === 0 ? 0 : Math.floor(Math.log2(Math.abs(number))) + 1);
    const flush = () => {
      const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1");
      for (let at = 0; at < padded.length; at += 8) {
        const byte = Number.parseInt(padded.slice(at, at + 8), 2);
        pieces.push(Buffer.from(byte === 255 ? [255, 0] : [byte]));
      }
      bits = "";
    };
    const block = (place: number, coefficients: readonly number[]) => {
      const change = (coefficients[0] as number) - (last[place] as number);
      last[place] = coefficients[0] as number;
      put(dcSymbols.indexOf(sizeOf(change)), 4);
      value(change, sizeOf(change));
      let zeros = 0;
      for (let index = 1; index < 64; index += 1) {
        const number = coefficients[zigzag[index] as number] as number;
        if (number === 0) {
          zeros += 1;
          continue;
        }
        for (; zeros > 15; zeros -= 16) {
          put(acSymbols.indexOf(0xf0), 8);
        }
        put(acSymbols.indexOf((zeros << 4) | sizeOf(number)), 8);
        value(number, sizeOf(number));
        zeros = 0;
      }
      if (zeros > 0) {
        put(acSymbols.indexOf(0), 8);
      }
    };
    const [first = 0] = places;
    const only = places.length === 1 ? components[first] : undefined;
    const columns = only?.across ?? Math.ceil(width / (8 * h));
    const rows = only ? only.blocks.length / only.across : Math.ceil(height / (8 * v));
    for (let mcu = 0; mcu < columns * rows; mcu += 1) {
      if (restart > 0 && mcu > 0 && mcu % restart === 0) {
        flush();
        pieces.push(Buffer.from([0xff, 0xd0 + (markers & 7)]));
        markers += 1;
        last.fill(0);
      }
      const [column, row] = [mcu % columns, Math.floor(mcu / columns)];
      for (const place of places) {
        const { horizontal, vertical, across, blocks } = components[place] as Coded;
        for (let part = 0; part < (only ? 1 : horizontal * vertical); part += 1) {
          const x = only ? column : column * horizontal + (part % horizontal);
          const y = only ? row : row * vertical + Math.floor(part / horizontal);
          // Beyond the picture, blocks are filled with what nobody sees.
          block(place, (x < across ? blocks[y * across + x] : undefined) ?? new Array(64).fill(7));
        }
      }
    }
    flush();
    const parts = places.flatMap((place) => [place + 1, 0]);
    return [segment(0xda, [places.length, ...parts, 0, 63, 0]), ...pieces];
  };
  const every = [...components.keys()];
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    segment(0xdb, [0, ...Array.from({ length: 64 }, (_, index) => 1 + index)]),
    segment(0xc0, [
      ...[8, height >> 8, height & 255, width >> 8, width & 255, components.length],
      ...components.flatMap(({ horizontal, vertical }, place) => [
        place + 1,
        (horizontal << 4) | vertical,
        0,
      ]),
    ]),
    segment(0xc4, [0x00, ...ofLength(4, dcSymbols.length), ...dcSymbols]),
    segment(0xc4, [0x10, ...ofLength(8, acSymbols.length), ...acSymbols]),
    ...(restart > 0 ? [segment(0xdd, [restart >> 8, restart & 255])] : []),
    ...(apart ? every.map((place) => [place]) : [every]).flatMap(scan),
    Buffer.from([0xff, 0xd9]),
  ]);
}

/** The coefficients of a JPEG. */
export async function coefficients(file: Buffer): Promise<CodedPicture> {
  const { segments, scans } = parse(file);
  const frame = findFrame(segments);
  const move = moveOf({ flop: false, degrees: 0 });
  const planes = planesOf(frame, move);
  const notes = { exact: true, repaired: [], dropped: [] };
  const limits = { pixels: 1e9, seconds: 60 };
  const job: Job = {
    angle: 0,
    metadata: "keep",
    background: undefined,
    limits,
    notes,
    deadline: performance.now() + 60_000,
  };
  await decode(frame, segments, scans, passesOf(frame, scans), planes, move.order, new Pace(job));
  return {
    width: frame.width,
    height: frame.height,
    components: planes.map(({ from: { horizontal, vertical }, source, means, coefficients: plane }) => ({
      ...{ horizontal, vertical, across: source.width },
      blocks: Array.from({ length: source.width * source.height }, (_, block) => {
        const rows = new Array<number>(64).fill(0);
        for (const [index, place] of zigzag.entries()) {
          rows[place] = index === 0 ? (means[block] as number) : (plane[block * 64 + index] as number);
        }
        return rows;
      }),
    })),
  };
}

/** The picture with left and right exchanged, by definition: waves of an odd frequency change their sign. */
function flopped({ width, height, components }: CodedPicture): CodedPicture {
  const mirrored = components.map(({ across, blocks, ...factors }) => ({
    ...{ ...factors, across },
    blocks: blocks.map((_, index) => {
      const source = blocks[index - (index % across) + across - 1 - (index % across)] as readonly number[];
      return source.map((value, place) => (place % 2 === 1 && value !== 0 ? -value : value));
    }),
  }));
  return { width, height, components: mirrored };
}

/** The picture with rows and columns exchanged. */
function transposed({ width, height, components }: CodedPicture): CodedPicture {
  const swapped = components.map(({ horizontal, vertical, across, blocks }) => {
    const down = blocks.length / across;
    return {
      ...{ horizontal: vertical, vertical: horizontal, across: down },
      blocks: blocks.map((_, index) => {
        const source = blocks[(index % down) * across + Math.floor(index / down)] as readonly number[];
        return source.map((_, place) => source[(place % 8) * 8 + (place >> 3)] as number);
      }),
    };
  });
  return { width: height, height: width, components: swapped };
}

/** The picture mirrored or not, then turned by quarters clockwise. */
export function movedPicture(picture: CodedPicture, flop: boolean, quarters: number): CodedPicture {
  let moved = flop ? flopped(picture) : picture;
  for (let quarter = 0; quarter < quarters; quarter += 1) {
    moved = flopped(transposed(moved));
  }
  return moved;
}
