import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import { ImageFanOut, type ImageFanOutArgs } from "../../src/topology/image-fan-out.ts";
import { RotationWorker } from "../../src/topology/rotation-worker.ts";
import { Way } from "../../src/topology/ways.ts";
import { registered } from "../support/mocks.ts";

const TOPIC = "arn:aws:sns:eu-west-1:123456789012:their-created";
const to = (existing: string | aws.s3.Bucket) => ({ results: { existing } });

/** Refused at once, in a program that ends there. */
const refuses = (program: () => ImageFanOut, sentence: string) =>
  registered(() => {
    expect(program).to.throw(sentence);
  });
const machine = (name: string, args: ImageFanOutArgs = {}, prefix = "clockwise") => {
  const fanOut = new ImageFanOut(name, args);
  new RotationWorker("clockwise", { fanOut, angle: 90, ...(prefix !== "clockwise" && { prefix }) });
  return fanOut;
};

describe("results that would come back as images", () => {
  const circle = (name: string, by = "") =>
    `ImageFanOut "${name}": its results would come back to it as images${by}, and so on without end.`;

  it("are refused where a fan-out that comes after another writes beside its results", async () => {
    await refuses(() => {
      const after = machine("turned");
      return machine("again", { after, ...to(after.results) });
    }, circle("again"));
  });

  it("are refused on another stack's buckets, where they are one", async () => {
    const outputs = { sourceBucket: "theirs", resultsBucket: "theirs", topic: TOPIC };
    await refuses(() => ImageFanOut.get("more", outputs), circle("more"));
    const workers = pulumi.output({});
    await refuses(() => ImageFanOut.get("more", { ...outputs, workers }), circle("more"));
  });

  it("are refused by way of other fan-outs, by names and by resources", async () => {
    await registered(() => {
      const bucket = new aws.s3.Bucket("any");
      const way = (name: string, from: unknown, to: unknown) =>
        new Way(
          name,
          { bucket: new aws.s3.Bucket(`${name}-a`), given: from },
          { bucket: new aws.s3.Bucket(`${name}-b`), given: to },
        );
      way("one", "a", "b");
      way("two", "b", bucket);
      way("chain", bucket, "e");
      way("same-end", "f", "e");
      way("same-start", "a", "e");

      expect(() => way("three", bucket, "a")).to.throw(
        circle("three", ' by way of ImageFanOut "one" and ImageFanOut "two"'),
      );
    });
  });
});

describe("results of two fan-outs in one bucket", () => {
  it("are refused where they would have the same keys", async () => {
    await refuses(() => {
      machine("one", to("bucket-b"));
      return machine("two", to("bucket-b"));
    }, 'RotationWorker "clockwise": its results would be under "clockwise/", and those of worker "clockwise" of ImageFanOut "one" are under "clockwise/".');
  });
});

describe("a fan-out after another whose results expire", () => {
  const chain = (expireDays: number) => {
    const after = machine("turned", { lifecycle: { results: { expireDays }, source: { expireDays: 40 } } });
    return machine("again", { after, lifecycle: { source: { expireDays: 50 } } });
  };

  it("is refused where they may be gone before it was told of them", async () => {
    await refuses(
      () => chain(14),
      'ImageFanOut "again": its images are results of ImageFanOut "turned", whose lifecycle.results.expireDays is 14, but must be 15 or more: a message may wait for 14 days, and its image must still exist then.',
    );
  });

  it("tells reconcile when its images expire, by the bucket that they are in", async () => {
    await registered(() => {
      expect(chain(15).workers.clockwise?.expireDays).to.deep.equal({ source: 15 });
    });
  });
});

describe("a transform of what a fan-out has from another", () => {
  const sentence = (what: string) =>
    `transform.${what} would change nothing, because the resource is another fan-out's`;
  const outputs = { sourceBucket: "theirs", resultsBucket: "their-results", topic: TOPIC };

  it("is refused, as it would change nothing", async () => {
    await registered(() => {
      const after = new ImageFanOut("turned");
      expect(() => new ImageFanOut("again", { after, transform: { topic: {} } })).to.throw(sentence("topic"));
      expect(() => ImageFanOut.get("more", outputs, { transform: { results: {} } })).to.throw(
        sentence("results"),
      );
    });
  });
});
