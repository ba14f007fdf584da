import { constants, deflateSync, inflateSync } from "node:zlib";
import { Damaged } from "../../damage.ts";
import type { Size } from "../../geometry.ts";

/** PNG's image header (PNG third edition, 11.2.1). */
export interface PngHeader extends Size {
  /** Bits a sample: 1, 2, 4, 8 or 16. */
  readonly depth: number;
  /** 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha. */
  readonly colour: 0 | 2 | 3 | 4 | 6;
  readonly interlaced: boolean;
}

/** Samples of a pixel by colour type. */
const samples = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 } as const;

/** Bytes of a pixel in a raster: one for less than 8 bits, and the samples' own else. */
export function bytesOf({ depth, colour }: PngHeader): number {
  return samples[colour] * Math.ceil(depth / 8);
}

/** A pass of Adam7: its first column and row, and the steps between columns and rows. */
type Pass = readonly [left: number, top: number, across: number, down: number];

const adam7: readonly Pass[] = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];
const once: readonly Pass[] = [[0, 0, 1, 1]];

/**
 * Decodes image data to a raster of `bytesOf` bytes a pixel, as the file has them: palette indices and samples of
 * less than 8 bits stay what they are.
 */
export function decodeRaster(header: PngHeader, data: Uint8Array): Uint8Array {
  const passes = passesOf(header);
  const expected = passes.reduce((sum, pass) => sum + pass.rows * (1 + pass.rowBytes), 0);
  const inflated = inflateSync(data, { maxOutputLength: expected + 1 });
  if (inflated.length !== expected) {
    throw new Damaged("it has too few or too many pixels");
  }
  const bytes = bytesOf(header);
  const raster = new Uint8Array(header.width * header.height * bytes);
  let at = 0;
  for (const pass of passes) {
    let above = new Uint8Array(pass.rowBytes);
    for (let row = 0; row < pass.rows; row += 1) {
      const line = inflated.subarray(at + 1, at + 1 + pass.rowBytes);
      unfilter(inflated[at] as number, line, above, Math.max(1, (bytes * Math.min(8, header.depth)) >> 3));
      const to = ((pass.top + row * pass.down) * header.width + pass.left) * bytes;
      unpack(header.depth, line, raster, to, pass.columns, bytes, pass.across * bytes);
      above = line;
      at += 1 + pass.rowBytes;
    }
  }
  return raster;
}

/**
 * Guesses from the first 8 KB whether the encoder filtered rows: the result is then filtered as well, which makes
 * photographs a third smaller.
 *
 * @param start Compressed bytes, some thousands of which are read.
 */
export function isFiltered(header: PngHeader, start: Uint8Array): boolean {
  const finishFlush = constants.Z_SYNC_FLUSH;
  const rows = inflateSync(start.subarray(0, 8192), { finishFlush, maxOutputLength: 8192 * 1100 });
  const rowBytes = passesOf(header)[0]?.rowBytes ?? 0;
  for (let at = 0; at < rows.length; at += 1 + rowBytes) {
    if (rows[at] !== 0) {
      return true;
    }
  }
  return false;
}

/** The reverse of `decodeRaster`. */
export function encodeRaster(header: PngHeader, raster: Uint8Array): Buffer {
  const passes = passesOf(header);
  const bytes = bytesOf(header);
  // Neighbours resemble each other in samples of 8 bits and more; indices and bits are smaller unfiltered.
  const filter = header.colour === 3 || header.depth < 8 ? 0 : 1;
  const lines = new Uint8Array(passes.reduce((sum, pass) => sum + pass.rows * (1 + pass.rowBytes), 0));
  let at = 0;
  for (const pass of passes) {
    for (let row = 0; row < pass.rows; row += 1) {
      lines[at] = filter;
      const line = lines.subarray(at + 1, at + 1 + pass.rowBytes);
      const from = ((pass.top + row * pass.down) * header.width + pass.left) * bytes;
      pack(header.depth, raster, from, line, pass.columns, bytes, pass.across * bytes);
      for (let index = line.length - 1; filter === 1 && index >= bytes; index -= 1) {
        line[index] = (line[index] as number) - (line[index - bytes] as number);
      }
      at += 1 + pass.rowBytes;
    }
  }
  return deflateSync(lines);
}

function passesOf(header: PngHeader) {
  return (header.interlaced ? adam7 : once)
    .map(([left, top, across, down]) => {
      const columns = Math.max(0, Math.ceil((header.width - left) / across));
      const rows = columns === 0 ? 0 : Math.max(0, Math.ceil((header.height - top) / down));
      const rowBytes = Math.ceil((columns * samples[header.colour] * header.depth) / 8);
      return { left, top, across, down, columns, rows, rowBytes };
    })
    .filter(({ rows }) => rows > 0);
}

/** Undoes a row's filter in place (PNG third edition, 9.2). `step` is the bytes to the pixel on the left. */
function unfilter(filter: number, line: Uint8Array, above: Uint8Array, step: number): void {
  if (filter > 4) {
    throw new Damaged("it names a filter that does not exist");
  }
  for (let index = 0; filter !== 0 && index < line.length; index += 1) {
    const left = index < step ? 0 : (line[index - step] as number);
    const up = above[index] as number;
    const corner = index < step ? 0 : (above[index - step] as number);
    const predicted =
      filter === 1 ? left : filter === 2 ? up : filter === 3 ? (left + up) >> 1 : paeth(left, up, corner);
    line[index] = (line[index] as number) + predicted;
  }
}

function paeth(left: number, up: number, corner: number): number {
  const fromLeft = Math.abs(up - corner);
  const fromUp = Math.abs(left - corner);
  const fromCorner = Math.abs(left + up - 2 * corner);
  return fromLeft <= fromUp && fromLeft <= fromCorner ? left : fromUp <= fromCorner ? up : corner;
}

/** Spreads a row's pixels over a raster, `step` bytes apart. */
function unpack(
  depth: number,
  line: Uint8Array,
  raster: Uint8Array,
  to: number,
  columns: number,
  bytes: number,
  step: number,
): void {
  const mask = (1 << depth) - 1;
  for (let column = 0; column < columns; column += 1) {
    if (depth < 8) {
      const bit = column * depth;
      raster[to + column * step] = ((line[bit >> 3] as number) >> (8 - depth - (bit & 7))) & mask;
    } else {
      for (let byte = 0; byte < bytes; byte += 1) {
        raster[to + column * step + byte] = line[column * bytes + byte] as number;
      }
    }
  }
}

/** Collects a row's pixels from a raster; the reverse of `unpack`. */
function pack(
  depth: number,
  raster: Uint8Array,
  from: number,
  line: Uint8Array,
  columns: number,
  bytes: number,
  step: number,
): void {
  for (let column = 0; column < columns; column += 1) {
    if (depth < 8) {
      const bit = column * depth;
      line[bit >> 3] =
        (line[bit >> 3] as number) | ((raster[from + column * step] as number) << (8 - depth - (bit & 7)));
    } else {
      for (let byte = 0; byte < bytes; byte += 1) {
        line[column * bytes + byte] = raster[from + column * step + byte] as number;
      }
    }
  }
}
