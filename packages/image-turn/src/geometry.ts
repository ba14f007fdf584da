/** The geometry of a turn: EXIF orientations, quarter turns of points, rectangles and rasters. */

/** A mirroring, then a rotation: every EXIF orientation and every angle together are one of these. */
export interface Turn {
  /** Whether left and right change places, before the rotation. */
  readonly flop: boolean;
  /** Degrees clockwise, 0 ≤ degrees < 360. */
  readonly degrees: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Rectangle extends Size {
  readonly left: number;
  readonly top: number;
}

/** What brings each EXIF orientation, 1 to 8, upright (Exif 2.32, table 6). */
const upright: readonly Turn[] = [
  { flop: false, degrees: 0 },
  { flop: true, degrees: 0 },
  { flop: false, degrees: 180 },
  { flop: true, degrees: 180 },
  { flop: true, degrees: 270 },
  { flop: false, degrees: 90 },
  { flop: true, degrees: 90 },
  { flop: false, degrees: 270 },
];

/**
 * Upright first, then `angle` degrees clockwise.
 *
 * @param orientation EXIF orientation; anything but 1 to 8 counts as 1, as viewers do, and so does none.
 */
export function turnFrom(orientation: number | undefined, angle: number): Turn {
  const first = upright[(orientation ?? 1) - 1] ?? { flop: false, degrees: 0 };
  return { flop: first.flop, degrees: (((first.degrees + (angle % 360)) % 360) + 360) % 360 };
}

/**
 * What an orientation becomes that was not applied, as only some viewers follow it: they show the turned pixels by it, and
 * what they show is turned as well. A rotation may come after the turn as well as before. After a mirroring, a quarter
 * turn would go the other way, so that the mirroring is exchanged for the one that makes up for it; at angles for which there
 * is none, it stays.
 */
export function unappliedOrientation(orientation: number, angle: number): number {
  const exchanged: Readonly<Record<number, number>> = { 2: 4, 4: 2, 5: 7, 7: 5 };
  return Math.abs(angle % 180) === 90 ? (exchanged[orientation] ?? orientation) : orientation;
}

/** Whether pixels only change places and none is computed. */
export function isQuarter({ degrees }: Turn): boolean {
  return degrees % 90 === 0;
}

/** Whether width and height, and with them horizontal and vertical density, change places. */
export function swapsSides({ degrees }: Turn): boolean {
  return degrees % 180 === 90;
}

/** The size after a quarter turn. */
export function turnedSize(turn: Turn, { width, height }: Size): Size {
  return swapsSides(turn) ? { width: height, height: width } : { width, height };
}

/** Where a part of a canvas is after a quarter turn of the whole canvas. */
export function turnedRectangle(turn: Turn, canvas: Size, part: Rectangle): Rectangle {
  const left = turn.flop ? canvas.width - part.left - part.width : part.left;
  const right = canvas.width - left - part.width;
  const below = canvas.height - part.top - part.height;
  const size = turnedSize(turn, part);
  switch (turn.degrees) {
    case 90:
      return { left: below, top: left, ...size };
    case 180:
      return { left: right, top: below, ...size };
    case 270:
      return { left: part.top, top: right, ...size };
    default:
      return { left, top: part.top, ...size };
  }
}

/**
 * A raster after a quarter turn.
 *
 * @param raster Rows from top to bottom without padding, `bytes` bytes a pixel.
 */
export function turnedRaster(turn: Turn, { width, height }: Size, raster: Uint8Array, bytes = 1): Uint8Array {
  const output = new Uint8Array(raster.length);
  // Pixels are moved in the widest units that they are made of.
  const Units = bytes % 4 === 0 ? Uint32Array : bytes % 2 === 0 ? Uint16Array : Uint8Array;
  const unit = Units.BYTES_PER_ELEMENT;
  const { buffer, byteOffset } = raster.byteOffset % unit === 0 ? raster : Uint8Array.from(raster);
  const source = new Units(buffer as ArrayBuffer, byteOffset, raster.length / unit);
  const target = new Units(output.buffer);
  // Where the source's first pixel lands, and how far each step right and down in the source moves from there.
  const across = turnedSize(turn, { width, height }).width;
  const [right, down, first] = {
    0: [1, across, 0],
    90: [across, -1, across - 1],
    180: [-1, -across, width * height - 1],
    270: [-across, 1, (width - 1) * across],
  }[turn.degrees as 0 | 90 | 180 | 270] as [number, number, number];
  const step = turn.flop ? -right : right;
  const origin = turn.flop ? first + right * (width - 1) : first;
  // In blocks, so that both the reads and the writes of a block stay in the processor's cache.
  const block = 64;
  const parts = bytes / unit;
  for (let y0 = 0; y0 < height; y0 += block) {
    for (let x0 = 0; x0 < width; x0 += block) {
      const y1 = Math.min(height, y0 + block);
      const columns = Math.min(width, x0 + block) - x0;
      for (let y = y0; y < y1; y += 1) {
        const from = (y * width + x0) * parts;
        const to = (origin + y * down + x0 * step) * parts;
        moveRow(source, from, target, to, columns, step * parts, parts);
      }
    }
  }
  return output;
}

type Units = Uint8Array | Uint16Array | Uint32Array;

/** Moves neighbouring pixels to places that are `step` units apart. */
function moveRow(
  source: Units,
  from: number,
  target: Units,
  to: number,
  columns: number,
  step: number,
  parts: number,
): void {
  const end = from + columns * parts;
  for (; from < end; from += parts, to += step) {
    target[to] = source[from] as number;
    if (parts > 1) target[to + 1] = source[from + 1] as number;
    if (parts > 2) target[to + 2] = source[from + 2] as number;
    for (let part = 3; part < parts; part += 1) {
      target[to + part] = source[from + part] as number;
    }
  }
}
