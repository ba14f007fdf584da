import { ImageRejected } from "../../contract.ts";
import { Damaged } from "../../damage.ts";
import { exifOrientation, hasThumbnail, statedOrientation, turnedExif } from "../../exif.ts";
import { isQuarter, swapsSides, type Turn, turnFrom } from "../../geometry.ts";
import {
  type Carried,
  carriedResources,
  noteDropped,
  noteXmpThumbnails,
  resizedXmp,
  secondOrientation,
  turnedXmp,
} from "../../metadata.ts";
import { checkPixels, type Job, keepSpace, loadDecoder, open, turnPixels } from "../../pixels.ts";
import { exifUnder, xmpUnder } from "../../privacy.ts";
import { weight } from "../../weights.ts";
import {
  companionsOf,
  isIsoGainMap,
  isMultiPicture,
  listOf,
  placedList,
  withoutClaims,
} from "./companions.ts";
import {
  type Frame,
  findFrame,
  isFrame,
  join,
  marker,
  type Parsed,
  parse,
  quantisationTables,
  type Segment,
  withSoundHeaders,
} from "./file.ts";
import { quantisation } from "./jpeg-quality.ts";
import { isWhole, turnExactly } from "./lossless.ts";

const forDecoder: readonly number[] = [marker.dht, marker.dac, marker.dqt, marker.dri, marker.app14];
const signature = {
  jfif: Buffer.from("JFIF\0", "latin1"),
  exif: Buffer.from("Exif\0\0", "latin1"),
  xmp: Buffer.from("http://ns.adobe.com/xap/1.0/\0", "latin1"),
  profile: Buffer.from("ICC_PROFILE\0", "latin1"),
  photoshop: Buffer.from("Photoshop 3.0\0", "latin1"),
} as const;

/** What a picture is made of, without its metadata. */
type Picture = Pick<Parsed, "segments" | "scans">;
type Source = Pick<Parsed, "segments" | "scans" | "open">;

/**
 * Turns a JPEG. At quarter turns its coefficients move, where its sides allow that. Elsewhere only what describes
 * pixels reaches the decoder, and only metadata is read here; the result has the source's colours, progression,
 * quality, and chroma subsampling as near as the encoder can.
 */
export async function turnJpeg(source: Buffer, job: Job): Promise<Buffer> {
  const picture = parse(source);
  const { segments, scans, end } = picture;
  const turn = turnFrom(exifOrientation(findExif(segments)), job.angle);
  const companions = companionsOf(source, picture);
  const result = await turnFrame(picture, turn, job);
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
  const list = metadata.findIndex(isMultiPicture);
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
    const result = await turnFrame(picture, turn, job);
    const metadata = await turnAllMetadata(picture.segments, turn, result, 0, job);
    const kept = metadata.filter((segment) => !isMultiPicture(segment));
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
  result: Picture,
  gainMap: number | undefined,
  job: Job,
): Promise<Segment[]> {
  const size = findFrame(result.segments);
  const oriented = statedOrientation(findExif(segments)) !== undefined;
  const metadata: Segment[] = [];
  for (const segment of segments) {
    const turned = await turnedMetadata(segment, { turn, size, job, oriented }, gainMap);
    if (turned !== undefined) {
      metadata.push(turned);
    }
  }
  return metadata;
}

/** The turned picture, and whether its coefficients are the source's. */
async function turnFrame(source: Source, turn: Turn, job: Job): Promise<Picture & { exact: boolean }> {
  const { segments } = source;
  const frame = findFrame(segments);
  const scans = withSoundHeaders(frame, source.scans);
  checkPixels(job, [frame], weight(frame.components.length === 4 ? "jpegCmyk" : "jpeg", isQuarter(turn)));
  const space = { 1: "b-w", 3: "srgb", 4: "cmyk" }[frame.components.length];
  if (space === undefined) {
    throw new ImageRejected(
      "unsupported-format",
      `The JPEG has ${frame.components.length} colour components.`,
    );
  }
  const exact = isQuarter(turn) ? await turnExactly({ segments, scans }, frame, turn, job) : undefined;
  // The decoder does not mind scans that never came, and zeros in place of data.
  if (exact === undefined && source.open && !(await isWhole({ segments, scans }, frame, job))) {
    throw new Damaged("it ends before all of its pixels");
  }
  if (exact !== undefined) {
    // Adobe's segment says which colours the components are.
    const colours = segments.filter((segment) => segment.marker === marker.app14);
    return { segments: [...colours, ...exact.segments], scans: exact.scans, exact: true };
  }
  const bare = join(
    segments.filter(isForDecoder),
    scans.map((scan) => ({ ...scan, segments: scan.segments.filter(isForDecoder) })),
  );
  await loadDecoder();
  const turned = turnPixels(keepSpace(open(job, bare), space), turn, false, job.background);
  const settings = { progressive: frame.progressive, chromaSubsampling: subsampling(frame) };
  const result = parse(await turned.jpeg({ ...settings, ...quality(segments, frame) }).toBuffer());
  return {
    segments: result.segments.filter((segment) => !isJfif(segment)),
    scans: result.scans,
    exact: false,
  };
}

function isForDecoder(segment: Segment): boolean {
  return forDecoder.includes(segment.marker) || isFrame(segment);
}

/** The encoder knows 4:2:0 and 4:4:4; what lies between keeps all its colour. */
function subsampling({ components: [first, ...others] }: Pick<Frame, "components">): "4:2:0" | "4:4:4" {
  const halved = others.some(
    ({ horizontal, vertical }) => (first?.horizontal ?? 1) > horizontal && (first?.vertical ?? 1) > vertical,
  );
  return halved ? "4:2:0" : "4:4:4";
}

/** The quality that quantises like an abbreviated JPEG, which a TIFF keeps its tables in. */
export function tablesQuality(tables: Buffer): number {
  const noScan = Buffer.from([0xff, marker.sos, 0, 2, 0xff, marker.eoi]);
  const { segments } = parse(Buffer.concat([tables.subarray(0, -2), noScan]));
  const components = [0, 1].map((table) => ({ id: table, horizontal: 1, vertical: 1, table }));
  return quality(segments, { components, progressive: false }).quality;
}

/** The encoder's quality settings that quantise like the source. */
function quality(
  segments: readonly Segment[],
  { components, progressive }: Pick<Frame, "components" | "progressive">,
) {
  const tables = quantisationTables(segments);
  const brightness = tables.get(components[0]?.table ?? 0);
  if (brightness === undefined) {
    throw new Damaged("it has no quantisation table");
  }
  const nearest = quantisation(brightness, tables.get(components[1]?.table ?? -1));
  // An encoder that has mozjpeg's table also arranges scans as mozjpeg does: without that, results are a tenth larger.
  return {
    quality: nearest.quality,
    quantisationTable: nearest.table,
    optimiseScans: nearest.table === 3 && progressive,
  };
}

function startsWith({ data }: Segment, text: Buffer): boolean {
  return data.subarray(0, text.length).equals(text);
}

function isJfif(segment: Segment): boolean {
  return segment.marker === marker.app0 && startsWith(segment, signature.jfif);
}

function findExif(segments: readonly Segment[]): Buffer | undefined {
  const found = segments.find(
    (segment) => segment.marker === marker.app1 && startsWith(segment, signature.exif),
  );
  return found?.data.subarray(signature.exif.length);
}

/** A metadata segment as it is in the result, or undefined where it does not belong there. */
async function turnedMetadata(
  segment: Segment,
  carried: Carried,
  gainMap: number | undefined,
): Promise<Segment | undefined> {
  const { turn, job } = carried;
  const { marker: code, data } = segment;
  // What cannot be looked into goes along only with everything else.
  const all = job.metadata === "keep";
  const changed = (text: Buffer, rest: Buffer) => ({ marker: code, data: Buffer.concat([text, rest]) });
  switch (code) {
    case marker.app0:
      return isJfif(segment) && data.length >= 14
        ? { marker: code, data: turnedJfif(data, turn) }
        : undefined;
    case marker.app1:
      return turnedApp1(segment, carried, gainMap);
    case marker.app2:
      // Lists of pictures behind the image, and words on its gain map: they come along where the gain map does.
      if (isMultiPicture(segment)) {
        return gainMap === undefined ? undefined : listOf(0, 0, 0);
      }
      if (isIsoGainMap(segment)) {
        return gainMap === undefined ? undefined : segment;
      }
      return all || startsWith(segment, signature.profile) ? segment : undefined;
    case 0xed: {
      if (!startsWith(segment, signature.photoshop)) {
        return all ? segment : undefined;
      }
      const resources = data.subarray(signature.photoshop.length);
      const turned = carriedResources(resources, swapsSides(turn), job);
      return turned.length > 0 ? changed(signature.photoshop, turned) : undefined;
    }
    case 0xeb:
      noteDropped(job, "content credentials, or others' data in APP11");
      return undefined;
    case marker.app14:
      return undefined;
    case marker.com:
      return job.metadata === "none" ? undefined : segment;
    default:
      return all && code >= 0xe3 && code <= 0xef ? segment : undefined;
  }
}

/** Exif or XMP as it is in the result; others' data in the same kind of segment go along with everything else. */
async function turnedApp1(
  segment: Segment,
  carried: Carried,
  gainMap: number | undefined,
): Promise<Segment | undefined> {
  const { turn, size, job, oriented } = carried;
  const { marker: code, data } = segment;
  const changed = (text: Buffer, rest: Buffer) => ({ marker: code, data: Buffer.concat([text, rest]) });
  if (startsWith(segment, signature.exif)) {
    const rest = exifUnder(job.metadata, data.subarray(signature.exif.length));
    if (rest === undefined) {
      return undefined;
    }
    const exif = await turnedExif(rest, turn, size, (thumbnail) => turnJpegThumbnail(thumbnail, turn, job));
    if (exif !== undefined && hasThumbnail(rest) && !hasThumbnail(exif)) {
      noteDropped(job, "the Exif thumbnail");
    }
    return exif && changed(signature.exif, exif);
  }
  if (startsWith(segment, signature.xmp)) {
    const xmp = xmpUnder(job.metadata, data.subarray(signature.xmp.length), oriented);
    if (xmp === undefined) {
      return undefined;
    }
    noteXmpThumbnails(xmp, job);
    const packet = turnedXmp(xmp, gainMap !== undefined, secondOrientation(carried));
    const resized = resizedXmp(withoutClaims(packet, gainMap), size);
    // Longer numbers may find no room in a segment that is full.
    return changed(signature.xmp, resized.length + signature.xmp.length <= 65_533 ? resized : packet);
  }
  return job.metadata === "keep" ? segment : undefined;
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

/** An Exif thumbnail lies as its image does, so that it is turned alike. */
export async function turnJpegThumbnail(thumbnail: Buffer, turn: Turn, job: Job): Promise<Buffer> {
  const turned = await turnFrame(parse(thumbnail), turn, job);
  return join(turned.segments, turned.scans);
}
