import type * as aws from "@pulumi/aws";
import { MAX_IN_FLIGHT, RETENTION_SECONDS } from "../delivery/queue.ts";
import {
  type Choices,
  checkInteger,
  checkMap,
  checkTagNames,
  choose,
  OWN_TAGS,
  type Range,
} from "./checks.ts";
import { checkKeyPart } from "./filters.ts";
import { checkWorkerSettings, type WorkerSettings } from "./worker-settings.ts";

/** Settings of a stack. Pulumi.STACK.yaml has the same names. */
export interface FanOutSettings {
  /** How keys of images begin: nobody is told of other objects in the source bucket. Case matters. @default all keys */
  readonly prefix?: string;

  /** How keys of images end, such as `.jpg`: nobody is told of others. Case matters. @default all keys */
  readonly suffix?: string;

  /** Bucket that exists already and that images are dropped into. @default one that is made */
  readonly source?: SourceSettings;

  /** Bucket that exists already and that results come back in. @default one that is made */
  readonly results?: ResultsSettings;

  /** How images are kept, in both buckets. @default each as said there */
  readonly buckets?: BucketSettings;

  /** How long images stay, and in which of S3's storage classes. @default for ever, in S3 Standard */
  readonly lifecycle?: LifecycleSettings;

  /** The defaults of all workers; a constructor call may set its own. @default each as said there */
  readonly workers?: WorkerSettings;

  /**
   * Batches, 2 to 100,000, that all workers together may run at once, so that the account has the rest for others: by default it has 1,000
   * invocations at once. Workers without `scaling` and `reservedConcurrency` get equal shares of what the others leave.
   * @default each worker has its own maximum
   */
  readonly concurrency?: number;

  /** When somebody is alarmed. `false` in place of a kind's map leaves that kind out, as in `late: false`. @default each as said there */
  readonly alarms?: AlarmSettings;

  /** What the machine must be able to do: every preview warns of settings that cannot. @default none */
  readonly objective?: ObjectiveSettings;

  /** Whether there is a CloudWatch dashboard. @default true */
  readonly dashboard?: boolean;

  /**
   * What becomes of images, results, dead letters and the key when the stack would delete them: `keep` has Pulumi refuse, also for
   * queues and topics, and leaves them on AWS where it is told to go on all the same; `destroy` has `pulumi destroy` delete them,
   * with all that is in the buckets.
   * @default keep
   */
  readonly retention?: "keep" | "destroy";

  /**
   * KMS key that buckets, topics, queues, logs and the functions' environments are encrypted with, instead of keys of AWS: SSE-S3,
   * SSE-SQS, none for topics. `create` makes one for this machine, an ARN takes one that exists, whose policy must let S3, SNS, CloudWatch and
   * CloudWatch Logs use it. The way back from `create` is `retire`: nothing new is encrypted with the key, but it stays, and what
   * was encrypted with it can be read. Without that step, what waits and what is stored would be lost. An ARN has no such step:
   * without it, functions may not decrypt any more what is stored or waits, though the key is there. @default none
   */
  readonly key?: "create" | "retire" | (string & {});

  /** Whether topic and functions send traces to X-Ray. @default false */
  readonly tracing?: boolean;

  /**
   * Tags, 0 to 40, on everything that can have them, beside Project, Stack and Worker. No two may differ only in case. YAML
   * takes some values for numbers: quote those whose digits must stay as they are, such as leading zeros. @default none
   */
  readonly tags?: Record<string, string>;
}

/** Settings of a source bucket that somebody else made, in this account and region. */
export interface SourceSettings {
  /**
   * Its name or, in a program, its resource. It must keep versions, or nobody is told of the images; whatever else it has is its owner's:
   * policy, encryption, lifecycle. Its KMS key, where it has one, must be that of `key`. A stack that has a
   * bucket of its own deletes that where `retention` is destroy, with all that is in it. @default none
   */
  readonly existing: string | aws.s3.Bucket;

  /**
   * Whether its notification configuration, of which a bucket has one, becomes the machine's: true replaces what is there, and is for
   * one fan-out of a bucket, false
   * leaves it to its owner, and the fan-out's `notificationToAdd` says what has to be added. @default none
   */
  readonly notification: boolean;
}

/** Settings of a results bucket that somebody else made. */
export interface ResultsSettings {
  /** Its name or, in a program, its resource. It must keep versions; whatever else it has is its owner's. @default none */
  readonly existing: string | aws.s3.Bucket;
}

/** Settings of both buckets. */
export interface BucketSettings {
  /** Days, 1 to 3,650, until an overwritten or deleted version expires. @default 30 */
  readonly noncurrentVersionDays?: number;
}

/** Settings of each bucket on its own. */
export interface LifecycleSettings {
  /** How long images stay that were dropped. @default for ever, in S3 Standard */
  readonly source?: StorageSettings;

  /** How long results stay. @default for ever, in S3 Standard */
  readonly results?: StorageSettings;
}

/** Settings of one bucket's current objects; `buckets.noncurrentVersionDays` is about all others, and those that expired. */
export interface StorageSettings {
  /**
   * Days, 1 to 3,650, after which they expire; of sources 15 or more, as a message may wait for 14. `npm run reconcile` misses no result
   * that may have expired. @default none
   */
  readonly expireDays?: number;

  /**
   * Days, 30 to 3,620, after which those of 128 KB or more go to Infrequent Access: half the price for each GB, a price for each GB
   * that is read, and 30 days that are paid for in any case, so that it is not for what expires within 30 days more. @default none
   */
  readonly infrequentAccessDays?: number;

  /**
   * Whether those of 128 KB or more go to Intelligent-Tiering at once: half the price while nobody has read them for 30 days, for a
   * price for each object. @default false
   */
  readonly intelligentTiering?: boolean;
}

/** Settings of the alarms of the topic and of all workers. */
export interface AlarmSettings {
  /** Whether there are alarms. Their topic, and who subscribed to it, is there in any case. @default true */
  readonly enabled?: boolean;

  /**
   * Address that gets a mail from each alarm, once its owner has confirmed the first mail.
   * @default none
   */
  readonly email?: string;

  /** Messages, 0 to 1,000,000, that the topic may fail to deliver in a minute before it is an alarm. @default 0 */
  readonly undelivered?: AlarmThreshold;

  /**
   * Hours, 1 to 168, in which S3 may tell the topic of not one image before it is an alarm. It is for stacks whose images come by
   * themselves, or that are sent one by a schedule (docs/operations.md). @default none
   */
  readonly silent?: AlarmThreshold;

  /** Messages, 0 to 1,000,000, that a worker's dead-letter queue may hold before it is an alarm. @default 0 */
  readonly deadLetters?: AlarmThreshold;

  /**
   * Seconds, 60 to 1,209,600, that a message may wait before it is an alarm. By default a single batch that crashed is
   * none: it comes again after the visibility timeout, of six times `timeout` and the window. With less it may be one,
   * and the alarm says so.
   * @default 900, or a minute more than a batch takes that crashed once
   */
  readonly late?: AlarmThreshold;

  /** Messages, 1 to 120,000, that a worker may have under way before it is an alarm: SQS hands out no more. @default 96000 */
  readonly inFlight?: AlarmThreshold;

  /** Invocations, 0 to 1,000,000, that may fail as a whole in a minute, three minutes of five, before it is an alarm. @default 0 */
  readonly errors?: AlarmThreshold;

  /** Invocations, 0 to 1,000,000, that Lambda may refuse in a minute, three minutes of five, before it is an alarm. @default 0 */
  readonly throttles?: AlarmThreshold;

  /** Images, 0 to 1,000,000, that a worker may reject in five minutes before it is an alarm. @default 10 */
  readonly rejected?: AlarmThreshold;
}

/** When it is an alarm, above a number; false where it is none. */
export type AlarmThreshold = false | { readonly threshold: number };

/** A burst, and by when it is to be over. */
export interface ObjectiveSettings {
  /** Images, 1 to 10,000,000,000, that must be processed. @default none */
  readonly images: number;

  /** Minutes, 1 to 10,080, in which they arrive, evenly. @default none */
  readonly minutes: number;

  /** Minutes, 1 to 10,080, from the first image until all must be processed. @default `minutes` + 1 */
  readonly within?: number;

  /** Megapixels, 1 to 1,000, of an image. @default 12 */
  readonly megapixels?: number;
}

export const BUCKET_CHOICES = {
  noncurrentVersionDays: { minimum: 1, maximum: 3650, unit: "days", default: 30 },
} as const satisfies Choices;

export const STORAGE_CHOICES = { intelligentTiering: false } as const satisfies Choices;

/** Whole numbers of `lifecycle.source` and `lifecycle.results`. */
export const STORAGE_RANGES = {
  expireDays: { minimum: 1, maximum: 3650, unit: "days" },
  infrequentAccessDays: { minimum: 30, maximum: 3620, unit: "days" },
} as const satisfies Record<string, Omit<Range, "default">>;

/** Minimum of days that are paid for: https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html */
const INFREQUENT_ACCESS_DAYS = 30;

export const CONCURRENCY = { minimum: 2, maximum: 100_000, unit: "batches at once" } as const;

/** Days for which an image must be there, as a message about it may wait for one less. */
const SOURCE_DAYS = RETENTION_SECONDS / (24 * 3600) + 1;

export const ALARM_CHOICES = { enabled: true } as const satisfies Choices;

/**
 * Thresholds of the alarms, by kind. That of `late` is each worker's own by default, and there is no alarm of silence: alarms look back
 * on a week, https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
 */
export const ALARM_THRESHOLDS = {
  undelivered: { minimum: 0, maximum: 1_000_000, unit: "messages", default: 0 },
  silent: { minimum: 1, maximum: 168, unit: "hours", default: undefined },
  deadLetters: { minimum: 0, maximum: 1_000_000, unit: "messages", default: 0 },
  late: { minimum: 60, maximum: RETENTION_SECONDS, unit: "seconds", default: undefined },
  inFlight: { minimum: 1, maximum: MAX_IN_FLIGHT, unit: "messages", default: 0.8 * MAX_IN_FLIGHT },
  errors: { minimum: 0, maximum: 1_000_000, unit: "invocations", default: 0 },
  throttles: { minimum: 0, maximum: 1_000_000, unit: "invocations", default: 0 },
  rejected: { minimum: 0, maximum: 1_000_000, unit: "images", default: 10 },
} as const satisfies Record<string, Omit<Range, "default"> & { default: number | undefined }>;

type AlarmKind = keyof typeof ALARM_THRESHOLDS;

export const FAN_OUT_CHOICES = {
  dashboard: true,
  retention: ["keep", "destroy"],
  tracing: false,
} as const satisfies Choices;

const GROUPS = [
  "key",
  "prefix",
  "suffix",
  "source",
  "results",
  "buckets",
  "lifecycle",
  "workers",
  "concurrency",
  "alarms",
  "objective",
  "tags",
];

/** Names of all settings. */
export const FAN_OUT_KEYS: readonly string[] = [...Object.keys(FAN_OUT_CHOICES), ...GROUPS];

const WEEK_MINUTES = 7 * 24 * 60;

/** Ranges of the whole numbers in an objective. */
export const OBJECTIVE_RANGES = {
  images: { minimum: 1, maximum: 10_000_000_000, unit: "images" },
  minutes: { minimum: 1, maximum: WEEK_MINUTES, unit: "minutes" },
  within: { minimum: 1, maximum: WEEK_MINUTES, unit: "minutes" },
  megapixels: { minimum: 1, maximum: 1000, unit: "megapixels" },
} as const satisfies Record<string, Omit<Range, "default">>;

/** Maximum number of tags: AWS's 50 a resource, less the machine's own and some for the provider's. */
export const MAXIMUM_TAGS = 40;

/**
 * Returns the settings with their defaults; those of the workers as given, as each worker may have its own. What was checked
 * before, where a stack's settings are read, is not checked again.
 * @param prefix whose they are, up to the name: `ImageFanOut "images": ` or `Setting `
 * @param others names that are known, too, and looked at elsewhere
 * @throws RangeError where one is unknown or out of range, or two do not go together
 */
export function checkFanOutSettings(
  prefix: string,
  given: FanOutSettings,
  others: readonly string[] = [],
): CheckedFanOutSettings {
  const settings = checked.get(given) ?? check(prefix, given, others);
  checked.set(given, settings);
  return settings;
}

const checked = new WeakMap<FanOutSettings, CheckedFanOutSettings>();

function check(prefix: string, given: FanOutSettings, others: readonly string[]) {
  const { workers = {}, concurrency, objective, key, prefix: begin, suffix: end } = given;
  checkNames(prefix, { ...given });
  const choices = choose(prefix, given, FAN_OUT_CHOICES, [...GROUPS, ...others]);
  const buckets = choose(`${prefix}buckets.`, given.buckets ?? {}, BUCKET_CHOICES);
  checkKey(prefix, key);
  const alarms = checkAlarms(`${prefix}alarms.`, given.alarms ?? {});
  checkWorkerSettings(`${prefix}workers.`, workers);
  if (concurrency !== undefined) checkInteger(`${prefix}concurrency`, concurrency, CONCURRENCY);
  if (objective !== undefined) checkObjective(`${prefix}objective.`, objective);
  const keys = {
    prefix: begin === undefined ? undefined : checkKeyPart(`${prefix}prefix`, begin),
    suffix: end === undefined ? undefined : checkKeyPart(`${prefix}suffix`, end),
  };
  return {
    ...choices,
    ...keys,
    key,
    ...checkExisting(prefix, given),
    buckets,
    lifecycle: checkLifecycle(`${prefix}lifecycle.`, given.lifecycle ?? {}),
    alarms,
    workers,
    concurrency,
    objective,
    tags: checkTags(prefix, given.tags ?? {}),
  };
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
const BUCKET_NAME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

export const EXISTING = { text: "a bucket's name" } as const;
export const NOTIFICATION = { text: "true, false" } as const;

function checkExisting(prefix: string, { source, results, lifecycle }: FanOutSettings) {
  for (const [of, given] of Object.entries({ source, results })) {
    if (given === undefined) continue;
    choose(`${prefix}${of}.`, given, {}, of === "source" ? ["existing", "notification"] : ["existing"]);
    const { existing } = given;
    const isBucket =
      typeof existing === "object" && existing !== null && "bucket" in existing && "arn" in existing;
    if (!isBucket && !(typeof existing === "string" && BUCKET_NAME.test(existing))) {
      throw new RangeError(
        `${prefix}${of}.existing is ${JSON.stringify(existing)}, but must be the name of a bucket.`,
      );
    }
    if (lifecycle?.[of as "source" | "results"] !== undefined) {
      throw new RangeError(
        `${prefix}lifecycle.${of} is about a bucket that the machine makes, but ${of}.existing has its owner's lifecycle: leave one of them out.`,
      );
    }
  }
  if (source !== undefined && typeof source.notification !== "boolean") {
    throw new RangeError(
      `${prefix}source.notification is ${JSON.stringify(source.notification)}, but must be true, which replaces all notifications of the bucket, or false, which leaves them to its owner.`,
    );
  }
  if (source !== undefined && source.existing === results?.existing) {
    throw new RangeError(
      `${prefix}source.existing and results.existing are the same bucket: every result would be taken for an image.`,
    );
  }
  return { source, results };
}

function checkLifecycle(prefix: string, given: LifecycleSettings) {
  choose(prefix, given, {}, ["source", "results"]);
  const { source = {}, results = {} } = given;
  return {
    source: checkStorage(`${prefix}source.`, source, SOURCE_DAYS),
    results: checkStorage(`${prefix}results.`, results),
  };
}

function checkStorage(prefix: string, given: StorageSettings, minimum?: number) {
  const { intelligentTiering } = choose(prefix, given, STORAGE_CHOICES, Object.keys(STORAGE_RANGES));
  const { expireDays, infrequentAccessDays } = given;
  for (const [name, range] of Object.entries(STORAGE_RANGES)) {
    const value = given[name as keyof typeof STORAGE_RANGES];
    if (value !== undefined) checkInteger(prefix + name, value, range);
  }
  if (minimum !== undefined && expireDays !== undefined && expireDays < minimum) {
    throw new RangeError(
      `${prefix}expireDays is ${expireDays}, but must be ${minimum} or more: a message may wait for ${minimum - 1} days, and its image must be there then.`,
    );
  }
  if (intelligentTiering && infrequentAccessDays !== undefined) {
    throw new RangeError(
      `${prefix}intelligentTiering is true and infrequentAccessDays ${infrequentAccessDays}, but an object is in one storage class: leave one of them out.`,
    );
  }
  if (Number(expireDays) < Number(infrequentAccessDays) + INFREQUENT_ACCESS_DAYS) {
    throw new RangeError(
      `${prefix}expireDays is ${expireDays} and infrequentAccessDays ${infrequentAccessDays}, but Infrequent Access is paid for ${INFREQUENT_ACCESS_DAYS} days in any case: let objects expire later, or leave infrequentAccessDays out.`,
    );
  }
  return { expireDays, infrequentAccessDays, intelligentTiering };
}

export type CheckedStorageSettings = ReturnType<typeof checkStorage>;

function checkAlarms(prefix: string, given: AlarmSettings) {
  const { email } = given;
  const kinds = Object.keys(ALARM_THRESHOLDS) as AlarmKind[];
  const { enabled } = choose(prefix, given, ALARM_CHOICES, ["email", ...kinds]);
  if (email !== undefined && !/^[^\s@]+@[^\s@]+$/.test(email)) {
    throw new RangeError(`${prefix}email is ${JSON.stringify(email)}, but must be one mail address.`);
  }
  const thresholds = kinds.map((kind) => [kind, checkThreshold(prefix + kind, given[kind], kind)]);
  return { enabled, email, ...(Object.fromEntries(thresholds) as Thresholds) };
}

/** Thresholds of the alarms, by kind: false where there is none; undefined where each worker has its own, or silence is no alarm. */
export type Thresholds = Record<Exclude<AlarmKind, "late" | "silent">, number | false> &
  Record<"late" | "silent", number | false | undefined>;

function checkThreshold(
  subject: string,
  given: AlarmThreshold | undefined,
  kind: AlarmKind,
): number | false | undefined {
  const range = ALARM_THRESHOLDS[kind];
  if (given === undefined || given === false) return given ?? range.default;
  if (typeof given !== "object" || given === null) {
    throw new RangeError(`${subject} is ${JSON.stringify(given)}, but must be false or a map of threshold.`);
  }
  choose(`${subject}.`, given, {}, ["threshold"]);
  checkInteger(`${subject}.threshold`, given.threshold, range);
  return given.threshold;
}

/** ARN of a key, and no alias's: roles are permitted by the key alone. */
const KEY = /^arn:[\w-]+:kms:[\w-]+:\d{12}:key\/[\w-]+$/;

function checkKey(prefix: string, key: FanOutSettings["key"]): void {
  if (key === undefined || key === "create" || key === "retire") return;
  if (typeof key === "string" && KEY.test(key)) return;
  throw new RangeError(
    `${prefix}key is ${JSON.stringify(key)}, but must be create, retire or the ARN of a key that exists.`,
  );
}

/** Names that say the same as others did, and were other names once. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  customerManagedKey: "key",
  "buckets.forceDestroy": "retention",
  "buckets.protect": "retention",
  "buckets.retainOnDelete": "retention",
  "alarms.oldestMessageSeconds": "alarms.late.threshold",
  "alarms.rejectedImages": "alarms.rejected.threshold",
};

/** @throws RangeError where a setting is given by a name that it does not have */
function checkNames(prefix: string, given: Readonly<Record<string, unknown>>): void {
  for (const [name, right] of Object.entries(OTHER_NAMES)) {
    const [group = "", key] = name.split(".");
    const within = key === undefined ? given : given[group];
    if (typeof within !== "object" || within === null || !((key ?? group) in within)) continue;
    throw new RangeError(`${prefix}${name} is not known: say ${right} (docs/settings.md).`);
  }
}

function checkObjective(prefix: string, objective: ObjectiveSettings): void {
  choose(prefix, objective, {}, Object.keys(OBJECTIVE_RANGES));
  for (const [name, range] of Object.entries(OBJECTIVE_RANGES)) {
    const value = objective[name as keyof ObjectiveSettings];
    const needed = name === "images" || name === "minutes";
    if (needed || value !== undefined) checkInteger(prefix + name, value, range);
  }
}

/** https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html */
const TAG_NAME = /^(?!aws:)[\p{L}\p{N} _.:/=+@-]{1,128}$/iu;
const TAG_VALUE = /^[\p{L}\p{N} _.:/=+@-]{0,256}$/u;

function checkTags(prefix: string, given: Record<string, unknown>): Record<string, string> {
  checkMap(`${prefix}tags`, given, "names to texts");
  const tags = Object.entries(given).map(([name, value]) => [name, textOf(value)] as const);
  if (tags.length > MAXIMUM_TAGS) {
    throw new RangeError(`${prefix}tags are ${tags.length}, but the maximum is ${MAXIMUM_TAGS}.`);
  }
  for (const [name, value] of tags) {
    if (TAG_NAME.test(name) && typeof value === "string" && TAG_VALUE.test(value)) continue;
    throw new RangeError(
      `${prefix}tags.${name} is ${JSON.stringify(value)}, but a tag has a name of 1 to 128 that does not begin with "aws:", and as its value a text of 0 to 256 letters, digits, spaces and _.:/=+-@.`,
    );
  }
  checkTagNames(`${prefix}tags.`, OWN_TAGS, Object.keys(given));
  return Object.fromEntries(tags) as Record<string, string>;
}

/** Turns what YAML takes for a number or a truth value into text. Numbers that JavaScript cannot hold stay, and are refused. */
function textOf(value: unknown): unknown {
  const lost = typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER;
  return (typeof value === "number" || typeof value === "boolean") && !lost ? String(value) : value;
}

export type CheckedFanOutSettings = ReturnType<typeof check>;
