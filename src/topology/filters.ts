import { encodedKey, type ImageFilter, type SubscriptionFilter } from "../image-filter.ts";
import { checkInteger, choose } from "./checks.ts";

/** Which images a worker is told of, beside what the fan-out says. */
export interface OnlySettings {
  /**
   * How keys begin: a text, or a list of which one must be met. SNS cannot ask for both prefix and suffix: give the fan-out one of
   * them. @default none
   */
  readonly prefix?: string | readonly string[];

  /** How keys end: a text, or a list of which one must be met, such as `.jpg` and `.JPG`. @default none */
  readonly suffix?: string | readonly string[];

  /** Minimum size of an image in bytes, 0 to 1,000,000,000. @default none */
  readonly minimumBytes?: number;

  /** Maximum size of an image in bytes, 0 to 1,000,000,000. @default none */
  readonly maximumBytes?: number;
}

/** Maximum of characters in each, S3's: https://docs.aws.amazon.com/AmazonS3/latest/API/API_FilterRule.html */
export const KEY_PART = { text: "1 to 1,024 characters" } as const;

/** Numbers that SNS compares: https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html */
export const ONLY_BYTES = { minimum: 0, maximum: 1_000_000_000, unit: "bytes" } as const;

/**
 * SNS's maximum of combinations, for which values of nested keys count as often as they are deep, and how deep keys and sizes
 * are in an event of S3.
 */
const COMBINATIONS = 150;
const DEPTH = 4;

/** How long such a list may be: with a size beside it, and without. */
const maximumTexts = (withSize: boolean) => Math.floor(COMBINATIONS / (withSize ? DEPTH * DEPTH : DEPTH));

/** Of `only.prefix` and `only.suffix`. */
export const KEY_PARTS = {
  text: `1 to ${maximumTexts(false)} texts, ${maximumTexts(true)} beside a size`,
} as const;

/**
 * One text that keys begin or end with.
 * @throws RangeError where it is none, or has a character that no page of AWS says how it is written in an event
 */
export function checkKeyPart(subject: string, value: unknown): string {
  const text = typeof value === "number" ? String(value) : value;
  if (typeof text === "string" && /^[^!'()*~]{1,1024}$/su.test(text) && text.isWellFormed()) return text;
  throw new RangeError(
    `${subject} is ${JSON.stringify(value)}, but must be a text of ${KEY_PART.text}, none of them ! ' ( ) * or ~, as AWS does not say how it writes these in events.`,
  );
}

/** @throws RangeError where it says nothing, what SNS cannot ask for, or something out of range */
export function checkOnly(prefix: string, given: OnlySettings): SubscriptionFilter {
  choose(prefix, given, {}, ["prefix", "suffix", "minimumBytes", "maximumBytes"]);
  const { minimumBytes, maximumBytes } = given;
  const subject = prefix.replace(/\.$/, "");
  if (Object.values(given).every((value) => value === undefined)) {
    throw new RangeError(`${subject} is empty, but must say prefix, suffix, minimumBytes or maximumBytes.`);
  }
  if (given.prefix !== undefined && given.suffix !== undefined) {
    throw new RangeError(
      `${subject} has prefix and suffix, but SNS asks for one or the other: give one of them to the fan-out.`,
    );
  }
  for (const name of ["minimumBytes", "maximumBytes"] as const) {
    if (given[name] !== undefined) checkInteger(prefix + name, given[name], ONLY_BYTES);
  }
  if (minimumBytes !== undefined && maximumBytes !== undefined && minimumBytes > maximumBytes) {
    throw new RangeError(
      `${prefix}minimumBytes is ${minimumBytes}, but maximumBytes is only ${maximumBytes}.`,
    );
  }
  const most = maximumTexts(minimumBytes !== undefined || maximumBytes !== undefined);
  const texts = (name: "prefix" | "suffix"): readonly string[] | undefined => {
    const value = given[name];
    if (value === undefined) return undefined;
    const list = [value].flat();
    if (list.length < 1 || list.length > most) {
      throw new RangeError(
        `${prefix}${name} has ${list.length} texts, but must have 1 to ${most}, as SNS allows.`,
      );
    }
    return list.map((text) => checkKeyPart(prefix + name, text));
  };
  const [begins, ends] = [texts("prefix"), texts("suffix")];
  return {
    ...(begins && { prefix: begins }),
    ...(ends && { suffix: ends }),
    ...(minimumBytes !== undefined && { minimumBytes }),
    ...(maximumBytes !== undefined && { maximumBytes }),
  };
}

/**
 * What a worker is told of by bucket and topic; undefined where that is everything.
 * @param component whose it is, up to the name: `ImageWorker "grey": `
 * @throws RangeError where a text is asked for that no key has of which the topic is told
 */
export function filterOf(
  component: string,
  { prefix, suffix }: Pick<ImageFilter, "prefix" | "suffix">,
  only: SubscriptionFilter | undefined,
): ImageFilter | undefined {
  const never = (name: "prefix" | "suffix", all: string, fits: (text: string) => boolean) => {
    const wrong = only?.[name]?.find((text) => !fits(text));
    if (wrong === undefined) return;
    throw new RangeError(
      `${component}only.${name} is ${JSON.stringify(wrong)}, but ${name} of the fan-out is ${JSON.stringify(all)}: no image would be both.`,
    );
  };
  if (prefix !== undefined) {
    never("prefix", prefix, (text) => text.startsWith(prefix) || prefix.startsWith(text));
  }
  if (suffix !== undefined) never("suffix", suffix, (text) => text.endsWith(suffix) || suffix.endsWith(text));
  const filter = {
    ...(prefix !== undefined && { prefix }),
    ...(suffix !== undefined && { suffix }),
    ...(only && { only }),
  };
  return Object.keys(filter).length > 0 ? filter : undefined;
}

/** The filter of a bucket's notification. S3 wants it as it writes keys in events. */
export function notificationFilter({ prefix, suffix }: Pick<ImageFilter, "prefix" | "suffix">) {
  return {
    ...(prefix !== undefined && { filterPrefix: encodedKey(prefix) }),
    ...(suffix !== undefined && { filterSuffix: encodedKey(suffix) }),
  };
}

/**
 * The filter of a subscription, as a policy about the body of S3's message. Of its list of records, which S3 sends with one, SNS
 * looks into each.
 */
export function subscriptionFilter(only: SubscriptionFilter | undefined) {
  if (!only) return {};
  const { prefix = [], suffix = [], minimumBytes, maximumBytes } = only;
  const key = [
    ...prefix.map((text) => ({ prefix: encodedKey(text) })),
    ...suffix.map((text) => ({ suffix: encodedKey(text) })),
  ];
  const numeric = [
    ...(minimumBytes === undefined ? [] : [">=", minimumBytes]),
    ...(maximumBytes === undefined ? [] : ["<=", maximumBytes]),
  ];
  const object = { ...(key.length > 0 && { key }), ...(numeric.length > 0 && { size: [{ numeric }] }) };
  return {
    filterPolicyScope: "MessageBody",
    filterPolicy: JSON.stringify({ Records: { s3: { object } } }),
  };
}
