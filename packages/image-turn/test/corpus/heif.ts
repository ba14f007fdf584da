/** HEIF files, box by box (ISO/IEC 23008-12): their images are fakes, or AV1 that sharp has encoded. */
import sharp from "sharp";
import { exif, xmp } from "./exif.ts";
import type { Raster } from "./raster.ts";

export interface Image {
  readonly type: string;
  readonly data: Buffer;
  /** Names of properties, in the order that they are listed in; "!" after one marks it as essential. */
  readonly properties?: readonly string[];
  readonly hidden?: boolean;
  /** Whether its data are in `idat`, beside what describes them. */
  readonly inside?: boolean;
  /** References to other items, by their type. */
  readonly references?: Readonly<Record<string, readonly number[]>>;
}

export interface Heif {
  readonly brands?: readonly string[];
  readonly properties: Readonly<Record<string, Buffer>>;
  /** Items by their id, the first of which is the primary one. */
  readonly items: Readonly<Record<number, Image>>;
}

export function number(value: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}

export function box(type: string, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([number(8 + content.length, 4), Buffer.from(type, "latin1"), content]);
}

function fullBox(type: string, version: number, ...contents: readonly Buffer[]): Buffer {
  return box(type, number(version, 1), number(0, 3), ...contents);
}

export const irot = (quarters: number) => box("irot", number(quarters, 1));
export const imir = (axis: number) => box("imir", number(axis, 1));
export const ispe = (width: number, height: number) =>
  fullBox("ispe", 0, number(width, 4), number(height, 4));
export const auxiliary = (what: string) => fullBox("auxC", 0, Buffer.from(`${what}\0`));

/** HEVC's configuration, and data of one unit: right in their structure alone. */
export const hvcC = box("hvcC", Buffer.alloc(21, 1), number(3, 1), number(0, 1));
export const hevc = (length = 12) => Buffer.concat([number(length, 4), Buffer.alloc(length, 7)]);

/** The descriptor of an image that is made of tiles. */
export function grid(rows: number, columns: number, width: number, height: number): Buffer {
  return Buffer.from([0, 0, rows - 1, columns - 1, width >> 8, width & 255, height >> 8, height & 255]);
}

/** An Exif block as it is stored in an item. */
export const exifItem = (block: Buffer) => Buffer.concat([number(6, 4), Buffer.from("Exif\0\0"), block]);

export function heif({ brands = ["heic", "mif1", "heic"], properties, items }: Heif): Buffer {
  const names = Object.keys(properties);
  const entries = Object.entries(items).map(([id, item]) => ({ id: Number(id), ...item }));
  const [primary] = Reflect.ownKeys(items).map(Number);
  const inside = entries.filter((item) => item.inside);
  const outside = entries.filter((item) => !item.inside);
  const start = (list: typeof entries, id: number) =>
    list
      .slice(
        0,
        list.findIndex((item) => item.id === id),
      )
      .reduce((sum, { data }) => sum + data.length, 0);
  const types = entries.map(({ id, type, hidden }) => {
    const [four, ...content] = type.includes("/") ? ["mime", `\0${type}\0`] : [type, "\0"];
    const names = [Buffer.from(four as string), Buffer.from(content.join(""))];
    return box("infe", number(2, 1), number(hidden ? 1 : 0, 3), number(id, 2), number(0, 2), ...names);
  });
  const references = entries.flatMap(({ id, references = {} }) =>
    Object.entries(references).map(([type, to]) =>
      box(type, number(id, 2), number(to.length, 2), ...to.map((other) => number(other, 2))),
    ),
  );
  const associations = entries.flatMap(({ id, properties: list = [] }) => [
    number(id, 2),
    number(list.length, 1),
    ...list.map((name) => {
      const essential = name.endsWith("!");
      return number(names.indexOf(essential ? name.slice(0, -1) : name) + 1 + (essential ? 0x80 : 0), 1);
    }),
  ]);
  const file = (dataAt: number) => {
    const places = entries.map((item) =>
      Buffer.concat([
        number(item.id, 2),
        number(item.inside ? 1 : 0, 2),
        number(0, 2),
        number(1, 2),
        number(item.inside ? start(inside, item.id) : dataAt + start(outside, item.id), 4),
        number(item.data.length, 4),
      ]),
    );
    const handler = fullBox("hdlr", 0, number(0, 4), Buffer.from("pict"), Buffer.alloc(13));
    return Buffer.concat([
      box("ftyp", Buffer.from(brands[0] as string), number(0, 4), Buffer.from(brands.slice(1).join(""))),
      fullBox(
        "meta",
        0,
        handler,
        fullBox("pitm", 0, number(primary as number, 2)),
        fullBox("iinf", 0, number(entries.length, 2), ...types),
        ...(references.length > 0 ? [fullBox("iref", 0, ...references)] : []),
        box(
          "iprp",
          box("ipco", ...Object.values(properties)),
          fullBox("ipma", 0, number(entries.length, 4), ...associations),
        ),
        ...(inside.length > 0 ? [box("idat", ...inside.map(({ data }) => data))] : []),
        fullBox("iloc", 1, number(0x4400, 2), number(entries.length, 2), ...places),
      ),
      box("mdat", ...outside.map(({ data }) => data)),
    ]);
  };
  const length = outside.reduce((sum, { data }) => sum + data.length, 0);
  return file(file(0).length - length);
}

/** A picture as AV1: the decoder's configuration, and the data. */
export async function av1({
  width,
  height,
  channels,
  data,
}: Raster): Promise<{ av1C: Buffer; data: Buffer }> {
  const file = await sharp(data, { raw: { width, height, channels } })
    .avif({ effort: 0, lossless: true })
    .toBuffer();
  const at = file.indexOf("av1C", 0, "latin1") - 4;
  const mdat = file.indexOf("mdat", 0, "latin1") + 4;
  return { av1C: file.subarray(at, at + file.readUInt32BE(at)), data: file.subarray(mdat) };
}

/** As a phone writes it: tiles, a thumbnail, a depth map with its own thumbnail, Exif and XMP, one turn for all. */
export const phonePhoto: Heif = {
  properties: {
    hvcC,
    tile: ispe(64, 64),
    whole: ispe(120, 64),
    turn: irot(3),
    small: ispe(30, 16),
    depth: auxiliary("urn:mpeg:hevc:2015:auxid:2"),
  },
  items: {
    1: {
      type: "grid",
      data: grid(1, 2, 120, 64),
      inside: true,
      properties: ["whole", "turn!"],
      references: { dimg: [2, 3] },
    },
    2: { type: "hvc1", data: hevc(20), hidden: true, properties: ["hvcC!", "tile"] },
    3: { type: "hvc1", data: hevc(9), hidden: true, properties: ["tile", "hvcC!"] },
    4: { type: "hvc1", data: hevc(5), properties: ["hvcC!", "small", "turn!"], references: { thmb: [1] } },
    5: {
      type: "hvc1",
      data: hevc(6),
      hidden: true,
      properties: ["hvcC!", "small", "turn!", "depth!"],
      references: { auxl: [1] },
    },
    6: {
      type: "hvc1",
      data: hevc(7),
      hidden: true,
      properties: ["small", "hvcC!"],
      references: { thmb: [5] },
    },
    7: {
      type: "Exif",
      data: exifItem(exif({ orientation: 6, size: [120, 64] })),
      hidden: true,
      references: { cdsc: [1] },
    },
    8: { type: "application/rdf+xml", data: xmp(6), hidden: true, references: { cdsc: [1] } },
  },
};
