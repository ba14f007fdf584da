/**
 * TIFF's directories, of which Exif and lists of pictures are made, too: reading them, and writing new ones (TIFF 6.0,
 * section 2; BigTIFF).
 */
import { Damaged } from "./damage.ts";

/** A field with its values in the byte order of the file. What is written to its buffers is written to the file. */
export interface Field {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  readonly value: Buffer;
  /** Whether all its values lie in the file. */
  readonly whole: boolean;
  /** The field's entry, which a copy of the directory in the same file can use. */
  readonly entry: Buffer;
}

/** The first field of each tag whose values all lie in the file. */
export type Directory = ReadonlyMap<number, Field>;

/** A directory where it lies in its file. */
export interface Place {
  readonly directory: Directory;
  readonly fields: readonly Field[];
  /** All of it but the link. */
  readonly bytes: Buffer;
  /** Says where the next directory is; shorter than a number where the file ends before. */
  readonly link: Buffer;
}

/** A field to be written, its values in little-endian order. A directory is written as the place where it is. */
export interface NewField {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  readonly value: Buffer | readonly NewField[];
}

export const type = { byte: 1, short: 3, long: 4, rational: 5, undefined: 7, directory: 13 } as const;

/** Bytes of a value by type; one for types that nobody knows. */
const bytesOf = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 1, 1, 8, 8, 8];
/** Bytes that change places between byte orders; a rational is two numbers. */
const unitOf = [0, 1, 1, 2, 4, 4, 1, 1, 2, 4, 4, 4, 8, 4, 0, 0, 8, 8, 8];

/** Maximum number of fields in all directories together, of which each counts as a field, too. */
const maxFields = 1_000_000;

/** Reads a TIFF's directories; what is beyond the end of the file is damage. */
export class TiffReader {
  readonly file: Buffer;
  readonly little: boolean;
  readonly big: boolean;
  /** Bytes of an offset. */
  readonly offsetSize: number;
  /** Bytes of a directory's number of fields. */
  readonly countSize: number;
  #fields = 0;
  #copied = 0;

  constructor(file: Buffer) {
    const order = file.toString("latin1", 0, 2);
    if (order !== "II" && order !== "MM") {
      throw new Damaged("it says no byte order");
    }
    this.file = file;
    this.little = order === "II";
    this.big = this.number(file.subarray(2, 4)) === 43;
    [this.offsetSize, this.countSize] = this.big ? [8, 8] : [4, 2];
  }

  /** Where the first directory is. */
  get start(): number {
    return this.#number(this.offsetSize, this.offsetSize);
  }

  /** The main directories, in their order. A chain that bites its own tail is an error. */
  directories(): Directory[] {
    const found: Directory[] = [];
    const seen = new Set<number>();
    for (let at = this.start; at !== 0; ) {
      if (seen.has(at)) {
        throw new Damaged("its pages have no end");
      }
      seen.add(at);
      const { directory, link } = this.directoryAt(at);
      found.push(directory);
      if (link.length < this.offsetSize) {
        throw new Damaged("it ends too early");
      }
      at = this.number(link);
    }
    return found;
  }

  directoryAt(at: number): Place {
    const { countSize, offsetSize } = this;
    const entrySize = 4 + 2 * offsetSize;
    const count = this.#number(at, countSize);
    this.#fields += 1 + count;
    if (this.#fields > maxFields) {
      throw new Damaged("a directory is too long");
    }
    const directory = new Map<number, Field>();
    const fields: Field[] = [];
    const end = at + countSize + count * entrySize;
    for (let entry = at + countSize; entry < end; entry += entrySize) {
      const tag = this.#number(entry, 2);
      const kind = this.#number(entry + 2, 2);
      const values = this.#number(entry + 4, offsetSize);
      const length = values * (bytesOf[kind] ?? 1);
      const inline = entry + 4 + offsetSize;
      const start = length <= offsetSize ? inline : this.#number(inline, offsetSize);
      const value = this.file.subarray(start, start + length);
      const bytes = this.file.subarray(entry, entry + entrySize);
      const whole = value.length === length;
      const field = { tag, type: kind, count: values, value, whole, entry: bytes };
      fields.push(field);
      if (whole && !directory.has(tag)) {
        directory.set(tag, field);
      }
    }
    const [bytes, link] = [this.file.subarray(at, end), this.file.subarray(end, end + offsetSize)];
    return { directory, fields, bytes, link };
  }

  /** A field's first number, or undefined where there is no such field or it is no whole number. */
  first(directory: Directory, tag: number): number | undefined {
    const field = directory.get(tag);
    return field && this.numbers(field, 1)[0];
  }

  /** A field's numbers, or the first ones of them; none where they are no whole numbers. */
  numbers({ type: kind, count, value }: Field, max = count): number[] {
    const size = { 1: 1, 3: 2, 4: 4, 13: 4, 16: 8, 18: 8 }[kind];
    const length = size === undefined ? 0 : Math.min(max, count);
    return Array.from({ length }, (_, index) =>
      this.number(value.subarray(index * (size ?? 0), (index + 1) * (size ?? 0))),
    );
  }

  /**
   * A field's values in little-endian order. Fields that share their values, of which a small file can have
   * gigabytes, are damage.
   */
  littleEndian({ type: kind, value }: Field): Buffer {
    this.#copied += value.length;
    if (this.#copied > 2 * this.file.length) {
      throw new Damaged("its fields lie over each other");
    }
    const copy = Buffer.from(value);
    const unit = unitOf[kind] ?? 1;
    if (!this.little && unit > 1) {
      unit === 2 ? copy.swap16() : unit === 4 ? copy.swap32() : copy.swap64();
    }
    return copy;
  }

  number(bytes: Buffer): number {
    if (bytes.length === 8) {
      return Number(this.little ? bytes.readBigUInt64LE(0) : bytes.readBigUInt64BE(0));
    }
    return this.little ? bytes.readUIntLE(0, bytes.length) : bytes.readUIntBE(0, bytes.length);
  }

  /** Writes a number over bytes, in the byte order of the file. */
  write(value: number, bytes: Buffer): void {
    if (bytes.length === 8) {
      this.little ? bytes.writeBigUInt64LE(BigInt(value)) : bytes.writeBigUInt64BE(BigInt(value));
    } else {
      this.little ? bytes.writeUIntLE(value, 0, bytes.length) : bytes.writeUIntBE(value, 0, bytes.length);
    }
  }

  #number(at: number, size: number): number {
    const bytes = this.file.subarray(at, at + size);
    if (bytes.length !== size) {
      throw new Damaged("it ends too early");
    }
    return this.number(bytes);
  }
}

/** Writes a little-endian TIFF, directory after directory. */
export class TiffWriter {
  readonly #pieces: Buffer[] = [Buffer.from("II*\0\0\0\0\0", "latin1")];
  #length = 8;
  #link: { readonly buffer: Buffer; readonly at: number } = { buffer: this.#pieces[0] as Buffer, at: 4 };

  /** Adds bytes at an even place, and says which. */
  add(data: Buffer): number {
    const at = this.#length;
    this.#pieces.push(data);
    this.#length += data.length;
    if (this.#length % 2 === 1) {
      this.#pieces.push(Buffer.alloc(1));
      this.#length += 1;
    }
    return at;
  }

  /** Adds a directory to the chain of main ones. */
  addPage(fields: readonly NewField[]): void {
    const { at, buffer } = this.#addDirectory(fields);
    this.#link.buffer.writeUInt32LE(at, this.#link.at);
    this.#link = { buffer, at: buffer.length - 4 };
  }

  toBuffer(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  #addDirectory(fields: readonly NewField[]): { at: number; buffer: Buffer } {
    const sorted = [...fields].sort((a, b) => a.tag - b.tag);
    const buffer = Buffer.alloc(2 + sorted.length * 12 + 4);
    buffer.writeUInt16LE(sorted.length, 0);
    for (const [index, { tag, type: kind, count, value }] of sorted.entries()) {
      const at = 2 + index * 12;
      buffer.writeUInt16LE(tag, at);
      buffer.writeUInt16LE(kind, at + 2);
      buffer.writeUInt32LE(count, at + 4);
      if (!Buffer.isBuffer(value)) {
        buffer.writeUInt32LE(this.#addDirectory(value as readonly NewField[]).at, at + 8);
      } else if (value.length <= 4) {
        value.copy(buffer, at + 8);
      } else {
        buffer.writeUInt32LE(this.add(value), at + 8);
      }
    }
    return { at: this.add(buffer), buffer };
  }
}
