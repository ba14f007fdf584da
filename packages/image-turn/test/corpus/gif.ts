/** GIFs, written without compression: every code is one index, and the table is cleared before codes get longer. */

export interface GifFrame {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  /** Palette indices, row by row. */
  readonly indices: ArrayLike<number>;
  /** Hundredths of a second. */
  readonly delay?: number;
  /** 0 to 3: what becomes of the frame before the next one is drawn. */
  readonly disposal?: number;
  readonly transparent?: number;
  readonly palette?: Buffer;
  readonly interlaced?: boolean;
}

export interface GifContent {
  readonly width: number;
  readonly height: number;
  /** Colours of three bytes, a power of two of them. */
  readonly palette?: Buffer;
  readonly frames: readonly GifFrame[];
  /** How often the animation is repeated; 0 is for ever. */
  readonly loop?: number;
  readonly comment?: string;
}

/** Sixteen colours. */
export const palette = Buffer.from(Array.from({ length: 48 }, (_, index) => (index * 53 + 20) % 256));

export function gif({ width, height, palette: colours, frames, loop, comment }: GifContent): Buffer {
  const screen = Buffer.from("GIF89a\0\0\0\0\0\0\0", "latin1");
  screen.writeUInt16LE(width, 6);
  screen.writeUInt16LE(height, 8);
  screen.writeUInt8(colours ? 0x80 | bitsOf(colours) : 0, 10);
  return Buffer.concat([
    screen,
    colours ?? Buffer.alloc(0),
    loop === undefined
      ? Buffer.alloc(0)
      : Buffer.concat([
          Buffer.from("\x21\xff\x0bNETSCAPE2.0\x03\x01", "latin1"),
          Buffer.from([loop & 255, loop >> 8, 0]),
        ]),
    comment
      ? Buffer.from(`\x21\xfe${String.fromCharCode(comment.length)}${comment}\0`, "latin1")
      : Buffer.alloc(0),
    ...frames.map(encodeFrame),
    Buffer.from([0x3b]),
  ]);
}

/** An animation whose frames are parts of the canvas and are disposed of in every way. */
export function animatedGif(width = 20, height = 14): Buffer {
  const part = (columns: number, rows: number, step: number) =>
    Array.from({ length: columns * rows }, (_, index) => (index * step + (index >> 4)) % 16);
  return gif({
    width,
    height,
    palette,
    loop: 5,
    comment: "drawn for a test",
    frames: [
      { left: 0, top: 0, width, height, indices: part(width, height, 3), delay: 7, disposal: 1 },
      {
        left: 3,
        top: 2,
        width: 9,
        height: 5,
        indices: part(9, 5, 5),
        delay: 11,
        disposal: 2,
        transparent: 5,
      },
      {
        left: 10,
        top: 1,
        width: 4,
        height: 12,
        indices: part(4, 12, 7),
        delay: 13,
        disposal: 3,
        interlaced: true,
      },
      {
        ...{ left: 0, top: 6, width: 15, height: 8, indices: part(15, 8, 1), delay: 17, disposal: 0 },
        palette: Buffer.from(palette).reverse(),
      },
    ],
  });
}

function bitsOf(colours: Buffer): number {
  return Math.log2(colours.length / 3) - 1;
}

function encodeFrame(frame: GifFrame): Buffer {
  const { left, top, width, height, indices, delay = 0, disposal = 0, transparent, interlaced } = frame;
  const control = Buffer.from([
    0x21,
    0xf9,
    4,
    (disposal << 2) | (transparent === undefined ? 0 : 1),
    0,
    0,
    0,
    0,
  ]);
  control.writeUInt16LE(delay, 4);
  control.writeUInt8(transparent ?? 0, 6);
  const descriptor = Buffer.from([0x2c, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  for (const [index, value] of [left, top, width, height].entries()) {
    descriptor.writeUInt16LE(value, 1 + index * 2);
  }
  const local = frame.palette;
  descriptor.writeUInt8((local ? 0x80 | bitsOf(local) : 0) | (interlaced ? 0x40 : 0), 9);
  const rows = interlaced ? interlacedRows(height) : Array.from({ length: height }, (_, row) => row);
  const ordered = rows.flatMap((row) =>
    Array.from({ length: width }, (_, x) => indices[row * width + x] as number),
  );
  return Buffer.concat([control, descriptor, local ?? Buffer.alloc(0), codes(ordered)]);
}

function interlacedRows(height: number): number[] {
  const passes = [
    [0, 8],
    [4, 8],
    [2, 4],
    [1, 2],
  ] as const;
  return passes.flatMap(([first, step]) =>
    Array.from(
      { length: Math.max(0, Math.ceil((height - first) / step)) },
      (_, index) => first + index * step,
    ),
  );
}

/** Indices of up to 8 bits as codes of 9 bits, the table cleared every 200 codes. */
function codes(indices: readonly number[]): Buffer {
  const all: number[] = [];
  for (const [position, index] of indices.entries()) {
    if (position % 200 === 0) {
      all.push(256);
    }
    all.push(index);
  }
  all.push(257);
  const bytes: number[] = [];
  let [bits, held] = [0, 0];
  for (const code of all) {
    bits |= code << held;
    for (held += 9; held >= 8; held -= 8) {
      bytes.push(bits & 255);
      bits >>>= 8;
    }
  }
  bytes.push(bits & 255);
  const blocks: Buffer[] = [Buffer.from([8])];
  for (let at = 0; at < bytes.length; at += 255) {
    const block = bytes.slice(at, at + 255);
    blocks.push(Buffer.from([block.length, ...block]));
  }
  return Buffer.concat([...blocks, Buffer.from([0])]);
}
