import type { Messaging } from "../messaging/messaging.ts";
import type { Plan } from "./plan.ts";

/** The faults of queues, and the counter of those that happened. */
export interface QueueFaults {
  readonly plan: Plan;
  count(what: string): void;
}

/** Replaces maxReceiveCount where queue time is accelerated, so that no message goes to a dead-letter queue for that. */
const MANY_RECEIVES = 1000;

/** SNS and SQS that deliver twice and in any order, and in which time runs faster. */
export function faultyMessaging(messaging: Messaging, faults: QueueFaults): Messaging {
  let receives = 0;
  let publishes = 0;
  /** Receipts of messages whose function has hidden them for its own time, which does not run faster. */
  const hidden = new Set<unknown>();
  const sooner = (entry: Record<string, unknown>) => {
    const { speed = 1, timeLimit = 0 } = faults.plan;
    const isFirst = !hidden.delete(entry.ReceiptHandle);
    if (isFirst) hidden.add(entry.ReceiptHandle);
    const shortened = faster(entry, speed);
    const VisibilityTimeout = Math.max(Number(shortened.VisibilityTimeout), timeLimit);
    return isFirst ? { ...shortened, VisibilityTimeout } : shortened;
  };
  const isTwice = () => faults.plan.publishedTwice?.(++publishes) ?? false;

  const receive = async (input: object, host: string) => {
    const number = ++receives;
    const again = faults.plan.handedOutTwice?.(number) ?? false;
    const asked = again ? { ...input, VisibilityTimeout: 0 } : input;
    const answer = (await messaging.sqs("ReceiveMessage", asked, host)) as { Messages?: object[] };
    const { Messages = [] } = answer;
    if (Messages.length > 0 && again) faults.count("handed out twice");
    if (Messages.length < 2 || !faults.plan.reversed?.(number)) return answer;
    faults.count("reversed");
    return { ...answer, Messages: Messages.toReversed() };
  };

  return {
    ...messaging,
    publishAs(...publication) {
      if (isTwice()) {
        faults.count("published twice");
        messaging.publishAs(...publication);
      }
      return messaging.publishAs(...publication);
    },
    async sns(parameters, host) {
      if (parameters.Action === "Publish" && isTwice()) {
        faults.count("published twice");
        await messaging.sns(parameters, host);
      }
      return messaging.sns(parameters, host);
    },
    async sqs(operation, input, host) {
      const { speed = 1 } = faults.plan;
      const { Entries, Attributes } = input as Record<string, Record<string, unknown>[]>;
      switch (operation) {
        case "ReceiveMessage":
          return receive(input, host);
        case "ChangeMessageVisibility":
          return messaging.sqs(operation, faster({ ...input }, speed), host);
        case "ChangeMessageVisibilityBatch":
          return messaging.sqs(operation, { ...input, Entries: Entries?.map(sooner) }, host);
        case "SetQueueAttributes":
          return messaging.sqs(operation, { ...input, Attributes: patient(Attributes, speed) }, host);
        default:
          return messaging.sqs(operation, input, host);
      }
    },
  };
}

/** The same with its visibility timeout shortened. */
function faster(values: Record<string, unknown>, speed: number): Record<string, unknown> {
  if (values.VisibilityTimeout === undefined) return values;
  return { ...values, VisibilityTimeout: Number(values.VisibilityTimeout) / speed };
}

function patient(attributes: unknown, speed: number): Record<string, unknown> {
  const shortened = faster(attributes as Record<string, unknown>, speed);
  if (speed === 1 || typeof shortened.RedrivePolicy !== "string") return texts(shortened);
  const policy = { ...JSON.parse(shortened.RedrivePolicy || "{}"), maxReceiveCount: MANY_RECEIVES };
  return texts({ ...shortened, RedrivePolicy: JSON.stringify(policy) });
}

/** Attributes of a queue are text, and times in them whole seconds. */
function texts(attributes: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [
      name,
      typeof value === "number" ? String(Math.max(1, Math.round(value))) : String(value),
    ]),
  );
}
