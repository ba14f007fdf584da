import { expect } from "chai";
import fc from "fast-check";
import { secondsOfLargest } from "../../src/delivery/limits.ts";
import { imagesFor, promisedWork, secondsFor } from "../../src/delivery/share.ts";
import { ArgumentError } from "../../src/topology/argument-error.ts";
import { ImageFanOut } from "../../src/topology/image-fan-out.ts";
import { ImageWorker } from "../../src/topology/image-worker.ts";
import type { WorkerSettings } from "../../src/topology/setting-types.ts";
import { checkWorkerSettings } from "../../src/topology/worker-settings.ts";
import { find, registered } from "../support/mocks.ts";

describe("the settings of a worker", () => {
  // biome-ignore lint/suspicious/noExplicitAny: much of this is what types would refuse
  const refused: [any, RegExp][] = [
    [{ memorySize: 127 }, /^W: memorySize is 127, but must be a whole number from 256 to 10240 MB\.$/],
    [{ memorySize: 10_241 }, /memorySize is 10241/],
    [{ memorySize: 512.5 }, /memorySize is 512\.5/],
    [{ memorySize: Number.NaN }, /memorySize is NaN/],
    [{ memorySize: "512" }, /memorySize is "512"/],
    [{ timeout: 0 }, /timeout is 0, but must be a whole number from 1 to 900 seconds\./],
    [{ timeout: 901 }, /timeout/],
    [{ batchSize: 0 }, /batchSize/],
    [{ pipelineDepth: 0 }, /pipelineDepth is 0, but must be a whole number from 1 to 50 images\./],
    [{ pipelineDepth: 51 }, /pipelineDepth/],
    [{ batchSize: 10_001, maximumBatchingWindowInSeconds: 1 }, /batchSize is 10001/],
    [
      { batchSize: 11 },
      /batchSize is 11, but more than 10 needs maximumBatchingWindowInSeconds of 1 or more\./,
    ],
    [{ maximumBatchingWindowInSeconds: 301 }, /maximumBatchingWindowInSeconds is 301/],
    [{ maxReceiveCount: 4 }, /maxReceiveCount is 4, but must be a whole number from 5 to 1000\./],
    [{ logRetentionInDays: 31 }, /logRetentionInDays is 31, but CloudWatch keeps logs for one of 1, 3, 5/],
    [
      { timeout: 119, batchSize: 10 },
      /^W: timeout is 119 and batchSize 10, which leaves 7\.0 seconds of work for each image, but the largest that memorySize 1769 accepts takes up to 71\.3: raise timeout to 815, or lower batchSize to 1\.$/,
    ],
    [{ timeout: 30 }, /: raise timeout to 84\.$/],
    [{ batchSize: 20, maximumBatchingWindowInSeconds: 1 }, /: lower batchSize to 11\.$/],
    [
      { batchSize: 1000, maximumBatchingWindowInSeconds: 1, timeout: 20, memorySize: 512 },
      /raise timeout to 900 and lower batchSize to 14\.$/,
    ],
    [{ memorysize: 512 }, /memorysize is not known, only memorySize, timeout/],
    [
      { scaling: { maximumConcurrency: 1 } },
      /scaling\.maximumConcurrency is 1, but .* from 2 to 1000 batches/,
    ],
    [{ scaling: { maximumConcurrency: 1001 } }, /scaling\.maximumConcurrency is 1001/],
    [{ scaling: {} }, /scaling\.maximumConcurrency is undefined/],
    [{ scaling: { minimumPollers: 1, maximumPollers: 5 } }, /minimumPollers is 1, .* from 2 to 200 pollers/],
    [{ scaling: { minimumPollers: 201, maximumPollers: 500 } }, /minimumPollers is 201/],
    [{ scaling: { minimumPollers: 2, maximumPollers: 2001 } }, /maximumPollers is 2001, .* from 2 to 2000/],
    [{ scaling: { minimumPollers: 2 } }, /scaling\.maximumPollers is undefined/],
    [
      { scaling: { minimumPollers: 9, maximumPollers: 8 } },
      /minimumPollers is 9, but maximumPollers is only 8\./,
    ],
    [
      { scaling: { maximumConcurrency: 5, minimumPollers: 2, maximumPollers: 4 } },
      /must have either maximumConcurrency, or/,
    ],
    [{ scaling: { pollers: 5 } }, /scaling\.pollers is not known/],
    [{ only: {} }, /^W: only is empty, but must have prefix, suffix, minimumBytes or maximumBytes\.$/],
    [
      { only: ".jpg" },
      /^W: only is "\.jpg", but must be a map of prefix, suffix, minimumBytes, maximumBytes\.$/,
    ],
    [{ only: { begin: "a" } }, /only\.begin is not known, only prefix, suffix/],
    [
      { only: { prefix: "a", suffix: "b" } },
      /only has prefix and suffix, but SNS can filter by only one of them/,
    ],
    [{ only: { prefix: "" } }, /only\.prefix is "", but must be a text of 1 to 1,024 characters/],
    [{ only: { suffix: ["a", "*.jpg"] } }, /only\.suffix is "\*\.jpg", but must be a text .* without/],
    [{ only: { suffix: "\uD800" } }, /only\.suffix is "\\ud800"/],
    [{ only: { prefix: [] } }, /only\.prefix has 0 texts, but must have 1 to 37, as SNS allows\.$/],
    [{ only: { prefix: new Array(38).fill("a") } }, /has 38 texts, but must have 1 to 37/],
    [{ only: { prefix: new Array(10).fill("a"), minimumBytes: 1 } }, /has 10 texts, but must have 1 to 9/],
    [{ only: { minimumBytes: -1 } }, /only\.minimumBytes is -1, but .* from 0 to 1000000000 bytes\.$/],
    [{ only: { maximumBytes: 1e9 + 1 } }, /only\.maximumBytes is 1000000001/],
    [
      { only: { minimumBytes: 2, maximumBytes: 1 } },
      /only\.minimumBytes is 2, but maximumBytes is only 1\.$/,
    ],
    [{ damaged: "mend" }, /^W: damaged is "mend", but must be repair or reject\.$/],
    [
      { carry: ["expires"] },
      /^W: carry has "expires", but must be a list of cache-control, content-disposition, metadata, tags\.$/,
    ],
    [{ carry: "tags" }, /^W: carry is "tags", but must be a list of /],
    [{ reservedConcurrency: 1 }, /reservedConcurrency is 1, but .* from 2 to 100000/],
    [
      { reservedConcurrency: 10, scaling: { maximumConcurrency: 11 } },
      /scaling lets 11 batches run at once, but reservedConcurrency is 10, so Lambda would throttle the rest: raise it, or lower scaling\./,
    ],
    [
      { reservedConcurrency: 399, scaling: { minimumPollers: 2, maximumPollers: 40 } },
      /scaling lets 400 batches run at once, but reservedConcurrency is 399/,
    ],
  ];
  for (const [settings, message] of refused) {
    it(`may not be ${JSON.stringify(settings)}`, () => {
      expect(() => checkWorkerSettings("W: ", settings)).to.throw(ArgumentError, message);
    });
  }

  const accepted: WorkerSettings[] = [
    {
      memorySize: 256,
      timeout: 900,
      batchSize: 26,
      maximumBatchingWindowInSeconds: 1,
      maxReceiveCount: 1000,
    },
    { memorySize: 10_240, timeout: 900, batchSize: 1, maximumBatchingWindowInSeconds: 300 },
    { timeout: 84 },
    { pipelineDepth: 1 },
    { pipelineDepth: 50 },
    { damaged: "reject" },
    { scaling: { maximumConcurrency: 2 }, reservedConcurrency: 2 },
    { scaling: { maximumConcurrency: 1000 } },
    { scaling: { minimumPollers: 2, maximumPollers: 2 }, reservedConcurrency: 20 },
    { scaling: { minimumPollers: 200, maximumPollers: 2000 } },
  ];
  for (const settings of accepted) {
    it(`may be ${JSON.stringify(settings)}`, () => {
      expect(checkWorkerSettings("W: ", settings)).to.deep.include(settings);
    });
  }
});

describe("the batch of a worker", () => {
  const batchOf = (settings: WorkerSettings) => checkWorkerSettings("W: ", settings).batchSize;

  it("is ten by default, and less where the time does not promise ten what the largest image takes", () => {
    expect(batchOf({})).to.equal(10);
    expect([3008, 10_240].map((memorySize) => batchOf({ memorySize }))).to.deep.equal([6, 1]);
    expect([84, 165, 815, 900].map((timeout) => batchOf({ timeout }))).to.deep.equal([1, 2, 10, 10]);
  });
});

describe("the timeout of a worker", () => {
  const timeoutOf = (settings: WorkerSettings) => checkWorkerSettings("W: ", settings).timeout;

  it("is 120 seconds by default, and more where the largest image that is accepted needs more", () => {
    expect(timeoutOf({ batchSize: 1 })).to.equal(120);
    expect(timeoutOf({ batchSize: 1, memorySize: 256 })).to.equal(120);
    expect(timeoutOf({ batchSize: 1, memorySize: 3008 })).to.equal(139);
    expect(timeoutOf({ memorySize: 10_240 })).to.equal(464);
    expect(timeoutOf({})).to.equal(815);
  });

  it("promises the largest image its time at every memory and batch that is accepted, and no second more", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 256, max: 10_240 }),
        fc.integer({ min: 1, max: 40 }),
        (memory, images) => {
          const work = secondsOfLargest(memory);
          const seconds = secondsFor(work, images);
          expect(promisedWork(seconds * 1000, images)).to.be.at.least(work * 1000);
          expect(promisedWork((seconds - 1) * 1000, images)).to.be.below(work * 1000);
          expect(imagesFor(work, seconds)).to.be.at.least(images);
        },
      ),
    );
  });
});

describe("the scaling of a worker", () => {
  const worker = async (settings: WorkerSettings) => {
    const resources = await registered(() => {
      new ImageWorker("grey", {
        fanOut: new ImageFanOut("images"),
        handler: "handlers/rotate.ts",
        ...settings,
      });
    });
    return {
      mapping: find(resources, "EventSourceMapping", "images-grey-mapping"),
      lambda: find(resources, "Function", "images-grey-function"),
    };
  };

  it("is Lambda's own by default, and nothing is reserved", async () => {
    const { mapping, lambda } = await worker({});

    expect(mapping).to.not.have.any.keys("scalingConfig", "provisionedPollerConfig");
    expect(lambda).to.not.have.property("reservedConcurrentExecutions");
  });

  it("is standard mode up to a maximum", async () => {
    const { mapping } = await worker({ scaling: { maximumConcurrency: 50 } });

    expect(mapping.scalingConfig).to.deep.equal({ maximumConcurrency: 50 });
    expect(mapping).to.not.have.property("provisionedPollerConfig");
  });

  it("is provisioned mode between pollers", async () => {
    const { mapping } = await worker({ scaling: { minimumPollers: 2, maximumPollers: 200 } });

    expect(mapping.provisionedPollerConfig).to.deep.equal({ minimumPollers: 2, maximumPollers: 200 });
    expect(mapping).to.not.have.property("scalingConfig");
  });

  for (const [reservedConcurrency, maximumConcurrency] of [
    [20, 20],
    [3000, 1000],
  ] as const) {
    it(`takes no more than ${maximumConcurrency} at once where ${reservedConcurrency} are reserved`, async () => {
      const { mapping, lambda } = await worker({ reservedConcurrency });

      expect(lambda.reservedConcurrentExecutions).to.equal(reservedConcurrency);
      expect(mapping.scalingConfig).to.deep.equal({ maximumConcurrency });
    });
  }
});
