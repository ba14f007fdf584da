import { MAX_IN_FLIGHT } from "../delivery/queue.ts";
import { BATCHES_PER_POLLER } from "../topology/worker-settings.ts";

/**
 * Every number of the model that AWS decides, or that is assumed: value, unit, source (below https://docs.aws.amazon.com
 * unless it says otherwise), and of an assumption that decides times or costs the best and the worst value that are
 * plausible. Each can be overridden: a quota that was raised, a price of another region, a measurement.
 */
type Row = readonly [value: number, unit: string, source: string, best?: number, worst?: number];

/** The day on which the pages were read. */
export const READ = "2026-11-23 to 2026-11-26";

const IDLE = "assumed: as many as at the start, AWS does not say";
const S3_GUIDE = "AmazonS3/latest/userguide/optimizing-performance.html";
const NEW_BUCKET = "this project: both buckets are new; --set another number where they are not";
const SCALING = "lambda/latest/dg/services-sqs-scaling.html";
const QUOTAS = "lambda/latest/dg/gettingstarted-limits.html";
const GROWTH = "lambda/latest/dg/scaling-behavior.html";
const RESERVED =
  "lambda/latest/dg/configuration-concurrency.html, as https://devops.stackexchange.com/questions/16674/ quotes it";
const SQS_QUOTAS = "AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html";
const RECEIVE =
  "sdk-for-kotlin/api/latest/sqs/aws.sdk.kotlin.services.sqs.model/-receive-message-request/max-number-of-messages.html";
const SPLITS =
  "https://repost.aws/knowledge-center/s3-object-key-naming-pattern, a comment: 30 to 60 minutes";
const EVENTS =
  "assumed; AmazonS3/latest/userguide/EventNotifications.html has seconds, at times a minute or more";
const LATENCY = "assumed; the S3 guide has 100 to 200 ms, and tens of milliseconds for small objects";
const MEMORY = "https://github.com/alexcasalboni/aws-lambda-power-tuning/pull/181, and others' reports";
const LAMBDA_PRICES = "https://aws.amazon.com/lambda/pricing/, us-east-1, at second hand";
const SQS_PRICES = "https://aws.amazon.com/sqs/pricing/, us-east-1, at second hand";
const SNS_PRICES = "https://aws.amazon.com/sns/pricing/, us-east-1, at second hand";
const S3_PRICES = "https://aws.amazon.com/s3/pricing/, us-east-1, S3 Standard, at second hand";
const STORAGE_PRICES =
  "https://aws.amazon.com/s3/pricing/, us-east-1, as https://gist.github.com/EverettBerry/a37438006529a55f42da6fdbc44a505c has it";
const WATCH_PRICES =
  "https://aws.amazon.com/cloudwatch/pricing/, us-east-1, as https://c3x.dev/blog/aws-cloudwatch-metrics-cost/ has it";

const TABLE = {
  s3WritesPerSecond: [3500, "PUTs/s per partition, minimum", S3_GUIDE],
  s3ReadsPerSecond: [5500, "GETs/s per partition, minimum", S3_GUIDE],
  s3SourcePartitions: [1, "partitions of the source bucket at the start", NEW_BUCKET],
  s3ResultsPartitions: [1, "partitions of the results bucket at the start", NEW_BUCKET],
  s3SplitSeconds: [1800, "s of refused requests until there are twice the partitions", SPLITS, 1800, 3600],
  s3RequestSeconds: [0.1, "s for a GET or PUT of an image from within a function", LATENCY, 0.04, 0.2],
  s3EventSeconds: [1, "s from a stored object to its event", EVENTS, 1, 60],
  snsPublishesPerSecond: [300, "messages/s, S3's own publishes included", "general/latest/gr/sns.html"],
  sqsInFlight: [MAX_IN_FLIGHT, "messages in flight per queue", SQS_QUOTAS],
  pollBatch: [10, "messages of one poll, maximum", RECEIVE],
  idlePolls: [5, "polls at once of a queue without messages", IDLE, 1, 10],
  idlePollSeconds: [20, "s of such a poll", "assumed: the longest that SQS has", 20, 10],
  standardStart: [5, "batches at once when a queue becomes busy", SCALING],
  standardPerMinute: [300, "more batches at once, per minute", SCALING],
  standardMax: [1250, "batches at once per mapping", SCALING],
  pollerConcurrency: [BATCHES_PER_POLLER, "batches at once per provisioned poller", SCALING],
  pollerPollsPerSecond: [10, "polls/s per provisioned poller", SCALING],
  provisionedPerMinute: [1000, "more batches at once, per minute, in provisioned mode", SCALING],
  lambdaConcurrency: [1000, "invocations at once of account and region, less in new ones", QUOTAS],
  unreservedMin: [100, "invocations at once that cannot be reserved", RESERVED],
  newAccountMemory: [3008, "MB that a function of a new account may have", MEMORY],
  environmentsBurst: [1000, "new environments of a function at once", GROWTH],
  environmentsPerSecond: [100, "new environments/s of a function: 1,000 every 10 seconds", GROWTH],
  cpuFactor: [1, "× the benchmark's duration on a vCPU of Lambda", "assumed: arm64 was not measured", 0.7, 2],
  coldStartSeconds: [
    0.5,
    "s of INIT of a new environment",
    "assumed: 0.12 s where it was measured",
    0.2,
    1.5,
  ],
  invocationSeconds: [0.01, "s of an invocation beside its images", "assumed", 0.002, 0.03],
  imageBytesPerPixel: [0.25, "bytes a pixel, of sources and results", "assumed: a camera's JPEG", 0.1, 0.5],

  priceLambdaGbSecond: [0.0000133334, "$ per GB-s, arm64", LAMBDA_PRICES],
  priceLambdaRequests: [0.2, "$ per million invocations", LAMBDA_PRICES],
  pricePollerHour: [0.00925, "$ per provisioned poller and hour", LAMBDA_PRICES],
  priceSqsRequests: [0.4, "$ per million requests", SQS_PRICES],
  priceSnsPublishes: [0.5, "$ per million publishes", SNS_PRICES],
  snsMessageBytes: [
    1000,
    "bytes of a message about an image, for filters",
    "assumed: an event of S3",
    800,
    1500,
  ],
  priceSnsFilterGb: [
    0.09,
    "$ per GB of messages that filters of bodies look into, passed on or not",
    SNS_PRICES,
  ],
  priceS3Puts: [5, "$ per million PUTs", S3_PRICES],
  priceS3Gets: [0.4, "$ per million GETs", S3_PRICES],
  priceS3GbMonth: [0.023, "$ per GB and month, the first 50 TB, then 0.022", STORAGE_PRICES],
  priceS3InfrequentGbMonth: [
    0.0125,
    "$ per GB and month in Infrequent Access, of S3 or of Intelligent-Tiering",
    S3_PRICES,
  ],
  priceS3Transitions: [10, "$ per million objects that go to another storage class", S3_PRICES],
  priceS3Monitoring: [2.5, "$ per million objects and month in Intelligent-Tiering", S3_PRICES],
  priceLogsGb: [0.5, "$ per GB of logs", WATCH_PRICES],
  priceAlarmMonth: [0.1, "$ per metric of an alarm and month, after ten that are free", WATCH_PRICES],
  priceDashboardMonth: [3, "$ per dashboard and month, after three that are free", WATCH_PRICES],
  priceMetricMonth: [0.3, "$ per custom metric and month, by the hour in which it is sent", WATCH_PRICES],
  priceKeyMonth: [1, "$ per KMS key and month", "https://aws.amazon.com/kms/pricing/"],
  logBytesPerImage: [700, "bytes of log per image and worker", "assumed: one structured line", 500, 1000],
  logBytesPerInvocation: [1000, "bytes of log per invocation", "assumed: four lines", 700, 1500],
  metricsPerWorker: [13, "custom metrics of a worker", "this project: docs/architecture.md, Account"],
} as const satisfies Record<string, Row>;

export type AssumptionName = keyof typeof TABLE;

/** The numbers of one region, overrides applied. */
export type Assumptions = Readonly<Record<AssumptionName, number>>;

/** The table, to be printed. */
export const ASSUMPTIONS: Readonly<Record<AssumptionName, Row>> = TABLE;

/** Default quota of published messages a second, by region: general/latest/gr/sns.html. */
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
 */
export function assumptionsFor(region: string, overrides: Partial<Assumptions> = {}): Assumptions {
  const values = Object.fromEntries(
    Object.entries(TABLE).map(([name, [value]]) => [name, value]),
  ) as Assumptions;
  const { [region]: snsPublishesPerSecond = values.snsPublishesPerSecond } = SNS_PUBLISHES;
  return { ...values, snsPublishesPerSecond, ...overrides };
}

/** Puts all that is merely assumed at its best, or at its worst. What is known stays. */
export function atBound(
  assumed: Assumptions,
  bound: "best" | "worst",
  known: readonly string[],
): Assumptions {
  const bounds = Object.entries(ASSUMPTIONS).flatMap(([name, [, , , best, worst]]) => {
    const value = bound === "best" ? best : worst;
    return value === undefined || known.includes(name) ? [] : [[name, value]];
  });
  return { ...assumed, ...Object.fromEntries(bounds) };
}
