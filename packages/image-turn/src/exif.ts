import { Damaged, readable } from "./damage.ts";
import { type Field, TiffReader, type } from "./directory.ts";
import { type Size, swapsSides, type Turn } from "./geometry.ts";

/** Exif tags that a turn changes (Exif 2.32, TIFF 6.0). */
const tag = {
  imageWidth: 0x0100,
  imageLength: 0x0101,
  orientation: 0x0112,
  xResolution: 0x011a,
  yResolution: 0x011b,
  thumbnailOffset: 0x0201,
  thumbnailLength: 0x0202,
  exifDirectory: 0x8769,
  pixelXDimension: 0xa002,
  pixelYDimension: 0xa003,
  focalPlaneXResolution: 0xa20e,
  focalPlaneYResolution: 0xa20f,
} as const;

const gpsDirectory = 0x8825;

/** An Exif block: a TIFF structure whose offsets count from its first byte. */
function blockOf(exif: Buffer): TiffReader {
  const block = new TiffReader(exif);
  if (block.big) {
    throw new Damaged("its Exif is a BigTIFF");
  }
  return block;
}

/** A whole number, or undefined where the field is missing or something else. */
function numberOf(block: TiffReader, field: Field | undefined): number | undefined {
  const whole: readonly number[] = [type.short, type.long, type.directory];
  return field?.count === 1 && whole.includes(field.type) ? block.number(field.value) : undefined;
}

function setNumber(block: TiffReader, field: Field | undefined, value: number): void {
  if (field !== undefined && numberOf(block, field) !== undefined && value < 2 ** (8 * field.value.length)) {
    block.write(value, field.value);
  }
}

/** Exchanges the values of two rationals. */
function swap(a: Field | undefined, b: Field | undefined): void {
  if (a?.type === type.rational && a.count === 1 && b?.type === type.rational && b.count === 1) {
    const copy = Buffer.from(a.value);
    a.value.set(b.value);
    b.value.set(copy);
  }
}

/** Takes tags out of a directory and overwrites what they held. @throws {Damaged} where that cannot be */
function remove(block: TiffReader, at: number, tags: readonly number[]): void {
  const { fields, bytes, link } = block.directoryAt(at);
  const gone = fields.filter(({ tag }) => tags.includes(tag));
  const inner = gone.flatMap((field) => (field.tag === gpsDirectory ? (numberOf(block, field) ?? []) : []));
  const places = inner.map((at) => block.directoryAt(at));
  const values = [...gone, ...places.flatMap((place) => place.fields)];
  if (values.some(({ whole }) => !whole)) {
    throw new Damaged("its Exif points beyond its end");
  }
  const held = [...values.map(({ value }) => value), ...places.map((place) => place.bytes)];
  if (held.reduce((sum, { length }) => sum + length, 0) > 2 * block.file.length) {
    throw new Damaged("its Exif has many values in the same place");
  }
  const kept = fields.filter(({ tag }) => !tags.includes(tag)).map(({ entry }) => Buffer.from(entry));
  const directory = Buffer.concat([...kept, link]);
  for (const each of [...held, bytes, link]) each.fill(0);
  block.write(kept.length, bytes.subarray(0, block.countSize));
  block.file.set(directory, at + block.countSize);
}

/**
 * An Exif block without some tags of its first, its Exif and its thumbnail's directory, of the same length: what they held is overwritten,
 * a directory that they point at, too. Undefined where the block's directories cannot be read.
 */
export function exifWithout(exif: Buffer, tags: readonly number[]): Buffer | undefined {
  return readable(() => {
    const block = blockOf(Buffer.from(exif));
    const { directory, link } = block.directoryAt(block.start);
    const details = numberOf(block, directory.get(tag.exifDirectory));
    const thumbnail = linked(block, link);
    for (const at of new Set([block.start, details ?? block.start])) {
      remove(block, at, tags);
    }
    if (thumbnail !== 0) {
      readable(() => remove(block, thumbnail, tags));
    }
    return block.file;
  });
}

/** Where the thumbnail's directory is, or 0; also where nothing is behind the first one. */
function linked(block: TiffReader, link: Buffer): number {
  return link.length === block.offsetSize ? block.number(link) : 0;
}

/** An Exif block that states an orientation, 1 to 8, and nothing else. */
export function minimalExif(orientation: number): Buffer {
  const block = Buffer.from("MM\0*\0\0\0\x08\0\x01\0\0\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0", "latin1");
  block.writeUInt16BE(tag.orientation, 10);
  block.writeUInt16BE(orientation, 18);
  return block;
}

/** The orientation that an Exif block states, 1 to 8; undefined where it states none. Damaged blocks state none. */
export function statedOrientation(exif: Buffer | undefined): number | undefined {
  const stated = readable(() => {
    const block = blockOf(exif ?? Buffer.alloc(0));
    return numberOf(block, block.directoryAt(block.start).directory.get(tag.orientation));
  });
  return stated !== undefined && stated >= 1 && stated <= 8 ? stated : undefined;
}

/** Whether bytes are an Exif block whose first directory can be read. */
export function isExif(bytes: Buffer): boolean {
  return (
    readable(() => {
      const block = blockOf(bytes);
      return block.directoryAt(block.start);
    }) !== undefined
  );
}

/** Whether an Exif block has a second directory, which is its thumbnail's. */
export function hasThumbnail(exif: Buffer): boolean {
  const link = readable(() => {
    const block = blockOf(exif);
    return linked(block, block.directoryAt(block.start).link);
  });
  return (link ?? 0) !== 0;
}

/** Turns an embedded thumbnail, a JPEG. */
type TurnThumbnail = (thumbnail: Buffer) => Promise<Buffer>;

export interface ExifTerms {
  /** Bytes that the block may have. */
  readonly maxBytes: number;
  /** What it says of its orientation afterwards. */
  readonly orientation: (stated: number) => number;
}

/**
 * The Exif block of an image that was turned upright and on: orientation 1, the new size, resolutions swapped
 * where the sides were. Everything else stays byte for byte, also what only its maker can read. The thumbnail is
 * turned too, or unlinked where it cannot be. A block without a readable directory is dropped: undefined.
 */
export async function turnedExif(
  exif: Buffer,
  turn: Turn,
  size: Size,
  turnThumbnail: TurnThumbnail,
  { maxBytes, orientation }: ExifTerms,
): Promise<Buffer | undefined> {
  const read = readable(() => {
    const block = blockOf(Buffer.from(exif));
    return { block, ...block.directoryAt(block.start) };
  });
  if (read === undefined) {
    return undefined;
  }
  const { block, directory, link } = read;
  const pointer = numberOf(block, directory.get(tag.exifDirectory));
  const details = readable(() => (pointer === undefined ? undefined : block.directoryAt(pointer).directory));
  setNumber(block, directory.get(tag.orientation), orientation(statedOrientation(exif) ?? 1));
  setNumber(block, directory.get(tag.imageWidth), size.width);
  setNumber(block, directory.get(tag.imageLength), size.height);
  setNumber(block, details?.get(tag.pixelXDimension), size.width);
  setNumber(block, details?.get(tag.pixelYDimension), size.height);
  if (swapsSides(turn)) {
    swap(directory.get(tag.xResolution), directory.get(tag.yResolution));
    swap(details?.get(tag.focalPlaneXResolution), details?.get(tag.focalPlaneYResolution));
  }
  return withTurnedThumbnail(block, link, turnThumbnail, maxBytes);
}

async function withTurnedThumbnail(
  block: TiffReader,
  link: Buffer,
  turnThumbnail: TurnThumbnail,
  maxBytes: number,
): Promise<Buffer> {
  const bytes = block.file;
  const place = linked(block, link);
  if (place === 0) {
    return bytes;
  }
  const fields = readable(() => block.directoryAt(place).directory);
  const offset = numberOf(block, fields?.get(tag.thumbnailOffset)) ?? bytes.length;
  const length = numberOf(block, fields?.get(tag.thumbnailLength)) ?? 0;
  const slot = bytes.subarray(offset, offset + length);
  const turned =
    slot.length > 0 && slot.length === length ? await turnThumbnail(slot).catch(() => null) : null;
  const fits = turned !== null && turned.length <= length;
  if (turned === null || (!fits && bytes.length + turned.length > maxBytes)) {
    link.fill(0);
    overwriteThumbnail(slot);
    return bytes;
  }
  setNumber(block, fields?.get(tag.orientation), 1);
  setNumber(block, fields?.get(tag.thumbnailLength), turned.length);
  if (fits) {
    slot.fill(0).set(turned);
    return bytes;
  }
  overwriteThumbnail(slot);
  setNumber(block, fields?.get(tag.thumbnailOffset), bytes.length);
  return Buffer.concat([bytes, turned]);
}

/** Overwrites a thumbnail that nothing points at any more: it may have metadata of its own. Other bytes stay. */
function overwriteThumbnail(slot: Buffer): void {
  if (slot[0] === 0xff && slot[1] === 0xd8) {
    slot.fill(0);
  }
}
