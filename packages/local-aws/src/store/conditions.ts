import { noSuchKey, S3Error } from "./errors.ts";
import type { ObjectVersion } from "./model.ts";

/** Conditions of a write on the current version. */
export interface WriteCondition {
  /** `*`: there must be none. */
  readonly ifNoneMatch?: "*" | undefined;
  /** It must have this ETag; `*`: there must be one, which S3 knows of deletes alone. */
  readonly ifMatch?: string | undefined;
}

/** Conditions of a read on the version. */
export interface ReadCondition {
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
  readonly ifModifiedSince?: Date | undefined;
  readonly ifUnmodifiedSince?: Date | undefined;
}

/**
 * @param changed whether the key was written or deleted since the write began
 * @throws 412 where the condition does not hold, 409 where the key changed meanwhile, 404 where If-Match finds nothing
 */
export function checkWrite(
  { ifMatch, ifNoneMatch }: WriteCondition,
  key: string,
  current: ObjectVersion | undefined,
  changed = false,
): void {
  if (ifNoneMatch && current) throw preconditionFailed("If-None-Match");
  if (ifMatch !== undefined && current && !names(ifMatch, current.etag)) throw preconditionFailed("If-Match");
  if (changed && (ifMatch ?? ifNoneMatch) !== undefined) {
    throw new S3Error(
      409,
      "ConditionalRequestConflict",
      "The conditional request cannot succeed due to a conflicting operation against this resource.",
      { Condition: ifMatch === undefined ? "If-None-Match" : "If-Match", Key: key },
    );
  }
  if (ifMatch !== undefined && !current) throw noSuchKey(key);
}

/**
 * Names the condition that says that the reader has this version already (304), if one does. ETags go before dates, as
 * RFC 9110 and S3 have it.
 *
 * @param prefix of the conditions' names in errors
 * @throws 412 where a condition does not hold
 */
export function checkRead(
  condition: ReadCondition,
  { etag, modified }: ObjectVersion,
  prefix = "",
): "If-None-Match" | "If-Modified-Since" | undefined {
  const second = Math.floor(+modified / 1000) * 1000; // all that a header can say
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = condition;
  if (ifMatch !== undefined) {
    if (!names(ifMatch, etag)) throw preconditionFailed(`${prefix}If-Match`);
  } else if (ifUnmodifiedSince && second > +ifUnmodifiedSince) {
    throw preconditionFailed(`${prefix}If-Unmodified-Since`);
  }
  if (ifNoneMatch !== undefined) return names(ifNoneMatch, etag) ? "If-None-Match" : undefined;
  return ifModifiedSince && second <= +ifModifiedSince ? "If-Modified-Since" : undefined;
}

/** Tells whether a header, `*` or a list of ETags with or without quotes, names this ETag. */
function names(header: string, etag: string): boolean {
  return header.split(",").some((entry) => {
    const name = entry.trim().replace(/^(W\/)?"(.*)"$/, "$2");
    return name === "*" || name === etag;
  });
}

export function preconditionFailed(condition: string): S3Error {
  return new S3Error(
    412,
    "PreconditionFailed",
    "At least one of the pre-conditions you specified did not hold",
    { Condition: condition },
  );
}
