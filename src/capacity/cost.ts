import type { Numbers } from "./numbers.ts";
import { type Plan, pollersOf } from "./plan.ts";
import type { Simulation } from "./simulation.ts";

/** Dollars for one thing. */
export interface CostItem {
  readonly item: string;
  readonly dollars: number;
}

/** Messages of one receive or delete. */
const MESSAGES_PER_REQUEST = 10;

const HOURS_PER_MONTH = 730;

/** What a run costs, by line of the bill. Storage and what images cost on their way over the internet are not in it. */
export function runCost({ accepted, queued, workers }: Simulation, numbers: Numbers): CostItem[] {
  const million = 1e-6;
  const images = accepted.at(-1) ?? 0;
  const published = queued.at(-1) ?? 0;
  const sum = (of: (worker: Simulation["workers"][number]) => number) =>
    workers.reduce((total, worker) => total + of(worker), 0);
  const gbSeconds = sum(({ usage, plan }) => (usage.billedSeconds * plan.memorySize) / 1024);
  const invocations = sum(({ usage }) => usage.invocations);
  const tries = sum(({ usage }) => usage.tries);
  const results = sum((worker) => worker.results);
  const deletes = sum((worker) => Math.ceil(worker.results / MESSAGES_PER_REQUEST));
  const messages = published * workers.length + sum(({ usage }) => usage.polls) + deletes;
  const logged = invocations * numbers.logBytesPerInvocation + tries * numbers.logBytesPerImage;
  return [
    { item: "Lambda duration", dollars: gbSeconds * numbers.priceLambdaGbSecond },
    { item: "Lambda requests", dollars: invocations * million * numbers.priceLambdaRequests },
    {
      item: "Lambda pollers above the minimum",
      dollars: sum(({ usage }) => usage.extraPollerHours) * numbers.pricePollerHour,
    },
    { item: "S3 uploads", dollars: images * million * numbers.priceS3Puts },
    { item: "S3 results", dollars: results * million * numbers.priceS3Puts },
    { item: "S3 reads", dollars: tries * million * numbers.priceS3Gets },
    { item: "SNS publishes", dollars: published * million * numbers.priceSnsPublishes },
    { item: "SQS requests", dollars: messages * million * numbers.priceSqsRequests },
    { item: "CloudWatch logs", dollars: logged * 1e-9 * numbers.priceLogsGb },
  ];
}

/** What the machine costs in a month in which not one image comes. */
export function standingCost({ workers, alarms, dashboards, keys }: Plan, numbers: Numbers): CostItem[] {
  const pollers = workers.reduce((sum, worker) => sum + (pollersOf(worker)?.minimumPollers ?? 0), 0);
  return [
    { item: "Lambda pollers, the minimum", dollars: pollers * HOURS_PER_MONTH * numbers.pricePollerHour },
    { item: "CloudWatch alarms", dollars: alarms * numbers.priceAlarmMonth },
    { item: "CloudWatch dashboards", dollars: dashboards * numbers.priceDashboardMonth },
    { item: "KMS keys", dollars: keys * numbers.priceKeyMonth },
    {
      item: "CloudWatch metrics, in months in which images come",
      dollars: workers.length * numbers.metricsPerWorker * numbers.priceMetricMonth,
    },
  ];
}

/** The sum in dollars. */
export function total(items: readonly CostItem[]): number {
  return items.reduce((sum, { dollars }) => sum + dollars, 0);
}
