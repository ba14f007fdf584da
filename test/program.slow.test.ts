import { writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { readStackConfig } from "../src/machine/stack-config.ts";
import { runThrough, withFolder, withMachine } from "./support/machine.ts";
import { PROJECT_NAME } from "./support/project.ts";
import {
  type RuntimeResource,
  type RuntimeResult,
  runInPulumiRuntime,
  UNKNOWN,
} from "./support/pulumi-runtime.ts";

/** The configuration of a stack of this project, as the Pulumi CLI would give it. */
const stack = (name: string) => readStackConfig(process.cwd(), name).config;
const set = (key: string, value: unknown) => ({
  [`${PROJECT_NAME}:${key}`]: JSON.stringify(value),
});

const CONFIGURATIONS: Record<string, Record<string, string>> = {
  "without configuration": {},
  "with the configuration of dev": stack("dev"),
  "with the configuration of prod": stack("prod"),
  "with a key of its own, traces, pollers and a mail address": {
    ...set("key", "create"),
    ...set("retention", "keep"),
    ...set("tracing", true),
    ...set("workers", { scaling: { minimumPollers: 5, maximumPollers: 45 } }),
    ...set("alarms", { email: "on-call@example.com" }),
  },
};

describe("the program in Pulumi's own Node.js runtime", function () {
  this.timeout(60_000);

  const only = ({ resources }: RuntimeResult, type: string): RuntimeResource[] =>
    resources.filter((resource) => resource.type.endsWith(`:${type}`));

  /** What must hold of both commands. */
  function check(result: RuntimeResult) {
    expect(result.complaints).to.deep.equal([]);
    expect(result.exitCode).to.equal(0);
    expect(only(result, "RotationWorker").map(({ name }) => name)).to.have.members([
      "images-clockwise",
      "images-counter-clockwise",
    ]);
    expect(only(result, "BucketNotification")).to.have.length(1);
  }

  const results = new Map<string, RuntimeResult>();
  for (const [title, config] of Object.entries(CONFIGURATIONS)) {
    it(`passes a preview ${title}, where nothing that AWS decides is known`, async () => {
      const result = await runInPulumiRuntime("preview", config);

      check(result);
      expect(result.stackOutputs.sourceBucket).to.equal(UNKNOWN);
      expect(only(result, "BucketPolicy").map(({ inputs }) => inputs.policy)).to.deep.equal([
        UNKNOWN,
        UNKNOWN,
      ]);
    });

    it(`passes an up ${title}`, async () => {
      const result = await runInPulumiRuntime("up", config);

      check(result);
      expect(JSON.stringify(result.resources)).to.not.contain(UNKNOWN);
      results.set(title, result);
    });
  }

  /** What an up of above registered. */
  const up = (title: string): RuntimeResult => {
    const result = results.get(title);
    if (!result) throw new Error(`the up ${title} has not run`);
    return result;
  };

  it("warns in a preview of an objective that the settings cannot meet, and of none that they can", async () => {
    const objective = (images: number) => set("objective", { images, minutes: 5 });
    const preview = (images: number) =>
      runInPulumiRuntime("preview", { ...stack("prod"), ...objective(images) });
    const [missed, met] = await Promise.all([preview(2_000_000), preview(1000)]);

    expect(missed.exitCode).to.equal(0);
    expect(missed.complaints).to.have.length(1);
    expect(missed.complaints[0]).to.match(
      /^2,000,000 images .* raise workers\.scaling\.maximumPollers of clockwise and/,
    );
    expect(met.complaints).to.deep.equal([]);
  });

  it("says where everything is", () => {
    const queue = (name: string) => `https://sqs.eu-west-1.amazonaws.com/123456789012/images-${name}-0123456`;
    const worker = (name: string, angle: number) => ({
      queue: queue(`${name}-queue`),
      deadLetterQueue: queue(`${name}-dead-letters`),
      function: `images-${name}-function-0123456`,
      logGroup: `images-${name}-log-0123456`,
      prefix: name,
      angle,
    });
    expect(up("without configuration").stackOutputs).to.deep.equal({
      sourceBucket: "images-source-0123456",
      resultsBucket: "images-results-0123456",
      topic: "arn:aws:sns:eu-west-1:123456789012:images-created-0123456",
      alarmTopic: "arn:aws:sns:eu-west-1:123456789012:images-alarms-0123456",
      workers: { clockwise: worker("clockwise", 90), "counter-clockwise": worker("counter-clockwise", 270) },
    });
  });

  it("lets dev be destroyed, with what is in its buckets", () => {
    for (const bucket of only(up("with the configuration of dev"), "Bucket")) {
      expect(bucket.inputs.forceDestroy).to.equal(true);
      expect(bucket).to.include({ protect: false, retainOnDelete: false });
    }
  });

  const WORKERS = ["images-clockwise", "images-counter-clockwise"];

  it("protects and keeps prod's buckets and dead letters, and all that keeps them closed and encrypted", () => {
    const { resources } = up("with the configuration of prod");
    const kept = resources.filter(({ protect, retainOnDelete }) => protect && retainOnDelete);

    expect(kept.map(({ name }) => name)).to.have.members([
      ...["images-source", "images-results"].flatMap((bucket) => [
        bucket,
        bucket,
        ...["versioning", "public-access", "ownership", "encryption", "policy", "lifecycle"].map(
          (child) => `${bucket}-${child}`,
        ),
      ]),
      ...WORKERS.flatMap((worker) =>
        ["dead-letters", "dead-letters-policy", "redrive-allow"].map((child) => `${worker}-${child}`),
      ),
    ]);
    expect(resources.filter(({ protect, retainOnDelete }) => retainOnDelete && !protect)).to.deep.equal([]);
  });

  it("protects what images of prod pass through and wait in, and what alarms reach people by", () => {
    const { resources } = up("with the configuration of prod");
    const guarded = resources.filter(({ protect, retainOnDelete }) => protect && !retainOnDelete);

    expect(guarded.map(({ name }) => name)).to.have.members([
      ...["images-created", "images-created-policy", "images-source-notification"],
      // The component, and its topic.
      ...["images-alarms", "images-alarms", "images-alarms-policy"],
      ...WORKERS.flatMap((worker) =>
        ["queue", "queue-policy", "subscription"].map((child) => `${worker}-${child}`),
      ),
    ]);
  });

  it("gives workers pollers, or a maximum", () => {
    for (const { inputs } of only(
      up("with a key of its own, traces, pollers and a mail address"),
      "EventSourceMapping",
    )) {
      expect(inputs.provisionedPollerConfig).to.deep.equal({ minimumPollers: 5, maximumPollers: 45 });
      expect(inputs).to.not.have.property("scalingConfig");
    }
    for (const { inputs } of only(up("with the configuration of prod"), "EventSourceMapping")) {
      expect(inputs.scalingConfig).to.deep.equal({ maximumConcurrency: 400 });
      expect(inputs).to.not.have.property("provisionedPollerConfig");
    }
  });

  it("has no alarms and no dashboard in dev, and says where alarms would go, without a warning", () => {
    const dev = up("with the configuration of dev");

    expect(only(dev, "MetricAlarm")).to.deep.equal([]);
    expect(only(dev, "Dashboard")).to.deep.equal([]);
    expect(only(dev, "Topic")).to.have.length(2);
    expect(dev.stackOutputs.alarmTopic).to.equal(up("without configuration").stackOutputs.alarmTopic);
  });

  it("has dev fit into an account that is new: 10 functions at once, of 3,008 MB", () => {
    const dev = up("with the configuration of dev");
    const atOnce = only(dev, "EventSourceMapping").map(
      ({ inputs }) => (inputs.scalingConfig as { maximumConcurrency: number }).maximumConcurrency,
    );

    expect(atOnce).to.deep.equal([2, 2]);
    for (const { inputs } of only(dev, "Function")) {
      expect(inputs.memorySize).to.be.at.most(3008);
      // An account of 10 has none to reserve, as Lambda keeps 100 for functions without any.
      expect(inputs).to.not.have.property("reservedConcurrentExecutions");
    }
  });

  it("keeps the key of buckets that are kept", () => {
    const { resources } = up("with a key of its own, traces, pollers and a mail address");
    const kept = resources.filter(({ type, retainOnDelete }) => type.startsWith("aws:kms") && retainOnDelete);

    expect(kept.map(({ name }) => name)).to.have.members(["images-key", "images-key-policy"]);
  });
});

describe("the program on this computer", function () {
  this.timeout(60_000);

  /** Starts a machine with a configuration, and a program of its own or index.ts, in a project of its own. */
  async function start(config: Record<string, unknown>, program?: string) {
    await withFolder(async (project) => {
      await writeFile(path.join(project, "Pulumi.yaml"), "name: rube-goldberg-image-machine\n");
      await writeFile(path.join(project, "Pulumi.dev.yaml"), JSON.stringify({ config }));
      await writeFile(path.join(project, "program.ts"), program ?? "");
      const file = program === undefined ? path.resolve("index.ts") : path.join(project, "program.ts");
      await withMachine({ project, program: file }, async (machine, folder) => {
        const empty = path.join(folder, "empty");
        await writeFile(empty, "");
        const summary = await runThrough(
          machine,
          [
            { key: "cat.jpg", file: path.resolve("samples/cat.jpg") },
            { key: "a folder/", file: empty },
          ],
          path.join(folder, "out"),
        );
        expect(summary).to.deep.include({ images: 1, rejections: [], lost: [] });
      });
    });
  }

  it("turns an image with the configuration of prod", () => start(stack("prod")));

  it("takes everything at once, and a worker of another kind", async () => {
    const from = (file: string) => JSON.stringify(pathToFileURL(path.resolve("src/topology", file)).href);
    const program = `
      import { ImageFanOut } from ${from("image-fan-out.ts")};
      import { ThumbnailWorker } from ${from("thumbnail-worker.ts")};
      const fanOut = new ImageFanOut("images", {
        key: "create",
        tracing: true,
        alarms: { email: "on-call@example.com", silent: { threshold: 24 } },
        concurrency: 30,
        workers: { reservedConcurrency: 20, scaling: { minimumPollers: 2, maximumPollers: 2 } },
        tags: { Team: "pictures" },
      });
      new ThumbnailWorker("small", { fanOut, longestSide: 64 });
      new ThumbnailWorker("smaller", { fanOut, longestSide: 32, reservedConcurrency: 10, scaling: undefined });
      export const sourceBucket = fanOut.source.bucket;
      export const resultsBucket = fanOut.results.bucket;
      export const workers = fanOut.workers;
    `;
    await start({}, program);
  });
});
