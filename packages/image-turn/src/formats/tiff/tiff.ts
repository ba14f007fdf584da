import type { TiffOptions } from "sharp";
import { ImageRejected } from "../../contract.ts";
import { readable } from "../../damage.ts";
import { type Directory, type Field, type NewField, TiffReader, TiffWriter, type } from "../../directory.ts";
import { isQuarter, swapsSides, type Turn, turnFrom } from "../../geometry.ts";
import { type Carried, carriedResources, carriedXmp, noteDropped } from "../../metadata.ts";
import { checkPixels, inspect, type Job, keepSpace, open, secondsLeft, turnPixels } from "../../pixels.ts";
import { iptcUnder, type MetadataPolicy } from "../../privacy.ts";
import { weight } from "../../weights.ts";
import { tablesQuality } from "../jpeg/picture.ts";
import { type Layout, longs, type Stored, structural, tag } from "./tiff-page.ts";
import { bareSamples, turnSamples } from "./tiff-raster.ts";

/** Tags of what is not carried along, by its name: what lies in other directories, layers as they lay, unused space. */
const dropped: Readonly<Record<number, string | undefined>> = {
  [tag.subDirectories]: "sub-images (SubIFDs)",
  [tag.layers]: "Photoshop's layers",
  [tag.freeOffsets]: undefined,
  [tag.freeBytes]: undefined,
};
/** Tags that state a place, or cannot be looked into: GPS, maker notes, GeoTIFF's and GDAL's, DNG's private data. */
const locating: readonly number[] = [
  ...[tag.gps, 0x927c, 33550, 33920, 33922, 34264, 34735, 34736, 34737, 42112, 42113, 50740],
];
/** Tags that say how the picture is shown, and nothing else; the packets among them are looked into. */
const withoutPeople: readonly number[] = [
  ...[254, 274, 282, 283, 290, 291, 296, 297, 301, 318, 319, 321, 332, 334, 336, 340, 341, 342, 343, 34675],
  ...[tag.xmp, tag.photoshop],
];
const directories: readonly number[] = [tag.exif, tag.gps, tag.interoperability];

/** TIFF's numbers for compressions, by the encoder's names. */
const compressions: Readonly<Record<number, NonNullable<TiffOptions["compression"]>>> = {
  1: "none",
  2: "ccittfax4",
  3: "ccittfax4",
  4: "ccittfax4",
  5: "lzw",
  7: "jpeg",
  8: "deflate",
  32773: "packbits",
  32946: "deflate",
};

/**
 * Turns a TIFF page by page, each upright by its own orientation first. Samples that lie in the file as they are
 * are moved here; for any other page the decoder gets what describes its pixels, without its metadata and the other
 * pages. Every other tag is carried over to the result.
 */
export async function turnTiff(source: Buffer, job: Job): Promise<Buffer> {
  const reader = new TiffReader(source);
  const pages = reader.directories();
  const layouts = pages.map((page) => layoutOf(reader, page));
  const deep = layouts.some(({ depth }) => depth === 16);
  checkPixels(job, layouts, weight(deep ? "tiff16" : "tiff8", job.angle % 90 === 0));
  // A file of one page is its own bare page: copying it would cost as much as reading it.
  const bare = pages.length > 1 ? new BarePage(reader, pages) : undefined;
  const writer = new TiffWriter();
  for (const [index, page] of pages.entries()) {
    secondsLeft(job);
    const orientation = reader.first(page, tag.orientation);
    const turn = turnFrom(orientation, job.angle);
    const layout = layouts[index] as Layout;
    const samples = isQuarter(turn) ? bareSamples(reader, page, layout) : undefined;
    const { fields, size } = samples
      ? turnSamples(samples, reader, page, layout, turn, writer)
      : movedPixels(await turnPage(bare?.holding(page) ?? source, reader, page, layout, turn, job), writer);
    const others = [...page.values()].filter((field) => !structural.includes(field.tag));
    const carried = { turn, size, oriented: orientation !== undefined, job };
    writer.addPage([...fields, ...carriedFields(reader, others, carried, 0)]);
  }
  return writer.toBuffer();
}

function layoutOf(reader: TiffReader, page: Directory): Layout {
  const first = (of: number, otherwise: number) => reader.first(page, of) ?? otherwise;
  const layout = {
    width: first(tag.width, 0),
    height: first(tag.height, 0),
    compression: first(tag.compression, 1),
    depth: first(tag.bits, 1),
    samples: first(tag.samples, 1),
    photometric: first(tag.photometric, 1),
  };
  const rejected = (what: string) =>
    new ImageRejected("unsupported-format", `The file is ${what}, which is not turned here.`);
  const preview = (first(tag.subfileType, 0) & 1) !== 0 && page.has(tag.subDirectories);
  if (page.has(tag.dngVersion) || preview) {
    throw rejected("a camera's raw file");
  }
  if (layout.compression === 6) {
    throw rejected("a TIFF in old-style JPEG compression");
  }
  if (compressions[layout.compression] === undefined) {
    throw rejected(`a TIFF compressed by method ${layout.compression}`);
  }
  const { depth, samples, photometric } = layout;
  if (![0, 1, 2, 3, 5, 6].includes(photometric)) {
    throw rejected(`a TIFF with colours of kind ${photometric}`);
  }
  const fits = depth === 8 || depth === 16 || (samples === 1 && [1, 2, 4].includes(depth));
  if (!fits || first(tag.sampleFormat, 1) !== 1 || samples > 5) {
    throw rejected(`a TIFF of ${samples} samples of ${depth} bits in format ${first(tag.sampleFormat, 1)}`);
  }
  return layout;
}

/**
 * A TIFF of one page without metadata. It is the whole file, so that offsets stay right, with a directory of its
 * own behind it; one buffer serves all pages, one after the other.
 */
class BarePage {
  readonly #reader: TiffReader;
  readonly #buffer: Buffer;
  readonly #at: number;

  constructor(reader: TiffReader, pages: readonly Directory[]) {
    this.#reader = reader;
    this.#at = reader.file.length + (reader.file.length % 2);
    this.#buffer = Buffer.allocUnsafe(this.#at + 16 + 20 * Math.max(...pages.map(({ size }) => size)));
    reader.file.copy(this.#buffer);
  }

  holding(page: Directory): Buffer {
    const reader = this.#reader;
    const { offsetSize, countSize } = reader;
    const entries = [...page.values()]
      .filter((field) => structural.includes(field.tag))
      .map(({ entry }) => entry);
    reader.write(this.#at, this.#buffer.subarray(offsetSize, 2 * offsetSize));
    let at = this.#at + countSize;
    reader.write(entries.length, this.#buffer.subarray(this.#at, at));
    for (const entry of entries) {
      this.#buffer.set(entry, at);
      at += entry.length;
    }
    this.#buffer.fill(0, at);
    return this.#buffer;
  }
}

async function turnPage(
  bare: Buffer,
  reader: TiffReader,
  page: Directory,
  layout: Layout,
  turn: Turn,
  job: Job,
): Promise<Buffer> {
  // Warnings are about tags, which old files often lack, except from decoders that go on where data are damaged.
  const strict = ![1, 5, 8, 32946].includes(layout.compression);
  const failOn = strict ? "warning" : "error";
  const { space, hasAlpha } = await inspect(bare, { failOn });
  const upright = keepSpace(open(job, bare, { failOn }), space);
  const turned = turnPixels(upright, turn, hasAlpha, job.background);
  const { photometric } = layout;
  // A palette is written as its colours, and alpha that is multiplied in is divided out.
  const computed = [3, 6].includes(photometric) || reader.first(page, tag.extraSamples) === 1;
  if (layout.compression === 7 || computed) {
    job.notes.exact = false;
  }
  const exact = isQuarter(turn) && photometric !== 3;
  const [tileWidth, tileHeight] = [reader.first(page, tag.tileWidth), reader.first(page, tag.tileLength)];
  const tables = page.get(tag.jpegTables)?.value;
  const compression = compressions[layout.compression] ?? "none";
  const { depth } = layout;
  const packed = exact && (depth === 1 || depth === 2 || depth === 4) ? depth : undefined;
  return turned
    .tiff({
      compression: compression === "ccittfax4" && packed !== 1 ? "deflate" : compression,
      predictor: reader.first(page, tag.predictor) === 2 && packed === undefined ? "horizontal" : "none",
      ...(packed && { bitdepth: packed }),
      miniswhite: layout.photometric === 0,
      quality: compression === "jpeg" && tables !== undefined ? tablesQuality(tables) : 90,
      ...(tileWidth !== undefined && tileHeight !== undefined && { tile: true, tileWidth, tileHeight }),
    })
    .toBuffer();
}

/** The fields that say how the encoder stored the pixels, with the pixels moved to the result. */
function movedPixels(encoded: Buffer, writer: TiffWriter): Stored {
  const reader = new TiffReader(encoded);
  const directory = reader.directories()[0] as Directory;
  const fields: NewField[] = [];
  for (const field of directory.values()) {
    if (!structural.includes(field.tag)) {
      continue;
    }
    const lengths = directory.get(field.tag === tag.stripOffsets ? tag.stripBytes : tag.tileBytes);
    if (field.tag === tag.stripOffsets || field.tag === tag.tileOffsets) {
      const bytes = lengths === undefined ? [] : reader.numbers(lengths);
      const places = reader
        .numbers(field)
        .map((start, index) => writer.add(encoded.subarray(start, start + (bytes[index] ?? 0))));
      fields.push(longs(field.tag, places));
    } else {
      fields.push({ ...field, value: reader.littleEndian(field) });
    }
  }
  const [width, height] = [tag.width, tag.height].map((side) => reader.first(directory, side) ?? 0);
  return { fields, size: { width: width as number, height: height as number } };
}

/** The fields that do not say how pixels are stored, as they are in the result. */
function carriedFields(
  reader: TiffReader,
  fields: Iterable<Field>,
  carried: Carried,
  depth: number,
): NewField[] {
  const kept: NewField[] = [];
  for (const field of fields) {
    if (!fieldStays(carried.job.metadata, field.tag)) {
      continue;
    }
    if (directories.includes(field.tag)) {
      const at = field.count === 1 ? reader.number(field.value) : 0;
      const inner = depth < 2 ? readable(() => reader.directoryAt(at).directory.values()) : undefined;
      if (inner !== undefined) {
        const value = carriedFields(reader, inner, carried, depth + 1);
        kept.push({ tag: field.tag, type: type.long, count: 1, value });
      }
    } else if (field.tag in dropped) {
      const what = dropped[field.tag];
      if (what !== undefined) {
        noteDropped(carried.job, what);
      }
    } else if (field.type <= type.directory) {
      kept.push(...turnedField(reader, field, carried));
    }
  }
  return kept;
}

/** Whether a field that does not say how pixels are stored goes along at all. */
function fieldStays(policy: MetadataPolicy, of: number): boolean {
  return (
    policy === "keep" || (policy === "no-location" ? !locating.includes(of) : withoutPeople.includes(of))
  );
}

/** A field as it is in the result, or none. */
function turnedField(reader: TiffReader, field: Field, carried: Carried): NewField[] {
  const { size } = carried;
  const swapped = swapsSides(carried.turn);
  const bytes = (value: Buffer | undefined) =>
    value ? [{ tag: field.tag, type: type.undefined, count: value.length, value }] : [];
  switch (field.tag) {
    case tag.orientation:
      return [{ tag: field.tag, type: type.short, count: 1, value: Buffer.from([1, 0]) }];
    case tag.pixelXDimension:
      return [longs(field.tag, [size.width])];
    case tag.pixelYDimension:
      return [longs(field.tag, [size.height])];
    case tag.xmp: {
      const value = carriedXmp(reader.littleEndian(field), carried);
      return value ? [{ tag: field.tag, type: type.byte, count: value.length, value }] : [];
    }
    case tag.photoshop: {
      return bytes(carriedResources(field.value, swapped, carried.job));
    }
    case tag.iptc:
      // Bytes, though many writers call them numbers: their order is not the file's.
      return bytes(iptcUnder(carried.job.metadata, field.value));
    case tag.xResolution:
    case tag.yResolution: {
      const other = tag.xResolution + tag.yResolution - field.tag;
      return [{ ...field, tag: swapped ? other : field.tag, value: reader.littleEndian(field) }];
    }
    default:
      return [{ ...field, value: reader.littleEndian(field) }];
  }
}
