import * as aws from "@pulumi/aws";
import { expect } from "chai";
import { planOf } from "../../src/capacity/graph.ts";
import { ImageFanOut, type ImageFanOutArgs } from "../../src/topology/image-fan-out.ts";
import type { Listener } from "../../src/topology/listeners.ts";
import { RotationWorker } from "../../src/topology/rotation-worker.ts";
import type { OnlySettings } from "../../src/topology/setting-types.ts";
import { find, type Registered, refusal, registered } from "../support/mocks.ts";

const SNS = "arn:aws:sns:eu-west-1:123456789012";
const SQS = "arn:aws:sqs:eu-west-1:123456789012";

/** What a listener adds to a fan-out, by type and name. */
async function added(listener: () => Listener): Promise<Registered[]> {
  const program = (listen: boolean) =>
    registered(() => {
      const given = listener();
      const fanOut = new ImageFanOut("images");
      if (listen) fanOut.subscribe("index", given);
    });
  const without = (await program(false)).map(({ type, name }) => `${type} ${name}`);
  return (await program(true)).filter(({ type, name }) => !without.includes(`${type} ${name}`));
}

const kinds = (resources: Registered[]) => resources.map(({ type }) => type.split(":").at(-1)).sort();
describe("a listener of somebody else", () => {
  it("is told in its queue, by messages as S3 made them, and the queue takes them from this topic alone", async () => {
    const resources = await added(() => ({ queue: new aws.sqs.Queue("theirs") }));

    expect(kinds(resources)).to.deep.equal(["QueuePolicy", "TopicSubscription"]);
    expect(find(resources, "TopicSubscription", "images-listener-index-subscription")).to.deep.equal({
      topic: `${SNS}:images-created`,
      protocol: "sqs",
      endpoint: `${SQS}:theirs`,
      rawMessageDelivery: true,
    });
    const { queueUrl, policy } = find(resources, "QueuePolicy", "images-listener-index-queue-policy");
    expect(queueUrl).to.equal("https://sqs.eu-west-1.amazonaws.com/123456789012/theirs");
    expect(policy).to.deep.equal({
      Version: "2012-10-17",
      Statement: [
        {
          Sid: "TopicSends",
          Effect: "Allow",
          Principal: { Service: "sns.amazonaws.com" },
          Action: "sqs:SendMessage",
          Resource: `${SQS}:theirs`,
          Condition: { ArnLike: { "aws:SourceArn": `${SNS}:images-created` } },
        },
        {
          Sid: "DenyWithoutTls",
          Effect: "Deny",
          Principal: "*",
          Action: "sqs:*",
          Resource: [`${SQS}:theirs`],
          Condition: { Bool: { "aws:SecureTransport": "false" } },
        },
      ],
    });
  });

  it("keeps the policy that its queue has, where it says so", async () => {
    const resources = await added(() => ({ queue: new aws.sqs.Queue("theirs"), policy: false }));

    expect(kinds(resources)).to.deep.equal(["TopicSubscription"]);
  });

  it("is told of what it asks for alone, and what cannot be delivered goes to its own queue, in all ways", async () => {
    const letters = () => new aws.sqs.Queue("letters");
    const others = { only: { suffix: [".jpg", ".JPG"], minimumBytes: 1000 } };
    const expected = {
      redrivePolicy: `{"deadLetterTargetArn":"${SQS}:letters"}`,
      filterPolicyScope: "MessageBody",
      filterPolicy: JSON.stringify({
        Records: {
          s3: {
            object: { key: [{ suffix: ".jpg" }, { suffix: ".JPG" }], size: [{ numeric: [">=", 1000] }] },
          },
        },
      }),
    };
    const role = "arn:aws:iam::123456789012:role/r";
    for (const kind of [
      () => ({ queue: new aws.sqs.Queue("theirs") }),
      () => ({ function: new aws.lambda.Function("theirs", { role }) }),
      () => ({ email: "somebody@example.com" }),
      () => ({ https: "https://example.com/images" }),
    ]) {
      const resources = await added(() => ({ ...kind(), ...others, deadLetterQueue: letters() }));

      expect(find(resources, "TopicSubscription", "images-listener-index-subscription")).to.deep.include(
        expected,
      );
      const { queueUrl, policy } = find(
        resources,
        "QueuePolicy",
        "images-listener-index-dead-letters-policy",
      );
      expect(queueUrl).to.match(/letters$/);
      expect(policy.Statement[0]).to.deep.equal({
        Sid: "TopicSends",
        Effect: "Allow",
        Principal: { Service: "sns.amazonaws.com" },
        Action: "sqs:SendMessage",
        Resource: `${SQS}:letters`,
        Condition: { ArnLike: { "aws:SourceArn": `${SNS}:images-created` } },
      });
    }
  });

  it("leaves the policies of both its queues alone, where it says so", async () => {
    const resources = await added(() => ({
      queue: new aws.sqs.Queue("theirs"),
      deadLetterQueue: new aws.sqs.Queue("letters"),
      policy: false,
    }));

    expect(kinds(resources)).to.deep.equal(["TopicSubscription"]);
  });

  it("cannot ask for images of which the fan-out is not told, but for any results", async () => {
    const listen = (topic: "created" | "completed") =>
      refusal(() => {
        const fanOut = new ImageFanOut("images", { prefix: "in/" });
        fanOut.subscribe("index", { email: "a@b", topic, only: { prefix: "clockwise/" } });
      });

    expect(await listen("created")).to.equal(
      'ArgumentError: ImageFanOut "images": subscribe "index".only.prefix is "clockwise/", but prefix of the fan-out is "in/": no image could match both.',
    );
    expect(await listen("completed")).to.equal("not refused");
  });

  it("is called as a function by this topic alone", async () => {
    const resources = await added(() => ({
      function: new aws.lambda.Function("theirs", { role: "arn:aws:iam::123456789012:role/r" }),
    }));

    expect(find(resources, "Permission", "images-listener-index-permission")).to.deep.equal({
      function: "theirs",
      action: "lambda:InvokeFunction",
      principal: "sns.amazonaws.com",
      sourceArn: `${SNS}:images-created`,
    });
    expect(find(resources, "TopicSubscription", "images-listener-index-subscription")).to.deep.include({
      protocol: "lambda",
      endpoint: "arn:aws:lambda:eu-west-1:123456789012:function:theirs",
    });
  });

  for (const [protocol, endpoint] of [
    ["email", "somebody@example.com"],
    ["https", "https://example.com/images"],
  ] as const) {
    it(`is written to by ${protocol}`, async () => {
      const resources = await added(() => ({ [protocol]: endpoint }) as unknown as Listener);

      expect(resources.map(({ inputs }) => inputs)).to.deep.equal([
        { topic: `${SNS}:images-created`, protocol, endpoint },
      ]);
    });
  }

  it("of results has a topic that the results bucket alone publishes to, once for all of them", async () => {
    const resources = await registered(() => {
      const fanOut = new ImageFanOut("images");
      fanOut.subscribe("one", { email: "one@example.com", topic: "completed" });
      fanOut.subscribe("two", { email: "two@example.com", topic: "completed" });
    });

    expect(find(resources, "TopicSubscription", "images-listener-two-subscription").topic).to.equal(
      `${SNS}:images-completed`,
    );
    expect(find(resources, "BucketNotification", "images-results-notification")).to.deep.equal({
      bucket: "images-results",
      topics: [{ id: "completed", topicArn: `${SNS}:images-completed`, events: ["s3:ObjectCreated:*"] }],
    });
    expect(find(resources, "TopicPolicy", "images-completed-policy").policy).to.deep.equal({
      Version: "2012-10-17",
      Statement: [
        {
          Sid: "ResultsBucketPublishes",
          Effect: "Allow",
          Principal: { Service: "s3.amazonaws.com" },
          Action: "sns:Publish",
          Resource: `${SNS}:images-completed`,
          Condition: {
            ArnLike: { "aws:SourceArn": "arn:aws:s3:::images-results" },
            StringEquals: { "aws:SourceAccount": "123456789012" },
          },
        },
        {
          Sid: "DenyWithoutTls",
          Effect: "Deny",
          Principal: "*",
          Action: "sns:Publish",
          Resource: [`${SNS}:images-completed`],
          Condition: { Bool: { "aws:SecureTransport": "false" } },
        },
      ],
    });
  });

  it("of results costs nobody anything who does not ask", async () => {
    const resources = await registered(() => new ImageFanOut("images"));

    expect(resources.filter(({ name }) => /completed|results-notification/.test(name))).to.deep.equal([]);
  });

  for (const [what, listener, sentence] of [
    ["nothing", {}, " has nothing, but must have one of queue, function, email, https."],
    [
      "two at once",
      { email: "a@b", https: "https://c" },
      " has email and https, but must have one of queue, function, email, https.",
    ],
    ["no address", { email: "somebody" }, '.email is "somebody", but must be one address.'],
    ["an open line", { https: "http://c" }, '.https is "http://c", but must be an address with https:.'],
    ["no queue", { queue: {} }, ".queue is object, but must be an aws.sqs.Queue."],
    [
      "another topic",
      { email: "a@b", topic: "results" },
      '.topic is "results", but must be created or completed.',
    ],
    [
      "a policy of nobody",
      { email: "a@b", policy: false },
      ".policy must be true or false, and is only for queues.",
    ],
    [
      "one whose letters go nowhere",
      { email: "a@b", deadLetterQueue: "theirs" },
      ".deadLetterQueue is string, but must be an aws.sqs.Queue.",
    ],
    [
      "one that is told of nothing in particular",
      { email: "a@b", only: {} },
      ".only is empty, but must have prefix, suffix, minimumBytes or maximumBytes.",
    ],
  ] as [string, Listener, string][]) {
    it(`is refused where it is ${what}`, async () => {
      const refused = await refusal(() => new ImageFanOut("images").subscribe("index", listener));

      expect(refused).to.equal(`ArgumentError: ImageFanOut "images": subscribe "index"${sentence}`);
    });
  }

  it("is refused with a queue that has its policy from another listener, or from a worker", async () => {
    const twice = await refusal(() => {
      const fanOut = new ImageFanOut("images");
      const queue = new aws.sqs.Queue("theirs");
      fanOut.subscribe("one", { queue });
      fanOut.subscribe("two", { queue, topic: "completed" });
    });
    const workers = await refusal(() => {
      const fanOut = new ImageFanOut("images");
      const { deadLetterQueue } = new RotationWorker("clockwise", { fanOut, angle: 90 });
      fanOut.subscribe("one", { email: "a@b", deadLetterQueue });
    });
    const own = await refusal(() => {
      const fanOut = new ImageFanOut("images");
      const queue = new aws.sqs.Queue("theirs");
      for (const name of ["one", "two"]) fanOut.subscribe(name, { queue, policy: false });
    });

    expect(twice).to.contain(
      'ImageFanOut "images": subscribe "two".queue already has its policy from ImageFanOut "images": subscribe "one", and a queue has only one',
    );
    expect(workers).to.contain(
      'subscribe "one".deadLetterQueue already has its policy from RotationWorker "clockwise"',
    );
    expect(own).to.equal("not refused");
  });

  it("is refused where there is one of its name", async () => {
    const refused = await refusal(() => {
      const fanOut = new ImageFanOut("images");
      for (const email of ["a@b", "c@d"]) fanOut.subscribe("index", { email });
    });

    expect(refused).to.equal(
      'ArgumentError: ImageFanOut "images": subscribe has a listener "index" already.',
    );
  });
});

describe("a fan-out after another", () => {
  const chain = (first: ImageFanOutArgs = {}, second: ImageFanOutArgs = {}) =>
    registered(() => {
      const turned = new ImageFanOut("turned", first);
      new RotationWorker("clockwise", { fanOut: turned, angle: 90 });
      const again = new ImageFanOut("again", { after: turned, ...second });
      new RotationWorker("half", { fanOut: again, angle: 180 });
    });

  it("takes the other's results for its images, and has a results bucket of its own", async () => {
    const resources = await chain();
    const policy = JSON.stringify(find(resources, "RolePolicy", "again-half-role-policy").policy);

    expect(find(resources, "TopicSubscription", "again-half-subscription").topic).to.equal(
      `${SNS}:turned-completed`,
    );
    expect(policy)
      .to.contain('"arn:aws:s3:::turned-results/*"')
      .and.contain('"arn:aws:s3:::again-results/half/*"')
      .and.not.contain("turned-source");
    const buckets = resources.filter(({ type }) => type === "aws:s3/bucket:Bucket");
    expect(buckets.map(({ name }) => name)).to.have.members([
      "turned-source",
      "turned-results",
      "again-results",
    ]);
    const queue = find(resources, "QueuePolicy", "again-half-queue-policy");
    expect(queue.policy.Statement[0].Condition).to.deep.equal({
      ArnLike: { "aws:SourceArn": `${SNS}:turned-completed` },
    });
  });

  it("has, for the model of its capacity, the results of those workers for images that it is told of", async () => {
    const imagesOf = async (only?: OnlySettings) => {
      const resources = await registered(() => {
        const turned = new ImageFanOut("turned");
        new RotationWorker("clockwise", { fanOut: turned, angle: 90, prefix: "right" });
        new RotationWorker("half", { fanOut: turned, angle: 180 });
        const again = new ImageFanOut("again", { after: turned });
        new RotationWorker("last", { fanOut: again, angle: 180, ...(only && { only }) });
      });
      const { workers } = planOf(resources, "eu-west-1");
      const last = workers.find(({ name }) => name.endsWith("/last"));
      for (const worker of workers) {
        expect([worker.tellsOfResults ?? false, worker.after !== undefined]).to.deep.equal(
          worker === last ? [false, true] : [true, false],
        );
      }
      const { after = [], isFiltered, filtersBodies } = last ?? {};
      return [after.map((name) => name.split("/").at(-1)).sort(), isFiltered, filtersBodies];
    };

    expect(await imagesOf()).to.deep.equal([["clockwise", "half"], false, false]);
    expect(await imagesOf({ prefix: "right/" })).to.deep.equal([["clockwise"], false, true]);
    expect(await imagesOf({ prefix: ["right/holiday/", "half/"] })).to.deep.equal([
      ["clockwise", "half"],
      true,
      true,
    ]);
    expect(await imagesOf({ suffix: ".jpg" })).to.deep.equal([["clockwise", "half"], true, true]);
    expect(await imagesOf({ prefix: "clockwise/" })).to.deep.equal([[], false, true]);
  });

  it("reads with the other's key, and writes with its own", async () => {
    const KEY = "arn:aws:kms:eu-west-1:123456789012:key";
    const keys = async (first: ImageFanOutArgs, second: ImageFanOutArgs) =>
      find(await chain(first, second), "RolePolicy", "again-half-role-policy").policy.Statement.filter(
        ({ Sid }: { Sid: string }) => Sid.startsWith("Use"),
      );
    const read = {
      Sid: "UseSourceKey",
      Effect: "Allow",
      Action: "kms:Decrypt",
      Resource: `${KEY}/turned-key`,
      Condition: { StringEquals: { "kms:ViaService": "s3.eu-west-1.amazonaws.com" } },
    };

    expect(await keys({ key: "create" }, {})).to.deep.equal([read]);
    expect(await keys({ key: "create" }, { key: "create" })).to.deep.equal([
      {
        Sid: "UseKey",
        Effect: "Allow",
        Action: ["kms:Decrypt", "kms:GenerateDataKey"],
        Resource: `${KEY}/again-key`,
        Condition: {
          StringEquals: {
            "kms:ViaService": ["s3", "sqs", "lambda"].map((service) => `${service}.eu-west-1.amazonaws.com`),
          },
        },
      },
      read,
    ]);
    expect(await keys({}, {})).to.deep.equal([]);
  });

  it("lets nobody upload, as nothing is uploaded to it", async () => {
    const refused = await refusal(() => {
      const after = new ImageFanOut("turned");
      new ImageFanOut("again", { after }).grantUpload("somebody");
    });

    expect(refused).to.contain('ImageFanOut "again": grantUpload has no bucket to grant');
  });

  it("is refused with a prefix, which filters what is uploaded, and after what is no fan-out", async () => {
    expect(await refusal(() => chainOf({ prefix: "a/" }))).to.contain(
      'ImageFanOut "again": prefix filters uploads, but its images are results of another fan-out. Filter with only in its workers instead.',
    );
    expect(await refusal(() => new ImageFanOut("again", { after: {} as never }))).to.equal(
      'ArgumentError: ImageFanOut "again": after is object, but must be an ImageFanOut.',
    );
  });

  const chainOf = (second: ImageFanOutArgs) =>
    new ImageFanOut("again", { after: new ImageFanOut("turned"), ...second });
});
