// Written by `npm run docs` from the tables that settings are checked with: change those.
import type * as pulumi from "@pulumi/pulumi";

/** When a kind of alarm rings. */
export interface AlarmThreshold {
  /** Whether there is this kind. Default: true. */
  enabled?: boolean;

  /** Beyond how much it rings. Default: as said of the kind. */
  threshold?: pulumi.Input<number>;
}

/** Settings of a stack. Pulumi.STACK.yaml has the same names. */
export interface FanOutSettings {
  /**
   * How keys of images begin: nobody is told of other objects in the source bucket. Case matters. Range: 1 to
   * 1,024 characters. Default: all keys.
   */
  prefix?: string;

  /**
   * How keys of images end, such as `.jpg`: nobody is told of others. Case matters. Range: 1 to 1,024
   * characters. Default: all keys.
   */
  suffix?: string;

  /** The defaults of all workers; a constructor call may set its own. Default: each as said there. */
  workers?: WorkerSettings;

  /**
   * Batches that all workers together may run at once, so that the account has the rest for others: by
   * default it has 1,000 invocations at once. Workers without `scaling` and `reservedConcurrency` get equal
   * shares of what the others leave. Range: 2 to 100,000 batches at once. Default: each worker has its own
   * maximum.
   */
  concurrency?: number;

  /**
   * Bucket that exists already, in this account and region, and that images are dropped into. Default: one
   * that is made.
   */
  source?: SourceSettings;

  /** Bucket that exists already and that results come back in. Default: one that is made. */
  results?: ResultsSettings;

  /** How images are kept, in both buckets. Default: each as said there. */
  buckets?: BucketSettings;

  /** How long images stay, and in which of S3's storage classes. Default: for ever, in S3 Standard. */
  lifecycle?: LifecycleSettings;

  /**
   * When somebody is alarmed. `false` in place of a kind's map leaves that kind out, as in `late: false`.
   * Default: each as said there.
   */
  alarms?: AlarmSettings;

  /** What the machine must be able to do: every preview warns of settings that cannot. Default: none. */
  objective?: ObjectiveSettings;

  /** Whether there is a CloudWatch dashboard. Default: true. */
  dashboard?: boolean;

  /**
   * What becomes of images, results, dead letters and the key when the stack would delete them: `keep` has
   * Pulumi refuse, also for queues and topics, and leaves them on AWS where it is told to go on all the same;
   * `destroy` has `pulumi destroy` delete them, with all that is in the buckets. Range: keep, destroy.
   * Default: keep.
   */
  retention?: string;

  /**
   * KMS key that buckets, topics, queues, logs and the functions' environments are encrypted with, instead of
   * keys of AWS: SSE-S3, SSE-SQS, none for topics. `create` makes one for this machine, an ARN takes one that
   * exists, whose policy must let S3, SNS, CloudWatch and CloudWatch Logs use it. The way back from `create`
   * is `retire`: nothing new is encrypted with the key, but it stays, and what was encrypted with it can be
   * read. Without that step, what waits and what is stored would be lost. An ARN has no such step: without
   * it, functions may not decrypt any more what is stored or waits, though the key is there. Range: create,
   * retire, or an ARN. Default: none.
   */
  key?: pulumi.Input<string>;

  /** Whether topic and functions send traces to X-Ray. Default: false. */
  tracing?: boolean;

  /**
   * Tags on everything that can have them, beside Project, Stack and Worker. No two may differ only in case.
   * YAML takes some values for numbers: quote those whose digits must stay as they are, such as leading
   * zeros. Range: 0 to 40 tags. Default: none.
   */
  tags?: pulumi.Input<Record<string, pulumi.Input<string>>>;
}

/** Settings of a worker: in the fan-out as the default of all, or in a worker as its own. */
export interface WorkerSettings {
  /**
   * The function's memory. It buys speed as well: 1,769 MB is one whole vCPU. The largest image that is
   * accepted follows from it. Range: 256 to 10,240 MB. Default: 1,769.
   */
  memorySize?: pulumi.Input<number>;

  /**
   * Time that one batch may take. Each of its images is promised an equal share, which has to be enough for
   * the largest image that `memorySize` accepts; where 120 seconds are not, the default is as many as that
   * takes, 815 for ten images at 1,769 MB. Range: 1 to 900 seconds. Default: 120.
   */
  timeout?: pulumi.Input<number>;

  /**
   * Maximum number of messages in one batch; more than 10 needs a batching window. Images of a batch share
   * its time, and come again where one of them ends the function. Where `timeout`, or Lambda's 900 seconds,
   * promises fewer images what the largest takes, the default is as many as it does. Range: 1 to 10,000
   * messages. Default: 10.
   */
  batchSize?: pulumi.Input<number>;

  /**
   * Images of a batch that a function has in hand at once at the maximum, as far as its memory allows: while
   * one is turned, the next are read and the last results written. Range: 1 to 50 images. Default: 10.
   */
  pipelineDepth?: pulumi.Input<number>;

  /** Time that Lambda waits for a batch to fill. Range: 0 to 300 seconds. Default: 0. */
  maximumBatchingWindowInSeconds?: pulumi.Input<number>;

  /**
   * How often a message is tried before it goes to the dead-letter queue. AWS advises a minimum of 5, as
   * throttling counts as a try. Range: 5 to 1,000. Default: 5.
   */
  maxReceiveCount?: pulumi.Input<number>;

  /**
   * How long the function's log is kept; CloudWatch knows 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365,
   * 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 and 3653. Range: 1 to 3,653 days. Default: 30.
   */
  logRetentionInDays?: pulumi.Input<number>;

  /**
   * What becomes of an image that is damaged although all its pixels are there, as far as the worker's
   * handler can tell: turned as viewers show it, which its log says, or rejected. Range: repair, reject.
   * Default: repair.
   */
  damaged?: string;

  /**
   * What of an image's Exif, XMP, IPTC and texts goes along, as far as the worker's handler can tell: all;
   * all but where it was taken, and what cannot be looked into; or nothing. Orientation and colour profile
   * always do. Range: keep, no-location, none. Default: keep.
   */
  metadata?: string;

  /**
   * What goes along from the source object to its result, beside what is in the image: its Cache-Control, its
   * Content-Disposition, its user metadata as far as there is room for it in 2 KB, its tags. Range: list of
   * cache-control, content-disposition, metadata, tags. Default: none.
   */
  carry?: string[];

  /**
   * How fast the queue is emptied: up to a maximum and free of charge, or by pollers that are paid by the
   * hour. Default: Lambda's own scaling, up to 1,250 batches at once.
   */
  scaling?: Scaling;

  /**
   * Reserved concurrency, also the function's limit: invocations that no other function may use. `scaling`
   * must fit into it; without `scaling` it is the maximum concurrency, too. AWS keeps 100 of an account's for
   * functions without any. Range: 2 to 100,000 invocations at once. Default: none.
   */
  reservedConcurrency?: number;

  /**
   * Which images the worker is told of; it neither costs nor counts the others, and no command misses their
   * results. Case matters. Default: all that the fan-out is told of.
   */
  only?: OnlySettings;
}

/**
 * Which images the worker is told of; it neither costs nor counts the others, and no command misses their
 * results. Case matters.
 */
export interface OnlySettings {
  /**
   * How keys begin: a text, or a list of which one must be met. SNS cannot ask for both prefix and suffix:
   * give the fan-out one of them. Range: 1 to 37 texts, 9 beside a size. Default: none.
   */
  prefix?: string[];

  /**
   * How keys end: a text, or a list of which one must be met, such as `.jpg` and `.JPG`. Range: 1 to 37
   * texts, 9 beside a size. Default: none.
   */
  suffix?: string[];

  /** Minimum size of an image in bytes. Range: 0 to 1,000,000,000 bytes. Default: none. */
  minimumBytes?: number;

  /** Maximum size of an image in bytes. Range: 0 to 1,000,000,000 bytes. Default: none. */
  maximumBytes?: number;
}

/** Bucket that exists already, in this account and region, and that images are dropped into. */
export interface SourceSettings {
  /**
   * Its name or, in a program, its resource. It must keep versions, or nobody is told of the images; whatever
   * else it has is its owner's: policy, encryption, lifecycle. Its KMS key, where it has one, must be that of
   * `key`. A stack that has a bucket of its own deletes that where `retention` is destroy, with all that is
   * in it. Range: a bucket's name.
   */
  existing: pulumi.Input<string>;

  /**
   * Whether its notification configuration, of which a bucket has one, becomes the machine's: true replaces
   * what is there, and is for one fan-out of a bucket, false leaves it to its owner, and the fan-out's
   * `notificationToAdd` says what has to be added.
   */
  notification: boolean;
}

/** Bucket that exists already and that results come back in. */
export interface ResultsSettings {
  /**
   * Its name or, in a program, its resource. It must keep versions; whatever else it has is its owner's.
   * Range: a bucket's name.
   */
  existing: pulumi.Input<string>;
}

/** How images are kept, in both buckets. */
export interface BucketSettings {
  /** Time until an overwritten or deleted version expires. Range: 1 to 3,650 days. Default: 30. */
  noncurrentVersionDays?: pulumi.Input<number>;
}

/** How long images stay, and in which of S3's storage classes. */
export interface LifecycleSettings {
  /** How long images stay that were dropped. Default: for ever, in S3 Standard. */
  source?: StorageSettings;

  /** How long results stay. Default: for ever, in S3 Standard. */
  results?: StorageSettings;
}

/**
 * Settings of one bucket's current objects; `buckets.noncurrentVersionDays` is about all others, and those
 * that expired.
 */
export interface StorageSettings {
  /**
   * Time after which they expire; of sources 15 days or more, as a message may wait for 14. `npm run
   * reconcile` misses no result that may have expired. Range: 1 to 3,650 days. Default: none.
   */
  expireDays?: pulumi.Input<number>;

  /**
   * Time after which those of 128 KB or more go to Infrequent Access: half the price for each GB, a price for
   * each GB that is read, and 30 days that are paid for in any case, so that it is not for what expires
   * within 30 days more. Range: 30 to 3,620 days. Default: none.
   */
  infrequentAccessDays?: pulumi.Input<number>;

  /**
   * Whether those of 128 KB or more go to Intelligent-Tiering at once: half the price while nobody has read
   * them for 30 days, for a price for each object. Default: false.
   */
  intelligentTiering?: boolean;
}

/** When somebody is alarmed. `false` in place of a kind's map leaves that kind out, as in `late: false`. */
export interface AlarmSettings {
  /** Whether there are alarms. Their topic, and who subscribed to it, is there in any case. Default: true. */
  enabled?: boolean;

  /**
   * Address that gets a mail from each alarm, once its owner has confirmed the first mail. Range: one
   * address. Default: none.
   */
  email?: pulumi.Input<string>;

  /**
   * Messages that the topic may fail to deliver in a minute before it is an alarm. Range: 0 to 1,000,000
   * messages. Default: 0.
   */
  undelivered?: AlarmThreshold;

  /**
   * Time in which S3 may tell the topic of not one image before it is an alarm. It is for stacks whose images
   * come by themselves, or that are sent one by a schedule (docs/operations.md). Range: 1 to 168 hours.
   * Default: none.
   */
  silent?: AlarmThreshold;

  /**
   * Messages that a worker's dead-letter queue may hold before it is an alarm. Range: 0 to 1,000,000
   * messages. Default: 0.
   */
  deadLetters?: AlarmThreshold;

  /**
   * Time that a message may wait before it is an alarm. By default a single batch that crashed is none: it
   * comes again up to 70 seconds after `timeout`, and takes as long again. With less it may be one, and the
   * alarm says so. Range: 60 to 1,209,600 seconds. Default: 900, or a minute more than a batch takes that
   * crashed once.
   */
  late?: AlarmThreshold;

  /**
   * Messages that a worker may have under way before it is an alarm: SQS hands out no more than the maximum.
   * Range: 1 to 120,000 messages. Default: 96,000.
   */
  inFlight?: AlarmThreshold;

  /**
   * Invocations that may fail as a whole in a minute, three minutes of five, before it is an alarm. Range: 0
   * to 1,000,000 invocations. Default: 0.
   */
  errors?: AlarmThreshold;

  /**
   * Invocations that Lambda may refuse in a minute, three minutes of five, before it is an alarm. Range: 0 to
   * 1,000,000 invocations. Default: 0.
   */
  throttles?: AlarmThreshold;

  /**
   * Images that a worker may reject in five minutes before it is an alarm. Range: 0 to 1,000,000 images.
   * Default: 10.
   */
  rejected?: AlarmThreshold;
}

/** What the machine must be able to do: every preview warns of settings that cannot. */
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
 * How fast the queue is emptied. Standard mode: 5 batches at once at first, up to 300 more each minute.
 * Provisioned mode: pollers that are paid by the hour, each for up to 10 batches at once, and up to 1,000
 * batches more each minute: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
 */
export interface Scaling {
  /**
   * Standard mode: maximum of batches at once. Without any scaling it is 1,250. Range: 2 to 1,000 batches at
   * once. Default: none, as it is of the other mode.
   */
  maximumConcurrency?: number;

  /**
   * Provisioned mode: pollers that are always ready, each for 10 batches at once. Range: 2 to 200 pollers.
   * Default: none, as it is of the other mode.
   */
  minimumPollers?: number;

  /**
   * Provisioned mode: maximum of pollers. Range: 2 to 2,000 pollers. Default: none, as it is of the other
   * mode.
   */
  maximumPollers?: number;
}
