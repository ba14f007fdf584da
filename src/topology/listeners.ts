import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { ImageFilter } from "../image-filter.ts";
import { ArgumentError } from "./argument-error.ts";
import { filterOf, ONLY, subscriptionFilter } from "./filters.ts";
import { queuePolicy } from "./policies.ts";
import type { OnlySettings } from "./setting-types.ts";

/** Another system to notify: a queue, a function, or an address, whose owner must confirm the first message. */
export type Listener = (
  | { readonly queue: aws.sqs.Queue }
  | { readonly function: aws.lambda.Function }
  | { readonly email: string }
  | { readonly https: string }
) & {
  /** Which topic: of new images (`created`), or of results (`completed`). @default created */
  readonly topic?: "created" | "completed";
  /** Which images or results it gets. @default all */
  readonly only?: OnlySettings;
  /** Queue for messages that cannot be delivered, for any kind of listener. @default none: the listener loses them */
  readonly deadLetterQueue?: aws.sqs.Queue;
  /**
   * Whether its queues get policies that let the topic send to them. A queue has only one policy: if yours has one already,
   * pass false, and allow the topic in it. @default true
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
    throw new ArgumentError(`${subject}.policy must be true or false, and is only for queues.`);
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
      `${subject}.${kind} already has its policy from ${other}, and a queue has only one: that topic could no longer send to it. Use another queue; or set policy: false for both, and give the queue a policy that allows both topics.`,
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
  // What a queue's policy refuses is lost, or a dead letter that is lost: SNS does not try it again.
  const allowing: pulumi.Resource[] = [];
  const queues = { queue: "queue" in listener ? listener.queue : undefined, "dead-letters": deadLetterQueue };
  for (const [what, queue] of Object.entries(policy ? queues : {})) {
    if (!queue) continue;
    const document = pulumi.output({ queueArn: queue.arn, topicArn: topic.arn }).apply(queuePolicy);
    const args = { queueUrl: queue.url, policy: document };
    allowing.push(new aws.sqs.QueuePolicy(`${name}-${what}-policy`, args, opts));
  }
  if ("function" in listener) {
    const called = { function: listener.function.name, action: "lambda:InvokeFunction" };
    const by = { principal: "sns.amazonaws.com", sourceArn: topic.arn };
    allowing.push(new aws.lambda.Permission(`${name}-permission`, { ...called, ...by }, opts));
  }
  return new aws.sns.TopicSubscription(
    `${name}-subscription`,
    {
      topic: topic.arn,
      ...endpointOf(listener),
      ...(deadLetterQueue && {
        redrivePolicy: pulumi.jsonStringify({ deadLetterTargetArn: deadLetterQueue.arn }),
      }),
      ...subscriptionFilter(ONLY.check("only", only)),
    },
    { ...opts, dependsOn: allowing },
  );
}

function endpointOf(listener: Listener) {
  if ("email" in listener) return { protocol: "email", endpoint: listener.email };
  if ("https" in listener) return { protocol: "https", endpoint: listener.https };
  if ("function" in listener) return { protocol: "lambda", endpoint: listener.function.arn };
  return { protocol: "sqs", endpoint: listener.queue.arn, rawMessageDelivery: true };
}
