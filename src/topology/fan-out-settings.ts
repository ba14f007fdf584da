import type * as aws from "@pulumi/aws";
import { MAX_IN_FLIGHT, RETENTION_SECONDS } from "../delivery/queue.ts";
import { ArgumentError } from "./argument-error.ts";
import {
  type Checked,
  checkAll,
  checkMap,
  checkPlain,
  checkTagNames,
  checkText,
  choice,
  group,
  integer,
  OWN_TAGS,
  optional,
  other,
  type Range,
  rangeOf,
  type Setting,
} from "./checks.ts";
import { keyPart } from "./filters.ts";
import { from, isKnown, isLater, type Later } from "./later.ts";
import type { FanOutSettings, WorkerSettings } from "./setting-types.ts";
import { checkWorkerSettings, WORKER } from "./worker-settings.ts";

/** Minimum of days that are paid for: https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html */
const INFREQUENT_ACCESS_DAYS = 30;

/** Days for which an image must be there, as a message about it may wait for one less. */
export const SOURCE_DAYS = RETENTION_SECONDS / (24 * 3600) + 1;

const STORAGE = {
  expireDays: integer(
    `Time after which objects expire. Sources need ${SOURCE_DAYS} days or more, because a message may wait for ${SOURCE_DAYS - 1}. If results expire sooner, a message that waited longer can bring back an older version's result, which expires in its turn. \`npm run reconcile\` does not report results as missing if they may have expired.`,
    { minimum: 1, maximum: 3650, unit: "days" },
  ),
  infrequentAccessDays: integer(
    "Time after which objects of 128 KB or more move to Infrequent Access: half the price per GB, a charge per GB read, and a minimum charge of 30 days. Objects must not expire within 30 days after that.",
    { minimum: 30, maximum: 3620, unit: "days" },
  ),
  intelligentTiering: choice(
    "Whether objects of 128 KB or more go to Intelligent-Tiering at once: half the price once nobody has read them for 30 days, and a charge per object.",
    [false, true],
  ),
};

export type CheckedStorageSettings = Checked<typeof STORAGE>;

/** How long current objects of a bucket stay, at least for some days. */
const storage = (says: string, minimum = 1) =>
  group(says, {
    name: "StorageSettings",
    about:
      "Settings of one bucket's current objects. `buckets.noncurrentVersionDays` covers all other versions, expired ones included.",
    standard: "for ever, in S3 Standard",
    settings: STORAGE,
    rule: (prefix, settings) => {
      const { infrequentAccessDays, intelligentTiering } = settings;
      if (intelligentTiering && infrequentAccessDays !== undefined) {
        throw new ArgumentError(
          `${prefix}intelligentTiering is true and infrequentAccessDays ${isKnown(infrequentAccessDays) ? infrequentAccessDays : "given"}, but an object has only one storage class: leave one of them out.`,
        );
      }
      if (settings.expireDays === undefined) return settings;
      const expireDays = from({ days: settings.expireDays, moved: infrequentAccessDays }, (known) =>
        checkExpiry(prefix, known, minimum),
      );
      return { ...settings, expireDays };
    },
  });

function checkExpiry(
  prefix: string,
  { days, moved }: { days: number; moved: number | undefined },
  minimum: number,
) {
  if (days < minimum) {
    throw new ArgumentError(
      `${prefix}expireDays is ${days}, but must be ${minimum} or more: a message may wait for ${minimum - 1} days, and its image must still exist then.`,
    );
  }
  if (moved === undefined || days >= moved + INFREQUENT_ACCESS_DAYS) return days;
  throw new ArgumentError(
    `${prefix}expireDays is ${days} and infrequentAccessDays ${moved}, but Infrequent Access is billed for a minimum of ${INFREQUENT_ACCESS_DAYS} days: let objects expire later, or leave infrequentAccessDays out.`,
  );
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
const BUCKET_NAME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

const existing = (says: string) =>
  other(
    says,
    {
      range: "a bucket's name",
      type: "pulumi.Input<string> | aws.s3.Bucket",
      flat: "pulumi.Input<string>",
      isRequired: true,
    },
    checkExisting,
  ) as Setting<Later<string> | aws.s3.Bucket>;

function checkExisting(subject: string, given: unknown): Later<string> | aws.s3.Bucket {
  return isBucket(given) ? given : checkText(subject, given, BUCKET_NAME, "the name of a bucket");
}

/** Whether it is a bucket's resource. */
export function isBucket(given: unknown): given is aws.s3.Bucket {
  return typeof given === "object" && given !== null && "bucket" in given && "arn" in given;
}

const source = optional(
  group("Existing bucket, in this account and region, that images are dropped into.", {
    name: "SourceSettings",
    standard: "a new bucket",
    settings: {
      existing: existing(
        "The bucket's name or, in a program, its resource. It must have versioning enabled. Everything else stays its owner's: policy, encryption, lifecycle. If it has a KMS key, `key` must name the same one. If the stack made a bucket of its own before and `retention` is destroy, it deletes that bucket, with everything in it.",
      ),
      notification: other(
        "Whether the machine takes over the bucket's notification configuration. A bucket has only one: true replaces it, which only one fan-out of a bucket may do. false leaves it to the owner, and the fan-out's `notificationToAdd` says what to add.",
        { range: "true, false", type: "boolean", isRequired: true },
        checkNotification,
      ),
    },
  }),
);

function checkNotification(subject: string, given: unknown): boolean {
  checkPlain(subject, given);
  if (typeof given === "boolean") return given;
  throw new ArgumentError(
    `${subject} is ${JSON.stringify(given)}, but must be true, which replaces all notifications of the bucket, or false, which leaves them to the owner.`,
  );
}

const results = optional(
  group("Existing bucket for the results.", {
    name: "ResultsSettings",
    standard: "a new bucket",
    settings: {
      existing: existing(
        "The bucket's name or, in a program, its resource. It must have versioning enabled. Everything else stays its owner's.",
      ),
    },
  }),
);

/** When it is an alarm, above a number; false where it is none. */
function threshold<Standard extends number | undefined>(
  says: string,
  range: Range,
  standard: Standard,
  inWords = String(standard?.toLocaleString("en")),
): Setting<Later<number> | false | Standard> {
  return {
    says,
    type: "false | { readonly threshold: pulumi.Input<number> }",
    flat: "AlarmThreshold",
    range: rangeOf(range),
    standard: inWords,
    check: (subject, given) => {
      if (given === undefined || given === false) return given ?? standard;
      checkPlain(subject, given);
      if (typeof given !== "object" || given === null) {
        throw new ArgumentError(
          `${subject} is ${JSON.stringify(given)}, but must be false or a map with threshold.`,
        );
      }
      const threshold = integer(says, { ...range, isRequired: true });
      return checkAll(`${subject}.`, given, { threshold }).threshold;
    },
  };
}

/** Up to a million of them. */
const million = (unit: string): Range => ({ minimum: 0, maximum: 1_000_000, unit });

const THRESHOLDS = {
  undelivered: threshold(
    "Rings if the topic fails to deliver more messages than this in a minute.",
    million("messages"),
    0,
  ),
  silent: threshold(
    "Rings if S3 tells the topic of no image for this long. Only for stacks that get images all the time, or are sent one on a schedule (docs/operations.md).",
    // Alarms look back on a week: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    { minimum: 1, maximum: 168, unit: "hours" },
    undefined,
    "none",
  ),
  deadLetters: threshold(
    "Rings if a worker's dead-letter queue holds more messages than this.",
    million("messages"),
    0,
  ),
  late: threshold(
    "Rings if a message waits for longer than this. By default, a single batch that crashes does not ring it: the batch comes again up to 70 seconds after `timeout`, and takes as long again. With less time it may, and the alarm says so.",
    { minimum: 60, maximum: RETENTION_SECONDS, unit: "seconds" },
    undefined,
    "900, or a minute more than a batch takes that crashes once",
  ),
  inFlight: threshold(
    `Rings if a worker has more messages in flight than this. SQS allows ${MAX_IN_FLIGHT.toLocaleString("en")} per queue.`,
    { minimum: 1, maximum: MAX_IN_FLIGHT, unit: "messages" },
    0.8 * MAX_IN_FLIGHT,
  ),
  errors: threshold(
    "Rings if more invocations than this fail as a whole in a minute, in three minutes of five.",
    million("invocations"),
    0,
  ),
  throttles: threshold(
    "Rings if Lambda throttles more invocations than this in a minute, in three minutes of five.",
    million("invocations"),
    0,
  ),
  rejected: threshold(
    "Rings if a worker rejects more images than this in five minutes.",
    million("images"),
    10,
  ),
};

/** Thresholds of the alarms, by kind: false where there is none; undefined where each worker has its own, or silence is no alarm. */
export type Thresholds = Checked<typeof THRESHOLDS>;

/** Of an objective, which is judged before anything is known that is not plain. */
const IMAGES = { minimum: 1, maximum: 10_000_000_000, unit: "images", isPlain: true } as const;
const MINUTES = { minimum: 1, maximum: 7 * 24 * 60, unit: "minutes", isPlain: true } as const;
const MEGAPIXELS = { minimum: 1, maximum: 1000, unit: "megapixels", isPlain: true } as const;

const VERSION_DAYS = { minimum: 1, maximum: 3650, unit: "days", default: 30 } as const;

/** ARN of a key, and no alias's: roles are permitted by the key alone. */
const KEY = /^arn:[\w-]+:kms:[\w-]+:\d{12}:key\/[\w-]+$/;

/** Maximum number of tags: AWS's 50 a resource, less the machine's own and some for the provider's. */
const MAXIMUM_TAGS = 40;

/** Settings of a fan-out. */
export const FAN_OUT = {
  prefix: keyPart("How keys of images begin. Other objects in the source bucket are ignored. Case matters."),
  suffix: keyPart("How keys of images end, such as `.jpg`. Other objects are ignored. Case matters."),
  workers: {
    ...group("Defaults for all workers. Each worker's constructor can override them.", {
      name: "WorkerSettings",
      about: "Settings of a worker: defaults for all workers in a fan-out, or a worker's own.",
      settings: WORKER,
    }),
    check: checkDefaults,
  },
  concurrency: integer(
    "Maximum batches that all workers together run at once. It leaves the rest of the account to others; an account has 1,000 invocations at once by default. Workers with neither `scaling` nor `reservedConcurrency` get equal shares of what the other workers leave.",
    {
      minimum: 2,
      maximum: 100_000,
      unit: "batches at once",
      standard: "each worker has its own maximum",
      isPlain: true,
    },
  ),
  source,
  results,
  buckets: group("How both buckets keep objects.", {
    name: "BucketSettings",
    settings: {
      noncurrentVersionDays: integer("Time until an overwritten or deleted version expires.", VERSION_DAYS),
    },
  }),
  lifecycle: group("How long images stay, and in which S3 storage class.", {
    name: "LifecycleSettings",
    standard: "for ever, in S3 Standard",
    settings: {
      source: storage("How long uploaded images stay.", SOURCE_DAYS),
      results: storage("How long results stay."),
    },
  }),
  alarms: group(
    "Which alarms ring, and when. `false` in place of a threshold leaves an alarm out, as in `late: false`.",
    {
      name: "AlarmSettings",
      settings: {
        enabled: choice("Whether there are alarms. Their topic and its subscriptions exist in any case.", [
          true,
          false,
        ]),
        email: other(
          "Email address that every alarm is sent to, once its owner has confirmed the first email.",
          { range: "one address" },
          (subject, given) => checkText(subject, given, /^[^\s@]+@[^\s@]+$/, "one mail address"),
        ),
        ...THRESHOLDS,
      },
    },
  ),
  objective: optional(
    group("What the machine must be able to do. Every preview warns if the settings cannot meet it.", {
      name: "ObjectiveSettings",
      standard: "none",
      settings: {
        images: integer("Images that must be processed.", { ...IMAGES, isRequired: true }),
        minutes: integer("Time in which they arrive, evenly.", { ...MINUTES, isRequired: true }),
        within: integer("Time from the first image until all must be processed.", {
          ...MINUTES,
          standard: "`minutes` + 1",
        }),
        megapixels: integer("Size of an image.", { ...MEGAPIXELS, standard: "12" }),
      },
    }),
  ),
  dashboard: choice("Whether there is a CloudWatch dashboard.", [true, false]),
  retention: choice(
    "What happens to images, results, dead letters and the key if the stack would delete them. With `keep`, Pulumi refuses, for queues and topics too; if you tell it to go on all the same, they stay on AWS. With `destroy`, `pulumi destroy` deletes them, with everything in the buckets.",
    ["keep", "destroy"],
  ),
  key: other(
    "KMS key that encrypts buckets, topics, queues, logs and the functions' environments, instead of AWS's own keys (SSE-S3, SSE-SQS, none for topics). `create` makes a key for this machine. An ARN uses an existing key, whose policy must let S3, SNS, CloudWatch and CloudWatch Logs use it. To stop using the key of `create`, set `retire`: the key encrypts nothing new, but stays, so that what it encrypted can still be read. Without that step, stored objects and waiting messages would be lost. An ARN has no such step: if you remove it, the functions may no longer decrypt what is stored or waiting, although the key still exists.",
    {
      range: "create, retire, or an ARN",
      type: '"create" | "retire" | pulumi.Input<string & {}>',
      flat: "pulumi.Input<string>",
    },
    checkKey,
  ),
  tracing: choice("Whether the topic and the functions send traces to X-Ray.", [false, true]),
  tags: other(
    "Tags for everything that can have them, besides Project, Stack and Worker. No two names may differ only in case. YAML reads some values as numbers: quote those whose digits must stay as they are, such as leading zeros.",
    {
      range: `0 to ${MAXIMUM_TAGS} tags`,
      type: "pulumi.Input<Record<string, pulumi.Input<string>>>",
    },
    checkTags,
  ),
};

/** The root of all settings, for those who write down what there is. */
export const STACK = group("What a stack decides.", {
  name: "FanOutSettings",
  about: "Settings of a stack. They have the same names in Pulumi.STACK.yaml.",
  settings: FAN_OUT,
});

/**
 * Returns the settings with their defaults; those of the workers as given, as each worker may have its own.
 * @param prefix whose they are, up to the name: `ImageFanOut "images": ` or `Setting `
 * @param others names that are known, too, and looked at elsewhere
 * @throws ArgumentError where one is unknown or out of range, or two do not go together
 */
export function checkFanOutSettings(prefix: string, given: FanOutSettings, others: readonly string[] = []) {
  const settings = checkAll(prefix, given, FAN_OUT, others);
  for (const which of ["source", "results"] as const) {
    if (settings[which] === undefined || given.lifecycle?.[which] === undefined) continue;
    throw new ArgumentError(
      `${prefix}lifecycle.${which} is only for a bucket that the machine makes, and the lifecycle of ${which}.existing is its owner's: leave one of them out.`,
    );
  }
  return { ...settings, tags: settings.tags ?? {}, source: checkOtherBucket(prefix, settings) };
}

export type CheckedFanOutSettings = ReturnType<typeof checkFanOutSettings>;

/** @throws ArgumentError where one bucket is to be both; the `apply` of its name does where that is only known later */
function checkOtherBucket(
  prefix: string,
  { source, results }: Pick<Checked<typeof FAN_OUT>, "source" | "results">,
) {
  if (source === undefined || results === undefined) return source;
  const check = <Of>(one: Of, other: unknown): Of => {
    if (one !== other) return one;
    throw new ArgumentError(
      `${prefix}source.existing and results.existing are the same bucket, where every result would be taken for an image: choose another bucket for one of them.`,
    );
  };
  check<unknown>(source.existing, results.existing);
  if (isBucket(source.existing) || isBucket(results.existing)) return source;
  const names = { source: source.existing, results: results.existing };
  return { ...source, existing: from(names, (known) => check(known.source, known.results)) };
}

/** Checks the defaults of all workers. @returns what was given, without further defaults: each worker may have others */
function checkDefaults(subject: string, given: unknown = {}): WorkerSettings {
  const prefix = `${subject}.`;
  const checked: Record<string, unknown> = checkAll(prefix, given, WORKER);
  // What is only known later each worker finds to go together, or not.
  if (isKnown(given)) checkWorkerSettings(prefix, given as WorkerSettings);
  return Object.fromEntries(Object.keys(given as object).map((name) => [name, checked[name]]));
}

function checkKey(subject: string, given: unknown): Later<string> {
  const decides = (key: unknown): key is string => key === "create" || key === "retire";
  if (decides(given)) return given;
  return from(given, (key) => {
    if (!decides(key)) return checkText(subject, key, KEY, "create, retire or the ARN of an existing key");
    throw new ArgumentError(
      `${subject} is ${JSON.stringify(key)}, but must be a plain value, because it decides which resources there are.`,
    );
  }) as Later<string>;
}

/** https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html */
const TAG_NAME = /^(?!aws:)[\p{L}\p{N} _.:/=+@-]{1,128}$/iu;
const TAG_VALUE = /^[\p{L}\p{N} _.:/=+@-]{0,256}$/u;

type Tags = Record<string, Later<string>>;

function checkTags(subject: string, given: unknown): Later<Tags> {
  if (isLater(given)) return from(given, (known) => checkTags(subject, known) as Record<string, string>);
  checkMap(subject, given, "names to texts");
  const names = Object.keys(given);
  if (names.length > MAXIMUM_TAGS) {
    throw new ArgumentError(`${subject} has ${names.length} tags, but the maximum is ${MAXIMUM_TAGS}.`);
  }
  checkTagNames(`${subject}.`, OWN_TAGS, names);
  if (names.includes("Worker")) {
    throw new ArgumentError(
      `${subject}.Worker would be overwritten with the worker's name on a worker's resources: choose another name.`,
    );
  }
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [
      name,
      from(value, (known) => checkTag(subject, name, known)),
    ]),
  );
}

function checkTag(subject: string, name: string, given: unknown): string {
  const value = textOf(given);
  if (TAG_NAME.test(name) && typeof value === "string" && TAG_VALUE.test(value)) return value;
  throw new ArgumentError(
    `${subject}.${name} is ${JSON.stringify(value)}, but a tag's name must have 1 to 128 characters and not begin with "aws:", and its value 0 to 256: letters, digits, spaces and _.:/=+-@.`,
  );
}

/** Turns what YAML takes for a number or a truth value into text. Numbers that JavaScript cannot hold stay, and are refused. */
function textOf(value: unknown): unknown {
  const lost = typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER;
  return (typeof value === "number" || typeof value === "boolean") && !lost ? String(value) : value;
}
