/** Exif blocks, XMP packets and Photoshop resources, built byte by byte. */

export interface ExifContent {
  readonly orientation?: number;
  /** Dots an inch, across and down. */
  readonly resolution?: readonly [number, number];
  /** The size that the Exif directory states. */
  readonly size?: readonly [number, number];
  /** A JPEG. */
  readonly thumbnail?: Buffer;
  /** Bytes that only a camera's maker can read. */
  readonly makerNote?: Buffer;
  readonly copyright?: string;
  readonly bigEndian?: boolean;
}

type Entry = readonly [tag: number, type: number, count: number, value: number | Buffer];

/** An Exif block, without the signature that a JPEG puts before it. */
export function exif(content: ExifContent): Buffer {
  const big = content.bigEndian ?? false;
  const number = (value: number, bytes: number) => {
    const buffer = Buffer.alloc(bytes);
    big ? buffer.writeUIntBE(value, 0, bytes) : buffer.writeUIntLE(value, 0, bytes);
    return buffer;
  };
  const rational = (value: number) => Buffer.concat([number(value, 4), number(1, 4)]);

  const details: Entry[] = [];
  if (content.makerNote !== undefined) {
    details.push([0x927c, 7, content.makerNote.length, content.makerNote]);
  }
  if (content.size !== undefined) {
    details.push([0xa002, 4, 1, content.size[0]], [0xa003, 3, 1, content.size[1]]);
  }
  const main: Entry[] = [];
  if (content.orientation !== undefined) {
    main.push([0x0112, 3, 1, content.orientation]);
  }
  if (content.resolution !== undefined) {
    main.push(
      [0x011a, 5, 1, rational(content.resolution[0])],
      [0x011b, 5, 1, rational(content.resolution[1])],
    );
    main.push([0x0128, 3, 1, 2]);
  }
  if (content.copyright !== undefined) {
    main.push([0x8298, 2, content.copyright.length + 1, Buffer.from(`${content.copyright}\0`, "latin1")]);
  }
  const block: Buffer[] = [Buffer.from(big ? "MM\0*" : "II*\0", "latin1"), number(8, 4)];
  let length = 8;
  const push = (buffer: Buffer) => {
    block.push(buffer);
    length += buffer.length;
  };
  const directory = (entries: readonly Entry[], next: boolean) => {
    let data = length + 2 + entries.length * 12 + 4;
    const values: Buffer[] = [];
    push(number(entries.length, 2));
    for (const [tag, type, count, value] of entries) {
      push(Buffer.concat([number(tag, 2), number(type, 2), number(count, 4)]));
      if (typeof value === "number") {
        push(Buffer.concat([number(value, type === 3 ? 2 : 4), Buffer.alloc(type === 3 ? 2 : 0)]));
      } else if (value.length <= 4) {
        push(Buffer.concat([value, Buffer.alloc(4 - value.length)]));
      } else {
        push(number(data, 4));
        values.push(value);
        data += value.length;
      }
    }
    push(number(next ? data : 0, 4));
    values.forEach(push);
  };

  // The Exif directory lies behind the main one and its values; the thumbnail's behind both.
  const valuesOf = (entries: readonly Entry[]) =>
    entries.reduce(
      (sum, [, , , value]) => sum + (typeof value === "number" || value.length <= 4 ? 0 : value.length),
      0,
    );
  const mainEntries = main.length + (details.length > 0 ? 1 : 0);
  const afterMain = 8 + 2 + mainEntries * 12 + 4 + valuesOf(main);
  if (details.length > 0) {
    main.push([0x8769, 4, 1, afterMain]);
  }
  main.sort(([a], [b]) => a - b);
  const afterDetails =
    details.length > 0 ? afterMain + 2 + details.length * 12 + 4 + valuesOf(details) : afterMain;
  directory(main, false);
  if (details.length > 0) {
    directory(details, false);
  }
  if (content.thumbnail !== undefined) {
    const { thumbnail } = content;
    const link = 8 + 2 + mainEntries * 12;
    const linked = Buffer.concat(block);
    number(afterDetails, 4).copy(linked, link);
    block.splice(0, block.length, linked);
    const offset = length + 2 + 3 * 12 + 4;
    directory(
      [
        [0x0103, 3, 1, 6],
        [0x0201, 4, 1, offset],
        [0x0202, 4, 1, thumbnail.length],
      ],
      false,
    );
    push(thumbnail);
  }
  return Buffer.concat(block);
}

export function xmp(orientation: number): Buffer {
  return Buffer.from(
    `<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
xmlns:xmp="http://ns.adobe.com/xap/1.0/" tiff:Orientation="${orientation}" dc:source="drawn"
><xmp:Thumbnails>QUFBQQ==</xmp:Thumbnails></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>`,
  );
}

/** Photoshop image resources: IPTC with a caption, a resolution of 300 × 150, and a thumbnail. */
export function resources(): Buffer {
  const resource = (id: number, data: Buffer) => {
    const head = Buffer.alloc(12);
    head.write("8BIM", 0, "latin1");
    head.writeUInt16BE(id, 4);
    head.writeUInt32BE(data.length, 8);
    return Buffer.concat([head, data, Buffer.alloc(data.length % 2)]);
  };
  const resolution = Buffer.alloc(16);
  resolution.writeUInt32BE(300 << 16, 0);
  resolution.writeUInt16BE(1, 4);
  resolution.writeUInt32BE(150 << 16, 8);
  resolution.writeUInt16BE(1, 12);
  return Buffer.concat([
    resource(0x03ed, resolution),
    resource(0x040c, Buffer.alloc(31)),
    resource(0x0404, iptc()),
  ]);
}

/** An IPTC record with one field, a caption. */
export function iptc(): Buffer {
  const caption = "A corner that is dark";
  return Buffer.concat([Buffer.from([0x1c, 2, 120, 0, caption.length]), Buffer.from(caption, "latin1")]);
}
