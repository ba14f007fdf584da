import { hash } from "node:crypto";

/*
 * Version ids as S3 makes them: opaque to clients, but S3 itself reads in one whether it made it, and how old the
 * version is or was. So it can tell an id that was invented from one whose version is gone, and go on with a
 * listing behind a version that was deleted meanwhile.
 */

const CHECK_BYTES = 16;
const SEQUENCE_BYTES = 8;

/** 32 characters that need no escaping in a URL and do not look like an option on a command line. */
export function makeVersionId(sequence: number): string {
  const bytes = Buffer.alloc(CHECK_BYTES + SEQUENCE_BYTES);
  hash("sha256", `version ${sequence}`, "buffer").copy(bytes, 0, 0, CHECK_BYTES);
  bytes.writeBigUInt64BE(BigInt(sequence), CHECK_BYTES);
  return bytes.toString("base64url").replaceAll("-", ".");
}

/** The sequence of the version that an id was made for; undefined where the id was not made here. */
export function sequenceOf(versionId: string): number | undefined {
  const bytes = Buffer.from(versionId.replaceAll(".", "-"), "base64url");
  if (bytes.length !== CHECK_BYTES + SEQUENCE_BYTES) return undefined;
  const sequence = Number(bytes.readBigUInt64BE(CHECK_BYTES));
  return Number.isSafeInteger(sequence) && makeVersionId(sequence) === versionId ? sequence : undefined;
}

/** Tells whether a text can be the ID of a version that is or was. */
export function isVersionId(text: string): boolean {
  return text === "null" || sequenceOf(text) !== undefined;
}
