import { lastPart, type Minutes, type StackAccess } from "machine-watch";
import { type Client, type Loader, load, made, packageNamed } from "../aws-package.ts";
import type { StackOutputs, WorkerOutputs } from "../stack-outputs.ts";

const LOGS = "@aws-sdk/client-cloudwatch-logs";
const METRICS = "@aws-sdk/client-cloudwatch";
const PACKAGES = [METRICS, LOGS];

/** Seconds of a value: those of most metrics that AWS publishes. */
const PERIOD = 60;

/**
 * Loads what asks CloudWatch about a stack, each call by one request.
 * @returns what makes new clients
 * @throws Error in a sentence where a package that is needed is not installed
 */
export async function cloudWatch(
  stack: StackOutputs,
  loader = load,
): Promise<(config: object) => Pick<StackAccess, "logs" | "metrics">> {
  const logs = await packageNamed(loader, LOGS, PACKAGES);
  const metrics = await packageNamed(loader, METRICS, PACKAGES);
  return (config) => ({
    ...linesWith(logs, made<Client>(logs, "CloudWatchLogsClient", config), stack),
    ...valuesWith(metrics, made<Client>(metrics, "CloudWatchClient", config), stack),
  });
}

type Library = Awaited<ReturnType<Loader>>;

function linesWith(logs: Library, client: Client, { workers }: StackOutputs): Pick<StackAccess, "logs"> {
  return {
    async logs({ name }, from, next) {
      const command = made(logs, "FilterLogEventsCommand", {
        ...{ logGroupName: workers[name]?.logGroup, startTime: from, filterPattern: '{ $.key = "*" }' },
        ...(next !== undefined && { nextToken: next }),
      });
      const { events = [], nextToken } = (await client.send(command)) as FilteredLogEvents;
      const lines = events.map(({ timestamp = 0, message = "" }) => ({ time: timestamp, line: message }));
      return { lines, next: nextToken };
    },
  };
}

function valuesWith(
  metrics: Library,
  client: Client,
  { topic, workers }: StackOutputs,
): Pick<StackAccess, "metrics"> {
  return {
    async metrics(from) {
      const asked = [
        query("published", "AWS/SNS", "NumberOfMessagesPublished", "Sum", { TopicName: lastPart(topic) }),
        ...Object.entries(workers).flatMap(([name, worker], index) => queriesOf(name, worker, index)),
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
        workers: Object.fromEntries(Object.keys(workers).map((name, index) => [name, ofWorker(index)])),
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

function queriesOf(name: string, { queue, logGroup }: WorkerOutputs, index: number): object[] {
  const own = ["processed", "duplicate", "rejected"].map((metric) => {
    const dimensions = { service: name, machine: machineOf(name, logGroup) };
    return query(`${metric}${index}`, "ImageMachine", metric, "Sum", dimensions);
  });
  const dimensions = { QueueName: lastPart(queue) };
  return [...own, query(`oldest${index}`, "AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", dimensions)];
}

/** The dimension `machine` of a worker's metrics, which is in the name of its log group: `/aws/lambda/MACHINE-WORKER-…`. */
function machineOf(name: string, logGroup: string): string {
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
