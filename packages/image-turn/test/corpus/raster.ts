/** Pixels, and what a turn of them is by definition: the yardstick that processed images are held to. */

export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 2 | 3 | 4;
  /** Samples of 8 or 16 bits, pixel by pixel, row by row. */
  readonly data: Uint8Array | Uint16Array;
}

/** A picture without symmetry: smooth gradients, a grid and a dark corner, the same every time. */
export function picture(
  width: number,
  height: number,
  channels: Raster["channels"] = 3,
  depth: 8 | 16 = 8,
): Raster {
  const most = 2 ** depth - 1;
  const data =
    depth === 8 ? new Uint8Array(width * height * channels) : new Uint16Array(width * height * channels);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const [right, down] = [x / Math.max(1, width - 1), y / Math.max(1, height - 1)];
      const corner = x < width / 3 && y < height / 4 ? 0.2 : 1;
      const grid = (x >> 3) % 2 === (y >> 3) % 2 ? 0.1 : 0;
      const colour = [right, down, 0.5 + 0.4 * Math.sin(x / 9 + y / 14)].map(
        (value) => value * 0.9 * corner + grid,
      );
      const alpha = 1 - 0.7 * down;
      const samples = channels < 3 ? [colour[0], alpha] : [...colour, alpha];
      for (let channel = 0; channel < channels; channel += 1) {
        data[(y * width + x) * channels + channel] = Math.round(most * (samples[channel] as number));
      }
    }
  }
  return { width, height, channels, data };
}

/** Smooth shapes, edges and a little noise, as a photograph has them. */
export function photograph(width: number, height: number): Raster {
  const data = new Uint8Array(width * height * 3);
  let seed = 1;
  for (let index = 0; index < data.length; index += 3) {
    const [x, y] = [(index / 3) % width, Math.floor(index / 3 / width)];
    const shape = Math.sin(x / 23) * Math.cos(y / 31) * 60 + Math.sin((x + 2 * y) / 7) * 20;
    const edge = ((x >> 5) + (y >> 5)) % 2 === 0 ? 30 : 0;
    for (const [channel, base] of [120, 110, 90].entries()) {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      const noise = (seed / 0x7fffffff) * 12;
      data[index + channel] = Math.max(0, Math.min(255, base + (shape + edge) / (channel + 1) + noise));
    }
  }
  return { width, height, channels: 3, data };
}

/** Where a stored pixel belongs in the upright image, by the sides that Exif's orientations name. */
const places: readonly ((x: number, y: number, width: number, height: number) => [number, number])[] = [
  (x, y) => [x, y],
  (x, y, width) => [width - 1 - x, y],
  (x, y, width, height) => [width - 1 - x, height - 1 - y],
  (x, y, _, height) => [x, height - 1 - y],
  (x, y) => [y, x],
  (x, y, _, height) => [height - 1 - y, x],
  (x, y, width, height) => [height - 1 - y, width - 1 - x],
  (x, y, width) => [y, width - 1 - x],
];

/** The upright image of a raster stored in an Exif orientation. */
export function oriented(raster: Raster, orientation: number): Raster {
  const { width, height, channels, data } = raster;
  const place = places[orientation - 1] ?? places[0];
  const swapped = orientation >= 5;
  const across = swapped ? height : width;
  const output = data instanceof Uint8Array ? new Uint8Array(data) : new Uint16Array(data);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const [toX, toY] = place?.(x, y, width, height) ?? [x, y];
      for (let channel = 0; channel < channels; channel += 1) {
        const sample = data[(y * width + x) * channels + channel] as number;
        output[(toY * across + toX) * channels + channel] = sample;
      }
    }
  }
  return { width: across, height: swapped ? width : height, channels, data: output };
}

/** A raster turned by quarters clockwise. Orientation 6 is what a quarter clockwise brings upright, and so on. */
export function quarters(raster: Raster, count: number): Raster {
  return oriented(raster, [1, 6, 3, 8][((count % 4) + 4) % 4] as number);
}

/** The largest and the mean difference of two rasters' samples; a different size differs infinitely. */
export function difference(a: Raster, b: Raster): { largest: number; mean: number } {
  if (a.width !== b.width || a.height !== b.height || a.channels !== b.channels) {
    return { largest: Number.POSITIVE_INFINITY, mean: Number.POSITIVE_INFINITY };
  }
  let [largest, sum] = [0, 0];
  for (const [index, sample] of a.data.entries()) {
    const apart = Math.abs(sample - (b.data[index] as number));
    largest = Math.max(largest, apart);
    sum += apart;
  }
  return { largest, mean: sum / a.data.length };
}

/** Structural similarity of two rasters' first channels, over windows of 8 × 8 (Wang et al., 2004). */
export function similarity(a: Raster, b: Raster): number {
  const [c1, c2] = [(0.01 * 255) ** 2, (0.03 * 255) ** 2];
  let [total, windows] = [0, 0];
  for (let top = 0; top + 8 <= a.height; top += 4) {
    for (let left = 0; left + 8 <= a.width; left += 4) {
      let [sumA, sumB, squaresA, squaresB, products] = [0, 0, 0, 0, 0];
      for (let pixel = 0; pixel < 64; pixel += 1) {
        const index = ((top + (pixel >> 3)) * a.width + left + (pixel & 7)) * a.channels;
        const [p, q] = [a.data[index] as number, b.data[index] as number];
        sumA += p;
        sumB += q;
        squaresA += p * p;
        squaresB += q * q;
        products += p * q;
      }
      const [meanA, meanB] = [sumA / 64, sumB / 64];
      const [varianceA, varianceB] = [squaresA / 64 - meanA ** 2, squaresB / 64 - meanB ** 2];
      const covariance = products / 64 - meanA * meanB;
      total +=
        ((2 * meanA * meanB + c1) * (2 * covariance + c2)) /
        ((meanA ** 2 + meanB ** 2 + c1) * (varianceA + varianceB + c2));
      windows += 1;
    }
  }
  return total / windows;
}
