/** Damages files as networks, disks and attackers do, the same way for the same seed. */

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Numbers at which lengths, counts and sizes go wrong. */
const edges = [
  0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff,
];

/** One to four kinds of damage, most of them where headers are. */
export function mutate(source: Buffer, next: () => number): Buffer {
  let file = Buffer.from(source);
  const below = (limit: number) => Math.floor(next() * limit);
  const place = () => below(next() < 0.6 ? Math.min(file.length, 400) : file.length);
  for (let left = 1 + below(4); left > 0 && file.length > 0; left -= 1) {
    const at = place();
    const kind = below(8);
    if (kind === 0) {
      file[at] = (file[at] as number) ^ (1 << below(8));
    } else if (kind === 1) {
      file[at] = below(256);
    } else if (kind === 2) {
      file = file.subarray(0, at);
    } else if (kind === 3) {
      file = Buffer.concat([file.subarray(0, at), file.subarray(Math.min(file.length, at + 1 + below(40)))]);
    } else if (kind === 4) {
      const end = Math.min(file.length, at + 1 + below(60));
      file = Buffer.concat([file.subarray(0, end), file.subarray(at, end), file.subarray(end)]);
    } else if (kind === 5) {
      file = Buffer.concat([
        file.subarray(0, at),
        Buffer.alloc(1 + below(40), below(256)),
        file.subarray(at),
      ]);
    } else {
      const bytes = [1, 2, 4][below(3)] as 1 | 2 | 4;
      const value = ((edges[below(edges.length)] as number) % 2 ** (8 * bytes)) >>> 0;
      if (at + bytes <= file.length) {
        next() < 0.5 ? file.writeUIntBE(value, at, bytes) : file.writeUIntLE(value, at, bytes);
      }
    }
  }
  return file;
}
