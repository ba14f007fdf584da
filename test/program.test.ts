import { expect } from "chai";
import { type RuntimeResult, runInPulumiRuntime, UNKNOWN } from "./support/pulumi-runtime.ts";

describe("the program in Pulumi's own Node.js runtime", function () {
  this.timeout(60_000);

  /** What must hold of both commands. */
  function check(result: RuntimeResult) {
    expect(result.complaints).to.deep.equal([]);
    expect(result.exitCode).to.equal(0);
    const workers = result.resources.filter(({ type }) => type === "image-machine:index:RotationWorker");
    expect(workers.map(({ name }) => name)).to.have.members(["clockwise", "counter-clockwise"]);
    const notifications = result.resources.filter(({ type }) => type.includes("BucketNotification"));
    expect(notifications).to.have.length(1);
  }

  it("passes a preview, where nothing that AWS decides is known", async () => {
    const result = await runInPulumiRuntime("preview");

    check(result);
    expect(result.stackOutputs.sourceBucket).to.equal(UNKNOWN);
    const policies = result.resources.filter(
      ({ type }) => type.endsWith("Policy") && type.includes("Bucket"),
    );
    expect(policies.map(({ inputs }) => inputs.policy)).to.deep.equal([UNKNOWN, UNKNOWN]);
  });

  it("passes an up, and says where everything is", async () => {
    const result = await runInPulumiRuntime("up");

    check(result);
    const queue = (name: string) => `https://sqs.eu-west-1.amazonaws.com/123456789012/${name}-0123456`;
    const worker = (name: string) => ({
      queue: queue(`${name}-queue`),
      deadLetterQueue: queue(`${name}-dead-letters`),
      function: `${name}-function-0123456`,
      prefix: name,
    });
    expect(result.stackOutputs).to.deep.equal({
      sourceBucket: "images-source-0123456",
      resultsBucket: "images-results-0123456",
      topic: "arn:aws:sns:eu-west-1:123456789012:images-created-0123456",
      workers: { clockwise: worker("clockwise"), "counter-clockwise": worker("counter-clockwise") },
    });
  });
});
