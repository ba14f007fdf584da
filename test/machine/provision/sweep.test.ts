import { SNSClient } from "@aws-sdk/client-sns";
import { SQSClient } from "@aws-sdk/client-sqs";
import { expect } from "chai";
import type { Services } from "../../../src/machine/provision/provider.ts";
import { sweep } from "../../../src/machine/provision/sweep.ts";

describe("what an earlier program declared and this one does not", () => {
  it("is removed page by page: subscriptions, queues and topics, in this order, and nothing else", async () => {
    const asked: unknown[] = [];
    const pages: Record<string, object[]> = {
      ListSubscriptions: [
        { Subscriptions: [{ SubscriptionArn: "s-old" }, { SubscriptionArn: "s-kept" }], NextToken: "2" },
        { Subscriptions: [{ SubscriptionArn: "s-older" }] },
      ],
      ListQueues: [{ QueueUrls: ["q-kept", "q-old"] }],
      ListTopics: [{ Topics: [{ TopicArn: "t-old" }, { TopicArn: "t-kept" }] }],
    };
    const send = async (command: { input: object }) => {
      const name = command.constructor.name.replace(/Command$/, "");
      if (!name.startsWith("List")) asked.push([name, ...Object.values(command.input)]);
      return pages[name]?.shift() ?? {};
    };
    // Listings are paginated by clients alone.
    const settings = { region: "us-east-1" };
    const services = {
      sns: Object.assign(new SNSClient(settings), { send }),
      sqs: Object.assign(new SQSClient(settings), { send }),
    } as unknown as Services;

    await sweep(services, new Set(["s-kept", "q-kept", "t-kept"]));

    expect(asked).to.deep.equal([
      ["Unsubscribe", "s-old"],
      ["Unsubscribe", "s-older"],
      ["DeleteQueue", "q-old"],
      ["DeleteTopic", "t-old"],
    ]);
  });
});
