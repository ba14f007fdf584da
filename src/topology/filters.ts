import { encodedKey, type ImageFilter, type SubscriptionFilter } from "../image-filter.ts";
import { ArgumentError } from "./argument-error.ts";
import { checkPlain, group, integer, optional, other } from "./checks.ts";

/** Maximum of characters in each, S3's: https://docs.aws.amazon.com/AmazonS3/latest/API/API_FilterRule.html */
const KEY_PART = "1 to 1,024 characters";

/** Numbers that SNS compares: https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html */
const BYTES = { minimum: 0, maximum: 1_000_000_000, unit: "bytes", isPlain: true } as const;

/**
 * SNS's maximum of combinations, for which values of nested keys count as often as they are deep, and how deep keys and sizes
 * are in an event of S3.
 */
const COMBINATIONS = 150;
const DEPTH = 4;

/** How long such a list may be: with a size beside it, and without. */
const maximumTexts = (withSize: boolean) => Math.floor(COMBINATIONS / (withSize ? DEPTH * DEPTH : DEPTH));

/** One text that keys begin or end with. */
export function keyPart(says: string) {
  return other(says, { range: KEY_PART, type: "string", standard: "all keys" }, checkKeyPart);
}

/** @throws ArgumentError where it is no text, or has a character that no page of AWS says how it is written in an event */
function checkKeyPart(subject: string, value: unknown): string {
  checkPlain(subject, value);
  const text = typeof value === "number" ? String(value) : value;
  if (typeof text === "string" && /^[^!'()*~]{1,1024}$/su.test(text) && text.isWellFormed()) return text;
  throw new ArgumentError(
    `${subject} is ${JSON.stringify(value)}, but must be a text of ${KEY_PART} without ! ' ( ) * and ~: AWS does not document how it writes these in events.`,
  );
}

/** Texts of which keys begin or end with one. */
function keyParts(says: string) {
  const range = `1 to ${maximumTexts(false)} texts, or 1 to ${maximumTexts(true)} with a size`;
  return other(says, { range, type: "string | readonly string[]", flat: "string[]" }, (subject, given) => {
    checkPlain(subject, given);
    return [given].flat().map((text) => checkKeyPart(subject, text));
  });
}

/** Which images a worker is told of, beside what the fan-out says. */
export const ONLY = optional(
  group(
    "Which images the worker gets. The others cost it nothing, and no command reports their results as missing. Case matters.",
    {
      name: "OnlySettings",
      standard: "all images of the fan-out",
      settings: {
        prefix: keyParts(
          "How keys begin: one text, or a list of texts of which one must match. SNS cannot filter by both prefix and suffix: give the fan-out one of them.",
        ),
        suffix: keyParts(
          "How keys end: one text, or a list of texts of which one must match, such as `.jpg` and `.JPG`.",
        ),
        minimumBytes: integer("Minimum size of an image in bytes.", BYTES),
        maximumBytes: integer("Maximum size of an image in bytes.", BYTES),
      },
      rule: checkOnly,
    },
  ),
);

/** @throws ArgumentError where it says nothing, or what SNS cannot ask for */
function checkOnly(prefix: string, only: SubscriptionFilter): SubscriptionFilter {
  const { minimumBytes, maximumBytes } = only;
  const subject = prefix.replace(/\.$/, "");
  const given = Object.entries(only).filter(([, value]) => value !== undefined);
  if (given.length === 0) {
    throw new ArgumentError(
      `${subject} is empty, but must have prefix, suffix, minimumBytes or maximumBytes.`,
    );
  }
  if (only.prefix !== undefined && only.suffix !== undefined) {
    throw new ArgumentError(
      `${subject} has prefix and suffix, but SNS can filter by only one of them: give the other to the fan-out.`,
    );
  }
  if (minimumBytes !== undefined && maximumBytes !== undefined && minimumBytes > maximumBytes) {
    throw new ArgumentError(
      `${prefix}minimumBytes is ${minimumBytes}, but maximumBytes is only ${maximumBytes}.`,
    );
  }
  const maximum = maximumTexts(minimumBytes !== undefined || maximumBytes !== undefined);
  for (const name of ["prefix", "suffix"] as const) {
    const count = only[name]?.length ?? 1;
    if (count >= 1 && count <= maximum) continue;
    throw new ArgumentError(
      `${prefix}${name} has ${count} texts, but must have 1 to ${maximum}, as SNS allows.`,
    );
  }
  return Object.fromEntries(given);
}

/**
 * What a worker is told of by bucket and topic; undefined where that is everything.
 * @param component whose it is, up to the name: `ImageWorker "grey": `
 * @throws ArgumentError where a text is asked for that no key has of which the topic is told
 */
export function filterOf(
  component: string,
  { prefix, suffix }: Pick<ImageFilter, "prefix" | "suffix">,
  only: SubscriptionFilter | undefined,
): ImageFilter | undefined {
  const never = (name: "prefix" | "suffix", all: string, fits: (text: string) => boolean) => {
    const wrong = only?.[name]?.find((text) => !fits(text));
    if (wrong === undefined) return;
    throw new ArgumentError(
      `${component}only.${name} is ${JSON.stringify(wrong)}, but ${name} of the fan-out is ${JSON.stringify(all)}: no image could match both.`,
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
