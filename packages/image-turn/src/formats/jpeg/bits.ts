/** Reads and writes the bits of entropy-coded segments. */
import { Damaged } from "../../damage.ts";
import { type Decoding, LOOKAHEAD } from "./huffman.ts";

/** Bytes behind the last one, so that a block may read on: none takes more before its end is looked at. */
const PADDING = 512;

/** Maximum bytes of a scan: positions are counted in bits, in 32 of them. */
const MAX_BYTES = 2 ** 28 - 2 * PADDING;

/** A scan's bits without stuffed bytes and restart markers. */
export class BitReader {
  readonly view: DataView;
  /** The next bit. */
  at = 0;
  /** Where the bits end that may be read now: the scan's, or the restart interval's. */
  end: number;
  readonly #ends: readonly number[];
  #interval = 0;

  /**
   * @param intervals How many restart intervals the scan has to have.
   * @throws {Damaged}
   */
  constructor(entropy: Uint8Array, intervals: number) {
    if (entropy.length > MAX_BYTES) {
      throw new Damaged("too many bytes for 32 bits");
    }
    const bytes = new Uint8Array(entropy.length + PADDING);
    const ends: number[] = [];
    let to = 0;
    for (let from = 0; from < entropy.length; from += 1) {
      const byte = entropy[from] as number;
      if (byte !== 0xff) {
        bytes[to] = byte;
        to += 1;
        continue;
      }
      from += 1;
      const next = entropy[from];
      if (next === 0) {
        bytes[to] = 0xff;
        to += 1;
      } else if (next === 0xff) {
        // A fill byte: only a marker may come behind it.
        if (entropy[from + 1] === 0) {
          throw new Damaged("a fill byte among data");
        }
        from -= 1;
      } else if (next !== undefined) {
        if (next !== 0xd0 + (ends.length & 7) || ends.length + 1 >= intervals) {
          throw new Damaged("a restart marker out of order");
        }
        ends.push(to * 8);
      }
    }
    ends.push(to * 8);
    if (ends.length !== intervals) {
      throw new Damaged("restart markers are missing");
    }
    this.view = new DataView(bytes.buffer);
    this.#ends = ends;
    this.end = ends[0] as number;
  }

  /** Goes on to the next restart interval. @throws {Damaged} where this one has not been read to its end. */
  next(): void {
    this.finish();
    this.at = this.end;
    this.#interval += 1;
    this.end = this.#ends[this.#interval] as number;
  }

  /** @throws {Damaged} where bytes are left. */
  finish(): void {
    if (this.at > this.end || this.end - this.at >= 8) {
      throw new Damaged("a scan is longer than its picture");
    }
  }

  symbol(table: Decoding): number {
    const window = this.view.getInt32(this.at >>> 3) << (this.at & 7);
    const step = table.steps[window >>> (32 - LOOKAHEAD)] as number;
    if (step === 0) {
      return this.longSymbol(table);
    }
    if (step >> 16 === 0) {
      this.at += step & 255;
      return step >> 8;
    }
    // The code and a value behind it: the value's bits are left to be read.
    const value = step >> 16;
    const size = 32 - Math.clz32(value < 0 ? -value : value);
    this.at += (step & 255) - size;
    return (((step >> 8) & 255) << 4) | size;
  }

  /** A symbol whose code is longer than the lookahead. */
  longSymbol({ limits, offsets, symbols }: Decoding): number {
    const code = (this.view.getInt32(this.at >>> 3) << (this.at & 7)) >>> 16;
    for (let length = LOOKAHEAD + 1; length <= 16; length += 1) {
      if (code < (limits[length] as number)) {
        this.at += length;
        return symbols[(code >>> (16 - length)) + (offsets[length] as number)] as number;
      }
    }
    throw new Damaged("a code that no table has");
  }

  /** An unsigned number of 0 to 16 bits. */
  number(bits: number): number {
    const window = this.view.getInt32(this.at >>> 3) << (this.at & 7);
    this.at += bits;
    return bits === 0 ? 0 : window >>> (32 - bits);
  }

  /** A signed number as JPEG codes it: the first half of what `bits` can say is negative. */
  signed(bits: number): number {
    const number = this.number(bits);
    return bits > 0 && number < 1 << (bits - 1) ? number - (1 << bits) + 1 : number;
  }
}

/** Writes bits; bytes are stuffed at the end. */
export class BitWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #at = 0;
  /** Bits that do not fill a word yet, from its top, and how many have room in it: 1 to 32. */
  #word = 0;
  #room = 32;

  constructor(bytes: number) {
    this.#bytes = new Uint8Array(bytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Makes room for so many bytes. */
  reserve(bytes: number): void {
    if (this.#at + bytes + 8 > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#at + bytes + 8, this.#bytes.length * 1.5));
      larger.set(this.#bytes.subarray(0, this.#at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
  }

  /** @param bits A number below `2 ** length`. @param length 0 to 31. */
  put(bits: number, length: number): void {
    const room = this.#room - length;
    if (room > 0) {
      this.#word |= bits << room;
      this.#room = room;
      return;
    }
    this.#view.setInt32(this.#at, this.#word | (bits >>> -room));
    this.#at += 4;
    this.#word = room === 0 ? 0 : bits << (32 + room);
    this.#room = 32 + room;
  }

  /** The scan's bytes: the last one filled up with ones, and a zero byte behind each of eight ones. */
  finish(): Buffer {
    const used = 32 - this.#room;
    this.put((1 << (-used & 7)) - 1, -used & 7);
    this.reserve(4);
    this.#view.setInt32(this.#at, this.#word);
    const end = this.#at + ((32 - this.#room) >> 3);
    const bytes = this.#bytes;
    let stuffed = 0;
    for (let at = 0; at < end; at += 1) {
      stuffed += bytes[at] === 0xff ? 1 : 0;
    }
    const result = Buffer.allocUnsafe(end + stuffed);
    for (let at = 0, to = 0; at < end; at += 1, to += 1) {
      const byte = bytes[at] as number;
      result[to] = byte;
      if (byte === 0xff) {
        to += 1;
        result[to] = 0;
      }
    }
    return result;
  }
}
