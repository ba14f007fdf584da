import { type Client, load, made, packageNamed } from "../aws-package.ts";
import type { LoggedLine } from "./log-lines.ts";
import { lastPart, type WiredWorker, type Wiring } from "./wiring.ts";

/** A worker of a deployed stack. */
export interface DeployedWorker extends WiredWorker {
  readonly logGroup: string;
}

export interface DeployedWiring extends Wiring {
  readonly workers: readonly DeployedWorker[];
}

/** What is in a page of a log. */
export interface LogPage {
  readonly lines: readonly LoggedLine[];
  /** Where it goes on; absent at the end. */
  readonly next?: string | undefined;
}

/** Values of one metric, by the minute that each is of: milliseconds since 1970. */
export type Minutes = ReadonlyMap<number, number>;

/** What metrics say of a machine; one that was not published is not in it. */
export interface Metrics {
  readonly published: Minutes;
  readonly workers: Readonly<Record<string, Readonly<Record<WorkerMetric, Minutes>>>>;
}

type WorkerMetric = "processed" | "duplicate" | "rejected" | "oldest";

/** What CloudWatch is asked. Each call is one request. */
export interface CloudWatch {
  /** Lines about images that a worker has logged from a time on, the oldest first. */
  logs(worker: DeployedWorker, from: number, next: string | undefined): Promise<LogPage>;
  /** Values of the last minutes. */
  metrics(wiring: DeployedWiring, from: number): Promise<Metrics>;
}

const LOGS = "@aws-sdk/client-cloudwatch-logs";
const METRICS = "@aws-sdk/client-cloudwatch";
const PACKAGES = [METRICS, LOGS];

/** Seconds of a value: those of most metrics that AWS publishes. */
const PERIOD = 60;

/**
 * CloudWatch of an account and region.
 * @param config of clients
 * @throws Error in a sentence where a package that is needed is not installed
 */
export async function cloudWatch(config: object, loader = load): Promise<CloudWatch> {
  const logs = await packageNamed(loader, LOGS, PACKAGES);
  const metrics = await packageNamed(loader, METRICS, PACKAGES);
  const [logsClient, client] = [
    made<Client>(logs, "CloudWatchLogsClient", config),
    made<Client>(metrics, "CloudWatchClient", config),
  ];
  return {
    async logs({ logGroup }, from, next) {
      const command = made(logs, "FilterLogEventsCommand", {
        ...{ logGroupName: logGroup, startTime: from, filterPattern: '{ $.key = "*" }' },
        ...(next !== undefined && { nextToken: next }),
      });
      const { events = [], nextToken } = (await logsClient.send(command)) as FilteredLogEvents;
      const lines = events.map(({ timestamp = 0, message = "" }) => ({ time: timestamp, line: message }));
      return { lines, next: nextToken };
    },
    async metrics({ fanOuts, workers }, from) {
      const [{ topic = "" } = {}] = fanOuts;
      const asked = [
        query("published", "AWS/SNS", "NumberOfMessagesPublished", "Sum", { TopicName: lastPart(topic) }),
        ...workers.flatMap((worker, index) => queriesOf(worker, index)),
      ];
      const command = made(metrics, "GetMetricDataCommand", {
        ...{
          StartTime: new Date(from),
          EndTime: new Date(from + 3 * 3600_000),
          ScanBy: "TimestampAscending",
        },
        MetricDataQueries: asked,
      });
      const { MetricDataResults = [] } = (await client.send(command)) as MetricData;
      const found = new Map(MetricDataResults.map((result) => [result.Id, minutesOf(result)]));
      const minutes = (id: string) => found.get(id) ?? new Map<number, number>();
      const ofWorker = (index: number) => ({
        processed: minutes(`processed${index}`),
        duplicate: minutes(`duplicate${index}`),
        rejected: minutes(`rejected${index}`),
        oldest: minutes(`oldest${index}`),
      });
      return {
        published: minutes("published"),
        workers: Object.fromEntries(workers.map(({ name }, index) => [name, ofWorker(index)])),
      };
    },
  };
}

interface FilteredLogEvents {
  readonly events?: readonly { readonly timestamp?: number; readonly message?: string }[];
  readonly nextToken?: string;
}

interface MetricDataResult {
  readonly Id?: string;
  readonly Timestamps?: readonly Date[];
  readonly Values?: readonly number[];
}

interface MetricData {
  readonly MetricDataResults?: readonly MetricDataResult[];
}

function minutesOf({ Timestamps = [], Values = [] }: MetricDataResult): Minutes {
  return new Map(Timestamps.map((time, index) => [time.getTime(), Values[index] ?? 0]));
}

function queriesOf(worker: DeployedWorker, index: number): object[] {
  const own = ["processed", "duplicate", "rejected"].map((metric) => {
    const dimensions = { service: worker.name, machine: machineOf(worker) };
    return query(`${metric}${index}`, "ImageMachine", metric, "Sum", dimensions);
  });
  const queue = { QueueName: lastPart(worker.queue) };
  return [...own, query(`oldest${index}`, "AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", queue)];
}

/** The dimension `machine` of a worker's metrics, which is in the name of its log group: `/aws/lambda/MACHINE-WORKER-…`. */
function machineOf({ name, logGroup }: DeployedWorker): string {
  const end = logGroup.lastIndexOf(`-${name}-`);
  return lastPart(end < 0 ? logGroup : logGroup.slice(0, end));
}

function query(
  Id: string,
  Namespace: string,
  MetricName: string,
  Stat: string,
  dimensions: Readonly<Record<string, string>>,
): object {
  const Dimensions = Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value }));
  return { Id, MetricStat: { Metric: { Namespace, MetricName, Dimensions }, Period: PERIOD, Stat } };
}
