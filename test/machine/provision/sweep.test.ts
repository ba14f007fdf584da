import { expect } from "chai";
import type { Services } from "../../../src/machine/provision/provider.ts";
import { sweep } from "../../../src/machine/provision/sweep.ts";

describe("what an earlier program declared and this one does not", () => {
  it("is removed page by page: subscriptions, queues, and topics when no bucket tells them, and nothing else", async () => {
    const asked: unknown[] = [];
    const pages: Record<string, object[]> = {
      ListSubscriptions: [
        {
          answer: { NextToken: "2" },
          members: [{ SubscriptionArn: "s-old" }, { SubscriptionArn: "s-kept" }],
        },
        { answer: {}, members: [{ SubscriptionArn: "s-older" }] },
      ],
      ListQueues: [{ QueueUrls: ["q-kept", "q-old"] }],
      ListTopics: [{ answer: {}, members: [{ TopicArn: "t-old" }, { TopicArn: "t-kept" }] }],
    };
    const ask = async (name: string, input: object) => {
      if (!name.startsWith("List")) asked.push([name, ...Object.values(input)]);
      return pages[name]?.shift() ?? {};
    };
    const told = (...topics: string[]) => ({ topics: topics.map((topicArn) => ({ topicArn })) });
    const store = {
      buckets: () => [
        { name: "b-kept", notification: told("t-kept") },
        { name: "b-both", notification: told("t-old", "t-kept") },
      ],
      setNotification: async (...set: unknown[]) => void asked.push(["setNotification", ...set]),
    };
    const made = new Map(["s-kept", "q-kept"].map((id) => [`some:type ${id}`, { id, state: {} }]));

    const elsewhere = new Set(["t-kept"]);

    await sweep({ direct: { sns: ask, sqs: ask }, store, made, elsewhere } as unknown as Services);

    expect(asked).to.deep.equal([
      ["Unsubscribe", "s-old"],
      ["Unsubscribe", "s-older"],
      ["DeleteQueue", "q-old"],
      ["setNotification", "b-both", told("t-kept")],
      ["DeleteTopic", "t-old"],
    ]);
  });
});
