import * as pulumi from "@pulumi/pulumi";
import type { DeclaredOutputs, WorkerOutputs } from "../stack-outputs.ts";
import { placeOf } from "./arn.ts";

/** What the dashboard shows, resolved. */
export interface Shown {
  readonly topicArn: string;
  /** PROJECT-STACK, which tells the machine's own metrics from those of other stacks. */
  readonly stack: string;
  readonly workers: Readonly<Record<string, WorkerOutputs>>;
}

/** A line: namespace, metric, names and values of its dimensions in turn, and how it is drawn. */
type Line = [string, string, ...string[], { stat: string; label: string }];

/** Units of the grid, which is 24 wide: four graphs to a line. */
const WIDTH = 6;
const HEIGHT = 6;

/**
 * One dashboard that reads from left to right, line by line, as an image travels. A worker is a line in each graph.
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
 */
function dashboardBody({ topicArn, stack, workers }: Shown) {
  const topic = topicArn.split(":").at(-1) ?? "";
  const all = Object.entries(workers);
  const ofTopic = (metric: string, label: string): Line => [
    "AWS/SNS",
    metric,
    "TopicName",
    topic,
    { stat: "Sum", label },
  ];
  const ofQueues = (which: "queue" | "deadLetterQueue", metric: string, label: string): Line[] =>
    all.map(([worker, names]) => [
      "AWS/SQS",
      metric,
      "QueueName",
      names[which].split("/").at(-1) ?? "",
      { stat: "Maximum", label: `${worker} ${label}` },
    ]);
  const ofFunctions = (metric: string, stat: string, label: string): Line[] =>
    all.map(([worker, names]) => [
      "AWS/Lambda",
      metric,
      "FunctionName",
      names.function,
      { stat, label: `${worker} ${label}` },
    ]);
  const ofImages = (metric: string): Line[] =>
    all.map(([worker]) => [
      "ImageMachine",
      metric,
      "service",
      worker,
      "stack",
      stack,
      { stat: "Sum", label: `${worker} ${metric}` },
    ]);

  const graphs: [title: string, lines: Line[]][] = [
    ["1 In: images created", [ofTopic("NumberOfMessagesPublished", "created")]],
    [
      "2 Topic: messages to workers",
      [
        ofTopic("NumberOfNotificationsDelivered", "delivered"),
        ofTopic("NumberOfNotificationsFailed", "failed"),
        ofTopic("NumberOfNotificationsRedrivenToDlq", "dead-lettered"),
      ],
    ],
    [
      "3 Queues: messages",
      [
        ...ofQueues("queue", "ApproximateNumberOfMessagesVisible", "waiting"),
        ...ofQueues("queue", "ApproximateNumberOfMessagesNotVisible", "in flight"),
      ],
    ],
    ["4 Queues: age of the oldest message, s", ofQueues("queue", "ApproximateAgeOfOldestMessage", "oldest")],
    [
      "5 Functions: at once",
      [
        ...ofFunctions("ConcurrentExecutions", "Maximum", "at once"),
        ...ofFunctions("Throttles", "Sum", "throttled"),
        ...ofFunctions("Errors", "Sum", "failed"),
      ],
    ],
    [
      "6 Functions: duration of a batch, ms",
      ["p50", "p95", "p99"].flatMap((percentile) => ofFunctions("Duration", percentile, percentile)),
    ],
    [
      "7 Out: images processed",
      [...ofImages("processed"), ...ofImages("duplicate"), ...ofImages("superseded")],
    ],
    [
      "8 Rejected and dead-lettered",
      [
        ...ofImages("rejected"),
        ...ofImages("failed"),
        ...ofQueues("deadLetterQueue", "ApproximateNumberOfMessagesVisible", "dead letters"),
      ],
    ],
  ];
  return {
    widgets: graphs.map(([title, metrics], index) => ({
      type: "metric",
      x: (index * WIDTH) % 24,
      y: Math.floor((index * WIDTH) / 24) * HEIGHT,
      width: WIDTH,
      height: HEIGHT,
      properties: { title, metrics, region: placeOf(topicArn).region, period: 60, view: "timeSeries" },
    })),
  };
}

/** The body, with every worker that attaches itself while the program runs: it waits until it has. */
export function bodyOfAll(
  topicArn: pulumi.Output<string>,
  stack: string,
  attached: Readonly<Record<string, DeclaredOutputs>>,
): pulumi.Output<string> {
  const workers = new Promise<typeof attached>((resolve) => {
    setImmediate(() => resolve(attached));
  });
  return pulumi.output({ topicArn, stack, workers }).apply((shown) => JSON.stringify(dashboardBody(shown)));
}
