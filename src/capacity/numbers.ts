/**
 * Every number of the model that AWS decides, or that is assumed, with where it is written and when that was read.
 * Each can be overridden: a quota that was raised, a price of another region, a measurement that is better.
 */

/** A number and where it comes from. */
export interface Sourced {
  readonly value: number;
  readonly unit: string;
  /** A page, or "assumed", or "from memory". Pages are below https://docs.aws.amazon.com unless they say otherwise. */
  readonly source: string;
  /** The day the page was read, or the assumption made. @default {@link READ} */
  readonly read?: string;
}

/** The day on which the pages below were read. */
export const READ = "2026-11-23";

const S3_GUIDE = "AmazonS3/latest/userguide/optimizing-performance.html";
const SCALING = "lambda/latest/dg/services-sqs-scaling.html";
const LIMITS = "lambda/latest/dg/gettingstarted-limits.html";
const LAMBDA_PRICES = "https://aws.amazon.com/lambda/pricing/, us-east-1, at second hand";
const MESSAGING_PRICES =
  "https://aws.amazon.com/sqs/pricing/, https://aws.amazon.com/sns/pricing/, us-east-1, at second hand";
const S3_PRICES = "https://aws.amazon.com/s3/pricing/, us-east-1, S3 Standard, at second hand";
const CLOUDWATCH_PRICES = "https://aws.amazon.com/cloudwatch/pricing/, us-east-1, at second hand";

const TABLE = {
  s3WritesPerSecond: { value: 3500, unit: "PUTs/s per partition, minimum", source: S3_GUIDE },
  s3ReadsPerSecond: { value: 5500, unit: "GETs/s per partition, minimum", source: S3_GUIDE },
  s3SourcePartitions: {
    value: 1,
    unit: "partitions of the source bucket at the start",
    source: "assumed: a new bucket",
  },
  s3ResultsPartitions: {
    value: 1,
    unit: "partitions of the results bucket at the start",
    source: "assumed: a new bucket",
  },
  s3SplitSeconds: {
    value: 1800,
    unit: "s of refused requests until a bucket has twice the partitions",
    source: "https://repost.aws/knowledge-center/s3-object-key-naming-pattern, a comment: 30 to 60 minutes",
  },
  s3RequestSeconds: {
    value: 0.1,
    unit: "s for one GET or PUT of an image from within a function",
    source:
      "assumed; whitepapers/latest/s3-optimizing-performance-best-practices/timeouts-and-retries-for-latency-sensitive-applications.html has tens of milliseconds below 512 KB",
  },
  s3EventSeconds: {
    value: 1,
    unit: "s from a stored object to its event",
    source:
      "assumed; AmazonS3/latest/userguide/EventNotifications.html has seconds, and sometimes a minute or more",
  },
  snsPublishesPerSecond: {
    value: 300,
    unit: "messages/s, where the region has no number of its own",
    source: "general/latest/gr/sns.html; whether S3's own publishes count is not said, and assumed",
  },
  sqsInFlight: {
    value: 120_000,
    unit: "messages in flight per queue",
    source: "AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html",
  },
  messageBytes: {
    value: 1000,
    unit: "bytes of a message",
    source: "assumed: an S3 event with one record and a short key",
  },
  pollBatch: {
    value: 10,
    unit: "messages of one poll, maximum",
    source:
      "from memory, to be looked up in AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html",
  },
  idlePolls: {
    value: 5,
    unit: "polls at once of an empty queue, where there are not more pollers",
    source: `assumed: as many as the batches that a mapping starts with, ${SCALING}`,
    read: "2026-11-26",
  },
  idlePollSeconds: {
    value: 20,
    unit: "s that a poll of an empty queue takes",
    source:
      "assumed: the longest poll, AWSSimpleQueueService/latest/SQSDeveloperGuide/best-practices-setting-up-long-polling.html",
    read: "2026-11-26",
  },
  batchBytes: { value: 6 * 1024 * 1024, unit: "bytes of a batch, maximum", source: LIMITS },
  standardStart: { value: 5, unit: "batches at once when a queue becomes busy", source: SCALING },
  standardPerMinute: { value: 300, unit: "more batches at once, per minute", source: SCALING },
  standardMost: { value: 1250, unit: "batches at once per mapping", source: SCALING },
  pollerConcurrency: { value: 10, unit: "batches at once per provisioned poller", source: SCALING },
  pollerBytesPerSecond: { value: 1_000_000, unit: "bytes/s per provisioned poller", source: SCALING },
  pollerPollsPerSecond: { value: 10, unit: "polls/s per provisioned poller", source: SCALING },
  provisionedPerMinute: {
    value: 1000,
    unit: "more batches at once, per minute, in provisioned mode",
    source: SCALING,
  },
  minimumPollersMost: { value: 200, unit: "maximum of minimumPollers", source: SCALING },
  maximumPollersMost: {
    value: 2000,
    unit: "maximum of maximumPollers",
    source: "lambda/latest/dg/services-sqs-parameters.html",
  },
  lambdaConcurrency: {
    value: 1000,
    unit: "invocations at once, all functions of the account in the region",
    source: `${LIMITS}; a new account may have less`,
  },
  unreservedLeast: {
    value: 100,
    unit: "invocations at once that cannot be reserved",
    source: "from memory, to be looked up in lambda/latest/dg/configuration-concurrency.html",
  },
  environmentsBurst: {
    value: 1000,
    unit: "new environments of a function at once",
    source: "lambda/latest/dg/scaling-behavior.html",
  },
  environmentsPerSecond: {
    value: 100,
    unit: "new environments/s of a function, refilled continuously",
    source: "lambda/latest/dg/scaling-behavior.html: 1,000 every 10 seconds",
  },
  timeoutMost: { value: 900, unit: "s that a function may take, maximum", source: LIMITS },
  memoryPerCpu: {
    value: 1769,
    unit: "MB that come with one vCPU",
    source: "lambda/latest/dg/configuration-memory.html",
  },
  cpuFactor: {
    value: 1,
    unit: "times the benchmark's duration that a vCPU of Lambda takes",
    source: "assumed: arm64 was not measured",
  },
  coldStartSeconds: {
    value: 0.5,
    unit: "s of INIT of a new environment",
    source: "assumed; Node.js loads the bundle and sharp in 0.12 s on the benchmark's computer",
  },
  invocationSeconds: { value: 0.01, unit: "s of an invocation beside its images", source: "assumed" },

  priceLambdaGbSecond: { value: 0.0000133334, unit: "$ per GB-s, arm64", source: LAMBDA_PRICES },
  priceLambdaRequests: { value: 0.2, unit: "$ per million invocations", source: LAMBDA_PRICES },
  pricePollerHour: { value: 0.00925, unit: "$ per provisioned poller and hour", source: LAMBDA_PRICES },
  priceSqsRequests: { value: 0.4, unit: "$ per million requests", source: MESSAGING_PRICES },
  priceSnsPublishes: { value: 0.5, unit: "$ per million publishes", source: MESSAGING_PRICES },
  priceS3Puts: { value: 5, unit: "$ per million PUTs", source: S3_PRICES },
  priceS3Gets: { value: 0.4, unit: "$ per million GETs", source: S3_PRICES },
  priceLogsGb: { value: 0.5, unit: "$ per GB of logs", source: CLOUDWATCH_PRICES },
  priceAlarmMonth: {
    value: 0.1,
    unit: "$ per metric of an alarm and month",
    source: "from memory, to be looked up in https://aws.amazon.com/cloudwatch/pricing/",
  },
  priceDashboardMonth: {
    value: 3,
    unit: "$ per dashboard and month, after three that are free",
    source: "from memory, to be looked up in https://aws.amazon.com/cloudwatch/pricing/",
  },
  priceKeyMonth: {
    value: 1,
    unit: "$ per KMS key and month",
    source: "from memory, to be looked up in https://aws.amazon.com/kms/pricing/",
  },
  priceMetricMonth: {
    value: 0.3,
    unit: "$ per custom metric and month, by the hour in which it is sent",
    source: CLOUDWATCH_PRICES,
  },
  logBytesPerImage: {
    value: 700,
    unit: "bytes of log per image and worker",
    source: "assumed: one structured line",
  },
  logBytesPerInvocation: {
    value: 1000,
    unit: "bytes of log per invocation",
    source: "assumed: START, END, REPORT and one line of metrics",
  },
  metricsPerWorker: {
    value: 9,
    unit: "custom metrics of a worker",
    source: "this project: processed, duplicate, superseded, rejected, failed, repaired, dropped, bytes, ms",
  },
} as const satisfies Record<string, Sourced>;

/** The name of a number. */
export type NumberName = keyof typeof TABLE;

/** The numbers of one region, overrides applied. */
export type Numbers = Readonly<Record<NumberName, number>>;

/** The table, to be printed. */
export const SOURCED: Readonly<Record<NumberName, Sourced>> = TABLE;

/** Default quota of published messages a second, by region: general/latest/gr/sns.html, read {@link READ}. */
const SNS_PUBLISHES: Readonly<Record<string, number>> = {
  "us-east-1": 30_000,
  "us-west-2": 9000,
  "eu-west-1": 9000,
  "us-east-2": 1500,
  "ap-northeast-1": 1500,
  "eu-central-1": 1500,
};

/**
 * The numbers that hold in a region.
 * @param overrides numbers that are known better
 * @throws RangeError where an override is below zero or no number
 */
export function numbersFor(region: string, overrides: Partial<Numbers> = {}): Numbers {
  for (const [name, value] of Object.entries(overrides)) {
    if (Number.isFinite(value) && value >= 0) continue;
    throw new RangeError(`${name} is ${value}, but must be a number of 0 or more.`);
  }
  const table = Object.entries(TABLE).map(([name, { value }]) => [name, value]);
  const own = SNS_PUBLISHES[region];
  return {
    ...(Object.fromEntries(table) as Record<NumberName, number>),
    ...(own === undefined ? {} : { snsPublishesPerSecond: own }),
    ...overrides,
  };
}
