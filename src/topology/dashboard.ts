import * as pulumi from "@pulumi/pulumi";
import type { WorkerOutputs } from "../stack-outputs.ts";
import { placeOf } from "./arn.ts";
import type { Attached } from "./attached.ts";

/** What a dashboard is about; its workers are attached once it is complete. */
interface Machine {
  readonly topic: { readonly arn: pulumi.Output<string> };
  /** PROJECT-STACK-FANOUT, which tells the machine's own metrics from those of others. */
  readonly machine: string;
  readonly attached: Attached;
}

/** A line: namespace, metric, names and values of its dimensions in turn, and how it is drawn. */
type Line = [string, string, ...string[], { stat: string; label: string }];

/** Units of the grid, which is 24 wide: four graphs to a line. */
const WIDTH = 6;
const HEIGHT = 6;

/**
 * Returns the body of one dashboard that reads from left to right, line by line, as an image travels. Every worker that the program
 * attaches is a line in each graph.
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
 */
export function bodyOfAll({ topic, machine, attached }: Machine): pulumi.Output<string> {
  const workers = attached.complete.then(() => attached.outputs);
  return pulumi.output({ topicArn: topic.arn, machine, workers }).apply((shown) => {
    const { region } = placeOf(shown.topicArn);
    const widgets = Object.entries(graphs(shown)).map(([title, metrics], index) => ({
      type: "metric",
      x: (index * WIDTH) % 24,
      y: Math.floor((index * WIDTH) / 24) * HEIGHT,
      width: WIDTH,
      height: HEIGHT,
      properties: { title, metrics, region, period: 60, view: "timeSeries" },
    }));
    return JSON.stringify({ widgets });
  });
}

/** Resolved names that a dashboard shows. */
interface Shown {
  readonly topicArn: string;
  readonly machine: string;
  readonly workers: Readonly<Record<string, WorkerOutputs>>;
}

/** The lines of each graph, by its title. */
function graphs({ topicArn, machine, workers }: Shown): Record<string, Line[]> {
  const all = Object.entries(workers);
  const last = (arnOrUrl: string) => arnOrUrl.split(/[:/]/).at(-1) ?? "";
  const topic = (metric: string, label: string): Line => {
    return ["AWS/SNS", metric, "TopicName", last(topicArn), { stat: "Sum", label }];
  };
  const queues = (metric: string, what: string, which: "queue" | "deadLetterQueue" = "queue") =>
    all.map(([worker, { [which]: queue }]): Line => {
      return ["AWS/SQS", metric, "QueueName", last(queue), { stat: "Maximum", label: `${worker} ${what}` }];
    });
  const functions = (metric: string, stat: string, what: string) =>
    all.map(([worker, { function: name }]): Line => {
      return ["AWS/Lambda", metric, "FunctionName", name, { stat, label: `${worker} ${what}` }];
    });
  const images = (metric: string) =>
    all.map(([worker]): Line => {
      const drawn = { stat: "Sum", label: `${worker} ${metric}` };
      return ["ImageMachine", metric, "service", worker, "machine", machine, drawn];
    });

  return {
    "1 In: images created": [topic("NumberOfMessagesPublished", "created")],
    "2 Topic: messages to workers": [
      topic("NumberOfNotificationsDelivered", "delivered"),
      topic("NumberOfNotificationsFailed", "failed"),
      topic("NumberOfNotificationsRedrivenToDlq", "dead-lettered"),
    ],
    "3 Queues: messages": [
      ...queues("ApproximateNumberOfMessagesVisible", "waiting"),
      ...queues("ApproximateNumberOfMessagesNotVisible", "in flight"),
    ],
    "4 Queues: age of the oldest message, s": queues("ApproximateAgeOfOldestMessage", "oldest"),
    "5 Functions: at once": [
      ...functions("ConcurrentExecutions", "Maximum", "at once"),
      ...functions("Throttles", "Sum", "throttled"),
      ...functions("Errors", "Sum", "failed"),
    ],
    "6 Functions: duration of a batch, ms": ["p50", "p95", "p99"].flatMap((percentile) =>
      functions("Duration", percentile, percentile),
    ),
    "7 Out: images processed": [...images("processed"), ...images("duplicate"), ...images("superseded")],
    "8 Rejected and dead-lettered": [
      ...images("rejected"),
      ...images("failed"),
      ...queues("ApproximateNumberOfMessagesVisible", "dead letters", "deadLetterQueue"),
    ],
  };
}
