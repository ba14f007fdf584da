/*
 * CRC-64/NVME, which S3 computes of every body that comes without a checksum. JavaScript has no fast integers of 64
 * bits, WebAssembly has: this takes a sixth of the time of the SDK's, in a module that is put together here.
 */

/** The polynomial, bits reversed. https://reveng.sourceforge.io/crc-catalogue/all.htm#crc.cat.crc-64-nvme */
const POLYNOMIAL = 0x9a6c9329ac4bc9b5n;

/** Number of bytes that are looked up at a time, each in a table of its own. */
const STEP = 16;
const TABLE_BYTES = 256 * 8;
const PAGE_BYTES = 64 * 1024;

/** The tables come first in the module's memory, then the piece that is digested. */
const PIECE_START = STEP * TABLE_BYTES;
const PIECE_BYTES = 2 * PAGE_BYTES - PIECE_START;

/** Node's types do not know what Node has. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Readonly<Record<string, unknown>> };
};

interface Module {
  /** Goes on with a CRC over the first bytes of the piece. */
  readonly update: (crc: bigint, length: number) => bigint;
  readonly piece: Buffer;
}

/** Digests a body, a chunk at a time. */
export class Crc64Nvme {
  readonly #module = module();
  #crc = 0xffff_ffff_ffff_ffffn;

  update(chunk: Uint8Array): void {
    const { piece, update } = this.#module;
    for (let start = 0; start < chunk.length; start += PIECE_BYTES) {
      const part = chunk.subarray(start, start + PIECE_BYTES);
      piece.fill(part, 0, part.length); // three times as fast as set() from memory that threads share
      this.#crc = update(this.#crc, part.length);
    }
  }

  digest(): Buffer {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt.asUintN(64, ~this.#crc));
    return bytes;
  }
}

let loaded: Module | undefined;

/** Made when it is first needed. */
function module(): Module {
  loaded ??= load();
  return loaded;
}

function load(): Module {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(assemble()));
  const { buffer } = exports.memory as { readonly buffer: ArrayBuffer };
  fillTables(new BigUint64Array(buffer, 0, (STEP * TABLE_BYTES) / 8));
  return { update: exports.update as Module["update"], piece: Buffer.from(buffer, PIECE_START, PIECE_BYTES) };
}

/** Table n holds, for each byte, its CRC with n zero bytes behind it. */
function fillTables(tables: BigUint64Array): void {
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = BigInt(byte);
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1n ? (crc >> 1n) ^ POLYNOMIAL : crc >> 1n;
    tables[byte] = crc;
  }
  for (let index = 256; index < tables.length; index += 1) {
    const before = tables[index - 256] as bigint;
    tables[index] = (tables[Number(before & 0xffn)] as bigint) ^ (before >> 8n);
  }
}

/**
 * The module: one page-aligned memory, and `update(crc, length)` over it.
 *
 *     while (at + 16 <= end) { low = crc ^ load64(at), high = load64(at + 8); crc = 16 lookups, XORed; at += 16 }
 *     while (at < end) { crc = table0[(crc ^ load8(at)) & 255] ^ (crc >> 8); at += 1 }
 *
 * @see https://webassembly.github.io/spec/core/binary/index.html
 */
function assemble(): Uint8Array {
  const [i32, i64] = [0x7f, 0x7e];
  const [crc, end, at, low, high] = [0, 1, 2, 3, 4]; // parameters, then locals
  const get = (local: number) => [0x20, local];
  const set = (local: number) => [0x21, local];
  const number = (value: number) => [0x41, ...signed(value)];
  const number64 = (value: number) => [0x42, ...signed(value)];
  const add = [0x6a];
  const xor64 = [0x85];
  const shiftRight64 = [0x88];
  const load64 = (offset: number) => [0x29, 0, ...unsigned(offset)];
  const load8 = (offset: number) => [0x31, 0, ...unsigned(offset)];
  const forward = (bytes: number) => [...get(at), ...number(bytes), ...add, ...set(at)];
  /** Repeats while `at + bytes <= end`. */
  const loop = (bytes: number, body: number[]) => [
    ...[0x02, 0x40, 0x03, 0x40], // block, loop
    ...[...get(at), ...number(bytes), ...add, ...get(end), 0x4b, 0x0d, 1], // greater: leave the block
    ...[...body, ...forward(bytes), 0x0c, 0, 0x0b, 0x0b],
  ];
  /** Byte `index` of a number, looked up in a table; 8 bytes an entry. */
  const lookUp = (value: number[], index: number, table: number) => [
    ...value,
    ...(index === 0 ? [...number64(3), 0x86] : [...number64(8 * index - 3), ...shiftRight64]),
    ...[0xa7, ...number(0x7f8), 0x71, ...load64(table * TABLE_BYTES)],
  ];
  const lookUps = Array.from({ length: STEP }, (_, index) => [
    ...lookUp(get(index < 8 ? low : high), index % 8, STEP - 1 - index),
    ...(index === 0 ? [] : xor64),
  ]);
  const steps = loop(STEP, [
    ...[...get(crc), ...get(at), ...load64(PIECE_START), ...xor64, ...set(low)],
    ...[...get(at), ...load64(PIECE_START + 8), ...set(high)],
    ...[...lookUps.flat(), ...set(crc)],
  ]);
  const rest = loop(1, [
    ...lookUp([...get(crc), ...get(at), ...load8(PIECE_START), ...xor64], 0, 0),
    ...[...get(crc), ...number64(8), ...shiftRight64, ...xor64, ...set(crc)],
  ]);
  const locals = [2, 1, i32, 2, i64];
  const code = sized([...locals, ...steps, ...rest, ...get(crc), 0x0b]);
  const section = (id: number, content: number[]) => [id, ...sized(content)];
  const name = (text: string) => sized([...Buffer.from(text)]);
  return Uint8Array.from([
    ...[...Buffer.from("\0asm"), 1, 0, 0, 0],
    ...section(1, [1, 0x60, 2, i64, i32, 1, i64]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, 2]),
    ...section(7, [2, ...name("update"), 0, 0, ...name("memory"), 2, 0]),
    ...section(10, [1, ...code]),
  ]);
}

function sized(content: readonly number[]): number[] {
  return [...unsigned(content.length), ...content];
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  return value < 0x40 ? [value] : [(value & 0x7f) | 0x80, ...signed(value >>> 7)];
}
