import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import { MAX_IN_FLIGHT } from "../delivery/queue.ts";
import type { Thresholds } from "./fan-out-settings.ts";
import { from, type Later, type Tags } from "./later.ts";
import type { Child, Transform } from "./transform.ts";

type AlarmArgs = aws.cloudwatch.MetricAlarmArgs;

/**
 * Alarms by the last parts of their names, without whom they tell; false or undefined where there is none. A description says what
 * happened, and which section of docs/operations.md says what to do.
 */
type Alarms = Readonly<
  Record<string, Omit<AlarmArgs, "alarmActions" | "okActions" | "tags"> | false | undefined>
>;

/** Alarms as soon as one period is above the threshold. */
const AT_ONCE = {
  comparisonOperator: "GreaterThanThreshold",
  datapointsToAlarm: 1,
  evaluationPeriods: 1,
  treatMissingData: "notBreaching",
} as const;

/** Alarms only if it goes on: what happened once has been tried again by then. */
const WHERE_IT_GOES_ON = { ...AT_ONCE, datapointsToAlarm: 3, evaluationPeriods: 5 } as const;

function todo(section: string): string {
  return `What to do: docs/operations.md, "${section}".`;
}

/** Alarms about the topic that tells of new images. */
export function topicAlarms(topic: pulumi.Input<string>, { undelivered, silent }: Thresholds): Alarms {
  const metrics = { namespace: "AWS/SNS", dimensions: { TopicName: topic }, statistic: "Sum" };
  return {
    undelivered: undelivered !== false && {
      ...metrics,
      metricName: "NumberOfNotificationsFailed",
      period: 60,
      threshold: undelivered,
      ...AT_ONCE,
      alarmDescription: `The topic could not deliver messages about new images to a worker's queue. They are in that worker's dead-letter queue. ${todo("Undelivered")}`,
    },
    // The one link that fails without a sound: an event that S3 does not publish is in no queue and no log.
    silent: silent !== false &&
      silent !== undefined && {
        ...metrics,
        metricName: "NumberOfMessagesPublished",
        period: 3600,
        threshold: 1,
        comparisonOperator: "LessThanThreshold",
        datapointsToAlarm: silent,
        evaluationPeriods: silent,
        // A topic that is told of nothing has no data.
        treatMissingData: "breaching",
        alarmDescription: from(
          silent,
          (hours) =>
            `S3 has told the topic of no new image for ${hours === 1 ? "an hour" : `${hours} hours`}: nobody uploaded any, or S3 no longer publishes its events, which nothing else shows. ${todo("Silent")}`,
        ),
      },
  };
}

/** Names and settings of a worker that its alarms depend on. */
interface WatchedWorker {
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

/** Alarms about a worker. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: it is a table.
export function workerAlarms(worker: WatchedWorker): Alarms {
  const { name, machine, secondsOfCrash } = worker;
  const { deadLetters, late, inFlight, errors, throttles, rejected } = worker.thresholds;
  const ofQueue = {
    namespace: "AWS/SQS",
    dimensions: { QueueName: worker.queue },
    statistic: "Maximum",
    period: 60,
  };
  const ofFunction = {
    namespace: "AWS/Lambda",
    dimensions: { FunctionName: worker.function },
    statistic: "Sum",
    period: 60,
    ...WHERE_IT_GOES_ON,
  };
  const lateAfter = late ?? from(secondsOfCrash, (seconds) => Math.max(900, seconds + 60));
  return {
    "dead-letters": deadLetters !== false && {
      metricQueries: visibleOrNot(worker.deadLetterQueue),
      threshold: deadLetters,
      ...AT_ONCE,
      // A queue that nobody touches falls silent after six hours, whether it is empty or not:
      // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/monitoring-using-cloudwatch.html
      treatMissingData: "ignore",
      alarmDescription: `Images have no result of worker ${name}: it rejected them, or failed too often. Their messages are kept in its dead-letter queue for 14 days. ${todo("Dead letters")}`,
    },
    late: lateAfter !== false && {
      ...ofQueue,
      metricName: "ApproximateAgeOfOldestMessage",
      threshold: lateAfter,
      ...WHERE_IT_GOES_ON,
      alarmDescription: from({ threshold: lateAfter, secondsOfCrash }, (known) => {
        const crash =
          known.threshold < known.secondsOfCrash
            ? ` A single batch that crashed is enough: it comes again, and takes up to ${known.secondsOfCrash} seconds in all.`
            : "";
        return `Images wait for worker ${name} for more than ${known.threshold} seconds.${crash} Nothing is lost; messages are kept for 14 days. ${todo("Late")}`;
      }),
    },
    "in-flight": inFlight !== false && {
      ...ofQueue,
      metricName: "ApproximateNumberOfMessagesNotVisible",
      threshold: inFlight,
      ...AT_ONCE,
      alarmDescription: from(
        inFlight,
        (messages) =>
          `Worker ${name} has more than ${messages.toLocaleString("en")} of the ${MAX_IN_FLIGHT.toLocaleString("en")} messages in flight that a queue may have. At the maximum, it gets no more until some are done. ${todo("In flight")}`,
      ),
    },
    errors: errors !== false && {
      ...ofFunction,
      metricName: "Errors",
      threshold: errors,
      alarmDescription: `The function of worker ${name} crashes or runs out of time or memory, again and again. Its messages come again, and go to the dead-letter queue in the end. ${todo("Errors")}`,
    },
    throttles: throttles !== false && {
      ...ofFunction,
      metricName: "Throttles",
      threshold: throttles,
      alarmDescription: `Lambda refuses to run the function of worker ${name} as often as its queue asks, which counts as a try of each message. ${todo("Throttles")}`,
    },
    rejected: rejected !== false && {
      namespace: "ImageMachine",
      metricName: "rejected",
      dimensions: { service: name, machine },
      statistic: "Sum",
      period: 300,
      threshold: rejected,
      ...AT_ONCE,
      alarmDescription: from(
        rejected,
        (images) =>
          `Worker ${name} rejected more than ${images} images in five minutes. Each rejection says why. ${todo("Rejected")}`,
      ),
    },
  };
}

/**
 * Adds up all messages of a queue: whoever looks at dead letters hides them meanwhile, and an alarm about visible ones would end
 * and begin again.
 */
function visibleOrNot(queue: pulumi.Input<string>): AlarmArgs["metricQueries"] {
  const names = ["ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible"];
  const [one, other] = names.map((metricName) => ({
    namespace: "AWS/SQS",
    metricName,
    dimensions: { QueueName: queue },
    period: 60,
    stat: "Maximum",
  }));
  return [
    { id: "sum", expression: "one + other", label: names.join(" + "), returnData: true },
    { id: "one", metric: one },
    { id: "other", metric: other },
  ];
}

/** Makes alarms, each of which tells the topic when it begins and when it is over. */
export function createAlarms(
  alarms: Alarms,
  topic: pulumi.Input<string>,
  { name, tags, own }: { name: string; tags: Tags; own: Child<{ alarm?: Transform<AlarmArgs> }> },
): void {
  for (const [what, alarm] of Object.entries(alarms)) {
    if (!alarm) continue;
    const args = { ...alarm, alarmActions: [topic], okActions: [topic], tags };
    new aws.cloudwatch.MetricAlarm(...own("alarm", `${name}-${what}-alarm`, args));
  }
}
