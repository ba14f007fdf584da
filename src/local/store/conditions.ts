import { S3Error } from "./errors.ts";
import type { ObjectVersion } from "./model.ts";

/** What must be true of the current version for a write to happen. */
export interface WriteCondition {
  /** `*`: there must be none. */
  readonly ifNoneMatch?: "*" | undefined;
  /** It must have this ETag; `*`: there must be one. */
  readonly ifMatch?: string | undefined;
}

/** What must be true of a version for a read to answer with it. */
export interface ReadCondition {
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
  readonly ifModifiedSince?: Date | undefined;
  readonly ifUnmodifiedSince?: Date | undefined;
}

/** @throws 412 where the condition does not hold, 404 where If-Match finds nothing. */
export function checkWrite(condition: WriteCondition, key: string, current: ObjectVersion | undefined): void {
  if (condition.ifNoneMatch && current) throw preconditionFailed("If-None-Match");
  if (condition.ifMatch === undefined) return;
  if (!current) throw new S3Error(404, "NoSuchKey", "The specified key does not exist.", { Key: key });
  if (!names(condition.ifMatch, current.etag)) throw preconditionFailed("If-Match");
}

/**
 * Whether the reader has this version already (304). ETags go before dates, as RFC 9110 and S3 have it.
 *
 * @throws 412 where the condition does not hold.
 */
export function checkRead(
  condition: ReadCondition,
  { etag, modified }: ObjectVersion,
): "modified" | "not-modified" {
  const second = Math.floor(+modified / 1000) * 1000; // all that a header can say
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = condition;
  if (ifMatch !== undefined) {
    if (!names(ifMatch, etag)) throw preconditionFailed("If-Match");
  } else if (ifUnmodifiedSince && second > +ifUnmodifiedSince) {
    throw preconditionFailed("If-Unmodified-Since");
  }
  const unchanged =
    ifNoneMatch !== undefined ? names(ifNoneMatch, etag) : ifModifiedSince && second <= +ifModifiedSince;
  return unchanged ? "not-modified" : "modified";
}

/** Does the header, `*` or a list of ETags with or without quotes, name this one? */
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

/**
 * Conditional writes under way. A delete that overtakes one decides its condition differently before and after:
 * S3 answers such a write with 409, and the client reads again.
 */
export class Contention {
  readonly #writes = new Map<string, Set<{ overtaken: boolean }>>();

  /** Begins a conditional write; `check` throws where it was overtaken. Call `end` in any case. */
  begin(bucket: string, key: string): { check: () => void; end: () => void } {
    const name = `${bucket}/${key}`;
    const writes = this.#writes.get(name) ?? new Set();
    const write = { overtaken: false };
    this.#writes.set(name, writes.add(write));
    return {
      check: () => {
        if (!write.overtaken) return;
        throw new S3Error(
          409,
          "ConditionalRequestConflict",
          "The conditional request cannot succeed due to a conflicting operation against this resource.",
          { Key: key },
        );
      },
      end: () => {
        writes.delete(write);
        if (writes.size === 0) this.#writes.delete(name);
      },
    };
  }

  deleted(bucket: string, key: string): void {
    for (const write of this.#writes.get(`${bucket}/${key}`) ?? []) write.overtaken = true;
  }
}
