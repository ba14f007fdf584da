/**
 * Checks of plain values, of a component's arguments and of the stack's settings alike. Each throws a sentence
 * that names whose value it is, the value and its range, before anything is registered.
 */

/** Range of a whole number, and its default. */
export interface Range {
  readonly minimum: number;
  readonly maximum: number;
  /** Unit; empty for a mere count. */
  readonly unit: string;
  readonly default: number;
}

/**
 * Values that are allowed for each name: a whole number in its range, true or false with the default, or one of a few
 * values, the first of which is the default.
 */
export type Choices = Readonly<Record<string, Range | boolean | readonly (boolean | string)[]>>;

/** The values that were given, or their defaults. */
export type Chosen<Known extends Choices> = {
  -readonly [Name in keyof Known]: Known[Name] extends boolean
    ? boolean
    : Known[Name] extends readonly (infer One)[]
      ? One
      : number;
};

/**
 * Returns what was given of the known choices, and the defaults of the others.
 * @param prefix whose they are, up to the name: `ImageWorker "grey": ` or `Setting workers.`
 * @param others names that are known, too, and looked at elsewhere
 * @throws RangeError where a name is unknown, probably a typing error, or a value out of its range
 */
export function choose<Known extends Choices>(
  prefix: string,
  given: unknown,
  known: Known,
  others: readonly string[] = [],
): Chosen<Known> {
  const names = [...Object.keys(known), ...others];
  checkMap(prefix.replace(/[.: ]*$/, ""), given, names.join(", "));
  const unknown = Object.keys(given as object).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new RangeError(`${prefix}${unknown} is not known, only ${names.join(", ")}.`);
  }
  const chosen = Object.entries(known).map(([name, choice]) => {
    const value: unknown = (given as Record<string, unknown>)[name];
    if (typeof choice === "object" && !isList(choice)) {
      const number = value ?? choice.default;
      checkInteger(prefix + name, number, choice);
      return [name, number];
    }
    const [standard, ...others] = isList(choice) ? choice : [choice, !choice];
    if (value !== undefined && ![standard, ...others].some((one) => one === value)) {
      const names = isList(choice)
        ? `${[...choice].slice(0, -1).join(", ")} or ${choice.at(-1)}`
        : "true or false";
      throw new RangeError(`${prefix}${name} is ${JSON.stringify(value)}, but must be ${names}.`);
    }
    return [name, value ?? standard];
  });
  return Object.fromEntries(chosen);
}

/** `Array.isArray` does not tell the compiler about read-only lists. */
function isList(choice: Choices[string]): choice is readonly (boolean | string)[] {
  return Array.isArray(choice);
}

/** @throws RangeError unless `value` is an object, and no list; `of` says what it holds */
export function checkMap(subject: string, value: unknown, of: string): void {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return;
  throw new RangeError(`${subject} is ${JSON.stringify(value)}, but must be a map of ${of}.`);
}

/** @throws RangeError unless `value` is a whole number in its range */
export function checkInteger(subject: string, value: unknown, range: Omit<Range, "default">): void {
  const { minimum, maximum, unit } = range;
  if (Number.isInteger(value) && Number(value) >= minimum && Number(value) <= maximum) return;
  throw new RangeError(
    `${subject} is ${typeof value === "number" ? value : JSON.stringify(value)}, but must be a whole number from ${minimum} to ${maximum}${unit && ` ${unit}`}.`,
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

/** What Lambda and IAM allow, less the longest suffix of what is named so, and Pulumi's hyphen and seven digits. */
const MAXIMUM_FULL_NAME = 64 - "-function".length - 8;

/** @throws RangeError where a worker's name and its fan-out's are too long together for the names of its resources */
export function checkFullName(fanOut: string, worker: string): void {
  const { length } = `${fanOut}-${worker}`;
  if (length <= MAXIMUM_FULL_NAME) return;
  throw new RangeError(
    `ImageWorker "${worker}": the names of its resources begin with "${fanOut}-${worker}", which is ${length} characters, but the maximum is ${MAXIMUM_FULL_NAME}, as AWS allows 64 for functions and roles. Shorten the worker's name or the fan-out's.`,
  );
}

/** The names of the machine's own tags. */
export const OWN_TAGS: readonly string[] = ["Project", "Stack", "Worker"];

/**
 * @param others names beside these, whose values replace those of the same name
 * @throws RangeError where two names differ only in case: IAM takes them for one, and refuses to create a role that has both
 */
export function checkTagNames(prefix: string, own: readonly string[], others: readonly string[]): void {
  const known = new Map(own.map((name) => [name.toLowerCase(), name]));
  for (const name of others) {
    const other = known.get(name.toLowerCase()) ?? name;
    known.set(name.toLowerCase(), other);
    if (other === name) continue;
    throw new RangeError(
      `${prefix}${name} differs from the tag ${other} only in case, which IAM does not tell apart: write ${other}, or choose another name.`,
    );
  }
}
