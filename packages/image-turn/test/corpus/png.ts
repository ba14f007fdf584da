import { crc32, deflateSync } from "node:zlib";
import type { Raster } from "./raster.ts";

export type Chunk = readonly [type: string, data: Buffer];

export interface PngContent {
  readonly width: number;
  readonly height: number;
  readonly depth: 1 | 2 | 4 | 8 | 16;
  readonly colour: 0 | 2 | 3 | 4 | 6;
  /** Samples or palette indices, pixel by pixel. */
  readonly samples: ArrayLike<number>;
  readonly palette?: Buffer;
  readonly transparency?: Buffer;
  /** Chunks between the header and the palette. */
  readonly before?: readonly Chunk[];
  /** Chunks between the palette and the pixels. */
  readonly chunks?: readonly Chunk[];
}

const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
const samplesOf = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 } as const;

export function png(content: PngContent): Buffer {
  return file([
    ["IHDR", header(content)],
    ...(content.before ?? []),
    ...(content.palette ? ([["PLTE", content.palette]] as Chunk[]) : []),
    ...(content.transparency ? ([["tRNS", content.transparency]] as Chunk[]) : []),
    ...(content.chunks ?? []),
    ["IDAT", pixels(content)],
    ["IEND", Buffer.alloc(0)],
  ]);
}

/** A PNG of a raster, as its channels and depth suggest. */
export function pngOf({ width, height, channels, data }: Raster, chunks?: readonly Chunk[]): Buffer {
  const colour = ([0, 4, 2, 6] as const)[channels - 1] as 0 | 4 | 2 | 6;
  const depth = data instanceof Uint8Array ? 8 : 16;
  return png({ width, height, depth, colour, samples: data, ...(chunks && { chunks }) });
}

/** A palette of 16 colours, and each pixel of a grid with the index of one. */
export function palettePng(width: number, height: number, chunks?: readonly Chunk[]): Buffer {
  const palette = Buffer.from(Array.from({ length: 48 }, (_, index) => (index * 37) % 256));
  const samples = Array.from(
    { length: width * height },
    (_, index) => ((index % width) + 3 * (index >> 5)) % 16,
  );
  const transparency = Buffer.from([0, 128]);
  return png({
    width,
    height,
    depth: 4,
    colour: 3,
    samples,
    palette,
    transparency,
    ...(chunks && { chunks }),
  });
}

/** An animation of three frames, the second and third parts of the canvas. */
export function animatedPng(width: number, height: number): Buffer {
  const control = (
    sequence: number,
    frame: readonly [number, number, number, number],
    delay: number,
  ): Chunk => {
    const data = Buffer.alloc(26);
    for (const [index, value] of [sequence, ...frame].entries()) {
      data.writeUInt32BE(value, index * 4);
    }
    data.writeUInt16BE(delay, 20);
    data.writeUInt16BE(100, 22);
    data.set([sequence === 0 ? 0 : 1, sequence === 0 ? 0 : 1], 24);
    return ["fcTL", data];
  };
  const content = (columns: number, rows: number, shade: number): PngContent => {
    const samples = Array.from({ length: columns * rows * 4 }, (_, index) => (index * shade) % 256);
    return { width: columns, height: rows, depth: 8, colour: 6, samples };
  };
  const numbered = (sequence: number, data: Buffer): Chunk => {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(sequence);
    return ["fdAT", Buffer.concat([number, data])];
  };
  const animation = Buffer.from([0, 0, 0, 3, 0, 0, 0, 2]);
  return file([
    ["IHDR", header(content(width, height, 1))],
    ["acTL", animation],
    control(0, [width, height, 0, 0], 10),
    ["IDAT", pixels(content(width, height, 1))],
    control(1, [5, 3, 2, 1], 20),
    numbered(2, pixels(content(5, 3, 7))),
    control(3, [4, 6, width - 4, height - 6], 30),
    numbered(4, pixels(content(4, 6, 11))),
    ["IEND", Buffer.alloc(0)],
  ]);
}

export function chunksOf(png: Buffer): Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    const end = at + 8 + png.readUInt32BE(at);
    chunks.push([png.toString("latin1", at + 4, at + 8), png.subarray(at + 8, end)]);
  }
  return chunks;
}

export function file(chunks: readonly Chunk[]): Buffer {
  const encoded = chunks.map(([type, data]) => {
    const chunk = Buffer.alloc(data.length + 12);
    chunk.writeUInt32BE(data.length, 0);
    chunk.write(type, 4, "latin1");
    data.copy(chunk, 8);
    chunk.writeUInt32BE(crc32(chunk.subarray(4, data.length + 8)), data.length + 8);
    return chunk;
  });
  return Buffer.concat([signature, ...encoded]);
}

export function header({ width, height, depth, colour }: Omit<PngContent, "samples">): Buffer {
  const data = Buffer.alloc(13);
  data.writeUInt32BE(width, 0);
  data.writeUInt32BE(height, 4);
  data.set([depth, colour], 8);
  return data;
}

function pixels({ width, height, depth, colour, samples }: PngContent): Buffer {
  const count = width * samplesOf[colour];
  const rowBytes = Math.ceil((count * depth) / 8);
  const rows = Buffer.alloc(height * (1 + rowBytes));
  for (let y = 0; y < height; y += 1) {
    const row = y * (1 + rowBytes) + 1;
    for (let index = 0; index < count; index += 1) {
      const sample = samples[y * count + index] as number;
      if (depth === 16) {
        rows.writeUInt16BE(sample, row + index * 2);
      } else {
        const bit = index * depth;
        rows[row + (bit >> 3)] = (rows[row + (bit >> 3)] as number) | (sample << (8 - depth - (bit & 7)));
      }
    }
  }
  return deflateSync(rows);
}
