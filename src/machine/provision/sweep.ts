import {
  DeleteTopicCommand,
  paginateListSubscriptions,
  paginateListTopics,
  UnsubscribeCommand,
} from "@aws-sdk/client-sns";
import { DeleteQueueCommand, paginateListQueues } from "@aws-sdk/client-sqs";
import type { Services } from "./provider.ts";

/**
 * Removes what an earlier program declared and this one does not, as `pulumi up` would: subscriptions, queues with
 * their messages, topics. Buckets stay, as what is in them is the person's.
 * @param declared the identifiers of all that was provisioned
 */
export async function sweep({ sns, sqs }: Services, declared: ReadonlySet<string>): Promise<void> {
  for await (const { Subscriptions = [] } of paginateListSubscriptions({ client: sns }, {})) {
    for (const { SubscriptionArn = "" } of Subscriptions) {
      if (!declared.has(SubscriptionArn)) await sns.send(new UnsubscribeCommand({ SubscriptionArn }));
    }
  }
  for await (const { QueueUrls = [] } of paginateListQueues({ client: sqs }, {})) {
    for (const QueueUrl of QueueUrls) {
      if (!declared.has(QueueUrl)) await sqs.send(new DeleteQueueCommand({ QueueUrl }));
    }
  }
  for await (const { Topics = [] } of paginateListTopics({ client: sns }, {})) {
    for (const { TopicArn = "" } of Topics) {
      if (!declared.has(TopicArn)) await sns.send(new DeleteTopicCommand({ TopicArn }));
    }
  }
}
