import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  ListQueueTagsCommand,
  type QueueAttributeName,
  SendMessageCommand,
  SetQueueAttributesCommand,
  TagQueueCommand,
  UntagQueueCommand,
} from "@aws-sdk/client-sqs";
import { expect } from "chai";
import { createQueue, receiveAll, useQueue } from "./queues.ts";
import { refusal, region, sqs, uniqueName } from "./target.ts";

describe("SQS: a queue", () => {
  const queue = useQueue();
  const attributesOf = async (QueueUrl: string, ...AttributeNames: QueueAttributeName[]) => {
    const { Attributes = {} } = await (await sqs()).send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: AttributeNames }),
    );
    return Attributes;
  };

  it("is found by its name", async () => {
    const QueueName = uniqueName();
    const url = await createQueue({}, QueueName);
    const found = await (await sqs()).send(new GetQueueUrlCommand({ QueueName }));
    expect(found.QueueUrl).to.equal(url);
    const unknown = (await sqs()).send(new GetQueueUrlCommand({ QueueName: `${QueueName}-not` }));
    expect(await refusal(unknown)).to.deep.equal({ code: "QueueDoesNotExist", status: 400 });
  });

  it("is listed by the beginning of its name", async () => {
    const prefix = uniqueName();
    const urls = [await createQueue({}, `${prefix}-a`), await createQueue({}, `${prefix}-b`)];
    const { QueueUrls } = await (await sqs()).send(new ListQueuesCommand({ QueueNamePrefix: prefix }));
    expect(QueueUrls).to.have.members(urls);
  });

  it("has SQS's defaults", async () => {
    const attributes = await attributesOf(queue(), "All");
    expect(attributes).to.include({
      VisibilityTimeout: "30",
      DelaySeconds: "0",
      MessageRetentionPeriod: "345600",
      ReceiveMessageWaitTimeSeconds: "0",
      ApproximateNumberOfMessages: "0",
      ApproximateNumberOfMessagesNotVisible: "0",
      ApproximateNumberOfMessagesDelayed: "0",
    });
    expect(attributes.QueueArn).to.match(
      new RegExp(`^arn:aws:sqs:${region}:\\d{12}:${queue().split("/").at(-1)}$`),
    );
  });

  it("is the same queue when it is created again, unless it is to be another", async () => {
    const QueueName = uniqueName();
    const url = await createQueue({ VisibilityTimeout: "40" }, QueueName);
    const create = async (VisibilityTimeout: string) =>
      (await sqs()).send(new CreateQueueCommand({ QueueName, Attributes: { VisibilityTimeout } }));
    expect((await create("40")).QueueUrl).to.equal(url);
    expect(await refusal(create("41"))).to.deep.equal({ code: "QueueNameExists", status: 400 });
  });

  it("is not made of a name that SQS forbids, nor with values out of range", async () => {
    const create = async (QueueName: string, Attributes = {}) =>
      (await sqs()).send(new CreateQueueCommand({ QueueName, Attributes }));
    expect((await refusal(create("no name!"))).status).to.equal(400);
    expect(await refusal(create(uniqueName(), { VisibilityTimeout: "43201" }))).to.deep.equal({
      code: "InvalidAttributeValue",
      status: 400,
    });
    expect(await refusal(create(uniqueName(), { Colour: "red" }))).to.deep.equal({
      code: "InvalidAttributeName",
      status: 400,
    });
  });

  it("takes new attributes, and keeps its others", async () => {
    const QueueUrl = await createQueue({ VisibilityTimeout: "40", MessageRetentionPeriod: "600" });
    await (await sqs()).send(
      new SetQueueAttributesCommand({ QueueUrl, Attributes: { VisibilityTimeout: "50" } }),
    );
    expect(await attributesOf(QueueUrl, "VisibilityTimeout", "MessageRetentionPeriod")).to.deep.equal({
      VisibilityTimeout: "50",
      MessageRetentionPeriod: "600",
    });
  });

  it("keeps its policy", async () => {
    const { QueueArn } = await attributesOf(queue(), "QueueArn");
    const Policy = JSON.stringify({
      Version: "2012-10-17",
      Statement: [
        {
          Sid: "Sns",
          Effect: "Allow",
          Principal: { Service: "sns.amazonaws.com" },
          Action: "sqs:SendMessage",
          Resource: QueueArn,
        },
      ],
    });
    await (await sqs()).send(new SetQueueAttributesCommand({ QueueUrl: queue(), Attributes: { Policy } }));
    const kept = await attributesOf(queue(), "Policy");
    expect(JSON.parse(kept.Policy ?? "").Statement[0].Sid).to.equal("Sns");
  });

  it("counts what is in it, what is being worked on and what is delayed", async () => {
    const QueueUrl = await createQueue();
    const client = await sqs();
    for (const DelaySeconds of [0, 0, 0, 600]) {
      await client.send(new SendMessageCommand({ QueueUrl, MessageBody: "x", DelaySeconds }));
    }
    await receiveAll(QueueUrl, 3);
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody: "y" }));
    // Approximate on AWS, where they may take a minute to be right.
    const counts = await attributesOf(
      QueueUrl,
      "ApproximateNumberOfMessages",
      "ApproximateNumberOfMessagesNotVisible",
      "ApproximateNumberOfMessagesDelayed",
    );
    expect(counts).to.deep.equal({
      ApproximateNumberOfMessages: "1",
      ApproximateNumberOfMessagesNotVisible: "3",
      ApproximateNumberOfMessagesDelayed: "1",
    });
  });

  it("keeps tags", async () => {
    const client = await sqs();
    await client.send(new TagQueueCommand({ QueueUrl: queue(), Tags: { stack: "dev", purpose: "test" } }));
    await client.send(new UntagQueueCommand({ QueueUrl: queue(), TagKeys: ["purpose"] }));
    const { Tags } = await client.send(new ListQueueTagsCommand({ QueueUrl: queue() }));
    expect(Tags).to.deep.equal({ stack: "dev" });
  });

  it("is gone when it was deleted", async () => {
    const client = await sqs();
    const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: uniqueName() }));
    await client.send(new DeleteQueueCommand({ QueueUrl }));
    const request = client.send(new SendMessageCommand({ QueueUrl, MessageBody: "x" }));
    expect(await refusal(request)).to.deep.equal({ code: "QueueDoesNotExist", status: 400 });
  });
});
