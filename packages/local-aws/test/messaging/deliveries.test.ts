import path from "node:path";
import { expect } from "chai";
import { afterTest } from "../../../../test/support/cleanup.ts";
import { withFolder } from "../../../../test/support/machine.ts";
import { ACCOUNT_ID } from "../../src/arn.ts";
import { Identity } from "../../src/iam/identity.ts";
import { type Messaging, openMessaging } from "../../src/messaging/messaging.ts";
import type { ServiceError } from "../../src/service-error.ts";

const S3 = "s3.amazonaws.com";
const SNS = "sns.amazonaws.com";
const BUCKET = "arn:aws:s3:::images";
const TOPIC = `arn:aws:sns:us-east-1:${ACCOUNT_ID}:created`;
const KEY = `arn:aws:kms:us-east-1:${ACCOUNT_ID}:key/ours`;
const arnOf = (queue: string) => `arn:aws:sqs:us-east-1:${ACCOUNT_ID}:${queue}`;

/** A policy that lets a service do something, where the condition holds. */
const policy = (Service: string, Action: string | string[], Resource: string, Condition: object = {}) =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { Service }, Action, Resource, Condition }],
  });
const keyPolicy = (service: string) => policy(service, ["kms:GenerateDataKey*", "kms:Decrypt"], "*");

describe("an event on its way from a bucket to a queue", () => {
  let identity: Identity;
  let messaging: Messaging;
  let lost: string[];

  beforeEach(async () => {
    identity = new Identity(ACCOUNT_ID);
    lost = [];
    const report = (error: unknown) => lost.push((error as Error).message);
    messaging = await openMessaging({ region: "us-east-1", identity, report });
    afterTest(() => messaging.close());
    await sns({ Action: "CreateTopic", Name: "created" });
    for (const QueueName of ["queue", "dead"]) await sqs("CreateQueue", { QueueName });
    await sns({
      ...{ Action: "Subscribe", TopicArn: TOPIC, Protocol: "sqs", Endpoint: arnOf("queue") },
      ...{ "Attributes.entry.1.key": "RawMessageDelivery", "Attributes.entry.1.value": "true" },
      "Attributes.entry.2.key": "RedrivePolicy",
      "Attributes.entry.2.value": JSON.stringify({ deadLetterTargetArn: arnOf("dead") }),
    });
    await setPolicy("topic", policy(S3, "sns:Publish", TOPIC));
    for (const queue of ["queue", "dead"]) {
      await setPolicy(queue, policy(SNS, "sqs:SendMessage", arnOf(queue)));
    }
  });

  const sns = (form: Record<string, string>): Promise<unknown> => messaging.sns(form, "127.0.0.1");
  const sqs = (action: string, input: object): Promise<unknown> => messaging.sqs(action, input, "127.0.0.1");
  const set = (where: string, name: string, value: string) =>
    where === "topic"
      ? sns({
          ...{ Action: "SetTopicAttributes", TopicArn: TOPIC },
          ...{ AttributeName: name, AttributeValue: value },
        })
      : sqs("SetQueueAttributes", { QueueUrl: where, Attributes: { [name]: value } });
  const setPolicy = (where: string, document: string) => set(where, "Policy", document);
  const encrypt = (where: string, key = KEY) => set(where, "KmsMasterKeyId", key);
  const publish = () => messaging.publishAs(S3, BUCKET, { TopicArn: TOPIC, Message: "event" });
  const bodies = async (queue: string) => {
    const { Messages = [] } = (await sqs("ReceiveMessage", { QueueUrl: queue })) as {
      Messages?: { Body: string }[];
    };
    return Messages.map(({ Body }) => Body);
  };

  it("passes where topic and queue let it", async () => {
    expect(publish()).to.equal(undefined);
    expect(await bodies("queue")).to.deep.equal(["event"]);
    expect(await bodies("dead")).to.deep.equal([]);
    expect(lost).to.deep.equal([]);
  });

  it("is refused by a topic whose policy does not name S3 and this bucket", async () => {
    await setPolicy(
      "topic",
      policy(S3, "sns:Publish", TOPIC, { ArnLike: { "aws:SourceArn": `${BUCKET}-not` } }),
    );
    expect(publish()).to.match(/service s3\.amazonaws\.com is denied.*sns:Publish/);
    await setPolicy("topic", "");
    expect(publish()).to.match(/no policy allows sns:Publish/);
    await setPolicy(
      "topic",
      policy(S3, "sns:Publish", TOPIC, {
        ArnLike: { "aws:SourceArn": BUCKET },
        StringEquals: { "aws:SourceAccount": ACCOUNT_ID },
      }),
    );
    expect(publish()).to.equal(undefined);
  });

  it("passes a topic that was created with its policy", async () => {
    const arn = TOPIC.replace("created", "other");
    const attribute = { key: "Policy", value: policy(S3, "sns:Publish", arn) };
    await sns({
      ...{ Action: "CreateTopic", Name: "other" },
      ...{ "Attributes.entry.1.key": attribute.key, "Attributes.entry.1.value": attribute.value },
    });
    expect(messaging.publishAs(S3, BUCKET, { TopicArn: arn, Message: "event" })).to.equal(undefined);
  });

  it("is refused by a topic that is not there", async () => {
    await sns({ Action: "DeleteTopic", TopicArn: TOPIC });
    expect(publish()).to.match(/no policy allows sns:Publish/);
    identity.setResourcePolicy(TOPIC, policy(S3, "sns:Publish", TOPIC));
    expect(publish()).to.match(/Topic does not exist/);
  });

  it("is refused by an encrypted topic until the key's policy lets S3 use it", async () => {
    await encrypt("topic");
    expect(publish()).to.match(/service s3\.amazonaws\.com is denied.*kms:GenerateDataKey/);
    identity.setResourcePolicy(KEY, keyPolicy(SNS));
    expect(publish()).to.match(/service s3\.amazonaws\.com is denied.*kms:GenerateDataKey/);
    expect(await bodies("queue")).to.deep.equal([]);
    identity.setResourcePolicy(KEY, keyPolicy(S3));
    expect(publish()).to.equal(undefined);
    expect(await bodies("queue")).to.deep.equal(["event"]);
  });

  it("is refused by a topic that is encrypted with a key of AWS's own, whose policy nobody can change", async () => {
    await encrypt("topic", "alias/aws/sns");
    expect(publish()).to.match(/no policy allows kms:GenerateDataKey on arn:aws:kms:.*:alias\/aws\/sns/);
  });

  it("goes to the dead-letter queue while the queue's key does not let SNS use it", async () => {
    await encrypt("queue", "ours");
    expect(publish()).to.equal(undefined);
    expect(await bodies("queue")).to.deep.equal([]);
    expect(await bodies("dead")).to.deep.equal(["event"]);
    identity.setResourcePolicy(KEY, keyPolicy(SNS));
    expect(publish()).to.equal(undefined);
    expect(await bodies("queue")).to.deep.equal(["event"]);
  });

  it("is lost, and that is said, where the dead-letter queue does not take it either", async () => {
    for (const queue of ["queue", "dead"]) await encrypt(queue);
    expect(publish()).to.equal(undefined);
    expect(lost).to.have.length(1);
    expect(lost[0]).to.match(/^SNS lost a message .*kms:GenerateDataKey.*and then:.*kms:GenerateDataKey/);
  });

  it("does not pass a queue whose policy asks SNS for aws:SourceAccount, which it does not say", async () => {
    const condition = {
      ArnLike: { "aws:SourceArn": TOPIC },
      StringEquals: { "aws:SourceAccount": ACCOUNT_ID },
    };
    await setPolicy("queue", policy(SNS, "sqs:SendMessage", arnOf("queue"), condition));
    publish();
    expect(await bodies("queue")).to.deep.equal([]);
    expect(await bodies("dead")).to.deep.equal(["event"]);
  });

  it("cannot pass by a policy that is none", async () => {
    const refused = await setPolicy("queue", "{}").catch((error: ServiceError) => error);
    expect(refused).to.have.property("code", "InvalidAttributeValue");
    expect(refused)
      .to.have.property("message")
      .that.matches(/^Invalid value for the parameter Policy\. Reason: .*no Statement/);
  });

  it("passes after a restart by the policies of before, until they are dropped", async () => {
    await withFolder(async (folder) => {
      const file = path.join(folder, "state", "policies.json");
      const before = new Identity(ACCOUNT_ID, file);
      expect(before.resumed).to.equal(false);
      before.setResourcePolicy(TOPIC, policy(S3, "sns:Publish", TOPIC));
      before.setResourcePolicy(arnOf("queue"), policy(SNS, "sqs:SendMessage", arnOf("queue")));

      const after = new Identity(ACCOUNT_ID, file);

      const refused = () => [
        after.refusalOfService(S3, BUCKET, "sns:Publish", TOPIC),
        after.refusalOfService(SNS, TOPIC, "sqs:SendMessage", arnOf("queue")),
      ];
      expect(after.resumed).to.equal(true);
      expect(refused()).to.deep.equal([undefined, undefined]);
      after.setResourcePolicy(TOPIC, policy(S3, "sns:Publish", TOPIC));
      after.dropRestored();
      expect(refused()[0]).to.equal(undefined);
      expect(refused()[1]).to.match(/no policy allows/);
    });
  });
});
