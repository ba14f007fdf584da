import type { Events } from "../events.ts";
import type { Identity } from "../iam/identity.ts";
import { PolicyError } from "../iam/policy.ts";
import { ServiceError } from "../service-error.ts";
import { objectsOf } from "../store/events.ts";
import {
  type AskSns,
  fauxqsPart,
  type Message,
  type Parameters,
  type QueueStore,
  type SpiedMessage,
  type Subscription,
  said,
  serviceError,
  type TopicStore,
} from "./fauxqs.ts";
import { type BodyFilter, FilterPolicyError, readFilter } from "./filter-policy.ts";
import { messageFault } from "./sqs-messages.ts";

/*
 * SNS's Publish. fauxqs reads the request, filters by attributes and puts the message into words; what comes of it is ours:
 * filters of the body, which look into arrays, and that SNS delivers as its own service principal, judged by queue and key each
 * time, and that what a queue refuses goes to the subscription's dead-letter queue.
 */

const SNS = "sns.amazonaws.com";
const S3 = "s3.amazonaws.com";

/** A message to a topic, by the names of Publish's parameters. */
export type Publication = Parameters & { readonly TopicArn: string };

export interface SnsOptions {
  readonly topics: TopicStore;
  readonly queues: QueueStore;
  readonly identity: Identity;
  /** Told of messages that are published and delivered. */
  readonly events: Events;
  /** Told of messages that are lost. */
  readonly report: (error: unknown) => void;
  /** Has an operation done by fauxqs. */
  readonly ask: AskSns;
}

/**
 * Publishes as a service does, on behalf of a resource.
 * @returns why SNS refuses it; undefined where it has taken it
 */
export type PublishAs = (service: string, sourceArn: string, publication: Publication) => string | undefined;

type Publish = (parameters: Parameters, topics: object, queues: object) => string;

/** A message that a topic has taken, by its ID. */
interface Notification {
  readonly topicArn: string;
  readonly notificationId: string;
}

export async function openSns(options: SnsOptions): Promise<{ sns: AskSns; publishAs: PublishAs }> {
  const { topics, identity, ask } = options;
  const { publish, publishBatch } = await fauxqsPart("./sns/actions/publish.js");
  const operations: Record<string, Publish> = { Publish: publish, PublishBatch: publishBatch };

  /** @param service what publishes, where it is no client */
  const run = (operation: Publish, parameters: Parameters, service?: string): string => {
    const to = standIns(options, parameters.TopicArn ?? "", service);
    return operation(parameters, to.topics, to.queues);
  };

  return {
    async sns(parameters, host) {
      const operation = operations[parameters.Action ?? ""];
      try {
        if (operation) return await said(() => run(operation, parameters));
        checkFilter(topics, parameters);
        const answer = await ask(parameters, host);
        followPolicy(identity, parameters, answer);
        return answer;
      } catch (error) {
        if (!(error instanceof PolicyError || error instanceof FilterPolicyError)) throw error;
        throw new ServiceError("InvalidParameter", error.message);
      }
    },
    publishAs(service, sourceArn, publication) {
      const { TopicArn } = publication;
      const { KmsMasterKeyId } = topics.getTopic(TopicArn)?.attributes ?? {};
      const why = identity.refusalOfService(service, sourceArn, "sns:Publish", TopicArn, KmsMasterKeyId);
      if (why !== undefined) return why;
      try {
        run(publish, publication, service);
        return undefined;
      } catch (error) {
        const refused = serviceError(error);
        if (refused instanceof ServiceError) return `${TopicArn}: ${refused.message}`;
        throw error;
      }
    },
  };
}

/** Stand in for topics and queues in one publication, in which fauxqs then looks queues up by their subscription. */
function standIns(options: SnsOptions, topicArn: string, service: string | undefined) {
  const { topics, queues, events } = options;
  let notification: Notification = { topicArn, notificationId: "" };
  let passes: (filter: BodyFilter) => boolean = () => true;
  const subscriptionOf = (arn: string): Subscription | undefined => topics.getSubscription(arn);
  return {
    topics: {
      spy: {
        addMessage({ messageId: notificationId, body: message }: SpiedMessage) {
          notification = { topicArn, notificationId };
          const body = parsed(message);
          passes = (filter) => filter(body);
          const objects = () => (service === S3 ? objectsOf(message) : []);
          events.emit("published", () => ({ topicArn, notificationId, message, objects: objects() }));
        },
      },
      getTopic: (arn: string) => topics.getTopic(arn),
      getSubscription(arn: string) {
        const subscription = subscriptionOf(arn);
        if (!subscription) return undefined;
        const { FilterPolicy: _, ...others } = subscription.attributes;
        const attributes = isOfBody(subscription) ? others : subscription.attributes;
        return { ...subscription, attributes, endpoint: arn };
      },
    },
    queues: {
      getQueueByArn(arn: string) {
        const subscription = subscriptionOf(arn);
        // What it has none for is left out, in silence.
        if (subscription && isOfBody(subscription) && !passes(filterOf(subscription))) return undefined;
        const queue = queues.getQueueByArn(subscription?.endpoint ?? "");
        return (
          subscription && {
            isFifo: () => queue?.isFifo() ?? false,
            checkDeduplication: (id: string) => queue?.checkDeduplication(id),
            recordDeduplication: (id: string, message: string) => queue?.recordDeduplication(id, message),
            nextSequenceNumber: () => queue?.nextSequenceNumber(),
            enqueue: (message: Message) => deliver(options, notification, subscription, message),
          }
        );
      },
    },
  };
}

function isOfBody({ attributes }: Subscription): boolean {
  return attributes.FilterPolicyScope === "MessageBody";
}

/** Filters that were read, by their policies. */
const filters = new Map<string, BodyFilter>();

function filterOf({ attributes: { FilterPolicy = "" } }: Subscription): BodyFilter {
  const filter = filters.get(FilterPolicy) ?? readFilter(FilterPolicy, "MessageBody");
  filters.set(FilterPolicy, filter);
  return filter;
}

/** @throws {FilterPolicyError} where a request brings a filter policy that SNS would not take, or that is not known here */
function checkFilter(topics: TopicStore, parameters: Parameters): void {
  const { Action, SubscriptionArn = "", AttributeName, AttributeValue = "" } = parameters;
  if (Action === "SetSubscriptionAttributes" && AttributeName === "FilterPolicy") {
    readFilter(AttributeValue, topics.getSubscription(SubscriptionArn)?.attributes.FilterPolicyScope);
  }
  if (Action !== "Subscribe") return;
  readFilter(attributeOf(parameters, "FilterPolicy") ?? "", attributeOf(parameters, "FilterPolicyScope"));
}

/** One of the attributes that a topic or subscription is made with. */
function attributeOf(parameters: Parameters, attribute: string): string | undefined {
  const entry = Object.keys(parameters).find(
    (name) => /^Attributes\.entry\.\d+\.key$/.test(name) && parameters[name] === attribute,
  );
  return entry && parameters[entry.replace(/key$/, "value")];
}

function parsed(message: string): unknown {
  try {
    return JSON.parse(message);
  } catch {
    return undefined;
  }
}

/**
 * Delivers a message to a queue or, where that refuses it, to the subscription's dead-letter queue. It is not tried again:
 * what a queue refuses it goes on refusing.
 */
function deliver(
  options: SnsOptions,
  notification: Notification,
  { arn: subscriptionArn, endpoint, attributes }: Subscription,
  message: Message,
): void {
  const { events, report } = options;
  const { topicArn } = notification;
  const { messageId } = message;
  const reason = refusal(options, topicArn, endpoint, message);
  if (reason === undefined) {
    events.emit("delivered", () => ({ ...notification, subscriptionArn, queueArn: endpoint, messageId }));
    return;
  }
  const { deadLetterTargetArn: queueArn } = JSON.parse(attributes.RedrivePolicy || "{}");
  const whyLost = queueArn
    ? refusal(options, topicArn, queueArn, message)
    : "the subscription has no dead-letter queue";
  if (whyLost === undefined) {
    events.emit("deadLettered", () => ({ queueArn, messageId, from: subscriptionArn, reason }));
    return;
  }
  report(new Error(`SNS lost a message of ${topicArn} for ${endpoint}: ${reason}; and then: ${whyLost}`));
}

/** Puts a message into a queue. @returns why the queue refuses it; undefined where it took it */
function refusal(
  { queues, identity }: SnsOptions,
  topicArn: string,
  queueArn: string,
  message: Message,
): string | undefined {
  const queue = queues.getQueueByArn(queueArn);
  if (!queue) return `there is no queue ${queueArn}`;
  const { KmsMasterKeyId, MaximumMessageSize, DelaySeconds } = queue.attributes;
  const why =
    identity.refusalOfService(SNS, topicArn, "sqs:SendMessage", queueArn, KmsMasterKeyId) ??
    messageFault(message.body, message.messageAttributes, Number(MaximumMessageSize))?.message;
  if (why !== undefined) return why;
  if (Number(DelaySeconds) > 0) message.delayUntil = Date.now() + Number(DelaySeconds) * 1000;
  queue.put(message);
  return undefined;
}

/** Puts in force, or takes away, the policy of a topic. @throws {PolicyError} */
function followPolicy(identity: Identity, parameters: Parameters, answer: string): void {
  const { Action, TopicArn = "", AttributeName, AttributeValue = "" } = parameters;
  if (Action === "DeleteTopic") identity.setResourcePolicy(TopicArn, "");
  if (Action === "SetTopicAttributes" && AttributeName === "Policy") {
    identity.setResourcePolicy(TopicArn, AttributeValue);
  }
  const policy = attributeOf(parameters, "Policy");
  if (Action !== "CreateTopic" || policy === undefined) return;
  const [, created = ""] = /<TopicArn>(.*)<\/TopicArn>/.exec(answer) ?? [];
  identity.setResourcePolicy(created, policy);
}
