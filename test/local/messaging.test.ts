import { expect } from "chai";
import { openMessaging } from "../../src/local/messaging.ts";
import { withFolder } from "../support/machine.ts";

describe("queues that outlive the machine", () => {
  it("hand out again at once what is given back at once", async () => {
    await withFolder(async (folder) => {
      const messaging = await openMessaging("us-east-1", folder);
      const ask = async (action: string, body: object) => {
        const answer = await messaging.answer({
          url: "/",
          headers: {
            host: "127.0.0.1",
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": `AmazonSQS.${action}`,
          },
          body: Buffer.from(JSON.stringify(body)),
        });
        return JSON.parse(answer.body.toString());
      };
      const { QueueUrl } = await ask("CreateQueue", { QueueName: "queue" });
      await ask("SendMessage", { QueueUrl, MessageBody: "hello" });
      const { Messages } = await ask("ReceiveMessage", { QueueUrl });

      const { ReceiptHandle } = Messages[0];
      await ask("ChangeMessageVisibility", { QueueUrl, ReceiptHandle, VisibilityTimeout: 0 });

      const again = await ask("ReceiveMessage", { QueueUrl, MessageSystemAttributeNames: ["All"] });
      expect(again.Messages?.[0]).to.include({ Body: "hello" });
      expect(again.Messages[0].Attributes.ApproximateReceiveCount).to.equal("2");
      await messaging.close();
    });
  });
});
