/** Quality of a JPEG, from the tables that it was quantised with. */

/** How to encode so that the result is quantised like the source. */
export interface Quantisation {
  /** 1 to 100, on libjpeg's scale. */
  readonly quality: number;
  /** mozjpeg's number of the base table: 0 is ITU-T T.81 annex K, 3 is mozjpeg's own default. */
  readonly table: 0 | 3;
}

/** ITU-T T.81, annex K.1, in the zigzag order of a JPEG's tables. */
const annexK: readonly [readonly number[], readonly number[]] = [
  [
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37, 29, 40,
    58, 51, 61, 60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87, 95, 98, 103, 104,
    103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
  ],
  [17, 18, 18, 24, 21, 24, 47, 26, 26, 47, 99, 66, 56, 66, ...new Array<number>(50).fill(99)],
];

/** mozjpeg's default table, N. Robidoux's, in zigzag order; the same for brightness and colour. */
const robidoux = [
  16, 16, 16, 16, 17, 16, 18, 20, 20, 18, 25, 27, 24, 27, 25, 37, 34, 31, 31, 34, 37, 56, 40, 43, 40, 43, 40,
  56, 85, 53, 62, 53, 53, 62, 53, 85, 75, 91, 74, 69, 74, 91, 75, 135, 106, 94, 94, 106, 135, 156, 131, 124,
  131, 156, 189, 169, 169, 189, 238, 226, 238, 255, 255, 255,
] as const;

const bases = [
  { table: 0, brightness: annexK[0], colour: annexK[1] },
  { table: 3, brightness: robidoux, colour: robidoux },
] as const;

/**
 * The quality and base table whose quantisation is nearest to a source's. Encoders that scale one of the two base
 * tables as libjpeg does, which most do, are met exactly; any other table is met in the mean of its steps.
 *
 * @param brightness The 64 steps of the first component, in zigzag order.
 * @param colour Those of the second component, where there is one.
 */
export function quantisation(brightness: readonly number[], colour?: readonly number[]): Quantisation {
  const name = [brightness, colour].join(";");
  const known = found.get(name) ?? nearest(brightness, colour);
  if (found.size >= MAX_FOUND) found.clear();
  found.set(name, known);
  return known;
}

/** What was found for tables before: a camera's or a program's images all have the same few. */
const found = new Map<string, Quantisation>();
const MAX_FOUND = 100;

function nearest(brightness: readonly number[], colour: readonly number[] | undefined): Quantisation {
  let nearest: Quantisation = { quality: 90, table: 0 };
  let min = Number.POSITIVE_INFINITY;
  for (const base of bases) {
    for (let quality = 1; quality <= 100; quality += 1) {
      let far = distance(brightness, base.brightness, quality, min);
      if (colour !== undefined && far < min) far += distance(colour, base.colour, quality, min - far);
      if (far < min) {
        min = far;
        nearest = { quality, table: base.table };
      }
    }
  }
  return nearest;
}

/**
 * How far a table is from a base table at a quality: squares of the steps' ratios, slow waves weighing most. What is no
 * nearer than `min` is not followed to its end.
 */
function distance(steps: readonly number[], base: readonly number[], quality: number, min: number): number {
  const scale = quality < 50 ? 5000 / quality : 200 - 2 * quality;
  let sum = 0;
  for (let index = 0; index < steps.length && sum < min; index += 1) {
    const step = steps[index] as number;
    const scaled = Math.min(255, Math.max(1, Math.floor(((base[index] as number) * scale + 50) / 100)));
    sum += Math.log(Math.max(1, step) / scaled) ** 2 / (1 + index / 8);
  }
  return sum;
}
