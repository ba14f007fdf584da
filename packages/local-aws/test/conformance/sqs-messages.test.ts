import { createHash } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import {
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  type Message,
  type MessageAttributeValue,
  ReceiveMessageCommand,
  type ReceiveMessageCommandInput,
  SendMessageBatchCommand,
  SendMessageCommand,
  type SendMessageCommandInput,
} from "@aws-sdk/client-sqs";
import { expect } from "chai";
import { arnOf, createQueue, receiveAll, useQueue } from "./queues.ts";
import { refusal, sqs } from "./target.ts";

describe("SQS: a message", () => {
  const queue = useQueue({ VisibilityTimeout: "30" });

  const send = async (MessageBody: string, more: Partial<SendMessageCommandInput> = {}) =>
    (await sqs()).send(new SendMessageCommand({ QueueUrl: queue(), MessageBody, ...more }));
  const receive = async (more: Partial<ReceiveMessageCommandInput> = {}): Promise<Message[]> => {
    const { Messages = [] } = await (await sqs()).send(
      new ReceiveMessageCommand({ QueueUrl: queue(), WaitTimeSeconds: 2, ...more }),
    );
    return Messages;
  };
  const receiveOne = async (more: Partial<ReceiveMessageCommandInput> = {}): Promise<Message> => {
    const [message, ...others] = await receive(more);
    expect(others).to.deep.equal([]);
    if (!message) throw new Error("nothing was received");
    return message;
  };
  const visible = async ({ ReceiptHandle }: Message, VisibilityTimeout: number) =>
    (await sqs()).send(
      new ChangeMessageVisibilityCommand({ QueueUrl: queue(), ReceiptHandle, VisibilityTimeout }),
    );
  const remove = async ({ ReceiptHandle }: Message) =>
    (await sqs()).send(new DeleteMessageCommand({ QueueUrl: queue(), ReceiptHandle }));

  it("comes back as it was sent, with its MD5", async () => {
    const text = 'naïve "quotes" & <tags>\n\t\u{1f4f7}';
    const sent = await send(text);
    expect(sent.MD5OfMessageBody).to.equal(createHash("md5").update(text).digest("hex"));
    const received = await receiveOne();
    expect(received).to.deep.include({
      Body: text,
      MessageId: sent.MessageId,
      MD5OfBody: sent.MD5OfMessageBody,
    });
    await remove(received);
  });

  it("brings its attributes along, to those who ask for them", async () => {
    const attributes = {
      angle: { DataType: "Number", StringValue: "90" },
      name: { DataType: "String", StringValue: "clockwise" },
      raw: { DataType: "Binary", BinaryValue: Buffer.from([0, 1, 255]) },
    };
    const sent = await send("attributes", { MessageAttributes: attributes });
    const received = await receiveOne({ MessageAttributeNames: ["All"] });
    expect(received.MD5OfMessageAttributes).to.equal(sent.MD5OfMessageAttributes);
    expect(received.MessageAttributes?.angle).to.deep.include(attributes.angle);
    expect(received.MessageAttributes?.name).to.deep.include(attributes.name);
    expect(Buffer.from(received.MessageAttributes?.raw?.BinaryValue ?? [])).to.deep.equal(
      attributes.raw.BinaryValue,
    );
    await visible(received, 0);
    const again = await receiveOne({ MessageAttributeNames: ["name"] });
    expect(Object.keys(again.MessageAttributes ?? {})).to.deep.equal(["name"]);
    await visible(again, 0);
    const bare = await receiveOne();
    expect(bare.MessageAttributes).to.equal(undefined);
    await remove(bare);
  });

  it("says when it was sent and how often it was received", async () => {
    const before = Date.now();
    await send("count");
    const first = await receiveOne({ MessageSystemAttributeNames: ["All"] });
    expect(first.Attributes?.ApproximateReceiveCount).to.equal("1");
    const sent = Number(first.Attributes?.SentTimestamp);
    expect(sent).to.be.within(before - 60_000, Date.now() + 60_000); // clocks differ
    expect(Number(first.Attributes?.ApproximateFirstReceiveTimestamp)).to.be.at.least(sent);
    await visible(first, 0);
    const second = await receiveOne({ MessageSystemAttributeNames: ["ApproximateReceiveCount"] });
    expect(second.Attributes).to.deep.equal({ ApproximateReceiveCount: "2" });
    await remove(second);
  });

  it("is nobody else's while it is being worked on, and comes back when its time is over", async () => {
    await send("taken");
    const taken = await receiveOne({ VisibilityTimeout: 1 });
    expect(await receive({ WaitTimeSeconds: 0 })).to.deep.equal([]);
    const back = await receiveOne({ WaitTimeSeconds: 10 });
    expect(back.MessageId).to.equal(taken.MessageId);
    await remove(back);
  });

  it("may be kept for longer", async () => {
    await send("longer");
    const taken = await receiveOne({ VisibilityTimeout: 1 });
    await visible(taken, 30);
    await setTimeout(1200);
    expect(await receive({ WaitTimeSeconds: 0 })).to.deep.equal([]);
    await remove(taken);
  });

  it("is gone when it was deleted, also for those who delete it again", async () => {
    await send("gone");
    const taken = await receiveOne({ VisibilityTimeout: 1 });
    await remove(taken);
    await setTimeout(1200);
    expect(await receive({ WaitTimeSeconds: 0 })).to.deep.equal([]);
    await remove(taken);
  });

  it("is waited for, and answered when it comes", async () => {
    const waiting = receiveOne({ WaitTimeSeconds: 20 });
    await setTimeout(500);
    const started = performance.now();
    await send("late");
    const late = await waiting;
    expect(performance.now() - started).to.be.below(5000);
    expect(late.Body).to.equal("late");
    await remove(late);
  });

  it("is held back by its delay", async () => {
    await send("delayed", { DelaySeconds: 1 });
    expect(await receive({ WaitTimeSeconds: 0 })).to.deep.equal([]);
    const delayed = await receiveOne({ WaitTimeSeconds: 10 });
    expect(delayed.Body).to.equal("delayed");
    await remove(delayed);
  });

  it("is refused where it is empty, or of characters that XML has not", async () => {
    expect((await refusal(send(""))).status).to.equal(400);
    expect(await refusal(send("a\u0000b"))).to.deep.equal({ code: "InvalidMessageContents", status: 400 });
  });

  it("is refused where it is longer than 1 MiB", async () => {
    expect(await refusal(send("x".repeat(1024 * 1024 + 1)))).to.deep.equal({
      code: "InvalidParameterValue",
      status: 400,
    });
  });

  it("is not sent to a queue that is not there", async () => {
    const request = send("nowhere", { QueueUrl: `${queue()}-not` });
    expect(await refusal(request)).to.deep.equal({ code: "QueueDoesNotExist", status: 400 });
  });

  it("is not deleted, or kept, by a receipt that nobody was given", async () => {
    const forged = { ReceiptHandle: "forged" };
    expect(await refusal(remove(forged))).to.deep.equal({ code: "ReceiptHandleIsInvalid", status: 404 });
    expect(await refusal(visible(forged, 5))).to.deep.equal({ code: "ReceiptHandleIsInvalid", status: 404 });
  });

  it("is not kept once it is deleted, and keeping one whose time is over is no error", async () => {
    await send("over");
    const over = await receiveOne({ VisibilityTimeout: 0 });
    // Taken once more, for the time being by nobody.
    await visible(over, 5);
    const taken = await receiveOne();
    await remove(taken);
    const gone = { code: "InvalidParameterValue", status: 400 };
    expect(await refusal(visible(taken, 5))).to.deep.equal(gone);
    const { Failed } = await (await sqs()).send(
      new ChangeMessageVisibilityBatchCommand({
        QueueUrl: queue(),
        Entries: [{ Id: "gone", ReceiptHandle: taken.ReceiptHandle, VisibilityTimeout: 5 }],
      }),
    );
    expect(Failed?.map(({ Id, Code }) => [Id, Code])).to.deep.equal([["gone", "InvalidParameterValue"]]);
  });

  it("has the digest of the attributes that were asked for", async () => {
    const name = { DataType: "String", StringValue: "clockwise" };
    const alone = await send("one", { MessageAttributes: { name } });
    await remove(await receiveOne());
    await send("two", { MessageAttributes: { name, angle: { DataType: "Number", StringValue: "90" } } });
    const received = await receiveOne({ MessageAttributeNames: ["name"] });
    expect(received.MD5OfMessageAttributes).to.equal(alone.MD5OfMessageAttributes);
    await remove(received);
  });

  const UNSENDABLE: Record<string, Record<string, MessageAttributeValue>> = {
    "an empty value": { reason: { DataType: "String", StringValue: "" } },
    "an empty number": { reason: { DataType: "Number", StringValue: "" } },
    "no bytes": { reason: { DataType: "Binary", BinaryValue: new Uint8Array() } },
    "a control character": { reason: { DataType: "String", StringValue: "a\u0007b" } },
    "a number that is none": { reason: { DataType: "Number", StringValue: "ninety" } },
    "a type that is none": { reason: { DataType: "Text", StringValue: "x" } },
    "a name of SQS's own": { "AWS.reason": { DataType: "String", StringValue: "x" } },
    "a name of Amazon's own": { "amazon.reason": { DataType: "String", StringValue: "x" } },
    "a name with a space": { "the reason": { DataType: "String", StringValue: "x" } },
    "eleven attributes": Object.fromEntries(
      Array.from({ length: 11 }, (_, index) => [`name${index}`, { DataType: "String", StringValue: "x" }]),
    ),
  };
  for (const [what, MessageAttributes] of Object.entries(UNSENDABLE)) {
    it(`is refused for ${what} in its attributes, and fails alone in a batch`, async () => {
      const refused = await refusal(send("x", { MessageAttributes }));
      expect(refused).to.deep.equal({ code: "InvalidParameterValue", status: 400 });
      const { Successful, Failed } = await (await sqs()).send(
        new SendMessageBatchCommand({
          QueueUrl: queue(),
          Entries: [
            { Id: "good", MessageBody: "x", DelaySeconds: 900 },
            { Id: "bad", MessageBody: "x", MessageAttributes },
          ],
        }),
      );
      expect(Successful?.map(({ Id }) => Id)).to.deep.equal(["good"]);
      expect(Failed?.map(({ Id, Code, SenderFault }) => [Id, Code, SenderFault])).to.deep.equal([
        ["bad", "InvalidParameterValue", true],
      ]);
    });
  }

  it("may have ten attributes, and types with labels of one's own", async () => {
    const MessageAttributes = Object.fromEntries(
      Array.from({ length: 10 }, (_, index) => [
        `a.b_c-${index}`,
        { DataType: "Number.float", StringValue: "-1.5e3" },
      ]),
    );
    await send("ten", { MessageAttributes });
    const received = await receiveOne({ MessageAttributeNames: ["All"] });
    expect(received.MessageAttributes).to.have.all.keys(Object.keys(MessageAttributes));
    await remove(received);
  });

  it("is kept for twelve hours at most", async () => {
    await send("twelve hours");
    const taken = await receiveOne();
    expect((await refusal(visible(taken, 43_201))).code).to.equal("InvalidParameterValue");
    await remove(taken);
  });

  it("is received with nine others at most", async () => {
    const request = receive({ MaxNumberOfMessages: 11 });
    expect(await refusal(request)).to.deep.equal({ code: "InvalidParameterValue", status: 400 });
  });
});

describe("SQS: messages in batches", () => {
  const queue = useQueue();
  const entry = (index: number) => ({ Id: `id-${index}`, MessageBody: `body ${index}` });
  const sendBatch = async (Entries: { Id: string; MessageBody: string }[]) =>
    (await sqs()).send(new SendMessageBatchCommand({ QueueUrl: queue(), Entries }));

  it("are sent, received and deleted by ten", async () => {
    const entries = Array.from({ length: 10 }, (_, index) => entry(index));
    const { Successful = [], Failed = [] } = await sendBatch(entries);
    expect(Failed).to.deep.equal([]);
    expect(Successful.map(({ Id }) => Id)).to.have.members(entries.map(({ Id }) => Id));
    const received = await receiveAll(queue(), 10);
    expect(received.map(({ Body }) => Body)).to.have.members(entries.map(({ MessageBody }) => MessageBody));

    const Entries = received.map(({ ReceiptHandle }, index) => ({ Id: `${index}`, ReceiptHandle }));
    const deleted = await (await sqs()).send(new DeleteMessageBatchCommand({ QueueUrl: queue(), Entries }));
    expect(deleted.Successful).to.have.length(10);
    expect(deleted.Failed ?? []).to.deep.equal([]);
  });

  it("are refused where they are none, eleven, or have one id twice", async () => {
    expect(await refusal(sendBatch([]))).to.deep.equal({ code: "EmptyBatchRequest", status: 400 });
    expect(await refusal(sendBatch(Array.from({ length: 11 }, (_, index) => entry(index))))).to.deep.equal({
      code: "TooManyEntriesInBatchRequest",
      status: 400,
    });
    expect(await refusal(sendBatch([entry(1), entry(1)]))).to.deep.equal({
      code: "BatchEntryIdsNotDistinct",
      status: 400,
    });
    expect(await refusal(sendBatch([{ Id: "no id!", MessageBody: "x" }]))).to.deep.equal({
      code: "InvalidBatchEntryId",
      status: 400,
    });
  });

  it("fail one by one", async () => {
    const sent = await sendBatch([entry(1), { Id: "bad", MessageBody: "a\u0000b" }]);
    expect(sent.Successful?.map(({ Id }) => Id)).to.deep.equal(["id-1"]);
    expect(sent.Failed?.map(({ Id, Code, SenderFault }) => [Id, Code, SenderFault])).to.deep.equal([
      ["bad", "InvalidMessageContents", true],
    ]);
    const [message] = await receiveAll(queue(), 1);
    const { Successful, Failed } = await (await sqs()).send(
      new DeleteMessageBatchCommand({
        QueueUrl: queue(),
        Entries: [
          { Id: "right", ReceiptHandle: message?.ReceiptHandle },
          { Id: "wrong", ReceiptHandle: "forged" },
        ],
      }),
    );
    expect(Successful?.map(({ Id }) => Id)).to.deep.equal(["right"]);
    expect(Failed?.map(({ Id, Code }) => [Id, Code])).to.deep.equal([["wrong", "ReceiptHandleIsInvalid"]]);
  });
});

describe("SQS: a message that is received too often", () => {
  it("goes to the dead-letter queue, is the same message there, and says where it was and how often", async () => {
    const client = await sqs();
    const deadLetters = await createQueue({ VisibilityTimeout: "0" });
    const deadLetterTargetArn = await arnOf(deadLetters);
    const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 2 });
    const QueueUrl = await createQueue({ RedrivePolicy, VisibilityTimeout: "0" });
    const sent = await client.send(new SendMessageCommand({ QueueUrl, MessageBody: "poison" }));
    const receive = async (from: string, name: "All" | "DeadLetterQueueSourceArn" | "SentTimestamp") => {
      const { Messages = [] } = await client.send(
        new ReceiveMessageCommand({
          QueueUrl: from,
          WaitTimeSeconds: 1,
          MessageSystemAttributeNames: [name],
        }),
      );
      return Messages[0];
    };

    const receives: (string | undefined)[] = [];
    for (let tries = 0; tries < 10; tries++) {
      const message = await receive(QueueUrl, "All");
      if (!message) break;
      receives.push(message.Attributes?.ApproximateReceiveCount);
      expect(message.Attributes).to.not.have.property("DeadLetterQueueSourceArn");
    }

    expect(receives).to.deep.equal(["1", "2"]);
    const dead = await receive(deadLetters, "All");
    expect(dead).to.deep.include({ Body: "poison", MessageId: sent.MessageId });
    const DeadLetterQueueSourceArn = await arnOf(QueueUrl);
    expect(dead?.Attributes).to.include({ DeadLetterQueueSourceArn, ApproximateReceiveCount: "3" });
    expect((await receive(deadLetters, "DeadLetterQueueSourceArn"))?.Attributes).to.deep.equal({
      DeadLetterQueueSourceArn,
    });
    expect((await receive(deadLetters, "SentTimestamp"))?.Attributes).to.have.keys("SentTimestamp");
  });
});
