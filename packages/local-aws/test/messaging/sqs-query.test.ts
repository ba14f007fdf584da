import { expect } from "chai";
import { XMLParser } from "fast-xml-parser";
import { ACCOUNT_ID } from "../../src/arn.ts";
import { Identity } from "../../src/iam/identity.ts";
import { type Messaging, openMessaging } from "../../src/messaging/messaging.ts";
import { fromQuery, toQuery, toQueryError } from "../../src/messaging/sqs-query.ts";
import { ServiceError } from "../../src/service-error.ts";

const QueueUrl = "http://127.0.0.1/000000000000/jobs";
const parser = new XMLParser({ parseTagValue: false, trimValues: false, htmlEntities: true });

const form = (parameters: Record<string, string>) => new URLSearchParams(parameters).toString();

/** A request's input in the JSON protocol. */
const translated = (parameters: Record<string, string>, url?: string) =>
  fromQuery(form(parameters), url).input;

describe("SQS's older protocol", () => {
  let messaging: Messaging;

  /** What a request is answered with, its XML parsed. */
  async function ask(Action: string, parameters: Record<string, string> = {}) {
    const { operation, input } = fromQuery(form({ Action, ...parameters }));
    try {
      return parser.parse(toQuery(operation, await messaging.sqs(operation, input, "127.0.0.1")));
    } catch (error) {
      return parser.parse(toQueryError(error as ServiceError));
    }
  }

  before(async () => {
    messaging = await openMessaging({
      ...{ region: "eu-west-1", identity: new Identity(ACCOUNT_ID) },
      report: (lost) => {
        throw lost;
      },
    });
    await ask("CreateQueue", {
      QueueName: "jobs",
      "Attribute.1.Name": "VisibilityTimeout",
      "Attribute.1.Value": "40",
    });
  });
  after(() => messaging.close());

  it("numbers lists and maps, and writes numbers as text", () => {
    expect(
      translated({
        Action: "ReceiveMessage",
        Version: "2012-11-05",
        QueueUrl,
        MaxNumberOfMessages: "10",
        "AttributeName.2": "SentTimestamp",
        "AttributeName.1": "ApproximateReceiveCount",
      }),
    ).to.deep.equal({
      QueueUrl,
      MaxNumberOfMessages: 10,
      AttributeNames: ["ApproximateReceiveCount", "SentTimestamp"],
    });
    expect(
      translated({
        ...{ Action: "SendMessageBatch", QueueUrl },
        "SendMessageBatchRequestEntry.1.Id": "a",
        "SendMessageBatchRequestEntry.1.MessageBody": "x.1=y&z",
        "SendMessageBatchRequestEntry.1.DelaySeconds": "5",
        "SendMessageBatchRequestEntry.1.MessageAttribute.1.Name": "angle",
        "SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType": "Number",
        "SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue": "90",
      }),
    ).to.deep.equal({
      QueueUrl,
      Entries: [
        {
          ...{ Id: "a", MessageBody: "x.1=y&z", DelaySeconds: 5 },
          MessageAttributes: { angle: { DataType: "Number", StringValue: "90" } },
        },
      ],
    });
    expect(translated({ Action: "CreateQueue", "Tag.1.Key": "a", "Tag.1.Value": "b" })).to.deep.equal({
      tags: { a: "b" },
    });
  });

  it("names the queue by its address, if by nothing else", () => {
    expect(translated({ Action: "PurgeQueue" }, QueueUrl)).to.deep.equal({ QueueUrl });
  });

  it("refuses parameters that come twice, or that it does not know", () => {
    const twice = "Action=SendMessage&MessageBody=a&MessageBody=b";
    expect(() => fromQuery(twice)).to.throw(ServiceError, "the parameter MessageBody comes twice");
    expect(() => fromQuery(form({ Action: "SendMessage", "Colour.1": "red" }))).to.throw(
      ServiceError,
      "SQS has no parameter Colour",
    );
    expect(() => fromQuery(form({ Action: "SendMessage", "__proto__.polluted": "yes" }))).to.throw(
      ServiceError,
    );
  });

  it("sends, receives and deletes a message, whatever is in it", async () => {
    const text = "<a> & \r\n\t\u{1f4f7}";
    const sent = await ask("SendMessage", {
      ...{ QueueUrl, MessageBody: text },
      "MessageAttribute.1.Name": "angle",
      "MessageAttribute.1.Value.DataType": "Number",
      "MessageAttribute.1.Value.StringValue": "90",
    });
    const { MessageId, MD5OfMessageBody } = sent.SendMessageResponse.SendMessageResult;
    const received = await ask("ReceiveMessage", {
      ...{ QueueUrl, "AttributeName.1": "ApproximateReceiveCount", "MessageAttributeName.1": "All" },
    });
    const { Message } = received.ReceiveMessageResponse.ReceiveMessageResult;
    expect(Message).to.deep.include({ Body: text, MessageId, MD5OfBody: MD5OfMessageBody });
    expect(Message.Attribute).to.deep.equal({ Name: "ApproximateReceiveCount", Value: "1" });
    expect(Message.MessageAttribute).to.deep.equal({
      Name: "angle",
      Value: { DataType: "Number", StringValue: "90" },
    });
    const { ReceiptHandle } = Message;
    const deleted = await ask("DeleteMessageBatch", {
      QueueUrl,
      "DeleteMessageBatchRequestEntry.1.Id": "right",
      "DeleteMessageBatchRequestEntry.1.ReceiptHandle": ReceiptHandle,
      "DeleteMessageBatchRequestEntry.2.Id": "wrong",
      "DeleteMessageBatchRequestEntry.2.ReceiptHandle": "forged",
    });
    expect(deleted.DeleteMessageBatchResponse.DeleteMessageBatchResult).to.deep.equal({
      DeleteMessageBatchResultEntry: { Id: "right" },
      BatchResultErrorEntry: {
        ...{ Id: "wrong", SenderFault: "true", Code: "ReceiptHandleIsInvalid" },
        Message: "The input receipt handle is invalid.",
      },
    });
    const attributes = await ask("GetQueueAttributes", { QueueUrl, "AttributeName.1": "VisibilityTimeout" });
    expect(attributes.GetQueueAttributesResponse.GetQueueAttributesResult.Attribute).to.deep.equal({
      Name: "VisibilityTimeout",
      Value: "40",
    });
  });

  it("lists queues", async () => {
    const { ListQueuesResponse } = await ask("ListQueues");
    expect(ListQueuesResponse.ListQueuesResult).to.deep.equal({ QueueUrl });
  });

  it("has its own names for errors", async () => {
    const { ErrorResponse } = await ask("GetQueueUrl", { QueueName: "none" });
    expect(ErrorResponse.Error).to.deep.include({
      ...{ Type: "Sender", Code: "AWS.SimpleQueueService.NonExistentQueue" },
      Message: "The specified queue does not exist.",
    });
  });
});
