import { ImageRejected } from "../../contract.ts";
import { turnedExif } from "../../exif.ts";
import { isQuarter, type Size, type Turn, turnedSize, turnFrom } from "../../geometry.ts";
import { turnedXmp } from "../../metadata.ts";
import { checkPixels, inspect, type Job, keepSpace, open, turnPixels } from "../../pixels.ts";
import { weight } from "../../weights.ts";
import { type Box, boxes, companions, type Extent, itemExtents, itemTypes, primaryItem } from "./isobmff.ts";

/** Properties that change how an item is shown, in the order that MIAF has them (ISO/IEC 23000-22, 7.3.6.7). */
const transformations: readonly string[] = ["clap", "irot", "imir"];

/**
 * Turns an AVIF. A quarter turn is one of the format's own properties, which every reader has to apply: it is set,
 * and no pixel is touched. The pixels are decoded all the same, so that a damaged image is not passed on. Any other
 * angle, and a file whose structure is not read here, is encoded anew.
 */
export async function turnAvif(source: Buffer, job: Job): Promise<Buffer> {
  const metadata = await inspect(source);
  if (metadata.compression !== "av1") {
    throw new ImageRejected("unsupported-format", "The file is a HEIC image, which cannot be read here.");
  }
  const deep = metadata.depth === "ushort";
  const turn = turnFrom(1, job.angle);
  checkPixels(job, [metadata], weight(deep ? "avif16" : "avif8", isQuarter(turn)));
  if (isQuarter(turn)) {
    await open(job, source).extract({ left: 0, top: 0, width: 1, height: 1 }).raw().toBuffer();
    const turned = await turnContainer(source, turn, turnedSize(turn, metadata));
    if (turned !== undefined) {
      return turned;
    }
  }
  const image = keepSpace(open(job, source), metadata.space);
  return turnPixels(image, turn, metadata.hasAlpha, job.background)
    .keepMetadata()
    .avif({ quality: 80, effort: 2, ...(deep && { bitdepth: metadata.bitsPerSample === 10 ? 10 : 12 }) })
    .toBuffer();
}

/** The file with a turn added to its image, or undefined where its structure is not read here. */
async function turnContainer(source: Buffer, turn: Turn, size: Size): Promise<Buffer | undefined> {
  const file = Buffer.from(source);
  const [meta, ...more] = boxes(file, 0, file.length).filter(({ type }) => type === "meta");
  const parts = new Map(meta ? boxes(file, meta.body + 4, meta.end).map((box) => [box.type, box]) : []);
  const [pitm, iprp, iloc, iinf] = ["pitm", "iprp", "iloc", "iinf"].map((type) => parts.get(type));
  const extents = iloc && itemExtents(file, iloc);
  if (!meta || more.length > 0 || !pitm || !iprp || !iinf || !extents) {
    return undefined;
  }
  const primary = primaryItem(file, pitm);
  const items = [primary, ...companions(file, parts.get("iref"), primary)];
  const properties = turnedProperties(file, iprp, items, turn);
  const types = itemTypes(file, iinf);
  const texts = extents.filter(({ item }) => ["Exif", "application/rdf+xml"].includes(types.get(item) ?? ""));
  if (properties === undefined || [...types.values()].includes("tmap")) {
    return undefined;
  }
  for (const extent of texts) {
    await turnMetadata(file, extent, types.get(extent.item) === "Exif", turn, size);
  }
  const growth = properties.length - (iprp.end - iprp.start);
  file.writeUInt32BE(meta.end - meta.start + growth, meta.start);
  for (const { offset, at, size: bytes } of new Map(extents.map((extent) => [extent.at, extent])).values()) {
    if (offset < meta.end) {
      continue;
    }
    bytes === 8
      ? file.writeBigUInt64BE(file.readBigUInt64BE(at) + BigInt(growth), at)
      : file.writeUInt32BE(file.readUInt32BE(at) + growth, at);
  }
  return Buffer.concat([file.subarray(0, iprp.start), properties, file.subarray(iprp.end)]);
}

/** The box of the items' properties with the turn added to some items. */
function turnedProperties(file: Buffer, iprp: Box, items: readonly number[], turn: Turn): Buffer | undefined {
  const [ipco, ipma, ...more] = boxes(file, iprp.body, iprp.end);
  if (ipco?.type !== "ipco" || ipma?.type !== "ipma" || more.length > 0) {
    return undefined;
  }
  const known = boxes(file, ipco.body, ipco.end);
  const added: Buffer[] = [];
  const wideIds = file.readUInt8(ipma.body) > 0;
  const wideIndices = (file.readUInt8(ipma.body + 3) & 1) !== 0;
  const entries = [file.subarray(ipma.body, ipma.body + 8)];
  const turned = new Set<number>();
  let at = ipma.body + 8;
  for (let left = file.readUInt32BE(ipma.body + 4); left > 0; left -= 1) {
    const item = wideIds ? file.readUInt32BE(at) : file.readUInt16BE(at);
    const start = at + (wideIds ? 5 : 3);
    const count = file.readUInt8(start - 1);
    const end = start + count * (wideIndices ? 2 : 1);
    const indices = Array.from({ length: count }, (_, index) =>
      wideIndices ? file.readUInt16BE(start + 2 * index) : file.readUInt8(start + index),
    );
    const essential = wideIndices ? 0x8000 : 0x80;
    const head = Buffer.from(file.subarray(at, start));
    at = end;
    if (items.includes(item)) {
      const box = (index: number) => known[(index & (essential - 1)) - 1];
      const shown = indices
        .map((index) => transformations.indexOf(box(index)?.type ?? ""))
        .filter((rank) => rank >= 0);
      if (
        turned.has(item) ||
        shown.some((rank, place) => place > 0 && rank <= (shown[place - 1] as number))
      ) {
        return undefined;
      }
      const old = indices.find((index) => box(index)?.type === "irot");
      const mirror = indices.find((index) => box(index)?.type === "imir");
      const property = known.length + added.length + 1;
      added.push(
        rotation(old === undefined ? 0 : file.readUInt8(box(old)?.body ?? 0), turn, mirror !== undefined),
      );
      turned.add(item);
      // The rotation comes where the old one was, before a mirroring, or last.
      const place = old ?? mirror;
      const index = place === undefined ? indices.length : indices.indexOf(place);
      indices.splice(index, old === undefined ? 0 : 1, essential | property);
      if (property >= essential || indices.length > 255) {
        return undefined;
      }
    }
    head.writeUInt8(indices.length, head.length - 1);
    entries.push(head, Buffer.concat(indices.map((index) => number(index, wideIndices ? 2 : 1))));
  }
  const every = items.every((item) => turned.has(item));
  const container = box("ipco", [file.subarray(ipco.body, ipco.end), ...added]);
  return every ? box("iprp", [container, box("ipma", entries)]) : undefined;
}

/** The property that turns counter-clockwise by quarters; an item that is mirrored afterwards turns the other way. */
function rotation(old: number, { degrees }: Turn, mirrored: boolean): Buffer {
  const quarters = degrees / 90;
  return box("irot", [Buffer.from([(old + (mirrored ? quarters : 4 - quarters)) & 3])]);
}

function box(type: string, contents: readonly Buffer[]): Buffer {
  const length = contents.reduce((sum, content) => sum + content.length, 8);
  return Buffer.concat([number(length, 4), Buffer.from(type, "latin1"), ...contents]);
}

function number(value: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}

/** Changes Exif and XMP where they are; both keep their length. An Exif thumbnail is unlinked. */
async function turnMetadata(
  file: Buffer,
  extent: Extent,
  exif: boolean,
  turn: Turn,
  size: Size,
): Promise<void> {
  const data = file.subarray(extent.offset, extent.offset + extent.length);
  if (!exif) {
    data.set(turnedXmp(data));
    return;
  }
  const block = data.subarray(4 + data.readUInt32BE(0));
  const unlink = () => Promise.reject(new Error("no thumbnail"));
  const turned = await turnedExif(block, turn, size, unlink, block.length);
  if (turned !== undefined) {
    block.set(turned);
  }
}
