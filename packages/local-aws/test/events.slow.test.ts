import path from "node:path";
import { PutBucketNotificationConfigurationCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import {
  CreateTopicCommand,
  ListSubscriptionsByTopicCommand,
  PublishCommand,
  SetSubscriptionAttributesCommand,
  SubscribeCommand,
} from "@aws-sdk/client-sns";
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  PurgeQueueCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
} from "@aws-sdk/client-sqs";
import { expect } from "chai";
import { withFolder } from "../../../test/support/machine.ts";
import { Identity } from "../src/iam/identity.ts";
import {
  ACCOUNT_ID,
  type AwsEvent,
  type EventKind,
  Events,
  type LocalAws,
  startLocalAws,
} from "../src/index.ts";

const REGION = "us-east-1";
const QUEUE = `arn:aws:sqs:${REGION}:${ACCOUNT_ID}:work`;
const DEAD = `arn:aws:sqs:${REGION}:${ACCOUNT_ID}:dead`;

/** A policy that allows one thing, to a service where it is one of a resource. */
const allow = (Action: string | string[], on: { Resource?: string; Service?: string }) => {
  const { Resource, Service } = on;
  const Principal = Service && { Service };
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Sid: "Allows", Effect: "Allow", Action, Resource, Principal }],
  });
};

/** What one image goes through: bucket, topic, queue with a dead-letter queue, and a function with this code. */
interface Pipeline {
  readonly aws: LocalAws;
  readonly topicArn: string;
  readonly queueUrl: string;
  /** All that was told since the function polls. */
  readonly told: readonly AwsEvent[];
  /** Resolves when the first event of a kind was told. */
  until(kind: EventKind): Promise<unknown>;
}

async function withPipeline(code: string, use: (pipeline: Pipeline) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const aws = await startLocalAws({ region: REGION, folder: path.join(folder, "state") });
    try {
      const declared = await declare(aws, code);
      const told: AwsEvent[] = [];
      aws.events.on((event) => told.push(event));
      const until = (kind: EventKind) => new Promise((resolve) => aws.events.on(kind, resolve));
      await use({ aws, told, until, ...declared });
    } finally {
      await aws.close();
    }
  });
}

async function declare({ store, sns, sqs, s3, identity, lambda }: LocalAws, code: string) {
  await sqs.send(new CreateQueueCommand({ QueueName: "dead" }));
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: DEAD, maxReceiveCount: 1 });
  const Policy = allow("sqs:SendMessage", { Resource: QUEUE, Service: "sns.amazonaws.com" });
  const { QueueUrl: queueUrl = "" } = await sqs.send(
    new CreateQueueCommand({ QueueName: "work", Attributes: { RedrivePolicy, Policy } }),
  );
  const { TopicArn: topicArn = "" } = await sns.send(new CreateTopicCommand({ Name: "topic" }));
  identity.setResourcePolicy(
    topicArn,
    allow("sns:Publish", { Resource: topicArn, Service: "s3.amazonaws.com" }),
  );
  const RawMessageDelivery = "true";
  await sns.send(
    new SubscribeCommand({
      ...{ TopicArn: topicArn, Protocol: "sqs", Endpoint: QUEUE },
      Attributes: { RawMessageDelivery },
    }),
  );
  await store.createBucket("images");
  await store.setVersioning("images", "Enabled");
  const TopicConfigurations = [{ TopicArn: topicArn, Events: ["s3:ObjectCreated:*" as const] }];
  await s3.send(
    new PutBucketNotificationConfigurationCommand({
      ...{ Bucket: "images", NotificationConfiguration: { TopicConfigurations } },
    }),
  );
  // The test event is no image.
  await sqs.send(new PurgeQueueCommand({ QueueUrl: queueUrl }));
  const role = identity.createRole("role", allow("sts:AssumeRole", { Service: "lambda.amazonaws.com" }));
  identity.addRolePolicy(
    "role",
    allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], { Resource: QUEUE }),
  );
  const functionArn = await lambda.createFunction({
    ...{
      name: "worker",
      runtime: `nodejs${process.versions.node.split(".")[0]}.x`,
      handler: "index.handler",
    },
    ...{ code: { assets: { "index.js": { text: Promise.resolve(code) } } }, layers: [], role },
    ...{ memorySize: 512, timeout: 10, logGroup: "/worker", environment: {} },
  });
  lambda.createEventSourceMapping({
    ...{ functionArn, queueArn: QUEUE, queueUrl, batchSize: 1, window: 0 },
    ...{ maximumConcurrency: 1, reportsFailures: true },
  });
  return { topicArn, queueUrl };
}

/** The one event of a kind. */
function only<Kind extends EventKind>(told: readonly AwsEvent[], kind: Kind): AwsEvent<Kind> {
  const all = told.filter((event) => event.kind === kind);
  expect(all, kind).to.have.length(1);
  return all[0] as unknown as AwsEvent<Kind>;
}

/** Who was allowed what by which statement, or was not; without the polls, which go on all the time. */
function steps(told: readonly AwsEvent[]): string[] {
  return told.flatMap((event) => {
    // A line is read from another stream than the answer, and may come behind it.
    if (event.kind === "logged") return [];
    if (event.kind !== "decided") return [event.kind];
    if (event.action === "sqs:ReceiveMessage") return [];
    const { principal, action, allowed, statement } = event;
    const who = principal.type === "role" ? principal.sessionName : "name" in principal ? principal.name : "";
    const by = statement ? ` by ${statement.sid} of ${statement.policy}` : "";
    return [`${who || principal.type} ${allowed ? "may" : "may not"} ${action}${by}`];
  });
}

describe("the events of local-aws", () => {
  it("tell the story of one image, in its order and with the ids that tie it together", async () => {
    const code = "exports.handler = async () => console.log('turned');";
    await withPipeline(code, async ({ aws, told, until, topicArn }) => {
      const over = Promise.all([until("deleted"), until("logged")]);
      aws.start();

      const Key = "a cat.jpg";
      const { VersionId: versionId = "", $metadata } = await aws.s3.send(
        new PutObjectCommand({ Bucket: "images", Key, Body: "an image" }),
      );
      await over;

      expect(steps(told)).to.deep.equal([
        "user may s3:PutObject by #1 of the administrator",
        "put",
        `s3.amazonaws.com may sns:Publish by Allows of policy of ${topicArn}`,
        "published",
        `sns.amazonaws.com may sqs:SendMessage by Allows of policy of ${QUEUE}`,
        "delivered",
        "received",
        "begun",
        "ended",
        "worker may sqs:DeleteMessage by Allows of role role",
        "deleted",
      ]);
      const image = { bucket: "images", key: Key, versionId };
      expect(only(told, "put")).to.deep.include({
        ...{ ...image, size: 8, eventName: "ObjectCreated:Put", requestId: $metadata.requestId },
      });
      const { notificationId } = only(told, "published");
      expect(only(told, "published")).to.deep.include({ topicArn, objects: [image] });
      const { messageId } = only(told, "delivered");
      expect(only(told, "delivered")).to.include({ topicArn, notificationId, queueArn: QUEUE });
      expect(only(told, "received")).to.include({ queueArn: QUEUE, messageId, receiveCount: 1 });
      const { requestId, messages } = only(told, "begun");
      expect(messages[0]).to.deep.include({ messageId, body: only(told, "published").message });
      expect(only(told, "logged")).to.include({ functionName: "worker", requestId, line: "turned" });
      expect(only(told, "ended")).to.deep.include({ requestId, failedMessages: [], error: undefined });
      expect(only(told, "deleted")).to.include({ queueArn: QUEUE, messageId });
      expect(told.map(({ time }) => time)).to.deep.equal(told.map(({ time }) => time).toSorted());
    });
  });

  it("tell of a message that fails too often and goes to the dead-letter queue", async () => {
    const code = `exports.handler = async ({ Records }) =>
      ({ batchItemFailures: Records.map(({ messageId }) => ({ itemIdentifier: messageId })) });`;
    await withPipeline(code, async ({ aws, told, until, queueUrl }) => {
      const over = until("deadLettered");
      // It is to be had again at once; the only poller asks when the function has answered.
      await aws.sqs.send(
        new SetQueueAttributesCommand({ QueueUrl: queueUrl, Attributes: { VisibilityTimeout: "0" } }),
      );
      aws.start();

      await aws.sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: "no image" }));
      await over;

      const kinds = told.map(({ kind }) => kind).filter((kind) => kind !== "decided");
      expect(kinds).to.deep.equal(["sent", "received", "begun", "ended", "deadLettered"]);
      const { messageId } = only(told, "sent");
      expect(only(told, "sent")).to.include({ queueArn: QUEUE, body: "no image" });
      expect(only(told, "ended").failedMessages).to.deep.equal([messageId]);
      expect(only(told, "deadLettered")).to.include({ messageId, queueArn: DEAD, from: QUEUE });
    });
  });

  it("tell that a message was sent before whoever waits for it receives it", async () => {
    await withPipeline("exports.handler = async () => {};", async ({ aws, told, until, queueUrl }) => {
      const over = until("deleted");
      const waiting = until("decided");
      aws.start();
      await waiting;
      // Its poll has begun when one that came later is answered.
      await aws.sqs.send(new GetQueueAttributesCommand({ QueueUrl: queueUrl }));

      const { MessageId } = await aws.sqs.send(
        new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: "no image" }),
      );
      await over;

      const kinds = told.map(({ kind }) => kind).filter((kind) => kind !== "decided");
      expect(kinds).to.deep.equal(["sent", "received", "begun", "ended", "deleted"]);
      expect(only(told, "sent")).to.include({ queueArn: QUEUE, messageId: MessageId, body: "no image" });
    });
  });

  it("tell of a message that SNS may not deliver, and of why, by the dead-letter queue of its subscription", async () => {
    await withPipeline("", async ({ aws, told, topicArn }) => {
      const { Subscriptions = [] } = await aws.sns.send(
        new ListSubscriptionsByTopicCommand({ TopicArn: topicArn }),
      );
      const SubscriptionArn = Subscriptions[0]?.SubscriptionArn;
      await aws.sns.send(
        new SetSubscriptionAttributesCommand({
          ...{ SubscriptionArn, AttributeName: "RedrivePolicy" },
          AttributeValue: JSON.stringify({ deadLetterTargetArn: DEAD }),
        }),
      );
      aws.identity.setResourcePolicy(QUEUE, "");
      aws.identity.setResourcePolicy(
        DEAD,
        allow("sqs:SendMessage", { Resource: DEAD, Service: "sns.amazonaws.com" }),
      );

      await aws.sns.send(new PublishCommand({ TopicArn: topicArn, Message: "an image" }));

      const { reason, ...deadLettered } = only(told, "deadLettered");
      expect(deadLettered).to.include({ queueArn: DEAD, from: SubscriptionArn });
      expect(reason).to.match(/^service sns\.amazonaws\.com is denied: .* sqs:SendMessage on .*:work$/);
      expect(only(told, "published").objects).to.deep.equal([]);
    });
  });

  it("tell of a request that is denied, who asked for what, and why", async () => {
    await withPipeline("", async ({ aws, told }) => {
      const s3 = new S3Client({
        ...{ region: REGION, endpoint: aws.endpoint, credentials: aws.lambda.credentialsOf("worker") },
      });
      const put = s3.send(new PutObjectCommand({ Bucket: "images", Key: "cat.jpg", Body: "an image" }));
      const requestId = await put.catch(({ $metadata }) => $metadata.requestId);
      s3.destroy();

      expect(told.map(({ kind }) => kind)).to.deep.equal(["decided"]);
      const { principal, ...decided } = only(told, "decided");
      expect(principal).to.include({ type: "role", sessionName: "worker" });
      expect(decided).to.include({
        ...{ action: "s3:PutObject", resource: "arn:aws:s3:::images/cat.jpg", requestId },
        ...{ allowed: false, statement: undefined },
        message:
          "role role is denied: no statement of role role allows s3:PutObject on arn:aws:s3:::images/cat.jpg",
      });
    });
  });

  it("name every statement of a role by one name of its own", () => {
    const events = new Events();
    const identity = new Identity(ACCOUNT_ID, undefined, events);
    const arn = identity.createRole("role", allow("sts:AssumeRole", { Service: "lambda.amazonaws.com" }));
    for (const action of ["s3:GetObject", "s3:PutObject"]) {
      identity.addRolePolicy("role", allow(action, { Resource: "*" }));
    }
    const names: unknown[] = [];
    events.on("decided", ({ statement }) => names.push(statement?.policy));

    const role = { type: "role", arn, id: "", sessionName: "" } as const;
    for (const action of ["s3:GetObject", "s3:PutObject"]) identity.judge(role, action, "*");

    expect(names).to.deep.equal(["role role", "role role, policy 2"]);
  });
});

describe("a stream of events", () => {
  const deleted = { queueArn: QUEUE, messageId: "1" };

  it("makes no event that nobody listens to", () => {
    const events = new Events();
    let made = 0;
    const make = () => {
      made++;
      return deleted;
    };
    const stop = events.on("deleted", () => {});

    events.emit("sent", () => ({ ...make(), body: "" }));
    events.emit("deleted", make);
    stop();
    events.emit("deleted", make);

    expect(made).to.equal(1);
  });

  it("goes on where a listener throws, whose error nothing catches", async () => {
    const events = new Events();
    const heard: string[] = [];
    events.on(() => {
      throw new Error("it broke");
    });
    events.on("deleted", ({ messageId }) => heard.push(messageId));
    const listeners = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    const uncaught = new Promise<Error>((resolve) => process.once("uncaughtException", resolve));

    events.emit("deleted", () => deleted);

    expect((await uncaught).message).to.equal("it broke");
    for (const listener of listeners) process.on("uncaughtException", listener);
    expect(heard).to.deep.equal(["1"]);
  });
});
