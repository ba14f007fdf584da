import { ImageRejected } from "../../contract.ts";
import { Damaged } from "../../damage.ts";
import { isQuarter, turnFrom } from "../../geometry.ts";
import type { Job } from "../../pixels.ts";
import { type Container, find, NotTurnable, partsOf, readContainer, turnContainer } from "./heif.ts";
import { boxes, type Extent } from "./isobmff.ts";

/**
 * Turns a HEIC by quarters, with the format's own property, which every reader has to apply. No pixel is decoded, for
 * which there is no decoder here, so that only the structure of images is checked, and their size is not limited.
 */
export async function turnHeic(source: Buffer, job: Job): Promise<Buffer> {
  const turn = turnFrom(undefined, job.angle);
  if (!isQuarter(turn)) {
    throw unsupported("which is turned by quarter turns only: its pixels cannot be decoded here");
  }
  if (boxes(source, 0, source.length).some(({ type }) => type === "moov")) {
    throw unsupported("but a sequence of images, which is not turned here");
  }
  try {
    const container = readContainer(source);
    checkImages(source, container);
    return await turnContainer(source, container, turn, job);
  } catch (error) {
    throw error instanceof NotTurnable ? unsupported(`but one that ${error.message}`) : error;
  }
}

function unsupported(what: string): ImageRejected {
  return new ImageRejected("unsupported-format", `The file is a HEIC image, ${what}.`);
}

/** Refuses images whose parts are not there, or whose encoded data do not fill the place that they have. */
function checkImages(file: Buffer, container: Container): void {
  const { items } = container;
  const pieces = new Map(container.extents.map(({ item }) => [item, [] as Extent[]]));
  for (const extent of container.extents) {
    pieces.get(extent.item)?.push(extent);
  }
  for (const [item, { type }] of items) {
    const extents = pieces.get(item) ?? [];
    const data = Buffer.concat(extents.map(({ offset, length }) => file.subarray(offset, offset + length)));
    const parts = partsOf(container, item);
    if (parts?.some((part) => !items.has(part))) {
      throw new Damaged("a part of an image is missing");
    }
    if (type === "grid" && (data.readUInt8(2) + 1) * (data.readUInt8(3) + 1) !== parts?.length) {
      throw new Damaged("a grid has not as many tiles as it says");
    }
    if (type === "hvc1") {
      checkUnits(data, find(file, container, item, "hvcC")?.value);
    }
  }
}

/** Refuses HEVC data whose units do not fill it (ISO/IEC 14496-15). */
function checkUnits(data: Buffer, configuration: Buffer | undefined): void {
  if (configuration === undefined || data.length === 0) {
    throw new Damaged("an image has no data, or no configuration of its decoder");
  }
  const bytes = (configuration.readUInt8(21) & 3) + 1;
  let at = 0;
  while (at < data.length) {
    at += bytes + data.readUIntBE(at, bytes);
  }
  if (at !== data.length) {
    throw new Damaged("an image's data do not fill the place that they have");
  }
}
