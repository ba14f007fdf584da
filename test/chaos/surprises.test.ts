import { GetObjectCommand, PutBucketVersioningCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { GetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import { expect } from "chai";
import { Faults, SEQUENCERS } from "local-aws";
import { type Machine, startMachine } from "../../src/machine/machine.ts";
import { heldForFile, withFolder } from "../support/machine.ts";
import { quiet } from "../support/quiet.ts";
import { pixelsOf, type TwoPixels, twoPixels } from "./images.ts";

/** Time in queues that does not make a test wait. */
const QUICK = { speed: 360, timeLimit: 3 };

describe("a machine on an AWS that surprises", function () {
  this.timeout(120_000);
  let machine: Machine;
  let faults: Faults;
  let images: TwoPixels[];

  before(async () => {
    images = await twoPixels();
    faults = new Faults(QUICK);
    machine = await heldForFile((hold) =>
      withFolder(async (folder) => {
        const started = await startMachine({ project: process.cwd(), folder, faults });
        await hold(started);
        await started.stop();
      }),
    );
  });

  const put = (Key: string, index: number) => {
    const Body = images[index]?.png ?? Buffer.alloc(0);
    return machine.s3.send(new PutObjectCommand({ Bucket: machine.outputs.sourceBucket, Key, Body }));
  };

  /** Which image the clockwise result is of; -1 where there is none. */
  async function result(key: string): Promise<number> {
    const object = { Bucket: machine.outputs.resultsBucket, Key: `clockwise/${key}` };
    const found = await machine.s3.send(new GetObjectCommand(object)).catch(() => undefined);
    const pixels = found && (await pixelsOf(Buffer.from((await found.Body?.transformToByteArray()) ?? [])));
    return images.findIndex(({ left, right }) => pixels === `1x2 ${left}${right}`);
  }

  async function deadLetters(): Promise<number> {
    const counts = Object.values(machine.outputs.workers).map(async ({ deadLetterQueue }) => {
      const AttributeNames = ["ApproximateNumberOfMessages" as const];
      const { Attributes } = await machine.sqs.send(
        new GetQueueAttributesCommand({ QueueUrl: deadLetterQueue, AttributeNames }),
      );
      return Number(Attributes?.ApproximateNumberOfMessages);
    });
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }

  it("does what S3 does not find in the first minutes of versioning again, until it is found", async () => {
    const { sourceBucket } = machine.outputs;
    faults.plan = {
      ...QUICK,
      request: ({ operation, path, before }) =>
        operation !== "PUT" && path === `/${sourceBucket}/young.png` && before < 4
          ? "no such key"
          : undefined,
    };

    await put("young.png", 1);
    await quiet(machine, 60);

    expect(faults.counts["no such key"]).to.be.at.least(4);
    expect(await result("young.png")).to.equal(1);
    expect(await deadLetters()).to.equal(0);
  });

  for (const kind of ["constant", "missing", "unequal", "reversed"] as const) {
    it(`leaves the newest standing, in order and out of it, though sequencers are ${kind}`, async () => {
      const keys = Array.from({ length: 6 }, (_, index) => `${kind} ${index}.png`);
      let events = 0;
      faults.plan = {
        ...QUICK,
        sequencer: SEQUENCERS[kind],
        // Of half of the keys, every other event is late.
        event: () => [++events > 12 && events % 2 === 1 ? 300 : 0],
      };

      for (const key of keys) for (const index of [4, 5, 6, 7]) await put(key, index);
      await quiet(machine);

      for (const key of keys) expect(await result(key), key).to.equal(7);
    });
  }

  it("writes every result of a bucket whose versioning is suspended", async () => {
    faults.plan = QUICK;
    const Bucket = machine.outputs.sourceBucket;
    const VersioningConfiguration = { Status: "Suspended" as const };
    await machine.s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));

    for (const index of [1, 2, 3, 4]) {
      await put("suspended.png", index);
      await quiet(machine);
      expect(await result("suspended.png"), `upload ${index}`).to.equal(index);
    }
  });
});
