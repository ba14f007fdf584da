/** Turns a JPEG's picture, without its metadata: its coefficients where that can be, else its pixels. */
import { ImageRejected } from "../../contract.ts";
import { Damaged } from "../../damage.ts";
import { isQuarter, type Turn } from "../../geometry.ts";
import { checkPixels, type Job, keepSpace, loadDecoder, open, turnPixels } from "../../pixels.ts";
import { weight } from "../../weights.ts";
import {
  type Frame,
  findFrame,
  isA,
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

/** Segments without which the decoder does not know what the pixels are. */
const forDecoder: readonly number[] = [marker.dht, marker.dac, marker.dqt, marker.dri, marker.app14];

/** A picture that was turned, and whether its coefficients are the source's. */
export interface Turned extends Pick<Parsed, "segments" | "scans"> {
  readonly exact: boolean;
}

export async function turnPicture(
  source: Pick<Parsed, "segments" | "scans" | "open">,
  turn: Turn,
  job: Job,
): Promise<Turned> {
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
    segments: result.segments.filter((segment) => !isA(segment, "jfif")),
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

/** An Exif thumbnail lies as its image does, so that it is turned alike. */
export async function turnJpegThumbnail(thumbnail: Buffer, turn: Turn, job: Job): Promise<Buffer> {
  const turned = await turnPicture(parse(thumbnail), turn, job);
  return join(turned.segments, turned.scans);
}
