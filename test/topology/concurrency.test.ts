import { expect } from "chai";
import { ArgumentError } from "../../src/topology/argument-error.ts";
import { ImageFanOut, type ImageFanOutArgs } from "../../src/topology/image-fan-out.ts";
import { RotationWorker } from "../../src/topology/rotation-worker.ts";
import type { WorkerSettings } from "../../src/topology/setting-types.ts";
import { registered } from "../support/mocks.ts";

/** How the queues of a fan-out's workers are emptied, by name, where those have these settings of their own. */
async function mappings(args: ImageFanOutArgs, workers: Record<string, WorkerSettings>) {
  const resources = await registered(() => {
    const fanOut = new ImageFanOut("images", args);
    for (const [name, own] of Object.entries(workers))
      new RotationWorker(name, { fanOut, angle: 90, ...own });
  });
  const found = resources.filter(({ type }) => type.endsWith(":EventSourceMapping"));
  return Object.fromEntries(
    found.map(({ name, inputs: { scalingConfig, provisionedPollerConfig } }) => [
      name.replace(/^images-(.*)-mapping$/, "$1"),
      scalingConfig ?? provisionedPollerConfig,
    ]),
  );
}

describe("the concurrency of a fan-out", () => {
  it("is divided among all its workers, and no two of them take more", async () => {
    expect(await mappings({ concurrency: 800 }, { one: {}, two: {} })).to.deep.equal({
      one: { maximumConcurrency: 400 },
      two: { maximumConcurrency: 400 },
    });
    expect(await mappings({ concurrency: 800 }, { one: {}, two: {}, three: {} })).to.deep.equal({
      one: { maximumConcurrency: 266 },
      two: { maximumConcurrency: 266 },
      three: { maximumConcurrency: 266 },
    });
  });

  it("leaves workers what is their own, and the others what that leaves", async () => {
    const polled = { scaling: { minimumPollers: 2, maximumPollers: 20 } };
    const workers = { polled, reserved: { reservedConcurrency: 50 }, one: {}, two: {} };

    expect(await mappings({ concurrency: 300 }, workers)).to.deep.equal({
      polled: polled.scaling,
      reserved: { maximumConcurrency: 50 },
      one: { maximumConcurrency: 25 },
      two: { maximumConcurrency: 25 },
    });
  });

  it("gives nobody more than Lambda allows, and is nothing where none is set", async () => {
    expect(await mappings({ concurrency: 5000 }, { one: {} })).to.deep.equal({
      one: { maximumConcurrency: 1000 },
    });
    expect(await mappings({}, { one: {} })).to.deep.equal({ one: undefined });
  });

  for (const [what, concurrency, workers, sentence] of [
    [
      "is too little for a third worker",
      5,
      { one: {}, two: {}, three: {} },
      "0 batches at once are taken, and 3 workers share the rest",
    ],
    [
      "is less than workers have of their own",
      10,
      { one: {}, two: { reservedConcurrency: 11 } },
      "11 batches at once are taken",
    ],
  ] as const) {
    it(`is refused where it ${what}`, async () => {
      const refusal = await mappings({ concurrency }, workers).catch((error: Error) => error);
      const last = Object.keys(workers).at(-1);

      expect(refusal).to.be.instanceOf(ArgumentError).with.property("message").that.contains(sentence);
      expect((refusal as Error).message).to.match(
        new RegExp(`^RotationWorker "${last}": concurrency of the fan-out is ${concurrency}, `),
      );
    });
  }

  it("must be a whole number of batches", async () => {
    const refusal = await mappings({ concurrency: 1 }, {}).catch((error: Error) => error.message);

    expect(refusal).to.equal(
      'ImageFanOut "images": concurrency is 1, but must be a whole number from 2 to 100000 batches at once.',
    );
  });
});
