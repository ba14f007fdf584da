import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import { withFolder } from "../../../../test/support/machine.ts";
import { ACCOUNT_ID } from "../../src/arn.ts";
import { Identity } from "../../src/iam/identity.ts";
import { type Messaging, openMessaging } from "../../src/messaging/messaging.ts";

/** As it starts again after each `close`; what it loses is an error. */
const open = (folder: string) =>
  openMessaging({
    ...{ region: "us-east-1", identity: new Identity(ACCOUNT_ID), folder },
    report: (lost) => {
      throw lost;
    },
  });

// biome-ignore lint/suspicious/noExplicitAny: answers, whose parts are what the tests are about
const ask = async (messaging: Messaging, action: string, input: object): Promise<any> =>
  messaging.sqs(action, input, "127.0.0.1");

describe("queues that outlive the machine", () => {
  it("hand out again at once what is given back at once", async () => {
    await withFolder(async (folder) => {
      const messaging = await open(folder);
      const { QueueUrl } = await ask(messaging, "CreateQueue", { QueueName: "queue" });
      await ask(messaging, "SendMessage", { QueueUrl, MessageBody: "hello" });
      const { Messages } = await ask(messaging, "ReceiveMessage", { QueueUrl });

      const { ReceiptHandle } = Messages[0];
      await ask(messaging, "ChangeMessageVisibility", { QueueUrl, ReceiptHandle, VisibilityTimeout: 0 });

      const again = await ask(messaging, "ReceiveMessage", {
        QueueUrl,
        MessageSystemAttributeNames: ["All"],
      });
      expect(again.Messages?.[0]).to.include({ Body: "hello" });
      expect(again.Messages[0].Attributes.ApproximateReceiveCount).to.equal("2");
      await messaging.close();
    });
  });

  it("hand out after a restart what waits for its next try, as if it had never been tried", async () => {
    await withFolder(async (folder) => {
      const before = await open(folder);
      const { QueueUrl } = await ask(before, "CreateQueue", { QueueName: "queue" });
      await ask(before, "SendMessage", { QueueUrl, MessageBody: "hello" });
      const { Messages } = await ask(before, "ReceiveMessage", { QueueUrl });
      const { ReceiptHandle } = Messages[0];
      await ask(before, "ChangeMessageVisibility", { QueueUrl, ReceiptHandle, VisibilityTimeout: 900 });
      await before.close();

      const after = await open(folder);
      const again = await ask(after, "ReceiveMessage", { QueueUrl, MessageSystemAttributeNames: ["All"] });
      await after.close();

      expect(again.Messages?.[0]).to.include({ Body: "hello" });
      expect(again.Messages[0].Attributes.ApproximateReceiveCount).to.equal("1");
    });
  });

  it("lose no message that breaks off on its way to the dead-letter queue", async () => {
    await withFolder(async (folder) => {
      const messaging = await open(folder);
      await ask(messaging, "CreateQueue", { QueueName: "dead" });
      const { QueueUrl } = await ask(messaging, "CreateQueue", {
        QueueName: "queue",
        Attributes: {
          VisibilityTimeout: "0",
          RedrivePolicy: JSON.stringify({
            deadLetterTargetArn: "arn:aws:sqs:us-east-1:000000000000:dead",
            maxReceiveCount: 1,
          }),
        },
      });
      await ask(messaging, "SendMessage", { QueueUrl, MessageBody: "hello" });
      await ask(messaging, "ReceiveMessage", { QueueUrl });
      const database = new DatabaseSync(path.join(folder, "fauxqs.db"));
      database.exec(
        "CREATE TRIGGER breaks BEFORE INSERT ON sqs_messages BEGIN SELECT RAISE(ABORT, 'it breaks off here'); END",
      );

      // The second receive is one too many.
      await ask(messaging, "ReceiveMessage", { QueueUrl }).catch(() => {});

      const rows = database.prepare("SELECT queue_name AS queue, body FROM sqs_messages").all();
      expect(rows.map((row) => ({ ...row }))).to.deep.equal([{ queue: "queue", body: "hello" }]);
      database.close();
      await messaging.close();
    });
  });

  it("know after a restart which queue a dead letter came from", async () => {
    await withFolder(async (folder) => {
      const before = await open(folder);
      const { QueueUrl: dead } = await ask(before, "CreateQueue", { QueueName: "dead" });
      const RedrivePolicy = JSON.stringify({
        deadLetterTargetArn: "arn:aws:sqs:us-east-1:000000000000:dead",
        maxReceiveCount: 1,
      });
      const Attributes = { VisibilityTimeout: "0", RedrivePolicy };
      const { QueueUrl } = await ask(before, "CreateQueue", { QueueName: "queue", Attributes });
      await ask(before, "SendMessage", { QueueUrl, MessageBody: "hello" });
      for (const _ of ["taken", "one too many"]) await ask(before, "ReceiveMessage", { QueueUrl });
      await before.close();

      const after = await open(folder);
      const MessageSystemAttributeNames = ["All"];
      const { Messages } = await ask(after, "ReceiveMessage", {
        QueueUrl: dead,
        MessageSystemAttributeNames,
      });
      expect(Messages?.[0]?.Attributes).to.include({
        ApproximateReceiveCount: "2",
        DeadLetterQueueSourceArn: "arn:aws:sqs:us-east-1:000000000000:queue",
      });
      await after.close();
    });
  });
});
