import { type NewField, type } from "../../directory.ts";
import type { Size } from "../../geometry.ts";

/** The tags that are known here by name. */
export const tag = {
  subfileType: 254,
  width: 256,
  height: 257,
  bits: 258,
  compression: 259,
  photometric: 262,
  fillOrder: 266,
  stripOffsets: 273,
  orientation: 274,
  samples: 277,
  rowsPerStrip: 278,
  stripBytes: 279,
  xResolution: 282,
  yResolution: 283,
  planes: 284,
  freeOffsets: 288,
  freeBytes: 289,
  predictor: 317,
  tileWidth: 322,
  tileLength: 323,
  tileOffsets: 324,
  tileBytes: 325,
  subDirectories: 330,
  extraSamples: 338,
  sampleFormat: 339,
  jpegTables: 347,
  xmp: 700,
  iptc: 33723,
  photoshop: 34377,
  exif: 34665,
  layers: 37724,
  gps: 34853,
  interoperability: 40965,
  pixelXDimension: 40962,
  pixelYDimension: 40963,
  dngVersion: 50706,
} as const;

/** Tags that say how the pixels are stored: the decoder gets these alone, and the result has the encoder's. */
export const structural: readonly number[] = [
  ...[256, 257, 258, 259, 262, 263, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325],
  ...[338, 339, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532],
];

/** How a page's pixels are stored. */
export interface Layout extends Size {
  readonly compression: number;
  /** Bits of a sample: 1, 2, 4, 8 or 16. */
  readonly depth: number;
  readonly samples: number;
  /** 0 and 1 grey, 2 RGB, 3 palette, 5 CMYK, 6 YCbCr. */
  readonly photometric: number;
}

/** How a page of the result is stored: its fields, which point at its pixels, and its size. */
export interface Stored {
  readonly fields: readonly NewField[];
  readonly size: Size;
}

/** A field of 32-bit numbers. */
export function longs(of: number, numbers: readonly number[]): NewField {
  const value = Buffer.alloc(numbers.length * 4);
  for (const [index, number] of numbers.entries()) {
    value.writeUInt32LE(number, index * 4);
  }
  return { tag: of, type: type.long, count: numbers.length, value };
}
