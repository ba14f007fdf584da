import { ArgumentError } from "./argument-error.ts";
import { checkPlain } from "./checks.ts";

/** Segments of letters, digits, "_", "." and "-", which policies, events and folders of this computer all take as they are. */
const PREFIX = /^(?!\.\.?(\/|$))[\w.-]+(\/(?!\.\.?(\/|$))[\w.-]+)*$/;

/** Leaves room for the keys of sources in the 1,024 bytes that a key may have. */
const MAXIMUM = 128;

/** @throws ArgumentError unless keys of results can begin with it */
export function checkPrefix(worker: string, prefix: unknown): void {
  checkPlain(`ImageWorker "${worker}": prefix`, prefix);
  if (typeof prefix === "string" && prefix.length <= MAXIMUM && PREFIX.test(prefix)) return;
  throw new ArgumentError(
    `ImageWorker "${worker}": prefix is ${JSON.stringify(prefix)}, but must be 1 to ${MAXIMUM} letters, digits, "_", "." and "-", in parts that are set off by single "/", without one at either end.`,
  );
}

/**
 * @param others prefixes of results in the same bucket, by worker
 * @param of says whose workers those are, behind their names: ` of the fan-out's own stack`
 * @throws ArgumentError where results of two workers would have the same keys, or one may write among the other's
 */
export function refuseOverlap(
  worker: string,
  prefix: string,
  others: Readonly<Record<string, string>>,
  of = "",
): void {
  for (const [other, taken] of Object.entries(others)) {
    if (!`${prefix}/`.startsWith(`${taken}/`) && !`${taken}/`.startsWith(`${prefix}/`)) continue;
    throw new ArgumentError(
      `ImageWorker "${worker}": its results would be under "${prefix}/", and those of worker "${other}"${of} are under "${taken}/". Give one of them another name or prefix.`,
    );
  }
}
