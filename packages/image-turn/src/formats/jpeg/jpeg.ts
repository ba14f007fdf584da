import { ImageRejected } from "../../contract.ts";
import { statedOrientation } from "../../exif.ts";
import { isQuarter, swapsSides, type Turn, turnFrom } from "../../geometry.ts";
import { type Carried, carriedExif, carriedResources, carriedXmp, noteDropped } from "../../metadata.ts";
import type { Job } from "../../pixels.ts";
import { companionsOf, listOf, placedList } from "./companions.ts";
import {
  contentOf,
  findFrame,
  isA,
  join,
  kindOf,
  marker,
  parse,
  type Segment,
  withSoundHeaders,
} from "./file.ts";
import { type Turned, turnPicture } from "./picture.ts";

/** Maximum bytes of a segment's data, as its length has two bytes and counts them, too. */
const MAX_DATA = 65_533;

/**
 * Turns a JPEG. At quarter turns its coefficients move, where its sides allow that. Elsewhere only what describes
 * pixels reaches the decoder, and only metadata is read here; the result has the source's colours, progression,
 * quality, and chroma subsampling as near as the encoder can.
 */
export async function turnJpeg(source: Buffer, job: Job): Promise<Buffer> {
  const picture = parse(source);
  const { segments, scans, end } = picture;
  const turn = turnFrom(statedOrientation(contentOf(segments, "exif")), job.angle);
  const companions = companionsOf(source, picture);
  const result = await turnPicture(picture, turn, job);
  const gainMap = companions.gainMap && (await turnGainMap(companions.gainMap, turn, job));
  job.notes.exact = result.exact && gainMap?.exact !== false;
  job.notes.repaired.push(...picture.repaired);
  if (withSoundHeaders(findFrame(segments), scans) !== scans) {
    job.notes.repaired.push("a baseline scan says that it has only some coefficients");
  }
  const { others, film } = companions;
  const dropped = [
    ...(companions.gainMap !== undefined && gainMap === undefined ? ["the gain map"] : []),
    ...(others > 0 ? [`${others} further ${others > 1 ? "pictures" : "picture"}`] : []),
    ...(film ? ["the film of a motion photo"] : []),
  ];
  if (end < source.length && companions.gainMap === undefined && dropped.length === 0) {
    job.notes.repaired.push(`${source.length - end} bytes are behind its end`);
  }
  const metadata = await turnAllMetadata(segments, turn, result, gainMap?.file.length, job);
  // What was in the metadata comes before what was behind the picture.
  job.notes.dropped.push(...dropped);
  const turned = join([...metadata, ...result.segments], result.scans);
  if (gainMap === undefined) {
    return turned;
  }
  const list = metadata.findIndex((segment) => isA(segment, "pictures"));
  if (list >= 0) {
    metadata[list] = placedList(metadata.slice(0, list), turned.length, gainMap.file.length);
  }
  return Buffer.concat([join([...metadata, ...result.segments], result.scans), gainMap.file]);
}

/** A gain map lies as its image does, so that it is turned alike; undefined where it cannot be. */
async function turnGainMap(
  source: Buffer,
  turn: Turn,
  job: Job,
): Promise<{ file: Buffer; exact: boolean } | undefined> {
  if (!isQuarter(turn)) {
    return undefined;
  }
  try {
    const picture = parse(source);
    const result = await turnPicture(picture, turn, job);
    const metadata = await turnAllMetadata(picture.segments, turn, result, 0, job);
    const kept = metadata.filter((segment) => !isA(segment, "pictures"));
    return { file: join([...kept, ...result.segments], result.scans), exact: result.exact };
  } catch (error) {
    if (error instanceof ImageRejected && error.code === "too-slow") {
      throw error;
    }
    return undefined;
  }
}

/** The metadata segments as they are in the result. */
async function turnAllMetadata(
  segments: readonly Segment[],
  turn: Turn,
  result: Turned,
  gainMap: number | undefined,
  job: Job,
): Promise<Segment[]> {
  const size = findFrame(result.segments);
  const oriented = statedOrientation(contentOf(segments, "exif")) !== undefined;
  const metadata: Segment[] = [];
  for (const segment of segments) {
    const turned = await turnedMetadata(segment, { turn, size, job, oriented, behind: gainMap });
    if (turned !== undefined) {
      metadata.push(turned);
    }
  }
  return metadata;
}

/** A metadata segment as it is in the result, or undefined where it does not belong there. */
async function turnedMetadata(segment: Segment, carried: Carried): Promise<Segment | undefined> {
  const { turn, job, behind } = carried;
  const { marker: code, data } = segment;
  const { kind, signature } = kindOf(segment) ?? { kind: undefined, signature: Buffer.alloc(0) };
  const content = data.subarray(signature.length);
  const maxBytes = MAX_DATA - signature.length;
  const changed = (into: Buffer | undefined) =>
    into?.length ? { marker: code, data: Buffer.concat([signature, into]) } : undefined;
  switch (kind) {
    case "jfif":
      return data.length >= 14 ? { marker: code, data: turnedJfif(data, turn) } : undefined;
    case "exif":
      return changed(await carriedExif(content, carried, { maxBytes }));
    case "xmp":
      return changed(carriedXmp(content, carried, maxBytes));
    case "profile":
      return segment;
    // Lists of pictures behind the image, and words on its gain map, come along where the gain map does.
    case "pictures":
      return behind === undefined ? undefined : listOf(0, 0, 0);
    case "gainMap":
      return behind === undefined ? undefined : segment;
    case "photoshop":
      return changed(carriedResources(content, swapsSides(turn), job));
  }
  if (code === marker.app11) {
    noteDropped(job, "content credentials, or others' data in APP11");
  }
  if (code === marker.com) {
    return job.metadata === "none" ? undefined : segment;
  }
  // What cannot be looked into goes along only with everything else.
  const isOthers = code >= marker.app1 && code <= 0xef && code !== marker.app11 && code !== marker.app14;
  return isOthers && job.metadata === "keep" ? segment : undefined;
}

/** JFIF's header with the densities swapped where the sides were, and without its thumbnail. */
function turnedJfif(data: Buffer, turn: Turn): Buffer {
  const jfif = Buffer.from(data.subarray(0, 14));
  if (swapsSides(turn)) {
    data.copy(jfif, 8, 10, 12);
    data.copy(jfif, 10, 8, 10);
  }
  return jfif.fill(0, 12, 14);
}
