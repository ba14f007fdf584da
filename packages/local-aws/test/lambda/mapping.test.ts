import type { SQSClient } from "@aws-sdk/client-sqs";
import { expect } from "chai";
import { EventSourceMapping } from "../../src/lambda/event-source-mapping.ts";

describe("an event source mapping", () => {
  it("tells a function of a message's attributes, with their digest where there are some", async () => {
    const message = { MessageId: "1", ReceiptHandle: "r", Body: "x", MD5OfBody: "of body", Attributes: {} };
    const angle = { DataType: "Number", StringValue: "90" };
    const batches = [
      [
        { ...message, MessageAttributes: { angle }, MD5OfMessageAttributes: "of attributes" },
        { ...message, MessageId: "2" },
      ],
    ];
    const client = {
      send: async ({ constructor: { name } }: object) =>
        name === "ReceiveMessageCommand" ? { Messages: batches.shift() ?? [] } : {},
    };
    const invoked = Promise.withResolvers<{ Records: object[] }>();
    const mapping = new EventSourceMapping(
      {
        ...{ queueUrl: "http://127.0.0.1/0/queue", queueArn: "arn:aws:sqs:us-east-1:0:queue" },
        ...{ region: "us-east-1", batchSize: 2, window: 0, reportsFailures: true, concurrency: 1 },
      },
      {
        sqs: client as unknown as SQSClient,
        async invoke(event) {
          invoked.resolve(event as { Records: object[] });
          // Nothing else comes: the mapping asks in vain until it is stopped, which begins here.
          void mapping.stop();
        },
        ended: (_event, _requestId, _failed, error) => error && invoked.reject(error),
        report: invoked.reject,
      },
    );

    const { Records } = await invoked.promise;
    await mapping.stop();

    expect(Records[0]).to.deep.include({
      md5OfBody: "of body",
      md5OfMessageAttributes: "of attributes",
      messageAttributes: {
        angle: { dataType: "Number", stringValue: "90", stringListValues: [], binaryListValues: [] },
      },
    });
    expect(Records[1]).to.not.have.property("md5OfMessageAttributes");
  });
});
