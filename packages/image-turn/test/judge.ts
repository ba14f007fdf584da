/** Judges a turned image by what an independent decoder shows of it and of its source. */

/** A decoded picture, upright: red, green, blue and alpha, a byte each. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** The mean and the largest difference that a sample may have, of 255. */
export interface Tolerance {
  readonly mean: number;
  readonly largest: number;
}

export interface Judgement {
  readonly verdict: "same" | "within" | "different";
  readonly mean: number;
  readonly largest: number;
  /** What is different, where that is not a matter of samples. */
  readonly why?: string;
}

const apart = (why: string): Judgement => ({ verdict: "different", mean: 255, largest: 255, why });

/**
 * Compares pictures with what they should be: the source's, a quarter turned. Colours that nobody sees, because alpha
 * is 0 in both, are not compared.
 */
export function judge(
  source: readonly Picture[],
  result: readonly Picture[],
  angle: 90 | -90,
  tolerance: Tolerance,
): Judgement {
  if (source.length !== result.length) {
    return apart(`${result.length} pictures instead of ${source.length}`);
  }
  let [largest, mean] = [0, 0];
  for (const [index, picture] of source.entries()) {
    const { width, height } = result[index] as Picture;
    if (width !== picture.height || height !== picture.width) {
      return apart(
        `picture ${index + 1} is ${width} × ${height}, its source ${picture.width} × ${picture.height}`,
      );
    }
    const found = difference(picture, result[index] as Picture, angle);
    largest = Math.max(largest, found.largest);
    mean = Math.max(mean, found.mean);
  }
  const same = largest === 0;
  const within = mean <= tolerance.mean && largest <= tolerance.largest;
  return { verdict: same ? "same" : within ? "within" : "different", mean, largest };
}

/** The difference of a turned picture from its source, pixel by pixel at the places where they should be. */
function difference(source: Picture, turned: Picture, angle: 90 | -90): Tolerance {
  const [a, b] = [source.data, turned.data];
  // Where the turned picture's first pixel comes from, and how far each step right and down in it moves there.
  const { width, height } = source;
  const first = angle === 90 ? (height - 1) * width : width - 1;
  const [right, down] = angle === 90 ? [-width, 1] : [width, -1];
  let [sum, largest, to] = [0, 0, 0];
  for (let y = 0; y < turned.height; y += 1) {
    let from = (first + y * down) * 4;
    for (let x = 0; x < turned.width; x += 1, to += 4, from += right * 4) {
      if (a[from + 3] === 0 && b[to + 3] === 0) {
        continue;
      }
      for (let channel = 0; channel < 4; channel += 1) {
        const off = Math.abs((a[from + channel] as number) - (b[to + channel] as number));
        sum += off;
        if (off > largest) largest = off;
      }
    }
  }
  return { mean: sum / a.length, largest };
}

/**
 * What may differ. Nothing, where samples are moved and stored as they are. Where coefficients are moved, or planes with
 * coarser chroma, decoders interpolate and round from another side. Where the image was encoded anew, it is a little softer.
 */
export function toleranceOf(kind: "stored" | "coefficients" | "planes" | "encoded"): Tolerance {
  return {
    stored: { mean: 0, largest: 0 },
    coefficients: { mean: 0.5, largest: 16 },
    planes: { mean: 3, largest: 128 },
    encoded: { mean: 8, largest: 255 },
  }[kind];
}
