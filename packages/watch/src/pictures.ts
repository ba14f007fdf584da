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

/** A small image of its own: a sun over the sea, further on in each. */
export function smallImage(index: number): Promise<Buffer> {
  const [sky, low] = EVENINGS[index % EVENINGS.length] ?? [];
  // The number in its corner makes each one different: those of the same look have other bytes.
  const corner = `#${(index & 0xffffff).toString(16).padStart(6, "0")}`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="72" height="48">
<linearGradient id="sky" x2="0" y2="1"><stop stop-color="${sky}"/><stop offset="1" stop-color="${low}"/></linearGradient>
<rect width="72" height="33" fill="url(#sky)"/>
<circle cx="${8 + ((index * 7) % 56)}" cy="${12 + ((index * 5) % 14)}" r="7" fill="#fff2c4"/>
<rect y="33" width="72" height="15" fill="${sky}"/><rect y="33" width="72" height="15" opacity="0.4"/>
<rect width="1" height="1" fill="${corner}"/>
</svg>`;
  return sharp(Buffer.from(svg)).removeAlpha().png().toBuffer();
}
