/** Random numbers that can be repeated. */
export interface Rng {
  /** A number from 0 to below 1. */
  next(): number;
  /** Draws how many of `n` independent tries succeed, each with probability `p`. */
  binomial(n: number, p: number): number;
}

/** Tries that are counted one by one; above, the normal distribution is as good. */
const ONE_BY_ONE = 32;

/** @param seed a whole number; the same one gives the same numbers */
export function rng(seed: number): Rng {
  let state = seed >>> 0;
  // Mulberry32, by Tommy Ettinger, in the public domain.
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const binomial = (n: number, p: number): number => {
    if (n === 0 || p <= 0) return 0;
    if (p >= 1) return n;
    if (n <= ONE_BY_ONE) return Array.from({ length: n }, next).filter((number) => number < p).length;
    const normal = Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
    return Math.min(n, Math.max(0, Math.round(n * p + normal * Math.sqrt(n * p * (1 - p)))));
  };
  return { next, binomial };
}
