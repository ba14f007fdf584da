import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { Tags } from "./later.ts";
import { alarmTopicPolicy } from "./policies.ts";
import { type Transform, transformed } from "./transform.ts";

export interface AlarmTopicArgs {
  /** Address that gets a mail from each alarm, once its owner has confirmed the first. @default none */
  readonly email?: pulumi.Input<string> | undefined;

  /** ARN of the KMS key that encrypts the topic. @default none */
  readonly keyArn?: pulumi.Input<string> | undefined;

  readonly tags: Tags;

  /** Changes to single resources. @default none */
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
    const parent = { parent: this };
    const { email, keyArn, tags, transform = {} } = args;

    const topic = new aws.sns.Topic(
      ...transformed(transform.alarmTopic, name, { tags, ...(keyArn && { kmsMasterKeyId: keyArn }) }, parent),
    );
    this.arn = topic.arn;
    new aws.sns.TopicPolicy(
      ...transformed<aws.sns.TopicPolicyArgs>(
        transform.alarmTopicPolicy,
        `${name}-policy`,
        { arn: topic.arn, policy: topic.arn.apply(alarmTopicPolicy) },
        parent,
      ),
    );
    if (email !== undefined) {
      new aws.sns.TopicSubscription(
        ...transformed(
          transform.alarmEmail,
          `${name}-email`,
          { topic: topic.arn, protocol: "email", endpoint: email },
          // Another address is another subscription.
          { ...parent, protect: false },
        ),
      );
    }

    this.registerOutputs({ arn: this.arn });
  }
}
