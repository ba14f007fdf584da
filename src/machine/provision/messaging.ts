import { type Direct, queueArn } from "local-aws";
import { takenAsDeclared } from "./declared.ts";
import { policyText, type ResourceType, type Services } from "./provider.ts";

/** Inputs of a queue and the attribute that SQS knows each by. */
const QUEUE_ATTRIBUTES: Record<string, string> = {
  delaySeconds: "DelaySeconds",
  kmsMasterKeyId: "KmsMasterKeyId",
  maxMessageSize: "MaximumMessageSize",
  messageRetentionSeconds: "MessageRetentionPeriod",
  receiveWaitTimeSeconds: "ReceiveMessageWaitTimeSeconds",
  redrivePolicy: "RedrivePolicy",
  sqsManagedSseEnabled: "SqsManagedSseEnabled",
  visibilityTimeoutSeconds: "VisibilityTimeout",
};

/** Inputs of a subscription, the attribute that SNS knows each by, and what that is where nothing is said. */
const SUBSCRIPTION_ATTRIBUTES: Record<string, readonly [string, string]> = {
  rawMessageDelivery: ["RawMessageDelivery", "false"],
  redrivePolicy: ["RedrivePolicy", ""],
  filterPolicyScope: ["FilterPolicyScope", ""],
  filterPolicy: ["FilterPolicy", ""],
};

/** Lets everybody use a key that the program does not make: only AWS knows its policy. */
export function takeExistingKey({ arns, identity, omitted }: Services, keyId: unknown): void {
  const key = `aws:kms/key:Key ${keyId}`;
  if (typeof keyId !== "string" || !keyId.startsWith("arn:") || arns.has(key)) return;
  arns.set(key, keyId);
  omitted.add("the policy of a KMS key that exists already", `the key ${keyId} is not on this computer.`);
  const all = { Effect: "Allow", Principal: "*", Action: "kms:*", Resource: "*" };
  identity.setResourcePolicy(keyId, JSON.stringify({ Version: "2012-10-17", Statement: [all] }));
}

export const messaging: Record<string, ResourceType> = {
  "aws:sns/topic:Topic": {
    // Encryption itself is left to the disk, but who may use the key is judged. Traces nobody collects.
    inputs: ["name", "tags.*", "kmsMasterKeyId", "tracingConfig"],
    inert: [
      "deliveryPolicy",
      "displayName",
      "signatureVersion",
      ...["application", "firehose", "http", "lambda", "sqs"].flatMap((protocol) =>
        ["FailureFeedbackRoleArn", "SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate"].map(
          (input) => protocol + input,
        ),
      ),
    ],
    async provision({ inputs, physicalName }, services) {
      const { direct } = services;
      takeExistingKey(services, inputs.kmsMasterKeyId);
      const name = String(inputs.name ?? physicalName);
      const { TopicArn = "" } = (await direct.sns("CreateTopic", { Name: name })).answer;
      const key = { AttributeName: "KmsMasterKeyId", AttributeValue: String(inputs.kmsMasterKeyId ?? "") };
      await direct.sns("SetTopicAttributes", { TopicArn, ...key });
      return { id: TopicArn, state: { ...inputs, name, arn: TopicArn } };
    },
  },

  "aws:sns/topicPolicy:TopicPolicy": {
    single: true,
    inputs: ["arn", "policy"],
    async provision({ inputs }, { direct }) {
      const TopicArn = String(inputs.arn);
      const policy = { AttributeName: "Policy", AttributeValue: policyText(inputs.policy) };
      await direct.sns("SetTopicAttributes", { TopicArn, ...policy });
      return { id: TopicArn, state: inputs };
    },
  },

  "aws:sns/topicSubscription:TopicSubscription": {
    inputs: ["topic", "protocol", "endpoint", ...Object.keys(SUBSCRIPTION_ATTRIBUTES)],
    inert: ["confirmationTimeoutInMinutes", "deliveryPolicy", "endpointAutoConfirms", "subscriptionRoleArn"],
    async provision(resource, services) {
      const { inputs } = resource;
      const { direct, identity, omitted, elsewhere } = services;
      const { topic, protocol, endpoint } = inputs as Record<string, string>;
      if (elsewhere.has(String(topic))) {
        omitted.add(
          "aws:sns/topicSubscription:TopicSubscription of a topic that exists already",
          `the topic ${topic} is not on this computer`,
        );
        return takenAsDeclared(resource, services);
      }
      if (protocol !== "sqs") {
        // Alarms are never raised here, so there is nothing to mail.
        if (protocol !== "email") {
          omitted.add(
            `aws:sns/topicSubscription:TopicSubscription with protocol ${protocol}`,
            `protocol ${protocol} is not supported on this computer, only sqs and email`,
          );
        }
        return takenAsDeclared(resource, services);
      }
      // AWS would accept the subscription and deliver nothing; a sentence at the start is kinder.
      const refused = identity.refusalOfService(
        "sns.amazonaws.com",
        String(topic),
        "sqs:SendMessage",
        String(endpoint),
      );
      if (refused !== undefined) throw new Error(refused);
      const attributes = Object.fromEntries(
        Object.entries(SUBSCRIPTION_ATTRIBUTES).map(([input, [attribute, none]]) => [
          attribute,
          String(inputs[input] ?? none),
        ]),
      );
      const arn = await subscribe(direct, String(topic), String(endpoint), attributes);
      return { id: arn, state: { ...inputs, arn } };
    },
  },

  "aws:sqs/queue:Queue": {
    inputs: ["name", "tags.*", ...Object.keys(QUEUE_ATTRIBUTES)],
    inert: ["kmsDataKeyReusePeriodSeconds"],
    async provision({ inputs, physicalName }, services) {
      const name = String(inputs.name ?? physicalName);
      const given = { kmsMasterKeyId: "", ...inputs } as Record<string, unknown>;
      const attributes = Object.entries(QUEUE_ATTRIBUTES).flatMap(([input, attribute]) =>
        given[input] === undefined ? [] : [[attribute, String(given[input])]],
      );
      const url = `${services.endpoint}/${services.accountId}/${name}`;
      takeExistingKey(services, inputs.kmsMasterKeyId);
      await services.direct.sqs("CreateQueue", { QueueName: name });
      // On their own, as a queue that is there from an earlier start may have had others.
      await services.direct.sqs("SetQueueAttributes", {
        QueueUrl: url,
        Attributes: Object.fromEntries(attributes),
      });
      return { id: url, state: { ...inputs, name, url, arn: queueArn(services, url) } };
    },
  },

  "aws:sqs/queuePolicy:QueuePolicy": queueAttribute("Policy", "policy"),
  "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": queueAttribute("RedriveAllowPolicy", "redriveAllowPolicy"),
};

/** A resource that is an attribute of a queue, by the input that gives it. */
function queueAttribute(attribute: string, input: string): ResourceType {
  return {
    single: true,
    inputs: ["queueUrl", input],
    async provision({ inputs }, { direct }) {
      const QueueUrl = String(inputs.queueUrl);
      const Attributes = { [attribute]: policyText(inputs[input]) };
      await direct.sqs("SetQueueAttributes", { QueueUrl, Attributes });
      return { id: QueueUrl, state: inputs };
    },
  };
}

/** Subscribes a queue, or changes its subscription of an earlier start that had other attributes. @returns the ARN */
async function subscribe(
  direct: Direct,
  TopicArn: string,
  Endpoint: string,
  attributes: Record<string, string>,
): Promise<string> {
  const Attributes = Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== ""));
  const given = { TopicArn, Protocol: "sqs", Endpoint, ReturnSubscriptionArn: true, Attributes };
  try {
    return (await direct.sns("Subscribe", given)).answer.SubscriptionArn ?? "";
  } catch (error) {
    if (!/already exists/.test((error as Error).message)) throw error;
  }
  // SNS tells nobody the ARN of a subscription that it has with other attributes.
  let SubscriptionArn = "";
  for await (const each of listed(direct, "ListSubscriptionsByTopic", { TopicArn })) {
    if (each.Endpoint === Endpoint) SubscriptionArn = each.SubscriptionArn ?? "";
  }
  for (const [AttributeName, AttributeValue] of Object.entries(attributes)) {
    await direct.sns("SetSubscriptionAttributes", { SubscriptionArn, AttributeName, AttributeValue });
  }
  return SubscriptionArn;
}

/** What SNS lists, page by page. */
export async function* listed(
  direct: Pick<Direct, "sns">,
  operation: string,
  input: object = {},
): AsyncGenerator<Readonly<Record<string, string>>> {
  for (let token: string | undefined = ""; token !== undefined; ) {
    const { answer, members } = await direct.sns(operation, { ...input, ...(token && { NextToken: token }) });
    yield* members;
    token = answer.NextToken || undefined;
  }
}
