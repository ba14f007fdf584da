import { writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { runThrough, withFolder, withMachine } from "../support/machine.ts";
import { runInPulumiRuntime, WITHOUT_VERSIONS } from "../support/pulumi-runtime.ts";

/** A program whose buckets exist on AWS. */
const program = (notification: boolean) => `
import { ImageFanOut } from ${JSON.stringify(pathToFileURL(path.resolve("src/topology/image-fan-out.ts")).href)};
import { RotationWorker } from ${JSON.stringify(pathToFileURL(path.resolve("src/topology/rotation-worker.ts")).href)};

const fanOut = new ImageFanOut("images", {
  source: { existing: "my-photos", notification: ${notification} },
  results: { existing: "my-results" },
  suffix: ".jpg",
});
new RotationWorker("clockwise", { fanOut, angle: 90 });

export const sourceBucket = fanOut.source.bucket;
export const resultsBucket = fanOut.results.bucket;
export const topic = fanOut.topic.arn;
export const workers = fanOut.workers;
`;

/** Another fan-out that leaves the bucket's notifications to its owner. */
const another = (filter: string) =>
  `new ImageFanOut("more", { source: { existing: "my-photos", notification: false }, ${filter} });\n`;

describe("a machine with buckets of somebody else's", function () {
  this.timeout(60_000);

  for (const [notification, notRun] of [
    [true, []],
    [false, ["added here: a notification to my-photos; on AWS, its owner must add it"]],
  ] as const) {
    it(`turns an image on this computer, in buckets of their names, where notification is ${notification}`, () =>
      withFolder(async (folder) => {
        const file = path.join(folder, "program.ts");
        await writeFile(file, program(notification) + (notification ? "" : another('suffix: ".png"')));
        await withMachine({ program: file }, async (machine) => {
          const image = { key: "cat.jpg", file: path.resolve("samples/cat.jpg") };
          const summary = await runThrough(machine, [image], path.join(folder, "out"));

          expect(summary).to.deep.include({ results: { clockwise: 1 }, rejections: [], lost: [] });
          expect(machine.notRun).to.deep.equal([
            `not run here: aws:s3/bucket:Bucket, which exists already (${notification ? 2 : 3})`,
            ...notRun,
          ]);
          const { sourceBucket, resultsBucket } = machine.outputs;
          expect([sourceBucket, resultsBucket]).to.deep.equal(["my-photos", "my-results"]);
          const { topics } = machine.store.bucket("my-photos").notification;
          expect(topics.map(({ filterSuffix }) => filterSuffix)).to.have.members(
            notification ? [".jpg"] : [".jpg", ".png"],
          );
          const { topicArn } = topics.find(({ filterSuffix }) => filterSuffix === ".jpg") ?? {};
          expect(topicArn).to.equal(machine.outputs.topic);
        });
      }));
  }
});

describe("what is left to the owner of a bucket", function () {
  this.timeout(60_000);
  const started = (text: string) =>
    withFolder(async (folder) => {
      const file = path.join(folder, "program.ts");
      await writeFile(file, text);
      return withMachine({ program: file }, async ({ notRun }) => notRun.at(-1)).catch(
        ({ message }) => message,
      );
    });

  it("is refused where S3 would refuse it, as two are told of one image", async () => {
    expect(await started(program(false) + another('prefix: "in/"'))).to.match(
      /^S3 refuses the notification that the owner of my-photos would have to add: .* ambiguously defined/,
    );
  });

  it("is said not to be there where the program has the bucket's notifications", async () => {
    expect(await started(program(true) + another('suffix: ".png"'))).to.equal(
      "not added: a notification to my-photos. The program declares the bucket's notifications itself, and on AWS those would replace it",
    );
  });
});

describe("a machine with buckets of somebody else's, in Pulumi's runtime", function () {
  this.timeout(60_000);
  const run = (command: "preview" | "up", text: string) =>
    withFolder(async (folder) => {
      const file = path.join(folder, "program.ts");
      await writeFile(file, text);
      await writeFile(path.join(folder, "package.json"), '{ "type": "module" }');
      return runInPulumiRuntime(command, {}, file, { bucket: "there" });
    });

  for (const command of ["preview", "up"] as const) {
    it(`passes ${command}, and only tells the source bucket of its topic`, async () => {
      const { exitCode, complaints, resources, stackOutputs } = await run(command, program(true));

      expect(complaints).to.deep.equal([]);
      expect(exitCode).to.equal(0);
      const ofS3 = resources.filter(({ type }) => type.startsWith("aws:s3/"));
      expect(ofS3.map(({ name, inputs: { bucket } }) => [name, bucket])).to.deep.equal([
        ["images-source-notification", "my-photos"],
      ]);
      expect(stackOutputs).to.include({ sourceBucket: "my-photos", resultsBucket: "my-results" });
    });
  }

  for (const [what, text, sentence] of [
    [
      "a bucket without versions",
      program(true).replace("my-photos", WITHOUT_VERSIONS),
      /^ImageFanOut "images": source\.existing is "without-versions", which has no versioning.*Status=Enabled$/,
    ],
    [
      "images that are another fan-out's results in another region",
      `import * as aws from ${JSON.stringify(import.meta.resolve("@pulumi/aws"))};
${program(true)}
const of = (name, region) => ({ provider: new aws.Provider(name, { region }) });
const after = new ImageFanOut("turned", {}, of("first", "eu-west-1"));
new ImageFanOut("same", { after }, of("second", "eu-west-1"));
new ImageFanOut("other", { after }, of("third", "eu-north-1"));
`,
      /^ImageFanOut "other": its provider is for eu-north-1, but its images are results of ImageFanOut "turned" in eu-west-1, .* give both a provider of the same region\.$/,
    ],
  ] as const) {
    it(`refuses ${what} in preview, in a sentence and without a stack`, async () => {
      const { exitCode, complaints } = await run("preview", text);

      expect(exitCode).to.not.equal(0);
      expect(complaints).to.have.length(1);
      expect(complaints[0]).to.match(sentence);
    });
  }
});
