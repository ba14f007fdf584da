import type * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
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
    `Time after which they expire; of sources ${SOURCE_DAYS} days or more, as a message may wait for ${SOURCE_DAYS - 1}. \`npm run reconcile\` misses no result that may have expired.`,
    { minimum: 1, maximum: 3650, unit: "days" },
  ),
  infrequentAccessDays: integer(
    "Time after which those of 128 KB or more go to Infrequent Access: half the price for each GB, a price for each GB that is read, and 30 days that are paid for in any case, so that it is not for what expires within 30 days more.",
    { minimum: 30, maximum: 3620, unit: "days" },
  ),
  intelligentTiering: choice(
    "Whether those of 128 KB or more go to Intelligent-Tiering at once: half the price while nobody has read them for 30 days, for a price for each object.",
    [false, true],
  ),
};

export type CheckedStorageSettings = Checked<typeof STORAGE>;

/** How long current objects of a bucket stay, at least for some days. */
const storage = (says: string, minimum = 1) =>
  group(says, {
    name: "StorageSettings",
    about:
      "Settings of one bucket's current objects; `buckets.noncurrentVersionDays` is about all others, and those that expired.",
    standard: "for ever, in S3 Standard",
    settings: STORAGE,
    rule: (prefix, settings) => {
      const { infrequentAccessDays, intelligentTiering } = settings;
      if (intelligentTiering && infrequentAccessDays !== undefined) {
        throw new ArgumentError(
          `${prefix}intelligentTiering is true and infrequentAccessDays ${isKnown(infrequentAccessDays) ? infrequentAccessDays : "given"}, but an object is in one storage class: leave one of them out.`,
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
      `${prefix}expireDays is ${days}, but must be ${minimum} or more: a message may wait for ${minimum - 1} days, and its image must be there then.`,
    );
  }
  if (moved === undefined || days >= moved + INFREQUENT_ACCESS_DAYS) return days;
  throw new ArgumentError(
    `${prefix}expireDays is ${days} and infrequentAccessDays ${moved}, but Infrequent Access is paid for ${INFREQUENT_ACCESS_DAYS} days in any case: let objects expire later, or leave infrequentAccessDays out.`,
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
  group("Bucket that exists already, in this account and region, and that images are dropped into.", {
    name: "SourceSettings",
    standard: "one that is made",
    settings: {
      existing: existing(
        "Its name or, in a program, its resource. It must keep versions, or nobody is told of the images; whatever else it has is its owner's: policy, encryption, lifecycle. Its KMS key, where it has one, must be that of `key`. A stack that has a bucket of its own deletes that where `retention` is destroy, with all that is in it.",
      ),
      notification: other(
        "Whether its notification configuration, of which a bucket has one, becomes the machine's: true replaces what is there, and is for one fan-out of a bucket, false leaves it to its owner, and the fan-out's `notificationToAdd` says what has to be added.",
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
    `${subject} is ${JSON.stringify(given)}, but must be true, which replaces all notifications of the bucket, or false, which leaves them to its owner.`,
  );
}

const results = optional(
  group("Bucket that exists already and that results come back in.", {
    name: "ResultsSettings",
    standard: "one that is made",
    settings: {
      existing: existing(
        "Its name or, in a program, its resource. It must keep versions; whatever else it has is its owner's.",
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
          `${subject} is ${JSON.stringify(given)}, but must be false or a map of threshold.`,
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
    "Messages that the topic may fail to deliver in a minute before it is an alarm.",
    million("messages"),
    0,
  ),
  silent: threshold(
    "Time in which S3 may tell the topic of not one image before it is an alarm. It is for stacks whose images come by themselves, or that are sent one by a schedule (docs/operations.md).",
    // Alarms look back on a week: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    { minimum: 1, maximum: 168, unit: "hours" },
    undefined,
    "none",
  ),
  deadLetters: threshold(
    "Messages that a worker's dead-letter queue may hold before it is an alarm.",
    million("messages"),
    0,
  ),
  late: threshold(
    "Time that a message may wait before it is an alarm. By default a single batch that crashed is none: it comes again up to 70 seconds after `timeout`, and takes as long again. With less it may be one, and the alarm says so.",
    { minimum: 60, maximum: RETENTION_SECONDS, unit: "seconds" },
    undefined,
    "900, or a minute more than a batch takes that crashed once",
  ),
  inFlight: threshold(
    "Messages that a worker may have under way before it is an alarm: SQS hands out no more than the maximum.",
    { minimum: 1, maximum: MAX_IN_FLIGHT, unit: "messages" },
    0.8 * MAX_IN_FLIGHT,
  ),
  errors: threshold(
    "Invocations that may fail as a whole in a minute, three minutes of five, before it is an alarm.",
    million("invocations"),
    0,
  ),
  throttles: threshold(
    "Invocations that Lambda may refuse in a minute, three minutes of five, before it is an alarm.",
    million("invocations"),
    0,
  ),
  rejected: threshold(
    "Images that a worker may reject in five minutes before it is an alarm.",
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
  prefix: keyPart(
    "How keys of images begin: nobody is told of other objects in the source bucket. Case matters.",
  ),
  suffix: keyPart("How keys of images end, such as `.jpg`: nobody is told of others. Case matters."),
  workers: {
    ...group("The defaults of all workers; a constructor call may set its own.", {
      name: "WorkerSettings",
      about: "Settings of a worker: in the fan-out as the default of all, or in a worker as its own.",
      settings: WORKER,
    }),
    check: checkDefaults,
  },
  concurrency: integer(
    "Batches that all workers together may run at once, so that the account has the rest for others: by default it has 1,000 invocations at once. Workers without `scaling` and `reservedConcurrency` get equal shares of what the others leave.",
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
  buckets: group("How images are kept, in both buckets.", {
    name: "BucketSettings",
    settings: {
      noncurrentVersionDays: integer("Time until an overwritten or deleted version expires.", VERSION_DAYS),
    },
  }),
  lifecycle: group("How long images stay, and in which of S3's storage classes.", {
    name: "LifecycleSettings",
    standard: "for ever, in S3 Standard",
    settings: {
      source: storage("How long images stay that were dropped.", SOURCE_DAYS),
      results: storage("How long results stay."),
    },
  }),
  alarms: group(
    "When somebody is alarmed. `false` in place of a kind's map leaves that kind out, as in `late: false`.",
    {
      name: "AlarmSettings",
      settings: {
        enabled: choice(
          "Whether there are alarms. Their topic, and who subscribed to it, is there in any case.",
          [true, false],
        ),
        email: other(
          "Address that gets a mail from each alarm, once its owner has confirmed the first mail.",
          { range: "one address" },
          (subject, given) => checkText(subject, given, /^[^\s@]+@[^\s@]+$/, "one mail address"),
        ),
        ...THRESHOLDS,
      },
    },
  ),
  objective: optional(
    group("What the machine must be able to do: every preview warns of settings that cannot.", {
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
    "What becomes of images, results, dead letters and the key when the stack would delete them: `keep` has Pulumi refuse, also for queues and topics, and leaves them on AWS where it is told to go on all the same; `destroy` has `pulumi destroy` delete them, with all that is in the buckets.",
    ["keep", "destroy"],
  ),
  key: other(
    "KMS key that buckets, topics, queues, logs and the functions' environments are encrypted with, instead of keys of AWS: SSE-S3, SSE-SQS, none for topics. `create` makes one for this machine, an ARN takes one that exists, whose policy must let S3, SNS, CloudWatch and CloudWatch Logs use it. The way back from `create` is `retire`: nothing new is encrypted with the key, but it stays, and what was encrypted with it can be read. Without that step, what waits and what is stored would be lost. An ARN has no such step: without it, functions may not decrypt any more what is stored or waits, though the key is there.",
    {
      range: "create, retire, or an ARN",
      type: '"create" | "retire" | pulumi.Input<string & {}>',
      flat: "pulumi.Input<string>",
    },
    checkKey,
  ),
  tracing: choice("Whether topic and functions send traces to X-Ray.", [false, true]),
  tags: other(
    "Tags on everything that can have them, beside Project, Stack and Worker. No two may differ only in case. YAML takes some values for numbers: quote those whose digits must stay as they are, such as leading zeros.",
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
  about: "Settings of a stack. Pulumi.STACK.yaml has the same names.",
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
      `${prefix}lifecycle.${which} is about a bucket that the machine makes, but ${which}.existing has its owner's lifecycle: leave one of them out.`,
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
      `${prefix}source.existing and results.existing are the same bucket: every result would be taken for an image.`,
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
    if (!decides(key)) return checkText(subject, key, KEY, "create, retire or the ARN of a key that exists");
    throw new ArgumentError(
      `${subject} is ${JSON.stringify(key)}, but must be a plain value then, as it decides what there is.`,
    );
  }) as Later<string>;
}

/** https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html */
const TAG_NAME = /^(?!aws:)[\p{L}\p{N} _.:/=+@-]{1,128}$/iu;
const TAG_VALUE = /^[\p{L}\p{N} _.:/=+@-]{0,256}$/u;

type Tags = Record<string, Later<string>>;

function checkTags(subject: string, given: unknown): Later<Tags> {
  if (isLater(given)) {
    return pulumi
      .output(given as pulumi.Input<object>)
      .apply((known) => checkTags(subject, known) as Record<string, string>);
  }
  checkMap(subject, given, "names to texts");
  const names = Object.keys(given);
  if (names.length > MAXIMUM_TAGS) {
    throw new ArgumentError(`${subject} are ${names.length}, but the maximum is ${MAXIMUM_TAGS}.`);
  }
  checkTagNames(`${subject}.`, OWN_TAGS, names);
  if (names.includes("Worker")) {
    throw new ArgumentError(
      `${subject}.Worker would be replaced on all that a worker has by the worker's name: choose another name.`,
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
    `${subject}.${name} is ${JSON.stringify(value)}, but a tag has a name of 1 to 128 that does not begin with "aws:", and as its value a text of 0 to 256 letters, digits, spaces and _.:/=+-@.`,
  );
}

/** Turns what YAML takes for a number or a truth value into text. Numbers that JavaScript cannot hold stay, and are refused. */
function textOf(value: unknown): unknown {
  const lost = typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER;
  return (typeof value === "number" || typeof value === "boolean") && !lost ? String(value) : value;
}
