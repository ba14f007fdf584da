import { writeFile } from "node:fs/promises";
import path from "node:path";
import { expect } from "chai";
import type { Failure } from "../../src/machine/failures.ts";
import { UsageError } from "../../src/machine/inputs.ts";
import type { Machine } from "../../src/machine/machine.ts";
import { run } from "../../src/machine/run.ts";
import type { Outcome, TallyOptions } from "../../src/machine/tally.ts";
import { withFolder } from "../support/machine.ts";

/** A worker that fails with every image is given up before anything is uploaded. */
const failure: Failure = {
  ...{ worker: "grey", kind: "thrown", what: "Error: no", place: undefined, logFile: "", times: 5 },
};
const failures = { hopeless: () => failure };

/** Runs one image through a machine whose only worker is given up; `has` tells whether there is a result. */
function runOne(
  has: () => boolean,
  options: TallyOptions,
  others: readonly object[] = [],
  direct: object = {},
) {
  const grey = { name: "grey", function: "grey-1", prefix: "grey", source: "source", results: "results" };
  const machine = {
    workers: [grey, ...others],
    events: { on: () => () => {} },
    lambda: { abandon() {} },
    direct: { keys: () => [], has, queue: () => ({ receive: async () => [] }), ...direct },
  } as unknown as Machine;
  return withFolder(async (folder) => {
    const file = path.join(folder, "a.jpg");
    await writeFile(file, "abc");
    const inputs = async function* () {
      yield { file, key: "a.jpg" };
    };
    return run(machine, inputs, path.join(folder, "out"), () => {}, options);
  });
}

describe("a run with many images", () => {
  it("uploads no more than may wait, until there is room", async () => {
    await withFolder(async (folder) => {
      const file = path.join(folder, "a.jpg");
      await writeFile(file, "abc");
      const inputs = async function* () {
        for (let at = 0; at < 2500; at++) yield { file, key: `${at}.jpg` };
      };
      const waiting: string[] = [];
      let max = 0;
      const listeners: ((event: object) => void)[] = [];
      const take = (count: number) => {
        for (const key of waiting.splice(0, count)) {
          for (const tell of listeners) tell({ bucket: "results", key: `grey/${key}` });
        }
        return [];
      };
      const machine = {
        workers: [{ name: "grey", function: "grey-1", prefix: "grey", source: "source", results: "results" }],
        events: {
          on: (_kind: string, listener: (event: object) => void) => {
            listeners.push(listener);
            return () => {};
          },
        },
        direct: {
          async put(_bucket: string, key: string) {
            max = Math.max(max, waiting.push(key));
          },
          // Each look finds 50 messages fewer.
          async sqs() {
            take(50);
            return { Attributes: { ApproximateNumberOfMessages: String(waiting.length) } };
          },
          queue: () => ({ receive: async () => take(2500) }),
          keys: () => [],
        },
      };

      const summary = await run(machine as unknown as Machine, inputs, folder, () => {});

      expect(summary).to.deep.include({ images: 2500, lost: [] });
      expect(max).to.be.within(1000, 1400);
    });
  });

  it("waits for no queue that nothing is taken from", async () => {
    await withFolder(async (folder) => {
      const file = path.join(folder, "a.jpg");
      await writeFile(file, "abc");
      const inputs = async function* () {
        for (let at = 0; at < 100; at++) yield { file, key: `${at}.jpg` };
      };
      let looks = 0;
      const worker = {
        name: "grey",
        function: "grey-1",
        prefix: "grey",
        source: "source",
        results: "results",
      };
      const machine = {
        workers: [worker],
        events: { on: () => () => {} },
        lambda: { abandon() {} },
        direct: {
          put: async () => {},
          sqs: async () => ({ Attributes: { ApproximateNumberOfMessages: `${++looks && 5000}` } }),
          queue: () => ({ receive: async () => [] }),
          keys: () => [],
          has: () => false,
        },
      };

      const hopeless = () => (looks > 2 ? failure : undefined);
      const summary = await run(machine as unknown as Machine, inputs, folder, () => {}, {
        failures: { hopeless },
      });

      expect(summary.givenUp.map(({ worker: name }) => name)).to.deep.equal(["grey"]);
    });
  });
});

describe("a run whose worker was given up", () => {
  it("says of an image without a result that it is not done, and why", async () => {
    const outcomes: Outcome[] = [];
    const summary = await runOne(() => false, { failures, onOutcome: (outcome) => outcomes.push(outcome) });

    expect(summary).to.deep.include({ images: 1, results: { grey: 0 }, lost: [], rejections: [] });
    expect(summary.givenUp).to.deep.equal([{ worker: "grey", failure, keys: ["a.jpg"] }]);
    expect(outcomes).to.deep.equal([
      {
        key: "a.jpg",
        worker: "grey",
        code: "not-done",
        reason: "Error: no",
        milliseconds: null,
        bytes: null,
      },
    ]);
  });

  it("leaves out an image whose result was there all the same", async () => {
    const { givenUp } = await runOne(() => true, { failures });

    expect(givenUp).to.deep.equal([{ worker: "grey", failure, keys: [] }]);
  });

  it("does not wait for a worker that takes results of others, and is given up, too", async () => {
    const small = { name: "small", function: "small-1", prefix: "small", source: "results", results: "more" };

    const { givenUp, results } = await runOne(() => true, { failures }, [small]);

    expect(results).to.deep.equal({ grey: 0, small: 0 });
    expect(givenUp.map(({ worker }) => worker)).to.deep.equal(["grey", "small"]);
  });

  it("says that there is no room for the results", async () => {
    const direct = {
      keys: () => ["grey/a.jpg"],
      save: () => Promise.reject(Object.assign(new Error("ENOSPC: x"), { errno: -28, syscall: "copyfile" })),
    };

    const thrown = await runOne(() => true, { failures }, [], direct).catch((reason) => reason);

    expect(thrown).to.be.instanceOf(UsageError);
    expect(thrown.message).to.match(/^The results in .*out cannot be written: no space left on device\.$/);
  });

  it("fails where nobody can say whether a result is there", async () => {
    const error = new Error("Access Denied");
    const has = () => {
      throw error;
    };

    const thrown = await runOne(has, { failures }).catch((reason) => reason);

    expect(thrown).to.equal(error);
  });
});
