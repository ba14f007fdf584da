import * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import { ImageFanOut, type ImageFanOutArgs } from "../../src/topology/image-fan-out.ts";
import type { FanOutOutputs } from "../../src/topology/origin.ts";
import { RotationWorker } from "../../src/topology/rotation-worker.ts";
import { find, refusal, registered } from "../support/mocks.ts";

const SNS = "arn:aws:sns:eu-west-1:123456789012";
const OUTPUTS: FanOutOutputs = {
  sourceBucket: "their-source",
  resultsBucket: "their-results",
  topic: `${SNS}:their-created`,
  workers: { clockwise: {} },
};

const beside = (args: Omit<ImageFanOutArgs, "after"> = {}, outputs = OUTPUTS, worker = "half") =>
  registered(() => {
    const fanOut = ImageFanOut.get("more", outputs, args);
    new RotationWorker(worker, { fanOut, angle: 180 });
  });

describe("a worker on another stack's fan-out", () => {
  it("may have any name that none there has, also one that every object of JavaScript has", async () => {
    const resources = await beside({}, OUTPUTS, "constructor");
    expect(find(resources, "TopicSubscription", "more-constructor-subscription").topic).to.equal(
      OUTPUTS.topic,
    );
  });

  it("is told by the topic there, reads the source bucket there, and writes under its own name there", async () => {
    const resources = await beside();
    const { policy } = find(resources, "RolePolicy", "more-half-role-policy");

    expect(find(resources, "TopicSubscription", "more-half-subscription").topic).to.equal(OUTPUTS.topic);
    expect(
      find(resources, "QueuePolicy", "more-half-queue-policy").policy.Statement[0].Condition,
    ).to.deep.equal({ ArnLike: { "aws:SourceArn": OUTPUTS.topic } });
    expect(
      policy.Statement.filter(({ Resource }: { Resource: string }) => /:s3:/.test(Resource)),
    ).to.deep.equal([
      {
        Sid: "ReadSources",
        Effect: "Allow",
        Action: ["s3:GetObject", "s3:GetObjectVersion"],
        Resource: "arn:aws:s3:::their-source/*",
      },
      {
        Sid: "ReadAndWriteOwnResults",
        Effect: "Allow",
        Action: ["s3:GetObject", "s3:PutObject"],
        Resource: "arn:aws:s3:::their-results/half/*",
      },
      {
        Sid: "TellMissingSources",
        Effect: "Allow",
        Action: ["s3:ListBucket", "s3:ListBucketVersions"],
        Resource: "arn:aws:s3:::their-source",
      },
    ]);
  });

  it("changes nothing there: of buckets and topic it has the names alone", async () => {
    const resources = await beside();
    const about = resources.filter(({ inputs }) => /their-/.test(JSON.stringify(inputs)));

    expect(about.map(({ name }) => name)).to.have.members([
      "more-dashboard",
      "more-half-queue-policy",
      "more-half-dead-letters-policy",
      "more-half-subscription",
      "more-half-role-policy",
      "more-half-function",
    ]);
    for (const name of ["more-source", "more-results", "more-created"]) {
      expect(resources.find((resource) => resource.name === name)?.inputs).to.deep.equal({});
    }
    const types = resources.map(({ type }) => type.split(":").at(-1));
    expect(types).to.not.include.members(["BucketNotification", "TopicPolicy", "BucketPolicy"]);
    expect(types).to.not.include("BucketVersioning");
  });

  it("uses the key that is there, by its ARN", async () => {
    const key = "arn:aws:kms:eu-west-1:123456789012:key/theirs";
    const { policy } = find(await beside({ key }), "RolePolicy", "more-half-role-policy");

    expect(policy.Statement.at(-1)).to.deep.equal({
      Sid: "UseKey",
      Effect: "Allow",
      Action: ["kms:Decrypt", "kms:GenerateDataKey"],
      Resource: key,
      Condition: {
        StringEquals: {
          "kms:ViaService": ["s3", "sqs", "lambda"].map((service) => `${service}.eu-west-1.amazonaws.com`),
        },
      },
    });
  });

  it("takes outputs that are only known later, as those of a StackReference are", async () => {
    const later = Object.fromEntries(
      Object.entries(OUTPUTS).map(([name, value]) => [name, pulumi.output(value)]),
    ) as unknown as FanOutOutputs;

    expect(find(await beside({}, later), "TopicSubscription", "more-half-subscription").topic).to.equal(
      OUTPUTS.topic,
    );
  });

  it("has no results among those of a worker there, whose outputs say where they are", async () => {
    const under = (prefix?: string) => ({ ...OUTPUTS, workers: { clockwise: prefix ? { prefix } : {} } });
    const sentence = (worker: string, theirs: string) =>
      `ArgumentError: RotationWorker "${worker}": its results would be under "${worker}/", and those of worker "clockwise" of the fan-out's own stack are under "${theirs}/". Give one of them another name or prefix.`;

    expect(await refusal(() => beside({}, under(), "clockwise"))).to.equal(
      sentence("clockwise", "clockwise"),
    );
    expect(await refusal(() => beside({}, under("half/turned"), "half"))).to.equal(
      sentence("half", "half/turned"),
    );
    expect(await refusal(() => beside({}, under("turned"), "clockwise"))).to.equal("not refused");
    const untold = { ...OUTPUTS, workers: null as never };
    expect(await refusal(() => beside({}, untold, "clockwise"))).to.equal("not refused");
  });

  for (const [args, sentence] of [
    [
      { key: "create" },
      'ArgumentError: ImageFanOut "more": key is "create", but its buckets are another stack\'s: give the ARN of their key, or none.',
    ],
    [
      { suffix: ".jpg" },
      'ArgumentError: ImageFanOut "more": suffix filters uploads, but its source bucket is another stack\'s. Filter with only in its workers instead.',
    ],
  ] as const) {
    it(`is refused with ${JSON.stringify(args)}, which only the other stack can do`, async () => {
      expect(await refusal(() => ImageFanOut.get("more", OUTPUTS, args))).to.equal(sentence);
    });
  }

  it("has no topic of results, which would change the bucket there", async () => {
    expect(await refusal(() => ImageFanOut.get("more", OUTPUTS).completed)).to.equal(
      'ArgumentError: ImageFanOut "more": completed would change the results bucket, which is another stack\'s: read completed there, and export the topic.',
    );
  });
});
