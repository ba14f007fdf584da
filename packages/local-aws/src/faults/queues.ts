import type { Messaging } from "../messaging/messaging.ts";
import { type MessagingRequest, parsed, withAnswer, withBody } from "../messaging/messaging-http.ts";
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

  const receive = async (request: MessagingRequest, body: Record<string, unknown>) => {
    const number = ++receives;
    const again = faults.plan.handedOutTwice?.(number) ?? false;
    const answer = await messaging.answer(
      withBody(request, again ? { ...body, VisibilityTimeout: 0 } : body),
    );
    const received = parsed(answer.body);
    if (!Array.isArray(received.Messages) || received.Messages.length === 0) return answer;
    if (again) faults.count("handed out twice");
    if (received.Messages.length < 2 || !faults.plan.reversed?.(number)) return answer;
    faults.count("reversed");
    return withAnswer(answer, { ...received, Messages: received.Messages.toReversed() });
  };

  return {
    close: () => messaging.close(),
    arrival: (...poll) => messaging.arrival(...poll),
    queueKey: (arn) => messaging.queueKey(arn),
    publishAs(...publication) {
      if (isTwice()) {
        faults.count("published twice");
        messaging.publishAs(...publication);
      }
      return messaging.publishAs(...publication);
    },
    async answer(request) {
      const target = request.headers["x-amz-target"];
      if (!target) {
        const isPublish = new URLSearchParams(request.body.toString()).get("Action") === "Publish";
        if (isPublish && isTwice()) {
          faults.count("published twice");
          await messaging.answer(request);
        }
        return messaging.answer(request);
      }
      const body = parsed(request.body);
      switch (String(target).split(".")[1]) {
        case "ReceiveMessage":
          return receive(request, body);
        case "ChangeMessageVisibility":
          return messaging.answer(withBody(request, faster(body, faults.plan.speed ?? 1)));
        case "ChangeMessageVisibilityBatch": {
          const entries = body.Entries as Record<string, unknown>[];
          const Entries = entries.map(sooner);
          return messaging.answer(withBody(request, { ...body, Entries }));
        }
        case "SetQueueAttributes":
          return messaging.answer(
            withBody(request, { ...body, Attributes: patient(body.Attributes, faults.plan.speed ?? 1) }),
          );
        default:
          return messaging.answer(request);
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
  const policy = { ...parsed(Buffer.from(shortened.RedrivePolicy)), maxReceiveCount: MANY_RECEIVES };
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
