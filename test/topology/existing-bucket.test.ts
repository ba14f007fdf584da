import * as aws from "@pulumi/aws";
import { expect } from "chai";
import { ArgumentError } from "../../src/topology/argument-error.ts";
import { checkVersions } from "../../src/topology/existing-bucket.ts";
import { ImageFanOut, type ImageFanOutArgs } from "../../src/topology/image-fan-out.ts";
import { ImageWorker } from "../../src/topology/image-worker.ts";
import { find, registered, statements } from "../support/mocks.ts";

const FORMS = [
  ["its name", () => "my-photos"],
  ["its resource", () => new aws.s3.Bucket("my-photos")],
] as const;

/** What a machine registers whose buckets exist. */
const machine = (
  source: () => string | aws.s3.Bucket,
  args: Partial<ImageFanOutArgs> & { notification?: boolean },
) => {
  const { notification = true, ...rest } = args;
  return registered(() => {
    const fanOut = new ImageFanOut("images", {
      source: { existing: source(), notification },
      results: { existing: "my-results" },
      ...rest,
    });
    new ImageWorker("grey", { fanOut, handler: "handlers/rotate.ts" });
  });
};

describe("a bucket that exists already", () => {
  for (const [form, source] of FORMS) {
    it(`is left as it is, but for its notification, and all else points to it, given as ${form}`, async () => {
      const resources = await machine(source, { prefix: "in/" });

      const made = resources.filter(({ type }) => type.startsWith("aws:s3/") && !type.endsWith(":Bucket"));
      expect(made.map(({ name }) => name)).to.deep.equal(["images-source-notification"]);
      expect(find(resources, "BucketNotification", "images-source-notification")).to.deep.equal({
        bucket: "my-photos",
        topics: [
          {
            id: "created",
            topicArn: "arn:aws:sns:eu-west-1:123456789012:images-created",
            events: ["s3:ObjectCreated:*"],
            filterPrefix: "in/",
          },
        ],
      });
      expect(
        find(resources, "Function", "images-grey-function").environment.variables.RESULTS_BUCKET,
      ).to.equal("my-results");
      const text = JSON.stringify(statements(resources));
      expect(text).to.include('"arn:aws:s3:::my-photos/*"').and.include('"arn:aws:s3:::my-results/grey/*"');
      expect(text).to.include('"aws:SourceArn":"arn:aws:s3:::my-photos"').and.not.include("images-source");
    });
  }

  it("of results gets no notification, nor is one given beside what says the bucket already", async () => {
    const existing = { existing: "my-results" };
    await registered(() => {
      const fanOut = new ImageFanOut("images", { results: existing });
      expect(() => fanOut.completed).to.throw(
        ArgumentError,
        /completed would change the notifications of results\.existing, which are its owner's\.$/,
      );
      const other = new ImageFanOut("others");
      const source = { existing: "my-photos", notification: true };
      expect(() => new ImageFanOut("next", { after: other, source })).to.throw(
        ArgumentError,
        /leave out source or after\.$/,
      );
      const outputs = {
        sourceBucket: "a",
        resultsBucket: "b",
        topic: "arn:aws:sns:eu-west-1:123456789012:t",
      };
      expect(() => ImageFanOut.get("more", outputs, { results: existing })).to.throw(
        ArgumentError,
        /^ImageFanOut "more": results is given/,
      );
    });
  });

  it("is told of by one fan-out, as a second notification would take the place of the first", async () => {
    const told = (existing: string | aws.s3.Bucket) => ({ source: { existing, notification: true } });
    const refusal =
      /^ImageFanOut "second": source\.existing is a bucket whose notifications ImageFanOut "first" manages already.* add what notificationToAdd says\.$/;
    await registered(() => {
      new ImageFanOut("first", told("my-photos"));
      expect(() => new ImageFanOut("second", told("my-photos"))).to.throw(ArgumentError, refusal);
    });
    await registered(() => {
      const { source } = new ImageFanOut("first");
      expect(() => new ImageFanOut("second", told(source))).to.throw(ArgumentError, refusal);
      new ImageFanOut("third", { source: { existing: source, notification: false } });
    });
    await registered(() => {
      const first = new ImageFanOut("first");
      new ImageFanOut("second", told(first.results));
      expect(() => first.completed).to.throw(
        ArgumentError,
        /^ImageFanOut "first": completed would tell of a bucket whose notifications ImageFanOut "second" manages already/,
      );
    });
  });

  it("must keep versions", () => {
    const check = (versioning?: { enabled: boolean }) => () =>
      checkVersions('ImageFanOut "images": source.existing', "my-photos", versioning);

    expect(check({ enabled: true })).to.not.throw();
    for (const none of [{ enabled: false }, undefined]) {
      expect(check(none)).to.throw(
        ArgumentError,
        /^ImageFanOut "images": source\.existing is "my-photos", which has no versioning, .* --bucket my-photos /,
      );
    }
  });

  it("keeps its notifications where they are left to its owner, who is told what to add", async () => {
    let toAdd: unknown;
    const resources = await registered(async () => {
      const { notificationToAdd, nodes } = new ImageFanOut("images", {
        ...{ prefix: "a b/", suffix: ".jpg" },
        source: { existing: "my-photos", notification: false },
      });
      expect(nodes.notification).to.equal(undefined);
      toAdd = await new Promise((resolve) => notificationToAdd?.apply(resolve));
    });

    expect(resources.some(({ type }) => type.endsWith(":BucketNotification"))).to.equal(false);
    expect(toAdd).to.deep.equal({
      TopicConfigurations: [
        {
          Id: "machine-test-images",
          TopicArn: "arn:aws:sns:eu-west-1:123456789012:images-created",
          Events: ["s3:ObjectCreated:*"],
          Filter: {
            Key: {
              FilterRules: [
                { Name: "prefix", Value: "a+b/" },
                { Name: "suffix", Value: ".jpg" },
              ],
            },
          },
        },
      ],
    });
  });

  for (const [args, sentence] of [
    [
      { source: { existing: "my-photos" } },
      /^ImageFanOut "images": source\.notification is undefined, but must be true, which replaces/,
    ],
    [
      { source: { existing: "My photos", notification: true } },
      /source\.existing is "My photos", but must be the name of a bucket\.$/,
    ],
    [{ results: { existing: 5 } }, /results\.existing is 5, but must be/],
    [
      { results: { existing: "my-results", notification: true } },
      /results\.notification is not known, only existing\.$/,
    ],
    [
      { source: { existing: "one", notification: true }, results: { existing: "one" } },
      /are the same bucket, where every result would be taken for an image: choose another bucket for one of them\.$/,
    ],
    [
      { results: { existing: "my-results" }, lifecycle: { results: { expireDays: 1 } } },
      /lifecycle\.results is only for a bucket that the machine makes/,
    ],
    [
      { results: { existing: "my-results" }, transform: { results: {} } },
      /results\.existing is its owner's, so transform\.results would change nothing/,
    ],
  ] as const) {
    it(`is refused with ${JSON.stringify(args)}`, async () => {
      await registered(() => {
        expect(() => new ImageFanOut("images", args as unknown as ImageFanOutArgs)).to.throw(
          ArgumentError,
          sentence,
        );
      });
    });
  }
});
