import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { Tags } from "./later.ts";
import { alarmTopicPolicy } from "./policies.ts";
import { childOf, type Transform } from "./transform.ts";

export interface AlarmTopicArgs {
  /** Address that gets a mail from each alarm, once its owner has confirmed the first. @default none */
  readonly email?: pulumi.Input<string> | undefined;

  /** ARN of the KMS key that encrypts the topic. @default none */
  readonly keyArn?: pulumi.Input<string> | undefined;

  readonly tags: Tags;

  /** Changes to individual resources. @default none */
  readonly transform?: AlarmTopicTransform | undefined;
}

/** Changes to the topic, its policy, and the subscription of the mail address. */
export interface AlarmTopicTransform {
  readonly alarmTopic?: Transform<aws.sns.TopicArgs>;
  readonly alarmTopicPolicy?: Transform<aws.sns.TopicPolicyArgs>;
  readonly alarmEmail?: Transform<aws.sns.TopicSubscriptionArgs>;
}

/**
 * The topic that all alarms of a machine go to, and from which they reach people. The option `protect` holds for the topic, as
 * who subscribed to it by hand would not be told any more.
 */
export class AlarmTopic extends pulumi.ComponentResource {
  /** ARN that a pager subscribes to. */
  readonly arn: pulumi.Output<string>;

  constructor(name: string, args: AlarmTopicArgs, opts?: pulumi.ComponentResourceOptions) {
    super("image-machine:index:AlarmTopic", name, {}, opts);
    const { email, keyArn, tags, transform } = args;
    const own = childOf({ parent: this }, transform);

    const topic = new aws.sns.Topic(
      ...own("alarmTopic", name, { tags, ...(keyArn && { kmsMasterKeyId: keyArn }) }),
    );
    this.arn = topic.arn;
    const policy = topic.arn.apply(alarmTopicPolicy);
    new aws.sns.TopicPolicy(...own("alarmTopicPolicy", `${name}-policy`, { arn: topic.arn, policy }));
    if (email !== undefined) {
      const args = { topic: topic.arn, protocol: "email", endpoint: email };
      // Another address is another subscription.
      new aws.sns.TopicSubscription(...own("alarmEmail", `${name}-email`, args, { protect: false }));
    }

    this.registerOutputs({ arn: this.arn });
  }
}
