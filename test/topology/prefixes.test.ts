import { expect } from "chai";
import { ImageFanOut } from "../../src/topology/image-fan-out.ts";
import { RotationWorker } from "../../src/topology/rotation-worker.ts";
import { find, refusal, registered } from "../support/mocks.ts";

/** What becomes of workers of one fan-out, by name, with these prefixes. */
const outcome = (prefixes: Record<string, string | undefined>) =>
  refusal(() => {
    const fanOut = new ImageFanOut("images");
    for (const [name, prefix] of Object.entries(prefixes)) {
      new RotationWorker(name, { fanOut, angle: 90, ...(prefix !== undefined && { prefix }) });
    }
  });

describe("the prefix of a worker's results", () => {
  it("is where it may write, what its function is told, and what the stack's outputs say", async () => {
    let outputs: unknown;
    const resources = await registered(() => {
      const fanOut = new ImageFanOut("images");
      new RotationWorker("clockwise", { fanOut, angle: 90, prefix: "turned/90", carry: ["tags"] });
      outputs = fanOut.workers.clockwise?.prefix;
    });
    const { policy } = find(resources, "RolePolicy", "images-clockwise-role-policy");
    const ofResults = policy.Statement.filter(({ Resource }: { Resource: string }) =>
      Resource.startsWith("arn:aws:s3:::images-results"),
    );

    expect(outputs).to.equal("turned/90");
    expect(ofResults).to.deep.equal([
      {
        Sid: "ReadAndWriteOwnResults",
        Effect: "Allow",
        Action: ["s3:GetObject", "s3:PutObject"],
        Resource: "arn:aws:s3:::images-results/turned/90/*",
      },
      {
        Sid: "TagOwnResults",
        Effect: "Allow",
        Action: "s3:PutObjectTagging",
        Resource: "arn:aws:s3:::images-results/turned/90/*",
      },
    ]);
    const { environment } = find(resources, "Function", "images-clockwise-function");
    expect(environment.variables).to.include({ WORKER: "clockwise", RESULTS_PREFIX: "turned/90" });
  });

  for (const prefixes of [
    { one: undefined, two: "one" },
    { one: undefined, two: "one/two" },
    { one: "two/one", two: undefined },
    { one: "a/b", two: "a/b" },
  ]) {
    it(`is refused where it is among another's: ${JSON.stringify(prefixes)}`, async () => {
      const { one = "one", two = "two" } = prefixes;
      expect(await outcome(prefixes)).to.equal(
        `ArgumentError: RotationWorker "two": its results would be under "${two}/", and those of worker "one" are under "${one}/". Give one of them another name or prefix.`,
      );
    });
  }

  it("may begin as another's does, and be the name of a worker whose results are elsewhere", async () => {
    expect(await outcome({ one: "a/b", two: "a/bc", three: "a/c", four: "one" })).to.equal("not refused");
  });

  for (const prefix of [
    "",
    "/a",
    "a/",
    "a//b",
    "..",
    "a/../b",
    "a/.",
    "a b",
    "a*",
    "$" + "{x}",
    "ü",
    "x".repeat(129),
  ]) {
    it(`is no key's beginning: ${JSON.stringify(prefix)}`, async () => {
      expect(await outcome({ one: prefix })).to.equal(
        `ArgumentError: RotationWorker "one": prefix is ${JSON.stringify(prefix)}, but must be 1 to 128 letters, digits, "_", "." and "-", in parts separated by a single "/", without one at either end.`,
      );
    });
  }
});
