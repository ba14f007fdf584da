import { createHash } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  type Message,
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
  const deadLetters = useQueue();

  it("goes to the dead-letter queue, and is the same message there", async () => {
    const client = await sqs();
    const deadLetterTargetArn = await arnOf(deadLetters());
    const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 2 });
    const QueueUrl = await createQueue({ RedrivePolicy, VisibilityTimeout: "0" });
    const { MessageId } = await client.send(new SendMessageCommand({ QueueUrl, MessageBody: "poison" }));

    const receives: (string | undefined)[] = [];
    for (let tries = 0; tries < 10; tries++) {
      const { Messages = [] } = await client.send(
        new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 1, MessageSystemAttributeNames: ["All"] }),
      );
      if (Messages.length === 0) break;
      receives.push(Messages[0]?.Attributes?.ApproximateReceiveCount);
    }

    expect(receives).to.deep.equal(["1", "2"]);
    const [dead] = await receiveAll(deadLetters(), 1);
    expect(dead).to.deep.include({ Body: "poison", MessageId });
  });
});
