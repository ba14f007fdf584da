import { S3Error } from "./errors.ts";
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

/** @throws 412 where the condition does not hold, 404 where If-Match finds nothing. */
export function checkWrite(condition: WriteCondition, key: string, current: ObjectVersion | undefined): void {
  if (condition.ifNoneMatch && current) throw preconditionFailed("If-None-Match");
  if (condition.ifMatch === undefined) return;
  if (!current) throw new S3Error(404, "NoSuchKey", "The specified key does not exist.", { Key: key });
  if (!names(condition.ifMatch, current.etag)) throw preconditionFailed("If-Match");
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

/** @throws 409 where there is a condition: what it is about changed while the write was under way. */
export function checkConflict(condition: WriteCondition, key: string): void {
  const name = condition.ifMatch ? "If-Match" : condition.ifNoneMatch && "If-None-Match";
  if (!name) return;
  throw new S3Error(
    409,
    "ConditionalRequestConflict",
    "The conditional request cannot succeed due to a conflicting operation against this resource.",
    { Condition: name, Key: key },
  );
}

/**
 * Conditional writes under way. A delete that overtakes one decides its condition differently before and after:
 * S3 answers such a write with 409, and the client reads again.
 */
export class Contention {
  readonly #writes = new Map<string, Set<{ overtaken: boolean }>>();

  /** Begins a write; `check` throws where it is conditional and was overtaken. Call `end` in any case. */
  begin(bucket: string, key: string): { check: (condition: WriteCondition) => void; end: () => void } {
    const name = `${bucket}/${key}`;
    const writes = this.#writes.get(name) ?? new Set();
    const write = { overtaken: false };
    this.#writes.set(name, writes.add(write));
    return {
      check: (condition) => {
        if (write.overtaken) checkConflict(condition, key);
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
