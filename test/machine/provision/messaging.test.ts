import { expect } from "chai";
import { fakeServices, refusalOf } from "./services.ts";

const SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription";
const sqs = { topic: "arn:topic", protocol: "sqs", endpoint: "arn:queue" };

describe("a topic on this computer", () => {
  it("is made with its key, none where it has none any more, and gets its policy", async () => {
    const { make, asked } = fakeServices();

    const { id, state } = await make("aws:sns/topic:Topic", { name: "t" });
    await make("aws:sns/topic:Topic", { name: "u", kmsMasterKeyId: "key" }, { name: "other" }).catch(
      () => {},
    );
    await make("aws:sns/topicPolicy:TopicPolicy", { arn: id, policy: "{}" });

    expect([id, state.arn, state.name]).to.deep.equal(["arn:t", "arn:t", "t"]);
    const attribute = (TopicArn: string, AttributeName: string, AttributeValue: string) => [
      "SetTopicAttributes",
      { TopicArn, AttributeName, AttributeValue },
    ];
    expect(asked).to.deep.equal([
      ["CreateTopic", { Name: "t" }],
      attribute("arn:t", "KmsMasterKeyId", ""),
      ["CreateTopic", { Name: "u" }],
      attribute("arn:u", "KmsMasterKeyId", "key"),
      attribute("arn:t", "Policy", "{}"),
    ]);
  });
});

describe("a subscription on this computer", () => {
  it("of a queue is made as it is declared", async () => {
    const { make, asked } = fakeServices();

    const { id } = await make(SUBSCRIPTION, { ...sqs, rawMessageDelivery: true, redrivePolicy: "{}" });

    expect(id).to.equal("arn:subscription");
    expect(asked).to.deep.equal([
      [
        "Subscribe",
        {
          ...{ TopicArn: "arn:topic", Protocol: "sqs", Endpoint: "arn:queue", ReturnSubscriptionArn: true },
          Attributes: { RawMessageDelivery: "true", RedrivePolicy: "{}" },
        },
      ],
    ]);
  });

  it("of a queue is made with its filter", async () => {
    const { make, asked } = fakeServices();

    const filter = { filterPolicyScope: "MessageBody", filterPolicy: '{"Records":{}}' };
    await make(SUBSCRIPTION, { ...sqs, ...filter });

    expect(asked.flat()).to.deep.include({
      ...{ TopicArn: "arn:topic", Protocol: "sqs", Endpoint: "arn:queue", ReturnSubscriptionArn: true },
      Attributes: {
        RawMessageDelivery: "false",
        FilterPolicyScope: "MessageBody",
        FilterPolicy: '{"Records":{}}',
      },
    });
  });

  it("of a queue that SNS may not send to is refused, which AWS would take", async () => {
    const { make, asked } = fakeServices({ refusal: "SNS may not." });

    expect(await refusalOf(make(SUBSCRIPTION, sqs))).to.equal(
      `ProgramError: ${SUBSCRIPTION} "it": SNS may not.`,
    );
    expect(asked).to.deep.equal([]);
  });

  it("of anything else is taken as declared, and listed but for mail, which nothing would be sent to", async () => {
    const { make, services, asked } = fakeServices();

    await make(
      SUBSCRIPTION,
      { topic: "arn:topic", protocol: "email", endpoint: "a@example.com" },
      { name: "mail" },
    );
    await make(SUBSCRIPTION, { topic: "arn:topic", protocol: "https", endpoint: "https://example.com" });

    expect(asked).to.deep.equal([]);
    expect(services.omitted.lines).to.deep.equal([`not run here: ${SUBSCRIPTION} with protocol https (1)`]);
  });
});

describe("a queue on this computer", () => {
  it("is made first and given its attributes then, as one from an earlier start may have had others", async () => {
    const { make, asked } = fakeServices();

    const inputs = { name: "q", visibilityTimeoutSeconds: 720, redrivePolicy: "{}", tags: { a: "b" } };
    const { id, state } = await make("aws:sqs/queue:Queue", inputs);

    expect(id).to.equal("http://here/000000000000/q");
    expect(state).to.deep.equal({ ...inputs, url: id, arn: "arn:aws:sqs:eu-west-1:000000000000:q" });
    const Attributes = { KmsMasterKeyId: "", RedrivePolicy: "{}", VisibilityTimeout: "720" };
    expect(asked).to.deep.equal([
      ["CreateQueue", { QueueName: "q" }],
      ["SetQueueAttributes", { QueueUrl: id, Attributes }],
    ]);
  });

  it("gets its policies by its URL", async () => {
    const { make, asked } = fakeServices();

    await make("aws:sqs/queuePolicy:QueuePolicy", { queueUrl: "url", policy: "{1}" });
    await make("aws:sqs/redriveAllowPolicy:RedriveAllowPolicy", {
      queueUrl: "url",
      redriveAllowPolicy: "{2}",
    });

    expect(asked).to.deep.equal([
      ["SetQueueAttributes", { QueueUrl: "url", Attributes: { Policy: "{1}" } }],
      ["SetQueueAttributes", { QueueUrl: "url", Attributes: { RedriveAllowPolicy: "{2}" } }],
    ]);
  });
});
