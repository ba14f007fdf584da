import { writeFile } from "node:fs/promises";
import path from "node:path";
import { HeadObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { expect } from "chai";
import type { Failure } from "../../src/machine/failures.ts";
import type { Machine } from "../../src/machine/machine.ts";
import { run } from "../../src/machine/run.ts";
import type { Outcome, TallyOptions } from "../../src/machine/tally.ts";
import { s3Error } from "../support/fake-s3.ts";
import { withFolder } from "../support/machine.ts";

/** A worker that fails with every image is given up before anything is uploaded. */
const failure: Failure = {
  ...{ worker: "grey", kind: "thrown", what: "Error: no", place: undefined, logFile: "", times: 5 },
};
const failures = { succeeded() {}, hopeless: () => failure };

/** Runs one image through a machine whose only worker is given up; S3 answers to HEAD what `head` throws. */
function runOne(head: () => unknown, options: TallyOptions) {
  const machine = {
    workers: [{ name: "grey", function: "grey-1", prefix: "grey", source: "source", results: "results" }],
    events: { on: () => () => {} },
    lambda: { abandon() {} },
    // Listings are paginated by clients alone.
    s3: Object.assign(new S3Client({ region: "us-east-1" }), {
      send: async (command: unknown) => (command instanceof HeadObjectCommand ? head() : {}),
    }),
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

describe("a run whose worker was given up", () => {
  it("says of an image without a result that it is not done, and why", async () => {
    const outcomes: Outcome[] = [];
    const head = () => {
      throw s3Error("NotFound", 404);
    };

    const summary = await runOne(head, { failures, onOutcome: (outcome) => outcomes.push(outcome) });

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
    const { givenUp } = await runOne(() => ({}), { failures });

    expect(givenUp).to.deep.equal([{ worker: "grey", failure, keys: [] }]);
  });

  for (const error of [s3Error("Forbidden", 403), s3Error("InternalError", 500), new Error("ECONNREFUSED")]) {
    it(`fails where S3 cannot say whether a result is there: ${error.message}`, async () => {
      const head = () => {
        throw error;
      };

      const thrown = await runOne(head, { failures }).catch((reason) => reason);

      expect(thrown).to.equal(error);
    });
  }
});
