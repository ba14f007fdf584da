import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { ArgumentError } from "./argument-error.ts";
import { queuePolicy } from "./policies.ts";

/** Whoever else is told: a queue, a function, or an address, of which the owner confirms the first message. */
export type Listener = (
  | {
      readonly queue: aws.sqs.Queue;
      /**
       * Whether the queue gets a policy that lets the topic send to it. A queue has one policy: where it has one already, that
       * has to allow it. @default true
       */
      readonly policy?: boolean;
    }
  | { readonly function: aws.lambda.Function }
  | { readonly email: string }
  | { readonly https: string }
) & {
  /** The topic: of new images, or of results. @default created */
  readonly topic?: "created" | "completed";
};

/** Kinds of listeners, and what each must be, for checks. */
const KINDS: Record<string, readonly [ok: (value: unknown) => boolean, what: string]> = {
  queue: [(value) => aws.sqs.Queue.isInstance(value), "an aws.sqs.Queue"],
  function: [(value) => aws.lambda.Function.isInstance(value), "an aws.lambda.Function"],
  email: [(value) => /^[^\s@]+@[^\s@]+$/.test(String(value)), "one address"],
  https: [(value) => URL.canParse(String(value)) && /^https:/.test(String(value)), "an address with https:"],
};

/** @throws ArgumentError where it is none, or more than one at once */
export function checkListener(subject: string, given: Listener): void {
  const { policy, topic = "created", ...kinds } = given as Record<string, unknown>;
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
  if (policy !== undefined && (kind !== "queue" || typeof policy !== "boolean")) {
    throw new ArgumentError(`${subject}.policy is true or false, and of a queue alone.`);
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
  const subscription = (
    args: Omit<aws.sns.TopicSubscriptionArgs, "topic">,
    dependsOn: pulumi.Resource[] = [],
  ) =>
    new aws.sns.TopicSubscription(
      `${name}-subscription`,
      { topic: topic.arn, ...args },
      { ...opts, dependsOn },
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
  const { queue, policy = true } = listener;
  // What the queue's policy refuses is lost: SNS does not try it again.
  const allowed = policy ? [letTopicSend(name, queue, topic, opts)] : [];
  return subscription({ protocol: "sqs", endpoint: queue.arn, rawMessageDelivery: true }, allowed);
}

function letTopicSend(
  name: string,
  queue: aws.sqs.Queue,
  topic: aws.sns.Topic,
  opts: pulumi.CustomResourceOptions,
): aws.sqs.QueuePolicy {
  const policy = pulumi.output({ queueArn: queue.arn, topicArn: topic.arn }).apply(queuePolicy);
  return new aws.sqs.QueuePolicy(`${name}-queue-policy`, { queueUrl: queue.url, policy }, opts);
}
