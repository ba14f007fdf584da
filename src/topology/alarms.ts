import type { cloudwatch } from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import { MAX_IN_FLIGHT } from "../delivery/queue.ts";
import type { Thresholds } from "./fan-out-settings.ts";
import { from, type Later, type Tags } from "./later.ts";

/** The metric that an alarm watches, and what it tells the person whom it wakes. */
export interface Watched {
  readonly namespace: string;
  readonly metricName: string;
  /** Second metric, which is added to the first: the alarm watches the sum. */
  readonly plus?: string;
  readonly dimensions: Record<string, pulumi.Input<string>>;
  readonly statistic: "Maximum" | "Sum";
  /** Seconds over which the statistic is taken. */
  readonly period: 60 | 300 | 3600;
  /** Value above which a period counts towards the alarm, or below which it does. */
  readonly threshold: pulumi.Input<number>;
  /** @default GreaterThanThreshold */
  readonly comparisonOperator?: "LessThanThreshold";
  /** Periods above the threshold that make an alarm, of `evaluationPeriods`. */
  readonly datapointsToAlarm: pulumi.Input<number>;
  readonly evaluationPeriods: pulumi.Input<number>;
  /** How missing data counts: as healthy, as wrong, or not at all, so that the state stays. */
  readonly treatMissingData: "notBreaching" | "breaching" | "ignore";
  /** Sentences that say what happened, and which section of docs/operations.md says what to do. */
  readonly alarmDescription: pulumi.Input<string>;
}

/** Alarms as soon as one period is above the threshold. */
const AT_ONCE = { datapointsToAlarm: 1, evaluationPeriods: 1, treatMissingData: "notBreaching" } as const;

/** Alarms only if it goes on: what happened once has been tried again by then. */
const WHERE_IT_GOES_ON = {
  datapointsToAlarm: 3,
  evaluationPeriods: 5,
  treatMissingData: "notBreaching",
} as const;

function todo(section: string): string {
  return `What to do: docs/operations.md, "${section}".`;
}

/** Watches the topic that tells of new images. */
export function undeliveredAlarm(topic: pulumi.Input<string>, threshold: Later<number>): Watched {
  return {
    namespace: "AWS/SNS",
    metricName: "NumberOfNotificationsFailed",
    dimensions: { TopicName: topic },
    statistic: "Sum",
    period: 60,
    threshold,
    ...AT_ONCE,
    alarmDescription: `The topic could not deliver messages about new images to a worker's queue. They are in that worker's dead-letter queue. ${todo("Undelivered")}`,
  };
}

/**
 * Watches the one link that fails without a sound: an event that S3 does not publish is in no queue and no log. A topic that is
 * told of nothing has no data, so that missing data are wrong.
 */
export function silentAlarm(topic: pulumi.Input<string>, hours: Later<number>): Watched {
  return {
    namespace: "AWS/SNS",
    metricName: "NumberOfMessagesPublished",
    dimensions: { TopicName: topic },
    statistic: "Sum",
    period: 3600,
    threshold: 1,
    comparisonOperator: "LessThanThreshold",
    datapointsToAlarm: hours,
    evaluationPeriods: hours,
    treatMissingData: "breaching",
    alarmDescription: from(
      hours,
      (number) =>
        `S3 has told the topic of no new image for ${number === 1 ? "an hour" : `${number} hours`}: nobody has uploaded any, or S3 publishes them no more, which nothing else shows. ${todo("Silent")}`,
    ),
  };
}

/** Names and settings of a worker that its alarms depend on. */
export interface WatchedWorker {
  readonly name: string;
  /** PROJECT-STACK-FANOUT, which tells its metrics from those of other machines. */
  readonly machine: string;
  readonly queue: pulumi.Input<string>;
  readonly deadLetterQueue: pulumi.Input<string>;
  readonly function: pulumi.Input<string>;
  /** Thresholds by kind: false where there is no alarm. That of `late` is 900 by default, or a minute more than `secondsOfCrash`. */
  readonly thresholds: Thresholds;
  /** Seconds that a batch takes which crashes once. */
  readonly secondsOfCrash: Later<number>;
}

/** Watches a worker. The keys are the last parts of the alarms' names. */
export function workerAlarms(worker: WatchedWorker): Record<string, Watched> {
  const { deadLetters, late, inFlight, errors, throttles, rejected } = worker.thresholds;
  const all = {
    "dead-letters": deadLetters !== false && deadLettersAlarm(worker, deadLetters),
    late: late !== false && lateAlarm(worker, late),
    "in-flight": inFlight !== false && inFlightAlarm(worker, inFlight),
    errors: errors !== false && functionAlarm(worker, "Errors", errors),
    throttles: throttles !== false && functionAlarm(worker, "Throttles", throttles),
    rejected: rejected !== false && rejectedAlarm(worker, rejected),
  };
  return Object.fromEntries(
    Object.entries(all).filter((alarm): alarm is [string, Watched] => alarm[1] !== false),
  );
}

function deadLettersAlarm({ name, deadLetterQueue }: WatchedWorker, threshold: Later<number>): Watched {
  return {
    namespace: "AWS/SQS",
    metricName: "ApproximateNumberOfMessagesVisible",
    // Whoever looks at dead letters hides them meanwhile, and the alarm would end and begin again.
    plus: "ApproximateNumberOfMessagesNotVisible",
    dimensions: { QueueName: deadLetterQueue },
    statistic: "Maximum",
    period: 60,
    threshold,
    ...AT_ONCE,
    // A queue that nobody touches falls silent after six hours, whether it is empty or not:
    // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/monitoring-using-cloudwatch.html
    treatMissingData: "ignore",
    alarmDescription: `Images have no result of worker ${name}: it rejected them, or failed too often. Their messages are kept in its dead-letter queue for 14 days. ${todo("Dead letters")}`,
  };
}

function lateAlarm(
  { name, queue, secondsOfCrash }: WatchedWorker,
  given: Later<number> | undefined,
): Watched {
  const threshold = given ?? from(secondsOfCrash, (seconds) => Math.max(900, seconds + 60));
  const sentences = from({ threshold, secondsOfCrash }, (known) => {
    const crash =
      known.threshold < known.secondsOfCrash
        ? ` A single batch that crashed is enough: it comes again, and takes up to ${known.secondsOfCrash} seconds in all.`
        : "";
    return `Images wait for worker ${name} for more than ${known.threshold} seconds.${crash} Nothing is lost; messages are kept for 14 days. ${todo("Late")}`;
  });
  return {
    namespace: "AWS/SQS",
    metricName: "ApproximateAgeOfOldestMessage",
    dimensions: { QueueName: queue },
    statistic: "Maximum",
    period: 60,
    threshold,
    ...WHERE_IT_GOES_ON,
    alarmDescription: sentences,
  };
}

function inFlightAlarm({ name, queue }: WatchedWorker, threshold: Later<number>): Watched {
  return {
    namespace: "AWS/SQS",
    metricName: "ApproximateNumberOfMessagesNotVisible",
    dimensions: { QueueName: queue },
    statistic: "Maximum",
    period: 60,
    threshold,
    ...AT_ONCE,
    alarmDescription: from(
      threshold,
      (messages) =>
        `Worker ${name} has more than ${messages.toLocaleString("en")} of the ${MAX_IN_FLIGHT.toLocaleString("en")} messages under way that a queue may have. At all of them it gets no more until some are done with. ${todo("In flight")}`,
    ),
  };
}

/** What is wrong with a worker's function, by the metric that says so. */
const OF_FUNCTION = {
  Errors: (name: string) =>
    `The function of worker ${name} crashes or runs out of time or memory, again and again. Its messages come again, and go to the dead-letter queue in the end.`,
  Throttles: (name: string) =>
    `Lambda refuses to run the function of worker ${name} as often as its queue asks, which counts as a try of each message.`,
};

function functionAlarm(
  { name, function: lambda }: WatchedWorker,
  metricName: keyof typeof OF_FUNCTION,
  threshold: Later<number>,
): Watched {
  return {
    namespace: "AWS/Lambda",
    metricName,
    dimensions: { FunctionName: lambda },
    statistic: "Sum",
    period: 60,
    threshold,
    ...WHERE_IT_GOES_ON,
    alarmDescription: `${OF_FUNCTION[metricName](name)} ${todo(metricName)}`,
  };
}

function rejectedAlarm({ name, machine }: WatchedWorker, threshold: Later<number>): Watched {
  return {
    namespace: "ImageMachine",
    metricName: "rejected",
    dimensions: { service: name, machine },
    statistic: "Sum",
    period: 300,
    threshold,
    ...AT_ONCE,
    alarmDescription: from(
      threshold,
      (images) =>
        `Worker ${name} rejected more than ${images} images in five minutes. Each rejection says why. ${todo("Rejected")}`,
    ),
  };
}

/** An alarm that tells the topic when it begins and when it is over. */
export function alarmArgs(
  watched: Watched,
  topicArn: pulumi.Input<string>,
  tags: Tags,
): cloudwatch.MetricAlarmArgs {
  const { namespace, metricName, plus, dimensions, statistic, period, ...rest } = watched;
  const metric = { namespace, metricName, dimensions, period };
  return {
    comparisonOperator: "GreaterThanThreshold",
    ...rest,
    ...(plus === undefined
      ? { ...metric, statistic }
      : {
          metricQueries: [
            { id: "sum", expression: "one + other", label: `${metricName} + ${plus}`, returnData: true },
            { id: "one", metric: { ...metric, stat: statistic } },
            { id: "other", metric: { ...metric, metricName: plus, stat: statistic } },
          ],
        }),
    alarmActions: [topicArn],
    okActions: [topicArn],
    tags,
  };
}
