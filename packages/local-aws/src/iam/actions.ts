/**
 * Maps the requests of SQS and SNS to IAM actions and resources; S3's are
 * known to the object store, which has buckets and keys in its hands.
 *
 * @see https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html
 * @see https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html
 */

import { keyArn, queueArn } from "../arn.ts";
import { ServiceError } from "../service-error.ts";
import type { GivenKey } from "./keys.ts";

/** One permission. A request may need several, and then all of them. */
export interface Permission {
  readonly action: string;
  /** An ARN, or `*` where the action has no resource. */
  readonly resource: string;
  /** Condition keys that come from the request itself. */
  readonly context?: Readonly<Partial<Record<GivenKey, string | undefined>>>;
}

/** What resources are named by, and encrypted with. */
export interface Names {
  readonly region: string;
  readonly accountId: string;
  /** What a queue is encrypted with, or nothing where that is a key of AWS's own. */
  queueKey(queueArn: string): string | undefined;
}

/**
 * The permissions of a request to SQS, whose input is that of the JSON protocol.
 * @throws {ServiceError} where the operation is unknown or does not say what it is about
 */
export function sqsPermissions(operation: string, input: object, names: Names): readonly Permission[] {
  const read = Object.hasOwn(SQS, operation) ? SQS[operation] : undefined;
  if (!read) throw new ServiceError("InvalidAction", `SQS has no operation ${operation} on this computer`);
  return read({ operation, input: input as Input, names });
}

/**
 * The permissions of a request to SNS.
 * @throws {ServiceError} where the operation is unknown or does not say what it is about
 */
export function snsPermissions(
  parameters: Readonly<Record<string, string>>,
  names: Names,
): readonly Permission[] {
  const operation = parameters.Action ?? "";
  const read = Object.hasOwn(SNS, operation) ? SNS[operation] : undefined;
  if (!read) throw new ServiceError("InvalidAction", `SNS has no operation ${operation} on this computer`);
  return read({ operation, input: parameters, names });
}

/** The parameters in a form. @throws {ServiceError} where one comes twice: it could be judged by one value and done by the other */
export function readForm(text: string): Record<string, string> {
  const form = new URLSearchParams(text);
  const twice = [...form.keys()].find((key) => form.getAll(key).length > 1);
  if (twice !== undefined) throw new ServiceError("InvalidParameter", `the parameter ${twice} comes twice`);
  return Object.fromEntries(form);
}

/** The ARN of a bucket, or of an object in it. */
export function s3Arn(bucket: string, key?: string): string {
  return `arn:aws:s3:::${bucket}${key === undefined ? "" : `/${key}`}`;
}

/** The permissions that it takes to use a key by way of a service, whose own key everybody may use who may use the service. */
export function usesOfKey(
  service: "s3" | "sqs",
  key: string,
  { region, accountId }: Pick<Names, "region" | "accountId">,
  ...uses: readonly string[]
): readonly Permission[] {
  if (key.endsWith(`alias/aws/${service}`)) return [];
  const resource = keyArn(key, `arn:aws:kms:${region}:${accountId}`);
  const context = { "kms:ViaService": `${service}.${region}.amazonaws.com` };
  return uses.map((action) => ({ action, resource, context }));
}

type Input = Readonly<Record<string, unknown>>;

interface Call {
  readonly operation: string;
  readonly input: Input;
  readonly names: Names;
}

type Read = (call: Call) => readonly Permission[];

function text(input: Input, name: string): string {
  const value = input[name];
  if (typeof value === "string" && value !== "") return value;
  throw new ServiceError("MissingParameter", `the request must contain the parameter ${name}`);
}

/** An operation that needs the permission of its own name, on one resource. */
function on(service: "sqs" | "sns", resource: (call: Call) => string): Read {
  return (call) => [{ action: `${service}:${call.operation}`, resource: resource(call) }];
}

function queueOf({ input, names }: Call): string {
  return queueArn(names, text(input, "QueueUrl"));
}

const onQueue = on("sqs", queueOf);

/** A batch needs the permission of the single operation. */
const batch: Read = (call) => [
  { action: `sqs:${call.operation.replace(/Batch$/, "")}`, resource: queueOf(call) },
];

/**
 * Of an encrypted queue, the caller must be allowed to use the key as well, by way of SQS:
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
 */
function withKey(read: Read, ...uses: string[]): Read {
  return (call) => {
    const resource = queueOf(call);
    const key = call.names.queueKey(resource);
    return [...read(call), ...(key === undefined ? [] : usesOfKey("sqs", key, call.names, ...uses))];
  };
}

function namedQueue({ input, names }: Call): string {
  const owner =
    input.QueueOwnerAWSAccountId === undefined ? names.accountId : text(input, "QueueOwnerAWSAccountId");
  return `arn:aws:sqs:${names.region}:${owner}:${text(input, "QueueName")}`;
}

const createQueue: Read = (call) => {
  const resource = namedQueue(call);
  const tagging = isEmpty(call.input.tags) ? [] : [{ action: "sqs:TagQueue", resource }];
  return [{ action: "sqs:CreateQueue", resource }, ...tagging];
};

/** The operations that fauxqs answers. */
const SQS: Readonly<Record<string, Read>> = {
  ChangeMessageVisibility: onQueue,
  ChangeMessageVisibilityBatch: batch,
  CreateQueue: createQueue,
  DeleteMessage: onQueue,
  DeleteMessageBatch: batch,
  DeleteQueue: onQueue,
  GetQueueAttributes: onQueue,
  GetQueueUrl: on("sqs", namedQueue),
  ListQueues: on("sqs", () => "*"),
  ListQueueTags: onQueue,
  PurgeQueue: onQueue,
  ReceiveMessage: withKey(onQueue, "kms:Decrypt"),
  SendMessage: withKey(onQueue, "kms:GenerateDataKey", "kms:Decrypt"),
  SendMessageBatch: withKey(batch, "kms:GenerateDataKey", "kms:Decrypt"),
  SetQueueAttributes: onQueue,
  TagQueue: onQueue,
  UntagQueue: onQueue,
};

const onTopic = on("sns", ({ input }) => text(input, "TopicArn"));
const onTagged = on("sns", ({ input }) => text(input, "ResourceArn"));
/** Subscriptions are no resources that a policy could name. */
const onNothing = on("sns", () => "*");

/** To a topic, which has two names; messages to phones and mobile applications are declined. */
const publish: Read = ({ input }) => {
  if (input.TopicArn !== undefined && input.TargetArn !== undefined) {
    throw new ServiceError("InvalidParameter", "a message goes to one of TopicArn and TargetArn");
  }
  const name = input.TargetArn === undefined ? "TopicArn" : "TargetArn";
  return [{ action: "sns:Publish", resource: text(input, name) }];
};

const publishBatch: Read = ({ input }) => [{ action: "sns:Publish", resource: text(input, "TopicArn") }];

const subscribe: Read = ({ input }) => {
  const endpoint = typeof input.Endpoint === "string" ? { "sns:Endpoint": input.Endpoint } : {};
  const context = { "sns:Protocol": text(input, "Protocol"), ...endpoint };
  return [{ action: "sns:Subscribe", resource: text(input, "TopicArn"), context }];
};

const createTopic: Read = ({ input, names }) => {
  const resource = `arn:aws:sns:${names.region}:${names.accountId}:${text(input, "Name")}`;
  const tagged = Object.keys(input).some((name) => name.startsWith("Tags."));
  return [
    { action: "sns:CreateTopic", resource },
    ...(tagged ? [{ action: "sns:TagResource", resource }] : []),
  ];
};

/** The operations that fauxqs answers. */
const SNS: Readonly<Record<string, Read>> = {
  ConfirmSubscription: onTopic,
  CreateTopic: createTopic,
  DeleteTopic: onTopic,
  GetSubscriptionAttributes: onNothing,
  GetTopicAttributes: onTopic,
  ListSubscriptions: onNothing,
  ListSubscriptionsByTopic: onTopic,
  ListTagsForResource: onTagged,
  ListTopics: onNothing,
  Publish: publish,
  PublishBatch: publishBatch,
  SetSubscriptionAttributes: onNothing,
  SetTopicAttributes: onTopic,
  Subscribe: subscribe,
  TagResource: onTagged,
  Unsubscribe: onNothing,
  UntagResource: onTagged,
};

function isEmpty(value: unknown): boolean {
  return typeof value !== "object" || value === null || Object.keys(value).length === 0;
}
