import type { Assumptions } from "./assumptions.ts";
import { sum } from "./format.ts";
import type { Simulation } from "./model/simulation.ts";
import { type Plan, pollersOf } from "./plan.ts";

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
  const results = sum(workers, (worker) => worker.results);
  const pollerHours = sum(workers, ({ usage }) => usage.extraPollerHours);
  // What one request receives of a batch, one deletes or gives back: messages of several batches never share any.
  const requests = published * workers.length + 2 * sum(workers, ({ usage }) => usage.polls);
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
    "S3 reads": tries * MILLION * assumed.priceS3Gets,
    "SNS publishes": published * MILLION * assumed.priceSnsPublishes,
    "SQS requests": requests * MILLION * assumed.priceSqsRequests,
    "SQS polls that find nothing": emptyPolls * MILLION * assumed.priceSqsRequests,
    "CloudWatch logs": logged * 1e-9 * assumed.priceLogsGb,
    "CloudWatch metrics": (metricHours * assumed.priceMetricMonth) / HOURS_PER_MONTH,
  });
}

/** Costs of keeping the sources and results of a run for a month, and their versions once they are overwritten. */
export function storageCost(
  run: Simulation,
  plan: Plan,
  assumed: Assumptions,
  megapixels: number,
): CostItem[] {
  const month = (objects: number) =>
    ((objects * megapixels * 1e6 * assumed.imageBytesPerPixel) / 1e9) * assumed.priceS3GbMonth;
  const sources = month(run.accepted.at(-1) ?? 0);
  const results = month(sum(run.workers, (worker) => worker.results));
  const days = plan.noncurrentDays;
  return items({
    "S3 sources, a month": sources,
    "S3 results, a month": results,
    [`S3 versions, ${days} day${days === 1 ? "" : "s"} once overwritten`]:
      (sources + results) * ((days * 24) / HOURS_PER_MONTH),
  });
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
