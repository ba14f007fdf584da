import { expect } from "chai";
import { ImageFanOut } from "../../src/topology/image-fan-out.ts";
import { ImageWorker } from "../../src/topology/image-worker.ts";
import { checkWorkerSettings, type WorkerSettings } from "../../src/topology/worker-settings.ts";
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
    [{ batchSize: 10_001, maximumBatchingWindowInSeconds: 1 }, /batchSize is 10001/],
    [
      { batchSize: 11 },
      /batchSize is 11, but more than 10 needs maximumBatchingWindowInSeconds of 1 or more\./,
    ],
    [{ maximumBatchingWindowInSeconds: 301 }, /maximumBatchingWindowInSeconds is 301/],
    [{ maxReceiveCount: 4 }, /maxReceiveCount is 4, but must be a whole number from 5 to 1000\./],
    [{ logRetentionInDays: 31 }, /logRetentionInDays is 31, but CloudWatch keeps logs for one of 1, 3, 5/],
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
      /is either maximumConcurrency or/,
    ],
    [{ scaling: { pollers: 5 } }, /scaling\.pollers is not known/],
    [{ reservedConcurrency: 1 }, /reservedConcurrency is 1, but .* from 2 to 100000/],
    [
      { reservedConcurrency: 10, scaling: { maximumConcurrency: 11 } },
      /scaling lets 11 batches run at once, but reservedConcurrency is 10, so that the others would be throttled\./,
    ],
    [
      { reservedConcurrency: 399, scaling: { minimumPollers: 2, maximumPollers: 40 } },
      /scaling lets 400 batches run at once, but reservedConcurrency is 399/,
    ],
  ];
  for (const [settings, message] of refused) {
    it(`may not be ${JSON.stringify(settings)}`, () => {
      expect(() => checkWorkerSettings("W: ", settings)).to.throw(RangeError, message);
    });
  }

  const accepted: WorkerSettings[] = [
    {
      memorySize: 256,
      timeout: 900,
      batchSize: 10_000,
      maximumBatchingWindowInSeconds: 1,
      maxReceiveCount: 1000,
    },
    { memorySize: 10_240, timeout: 1, batchSize: 1, maximumBatchingWindowInSeconds: 300 },
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
      mapping: find(resources, "EventSourceMapping", "grey-mapping"),
      lambda: find(resources, "Function", "grey-function"),
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
