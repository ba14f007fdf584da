/** Exif as ImageMagick wrote it into PNGs before there was a chunk for it: a text of hexadecimal digits. */
import { deflateSync, inflateSync } from "node:zlib";

export interface RawProfile {
  /** What comes before the text: keyword, and method of compression. */
  readonly head: Buffer;
  /** The profile's own name, and what comes before Exif in it. */
  readonly name: string;
  readonly prefix: Buffer;
  readonly exif: Buffer;
}

const keyword = /^Raw profile type (?:exif|APP1)\0/;
const signature = Buffer.from("Exif\0\0", "latin1");
/** Most bytes of a text: Exif fits into a JPEG's segment of 64 KB. */
const maxText = 1_000_000;

/** The profile that a `tEXt` or `zTXt` chunk holds; undefined where it is another text, or damaged. */
export function decodeProfile(type: string, data: Buffer): RawProfile | undefined {
  const [start] = keyword.exec(data.toString("latin1", 0, 32)) ?? [];
  if (start === undefined || data.length > maxText) {
    return undefined;
  }
  const head = data.subarray(0, start.length + (type === "zTXt" ? 1 : 0));
  const text = textOf(type, data.subarray(head.length));
  const [, name, length, digits = ""] = /^\n(\w{1,40})\n\s{0,20}(\d{1,7})\n([\da-fA-F\s]*)$/.exec(text) ?? [];
  const bytes = Buffer.from(digits.replaceAll(/\s/g, ""), "hex");
  if (name === undefined || bytes.length !== Number(length)) {
    return undefined;
  }
  const prefix = bytes.subarray(0, bytes.indexOf(signature) === 0 ? signature.length : 0);
  const exif = bytes.subarray(prefix.length);
  return /^(II\*\0|MM\0\*)/.test(exif.toString("latin1", 0, 4)) ? { head, name, prefix, exif } : undefined;
}

function textOf(type: string, data: Buffer): string {
  try {
    const bytes = type === "tEXt" ? data : inflateSync(data, { maxOutputLength: maxText });
    return bytes.toString("latin1");
  } catch {
    return "";
  }
}

/** What XMP's specification has an iTXt chunk begin with: keyword, no compression, no language. */
export const xmpHead = Buffer.from("XML:com.adobe.xmp\0\0\0\0\0", "latin1");
/** XMP of a camera has some kilobytes; with thumbnails, some hundred. */
export const maxPacket = 16_000_000;

/**
 * The XMP packet that a text chunk holds, which libvips compresses to `zTXt`; undefined where it is another text, or
 * damaged.
 */
export function decodeXmp(type: string, data: Buffer): Buffer | undefined {
  const keyword = xmpHead.subarray(0, 18);
  if (!["tEXt", "zTXt", "iTXt"].includes(type) || !data.subarray(0, 18).equals(keyword)) {
    return undefined;
  }
  // Behind the keyword, an iTXt has flag, method, language and a translated keyword; a zTXt has a method.
  const translated = type === "iTXt" ? data.indexOf(0, data.indexOf(0, 20) + 1) + 1 : 18;
  const text = data.subarray(type === "zTXt" ? 19 : translated);
  const compressed = type === "zTXt" || (type === "iTXt" && data[18] === 1);
  try {
    return compressed ? inflateSync(text, { maxOutputLength: maxPacket }) : text;
  } catch {
    return undefined;
  }
}

/** A chunk's data with another Exif block in the profile. */
export function encodeProfile(type: string, profile: RawProfile, exif: Buffer): Buffer {
  const bytes = Buffer.concat([profile.prefix, exif]);
  const lines = bytes.toString("hex").replaceAll(/.{72}(?=.)/g, "$&\n");
  const text = Buffer.from(`\n${profile.name}\n${String(bytes.length).padStart(8)}\n${lines}\n`, "latin1");
  return Buffer.concat([profile.head, type === "tEXt" ? text : deflateSync(text)]);
}
