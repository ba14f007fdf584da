import { type Directory, type TiffReader, type TiffWriter, type } from "../../directory.ts";
import { type Turn, turnedRaster, turnedSize } from "../../geometry.ts";
import { type Layout, longs, type Stored, structural, tag } from "./tiff-page.ts";

/**
 * A page's pixels where they lie in the file as a raster: uncompressed, whole bytes, pixel by pixel, strip behind
 * strip. Undefined where a decoder is needed, which also finds what is wrong with damaged pages.
 */
export function bareSamples(reader: TiffReader, page: Directory, layout: Layout): Buffer | undefined {
  const { width, height, depth, samples, photometric } = layout;
  const first = (of: number, otherwise: number) => reader.first(page, of) ?? otherwise;
  const colours = { 0: 1, 1: 1, 2: 3, 5: 4 }[photometric];
  const explained = samples === colours || (samples - 1 === colours && first(tag.extraSamples, 0) === 2);
  const bits = page.get(tag.bits);
  const starts = page.get(tag.stripOffsets);
  if (
    !explained ||
    layout.compression !== 1 ||
    depth < 8 ||
    bits?.count !== samples ||
    reader.numbers(bits).some((each) => each !== depth) ||
    first(tag.fillOrder, 1) !== 1 ||
    first(tag.planes, 1) !== 1 ||
    starts === undefined ||
    // A strip has a row at least; a file can name millions.
    starts.count > height
  ) {
    return undefined;
  }
  const rowBytes = (width * samples * depth) / 8;
  const stripBytes = Math.min(height, first(tag.rowsPerStrip, height)) * rowBytes;
  const [start = 0, ...others] = reader.numbers(starts);
  const inOrder = others.every((at, index) => at === start + (index + 1) * stripBytes);
  const raster = reader.file.subarray(start, start + height * rowBytes);
  const whole = (1 + others.length) * stripBytes >= height * rowBytes && raster.length === height * rowBytes;
  return inOrder && whole ? raster : undefined;
}

/** Turns a raster of samples into strips of as many rows as the source's. */
export function turnSamples(
  raster: Buffer,
  reader: TiffReader,
  page: Directory,
  layout: Layout,
  turn: Turn,
  writer: TiffWriter,
): Stored {
  const pixelBytes = (layout.samples * layout.depth) / 8;
  const { buffer, byteOffset, length } = turnedRaster(turn, layout, raster, pixelBytes);
  const turned = Buffer.from(buffer, byteOffset, length);
  if (layout.depth === 16 && !reader.little) {
    turned.swap16();
  }
  const size = turnedSize(turn, layout);
  const rows = Math.min(size.height, reader.first(page, tag.rowsPerStrip) ?? size.height);
  const stripBytes = rows * size.width * pixelBytes;
  const start = writer.add(turned);
  const starts = Array.from({ length: Math.ceil(size.height / rows) }, (_, index) => index * stripBytes);
  const changed = [
    longs(tag.width, [size.width]),
    longs(tag.height, [size.height]),
    longs(tag.rowsPerStrip, [rows]),
    longs(
      tag.stripOffsets,
      starts.map((at) => start + at),
    ),
    longs(
      tag.stripBytes,
      starts.map((at) => Math.min(stripBytes, length - at)),
    ),
  ];
  const own = new Set(changed.map((field) => field.tag));
  // A field of a type that nobody knows counts as absent, and is so in the result.
  const kept = [...page.values()].filter(
    (field) => structural.includes(field.tag) && !own.has(field.tag) && field.type <= type.directory,
  );
  return {
    fields: [...changed, ...kept.map((field) => ({ ...field, value: reader.littleEndian(field) }))],
    size,
  };
}
