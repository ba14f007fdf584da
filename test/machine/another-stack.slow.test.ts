import path from "node:path";
import { expect } from "chai";
import { runThrough, withFolder, withMachine } from "../support/machine.ts";
import { projectIn } from "../support/project.ts";
import { runInPulumiRuntime } from "../support/pulumi-runtime.ts";

/** Attaches a worker by outputs, as another stack would. */
const beside = (program: string) =>
  program.replace(
    /export const sourceBucket/,
    `const more = ImageFanOut.get("more", {
  sourceBucket: fanOut.source.bucket,
  resultsBucket: fanOut.results.bucket,
  topic: fanOut.topic.arn,
  workers: { clockwise: {}, "counter-clockwise": {} },
});
new RotationWorker("half", { fanOut: more, angle: 180 });
$&`,
  );

/** The same of a stack that is on AWS alone. */
const elsewhere = (program: string) =>
  beside(program)
    .replace("fanOut.source.bucket,", '"their-source",')
    .replace("fanOut.results.bucket,", '"their-results",')
    .replace("fanOut.topic.arn,", '"arn:aws:sns:us-east-1:123456789012:their-created",');

/** A program that has a worker on another stack's machine, and nothing else. */
const REFERRING = `import * as pulumi from "@pulumi/pulumi";
import { ImageFanOut } from "./src/topology/image-fan-out.ts";
import { RotationWorker } from "./src/topology/rotation-worker.ts";

const machine = new pulumi.StackReference("organization/rube-goldberg-image-machine/prod");
const fanOut = ImageFanOut.get("more", {
  sourceBucket: machine.requireOutput("sourceBucket"),
  resultsBucket: machine.requireOutput("resultsBucket"),
  topic: machine.requireOutput("topic"),
  workers: machine.requireOutput("workers"),
});
new RotationWorker("half-turn", { fanOut, angle: 180 });
`;

describe("a worker on another stack's fan-out, in Pulumi's runtime", function () {
  this.timeout(60_000);
  const outputs = {
    sourceBucket: "their-source",
    resultsBucket: "their-results",
    topic: "arn:aws:sns:eu-west-1:123456789012:their-created",
    workers: { clockwise: {} },
  };

  for (const command of ["preview", "up"] as const) {
    it(`passes ${command}, by the outputs of a StackReference`, async () => {
      await withFolder(async (folder) => {
        const project = await projectIn(folder, {}, { "index.ts": () => REFERRING });
        const program = path.join(project, "index.ts");
        const { exitCode, complaints, resources } = await runInPulumiRuntime(command, {}, program, outputs);

        expect(complaints).to.deep.equal([]);
        expect(exitCode).to.equal(0);
        const subscription = resources.find(({ name }) => name === "more-half-turn-subscription");
        expect(subscription?.inputs.topic).to.equal(outputs.topic);
      });
    });
  }

  it("is refused under the name of a worker there", async () => {
    await withFolder(async (folder) => {
      const project = await projectIn(folder, {}, { "index.ts": () => REFERRING });
      const program = path.join(project, "index.ts");
      const others = { ...outputs, workers: { "half-turn": {} } };
      const { exitCode, complaints } = await runInPulumiRuntime("preview", {}, program, others);

      expect(exitCode).to.not.equal(0);
      expect(complaints.join("\n")).to.contain(
        'those of worker "half-turn" of the fan-out\'s own stack are under "half-turn/"',
      );
    });
  });
});

describe("a worker on another stack's fan-out, on this computer", function () {
  this.timeout(60_000);
  const cat = { key: "cat.jpg", file: path.resolve("samples/cat.jpg") };

  it("gets the same images and writes beside the others, where that stack is here", async () => {
    await withFolder(async (folder) => {
      const project = await projectIn(folder, {}, { "index.ts": beside });
      await withMachine({ project }, async (machine) => {
        expect(machine.notRun).to.deep.equal([]);
        const { results, lost } = await runThrough(machine, [cat], path.join(folder, "out"));

        expect(lost).to.deep.equal([]);
        expect(results).to.deep.equal({
          "images/clockwise": 1,
          "images/counter-clockwise": 1,
          "more/half": 1,
        });
      });
    });
  });

  it("is said not to run where that stack is on AWS, and the rest goes on", async () => {
    await withFolder(async (folder) => {
      const project = await projectIn(folder, {}, { "index.ts": elsewhere });
      await withMachine({ project }, async (machine) => {
        expect(machine.notRun).to.deep.equal([
          "not run here: aws:s3/bucket:Bucket, which exists already (2)",
          "not run here: aws:sns/topic:Topic, which exists already (1)",
          "not run here: aws:sns/topicSubscription:TopicSubscription of a topic that exists already (1)",
        ]);
        const { results } = await runThrough(machine, [cat], path.join(folder, "out"));

        expect(results).to.deep.equal({ clockwise: 1, "counter-clockwise": 1 });
      });
    });
  });
});
