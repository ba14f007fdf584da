import type { GetObjectCommandOutput, PutObjectCommandInput, Tag } from "@aws-sdk/client-s3";

/** What can go along from a source to its results, beside what is in the image itself. */
export const CARRIED = ["cache-control", "content-disposition", "metadata", "tags"] as const;

export type Carried = (typeof CARRIED)[number];

/** Parts of a result's PUT that come from its source. */
export interface Along {
  readonly put: Pick<PutObjectCommandInput, "CacheControl" | "ContentDisposition" | "Metadata" | "Tagging">;
  /** What was asked for and cannot go along, in words. */
  readonly left: readonly string[];
}

/** Maximum of user metadata, names and values: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html */
const MAX_METADATA_BYTES = 2048;

/**
 * S3 gives user metadata beyond ASCII as encoded words of RFC 2047, and decodes those of a PUT, so that they go along as they
 * are. Other headers it gives as bytes, with which no signature of a PUT is right.
 */
const PRINTABLE = /^[\x20-\x7e]*$/;

/**
 * What of a source's description goes along with its results.
 * @param read what S3 said of the source
 * @param tags those of the source, where they are asked for
 * @param own metadata that the result has anyway, which nothing of the source takes the place of
 */
export function along(
  read: Pick<GetObjectCommandOutput, "CacheControl" | "ContentDisposition" | "Metadata">,
  tags: readonly Tag[],
  carry: readonly Carried[],
  own: Readonly<Record<string, string>>,
): Along {
  const left: string[] = [];
  const header = (name: Carried, value: string | undefined) => {
    if (value === undefined || !carry.includes(name)) return undefined;
    if (PRINTABLE.test(value)) return value;
    left.push(`${name}, which is not in ASCII`);
    return undefined;
  };
  const CacheControl = header("cache-control", read.CacheControl);
  const ContentDisposition = header("content-disposition", read.ContentDisposition);
  const Metadata = carry.includes("metadata") ? fitting(read.Metadata ?? {}, own, left) : {};
  // AWS's own are nobody's to give.
  const given = tags.filter(({ Key }) => !Key?.startsWith("aws:"));
  const Tagging = given.map(({ Key = "", Value = "" }) => [Key, Value].map(encodeURIComponent).join("="));
  return {
    put: {
      ...(CacheControl !== undefined && { CacheControl }),
      ...(ContentDisposition !== undefined && { ContentDisposition }),
      ...(Tagging.length > 0 && { Tagging: Tagging.join("&") }),
      Metadata,
    },
    left,
  };
}

/** Metadata in alphabetical order, as long as there is room for it beside the result's own. */
function fitting(
  metadata: Readonly<Record<string, string>>,
  own: Readonly<Record<string, string>>,
  left: string[],
): Record<string, string> {
  const sizeOf = (entry: readonly string[]) => Buffer.byteLength(entry.join(""));
  let room = MAX_METADATA_BYTES - sizeOf(Object.entries(own).flat());
  const others = Object.entries(metadata).filter(([name]) => !Object.hasOwn(own, name));
  return Object.fromEntries(
    others.sort().filter((entry) => {
      const fits = sizeOf(entry) <= room && PRINTABLE.test(entry[1]);
      if (fits) room -= sizeOf(entry);
      else left.push(`metadata ${entry[0]}, for which there is no room`);
      return fits;
    }),
  );
}
