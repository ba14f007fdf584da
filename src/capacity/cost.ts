import type { Numbers } from "./numbers.ts";
import { type Plan, pollersOf, type WorkerPlan } from "./plan.ts";
import type { Simulation } from "./simulation.ts";

/** Dollars for one thing. */
export interface CostItem {
  readonly item: string;
  readonly dollars: number;
}

const HOURS_PER_MONTH = 730;
const SECONDS_PER_HOUR = 3600;

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
  // What one request receives of a batch, one deletes or gives back: messages of several batches never share any.
  const requests = published * workers.length + 2 * sum(({ usage }) => usage.polls);
  const hours = Math.ceil(accepted.length / SECONDS_PER_HOUR);
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
    { item: "SQS requests", dollars: requests * million * numbers.priceSqsRequests },
    { item: "CloudWatch logs", dollars: logged * 1e-9 * numbers.priceLogsGb },
    {
      item: "CloudWatch metrics",
      dollars:
        (workers.length * numbers.metricsPerWorker * hours * numbers.priceMetricMonth) / HOURS_PER_MONTH,
    },
  ];
}

/** What the machine costs in a month in which not one image comes. */
export function standingCost({ workers, alarms, dashboards, keys }: Plan, numbers: Numbers): CostItem[] {
  const minimum = (worker: WorkerPlan) => pollersOf(worker)?.minimumPollers ?? 0;
  const pollers = workers.reduce((sum, worker) => sum + minimum(worker), 0);
  const polls = workers.reduce((sum, worker) => sum + Math.max(numbers.idlePolls, minimum(worker)), 0);
  const requests = (polls * HOURS_PER_MONTH * SECONDS_PER_HOUR) / numbers.idlePollSeconds;
  return [
    { item: "Lambda pollers, the minimum", dollars: pollers * HOURS_PER_MONTH * numbers.pricePollerHour },
    { item: "SQS polls of empty queues", dollars: requests * 1e-6 * numbers.priceSqsRequests },
    { item: "CloudWatch alarms", dollars: alarms * numbers.priceAlarmMonth },
    { item: "CloudWatch dashboards", dollars: dashboards * numbers.priceDashboardMonth },
    { item: "KMS keys", dollars: keys * numbers.priceKeyMonth },
  ];
}

/** The sum in dollars. */
export function total(items: readonly CostItem[]): number {
  return items.reduce((sum, { dollars }) => sum + dollars, 0);
}
