/** Turns the images of a HEIF file, be it HEIC or AVIF, by its own properties (ISO/IEC 23008-12): no pixel is touched. */

import { Damaged } from "../../damage.ts";
import { isExif, minimalExif } from "../../exif.ts";
import { type Size, swapsSides, type Turn, turnedSize } from "../../geometry.ts";
import { type Carried, carriedExif, carriedXmp } from "../../metadata.ts";
import type { Job } from "../../pixels.ts";
import {
  type Association,
  associationsOf,
  type Box,
  boxes,
  type Extent,
  type Item,
  itemExtents,
  itemsOf,
  primaryItem,
  type Reference,
  references,
} from "./isobmff.ts";

/** What a HEIF file says of its images. */
export interface Container {
  readonly meta: Box;
  readonly iprp: Box;
  readonly ipma: Box;
  readonly primary: number;
  readonly items: ReadonlyMap<number, Item>;
  /** References by the item that they come from, and by each item that they go to. */
  readonly from: ReadonlyMap<number, readonly Reference[]>;
  readonly to: ReadonlyMap<number, readonly Reference[]>;
  readonly extents: readonly Extent[];
  /** The boxes of all properties; the first has index 1. */
  readonly properties: readonly Box[];
  readonly associations: ReadonlyMap<number, readonly Association[]>;
}

/** Why a file's images are not turned by its own properties, in words that go on from "the file". */
export class NotTurnable extends Error {}

/** The file's structure. @throws {NotTurnable} where it is not read here */
export function readContainer(file: Buffer): Container {
  const [meta, ...more] = boxes(file, 0, file.length).filter(({ type }) => type === "meta");
  if (!meta || more.length > 0 || meta.body !== meta.start + 8 || file.readUInt32BE(meta.start) === 0) {
    throw new NotTurnable("does not have exactly one list of images");
  }
  const parts = new Map(boxes(file, meta.body + 4, meta.end).map((box) => [box.type, box]));
  const [pitm, iprp, iloc, iinf] = ["pitm", "iprp", "iloc", "iinf"].map((type) => parts.get(type));
  if (!pitm || !iprp || !iloc || !iinf) {
    throw new NotTurnable("does not say which image it shows, or how");
  }
  const [ipco, ipma, ...others] = boxes(file, iprp.body, iprp.end);
  const extents = itemExtents(file, iloc, parts.get("idat"));
  if (ipco?.type !== "ipco" || ipma?.type !== "ipma" || others.length > 0 || extents === undefined) {
    throw new NotTurnable("places its images or their properties in a way that is not read here");
  }
  // A few tiles may be one, as those of a black sky; each is looked at as often as it is listed.
  if (extents.reduce((sum, { length }) => sum + length, 0) > 4 * file.length) {
    throw new NotTurnable("has many images in the same place");
  }
  const associations = associationsOf(file, ipma);
  if (associations === undefined) {
    throw new NotTurnable("lists an image's properties twice");
  }
  const [from, to] = [new Map<number, Reference[]>(), new Map<number, Reference[]>()];
  for (const reference of references(file, parts.get("iref"))) {
    add(from, reference.from, reference);
    for (const item of new Set(reference.to)) add(to, item, reference);
  }
  return {
    meta,
    iprp,
    ipma,
    from,
    to,
    primary: primaryItem(file, pitm),
    items: itemsOf(file, iinf),
    extents,
    properties: boxes(file, ipco.body, ipco.end),
    associations,
  };
}

function add(map: Map<number, Reference[]>, item: number, reference: Reference): void {
  const list = map.get(item);
  list === undefined ? map.set(item, [reference]) : list.push(reference);
}

/** What an item is made of, in their order; undefined where it is made of no others. */
export function partsOf({ from }: Container, item: number): readonly number[] | undefined {
  return from.get(item)?.find(({ type }) => type === "dimg")?.to;
}

/** The file with all images that it shows turned. @throws {NotTurnable} */
export async function turnContainer(
  source: Buffer,
  container: Container,
  turn: Turn,
  job: Job,
): Promise<Buffer> {
  const file = Buffer.from(source);
  const { meta, iprp, extents } = container;
  const properties = turnedProperties(file, container, turn);
  const texts = extents.filter(({ item }) => isText(container.items.get(item)));
  if (new Set(texts.map(({ item }) => item)).size < texts.length) {
    throw new NotTurnable("has its metadata in pieces");
  }
  for (const { item, offset, length } of job.metadata === "keep" ? [] : extents) {
    if (isPrivate(container.items.get(item))) {
      file.fill(0, offset, offset + length);
    }
  }
  const whole = shownSize(file, container, container.primary);
  if (whole === undefined) {
    throw new Damaged("it does not show an image that has a size");
  }
  for (const { item, offset, length } of texts) {
    const described = container.from.get(item)?.find(({ type }) => type === "cdsc")?.to[0];
    const shown = described === undefined ? undefined : shownSize(file, container, described);
    const size = turnedSize(turn, shown ?? whole);
    const carried = { turn, size, oriented: true, job, behind: "all" } as const;
    const data = file.subarray(offset, offset + length);
    container.items.get(item)?.type === "Exif" ? await turnExif(data, carried) : turnXmp(data, carried);
  }
  const growth = properties.length - (iprp.end - iprp.start);
  file.writeUInt32BE(meta.end - meta.start + growth, meta.start);
  const moving = extents.flatMap(({ moves, offset }) => (moves && offset >= meta.end ? [{ moves }] : []));
  // Items may share the number that says where they are.
  for (const [at, size] of new Map(moving.map(({ moves }) => [moves.at, moves.size]))) {
    size === 8
      ? file.writeBigUInt64BE(file.readBigUInt64BE(at) + BigInt(growth), at)
      : file.writeUInt32BE(file.readUInt32BE(at) + growth, at);
  }
  return Buffer.concat([file.subarray(0, iprp.start), properties, file.subarray(iprp.end)]);
}

/** Whether an item is neither a picture nor a text that is looked into. */
function isPrivate(item: Item | undefined): boolean {
  return item !== undefined && !isText(item) && /^(?:uri |(?!image\/).*\/)/.test(item.type);
}

function isText(item: Item | undefined): boolean {
  return item !== undefined && ["Exif", "application/rdf+xml"].includes(item.type);
}

/**
 * All images that are shown: the primary one, further pictures, and what lies as these do, their thumbnails, masks,
 * depth and gain maps. Not the tiles that they are made of, nor tone-mapped images, which are made of turned ones.
 */
function shownItems(file: Buffer, container: Container): Set<number> {
  const { items, from, to, primary } = container;
  const toneMapped = (item: number) => items.get(item)?.type === "tmap";
  const belongs = ({ type }: Reference) => type === "thmb" || type === "auxl";
  const shown = new Set([primary]);
  const mapped = new Set<Reference>();
  for (const [item, { hidden }] of items) {
    const image = find(file, container, item, "ispe") !== undefined;
    if (image && !hidden && !isPart(container, item) && !from.get(item)?.some(belongs) && !toneMapped(item)) {
      shown.add(item);
    }
  }
  // What is added on the way is looked at, too: a depth map has a thumbnail of its own.
  for (const item of shown) {
    for (const reference of to.get(item) ?? []) {
      if (belongs(reference)) {
        shown.add(reference.from);
      } else if (reference.type === "dimg" && toneMapped(reference.from) && !mapped.has(reference)) {
        mapped.add(reference);
        for (const input of reference.to) shown.add(input);
      }
    }
  }
  return shown;
}

/** Whether another image is made of this one, other than a tone-mapped one. */
function isPart({ to, items }: Container, item: number): boolean {
  const parts = to.get(item)?.some(({ type, from }) => type === "dimg" && items.get(from)?.type !== "tmap");
  return parts === true;
}

/** The box that holds the items' properties, with the turn added to all images that are shown. */
function turnedProperties(file: Buffer, container: Container, turn: Turn): Buffer {
  const { items, iprp, properties } = container;
  const associations = new Map(container.associations);
  const shown = shownItems(file, container);
  if ([...shown].some((item) => isPart(container, item))) {
    throw new NotTurnable("shows an image that another is made of");
  }
  const known = properties.map(({ start, end }) => file.subarray(start, end));
  const indices = new Map(known.map((property, index) => [property.toString("latin1"), index + 1]));
  const indexOf = (property: Buffer) => {
    const key = property.toString("latin1");
    const index = indices.get(key) ?? known.push(property);
    indices.set(key, index);
    return index;
  };
  for (const [item, { type }] of items) {
    const base = partsOf(container, item)?.[0];
    if (type === "tmap" && base !== undefined && shown.has(base)) {
      // Its inputs are turned, and it with them. Some writers repeat the picture's turn, so it is repeated here.
      const [own, its] = [item, base].map((image) =>
        find(file, container, image, "irot")?.value.readUInt8(0),
      );
      if (own !== undefined && own === (its ?? 0)) {
        shown.add(item);
      } else if (swapsSides(turn)) {
        const list = associations.get(item) ?? [];
        associations.set(
          item,
          list.map((entry) =>
            typeAt(container, entry) === "ispe"
              ? { ...entry, index: indexOf(swappedExtents(known[entry.index - 1] as Buffer)) }
              : entry,
          ),
        );
      }
    }
  }
  for (const item of shown) {
    const list = associations.get(item) ?? [];
    associations.set(item, turnedAssociations(file, container, list, turn, indexOf));
  }
  const ipma = associationsBox(file, container, associations, known.length);
  const turned = box("iprp", [box("ipco", known), ipma]);
  if (turned.length < iprp.end - iprp.start) {
    throw new NotTurnable("has its properties in a way that is not read here");
  }
  return turned;
}

/** The box that says which of so many properties each item has. */
function associationsBox(
  file: Buffer,
  { ipma }: Container,
  associations: ReadonlyMap<number, readonly Association[]>,
  properties: number,
): Buffer {
  const wideIds = file.readUInt8(ipma.body) > 0;
  const wide = (file.readUInt8(ipma.body + 3) & 1) !== 0 || properties > 0x7f;
  const tooLong = [...associations].some(([item, list]) => list.length > 0xff || (!wideIds && item > 0xffff));
  if (tooLong || properties > 0x7fff) {
    throw new NotTurnable("has more properties than can be added to");
  }
  const head = Buffer.from(file.subarray(ipma.body, ipma.body + 8));
  head.writeUInt8(wide ? 1 : 0, 3);
  head.writeUInt32BE(associations.size, 4);
  const entries = [...associations]
    .sort(([a], [b]) => a - b)
    .flatMap(([item, list]) => [
      number(item, wideIds ? 4 : 2),
      number(list.length, 1),
      ...list.map(({ index, essential }) =>
        number(index + (essential ? (wide ? 0x8000 : 0x80) : 0), wide ? 2 : 1),
      ),
    ]);
  return box("ipma", [head, ...entries]);
}

/**
 * An image's properties with a turn added, in the order that MIAF has them: crop, turn, mirror (ISO/IEC 23000-22,
 * 7.3.6.7).
 *
 * @throws {NotTurnable} where one comes twice, or a crop after the others
 */
function turnedAssociations(
  file: Buffer,
  container: Container,
  list: readonly Association[],
  { degrees }: Turn,
  indexOf: (property: Buffer) => number,
): Association[] {
  const place = (type: string) => list.findIndex((entry) => typeAt(container, entry) === type);
  const [clap, irot, imir] = [place("clap"), place("irot"), place("imir")] as [number, number, number];
  const transformations = list.filter((entry) =>
    ["clap", "irot", "imir"].includes(typeAt(container, entry) ?? ""),
  );
  const apart = [clap, irot, imir].filter((at) => at >= 0);
  if (apart.length < transformations.length || (clap >= 0 && apart.some((at) => at < clap))) {
    throw new NotTurnable("turns, mirrors or crops an image twice, or in an order that cannot be added to");
  }
  const old = find(file, container, list, "irot")?.value.readUInt8(0) ?? 0;
  const mirrored = imir >= 0;
  // Mirrored before, the old turn goes the other way when it is told first.
  const first = mirrored && irot > imir ? 4 - (old & 3) : old;
  const quarters = degrees / 90;
  const value = (first + (mirrored ? quarters : 4 - quarters)) & 3;
  const rotation = { index: indexOf(box("irot", [number(value, 1)])), essential: true };
  const rest = list.filter((entry) => typeAt(container, entry) !== "irot");
  const before = rest.findIndex((entry) => typeAt(container, entry) === "imir");
  // Where the old turn was, but before a mirroring, or last.
  const at = before >= 0 ? before : irot >= 0 ? irot : rest.length;
  return [...rest.slice(0, at), rotation, ...rest.slice(at)];
}

/** The size in which an image is shown, before this turn; undefined where the file does not say. */
function shownSize(file: Buffer, container: Container, item: number): Size | undefined {
  const [whole, crop] = [find(file, container, item, "ispe"), find(file, container, item, "clap")];
  if (whole === undefined) {
    return undefined;
  }
  const cropped = (at: number) =>
    crop && Math.round(crop.value.readUInt32BE(at) / crop.value.readUInt32BE(at + 4));
  const width = cropped(0) ?? whole.value.readUInt32BE(4);
  const height = cropped(8) ?? whole.value.readUInt32BE(8);
  const old = find(file, container, item, "irot")?.value.readUInt8(0) ?? 0;
  return old & 1 ? { width: height, height: width } : { width, height };
}

function typeAt({ properties }: Container, { index }: Association): string | undefined {
  return properties[index - 1]?.type;
}

/** An item's property of a type: its index and its contents. */
export function find(
  file: Buffer,
  container: Container,
  item: number | readonly Association[],
  type: string,
): { readonly index: number; readonly value: Buffer } | undefined {
  const list = typeof item === "number" ? container.associations.get(item) : item;
  const index = list?.find((entry) => typeAt(container, entry) === type)?.index;
  const property = container.properties[(index ?? 0) - 1];
  return index === undefined || property === undefined
    ? undefined
    : { index, value: file.subarray(property.body, property.end) };
}

function swappedExtents(ispe: Buffer): Buffer {
  const swapped = Buffer.from(ispe);
  swapped.set(ispe.subarray(-8, -4), ispe.length - 4);
  swapped.set(ispe.subarray(-4), ispe.length - 8);
  return swapped;
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

/** Changes an Exif block where it is, a thumbnail in it too where there is room. What goes leaves an orientation of 1. */
async function turnExif(data: Buffer, carried: Carried): Promise<void> {
  const start = 4 + data.readUInt32BE(0);
  const named = data.toString("latin1", start, start + 6) === "Exif\0\0";
  const block = data.subarray(named ? start + 6 : start);
  // What is no Exif may be an image's data, where the file is damaged.
  if (carried.job.metadata === "keep" && !isExif(block)) {
    return;
  }
  const turned = (await carriedExif(block, carried, { maxBytes: block.length })) ?? minimalExif(1);
  block.fill(0).set(turned.subarray(0, block.length));
}

const emptyXmp = Buffer.from('<x:xmpmeta xmlns:x="adobe:ns:meta/"/>', "latin1");

/** Changes an XMP packet where it is. */
function turnXmp(data: Buffer, carried: Carried): void {
  const turned = carriedXmp(data, carried, data.length) ?? emptyXmp;
  data.fill(" ").set(turned.length <= data.length ? turned : emptyXmp.subarray(0, data.length));
}
