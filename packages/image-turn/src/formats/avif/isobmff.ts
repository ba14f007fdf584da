/** The part of an ISO base media file that says what its items are and how they are shown (ISO/IEC 23008-12). */

import { checkPieces, Damaged } from "../../damage.ts";

export interface Box {
  readonly type: string;
  /** Where the box begins, its contents begin, and it ends. */
  readonly start: number;
  readonly body: number;
  readonly end: number;
}

/** Where an item's bytes are. */
export interface Extent {
  readonly item: number;
  readonly offset: number;
  readonly length: number;
  /** The place and the bytes, 4 or 8, of the number that grows when the file's data move. None within `idat`. */
  readonly moves?: { readonly at: number; readonly size: number };
}

export interface Item {
  /** Four characters, or the content type of an item of type `mime`. */
  readonly type: string;
  /** Whether it is only there for others to be made of, or to go with them. */
  readonly hidden: boolean;
}

/** Says that an item is for others: `thmb` a thumbnail, `auxl` a mask or a map, `dimg` made of them, `cdsc` about them. */
export interface Reference {
  readonly type: string;
  readonly from: number;
  readonly to: readonly number[];
}

/** A property of an item, by its place among all properties, from 1; 0 is none. */
export interface Association {
  readonly index: number;
  readonly essential: boolean;
}

/** The boxes between two places. */
export function boxes(file: Buffer, start: number, end: number): Box[] {
  const found: Box[] = [];
  for (let at = start; at < end; ) {
    const size = file.readUInt32BE(at);
    const wide = size === 1;
    const length = wide ? Number(file.readBigUInt64BE(at + 8)) : size === 0 ? end - at : size;
    const body = at + (wide ? 16 : 8);
    if (body > at + length || at + length > end) {
      throw new Damaged("a box is longer than what it is in");
    }
    checkPieces(found.length);
    found.push({ type: file.toString("latin1", at + 4, at + 8), start: at, body, end: at + length });
    at += length;
  }
  return found;
}

/** The item that the file shows. */
export function primaryItem(file: Buffer, pitm: Box): number {
  return file.readUInt8(pitm.body) === 0
    ? file.readUInt16BE(pitm.body + 4)
    : file.readUInt32BE(pitm.body + 4);
}

export function references(file: Buffer, iref: Box | undefined): Reference[] {
  if (iref === undefined) {
    return [];
  }
  const wide = file.readUInt8(iref.body) !== 0;
  const read = (at: number) => (wide ? file.readUInt32BE(at) : file.readUInt16BE(at));
  const size = wide ? 4 : 2;
  let total = 0;
  return boxes(file, iref.body + 4, iref.end).map(({ type, body, end }) => {
    const count = file.readUInt16BE(body + size);
    if (body + size + 2 + count * size > end) {
      throw new Damaged("a reference is longer than its box");
    }
    total += count;
    checkPieces(total);
    const to = Array.from({ length: count }, (_, index) => read(body + size + 2 + index * size));
    return { type, from: read(body), to };
  });
}

export function itemsOf(file: Buffer, iinf: Box): Map<number, Item> {
  const first = iinf.body + (file.readUInt8(iinf.body) === 0 ? 6 : 8);
  const items = new Map<number, Item>();
  for (const { body, end } of boxes(file, first, iinf.end)) {
    const wide = file.readUInt8(body) >= 3;
    const item = wide ? file.readUInt32BE(body + 4) : file.readUInt16BE(body + 4);
    const at = body + (wide ? 10 : 8);
    const type = file.toString("latin1", at, at + 4);
    const [, content = ""] = file.toString("latin1", at + 4, end).split("\0", 2);
    const hidden = (file.readUInt8(body + 3) & 1) !== 0;
    items.set(item, { type: type === "mime" ? content : type, hidden });
  }
  return items;
}

/** Each item's properties in their order; undefined where an item is listed twice. */
export function associationsOf(file: Buffer, ipma: Box): Map<number, Association[]> | undefined {
  const wideIds = file.readUInt8(ipma.body) > 0;
  const wide = (file.readUInt8(ipma.body + 3) & 1) !== 0;
  const associations = new Map<number, Association[]>();
  let at = ipma.body + 8;
  let count = 0;
  for (let left = file.readUInt32BE(ipma.body + 4); left > 0; left -= 1) {
    const item = wideIds ? file.readUInt32BE(at) : file.readUInt16BE(at);
    at += wideIds ? 5 : 3;
    const properties = Array.from({ length: file.readUInt8(at - 1) }, () => {
      const value = wide ? file.readUInt16BE(at) : file.readUInt8(at);
      at += wide ? 2 : 1;
      const flag = wide ? 0x8000 : 0x80;
      return { index: value & (flag - 1), essential: (value & flag) !== 0 };
    });
    count += properties.length;
    checkPieces(count);
    if (associations.has(item) || at > ipma.end) {
      return undefined;
    }
    associations.set(item, properties);
  }
  return associations;
}

/**
 * Where the items' bytes are; undefined where a file says so in a way that is not read here.
 *
 * @param idat Where small items' bytes may be, beside what describes them.
 */
export function itemExtents(file: Buffer, iloc: Box, idat: Box | undefined): Extent[] | undefined {
  const version = file.readUInt8(iloc.body);
  const sizes = file.readUInt16BE(iloc.body + 4);
  const [offsetSize, lengthSize, baseSize] = [sizes >> 12, (sizes >> 8) & 15, (sizes >> 4) & 15];
  const indexSize = version === 0 ? 0 : sizes & 15;
  const number = (at: number, size: number) =>
    size === 0 ? 0 : size === 8 ? Number(file.readBigUInt64BE(at)) : file.readUInt32BE(at);
  if (
    version > 2 ||
    [offsetSize, lengthSize, baseSize, indexSize].some((size) => ![0, 4, 8].includes(size))
  ) {
    return undefined;
  }
  const idSize = version < 2 ? 2 : 4;
  const count = file.readUIntBE(iloc.body + 6, idSize);
  const extents: Extent[] = [];
  let at = iloc.body + 6 + idSize;
  for (let index = 0; index < count; index += 1) {
    const item = file.readUIntBE(at, idSize);
    const method = version === 0 ? 0 : file.readUInt16BE(at + idSize) & 15;
    at += idSize + (version === 0 ? 2 : 4);
    const baseAt = at;
    const base = number(at, baseSize);
    const extentCount = file.readUInt16BE(at + baseSize);
    at += baseSize + 2;
    if (method > 1 || (extentCount > 1 && base !== 0)) {
      return undefined;
    }
    const space = method === 0 ? { body: 0, end: file.length } : (idat ?? { body: 0, end: 0 });
    for (let extent = 0; extent < extentCount; extent += 1) {
      const offset = number(at + indexSize, offsetSize);
      const length = number(at + indexSize + offsetSize, lengthSize);
      const start = space.body + base + offset;
      if (start + length > space.end) {
        throw new Damaged("it ends before its image does");
      }
      const own = base === 0 && offsetSize > 0;
      const moves = own ? { at: at + indexSize, size: offsetSize } : { at: baseAt, size: baseSize };
      if (method === 0 && moves.size === 0) {
        return undefined;
      }
      checkPieces(extents.length);
      extents.push({ item, offset: start, length, ...(method === 0 && { moves }) });
      at += indexSize + offsetSize + lengthSize;
    }
  }
  return extents;
}
