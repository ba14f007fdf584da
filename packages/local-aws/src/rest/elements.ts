import { invalidArgument } from "../store/errors.ts";
import { encodeKey } from "../store/events.ts";
import type { Checksum, ObjectVersion } from "../store/model.ts";
import type { Exchange } from "./exchange.ts";
import type { Xml } from "./xml.ts";

type Elements = { readonly [name: string]: Xml };

export function checksumElements(checksum: Checksum | undefined): Elements {
  return checksum ? { [`Checksum${checksum.algorithm}`]: checksum.value, ChecksumType: checksum.type } : {};
}

/** A date as XML answers tell it: S3 knows no fractions of a second, and writes some. */
export function time(date: Date): string {
  return date.toISOString().replace(/\.\d+/, ".000");
}

export function owner({ store }: Exchange): Elements {
  return { ID: store.accountId };
}

/** Makes an object's entry in a listing. */
export function objectElements(version: ObjectVersion, name: (key: string) => string) {
  return {
    Key: name(version.key),
    LastModified: time(version.modified),
    ETag: `"${version.etag}"`,
    ChecksumAlgorithm: version.checksum?.algorithm,
    ChecksumType: version.checksum?.type,
    Size: version.size,
    StorageClass: "STANDARD",
  };
}

/** Encodes keys in a listing as the caller asks, because XML cannot hold every key. */
export function keyWriter(exchange: Exchange): (key: string) => string {
  const encoding = exchange.parameter("encoding-type");
  if (encoding !== undefined && encoding !== "url") {
    throw invalidArgument("Invalid Encoding Method specified in Request", "encoding-type", encoding);
  }
  return encoding ? encodeKey : (key) => key;
}

/** Reads the number of entries that the query asks for, up to `max`. */
export function limitOf(exchange: Exchange, name: string, min = 0, max = 1000): number {
  const value = exchange.parameter(name) ?? String(max);
  if (!/^\d{1,10}$/.test(value) || Number(value) < min) {
    throw invalidArgument(`Argument ${name} must be an integer between ${min} and 2147483647`, name, value);
  }
  return Math.min(Number(value), max);
}
