// biome-ignore-all lint/suspicious/noControlCharactersInRegex: files begin with control characters.
import { buffer } from "node:stream/consumers";
import sharp from "sharp";
import type { SourceFile } from "./source.ts";

/** Sides of the square that pictures are fitted into, in pixels. */
export const SIZES = { thumb: 128, large: 1024 } as const;

/** How the files begin that are decoded for a picture. SVG is none of them: it is a program for a renderer. */
const DECODED =
  /^(\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF[\s\S]{4}WEBP|II[*+]\0|MM\0[*+]|[\s\S]{4}ftypavif)/;

/** A larger file is shown without a picture. */
const MAX_BYTES = 64_000_000;
const MAX_PIXELS = 100_000_000;
/** Pictures that are kept, so that many images of one look are decoded once. */
const MAX_KEPT = 500;

/** Makes pictures of strangers' files: their pixels alone, encoded anew, and nothing else that was in the file. */
export class Pictures {
  readonly #kept = new Map<string, Promise<Buffer | undefined>>();
  /** One at a time: whoever looks must not take the computer away from the machine. */
  #last: Promise<unknown> = Promise.resolve();

  /** @returns a WebP image, or nothing where the file cannot be decoded here */
  of(file: SourceFile, size: keyof typeof SIZES): Promise<Buffer | undefined> {
    const id = `${size} ${file.key} ${file.etag}`;
    const known = this.#kept.get(id);
    if (known) {
      file.body.destroy();
      return known;
    }
    const made = this.#last.then(() => pictureOf(file, SIZES[size]));
    this.#last = made.catch(() => {});
    this.#kept.set(id, made);
    made.catch(() => this.#kept.delete(id));
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT) break;
      this.#kept.delete(oldest);
    }
    return made;
  }
}

async function pictureOf({ body, size }: SourceFile, side: number): Promise<Buffer | undefined> {
  if (size > MAX_BYTES) {
    body.destroy();
    return undefined;
  }
  const bytes = await buffer(body);
  if (!DECODED.test(bytes.toString("latin1", 0, 32))) return undefined;
  try {
    return await sharp(bytes, { limitInputPixels: MAX_PIXELS, failOn: "none" })
      .autoOrient()
      .resize({ width: side, height: side, fit: "inside", withoutEnlargement: true })
      .webp({ quality: 82, effort: 1 })
      .toBuffer();
  } catch {
    return undefined;
  }
}

/** Evenings of the burst's small images: colours of sky and sea. */
const EVENINGS: readonly (readonly [sky: string, low: string])[] = [
  ["#3f4b8f", "#f59b6c"],
  ["#b56a9b", "#ffd98a"],
  ["#2d6c75", "#f0a277"],
  ["#8c6a9c", "#f6c445"],
  ["#37407c", "#e8503f"],
  ["#58b09c", "#f3ead7"],
];
const WIDTH = 72;
const HEIGHT = 48;

/** A small image of its own: a sun over the sea, further on in each. */
export function smallImage(index: number): Promise<Buffer> {
  const evening = EVENINGS[index % EVENINGS.length] ?? ["#3f4b8f", "#f59b6c"];
  const [sky = [], low = []] = evening.map(rgb);
  const sun = { x: 8 + ((index * 7) % (WIDTH - 16)), y: 12 + ((index * 5) % 14), radius: 7 };
  const pixels = Buffer.alloc(WIDTH * HEIGHT * 3);
  for (let y = 0; y < HEIGHT; y++) {
    const depth = Math.min(1, y / 32);
    for (let x = 0; x < WIDTH; x++) {
      const isSun = y <= 32 && Math.hypot(x - sun.x, y - sun.y) < sun.radius;
      for (let channel = 0; channel < 3; channel++) {
        const [from = 0, to = 0] = [sky[channel], low[channel]];
        const value = isSun ? [255, 242, 196][channel] : y > 32 ? from * 0.6 : from + (to - from) * depth;
        pixels[(y * WIDTH + x) * 3 + channel] = Math.round(value ?? 0);
      }
    }
  }
  // The number in its corner makes each one different: those of the same look have other bytes.
  pixels.writeUInt16BE(index & 0xffff, 0);
  return sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
    .png({ compressionLevel: 6 })
    .toBuffer();
}

function rgb(colour: string): number[] {
  return [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
}
