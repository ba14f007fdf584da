import { ArgumentError } from "./argument-error.ts";
import { from, isLater, type Later } from "./later.ts";

/**
 * Checks of a component's arguments and of the stack's settings alike. Each throws a sentence that names whose value it is, the
 * value and its range: at once where the value is known, before anything is registered, and in an `apply` where it is not.
 */

/**
 * A setting: what it decides and what it may be, for checks, for the types of arguments and for docs/settings.md.
 * `npm run docs` writes the latter two.
 */
export interface Setting<Value = unknown> {
  /** Sentences on what it decides. */
  readonly says: string;
  /** Type in TypeScript. */
  readonly type: string;
  /** Type for other languages, which have neither unions nor lists that cannot be changed. @default `type` */
  readonly flat?: string;
  /** Range in words; empty for a group of settings. */
  readonly range: string;
  /** Default in words. */
  readonly standard: string;
  readonly isRequired?: boolean;
  /** Settings in it, by the interfaces that have them. */
  readonly interfaces?: Readonly<Record<string, Declared>>;
  /**
   * Returns what was given, or the default.
   * @param subject whose it is, and its name: `ImageWorker "grey": memorySize` or `Setting workers.memorySize`
   * @throws ArgumentError where it is not as it must be; its `apply` does where it is only known later
   */
  readonly check: (subject: string, given: unknown) => Value;
}

/** An interface of settings. */
export interface Declared {
  readonly about: string;
  readonly settings: Settings;
}

export type Settings = Readonly<Record<string, Setting>>;

/** The values that were given, or their defaults. */
export type Checked<Known extends Settings> = {
  readonly [Name in keyof Known]: Known[Name] extends Setting<infer Value> ? Value : never;
};

/** Range of a whole number. */
export interface Range {
  readonly minimum: number;
  readonly maximum: number;
  /** Unit; empty for a mere count. */
  readonly unit: string;
}

interface Whole extends Range {
  readonly default?: number;
  /** Default in words, where it is no number. */
  readonly standard?: string;
  /** Whether it must be known while the program runs. */
  readonly isPlain?: true;
  readonly isRequired?: true;
}

type WholeValue<Given extends Whole> =
  | (Given extends { isPlain: true } ? number : Later<number>)
  | (Given extends { default: number } | { isRequired: true } ? never : undefined);

/** A whole number in a range. */
export function integer<const Given extends Whole>(
  says: string,
  given: Given,
): Setting<WholeValue<Given>> & Given {
  const { default: standard, isPlain, isRequired } = given;
  return {
    ...given,
    says,
    type: isPlain ? "number" : "pulumi.Input<number>",
    range: rangeOf(given),
    standard: given.standard ?? standard?.toLocaleString("en") ?? "none",
    check: (subject, value) => {
      if (value === undefined && !isRequired) return standard as WholeValue<Given>;
      if (isPlain) checkPlain(subject, value);
      return from(value, (number) => checkInteger(subject, number, given)) as WholeValue<Given>;
    },
  };
}

/** A range in words. */
export function rangeOf({ minimum, maximum, unit }: Range): string {
  return `${minimum.toLocaleString("en")} to ${maximum.toLocaleString("en")} ${unit}`.trim();
}

/** One of a few words, the first of which is the default; or true and false. It must be known while the program runs. */
export function choice<const Value extends string | boolean>(
  says: string,
  values: readonly Value[],
): Setting<Value> {
  const [standard] = values;
  const isSwitch = typeof standard === "boolean";
  const words = isSwitch ? ["true", "false"] : values;
  return {
    says,
    ...(isSwitch
      ? { type: "boolean" }
      : { type: words.map((word) => JSON.stringify(word)).join(" | "), flat: "string" }),
    range: words.join(", "),
    standard: String(standard),
    check: (subject, given) => {
      if (given === undefined) return standard as Value;
      checkPlain(subject, given);
      if (values.includes(given as Value)) return given as Value;
      throw new ArgumentError(
        `${subject} is ${JSON.stringify(given)}, but must be ${words.slice(0, -1).join(", ")} or ${words.at(-1)}.`,
      );
    },
  };
}

/** What has a check of its own. None is made where it is not given, unless it must be. */
export function other<Value>(
  says: string,
  given: Pick<Setting, "range"> & Partial<Omit<Setting, "says" | "check">>,
  check: (subject: string, given: unknown) => Value,
): Setting<Value | undefined> {
  return {
    says,
    type: "pulumi.Input<string>",
    standard: "none",
    ...given,
    check: (subject, value) => (value === undefined && !given.isRequired ? undefined : check(subject, value)),
  };
}

/** A map of settings, by default an empty one. */
export function group<const Known extends Settings, Value = Checked<Known>>(
  says: string,
  { name, about = says, settings, standard = "see its settings", rule }: Group<Known, Value>,
): Setting<Value> {
  return {
    says,
    type: name,
    range: "",
    standard,
    interfaces: { [name]: { about, settings } },
    check: (subject, given = {}) => {
      const checked = checkAll(`${subject}.`, given, settings);
      return rule ? rule(`${subject}.`, checked) : (checked as Value);
    },
  };
}

interface Group<Known extends Settings, Value> {
  /** Name of the interface. */
  readonly name: string;
  /** Doc comment of the interface. @default what the setting says */
  readonly about?: string;
  readonly settings: Known;
  readonly standard?: string;
  /** Checks what concerns several of them. `prefix` is whose they are, up to the name. */
  readonly rule?: (prefix: string, checked: Checked<Known>) => Value;
}

/** A map of settings, by default none. */
export function optional<Value>(group: Setting<Value>): Setting<Value | undefined> {
  const { check } = group;
  return { ...group, check: (subject, given) => (given === undefined ? undefined : check(subject, given)) };
}

/**
 * Returns what was given of the known settings, and the defaults of the others.
 * @param prefix whose they are, up to the name: `ImageWorker "grey": ` or `Setting workers.`
 * @param others names that are known, too, and looked at elsewhere
 * @throws ArgumentError where a name is unknown, probably a typing error, or a value not as it must be
 */
export function checkAll<Known extends Settings>(
  prefix: string,
  given: unknown,
  known: Known,
  others: readonly string[] = [],
): Checked<Known> {
  checkNames(prefix, given, [...Object.keys(known), ...others], known);
  const values = Object.entries(known).map(([name, setting]) => [
    name,
    setting.check(prefix + name, (given as Record<string, unknown>)[name]),
  ]);
  return Object.fromEntries(values);
}

/** What says now what settings of these names once said. */
const FORMER = new Map(
  Object.entries({
    customerManagedKey: "key",
    forceDestroy: "retention",
    protect: "retention",
    retainOnDelete: "retention",
    oldestMessageSeconds: "alarms.late.threshold",
    rejectedImages: "alarms.rejected.threshold",
  }),
);

/**
 * @param known settings among them that have settings of their own, one of which may be meant
 * @throws ArgumentError unless `given` is a map with none but the known names
 */
export function checkNames(
  prefix: string,
  given: unknown,
  names: readonly string[],
  known: Settings = {},
): asserts given is object {
  checkMap(prefix.replace(/[.: ]*$/, ""), given, names.join(", "));
  const unknown = Object.keys(given).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const now = FORMER.get(unknown);
  const meant = below(known, unknown).map((name) => `${/\S*$/.exec(prefix)}${name}`);
  const remedy = now
    ? `: use ${now} (docs/settings.md).`
    : meant.length > 0
      ? `: did you mean ${meant.join(" or ")}?`
      : `, only ${names.join(", ")}.`;
  throw new ArgumentError(`${prefix}${unknown} is not known${remedy}`);
}

/** Finds a setting's name in those that have settings of their own. */
function below(known: Settings, wanted: string): string[] {
  return Object.entries(known)
    .filter(([, { interfaces = {} }]) =>
      Object.values(interfaces).some(({ settings }) => Object.hasOwn(settings, wanted)),
    )
    .map(([name]) => `${name}.${wanted}`);
}

/** @throws ArgumentError unless `value` is an object, and no list; `of` says what it holds */
export function checkMap(subject: string, value: unknown, of: string): asserts value is object {
  checkPlain(subject, value);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return;
  throw new ArgumentError(`${subject} is ${JSON.stringify(value)}, but must be a map of ${of}.`);
}

/** @throws ArgumentError where a value is only known later that decides what there is */
export function checkPlain(subject: string, value: unknown): void {
  if (!isLater(value)) return;
  throw new ArgumentError(
    `${subject} is an Output, but must be a plain value, because it decides which resources there are.`,
  );
}

/** Returns a text that is as it must be. @throws ArgumentError unless it is; its `apply` does where it is only known later */
export function checkText(subject: string, given: unknown, pattern: RegExp, what: string): Later<string> {
  return from(given, (text) => {
    if (typeof text === "string" && pattern.test(text)) return text;
    throw new ArgumentError(`${subject} is ${JSON.stringify(text)}, but must be ${what}.`);
  });
}

/** @throws ArgumentError unless `value` is a whole number in its range */
export function checkInteger(subject: string, value: unknown, { minimum, maximum, unit }: Range): number {
  const number = Number(value);
  if (Number.isInteger(value) && number >= minimum && number <= maximum) return number;
  throw new ArgumentError(
    `${subject} is ${quoted(value)}, but must be a whole number from ${minimum} to ${maximum}${unit && ` ${unit}`}.`,
  );
}

/** A value in a sentence: as JSON has it, but for numbers, of which that does not know all. */
export function quoted(value: unknown): string | undefined {
  return typeof value === "number" ? String(value) : JSON.stringify(value);
}

/** The names that are a key prefix, part of physical names and a metric's dimension at once. */
const NAME = /^[a-z][a-z0-9-]{0,30}[a-z0-9]$/;

/**
 * @throws ArgumentError unless `name` is 2 to 32 characters of a–z, 0–9 and hyphen, starting with a letter. 32
 * leaves room for the suffixes and random digits in the 64 characters that Lambda and IAM allow, and in the
 * 63 of a bucket.
 */
export function checkName(component: string, name: string): void {
  checkPlain(`${component}: the name`, name);
  if (NAME.test(name)) return;
  throw new ArgumentError(
    `${component}: the name is ${JSON.stringify(name)}, but must be 2 to 32 characters of a–z, 0–9 and "-", start with a letter and not end with "-".`,
  );
}

/** What Lambda and IAM allow, less the longest suffix of what is named so, and Pulumi's hyphen and seven digits. */
const MAXIMUM_FULL_NAME = 64 - "-function".length - 8;

/**
 * @param component class and name of the worker
 * @throws ArgumentError where a worker's name and its fan-out's are too long together for the names of its resources
 */
export function checkFullName(component: string, fanOut: string, worker: string): void {
  const { length } = `${fanOut}-${worker}`;
  if (length <= MAXIMUM_FULL_NAME) return;
  throw new ArgumentError(
    `${component}: the names of its resources begin with "${fanOut}-${worker}", which is ${length} characters, but the maximum is ${MAXIMUM_FULL_NAME}, because AWS allows 64 for functions and roles. Shorten the worker's name or the fan-out's.`,
  );
}

/** The names of the machine's own tags. */
export const OWN_TAGS: readonly string[] = ["Project", "Stack", "Worker"];

/**
 * @param others names beside these, whose values replace those of the same name
 * @throws ArgumentError where two names differ only in case: IAM takes them for one, and refuses to create a role that has both
 */
export function checkTagNames(prefix: string, own: readonly string[], others: readonly string[]): void {
  const known = new Map(own.map((name) => [name.toLowerCase(), name]));
  for (const name of others) {
    const other = known.get(name.toLowerCase()) ?? name;
    known.set(name.toLowerCase(), other);
    if (other === name) continue;
    throw new ArgumentError(
      `${prefix}${name} differs from the tag ${other} only in case, which IAM ignores: write ${other}, or choose another name.`,
    );
  }
}
