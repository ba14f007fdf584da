import { listed } from "./messaging.ts";
import type { Services } from "./provider.ts";

/**
 * Removes what an earlier program declared and this one does not, as `pulumi up` would: subscriptions, queues with
 * their messages, topics and what buckets would tell them. Buckets stay, as what is in them is the person's.
 */
export async function sweep({ direct, store, made, elsewhere }: Services): Promise<void> {
  const declared = new Set([...elsewhere, ...[...made.values()].map(({ id }) => id)]);
  for await (const { SubscriptionArn = "" } of listed(direct, "ListSubscriptions")) {
    if (!declared.has(SubscriptionArn)) await direct.sns("Unsubscribe", { SubscriptionArn });
  }
  const { QueueUrls = [] } = await direct.sqs<{ QueueUrls?: string[] }>("ListQueues", {});
  for (const QueueUrl of QueueUrls) {
    if (!declared.has(QueueUrl)) await direct.sqs("DeleteQueue", { QueueUrl });
  }
  for (const { name, notification } of store.buckets()) {
    const topics = notification.topics.filter(({ topicArn }) => declared.has(topicArn));
    if (topics.length < notification.topics.length) await store.setNotification(name, { topics });
  }
  for await (const { TopicArn = "" } of listed(direct, "ListTopics")) {
    if (!declared.has(TopicArn)) await direct.sns("DeleteTopic", { TopicArn });
  }
}
