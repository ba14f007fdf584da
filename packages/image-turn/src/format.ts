// biome-ignore-all lint/suspicious/noControlCharactersInRegex: files begin with control characters.
import { ImageRejected } from "./contract.ts";

/** The formats that are turned, by the name that their media type has. */
export type Format = "jpeg" | "png" | "webp" | "gif" | "tiff" | "avif" | "heic";

/** How the formats that are turned begin. */
const supported: readonly [RegExp, Format][] = [
  // Some cameras leave a few bytes before the first segment.
  [/^\xff\xd8[\s\S]{0,64}?\xff[\xc0-\xc2\xc4\xdb\xdd-\xef\xfe\xff]/, "jpeg"],
  [/^\xff\xd8\xff/, "jpeg"],
  [/^\x89PNG\r\n\x1a\n/, "png"],
  [/^RIFF[\s\S]{4}WEBP/, "webp"],
  [/^GIF8[79]a/, "gif"],
  [/^(II[*+]\0|MM\0[*+])/, "tiff"],
];

/** How images and documents begin that are not turned. Some raw files begin as a TIFF does. */
const images: readonly [RegExp, string][] = [
  [/^(II[*]\0[\s\S]{4}CR|IIRO|IIU\0|FUJIFILMCCD-RAW)/, "a camera's raw file"],
  [/^(\0\0\0\x0cJXL |\xff\x0a)/, "a JPEG XL image"],
  [/^(\0\0\0\x0cjP {2}|\xff\x4f\xff\x51)/, "a JPEG 2000 image"],
  [/^BM[\s\S]{13}\0\0\0/, "a BMP image"],
  [/^\0\0[\x01\x02]\0[\s\S]\0/, "an icon"],
  [/^8BPS/, "a Photoshop document"],
  [/^SIMPLE {2}=/, "a FITS image"],
  [/^#\?RADIANCE/, "a Radiance image"],
  [/^v\/1\x01/, "an OpenEXR image"],
  [/^P[1-7][\s#]/, "a PNM image"],
  [/^%PDF-/, "a PDF document"],
  [/^(%!PS|\xc5\xd0\xd3\xc6)/, "a PostScript document"],
  [
    /^(\xef\xbb\xbf)?\s*(<\?xml[\s\S]*?|<!--[\s\S]*?|<!DOCTYPE svg[\s\S]*?)?<svg[\s>]/i,
    "an SVG drawing, not pixels",
  ],
];

/** How other files begin that people upload by mistake. */
const others: readonly [RegExp, string][] = [
  [/^RIFF[\s\S]{4}AVI /, "an AVI video"],
  [/^(\x1a\x45\xdf\xa3|\0\0\x01[\xb3\xba]|FLV\x01|OggS)/, "a video"],
  [/^(ID3|RIFF[\s\S]{4}WAVE|fLaC)/, "a sound"],
  [/^PK(\x03\x04|\x05\x06)/, "a ZIP archive or an office document"],
  [/^(\x1f\x8b|BZh|\xfd7zXZ\0|7z\xbc\xaf\x27\x1c|Rar!)/, "an archive"],
  [/^(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body)\b/i, "an HTML page"],
  [/^(\xef\xbb\xbf)?\s*<\?xml/, "an XML document"],
  [/^[^\0-\x08\x0e-\x1a\x1c-\x1f\x7f]+$/, "text"],
];

/** Brands of ISO base media files (ISO/IEC 14496-12, ftyp), those that say most first. */
const brandedImages: readonly [RegExp, string][] = [
  [/^avis/, "an animated AVIF image"],
  [/^hev[cxms]/, "an animated HEIC image"],
  [/^crx /, "a camera's raw file"],
  [/^(mif1|msf1|mif2)/, "a HEIF image"],
];
const heic = /^hei[cxms]/;
const brandedOthers: readonly [RegExp, string][] = [
  [/^qt {2}/, "a QuickTime video"],
  [/^M4A/, "a sound"],
  [/^/, "an MP4 video"],
];

/**
 * The format of a file by its content, whatever its name says.
 *
 * @throws {ImageRejected} where it is none that is turned, saying what it is where that can be told.
 */
export function identify(source: Buffer): Format {
  if (source.length === 0) {
    throw new ImageRejected("empty", "The file is empty.");
  }
  const start = source.toString("latin1", 0, 1024);
  const brands = brandsOf(start);
  const [major = "", ...compatible] = brands;
  if (major === "avif" || (/^mi[af]/.test(major) && compatible.includes("avif"))) {
    return "avif";
  }
  // The major brand may be that of any HEIF image; those behind it say how the images are coded.
  if (heic.test(major) || (/^m(if|sf)\d/.test(major) && compatible.some((brand) => heic.test(brand)))) {
    return "heic";
  }
  const raw = images[0]?.[0].test(start);
  const format = supported.find(([pattern]) => pattern.test(start))?.[1];
  if (format !== undefined && !raw) {
    return format;
  }
  const image = named(images, [start]) ?? named(brandedImages, brands);
  const other = named(brandedOthers, brands) ?? named(others, [start]) ?? "no image that is known here";
  throw new ImageRejected(
    image === undefined ? "not-an-image" : "unsupported-format",
    `The file is ${image ?? other}; JPEG, PNG, WebP, GIF, TIFF, AVIF and HEIC are turned here.`,
  );
}

function named(kinds: readonly [RegExp, string][], texts: readonly string[]): string | undefined {
  return kinds.find(([pattern]) => texts.some((text) => pattern.test(text)))?.[1];
}

/** The brands of an ISO base media file, the major one first; none where the file is something else. */
function brandsOf(start: string): string[] {
  if (start.slice(4, 8) !== "ftyp") {
    return [];
  }
  const length = (start.charCodeAt(2) << 8) | start.charCodeAt(3);
  return [start.slice(8, 12), ...(start.slice(16, length).match(/[\s\S]{4}/g) ?? [])];
}
