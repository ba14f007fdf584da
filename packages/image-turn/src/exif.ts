import { readable } from "./damage.ts";
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

const short = 3;
const long = 4;
const rational = 5;
/** An offset of a directory, which some write instead of a long. */
const directoryOffset = 13;

/** A field of an image file directory that holds one number or one rational. */
interface Field {
  readonly type: number;
  readonly count: number;
  /** Where the 4-byte value, or the offset to the value, is. */
  readonly at: number;
}

interface Directory {
  readonly fields: ReadonlyMap<number, Field>;
  /** Where the offset of the next directory is. */
  readonly nextAt: number;
}

/** Reads and writes an Exif block: a TIFF structure whose offsets count from its first byte. */
class Block {
  readonly bytes: Buffer;
  readonly #little: boolean;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#little = bytes.toString("latin1", 0, 2) === "II";
    if (!this.#little && bytes.toString("latin1", 0, 2) !== "MM") {
      throw new RangeError("not an Exif block");
    }
  }

  u16(at: number): number {
    return this.#little ? this.bytes.readUInt16LE(at) : this.bytes.readUInt16BE(at);
  }

  u32(at: number): number {
    return this.#little ? this.bytes.readUInt32LE(at) : this.bytes.readUInt32BE(at);
  }

  setU32(at: number, value: number): void {
    this.#little ? this.bytes.writeUInt32LE(value, at) : this.bytes.writeUInt32BE(value, at);
  }

  directory(at: number): Directory {
    const count = this.u16(at);
    const nextAt = at + 2 + count * 12;
    const fields = new Map<number, Field>();
    for (let entry = at + 2; entry < nextAt; entry += 12) {
      fields.set(this.u16(entry), this.#field(entry));
    }
    return { fields, nextAt };
  }

  /** A whole number, or undefined where the field is missing or something else. */
  number(field: Field | undefined): number | undefined {
    if (field?.count !== 1) {
      return undefined;
    }
    if (field.type === short) {
      return this.u16(field.at);
    }
    return field.type === long || field.type === directoryOffset ? this.u32(field.at) : undefined;
  }

  setNumber(field: Field | undefined, value: number): void {
    if (this.number(field) === undefined || field === undefined) {
      return;
    }
    if (field.type === long) {
      this.setU32(field.at, value);
    } else if (value <= 0xffff) {
      this.#little ? this.bytes.writeUInt16LE(value, field.at) : this.bytes.writeUInt16BE(value, field.at);
    }
  }

  /** Takes tags out of a directory and overwrites what they held. @throws {RangeError} where that cannot be. */
  remove(at: number, tags: readonly number[]): void {
    const { nextAt } = this.directory(at);
    const next = Buffer.from(this.bytes.subarray(nextAt, nextAt + 4));
    const kept: Buffer[] = [];
    const held: [start: number, length: number][] = [];
    for (let entry = at + 2; entry < nextAt; entry += 12) {
      if (!tags.includes(this.u16(entry))) {
        kept.push(Buffer.from(this.bytes.subarray(entry, entry + 12)));
        continue;
      }
      const field = this.#field(entry);
      held.push(...this.#valueOf(field));
      const inner = this.u16(entry) === gpsDirectory ? this.number(field) : undefined;
      if (inner !== undefined) {
        const { fields, nextAt: end } = this.directory(inner);
        held.push(...[...fields.values()].flatMap((each) => this.#valueOf(each)), [inner, end - inner]);
      }
    }
    if (held.reduce((sum, [, length]) => sum + length, 0) > 2 * this.bytes.length) {
      throw new RangeError("the Exif block has many values in the same place");
    }
    for (const [start, length] of held) this.bytes.fill(0, start, start + length);
    const directory = Buffer.concat([...kept, next]);
    this.bytes.fill(0, at + 2, nextAt + 4).set(directory, at + 2);
    this.#little ? this.bytes.writeUInt16LE(kept.length, at) : this.bytes.writeUInt16BE(kept.length, at);
  }
  #field(entry: number): Field {
    return { type: this.u16(entry + 2), count: this.u32(entry + 4), at: entry + 8 };
  }

  /** Where a field's value is, if not in the field itself. */
  #valueOf({ type, count, at }: Field): [start: number, length: number][] {
    const length = (bytesOf[type] ?? 1) * count;
    return length > 4 ? [[this.u32(at), length]] : [];
  }

  /** Exchanges the values of two rationals. */
  swap(a: Field | undefined, b: Field | undefined): void {
    if (a?.type === rational && a.count === 1 && b?.type === rational && b.count === 1) {
      const [x, y] = [this.u32(a.at), this.u32(b.at)].map((at) => this.bytes.subarray(at, at + 8));
      if (x?.length === 8 && y?.length === 8) {
        const copy = Buffer.from(x);
        x.set(y);
        y.set(copy);
      }
    }
  }
}

/** Bytes of one value, by a field's type. */
const bytesOf = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4];

/**
 * An Exif block without some tags of its first, its Exif and its thumbnail's directory, of the same length: what they held is overwritten,
 * a directory that they point at, too. Undefined where the block's directories cannot be read.
 */
export function exifWithout(exif: Buffer, tags: readonly number[]): Buffer | undefined {
  return readable(() => {
    const block = new Block(Buffer.from(exif));
    const first = block.u32(4);
    const { fields, nextAt } = block.directory(first);
    const details = block.number(fields.get(tag.exifDirectory));
    // The thumbnail's directory, too. Where nothing is behind the first one, there is none.
    const thumbnail = nextAt + 4 <= exif.length ? block.u32(nextAt) : 0;
    for (const directory of new Set([first, details ?? first])) {
      block.remove(directory, tags);
    }
    if (thumbnail !== 0) {
      readable(() => block.remove(thumbnail, tags));
    }
    return block.bytes;
  });
}

/** An Exif block that states an orientation, 1 to 8, and nothing else. */
export function minimalExif(orientation: number): Buffer {
  const block = Buffer.from("MM\0*\0\0\0\x08\0\x01\0\0\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0", "latin1");
  block.writeUInt16BE(tag.orientation, 10);
  block.writeUInt16BE(orientation, 18);
  return block;
}

/** The orientation that an Exif block states, 1 to 8; 1 where it states none. */
export function exifOrientation(exif: Buffer | undefined): number {
  return statedOrientation(exif) ?? 1;
}

/** The orientation that an Exif block states, 1 to 8; undefined where it states none. Damaged blocks state none. */
export function statedOrientation(exif: Buffer | undefined): number | undefined {
  const stated = readable(() => {
    const block = new Block(exif ?? Buffer.alloc(0));
    return block.number(block.directory(block.u32(4)).fields.get(tag.orientation));
  });
  return stated !== undefined && stated >= 1 && stated <= 8 ? stated : undefined;
}

/** Whether an Exif block has a second directory, which is its thumbnail's. */
export function hasThumbnail(exif: Buffer): boolean {
  return (
    readable(() => {
      const block = new Block(exif);
      return block.u32(block.directory(block.u32(4)).nextAt) !== 0;
    }) === true
  );
}

/** Turns an embedded thumbnail, a JPEG. */
export type TurnThumbnail = (thumbnail: Buffer) => Promise<Buffer>;

/**
 * The Exif block of an image that was turned upright and on: orientation 1, the new size, resolutions swapped
 * where the sides were. Everything else stays byte for byte, also what only its maker can read. The thumbnail is
 * turned too, or unlinked where it cannot be. A block without a readable directory is dropped: undefined.
 *
 * @param maxBytes Bytes that the block may have. @default 65527, what fits into a JPEG segment
 * @param orientation What it says of its orientation afterwards, where that was not applied.
 */
export async function turnedExif(
  exif: Buffer,
  turn: Turn,
  size: Size,
  turnThumbnail: TurnThumbnail,
  maxBytes = 65527,
  orientation: (stated: number) => number = () => 1,
): Promise<Buffer | undefined> {
  const block = readable(() => new Block(Buffer.from(exif)));
  const first = readable(() => block?.directory(block.u32(4)));
  if (block === undefined || first === undefined) {
    return undefined;
  }
  const pointer = block.number(first.fields.get(tag.exifDirectory));
  const details = readable(() => (pointer === undefined ? undefined : block.directory(pointer).fields));
  block.setNumber(first.fields.get(tag.orientation), orientation(exifOrientation(exif)));
  block.setNumber(first.fields.get(tag.imageWidth), size.width);
  block.setNumber(first.fields.get(tag.imageLength), size.height);
  block.setNumber(details?.get(tag.pixelXDimension), size.width);
  block.setNumber(details?.get(tag.pixelYDimension), size.height);
  if (swapsSides(turn)) {
    block.swap(first.fields.get(tag.xResolution), first.fields.get(tag.yResolution));
    block.swap(details?.get(tag.focalPlaneXResolution), details?.get(tag.focalPlaneYResolution));
  }
  return withTurnedThumbnail(block, first.nextAt, turnThumbnail, maxBytes);
}

async function withTurnedThumbnail(
  block: Block,
  linkAt: number,
  turnThumbnail: TurnThumbnail,
  maxBytes: number,
): Promise<Buffer> {
  const { bytes } = block;
  const link = readable(() => block.u32(linkAt)) ?? 0;
  if (link === 0) {
    return bytes;
  }
  const fields = readable(() => block.directory(link).fields);
  const offset = block.number(fields?.get(tag.thumbnailOffset)) ?? bytes.length;
  const length = block.number(fields?.get(tag.thumbnailLength)) ?? 0;
  const slot = bytes.subarray(offset, offset + length);
  const turned =
    slot.length > 0 && slot.length === length ? await turnThumbnail(slot).catch(() => null) : null;
  const fits = turned !== null && turned.length <= length;
  if (turned === null || (!fits && bytes.length + turned.length > maxBytes)) {
    block.setU32(linkAt, 0);
    overwriteThumbnail(slot);
    return bytes;
  }
  block.setNumber(fields?.get(tag.orientation), 1);
  block.setNumber(fields?.get(tag.thumbnailLength), turned.length);
  if (fits) {
    slot.fill(0).set(turned);
    return bytes;
  }
  overwriteThumbnail(slot);
  block.setNumber(fields?.get(tag.thumbnailOffset), bytes.length);
  return Buffer.concat([bytes, turned]);
}

/** Overwrites a thumbnail that nothing points at any more: it may have metadata of its own. Other bytes stay. */
function overwriteThumbnail(slot: Buffer): void {
  if (slot[0] === 0xff && slot[1] === 0xd8) {
    slot.fill(0);
  }
}
