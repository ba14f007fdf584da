import sharp from "sharp";
import { picture } from "./raster.ts";

export interface Chunk {
  readonly type: string;
  readonly data: Buffer;
}

/** An animation of whole and partial frames, lossless ones and a lossy one, some of which blend with those before. */
export async function animatedWebp(width = 32, height = 22): Promise<Buffer> {
  const frame = async (
    columns: number,
    rows: number,
    place: readonly [number, number],
    delay: number,
    flags: number,
    lossless = true,
  ) => {
    const raw = { width: columns, height: rows, channels: 4 } as const;
    const still = await sharp(picture(columns, rows, 4).data, { raw })
      .webp({ lossless, exact: true })
      .toBuffer();
    const head = Buffer.alloc(16);
    for (const [index, value] of [place[0] / 2, place[1] / 2, columns - 1, rows - 1, delay].entries()) {
      head.writeUIntLE(value, index * 3, 3);
    }
    head.writeUInt8(flags, 15);
    const pixels = chunksOf(still).filter(({ type }) => type !== "VP8X");
    return { type: "ANMF", data: Buffer.concat([head, ...pixels.map(encode)]) };
  };
  const header = Buffer.alloc(10);
  header.writeUInt8(0x12, 0);
  header.writeUIntLE(width - 1, 4, 3);
  header.writeUIntLE(height - 1, 7, 3);
  return file([
    { type: "VP8X", data: header },
    { type: "ANIM", data: Buffer.from([10, 20, 30, 255, 4, 0]) },
    await frame(width, height, [0, 0], 70, 2),
    await frame(9, 7, [4, 2], 110, 0),
    await frame(8, 8, [20, 10], 130, 1, false),
    await frame(8, 8, [20, 10], 170, 0),
  ]);
}

export function chunksOf(webp: Buffer): Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = 12; at + 8 <= webp.length; ) {
    const length = webp.readUInt32LE(at + 4);
    chunks.push({ type: webp.toString("latin1", at, at + 4), data: webp.subarray(at + 8, at + 8 + length) });
    at += 8 + length + (length % 2);
  }
  return chunks;
}

export function file(chunks: readonly Chunk[]): Buffer {
  const body = Buffer.concat([Buffer.from("WEBP", "latin1"), ...chunks.map(encode)]);
  const head = Buffer.from("RIFF\0\0\0\0", "latin1");
  head.writeUInt32LE(body.length, 4);
  return Buffer.concat([head, body]);
}

/** A still picture of 37 × 23 with an extended header, and chunks behind it. */
export function withChunks(source: Buffer, flags: number, added: readonly Chunk[]): Buffer {
  const header = Buffer.alloc(10);
  header.writeUInt8(flags, 0);
  header.writeUIntLE(36, 4, 3);
  header.writeUIntLE(22, 7, 3);
  const pictures = chunksOf(source).filter(({ type }) => type !== "VP8X");
  return file([{ type: "VP8X", data: header }, ...pictures, ...added]);
}

function encode({ type, data }: Chunk): Buffer {
  const chunk = Buffer.alloc(8 + data.length + (data.length % 2));
  chunk.write(type, 0, "latin1");
  chunk.writeUInt32LE(data.length, 4);
  data.copy(chunk, 8);
  return chunk;
}
