import { readFileSync } from "node:fs";
import { cp, mkdir, readdir, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { ReceiveMessageCommand, SetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import type * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import sharp from "sharp";
import { planOf, Recorder } from "../../src/capacity/graph.ts";
import type { Machine } from "../../src/machine/machine.ts";
import { runProgram } from "../../src/machine/program.ts";
import { readStackConfig } from "../../src/machine/stack-config.ts";
import { bundleHandler } from "../../src/packaging/bundle.ts";
import { runCommand } from "../support/command.ts";
import { runThrough, withFolder, withMachine } from "../support/machine.ts";
import { runInPulumiRuntime, UNKNOWN } from "../support/pulumi-runtime.ts";

/** The programs of docs/recipes.md, by their headings. */
const RECIPES = new Map(
  readFileSync("docs/recipes.md", "utf8")
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [, program = ""] = /```ts\n(.*?)```/s.exec(section) ?? [];
      return [section.split("\n", 1)[0] ?? "", program] as const;
    }),
);
const TWO_REGIONS = "Two regions in one program";
const CHAIN = "What comes next";
const LATER = "Values that are only known later";

/** What a recipe asks for that this computer does not run. */
const NOT_RUN: Record<string, string[]> = {
  [LATER]: ["aws:ssm/parameter:Parameter (1)"],
  "What an account asks of functions and roles": [
    "ephemeralStorage.size of aws:lambda/function:Function (1)",
    "loggingConfig.applicationLogLevel of aws:lambda/function:Function (1)",
    "path of aws:iam/role:Role (1)",
    "permissionsBoundary of aws:iam/role:Role (1)",
    "the layer arn:aws:lambda:us-east-1:580247275435:layer:LambdaInsightsExtension-Arm64:20 (1)",
    "the policy of a KMS key that exists already (1)",
  ],
  "In a VPC": [
    "aws:ec2/routeTable:RouteTable (1)",
    "aws:ec2/routeTableAssociation:RouteTableAssociation (2)",
    "aws:ec2/securityGroup:SecurityGroup (2)",
    "aws:ec2/subnet:Subnet (2)",
    "aws:ec2/vpc:Vpc (1)",
    "aws:ec2/vpcEndpoint:VpcEndpoint (2)",
    "vpcConfig.securityGroupIds of aws:lambda/function:Function (1)",
    "vpcConfig.subnetIds of aws:lambda/function:Function (1)",
  ],
  "Uploads from a browser, and access logs": [
    "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration (1)",
    "aws:s3/bucketLogging:BucketLogging (2)",
  ],
};

/** What AWS gets of a recipe, by type and name: some inputs of these. */
const GIVEN: Record<string, Record<string, object>> = {
  [LATER]: {
    "Function images-clockwise-function": { memorySize: 3008, timeout: 823 },
    "Queue images-clockwise-queue": { visibilityTimeoutSeconds: 6 * 823 },
    "Topic images-created": {
      tags: { Project: "rube-goldberg-image-machine", Stack: "dev", Memory: "3008 MB" },
      tracingConfig: "PassThrough",
    },
  },
  "What an account asks of functions and roles": {
    "Role images-clockwise-role": {
      path: "/images/",
      permissionsBoundary: "arn:aws:iam::123456789012:policy/boundary",
    },
    "Function images-clockwise-function": {
      ephemeralStorage: { size: 1024 },
      layers: [
        "arn:aws:lambda:eu-west-1:123456789012:layer:images-sharp-0123456:1",
        "arn:aws:lambda:us-east-1:580247275435:layer:LambdaInsightsExtension-Arm64:20",
      ],
      loggingConfig: {
        logFormat: "JSON",
        applicationLogLevel: "INFO",
        logGroup: "images-clockwise-log-0123456",
      },
    },
  },
  "On x86_64": {
    "LayerVersion images-sharp": { compatibleArchitectures: ["x86_64"] },
    "Function images-clockwise-function": { architectures: ["x86_64"] },
  },
  "In a VPC": {
    "Function images-clockwise-function": {
      vpcConfig: { subnetIds: ["images-a-id", "images-b-id"], securityGroupIds: ["images-functions-id"] },
    },
  },
};

/** Writes a recipe into a project of its own, with what it refers to. */
async function withRecipe<T>(
  title: string,
  use: (project: string, program: string) => Promise<T>,
): Promise<T> {
  return withFolder(async (project) => {
    const here = (RECIPES.get(title) ?? "")
      .replaceAll('"./src/', `"${pathToFileURL(path.resolve("src")).href}/`)
      .replaceAll(/"(layers|build)\//g, `"${project}/$1/`)
      .replaceAll(/"(@pulumi\/\w+)"/g, (_, name) => JSON.stringify(import.meta.resolve(name)));
    const program = path.join(project, "index.ts");
    await writeFile(program, here);
    await writeFile(path.join(project, "package.json"), '{"type":"module"}');
    await writeFile(path.join(project, "Pulumi.yaml"), "name: rube-goldberg-image-machine\n");
    await writeFile(path.join(project, "Pulumi.dev.yaml"), "config: {}\n");
    await writeFile(path.join(project, "angles.json"), "[45, 90]");
    await cp("layers/sharp", path.join(project, "layers/sharp-x64"), { recursive: true });
    const images = path.join(project, "layers/sharp-x64/node_modules/@img");
    await rename(path.join(images, "sharp-linux-arm64"), path.join(images, "sharp-linux-x64"));
    const built = (await bundleHandler("handlers/rotate.ts").assets)["index.js"] as pulumi.asset.StringAsset;
    await mkdir(path.join(project, "build/turn"), { recursive: true });
    await writeFile(path.join(project, "build/turn/index.js"), await built.text);
    return use(project, program);
  });
}

/** Looks at the thumbnail of the turned image, which lies on its side, and at what the listener was told. */
async function expectThumbnail(machine: Machine, folder: string): Promise<void> {
  const small = path.join(folder, "out/small/thumbnail");
  expect(await readdir(small, { recursive: true })).to.include(path.join("clockwise", "cat.jpg"));
  const { autoOrient: source } = await sharp("samples/cat.jpg").metadata();
  const thumbnail = await sharp(path.join(small, "clockwise/cat.jpg")).metadata();
  expect(Math.max(thumbnail.width, thumbnail.height)).to.equal(256);
  expect(thumbnail.width > thumbnail.height).to.equal(source.height > source.width);

  const queues = machine.outputs as unknown as { catalogueQueue: string; undeliveredQueue: string };
  const toldOf = async (QueueUrl: string) => {
    const receive = { QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5 };
    const { Messages = [] } = await machine.sqs.send(new ReceiveMessageCommand(receive));
    return Messages.map(({ Body = "" }) => JSON.parse(Body).Records[0].s3.object.key);
  };
  expect(await toldOf(queues.catalogueQueue)).to.deep.equal(["clockwise/cat.jpg"]);
  const outputs = path.join(folder, "state/outputs.json");
  const { stdout, stderr } = await runCommand(
    machine,
    ...["reconcile", "--outputs", outputs, "--fan-out", "thumbnails", "--grace", "0"],
  );
  expect(stdout + stderr).to.equal(
    "thumbnail: 2 created = 1 result + 0 rejected + 0 superseded + 0 in flight + 1 that it is not told of\n",
  );

  // Without its policy the listener's queue takes nothing any more.
  const refusing = { QueueUrl: queues.catalogueQueue, Attributes: { Policy: "" } };
  await machine.sqs.send(new SetQueueAttributesCommand(refusing));
  for (const Key of ["clockwise/b.jpg", "counter-clockwise/b.jpg"]) {
    await machine.s3.send(new PutObjectCommand({ Bucket: machine.outputs.resultsBucket, Key, Body: "b" }));
  }
  expect(await toldOf(queues.undeliveredQueue)).to.deep.equal(["clockwise/b.jpg"]);
}

describe("a recipe", function () {
  this.timeout(120_000);

  for (const title of RECIPES.keys()) {
    it(`turns an image on this computer: ${title}`, () =>
      withRecipe(title, (project, program) =>
        withMachine({ project, program }, async (machine, folder) => {
          const image = { key: "cat.jpg", file: path.resolve("samples/cat.jpg") };
          const summary = await runThrough(machine, [image], path.join(folder, "out"));

          expect(summary).to.deep.include({ images: 1, rejections: [], lost: [] });
          expect(machine.notRun).to.deep.equal((NOT_RUN[title] ?? []).map((what) => `not run here: ${what}`));
          if (title === CHAIN) {
            expect(summary.results).to.deep.equal({
              "small/thumbnail": 1,
              "turned/clockwise": 1,
              "turned/counter-clockwise": 1,
            });
            await expectThumbnail(machine, folder);
          }
          if (title !== TWO_REGIONS) return;
          const workers = ["eu/clockwise", "eu/counter-clockwise", "us/clockwise", "us/counter-clockwise"];
          expect(summary.results).to.deep.equal(Object.fromEntries(workers.map((worker) => [worker, 1])));
          const results = await readdir(path.join(folder, "out"), { recursive: true });
          expect(results).to.include.members(workers.map((worker) => path.join(worker, "cat.jpg")));
        }),
      ));

    it(`passes an up: ${title}`, async () => {
      const { resources, complaints, exitCode } = await withRecipe(title, (_, program) =>
        runInPulumiRuntime("up", {}, program),
      );

      expect(complaints).to.deep.equal([]);
      expect(exitCode).to.equal(0);
      const dashboards = resources.filter(({ type }) => type.endsWith(":Dashboard"));
      expect(dashboards).to.have.length([TWO_REGIONS, CHAIN].includes(title) ? 2 : 1);
      for (const [resource, inputs] of Object.entries(GIVEN[title] ?? {})) {
        const found = resources.find(
          ({ type, name }) => resource === `${type.split(":").at(-1)} ${name}` && type.startsWith("aws:"),
        );
        expect(found?.inputs, resource).to.deep.include(inputs);
      }
      if (title !== TWO_REGIONS) return;
      for (const { type, name, provider } of resources) {
        if (!type.startsWith("aws:")) continue;
        const [, place] = /^(eu|us)-/.exec(name) ?? [];
        expect(provider, name).to.contain(`pulumi:providers:aws::${place}::`);
      }
    });
  }

  it(`passes a preview that knows none of its values: ${LATER}`, async () => {
    const { resources, complaints, exitCode } = await withRecipe(LATER, async (_, program) => {
      // An identifier is what no preview knows.
      await writeFile(program, readFileSync(program, "utf8").replaceAll("memory.insecureValue", "memory.id"));
      return runInPulumiRuntime("preview", {}, program);
    });
    const inputsOf = (name: string) => resources.find((each) => each.name === name)?.inputs;

    expect(complaints).to.deep.equal([]);
    expect(exitCode).to.equal(0);
    for (const name of ["images-clockwise", "images-clockwise-function"]) {
      expect(inputsOf(name), name).to.include({ memorySize: UNKNOWN, timeout: UNKNOWN });
    }
    expect(inputsOf("images-clockwise-queue")).to.include({ visibilityTimeoutSeconds: UNKNOWN });
    expect(inputsOf("images-clockwise-mapping")).to.include({ maximumBatchingWindowInSeconds: 0 });
    expect(inputsOf("images-clockwise-function")?.tags).to.include({ Memory: UNKNOWN, Worker: "clockwise" });
  });

  it(`is counted with what follows from its values: ${LATER}`, async () => {
    const recorder = new Recorder("eu-west-1");
    await withRecipe(LATER, (project, program) =>
      runProgram(program, readStackConfig(project, "dev"), recorder.provision),
    );

    const [worker] = planOf(recorder.resources, "eu-west-1").workers;
    expect(worker).to.deep.include({ name: "clockwise", memorySize: 3008, timeout: 823, batchSize: 6 });
  });

  it(`tells secrets as secrets alone, also in the inputs of components: ${LATER}`, async () => {
    const { resources } = await withRecipe(LATER, (_, program) => runInPulumiRuntime("up", {}, program));
    const secret = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270" };
    const address = "on-call@example.com";
    const holders = resources.filter(({ inputs }) => JSON.stringify(inputs).includes(address));

    expect(holders.map(({ name }) => name)).to.have.members(["images", "images-alarms-email"]);
    for (const { name, inputs } of holders) {
      const { email, endpoint = email } = { ...inputs, ...(inputs.alarms as object) } as Record<
        string,
        unknown
      >;
      expect(endpoint, name).to.deep.equal({ ...secret, value: address });
      expect(JSON.stringify(inputs).split(address), name).to.have.length(2);
    }
  });
});
