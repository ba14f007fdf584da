// Written by `npm run docs` from the tables that settings are checked with: change those.
import type * as pulumi from "@pulumi/pulumi";

/** When an alarm rings. */
export interface AlarmThreshold {
  /** Whether there is this alarm. Default: true. */
  enabled?: boolean;

  /** Value above which it rings. Default: see the alarm. */
  threshold?: pulumi.Input<number>;
}

/** Settings of a stack. They have the same names in Pulumi.STACK.yaml. */
export interface FanOutSettings {
  /**
   * How keys of images begin. Other objects in the source bucket are ignored. Case matters. Range: 1 to 1,024
   * characters. Default: all keys.
   */
  prefix?: string;

  /**
   * How keys of images end, such as `.jpg`. Other objects are ignored. Case matters. Range: 1 to 1,024
   * characters. Default: all keys.
   */
  suffix?: string;

  /** Defaults for all workers. Each worker's constructor can override them. Default: see its settings. */
  workers?: WorkerSettings;

  /**
   * Maximum batches that all workers together run at once. It leaves the rest of the account to others; an
   * account has 1,000 invocations at once by default. Workers with neither `scaling` nor
   * `reservedConcurrency` get equal shares of what the other workers leave. Range: 2 to 100,000 batches at
   * once. Default: each worker has its own maximum.
   */
  concurrency?: number;

  /** Existing bucket, in this account and region, that images are dropped into. Default: a new bucket. */
  source?: SourceSettings;

  /** Existing bucket for the results. Default: a new bucket. */
  results?: ResultsSettings;

  /** How both buckets keep objects. Default: see its settings. */
  buckets?: BucketSettings;

  /** How long images stay, and in which S3 storage class. Default: for ever, in S3 Standard. */
  lifecycle?: LifecycleSettings;

  /**
   * Which alarms ring, and when. `false` in place of a threshold leaves an alarm out, as in `late: false`.
   * Default: see its settings.
   */
  alarms?: AlarmSettings;

  /**
   * What the machine must be able to do. Every preview warns if the settings cannot meet it. Default: none.
   */
  objective?: ObjectiveSettings;

  /** Whether there is a CloudWatch dashboard. Default: true. */
  dashboard?: boolean;

  /**
   * What happens to images, results, dead letters and the key if the stack would delete them. With `keep`,
   * Pulumi refuses, for queues and topics too; if you tell it to go on all the same, they stay on AWS. With
   * `destroy`, `pulumi destroy` deletes them, with everything in the buckets. Range: keep, destroy. Default:
   * keep.
   */
  retention?: string;

  /**
   * KMS key that encrypts buckets, topics, queues, logs and the functions' environments, instead of AWS's own
   * keys (SSE-S3, SSE-SQS, none for topics). `create` makes a key for this machine. An ARN uses an existing
   * key, whose policy must let S3, SNS, CloudWatch and CloudWatch Logs use it. To stop using the key of
   * `create`, set `retire`: the key encrypts nothing new, but stays, so that what it encrypted can still be
   * read. Without that step, stored objects and waiting messages would be lost. An ARN has no such step: if
   * you remove it, the functions may no longer decrypt what is stored or waiting, although the key still
   * exists. Range: create, retire, or an ARN. Default: none.
   */
  key?: pulumi.Input<string>;

  /** Whether the topic and the functions send traces to X-Ray. Default: false. */
  tracing?: boolean;

  /**
   * Tags for everything that can have them, besides Project, Stack and Worker. No two names may differ only
   * in case. YAML reads some values as numbers: quote those whose digits must stay as they are, such as
   * leading zeros. Range: 0 to 40 tags. Default: none.
   */
  tags?: pulumi.Input<Record<string, pulumi.Input<string>>>;
}

/** Settings of a worker: defaults for all workers in a fan-out, or a worker's own. */
export interface WorkerSettings {
  /**
   * The function's memory. More memory also means more speed: 1,769 MB is one full vCPU. Memory decides how
   * large an image the worker accepts. Range: 256 to 10,240 MB. Default: 1,769.
   */
  memorySize?: pulumi.Input<number>;

  /**
   * Time that a batch may take. Each of its images gets an equal share, which must be enough for the largest
   * image that `memorySize` accepts. The default is what that takes, and 120 at least: 815 with all other
   * defaults, for ten images at 1,769 MB. Range: 1 to 900 seconds. Default: 120 or more.
   */
  timeout?: pulumi.Input<number>;

  /**
   * Maximum number of messages in a batch. More than 10 needs a batching window. The images of a batch share
   * its time, and all are tried again if one of them crashes the function. If `timeout`, or Lambda's 900
   * seconds, is too short for 10 of the largest images, the default is as many as fit. Range: 1 to 10,000
   * messages. Default: 10.
   */
  batchSize?: pulumi.Input<number>;

  /**
   * Maximum number of a batch's images that a function holds at once, as far as its memory allows: while it
   * turns one, it reads the next ones and writes the last results. Range: 1 to 50 images. Default: 10.
   */
  pipelineDepth?: pulumi.Input<number>;

  /** Time that Lambda waits for a batch to fill. Range: 0 to 300 seconds. Default: 0. */
  maximumBatchingWindowInSeconds?: pulumi.Input<number>;

  /**
   * How often a message is tried before it goes to the dead-letter queue. AWS advises a minimum of 5, because
   * throttling counts as a try. Range: 5 to 1,000. Default: 5.
   */
  maxReceiveCount?: pulumi.Input<number>;

  /**
   * How long the function's log is kept. CloudWatch accepts 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365,
   * 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 and 3653. Range: 1 to 3,653 days. Default: 30.
   */
  logRetentionInDays?: pulumi.Input<number>;

  /**
   * What happens to an image that is damaged, but has all its pixels: `repair` turns it as viewers show it
   * and says so in the log, `reject` rejects it. The worker's handler must support this. Range: repair,
   * reject. Default: repair.
   */
  damaged?: string;

  /**
   * What the result keeps of an image's Exif, XMP, IPTC and texts: `keep` keeps everything, `no-location`
   * everything except the place where it was taken and what cannot be inspected, `none` nothing. Orientation
   * and colour profile are always kept. The worker's handler must support this. Range: keep, no-location,
   * none. Default: keep.
   */
  metadata?: string;

  /**
   * What is copied from the source object to its result, besides what is in the image: its Cache-Control, its
   * Content-Disposition, its user metadata as far as it fits into 2 KB, its tags. Range: list of
   * cache-control, content-disposition, metadata, tags. Default: none.
   */
  carry?: string[];

  /**
   * How fast the queue is emptied: free of charge up to a maximum, or by pollers that AWS bills by the hour.
   * Default: Lambda's own scaling, up to 1,250 batches at once.
   */
  scaling?: Scaling;

  /**
   * Reserved concurrency: invocations that no other function may use, and the maximum for this one. `scaling`
   * must fit into it; without `scaling`, it is the maximum concurrency, too. AWS keeps 100 of an account's
   * invocations unreserved. Range: 2 to 100,000 invocations at once. Default: none.
   */
  reservedConcurrency?: number;

  /**
   * Which images the worker gets. The others cost it nothing, and no command reports their results as
   * missing. Case matters. Default: all images of the fan-out.
   */
  only?: OnlySettings;
}

/**
 * Which images the worker gets. The others cost it nothing, and no command reports their results as missing.
 * Case matters.
 */
export interface OnlySettings {
  /**
   * How keys begin: one text, or a list of texts of which one must match. SNS cannot filter by both prefix
   * and suffix: give the fan-out one of them. Range: 1 to 37 texts, or 1 to 9 with a size. Default: none.
   */
  prefix?: string[];

  /**
   * How keys end: one text, or a list of texts of which one must match, such as `.jpg` and `.JPG`. Range: 1
   * to 37 texts, or 1 to 9 with a size. Default: none.
   */
  suffix?: string[];

  /** Minimum size of an image in bytes. Range: 0 to 1,000,000,000 bytes. Default: none. */
  minimumBytes?: number;

  /** Maximum size of an image in bytes. Range: 0 to 1,000,000,000 bytes. Default: none. */
  maximumBytes?: number;
}

/** Existing bucket, in this account and region, that images are dropped into. */
export interface SourceSettings {
  /**
   * The bucket's name or, in a program, its resource. It must have versioning enabled. Everything else stays
   * its owner's: policy, encryption, lifecycle. If it has a KMS key, `key` must name the same one. If the
   * stack made a bucket of its own before and `retention` is destroy, it deletes that bucket, with everything
   * in it. Range: a bucket's name.
   */
  existing: pulumi.Input<string>;

  /**
   * Whether the machine takes over the bucket's notification configuration. A bucket has only one: true
   * replaces it, which only one fan-out of a bucket may do. false leaves it to the owner, and the fan-out's
   * `notificationToAdd` says what to add.
   */
  notification: boolean;
}

/** Existing bucket for the results. */
export interface ResultsSettings {
  /**
   * The bucket's name or, in a program, its resource. It must have versioning enabled. Everything else stays
   * its owner's. Range: a bucket's name.
   */
  existing: pulumi.Input<string>;
}

/** How both buckets keep objects. */
export interface BucketSettings {
  /** Time until an overwritten or deleted version expires. Range: 1 to 3,650 days. Default: 30. */
  noncurrentVersionDays?: pulumi.Input<number>;
}

/** How long images stay, and in which S3 storage class. */
export interface LifecycleSettings {
  /** How long uploaded images stay. Default: for ever, in S3 Standard. */
  source?: StorageSettings;

  /** How long results stay. Default: for ever, in S3 Standard. */
  results?: StorageSettings;
}

/**
 * Settings of one bucket's current objects. `buckets.noncurrentVersionDays` covers all other versions,
 * expired ones included.
 */
export interface StorageSettings {
  /**
   * Time after which objects expire. Sources need 15 days or more, because a message may wait for 14. If
   * results expire sooner, a message that waited longer can bring back an older version's result, which
   * expires in its turn. `npm run reconcile` does not report results as missing if they may have expired.
   * Range: 1 to 3,650 days. Default: none.
   */
  expireDays?: pulumi.Input<number>;

  /**
   * Time after which objects of 128 KB or more move to Infrequent Access: half the price per GB, a charge per
   * GB read, and a minimum charge of 30 days. Objects must not expire within 30 days after that. Range: 30 to
   * 3,620 days. Default: none.
   */
  infrequentAccessDays?: pulumi.Input<number>;

  /**
   * Whether objects of 128 KB or more go to Intelligent-Tiering at once: half the price once nobody has read
   * them for 30 days, and a charge per object. Default: false.
   */
  intelligentTiering?: boolean;
}

/** Which alarms ring, and when. `false` in place of a threshold leaves an alarm out, as in `late: false`. */
export interface AlarmSettings {
  /** Whether there are alarms. Their topic and its subscriptions exist in any case. Default: true. */
  enabled?: boolean;

  /**
   * Email address that every alarm is sent to, once its owner has confirmed the first email. Range: one
   * address. Default: none.
   */
  email?: pulumi.Input<string>;

  /**
   * Rings if the topic fails to deliver more messages than this in a minute. Range: 0 to 1,000,000 messages.
   * Default: 0.
   */
  undelivered?: AlarmThreshold;

  /**
   * Rings if S3 tells the topic of no image for this long. Only for stacks that get images all the time, or
   * are sent one on a schedule (docs/operations.md). Range: 1 to 168 hours. Default: none.
   */
  silent?: AlarmThreshold;

  /**
   * Rings if a worker's dead-letter queue holds more messages than this. Range: 0 to 1,000,000 messages.
   * Default: 0.
   */
  deadLetters?: AlarmThreshold;

  /**
   * Rings if a message waits for longer than this. By default, a single batch that crashes does not ring it:
   * the batch comes again up to 70 seconds after `timeout`, and takes as long again. With less time it may,
   * and the alarm says so. Range: 60 to 1,209,600 seconds. Default: 900, or a minute more than a batch takes
   * that crashes once.
   */
  late?: AlarmThreshold;

  /**
   * Rings if a worker has more messages in flight than this. SQS allows 120,000 per queue. Range: 1 to
   * 120,000 messages. Default: 96,000.
   */
  inFlight?: AlarmThreshold;

  /**
   * Rings if more invocations than this fail as a whole in a minute, in three minutes of five. Range: 0 to
   * 1,000,000 invocations. Default: 0.
   */
  errors?: AlarmThreshold;

  /**
   * Rings if Lambda throttles more invocations than this in a minute, in three minutes of five. Range: 0 to
   * 1,000,000 invocations. Default: 0.
   */
  throttles?: AlarmThreshold;

  /**
   * Rings if a worker rejects more images than this in five minutes. Range: 0 to 1,000,000 images. Default:
   * 10.
   */
  rejected?: AlarmThreshold;
}

/** What the machine must be able to do. Every preview warns if the settings cannot meet it. */
export interface ObjectiveSettings {
  /** Images that must be processed. Range: 1 to 10,000,000,000 images. */
  images: number;

  /** Time in which they arrive, evenly. Range: 1 to 10,080 minutes. */
  minutes: number;

  /**
   * Time from the first image until all must be processed. Range: 1 to 10,080 minutes. Default: `minutes` +
   * 1.
   */
  within?: number;

  /** Size of an image. Range: 1 to 1,000 megapixels. Default: 12. */
  megapixels?: number;
}

/**
 * How fast the queue is emptied. Standard mode: 5 batches at once at first, and up to 300 more each minute.
 * Provisioned mode: pollers that AWS bills by the hour, each for up to 10 batches at once, with up to 1,000
 * more batches each minute: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
 */
export interface Scaling {
  /**
   * Standard mode: maximum batches at once. Without `scaling`, it is 1,250. Range: 2 to 1,000 batches at
   * once. Default: none; it belongs to the other mode.
   */
  maximumConcurrency?: number;

  /**
   * Provisioned mode: pollers that always run, each for up to 10 batches at once. Range: 2 to 200 pollers.
   * Default: none; it belongs to the other mode.
   */
  minimumPollers?: number;

  /**
   * Provisioned mode: maximum number of pollers. Range: 2 to 2,000 pollers. Default: none; it belongs to the
   * other mode.
   */
  maximumPollers?: number;
}
