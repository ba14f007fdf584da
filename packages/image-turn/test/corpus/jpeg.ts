import sharp, { type JpegOptions } from "sharp";
import { picture, type Raster } from "./raster.ts";

/** A marker segment of a JPEG: its marker's second byte and its data. */
export interface Segment {
  readonly marker: number;
  readonly data: Buffer;
}

/** Encodes a raster without any metadata. */
export function jpeg(raster: Raster, options?: JpegOptions): Promise<Buffer> {
  const { width, height, channels } = raster;
  const image = sharp(raster.data, { raw: { width, height, channels } });
  return (channels === 1 ? image.toColourspace("b-w") : image).jpeg(options).toBuffer();
}

/** A JPEG with four inks, as a printer's photograph is. */
export function cmykJpeg(width: number, height: number, profile = false): Promise<Buffer> {
  const { data } = picture(width, height);
  const image = sharp(data, { raw: { width, height, channels: 3 } }).toColourspace("cmyk");
  return (profile ? image.withIccProfile("cmyk") : image).jpeg({ quality: 95 }).toBuffer();
}

/** A grey JPEG whose chroma is halved across, in multiples of 16 × 8: every block is two bits that say "as before". */
export function flat422(width: number, height: number): Buffer {
  const frame = [
    8,
    height >> 8,
    height & 255,
    width >> 8,
    width & 255,
    3,
    1,
    0x21,
    0,
    2,
    0x11,
    0,
    3,
    0x11,
    0,
  ];
  const oneCode = [1, ...new Array(15).fill(0), 0];
  const scan = [3, 1, 0, 2, 0, 3, 0, 0, 63, 0];
  const pixels = Buffer.alloc((width / 16) * (height / 8));
  const segment = (marker: number, data: readonly number[]) =>
    Buffer.from([0xff, marker, (data.length + 2) >> 8, (data.length + 2) & 255, ...data]);
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    segment(0xdb, [0, ...new Array(64).fill(4)]),
    segment(0xc0, frame),
    segment(0xc4, [0x00, ...oneCode]),
    segment(0xc4, [0x10, ...oneCode]),
    segment(0xda, scan),
    pixels,
    Buffer.from([0xff, 0xd9]),
  ]);
}

/** The segments before the pixels, in their order. */
export function segments(file: Buffer): Segment[] {
  const found: Segment[] = [];
  for (let at = 2; file.readUInt8(at + 1) !== 0xda; at += 2 + file.readUInt16BE(at + 2)) {
    const data = file.subarray(at + 4, at + 2 + file.readUInt16BE(at + 2));
    found.push({ marker: file.readUInt8(at + 1), data });
  }
  return found;
}

/** The file with segments put at its beginning, before those that it has. */
export function withSegments(file: Buffer, added: readonly Segment[]): Buffer {
  const encoded = added.map(({ marker, data }) => {
    const head = Buffer.from([0xff, marker, 0, 0]);
    head.writeUInt16BE(data.length + 2, 2);
    return Buffer.concat([head, data]);
  });
  return Buffer.concat([file.subarray(0, 2), ...encoded, file.subarray(2)]);
}

export function exifSegment(block: Buffer): Segment {
  return { marker: 0xe1, data: Buffer.concat([Buffer.from("Exif\0\0", "latin1"), block]) };
}

export function xmpSegment(packet: Buffer): Segment {
  return {
    marker: 0xe1,
    data: Buffer.concat([Buffer.from("http://ns.adobe.com/xap/1.0/\0", "latin1"), packet]),
  };
}

export function photoshopSegment(blocks: Buffer): Segment {
  return { marker: 0xed, data: Buffer.concat([Buffer.from("Photoshop 3.0\0", "latin1"), blocks]) };
}

/** The data of the first segment that begins with a signature, without the signature. */
export function metadataOf(file: Buffer, signature: string): Buffer | undefined {
  const found = segments(file).find(({ data }) => data.toString("latin1", 0, signature.length) === signature);
  return found?.data.subarray(signature.length);
}
