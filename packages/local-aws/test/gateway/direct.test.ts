import { expect } from "chai";
import { afterTest } from "../../../../test/support/cleanup.ts";
import { ACCOUNT_ID } from "../../src/arn.ts";
import { Faults } from "../../src/faults/faults.ts";
import { Direct, type DirectOptions } from "../../src/gateway/direct.ts";
import type { Principal } from "../../src/iam/decision.ts";
import { Identity } from "../../src/iam/identity.ts";
import { openMessaging } from "../../src/messaging/messaging.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";

const endpoint = "http://127.0.0.1:1";
const url = `${endpoint}/${ACCOUNT_ID}/queue`;

describe("SQS and SNS in this process", () => {
  let identity: Identity;
  let direct: Direct;
  let as: (principal: Principal, intercept?: DirectOptions["intercept"]) => Direct;

  beforeEach(async () => {
    identity = new Identity(ACCOUNT_ID);
    const region = "us-east-1";
    const messaging = await openMessaging({ region, identity, report: () => {} });
    afterTest(() => messaging.close());
    const services = {
      region,
      accountId: ACCOUNT_ID,
      identity,
      messaging,
      endpoint,
      store: {} as ObjectStore,
    };
    as = (principal, intercept) => new Direct({ ...services, principal, intercept });
    direct = as(identity.lookup(identity.administrator.accessKeyId)?.principal as Principal);
    await direct.sqs("CreateQueue", { QueueName: "queue" });
  });

  const send = (MessageBody: string) => direct.sqs("SendMessage", { QueueUrl: url, MessageBody });
  const receive = (seconds: number, signal = new AbortController().signal) =>
    direct.queue(url).receive(10, seconds, signal);
  const bodies = async (received: ReturnType<typeof receive>) => (await received).map(({ Body }) => Body);

  it("give a message to who has waited for it", async () => {
    const waiting = receive(20);
    await send("late");

    expect(await bodies(waiting)).to.deep.equal(["late"]);
  });

  it("end a poll at once where it is told to, and lose no message that comes then or later", async () => {
    const ending = new AbortController();
    const polls = [receive(20, ending.signal), receive(20, ending.signal)];
    await new Promise(setImmediate);
    const sending = send("at the same time");
    ending.abort();
    const taken = (await Promise.all(polls)).flat().map(({ Body }) => Body);
    await sending;
    await send("later");

    expect([...taken, ...(await bodies(receive(0)))]).to.have.members(["at the same time", "later"]);
    expect(await bodies(receive(20, AbortSignal.abort()))).to.deep.equal([]);
  });

  it("leave nothing that waits behind a poll that was ended", async () => {
    const ending = new AbortController();
    const ended = receive(20, ending.signal);
    const other = receive(20);
    await new Promise(setImmediate);
    ending.abort();
    expect(await bodies(ended)).to.deep.equal([]);
    await send("for the other");

    expect(await bodies(other)).to.deep.equal(["for the other"]);
  });

  it("delete what was received", async () => {
    await send("once");
    const received = await receive(0);
    await direct.queue(url).delete(received.map(({ ReceiptHandle }) => ReceiptHandle));

    const { Attributes } = await direct.sqs<{ Attributes: Record<string, string> }>("GetQueueAttributes", {
      ...{ QueueUrl: url, AttributeNames: ["All"] },
    });
    expect(Attributes).to.include({
      ...{ ApproximateNumberOfMessages: "0", ApproximateNumberOfMessagesNotVisible: "0" },
    });
  });

  it("judge who asks, as over HTTP", async () => {
    const role: Principal = {
      ...{ type: "role", arn: `arn:aws:iam::${ACCOUNT_ID}:role/none`, id: "AROA", sessionName: "worker" },
    };

    const refused = await as(role)
      .queue(url)
      .receive(1, 0, AbortSignal.abort())
      .catch((error) => error.message);

    expect(refused).to.match(/^role none is denied: .* sqs:ReceiveMessage/);
  });

  it("say what is wrong in the service's words", async () => {
    const errors = [
      direct.sqs("GetQueueUrl", { QueueName: "none" }),
      direct.sns("GetTopicAttributes", { TopicArn: `arn:aws:sns:us-east-1:${ACCOUNT_ID}:none` }),
    ].map((asked) => asked.catch(({ name, message }) => `${name}: ${message}`));

    expect(await Promise.all(errors)).to.deep.equal([
      "ServiceError: The specified queue does not exist.",
      "ServiceError: Topic does not exist",
    ]);
  });

  it("take maps of SNS and tell the members of its lists", async () => {
    const { TopicArn } = (await direct.sns("CreateTopic", { Name: "topic" })).answer;
    const Endpoint = `arn:aws:sqs:us-east-1:${ACCOUNT_ID}:queue`;
    await direct.sns("Subscribe", {
      ...{ TopicArn, Protocol: "sqs", Endpoint },
      Attributes: { RawMessageDelivery: "true" },
    });

    const { members } = await direct.sns("ListSubscriptionsByTopic", { TopicArn });

    expect(members).to.have.length(1);
    expect(members[0]).to.include({ TopicArn, Endpoint });
    const { SubscriptionArn } = members[0] as Record<string, string>;
    const { answer } = await direct.sns("Unsubscribe", { SubscriptionArn });
    expect(answer).to.have.property("RequestId");
  });

  it("fail where a plan has it so, and are asked again up to three times", async () => {
    const plan = { request: ({ before }: { before: number }) => (before < 3 ? "internal error" : undefined) };
    const faults = new Faults(plan as Faults["plan"]);
    await send("in the end");
    const principal = identity.lookup(identity.administrator.accessKeyId)?.principal as Principal;
    const queue = as(principal, (...call) => faults.call(...call)).queue(url);
    const ask = () => queue.receive(1, 0, AbortSignal.abort());

    expect(await ask().catch(({ message }) => message)).to.equal(
      "ReceiveMessage is made to fail: internal error.",
    );
    expect(await bodies(ask())).to.deep.equal(["in the end"]);
    expect(faults.counts).to.deep.equal({ "internal error": 3 });
  });
});
