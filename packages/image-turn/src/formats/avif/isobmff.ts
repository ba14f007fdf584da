/** The part of an ISO base media file that says what its items are and how they are shown (ISO/IEC 23008-12). */

import { ImageRejected } from "../../contract.ts";

export interface Box {
  readonly type: string;
  /** Where the box begins, its contents begin, and it ends. */
  readonly start: number;
  readonly body: number;
  readonly end: number;
}

/** Where an item's bytes are. `at` is the place of the number that has to grow when they move. */
export interface Extent {
  readonly item: number;
  readonly offset: number;
  readonly length: number;
  readonly at: number;
  /** Bytes of the number at `at`: 4 or 8. */
  readonly size: number;
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
      throw new ImageRejected("corrupt", "The AVIF is damaged: a box is longer than what it is in.");
    }
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

/** Items that are a mask or a thumbnail of another, and so lie as it does. */
export function companions(file: Buffer, iref: Box | undefined, item: number): number[] {
  if (iref === undefined) {
    return [];
  }
  const wide = file.readUInt8(iref.body) !== 0;
  const read = (at: number) => (wide ? file.readUInt32BE(at) : file.readUInt16BE(at));
  const size = wide ? 4 : 2;
  return boxes(file, iref.body + 4, iref.end)
    .filter(({ type, body, end }) => {
      const count = file.readUInt16BE(body + size);
      if (body + size + 2 + count * size > end) {
        throw new ImageRejected("corrupt", "The AVIF is damaged: a reference is longer than its box.");
      }
      const targets = Array.from({ length: count }, (_, index) => read(body + size + 2 + index * size));
      return (type === "auxl" || type === "thmb") && targets.includes(item);
    })
    .map(({ body }) => read(body));
}

/** Items by type; those of type `mime` by their content type. */
export function itemTypes(file: Buffer, iinf: Box): Map<number, string> {
  const first = iinf.body + (file.readUInt8(iinf.body) === 0 ? 6 : 8);
  const types = new Map<number, string>();
  for (const { body, end } of boxes(file, first, iinf.end)) {
    const wide = file.readUInt8(body) >= 3;
    const item = wide ? file.readUInt32BE(body + 4) : file.readUInt16BE(body + 4);
    const at = body + (wide ? 10 : 8);
    const type = file.toString("latin1", at, at + 4);
    const [, content = ""] = file.toString("latin1", at + 4, end).split("\0");
    types.set(item, type === "mime" ? content : type);
  }
  return types;
}

/** Most extents that are read: an image of 1,000 tiles has 2,000. */
const mostExtents = 10_000;

/** Where the items' bytes are; undefined where a file says so in a way that is not read here. */
export function itemExtents(file: Buffer, iloc: Box): Extent[] | undefined {
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
    if (extents.length + extentCount > mostExtents || method !== 0 || (extentCount > 1 && base !== 0)) {
      return undefined;
    }
    for (let extent = 0; extent < extentCount; extent += 1) {
      const offset = number(at + indexSize, offsetSize);
      const length = number(at + indexSize + offsetSize, lengthSize);
      const moves =
        base === 0 && offsetSize > 0
          ? { at: at + indexSize, size: offsetSize }
          : { at: baseAt, size: baseSize };
      extents.push({ item, offset: base + offset, length, ...moves });
      at += indexSize + offsetSize + lengthSize;
    }
  }
  return extents.every(({ size }) => size > 0) ? extents : undefined;
}
