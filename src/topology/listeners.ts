import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { ImageFilter } from "../image-filter.ts";
import { ArgumentError } from "./argument-error.ts";
import { filterOf, ONLY, subscriptionFilter } from "./filters.ts";
import { queuePolicy } from "./policies.ts";
import type { OnlySettings } from "./setting-types.ts";

/** Whoever else is told: a queue, a function, or an address, of which the owner confirms the first message. */
export type Listener = (
  | { readonly queue: aws.sqs.Queue }
  | { readonly function: aws.lambda.Function }
  | { readonly email: string }
  | { readonly https: string }
) & {
  /** The topic: of new images, or of results. @default created */
  readonly topic?: "created" | "completed";
  /** Which images, or results, it is told of. @default all */
  readonly only?: OnlySettings;
  /** Queue for what cannot be delivered, to whichever kind of listener. @default none: it is lost to the listener */
  readonly deadLetterQueue?: aws.sqs.Queue;
  /**
   * Whether its queues get policies that let the topic send to them. A queue has one policy: where it has one already, that
   * has to allow it. @default true
   */
  readonly policy?: boolean;
};

/** Kinds of listeners, and what each must be, for checks. */
const KINDS: Record<string, readonly [ok: (value: unknown) => boolean, what: string]> = {
  queue: [(value) => aws.sqs.Queue.isInstance(value), "an aws.sqs.Queue"],
  function: [(value) => aws.lambda.Function.isInstance(value), "an aws.lambda.Function"],
  email: [(value) => /^[^\s@]+@[^\s@]+$/.test(String(value)), "one address"],
  https: [(value) => URL.canParse(String(value)) && /^https:/.test(String(value)), "an address with https:"],
};

/**
 * @param subject whose it is, to begin a sentence with
 * @param filter what the topic of new images is told of
 * @throws ArgumentError where it is none, or more than one at once, or is never told of anything
 */
export function checkListener(
  subject: string,
  given: Listener,
  filter: Pick<ImageFilter, "prefix" | "suffix">,
): void {
  const { policy, topic = "created", only, deadLetterQueue, ...kinds } = given as Record<string, unknown>;
  const [[kind = "", value] = [], ...others] = Object.entries(kinds);
  const known = KINDS[kind];
  if (!known || others.length > 0) {
    throw new ArgumentError(
      `${subject} has ${Object.keys(kinds).join(" and ") || "nothing"}, but must have one of ${Object.keys(KINDS).join(", ")}.`,
    );
  }
  const [ok, what] = known;
  if (!ok(value)) {
    const shown = typeof value === "string" ? JSON.stringify(value) : typeof value;
    throw new ArgumentError(`${subject}.${kind} is ${shown}, but must be ${what}.`);
  }
  if (topic !== "created" && topic !== "completed") {
    throw new ArgumentError(
      `${subject}.topic is ${JSON.stringify(topic)}, but must be created or completed.`,
    );
  }
  if (deadLetterQueue !== undefined && !aws.sqs.Queue.isInstance(deadLetterQueue)) {
    throw new ArgumentError(
      `${subject}.deadLetterQueue is ${typeof deadLetterQueue}, but must be an aws.sqs.Queue.`,
    );
  }
  const hasQueue = kind === "queue" || deadLetterQueue !== undefined;
  if (policy !== undefined && (!hasQueue || typeof policy !== "boolean")) {
    throw new ArgumentError(`${subject}.policy is true or false, and of queues alone.`);
  }
  filterOf(`${subject}.`, topic === "created" ? filter : {}, ONLY.check(`${subject}.only`, only));
}

/** Whose policy a queue of the program has, of those that the machine makes. */
const policies = new WeakMap<aws.sqs.Queue, string>();

/** @returns whose policy a queue has already; undefined where it becomes this one's */
export function claimPolicy(owner: string, queue: aws.sqs.Queue): string | undefined {
  const other = policies.get(queue);
  if (other === undefined) policies.set(queue, owner);
  return other;
}

/** @throws ArgumentError where one of its queues has a policy of the machine's, of which the new one would take the place */
export function claimPolicies(subject: string, listener: Listener): void {
  const { policy = true, deadLetterQueue, queue } = { queue: undefined, ...listener };
  if (!policy) return;
  for (const [kind, each] of Object.entries({ queue, deadLetterQueue })) {
    const other = each && claimPolicy(subject, each);
    if (other === undefined) continue;
    throw new ArgumentError(
      `${subject}.${kind} has its policy from ${other}, and a queue has one: that one's topic could not send to it any more. Take another queue or, where policy is false for both, give it a policy that allows both topics.`,
    );
  }
}

/**
 * Subscribes a listener to a topic, and lets the topic send to it.
 * @param name how the names of the resources begin
 */
export function subscribeListener(
  name: string,
  listener: Listener,
  topic: aws.sns.Topic,
  opts: pulumi.CustomResourceOptions,
): aws.sns.TopicSubscription {
  const { only, deadLetterQueue, policy = true } = listener;
  const letTopicSend = (to: aws.sqs.Queue, what: string): pulumi.Resource[] => {
    if (!policy) return [];
    const document = pulumi.output({ queueArn: to.arn, topicArn: topic.arn }).apply(queuePolicy);
    return [new aws.sqs.QueuePolicy(`${name}-${what}-policy`, { queueUrl: to.url, policy: document }, opts)];
  };
  // What a queue's policy refuses is lost, or a dead letter that is lost: SNS does not try it again.
  const policies = deadLetterQueue ? letTopicSend(deadLetterQueue, "dead-letters") : [];
  const subscription = (
    args: Omit<aws.sns.TopicSubscriptionArgs, "topic">,
    dependsOn: pulumi.Resource[] = [],
  ) =>
    new aws.sns.TopicSubscription(
      `${name}-subscription`,
      {
        topic: topic.arn,
        ...args,
        ...(deadLetterQueue && {
          redrivePolicy: pulumi.jsonStringify({ deadLetterTargetArn: deadLetterQueue.arn }),
        }),
        ...subscriptionFilter(ONLY.check("only", only)),
      },
      { ...opts, dependsOn: [...policies, ...dependsOn] },
    );
  if ("email" in listener) return subscription({ protocol: "email", endpoint: listener.email });
  if ("https" in listener) return subscription({ protocol: "https", endpoint: listener.https });
  if ("function" in listener) {
    const permission = new aws.lambda.Permission(
      `${name}-permission`,
      {
        function: listener.function.name,
        action: "lambda:InvokeFunction",
        principal: "sns.amazonaws.com",
        sourceArn: topic.arn,
      },
      opts,
    );
    return subscription({ protocol: "lambda", endpoint: listener.function.arn }, [permission]);
  }
  const { queue } = listener;
  return subscription(
    { protocol: "sqs", endpoint: queue.arn, rawMessageDelivery: true },
    letTopicSend(queue, "queue"),
  );
}
