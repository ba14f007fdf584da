import * as pulumi from "@pulumi/pulumi";
import type { WorkerOutputs } from "../stack-outputs.ts";
import { placeOf } from "./arn.ts";
import type { Attached } from "./attached.ts";

/** Resolved names that the dashboard shows. */
export interface Shown {
  readonly topicArn: string;
  /** PROJECT-STACK-FANOUT, which tells the machine's own metrics from those of others. */
  readonly machine: string;
  readonly workers: Readonly<Record<string, WorkerOutputs>>;
}

/** A line: namespace, metric, names and values of its dimensions in turn, and how it is drawn. */
type Line = [string, string, ...string[], { stat: string; label: string }];

interface Graph {
  readonly title: string;
  readonly metrics: readonly Line[];
}

/** Units of the grid, which is 24 wide: four graphs to a line. */
const WIDTH = 6;
const HEIGHT = 6;

/**
 * One dashboard that reads from left to right, line by line, as an image travels. A worker is a line in each graph.
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
 */
function dashboardBody(shown: Shown) {
  return {
    widgets: graphs(shown).map(({ title, metrics }, index) => ({
      type: "metric",
      x: (index * WIDTH) % 24,
      y: Math.floor((index * WIDTH) / 24) * HEIGHT,
      width: WIDTH,
      height: HEIGHT,
      properties: {
        title,
        metrics,
        region: placeOf(shown.topicArn).region,
        period: 60,
        view: "timeSeries",
      },
    })),
  };
}

function graphs(shown: Shown): Graph[] {
  const { topic, queues, functions, images } = lines(shown);
  return [
    { title: "1 In: images created", metrics: [topic("NumberOfMessagesPublished", "created")] },
    {
      title: "2 Topic: messages to workers",
      metrics: [
        topic("NumberOfNotificationsDelivered", "delivered"),
        topic("NumberOfNotificationsFailed", "failed"),
        topic("NumberOfNotificationsRedrivenToDlq", "dead-lettered"),
      ],
    },
    {
      title: "3 Queues: messages",
      metrics: [
        ...queues("queue", "ApproximateNumberOfMessagesVisible", "waiting"),
        ...queues("queue", "ApproximateNumberOfMessagesNotVisible", "in flight"),
      ],
    },
    {
      title: "4 Queues: age of the oldest message, s",
      metrics: queues("queue", "ApproximateAgeOfOldestMessage", "oldest"),
    },
    {
      title: "5 Functions: at once",
      metrics: [
        ...functions("ConcurrentExecutions", "Maximum", "at once"),
        ...functions("Throttles", "Sum", "throttled"),
        ...functions("Errors", "Sum", "failed"),
      ],
    },
    {
      title: "6 Functions: duration of a batch, ms",
      metrics: ["p50", "p95", "p99"].flatMap((percentile) => functions("Duration", percentile, percentile)),
    },
    {
      title: "7 Out: images processed",
      metrics: [...images("processed"), ...images("duplicate"), ...images("superseded")],
    },
    {
      title: "8 Rejected and dead-lettered",
      metrics: [
        ...images("rejected"),
        ...images("failed"),
        ...queues("deadLetterQueue", "ApproximateNumberOfMessagesVisible", "dead letters"),
      ],
    },
  ];
}

/** The lines of one metric: of the topic, or of each worker's queue, function or images. */
function lines({ topicArn, machine, workers }: Shown) {
  const all = Object.entries(workers);
  const nameOf = (arnOrUrl: string) => arnOrUrl.split(/[:/]/).at(-1) ?? "";
  return {
    topic: (metric: string, label: string): Line => [
      "AWS/SNS",
      metric,
      "TopicName",
      nameOf(topicArn),
      { stat: "Sum", label },
    ],
    queues: (which: "queue" | "deadLetterQueue", metric: string, label: string): Line[] =>
      all.map(([worker, names]) => [
        "AWS/SQS",
        metric,
        "QueueName",
        nameOf(names[which]),
        { stat: "Maximum", label: `${worker} ${label}` },
      ]),
    functions: (metric: string, stat: string, label: string): Line[] =>
      all.map(([worker, names]) => [
        "AWS/Lambda",
        metric,
        "FunctionName",
        names.function,
        { stat, label: `${worker} ${label}` },
      ]),
    images: (metric: string): Line[] =>
      all.map(([worker]) => [
        "ImageMachine",
        metric,
        "service",
        worker,
        "machine",
        machine,
        { stat: "Sum", label: `${worker} ${metric}` },
      ]),
  };
}

/** What a dashboard is about; its workers are attached once it is complete. */
interface Machine {
  readonly topic: { readonly arn: pulumi.Output<string> };
  readonly machine: string;
  readonly attached: Attached;
}

/** Returns the body, with every worker that the program attaches. */
export function bodyOfAll({ topic, machine, attached }: Machine): pulumi.Output<string> {
  const workers = attached.complete.then(() => attached.outputs);
  return pulumi
    .output({ topicArn: topic.arn, machine, workers })
    .apply((shown) => JSON.stringify(dashboardBody(shown)));
}
