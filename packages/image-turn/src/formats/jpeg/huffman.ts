/** Huffman codes of JPEG: tables to decode with, and the best tables for what is to be encoded (ITU-T T.81, annexes C, F, K.2). */

/** Bits that a decoding table looks at in one step. */
export const LOOKAHEAD = 11;

export interface Decoding {
  /**
   * What the next `LOOKAHEAD` bits begin with:
   * - a code and its whole value: `value << 16 | zeros before it << 8 | bits of both`, value not 0;
   * - a code: `symbol << 8 | its bits`;
   * - a longer code: 0.
   */
  readonly steps: Int32Array;
  /** By length, the first 16 bits that are too large for a code of it. */
  readonly limits: Int32Array;
  /** By length, what to add to a code for its place in `symbols`. */
  readonly offsets: Int32Array;
  readonly symbols: Uint8Array;
}

/** The tables of a DHT segment by class and number: `class << 4 | number`. Undefined where it is damaged. */
export function readTables(data: Buffer, into: Map<number, Decoding>): boolean {
  for (let at = 0; at < data.length; ) {
    const id = data[at] as number;
    const counts = data.subarray(at + 1, at + 17);
    const total = counts.reduce((sum, count) => sum + count, 0);
    const symbols = data.subarray(at + 17, at + 17 + total);
    const table = symbols.length === total && counts.length === 16 && decoding(counts, symbols, id < 16);
    if (!table) {
      return false;
    }
    into.set(id, table);
    at += 17 + total;
  }
  return true;
}

function decoding(counts: Uint8Array, symbols: Uint8Array, dc: boolean): Decoding | undefined {
  const steps = new Int32Array(1 << LOOKAHEAD);
  const limits = new Int32Array(17);
  const offsets = new Int32Array(17);
  let code = 0;
  let place = 0;
  for (let length = 1; length <= 16; length += 1) {
    const count = counts[length - 1] as number;
    offsets[length] = place - code;
    if (code + count > 1 << length) {
      return undefined;
    }
    for (let index = 0; index < count; index += 1, code += 1, place += 1) {
      const symbol = symbols[place] as number;
      if (dc && symbol > 15) {
        return undefined;
      }
      if (length <= LOOKAHEAD) {
        fill(steps, code, length, symbol);
      }
    }
    limits[length] = code << (16 - length);
    code <<= 1;
  }
  return { steps, limits, offsets, symbols };
}

function fill(steps: Int32Array, code: number, length: number, symbol: number): void {
  const rest = LOOKAHEAD - length;
  const size = symbol & 15;
  const first = code << rest;
  if (size === 0 || size > rest) {
    steps.fill((symbol << 8) | length, first, first + (1 << rest));
    return;
  }
  for (let index = 0; index < 1 << rest; index += 1) {
    const bits = index >> (rest - size);
    const value = bits < 1 << (size - 1) ? bits - (1 << size) + 1 : bits;
    steps[first + index] = (value << 16) | ((symbol >> 4) << 8) | (length + size);
  }
}

/** A table to encode with. */
export interface Encoding {
  /** By symbol: `code << 5 | bits`. */
  readonly codes: Uint32Array;
  /** The table as a DHT segment has it, behind class and number. */
  readonly definition: Buffer;
  /** Bits that codes and definition take together. */
  readonly cost: number;
}

/** The table whose codes take the fewest bits for symbols that occur so often, none of them longer than 16 bits. */
export function encoding(counts: Uint32Array): Encoding {
  const lengths = codeLengths(counts);
  const ofLength = new Uint8Array(17);
  const symbols: number[] = [];
  let cost = 0;
  // The shorter the code, the earlier the symbol: lengths before the limit give the order, which the limit keeps.
  const ordered = Array.from(counts.keys())
    .filter((symbol) => counts[symbol] !== 0)
    .sort((a, b) => (lengths[a] as number) - (lengths[b] as number));
  const limited = limit(lengths);
  const codes = new Uint32Array(256);
  let code = 0;
  let length = 1;
  for (const symbol of ordered) {
    while (ofLength[length] === limited[length]) {
      length += 1;
      code <<= 1;
    }
    ofLength[length] = (ofLength[length] as number) + 1;
    codes[symbol] = (code << 5) | length;
    code += 1;
    symbols.push(symbol);
    cost += (counts[symbol] as number) * length;
  }
  const definition = Buffer.from([...ofLength.subarray(1), ...symbols]);
  return { codes, definition, cost: cost + definition.length * 8 };
}

/** By symbol, the length of its code in a Huffman tree that also holds one symbol of its own: no code may be all ones. */
function codeLengths(counts: Uint32Array): Uint8Array {
  const present: number[] = [];
  counts.forEach((count, symbol) => {
    if (count > 0) {
      present.push(symbol);
    }
  });
  const trees = present.map((symbol) => ({ weight: counts[symbol] as number, symbols: [symbol] }));
  trees.push({ weight: 1, symbols: [256] });
  const lengths = new Uint8Array(257);
  while (trees.length > 1) {
    const light = lightest(trees);
    const next = lightest(trees);
    light.weight += next.weight;
    light.symbols = light.symbols.concat(next.symbols);
    for (const symbol of light.symbols) {
      lengths[symbol] = (lengths[symbol] as number) + 1;
    }
    trees.push(light);
  }
  return lengths;
}

interface Tree {
  weight: number;
  symbols: number[];
}

/** Takes out the tree of the least weight. */
function lightest(trees: Tree[]): Tree {
  let least = 0;
  for (let index = 1; index < trees.length; index += 1) {
    if ((trees[index] as Tree).weight <= (trees[least] as Tree).weight) {
      least = index;
    }
  }
  const [tree] = trees.splice(least, 1);
  return tree as Tree;
}

/** How many codes of each length there are where none is longer than 16 (T.81, figure K.3), without the tree's own symbol. */
function limit(lengths: Uint8Array): Uint16Array {
  const counts = new Uint16Array(258);
  for (const length of lengths) {
    if (length > 0) {
      counts[length] = (counts[length] as number) + 1;
    }
  }
  const add = (length: number, change: number) => {
    counts[length] = (counts[length] as number) + change;
  };
  for (let length = 257; length > 16; length -= 1) {
    while ((counts[length] as number) > 0) {
      let shorter = length - 2;
      while (counts[shorter] === 0) {
        shorter -= 1;
      }
      add(length, -2);
      add(length - 1, 1);
      add(shorter + 1, 2);
      add(shorter, -1);
    }
  }
  let longest = 16;
  while (longest > 0 && counts[longest] === 0) {
    longest -= 1;
  }
  add(longest, -1);
  return counts;
}
