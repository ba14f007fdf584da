import { Damaged } from "../../damage.ts";

/** Codes have at most 12 bits (GIF89a, appendix F). */
const maxCodes = 4096;

/**
 * Decodes a frame's pixels to one palette index a byte.
 * One loop, as it runs once a code and would be slower in pieces.
 *
 * @param codeSize Bits of an index, 1 to 8.
 * @param pixels How many pixels the frame has; what follows them is ignored, as viewers do.
 */
export function decodeLzw(codeSize: number, data: Uint8Array, pixels: number): Uint8Array {
  if (codeSize < 1 || codeSize > 8) {
    throw new Damaged("the size of its codes is wrong");
  }
  const output = new Uint8Array(pixels);
  const clear = 1 << codeSize;
  // Each code is the pixels of an earlier place in the output: one longer than the code before it.
  const start = new Uint32Array(maxCodes);
  const length = new Uint16Array(maxCodes);
  let next = clear + 2;
  let width = codeSize + 1;
  let previous = -1;
  let previousStart = 0;
  let previousLength = 0;
  let written = 0;
  let bits = 0;
  let held = 0;
  for (let at = 0; written < pixels; ) {
    while (held < width) {
      if (at === data.length) {
        throw new Damaged("a frame has too few pixels");
      }
      bits |= (data[at] as number) << held;
      held += 8;
      at += 1;
    }
    const code = bits & ((1 << width) - 1);
    bits >>>= width;
    held -= width;
    if (code === clear) {
      next = clear + 2;
      width = codeSize + 1;
      previous = -1;
      continue;
    }
    if (code === clear + 1) {
      throw new Damaged("a frame has too few pixels");
    }
    const here = written;
    if (code < clear) {
      output[written] = code;
      written += 1;
    } else if (code < next || (code === next && previous >= 0 && next < maxCodes)) {
      const known = code < next;
      const from = known ? (start[code] as number) : previousStart;
      const count = known ? (length[code] as number) : previousLength + 1;
      const end = Math.min(pixels, written + count);
      for (let index = from; written < end; index += 1, written += 1) {
        output[written] = output[index] as number;
      }
    } else {
      throw new Damaged("a frame has a code that was never defined");
    }
    if (previous >= 0 && next < maxCodes) {
      start[next] = previousStart;
      length[next] = previousLength + 1;
      next += 1;
      if (next === 1 << width && width < 12) {
        width += 1;
      }
    }
    previous = code;
    previousStart = here;
    previousLength = written - here;
  }
  return output;
}

/**
 * A code and the index that follows it give the longer code. An entry counts only with the present generation in
 * its upper 20 bits, so that a new table costs nothing.
 */
const longer = new Uint32Array(maxCodes << 8);
let generation = 0;

function nextGeneration(): number {
  generation = (generation + 1) & 0xfffff;
  if (generation === 0) {
    longer.fill(0);
    generation = 1;
  }
  return generation << 12;
}

/** Encodes palette indices of `codeSize` bits, 2 to 8; the reverse of `decodeLzw`. */
export function encodeLzw(codeSize: number, indices: Uint8Array): Uint8Array {
  const clear = 1 << codeSize;
  let table = nextGeneration();
  // Each index takes at most one code of 12 bits; clears come once in 3838 codes, the end once.
  const output = new Uint8Array(Math.ceil(indices.length * 1.51) + 16);
  let written = 0;
  let bits = 0;
  let held = 0;
  let next = clear + 2;
  let width = codeSize + 1;
  const emit = (code: number) => {
    bits |= code << held;
    held += width;
    while (held >= 8) {
      output[written] = bits;
      written += 1;
      bits >>>= 8;
      held -= 8;
    }
  };
  emit(clear);
  let code = indices[0] as number;
  for (let at = 1; at < indices.length; at += 1) {
    const key = (code << 8) | (indices[at] as number);
    const found = (longer[key] as number) - table;
    if (found >= 0 && found < maxCodes) {
      code = found;
      continue;
    }
    emit(code);
    if (next === maxCodes) {
      emit(clear);
      table = nextGeneration();
      next = clear + 2;
      width = codeSize + 1;
    } else {
      longer[key] = table + next;
      if (next === 1 << width) {
        width += 1;
      }
      next += 1;
    }
    code = indices[at] as number;
  }
  emit(code);
  if (next === 1 << width && width < 12) {
    width += 1;
  }
  emit(clear + 1);
  if (held > 0) {
    output[written] = bits;
    written += 1;
  }
  return output.subarray(0, written);
}
