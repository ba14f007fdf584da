import { createHash, randomBytes } from "node:crypto";

/*
 * Version ids as S3 makes them: opaque to clients, but S3 itself reads in one whether it made it, and how old the
 * version is or was. So it can tell an id that was invented from one whose version is gone, and go on with a
 * listing behind a version that was deleted meanwhile.
 */

const SALT_BYTES = 12;
const SEQUENCE_BYTES = 8;
const CHECK_BYTES = 4;

/** 32 characters that need no escaping in a URL and do not look like an option on a command line. */
export function makeVersionId(sequence: number): string {
  const salt = randomBytes(SALT_BYTES);
  const hidden = mask(salt);
  hidden.writeBigUInt64BE(hidden.readBigUInt64BE() ^ BigInt(sequence));
  const body = Buffer.concat([salt, hidden]);
  return Buffer.concat([body, check(body)])
    .toString("base64url")
    .replaceAll("-", ".");
}

/** The sequence of the version that an id was made for; undefined where the id was not made here. */
export function sequenceOf(versionId: string): number | undefined {
  if (!/^[\w.]{32}$/.test(versionId)) return undefined;
  const bytes = Buffer.from(versionId.replaceAll(".", "-"), "base64url");
  const body = bytes.subarray(0, SALT_BYTES + SEQUENCE_BYTES);
  if (!check(body).equals(bytes.subarray(body.length))) return undefined;
  return Number(body.readBigUInt64BE(SALT_BYTES) ^ mask(body.subarray(0, SALT_BYTES)).readBigUInt64BE());
}

/** Tells whether a text can be the ID of a version that is or was. */
export function isVersionId(text: string): boolean {
  return text === "null" || sequenceOf(text) !== undefined;
}

function mask(salt: Buffer): Buffer {
  return createHash("sha256").update(salt).digest().subarray(0, SEQUENCE_BYTES);
}

function check(body: Buffer): Buffer {
  return createHash("sha256").update("version").update(body).digest().subarray(0, CHECK_BYTES);
}
