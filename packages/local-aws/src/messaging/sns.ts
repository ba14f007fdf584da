import type { Identity } from "../iam/identity.ts";
import { PolicyError } from "../iam/policy.ts";
import {
  fauxqsPart,
  type Message,
  type QueueStore,
  type Refusal,
  type Subscription,
  type TopicStore,
} from "./fauxqs.ts";
import type { MessagingRequest, MessagingResponse } from "./messaging-http.ts";
import { messageFault } from "./sqs-messages.ts";

/*
 * SNS's Publish. fauxqs reads the request, filters and puts the message into words; what comes of it is ours: SNS
 * delivers as its own service principal, judged by queue and key each time, and what a queue refuses goes to the
 * subscription's dead-letter queue.
 */

const SNS = "sns.amazonaws.com";

/** A message to a topic, by the names of Publish's parameters. */
export type Publication = Readonly<Record<string, string>> & { readonly TopicArn: string };

export interface SnsOptions {
  readonly topics: TopicStore;
  readonly queues: QueueStore;
  readonly identity: Identity;
  /** Told of messages that are lost. */
  readonly report: (error: unknown) => void;
}

export interface Sns {
  /** Answers what is published, and has anything else answered by fauxqs. */
  answer(
    request: MessagingRequest,
    answer: (request: MessagingRequest) => Promise<MessagingResponse>,
  ): Promise<MessagingResponse>;
  /**
   * Publishes as a service does, on behalf of a resource.
   * @returns why SNS refuses it; undefined where it has taken it
   */
  publishAs(service: string, sourceArn: string, publication: Publication): string | undefined;
}

type Parameters = Readonly<Record<string, string>>;

type Publish = (parameters: Parameters, topics: object, queues: object) => string;

export async function openSns({ topics, queues, identity, report }: SnsOptions): Promise<Sns> {
  const [{ publish, publishBatch }, { snsErrorResponse }, { SnsError }] = await Promise.all(
    ["./sns/actions/publish.js", "./common/xml.js", "./common/errors.js"].map(fauxqsPart),
  );
  const operations: Record<string, Publish> = { Publish: publish, PublishBatch: publishBatch };

  /** Why a queue does not take a message; undefined where it has taken it. */
  const refusal = (topicArn: string, queueArn: string, message: Message): string | undefined => {
    const queue = queues.getQueueByArn(queueArn);
    if (!queue) return `there is no queue ${queueArn}`;
    const { KmsMasterKeyId, MaximumMessageSize, DelaySeconds } = queue.attributes;
    const why =
      identity.refusalOfService(SNS, topicArn, "sqs:SendMessage", queueArn, KmsMasterKeyId) ??
      messageFault(message.body, message.messageAttributes, Number(MaximumMessageSize))?.message;
    if (why !== undefined) return why;
    if (Number(DelaySeconds) > 0) message.delayUntil = Date.now() + Number(DelaySeconds) * 1000;
    queue.enqueue(message);
    return undefined;
  };

  /** What a queue refuses is tried once more, on the subscription's dead-letter queue: these are no faults that pass. */
  const deliver = (topicArn: string, { endpoint, attributes }: Subscription, message: Message): void => {
    const why = refusal(topicArn, endpoint, message);
    if (why === undefined) return;
    const { deadLetterTargetArn } = JSON.parse(attributes.RedrivePolicy || "{}");
    const whyLost = deadLetterTargetArn
      ? refusal(topicArn, deadLetterTargetArn, message)
      : "the subscription has no dead-letter queue";
    if (whyLost === undefined) return;
    report(new Error(`SNS lost a message of ${topicArn} for ${endpoint}: ${why}; and then: ${whyLost}`));
  };

  /** Stands in for the queues of one publication, which fauxqs then looks up by their subscription. */
  const routes = (topicArn: string) => {
    const subscriptionOf = (arn: string): Subscription | undefined => topics.getSubscription(arn);
    return {
      topics: {
        getTopic: (arn: string) => topics.getTopic(arn),
        getSubscription(arn: string) {
          const subscription = subscriptionOf(arn);
          return subscription && { ...subscription, endpoint: arn };
        },
      },
      queues: {
        getQueueByArn(arn: string) {
          const subscription = subscriptionOf(arn);
          const queue = queues.getQueueByArn(subscription?.endpoint ?? "");
          return (
            subscription && {
              isFifo: () => queue?.isFifo() ?? false,
              checkDeduplication: (id: string) => queue?.checkDeduplication(id),
              recordDeduplication: (id: string, message: string) => queue?.recordDeduplication(id, message),
              nextSequenceNumber: () => queue?.nextSequenceNumber(),
              enqueue: (message: Message) => deliver(topicArn, subscription, message),
            }
          );
        },
      },
    };
  };

  const run = (operation: Publish, parameters: Parameters): string => {
    const to = routes(parameters.TopicArn ?? "");
    return operation(parameters, to.topics, to.queues);
  };

  /** Puts in force, or takes away, the policy of a topic. @throws {PolicyError} */
  const followPolicy = (parameters: Parameters, answered: MessagingResponse): void => {
    const { Action, TopicArn = "", AttributeName, AttributeValue = "" } = parameters;
    if (Action === "DeleteTopic") identity.setResourcePolicy(TopicArn, "");
    if (Action === "SetTopicAttributes" && AttributeName === "Policy") {
      identity.setResourcePolicy(TopicArn, AttributeValue);
    }
    const entry = Object.keys(parameters).find(
      (name) => /^Attributes\.entry\.\d+\.key$/.test(name) && parameters[name] === "Policy",
    );
    if (Action !== "CreateTopic" || entry === undefined) return;
    const [, created = ""] = /<TopicArn>(.*)<\/TopicArn>/.exec(answered.body.toString()) ?? [];
    identity.setResourcePolicy(created, parameters[entry.replace(/key$/, "value")] ?? "");
  };

  return {
    async answer(request, answer) {
      const parameters = Object.fromEntries(new URLSearchParams(request.body.toString("utf8")));
      const operation = operations[parameters.Action ?? ""];
      try {
        if (operation) return xml(200, run(operation, parameters));
        const answered = await answer(request);
        if (answered.status === 200) followPolicy(parameters, answered);
        return answered;
      } catch (error) {
        if (error instanceof PolicyError)
          return xml(400, snsErrorResponse("InvalidParameter", error.message));
        if (!(error instanceof SnsError)) throw error;
        const { statusCode, code, message } = error as Refusal;
        return xml(statusCode, snsErrorResponse(code, message));
      }
    },
    publishAs(service, sourceArn, publication) {
      const { TopicArn } = publication;
      const why = identity.refusalOfService(
        service,
        sourceArn,
        "sns:Publish",
        TopicArn,
        topics.getTopic(TopicArn)?.attributes.KmsMasterKeyId,
      );
      if (why !== undefined) return why;
      try {
        run(publish, publication);
        return undefined;
      } catch (error) {
        if (error instanceof SnsError) return `${TopicArn}: ${(error as Refusal).message}`;
        throw error;
      }
    },
  };
}

function xml(status: number, text: string): MessagingResponse {
  const body = Buffer.from(text);
  return { status, headers: { "content-type": "text/xml", "content-length": body.length }, body };
}
