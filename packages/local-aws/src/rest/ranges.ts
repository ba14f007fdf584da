import type { ByteRange } from "../store/blobs.ts";
import { invalidArgument, S3Error } from "../store/errors.ts";
import type { Checksum, ObjectVersion } from "../store/model.ts";
import { invalidRequest } from "./payload.ts";

/** The bytes that a GET asks for, by a Range header or by the number of a part; undefined for all of them. */
export function selectRange(
  range: string | undefined,
  partNumber: string | undefined,
  version: ObjectVersion,
): ByteRange | undefined {
  if (partNumber === undefined) return range === undefined ? undefined : parseRange(range, version.size);
  if (range !== undefined)
    throw invalidRequest("Cannot specify both Range header and partNumber query parameter");
  return partRange(Number(partNumber), version);
}

/** The checksum of the bytes that are read, where it is known: of the whole, or of one part. */
export function checksumOf(
  { size, checksum, parts = [] }: ObjectVersion,
  range: ByteRange | undefined,
): Checksum | undefined {
  if (!checksum || !range) return checksum;
  let start = 0;
  for (const part of parts) {
    const isPart = start === range.start && start + part.size - 1 === range.end;
    if (isPart && checksum.type === "COMPOSITE")
      return part.checksum ? { ...checksum, value: part.checksum } : undefined;
    start += part.size;
  }
  return range.start === 0 && range.end === size - 1 ? checksum : undefined;
}

/** One range; anything else in the header is ignored, as HTTP wants it. */
function parseRange(header: string, size: number): ByteRange | undefined {
  const [, from = "", to = ""] = /^bytes=(\d*)-(\d*)$/.exec(header.trim()) ?? [];
  if (from === "" && to === "") return undefined;
  const start = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  if (from !== "" && to !== "" && Number(to) < start) return undefined;
  if (start >= size) {
    throw new S3Error(416, "InvalidRange", "The requested range is not satisfiable", {
      RangeRequested: header,
      ActualObjectSize: String(size),
    });
  }
  return { start, end };
}

/** The range of the source that is copied as a part: first and last byte, both within it. */
export function parseCopyRange(header: string, size: number): ByteRange {
  const name = "x-amz-copy-source-range";
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(header) ?? [];
  const [start, end] = [Number(from), Number(to)];
  if (from === undefined || end < start) {
    throw invalidArgument(
      `The ${name} value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy`,
      name,
      header,
    );
  }
  if (start >= size) {
    throw invalidRequest("The specified copy range is invalid for the source object size");
  }
  if (end >= size) {
    throw invalidArgument(`Range specified is not valid for source object of size: ${size}`, name, header);
  }
  return { start, end };
}

/** An object that was uploaded in one piece is its own part 1. */
function partRange(
  number: number,
  { size, parts = [{ number: 1, size }] }: ObjectVersion,
): ByteRange | undefined {
  if (!Number.isInteger(number) || number < 1 || number > parts.length) {
    throw new S3Error(416, "InvalidPartNumber", "The requested partnumber is not satisfiable", {
      PartNumberRequested: String(number),
      ActualPartCount: String(parts.length),
    });
  }
  if (size === 0) return undefined;
  const start = parts.slice(0, number - 1).reduce((sum, part) => sum + part.size, 0);
  return { start, end: start + (parts[number - 1]?.size ?? 0) - 1 };
}
