import { expect } from "chai";
import { fakeServices, refusalOf } from "./services.ts";

const QUEUE = "aws:sqs/queue:Queue";

describe("a declared resource", () => {
  it("gets a physical name of its own, the same at every start, unless the program gives one", async () => {
    const { make } = fakeServices();
    const named = async (name: string, type = "aws:s3/bucket:Bucket") => (await make(type, {}, { name })).id;

    const [first, second] = [await named("one"), await named("two")];

    expect(first).to.match(/^one-[0-9a-f]{7}$/);
    expect(second.slice(-7)).to.not.equal(first.slice(-7));
    const again = fakeServices();
    expect((await again.make("aws:s3/bucket:Bucket", {}, { name: "one" })).id).to.equal(first);
    expect((await again.make("aws:s3/bucket:Bucket", { bucket: "given" })).id).to.equal("given");
  });

  it("is refused for an input that would change what happens, and listed for one that would not", async () => {
    const { make, services } = fakeServices();

    expect(await refusalOf(make(QUEUE, { fifoQueue: true }))).to.equal(
      `ProgramError: ${QUEUE} "it": the input fifoQueue is not supported on this computer.`,
    );
    await make(QUEUE, { kmsDataKeyReusePeriodSeconds: 300 });
    expect(services.omitted.lines).to.deep.equal([
      `not run here: kmsDataKeyReusePeriodSeconds of ${QUEUE} (1)`,
    ]);
  });

  it("may say its region where that is the stack's, and no other one", async () => {
    const { make } = fakeServices();

    await make(QUEUE, { region: "eu-west-1" });
    expect(await refusalOf(make(QUEUE, { region: "us-east-1" }, { name: "far" }))).to.contain(
      "the input region",
    );
  });

  it("is taken as declared, and listed, where its type is not run here or it is there already", async () => {
    const { make, services, asked } = fakeServices();

    const table = await make("aws:dynamodb/table:Table", { name: "t" });
    const old = await make("aws:s3/bucket:Bucket", {}, { existing: "old" });

    expect([table.id, old.id]).to.deep.equal(["t", "old"]);
    // A bucket is made, as images may be dropped into it.
    expect(asked).to.deep.equal([
      ["createBucket", "old"],
      ["setVersioning", "old", "Enabled"],
    ]);
    expect(services.omitted.lines).to.deep.equal([
      "not run here: aws:dynamodb/table:Table (1)",
      "not run here: aws:s3/bucket:Bucket, which exists already (1)",
    ]);
  });

  it("is what the program has made itself, where that is what exists already", async () => {
    const { make, services } = fakeServices();
    const { id, state } = await make("aws:s3/bucket:Bucket", { bucket: "kept" });

    expect(await make("aws:s3/bucket:Bucket", {}, { existing: id, name: "again" })).to.deep.equal({
      id,
      state,
    });
    expect(services.omitted.lines).to.deep.equal([]);
  });

  it("is no subscription of a topic that exists elsewhere, which is listed", async () => {
    const { make, services, asked } = fakeServices();
    const topic = "arn:aws:sns:eu-west-1:123456789012:theirs";
    await make("aws:sns/topic:Topic", {}, { existing: topic });
    await make("aws:sns/topicSubscription:TopicSubscription", { topic, protocol: "sqs", endpoint: "arn:q" });

    expect(asked).to.deep.equal([]);
    expect(services.omitted.lines).to.include(
      "not run here: aws:sns/topicSubscription:TopicSubscription of a topic that exists already (1)",
    );
  });

  it("is refused in either case where the machine is strict", async () => {
    const { make } = fakeServices({ strict: true });

    expect(await refusalOf(make("aws:dynamodb/table:Table", {}))).to.match(/this resource type does not run/);
    expect(await refusalOf(make(QUEUE, {}, { existing: "q" }))).to.match(/it exists already on AWS/);
    expect(await refusalOf(make(QUEUE, { kmsDataKeyReusePeriodSeconds: 1 }))).to.match(/kmsDataKeyReuse/);
  });

  it("is refused where another one of its type has its ARN", async () => {
    const { make } = fakeServices();
    await make(QUEUE, { name: "same" }, { name: "first" });

    expect(await refusalOf(make(QUEUE, { name: "same" }))).to.equal(
      `ProgramError: ${QUEUE} "it": "first" has the same name here, arn:aws:sqs:eu-west-1:000000000000:same. Give one of them another name.`,
    );
  });

  it("is refused where another one is that of the same queue or bucket already", async () => {
    const { make } = fakeServices();
    const type = "aws:sqs/queuePolicy:QueuePolicy";
    await make(type, { queueUrl: "http://one", policy: "{}" }, { name: "first" });
    await make(type, { queueUrl: "http://two", policy: "{}" }, { name: "second" });

    expect(await refusalOf(make(type, { queueUrl: "http://one", policy: "{}" }))).to.equal(
      `ProgramError: ${type} "it": "first" belongs to http://one already, which can have only one: on AWS the later one would replace the other. Make them one.`,
    );
  });

  it("fails as what it is where the disk is at fault, and as the program's mistake otherwise", async () => {
    const { make, services } = fakeServices();
    const failing = (error: Error) =>
      Object.assign(services.store, { createBucket: () => Promise.reject(error) });

    failing(Object.assign(new Error("ENOSPC: no space left"), { syscall: "write" }));
    expect(await refusalOf(make("aws:s3/bucket:Bucket", {}))).to.match(/^Error: .*"it": ENOSPC/);
    failing(new Error("BucketAlreadyExists"));
    expect(await refusalOf(make("aws:s3/bucket:Bucket", {}))).to.match(/^ProgramError: .*"it": BucketAl/);
  });
});
