/**
 * Checks of plain values in a component's constructor. Each throws a sentence that names the component, the
 * argument, the value and the range, before anything is registered.
 */

/** @throws RangeError unless `value` is an integer from `minimum` to `maximum`, both included. */
export function checkInteger(
  component: string,
  argument: string,
  value: number,
  minimum: number,
  maximum: number,
  unit = "",
): void {
  if (Number.isInteger(value) && value >= minimum && value <= maximum) return;
  throw new RangeError(
    `${component}: ${argument} is ${value}, but must be a whole number from ${minimum} to ${maximum}${unit && ` ${unit}`}.`,
  );
}

/** The names that are a key prefix, part of physical names and a metric's dimension at once. */
const NAME = /^[a-z][a-z0-9-]{0,30}[a-z0-9]$/;

/**
 * @throws RangeError unless `name` is 2 to 32 characters of a–z, 0–9 and hyphen, starting with a letter. 32
 * leaves room for the suffixes and random digits in the 64 characters that Lambda and IAM allow, and in the
 * 63 of a bucket.
 */
export function checkName(component: string, name: string): void {
  if (NAME.test(name)) return;
  throw new RangeError(
    `${component}: the name is ${JSON.stringify(name)}, but must be 2 to 32 characters of a–z, 0–9 and "-", start with a letter and not end with "-".`,
  );
}
