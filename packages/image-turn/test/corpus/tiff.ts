import type { Raster } from "./raster.ts";

/** A field: its tag, its type by TIFF's number, and its values. */
export type Field = readonly [tag: number, type: number, values: readonly number[] | string | Buffer];

export interface TiffPage {
  readonly width: number;
  readonly height: number;
  /** Bits of each sample. */
  readonly bits: readonly number[];
  /** 0 white is zero, 1 black is zero, 2 RGB, 3 palette, 5 CMYK. */
  readonly photometric: number;
  /** Uncompressed pixels, in the byte order of the file. */
  readonly pixels: Buffer;
  /** More fields, or others for those above. */
  readonly fields?: readonly Field[];
}

const sizes: Readonly<Record<number, number>> = { 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1 };

/** An uncompressed TIFF of pages. */
export function tiff(pages: readonly TiffPage[], bigEndian = false): Buffer {
  const number = (value: number, bytes: number) => {
    const buffer = Buffer.alloc(bytes);
    bigEndian ? buffer.writeUIntBE(value, 0, bytes) : buffer.writeUIntLE(value, 0, bytes);
    return buffer;
  };
  const pieces: Buffer[] = [Buffer.from(bigEndian ? "MM\0*" : "II*\0", "latin1"), number(0, 4)];
  let length = 8;
  const add = (buffer: Buffer) => {
    const at = length;
    pieces.push(buffer, Buffer.alloc(buffer.length % 2));
    length += buffer.length + (buffer.length % 2);
    return at;
  };
  const encodeValue = (type: number, values: Field[2]) => {
    if (typeof values === "string") {
      return Buffer.from(`${values}\0`, "latin1");
    }
    const each = type === 5 ? 4 : (sizes[type] ?? 1);
    return Buffer.isBuffer(values) ? values : Buffer.concat(values.map((value) => number(value, each)));
  };
  const links: number[] = [4];
  for (const page of pages) {
    const strip = add(page.pixels);
    const fields: Field[] = [
      [256, 4, [page.width]],
      [257, 4, [page.height]],
      [258, 3, page.bits],
      [259, 3, [1]],
      [262, 3, [page.photometric]],
      [273, 4, [strip]],
      [277, 3, [page.bits.length]],
      [278, 4, [page.height]],
      [279, 4, [page.pixels.length]],
      ...(page.fields ?? []),
    ];
    const own = new Set(page.fields?.map(([tag]) => tag));
    fields.splice(0, 9, ...fields.slice(0, 9).filter(([tag]) => !own.has(tag)));
    fields.sort(([a], [b]) => a - b);
    const entries = fields.map(([tag, type, values]) => {
      const value = encodeValue(type, values);
      const place =
        value.length <= 4 ? Buffer.concat([value, Buffer.alloc(4 - value.length)]) : number(add(value), 4);
      return Buffer.concat([
        number(tag, 2),
        number(type, 2),
        number(value.length / (sizes[type] ?? 1), 4),
        place,
      ]);
    });
    const at = add(Buffer.concat([number(fields.length, 2), ...entries, number(0, 4)]));
    links.push(at, at + 2 + entries.length * 12);
  }
  const file = Buffer.concat(pieces);
  for (let index = 0; index + 1 < links.length; index += 2) {
    number(links[index + 1] as number, 4).copy(file, links[index]);
  }
  return file;
}

/** A page of a raster, as its channels and depth suggest. */
export function pageOf(raster: Raster, fields: readonly Field[] = [], bigEndian = false): TiffPage {
  const { width, height, channels, data } = raster;
  const depth = data instanceof Uint8Array ? 8 : 16;
  const pixels = Buffer.from(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
  if (depth === 16 && bigEndian) {
    pixels.swap16();
  }
  const alpha: Field[] = channels === 2 || channels === 4 ? [[338, 3, [2]]] : [];
  return {
    ...{ width, height, pixels, bits: new Array<number>(channels).fill(depth) },
    ...{ photometric: channels < 3 ? 1 : 2, fields: [...alpha, ...fields] },
  };
}

/** The fields of each page, the values as buffers. */
export function fieldsOf(file: Buffer): Map<number, Buffer>[] {
  const big = file.toString("latin1", 0, 2) === "MM";
  const number = (at: number, bytes: number) =>
    big ? file.readUIntBE(at, bytes) : file.readUIntLE(at, bytes);
  const pages: Map<number, Buffer>[] = [];
  for (let at = number(4, 4); at !== 0; at = number(at + 2 + number(at, 2) * 12, 4)) {
    const page = new Map<number, Buffer>();
    for (let entry = at + 2; entry < at + 2 + number(at, 2) * 12; entry += 12) {
      const length = number(entry + 4, 4) * (sizes[number(entry + 2, 2)] ?? 1);
      const start = length <= 4 ? entry + 8 : number(entry + 8, 4);
      page.set(number(entry, 2), file.subarray(start, start + length));
    }
    pages.push(page);
  }
  return pages;
}
