import {
  CreateTopicCommand,
  DeleteTopicCommand,
  GetSubscriptionAttributesCommand,
  GetTopicAttributesCommand,
  ListSubscriptionsByTopicCommand,
  PublishBatchCommand,
  PublishCommand,
  type PublishCommandInput,
  SetSubscriptionAttributesCommand,
  SubscribeCommand,
  UnsubscribeCommand,
} from "@aws-sdk/client-sns";
import {
  CreateQueueCommand,
  DeleteQueueCommand,
  ReceiveMessageCommand,
  SetQueueAttributesCommand,
} from "@aws-sdk/client-sqs";
import { expect } from "chai";
import { afterFile } from "../../../../test/support/cleanup.ts";
import { arnOf, createQueue, receiveAll } from "./queues.ts";
import { refusal, region, sns, sqs, uniqueName } from "./target.ts";

/** A topic of its own, gone when the tests of the file are done. Its ARN. */
async function createTopic(Name = uniqueName()): Promise<string> {
  const client = await sns();
  const { TopicArn } = await client.send(new CreateTopicCommand({ Name }));
  afterFile(() => client.send(new DeleteTopicCommand({ TopicArn })));
  return TopicArn as string;
}

/** A queue that takes what the topic sends. */
async function createReceiver(topic: string, attributes: Record<string, string> = {}) {
  const url = await createQueue(attributes);
  const client = await sqs();
  const arn = await arnOf(url);
  const Policy = JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Allow",
        Principal: { Service: "sns.amazonaws.com" },
        Action: "sqs:SendMessage",
        Resource: arn,
        Condition: { ArnEquals: { "aws:SourceArn": topic } },
      },
    ],
  });
  await client.send(new SetQueueAttributesCommand({ QueueUrl: url, Attributes: { Policy } }));
  return { url, arn };
}

async function subscribe(topic: string, Endpoint: string, Attributes: Record<string, string> = {}) {
  const { SubscriptionArn } = await (await sns()).send(
    new SubscribeCommand({
      ...{ TopicArn: topic, Protocol: "sqs", Endpoint, Attributes },
      ReturnSubscriptionArn: true,
    }),
  );
  return SubscriptionArn as string;
}

const publish = async (topic: string, Message: string, more: Partial<PublishCommandInput> = {}) =>
  (await sns()).send(new PublishCommand({ TopicArn: topic, Message, ...more }));

describe("SNS: a topic", () => {
  it("has an ARN of its name, and is the same topic when it is created again", async () => {
    const name = uniqueName();
    const arn = await createTopic(name);
    expect(arn).to.match(new RegExp(`^arn:aws:sns:${region}:\\d{12}:${name}$`));
    expect(await createTopic(name)).to.equal(arn);
    const { Attributes } = await (await sns()).send(new GetTopicAttributesCommand({ TopicArn: arn }));
    expect(Attributes?.TopicArn).to.equal(arn);
  });

  it("is not made of a name that SNS forbids", async () => {
    expect(await refusal(createTopic("no name!"))).to.deep.equal({
      code: "InvalidParameterException",
      status: 400,
    });
  });

  it("takes no message when it is not there, or is gone", async () => {
    const missing = `${await createTopic()}-not`;
    expect(await refusal(publish(missing, "x"))).to.deep.equal({ code: "NotFoundException", status: 404 });
    const gone = await createTopic();
    await (await sns()).send(new DeleteTopicCommand({ TopicArn: gone }));
    expect(await refusal(publish(gone, "x"))).to.deep.equal({ code: "NotFoundException", status: 404 });
  });

  it("takes no empty message, and none of more than 256 KiB", async () => {
    const topic = await createTopic();
    const invalid = { code: "InvalidParameterException", status: 400 };
    expect(await refusal(publish(topic, ""))).to.deep.equal(invalid);
    expect(await refusal(publish(topic, "x".repeat(256 * 1024 + 1)))).to.deep.equal(invalid);
    expect((await publish(topic, "x".repeat(256 * 1024))).MessageId).to.be.a("string");
  });
});

describe("SNS: a subscribed queue", () => {
  it("gets each message in an envelope", async () => {
    const topic = await createTopic();
    const { url, arn } = await createReceiver(topic);
    await subscribe(topic, arn);
    const message = JSON.stringify({ Records: [{ key: "naïve+\u{1f4f7}" }] });
    const { MessageId } = await publish(topic, message, {
      Subject: "Amazon S3 Notification",
      MessageAttributes: { angle: { DataType: "Number", StringValue: "90" } },
    });
    const [received] = await receiveAll(url, 1);
    const envelope = JSON.parse(received?.Body ?? "");
    expect(envelope).to.deep.include({
      Type: "Notification",
      TopicArn: topic,
      MessageId,
      Message: message,
      Subject: "Amazon S3 Notification",
      MessageAttributes: { angle: { Type: "Number", Value: "90" } },
    });
    expect(new Date(envelope.Timestamp).getTime()).to.be.closeTo(Date.now(), 60_000);
    expect(envelope).to.include.keys("Signature", "SignatureVersion", "SigningCertURL", "UnsubscribeURL");
  });

  it("gets the bare message where it asked for that, with its attributes", async () => {
    const topic = await createTopic();
    const { url, arn } = await createReceiver(topic);
    await subscribe(topic, arn, { RawMessageDelivery: "true" });
    const angle = { DataType: "Number", StringValue: "90" };
    await publish(topic, "bare", { MessageAttributes: { angle } });
    const { Messages = [] } = await (await sqs()).send(
      new ReceiveMessageCommand({ QueueUrl: url, WaitTimeSeconds: 10, MessageAttributeNames: ["All"] }),
    );
    expect(Messages.map(({ Body }) => Body)).to.deep.equal(["bare"]);
    expect(Messages[0]?.MessageAttributes?.angle).to.deep.include(angle);
  });

  it("is one of many, and all get every message", async () => {
    const topic = await createTopic();
    const receivers = [await createReceiver(topic), await createReceiver(topic)];
    for (const { arn } of receivers) await subscribe(topic, arn, { RawMessageDelivery: "true" });
    await publish(topic, "for all");
    for (const { url } of receivers) {
      expect((await receiveAll(url, 1)).map(({ Body }) => Body)).to.deep.equal(["for all"]);
    }
    const { Subscriptions = [] } = await (await sns()).send(
      new ListSubscriptionsByTopicCommand({ TopicArn: topic }),
    );
    expect(Subscriptions.map(({ Endpoint, Protocol }) => [Protocol, Endpoint])).to.have.deep.members(
      receivers.map(({ arn }) => ["sqs", arn]),
    );
  });

  it("gets what passes its filter of attributes", async () => {
    const topic = await createTopic();
    const { url, arn } = await createReceiver(topic);
    const FilterPolicy = JSON.stringify({
      kind: ["image", { prefix: "photo-" }],
      size: [{ numeric: [">", 10] }],
    });
    await subscribe(topic, arn, { RawMessageDelivery: "true", FilterPolicy });
    for (const [kind, size] of [
      ["image", "11"],
      ["image", "10"],
      ["photo-1", "100"],
      ["text", "100"],
    ] as const) {
      await publish(topic, `${kind} ${size}`, {
        MessageAttributes: {
          kind: { DataType: "String", StringValue: kind },
          size: { DataType: "Number", StringValue: size },
        },
      });
    }
    await publish(topic, "without attributes");
    await publish(topic, "end", {
      MessageAttributes: {
        kind: { DataType: "String", StringValue: "image" },
        size: { DataType: "Number", StringValue: "99" },
      },
    });
    const received = await receiveAll(url, 3);
    expect(received.map(({ Body }) => Body)).to.have.members(["image 11", "photo-1 100", "end"]);
  });

  it("gets what passes its filter of the message's body", async () => {
    const topic = await createTopic();
    const { url, arn } = await createReceiver(topic);
    await subscribe(topic, arn, {
      RawMessageDelivery: "true",
      FilterPolicyScope: "MessageBody",
      FilterPolicy: JSON.stringify({ object: { key: [{ prefix: "in/" }] } }),
    });
    const event = (key: string) => JSON.stringify({ object: { key } });
    for (const key of ["out/a.png", "in/b.png", "in/c.png"]) await publish(topic, event(key));
    const received = await receiveAll(url, 2);
    expect(received.map(({ Body }) => Body)).to.have.members([event("in/b.png"), event("in/c.png")]);
  });

  it("gets what passes its filter of S3's records, whose list is looked into", async () => {
    const topic = await createTopic();
    const { url, arn } = await createReceiver(topic);
    await subscribe(topic, arn, {
      RawMessageDelivery: "true",
      FilterPolicyScope: "MessageBody",
      FilterPolicy: JSON.stringify({
        Records: {
          s3: { object: { key: [{ suffix: ".jpg" }, { suffix: ".JPG" }], size: [{ numeric: [">=", 10] }] } },
        },
      }),
    });
    const event = (key: string, size: number) =>
      JSON.stringify({ Records: [{ s3: { object: { key, size } } }] });
    for (const [key, size] of [
      ["a.png", 10],
      ["b.jpg", 9],
      ["c.jpg", 10],
      ["d.JPG", 11],
    ] as const) {
      await publish(topic, event(key, size));
    }
    await publish(topic, "no JSON");
    await publish(topic, event("end.jpg", 10));
    const received = await receiveAll(url, 3);
    expect(received.map(({ Body }) => Body)).to.have.members([
      event("c.jpg", 10),
      event("d.JPG", 11),
      event("end.jpg", 10),
    ]);
  });

  it("is refused with a filter that SNS does not know", async () => {
    const topic = await createTopic();
    const { arn } = await createReceiver(topic);
    for (const policy of ["{", '{"a":"b"}', '{"a":[]}', '{"a":[{"begins":"b"}]}', '{"a":{"b":["c"]}}']) {
      expect(await refusal(subscribe(topic, arn, { FilterPolicy: policy })), policy).to.deep.equal({
        code: "InvalidParameterException",
        status: 400,
      });
    }
  });

  it("is the same subscription when it is made again, unless it is to be another", async () => {
    const topic = await createTopic();
    const { arn } = await createReceiver(topic);
    const subscription = await subscribe(topic, arn, { RawMessageDelivery: "true" });
    expect(await subscribe(topic, arn, { RawMessageDelivery: "true" })).to.equal(subscription);
    expect(await refusal(subscribe(topic, arn, { RawMessageDelivery: "false" }))).to.deep.equal({
      code: "InvalidParameterException",
      status: 400,
    });
  });

  it("is changed where it stands", async () => {
    const topic = await createTopic();
    const { url, arn } = await createReceiver(topic);
    const SubscriptionArn = await subscribe(topic, arn);
    await (await sns()).send(
      new SetSubscriptionAttributesCommand({
        ...{ SubscriptionArn, AttributeName: "RawMessageDelivery", AttributeValue: "true" },
      }),
    );
    const { Attributes } = await (await sns()).send(
      new GetSubscriptionAttributesCommand({ SubscriptionArn }),
    );
    expect(Attributes).to.include({
      ...{ TopicArn: topic, Protocol: "sqs", Endpoint: arn, RawMessageDelivery: "true" },
      ...{ SubscriptionArn, PendingConfirmation: "false" },
    });
    await publish(topic, "bare");
    expect((await receiveAll(url, 1))[0]?.Body).to.equal("bare");
  });

  it("gets nothing any more when it has unsubscribed", async () => {
    const topic = await createTopic();
    const [gone, stays] = [await createReceiver(topic), await createReceiver(topic)];
    const SubscriptionArn = await subscribe(topic, gone.arn);
    await subscribe(topic, stays.arn);
    await (await sns()).send(new UnsubscribeCommand({ SubscriptionArn }));
    await publish(topic, "x");
    expect(await receiveAll(stays.url, 1)).to.have.length(1);
    const { Messages = [] } = await (await sqs()).send(new ReceiveMessageCommand({ QueueUrl: gone.url }));
    expect(Messages).to.deep.equal([]);
  });

  it("gets batches message by message", async () => {
    const topic = await createTopic();
    const { url, arn } = await createReceiver(topic);
    await subscribe(topic, arn, { RawMessageDelivery: "true" });
    const entries = Array.from({ length: 10 }, (_, index) => ({ Id: `${index}`, Message: `body ${index}` }));
    const batch = async (PublishBatchRequestEntries: { Id: string; Message: string }[]) =>
      (await sns()).send(new PublishBatchCommand({ TopicArn: topic, PublishBatchRequestEntries }));
    const { Successful, Failed = [] } = await batch(entries);
    expect(Successful).to.have.length(10);
    expect(Failed).to.deep.equal([]);
    expect((await receiveAll(url, 10)).map(({ Body }) => Body)).to.have.members(
      entries.map(({ Message }) => Message),
    );
    expect((await refusal(batch([...entries, { Id: "10", Message: "x" }]))).code).to.equal(
      "TooManyEntriesInBatchRequestException",
    );
    expect((await refusal(batch([]))).code).to.equal("EmptyBatchRequestException");
  });
});

describe("SNS: what a queue does not take", () => {
  const MessageAttributes = { angle: { DataType: "Number", StringValue: "90" } };

  /** Everything about what is in a queue. */
  const lettersIn = async (QueueUrl: string) => {
    const { Messages = [] } = await (await sqs()).send(
      new ReceiveMessageCommand({
        ...{ QueueUrl, WaitTimeSeconds: 2, MaxNumberOfMessages: 10 },
        ...{ MessageAttributeNames: ["All"], MessageSystemAttributeNames: ["All"] },
      }),
    );
    return Messages;
  };

  /** Subscribes a queue with a dead-letter queue, whose URL is returned. */
  const withRedrive = async (topic: string, queueArn: string, more: Record<string, string> = {}) => {
    const deadLetters = await createReceiver(topic);
    const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: deadLetters.arn });
    await subscribe(topic, queueArn, { RedrivePolicy, RawMessageDelivery: "true", ...more });
    return deadLetters.url;
  };

  it("for its policy goes to the subscription's dead-letter queue, with the publisher's attributes alone", async () => {
    const topic = await createTopic();
    const queue = await createQueue();
    const deadLetters = await withRedrive(topic, await arnOf(queue));
    await publish(topic, "denied", { MessageAttributes });
    const [letter, ...others] = await lettersIn(deadLetters);
    expect(others).to.deep.equal([]);
    expect(letter?.Body).to.equal("denied");
    expect(letter?.MessageAttributes).to.have.all.keys("angle");
    expect(letter?.Attributes).to.include({ ApproximateReceiveCount: "1" });
    expect(letter?.Attributes).to.not.have.property("DeadLetterQueueSourceArn");
    expect(await lettersIn(queue)).to.deep.equal([]);
  });

  it("for its policy is taken again once the policy is right", async () => {
    const topic = await createTopic();
    const { url, arn } = await createReceiver(topic, {});
    const other = await createReceiver(`${topic}-not`);
    await subscribe(topic, other.arn, { RawMessageDelivery: "true" });
    await subscribe(topic, arn, { RawMessageDelivery: "true" });
    await publish(topic, "for one");
    expect((await lettersIn(url)).map(({ Body }) => Body)).to.deep.equal(["for one"]);
    expect(await lettersIn(other.url)).to.deep.equal([]);
  });

  it("as it is deleted goes to the subscription's dead-letter queue, in its envelope where it has one", async () => {
    const topic = await createTopic();
    const { QueueUrl = "" } = await (await sqs()).send(new CreateQueueCommand({ QueueName: uniqueName() }));
    const deadLetters = await withRedrive(topic, await arnOf(QueueUrl), { RawMessageDelivery: "false" });
    await (await sqs()).send(new DeleteQueueCommand({ QueueUrl }));
    await publish(topic, "nowhere", { MessageAttributes });
    const [letter] = await lettersIn(deadLetters);
    expect(JSON.parse(letter?.Body ?? "{}")).to.include({ Type: "Notification", Message: "nowhere" });
    expect(letter?.MessageAttributes).to.equal(undefined);
  });

  it("as it is too long goes to the subscription's dead-letter queue", async () => {
    const topic = await createTopic();
    const queue = await createReceiver(topic, { MaximumMessageSize: "1024" });
    const deadLetters = await withRedrive(topic, queue.arn);
    await publish(topic, "x".repeat(1025));
    await publish(topic, "short");
    expect((await lettersIn(deadLetters)).map(({ Body }) => Body?.length)).to.deep.equal([1025]);
    expect((await lettersIn(queue.url)).map(({ Body }) => Body)).to.deep.equal(["short"]);
  });
});
