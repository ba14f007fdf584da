import type { Assumptions } from "./assumptions.ts";
import { sum } from "./format.ts";
import type { Simulation } from "./model/simulation.ts";
import { type Plan, pollersOf, type Stay } from "./plan.ts";

/** Dollars for one thing. */
export interface CostItem {
  readonly item: string;
  readonly dollars: number;
}

const HOURS_PER_MONTH = 730;
const SECONDS_PER_HOUR = 3600;
const MILLION = 1e-6;

/** Costs of a run, by line of the bill; without what images cost on their way over the internet. */
export function runCost({ accepted, queued, workers }: Simulation, assumed: Assumptions): CostItem[] {
  const images = accepted.at(-1) ?? 0;
  const published = queued.at(-1) ?? 0;
  const gbSeconds = sum(workers, ({ usage, plan }) => (usage.billedSeconds * plan.memorySize) / 1024);
  const invocations = sum(workers, ({ usage }) => usage.invocations);
  const tries = sum(workers, ({ usage }) => usage.tries);
  const reads = sum(workers, ({ usage, plan }) => usage.tries * (plan.readsTags ? 2 : 1));
  const results = sum(workers, (worker) => worker.results);
  const pollerHours = sum(workers, ({ usage }) => usage.extraPollerHours);
  // What one request receives of a batch, one hides and one deletes or gives back: messages of several batches never share any.
  // Topics of results are told of all, whoever listens.
  const told = published + sum(workers, (worker) => (worker.plan.tellsOfResults ? worker.results : 0));
  const filtered = sum(workers, ({ plan, messages }) => (plan.filtersBodies ? messages : 0));
  const requests = sum(workers, ({ messages }) => messages) + 3 * sum(workers, ({ usage }) => usage.polls);
  const emptyPolls = sum(workers, ({ usage }) => usage.emptyPolls);
  const metricHours =
    workers.length * assumed.metricsPerWorker * Math.ceil(accepted.length / SECONDS_PER_HOUR);
  const logged = invocations * assumed.logBytesPerInvocation + tries * assumed.logBytesPerImage;
  return items({
    "Lambda duration": gbSeconds * assumed.priceLambdaGbSecond,
    "Lambda requests": invocations * MILLION * assumed.priceLambdaRequests,
    "Lambda pollers above the minimum": pollerHours * assumed.pricePollerHour,
    "S3 uploads": images * MILLION * assumed.priceS3Puts,
    "S3 results": results * MILLION * assumed.priceS3Puts,
    "S3 reads": reads * MILLION * assumed.priceS3Gets,
    "SNS publishes": told * MILLION * assumed.priceSnsPublishes,
    ...(filtered > 0 && {
      "SNS filters of bodies": filtered * assumed.snsMessageBytes * 1e-9 * assumed.priceSnsFilterGb,
    }),
    "SQS requests": requests * MILLION * assumed.priceSqsRequests,
    "SQS polls that find nothing": emptyPolls * MILLION * assumed.priceSqsRequests,
    "CloudWatch logs": logged * 1e-9 * assumed.priceLogsGb,
    "CloudWatch metrics": (metricHours * assumed.priceMetricMonth) / HOURS_PER_MONTH,
  });
}

/**
 * Costs of keeping the sources and results of a run for a month, in each storage class that they are in, or until they
 * expire, and their versions once they are overwritten.
 */
export function storageCost(
  run: Simulation,
  plan: Plan,
  assumed: Assumptions,
  megapixels: number,
): CostItem[] {
  const bytes = megapixels * 1e6 * assumed.imageBytesPerPixel;
  const sources = run.accepted.at(-1) ?? 0;
  const results = sum(run.workers, (worker) => worker.results);
  const days = plan.noncurrentDays;
  const month = (sources + results) * bytes * 1e-9 * assumed.priceS3GbMonth;
  return items({
    ...stayCost("S3 sources", sources, bytes, plan.stay.sources, assumed),
    ...stayCost("S3 results", results, bytes, plan.stay.results, assumed),
    [`S3 versions, ${inDays(days)} once overwritten`]: month * ((days * 24) / HOURS_PER_MONTH),
  });
}

/** S3 moves no smaller objects to another storage class by itself. */
const MIN_MOVED_BYTES = 128 * 1024;

/** Days without access after which Intelligent-Tiering has an object in its own Infrequent Access. */
const TIERING_DAYS = 30;

/** Costs of objects of one kind, by what is said of them. */
function stayCost(
  what: string,
  objects: number,
  bytes: number,
  { days, moved }: Stay,
  assumed: Assumptions,
): Record<string, number> {
  const gb = objects * bytes * 1e-9;
  const standard = gb * assumed.priceS3GbMonth;
  const isMoved = moved !== undefined && bytes >= MIN_MOVED_BYTES;
  const isTiered = moved?.to === "INTELLIGENT_TIERING";
  const monitoring = isMoved && isTiered ? objects * MILLION * assumed.priceS3Monitoring : 0;
  const transitions = isMoved ? objects * MILLION * assumed.priceS3Transitions : 0;
  const infrequent = gb * assumed.priceS3InfrequentGbMonth + monitoring;
  const cheapAfter = isMoved ? moved.after + (isTiered ? TIERING_DAYS : 0) : Number.POSITIVE_INFINITY;
  const months = (count: number) => (count * 24) / HOURS_PER_MONTH;
  const until = (end: number) =>
    transitions +
    months(Math.min(end, cheapAfter)) * (standard + monitoring) +
    months(Math.max(0, end - cheapAfter)) * infrequent;
  if (days !== undefined) return { [`${what}, the ${inDays(days)} until they expire`]: until(days) };
  return {
    [`${what}, a month`]: standard + monitoring,
    ...(isMoved && {
      [`${what}, a month ${isTiered ? `unread for ${TIERING_DAYS} days` : `after ${inDays(moved.after)}`}`]:
        infrequent,
      [`${what}, moved to ${isTiered ? "Intelligent-Tiering" : "Infrequent Access"}`]: transitions,
    }),
  };
}

function inDays(days: number): string {
  return `${days} day${days === 1 ? "" : "s"}`;
}

/** Costs of a month in which not one image comes. */
export function standingCost({ workers, alarms, dashboards, keys }: Plan, assumed: Assumptions): CostItem[] {
  const pollers = workers.map((worker) => pollersOf(worker)?.minimumPollers ?? 0);
  const polls = sum(pollers, (min) => Math.max(assumed.idlePolls, min)) / assumed.idlePollSeconds;
  return items({
    "Lambda pollers, the minimum": sum(pollers, (min) => min) * HOURS_PER_MONTH * assumed.pricePollerHour,
    "SQS polls of empty queues":
      polls * HOURS_PER_MONTH * SECONDS_PER_HOUR * MILLION * assumed.priceSqsRequests,
    "CloudWatch alarms": alarms * assumed.priceAlarmMonth,
    "CloudWatch dashboards": dashboards * assumed.priceDashboardMonth,
    "KMS keys": keys * assumed.priceKeyMonth,
  });
}

function items(dollars: Record<string, number>): CostItem[] {
  return Object.entries(dollars).map(([item, dollars]) => ({ item, dollars }));
}

/** The sum in dollars. */
export function total(costs: readonly CostItem[]): number {
  return sum(costs, ({ dollars }) => dollars);
}
