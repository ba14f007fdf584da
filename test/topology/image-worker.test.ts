import { setImmediate } from "node:timers/promises";
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import { ArgumentError } from "../../src/topology/argument-error.ts";
import { ImageFanOut } from "../../src/topology/image-fan-out.ts";
import { ImageWorker, type ImageWorkerArgs } from "../../src/topology/image-worker.ts";
import { RotationWorker } from "../../src/topology/rotation-worker.ts";
import type { LifecycleSettings } from "../../src/topology/setting-types.ts";
import { ThumbnailWorker } from "../../src/topology/thumbnail-worker.ts";
import { find, type Registered, registered } from "../support/mocks.ts";

const TAGS = { Project: "machine", Stack: "test", Worker: "grey" };
const FOURTEEN_DAYS = 1_209_600;
const arn = (service: string, resource: string) => `arn:aws:${service}:eu-west-1:123456789012:${resource}`;

/** What a worker registers, beside its fan-out. */
const worker = (args: Partial<ImageWorkerArgs> = {}) =>
  registered(() => {
    const fanOut = new ImageFanOut("images");
    new ImageWorker("grey", { fanOut, handler: "handlers/rotate.ts", ...args });
  });

describe("ImageWorker", () => {
  let resources: Registered[];

  before(async () => {
    resources = await worker();
  });

  it("has exactly the resources of one processor", () => {
    const own = resources.filter(({ name }) => name.startsWith("images-grey"));

    expect(own.map(({ type, name }) => `${type.split(":").at(-1)} ${name}`).sort()).to.deep.equal([
      "EventSourceMapping images-grey-mapping",
      "Function images-grey-function",
      "ImageWorker images-grey",
      "LogGroup images-grey-log",
      "MetricAlarm images-grey-dead-letters-alarm",
      "MetricAlarm images-grey-errors-alarm",
      "MetricAlarm images-grey-in-flight-alarm",
      "MetricAlarm images-grey-late-alarm",
      "MetricAlarm images-grey-rejected-alarm",
      "MetricAlarm images-grey-throttles-alarm",
      "Queue images-grey-dead-letters",
      "Queue images-grey-queue",
      "QueuePolicy images-grey-dead-letters-policy",
      "QueuePolicy images-grey-queue-policy",
      "RedriveAllowPolicy images-grey-redrive-allow",
      "Role images-grey-role",
      "RolePolicy images-grey-role-policy",
      "TopicSubscription images-grey-subscription",
    ]);
  });

  it("has a queue that gives up after five tries and hides a message for six timeouts", () => {
    const { redrivePolicy, ...queue } = find(resources, "Queue", "images-grey-queue");

    expect(queue).to.deep.equal({
      messageRetentionSeconds: FOURTEEN_DAYS,
      visibilityTimeoutSeconds: 4890,
      sqsManagedSseEnabled: true,
      tags: TAGS,
    });
    expect(JSON.parse(redrivePolicy)).to.deep.equal({
      deadLetterTargetArn: arn("sqs", "images-grey-dead-letters"),
      maxReceiveCount: 5,
    });
  });

  it("adds the batching window to the time for which messages are hidden", async () => {
    const slower = await worker({ timeout: 900, maximumBatchingWindowInSeconds: 7, batchSize: 11 });

    expect(find(slower, "Queue", "images-grey-queue").visibilityTimeoutSeconds).to.equal(5407);
    expect(find(slower, "EventSourceMapping", "images-grey-mapping")).to.include({
      batchSize: 11,
      maximumBatchingWindowInSeconds: 7,
    });
  });

  it("has a dead-letter queue for its own queue alone, that keeps messages as long as SQS can", () => {
    const { redriveAllowPolicy, queueUrl } = find(
      resources,
      "RedriveAllowPolicy",
      "images-grey-redrive-allow",
    );

    expect(find(resources, "Queue", "images-grey-dead-letters")).to.deep.equal({
      messageRetentionSeconds: FOURTEEN_DAYS,
      sqsManagedSseEnabled: true,
      tags: TAGS,
    });
    expect(queueUrl).to.match(/images-grey-dead-letters$/);
    expect(JSON.parse(redriveAllowPolicy)).to.deep.equal({
      redrivePermission: "byQueue",
      sourceQueueArns: [arn("sqs", "images-grey-queue")],
    });
  });

  for (const queue of ["images-grey-queue", "images-grey-dead-letters"]) {
    it(`lets only the topic of this account send to ${queue}, over TLS`, () => {
      const { policy } = find(resources, "QueuePolicy", `${queue}-policy`);

      expect(policy).to.deep.equal({
        Version: "2012-10-17",
        Statement: [
          {
            Sid: "TopicSends",
            Effect: "Allow",
            Principal: { Service: "sns.amazonaws.com" },
            Action: "sqs:SendMessage",
            Resource: arn("sqs", queue),
            // Nobody asks SNS for aws:SourceAccount, which it may not say.
            Condition: { ArnLike: { "aws:SourceArn": arn("sns", "images-created") } },
          },
          {
            Sid: "DenyWithoutTls",
            Effect: "Deny",
            Principal: "*",
            Action: "sqs:*",
            Resource: [arn("sqs", queue)],
            Condition: { Bool: { "aws:SecureTransport": "false" } },
          },
        ],
      });
    });
  }

  it("subscribes its queue to the topic, raw, with the dead-letter queue for what cannot be delivered", () => {
    const { redrivePolicy, ...subscription } = find(
      resources,
      "TopicSubscription",
      "images-grey-subscription",
    );

    expect(subscription).to.deep.equal({
      topic: arn("sns", "images-created"),
      protocol: "sqs",
      endpoint: arn("sqs", "images-grey-queue"),
      rawMessageDelivery: true,
    });
    expect(JSON.parse(redrivePolicy)).to.deep.equal({
      deadLetterTargetArn: arn("sqs", "images-grey-dead-letters"),
    });
  });

  it("subscribes to what it is for alone, by keys as events have them and by sizes", async () => {
    const only = { suffix: [" ü.jpg", ".JPG"], minimumBytes: 1000, maximumBytes: 5_000_000 };
    const some = await worker({ only });

    const { filterPolicy, filterPolicyScope } = find(some, "TopicSubscription", "images-grey-subscription");

    expect(filterPolicyScope).to.equal("MessageBody");
    expect(JSON.parse(filterPolicy)).to.deep.equal({
      Records: {
        s3: {
          object: {
            key: [{ suffix: "+%C3%BC.jpg" }, { suffix: ".JPG" }],
            size: [{ numeric: [">=", 1000, "<=", 5_000_000] }],
          },
        },
      },
    });
  });

  it("says in its outputs when sources and results expire, and nothing where they do not", async () => {
    const expireDays = (lifecycle: LifecycleSettings) =>
      registered(() => {
        const fanOut = new ImageFanOut("images", { lifecycle });
        new ImageWorker("grey", { fanOut, handler: "handlers/rotate.ts" });
        expect(fanOut.workers.grey?.expireDays).to.deep.equal(
          lifecycle.source && { source: lifecycle.source.expireDays },
        );
      });
    await expireDays({ source: { expireDays: 20 }, results: { intelligentTiering: true } });
    await expireDays({});
  });

  it("says in its outputs what it is told of, the fan-out's filter included, and nothing where that is all", async () => {
    let outputs: unknown;
    await registered(() => {
      const fanOut = new ImageFanOut("images", { prefix: "in/" });
      new ImageWorker("grey", { fanOut, handler: "handlers/rotate.ts", only: { prefix: "in/a" } });
      new ImageWorker("all", { fanOut, handler: "handlers/rotate.ts" });
      outputs = Object.fromEntries(
        Object.entries(fanOut.workers).map(([name, { filter }]) => [name, filter]),
      );
    });
    expect(outputs).to.deep.equal({
      grey: { prefix: "in/", only: { prefix: ["in/a"] } },
      all: { prefix: "in/" },
    });
    await registered(() => {
      const fanOut = new ImageFanOut("images");
      new ImageWorker("grey", { fanOut, handler: "handlers/rotate.ts" });
      expect(fanOut.workers.grey).to.not.have.property("filter");
    });
  });

  for (const [what, only, settings, sentence] of [
    [
      "prefix",
      { prefix: "out/" },
      { prefix: "in/" },
      /^ImageWorker "grey": only\.prefix is "out\/", but prefix of the fan-out is "in\/": no image could match both\.$/,
    ],
    [
      "suffix",
      { suffix: [".jpg", ".png"] },
      { suffix: "a.jpg" },
      /only\.suffix is "\.png", but suffix of the fan-out is "a\.jpg"/,
    ],
  ] as const) {
    it(`is refused where the fan-out's ${what} leaves it nothing`, async () => {
      await registered(() => {
        const fanOut = new ImageFanOut("images", settings);
        expect(() => new ImageWorker("grey", { fanOut, handler: "handlers/rotate.ts", only })).to.throw(
          ArgumentError,
          sentence,
        );
      });
    });
  }

  it("has a role that only Lambda takes on", () => {
    expect(find(resources, "Role", "images-grey-role").assumeRolePolicy).to.deep.equal({
      Version: "2012-10-17",
      Statement: [
        {
          Sid: "LambdaRuns",
          Effect: "Allow",
          Principal: { Service: "lambda.amazonaws.com" },
          Action: "sts:AssumeRole",
        },
      ],
    });
  });

  it("has a role that allows what its function does, on its own resources, and nothing else", () => {
    expect(find(resources, "RolePolicy", "images-grey-role-policy").policy).to.deep.equal({
      Version: "2012-10-17",
      Statement: [
        {
          Sid: "TakeMessages",
          Effect: "Allow",
          Action: [
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:ChangeMessageVisibility",
            "sqs:GetQueueAttributes",
          ],
          Resource: arn("sqs", "images-grey-queue"),
        },
        {
          Sid: "RejectMessages",
          Effect: "Allow",
          Action: "sqs:SendMessage",
          Resource: arn("sqs", "images-grey-dead-letters"),
        },
        {
          Sid: "ReadSources",
          Effect: "Allow",
          Action: ["s3:GetObject", "s3:GetObjectVersion"],
          Resource: "arn:aws:s3:::images-source/*",
        },
        {
          Sid: "ReadAndWriteOwnResults",
          Effect: "Allow",
          Action: ["s3:GetObject", "s3:PutObject"],
          Resource: "arn:aws:s3:::images-results/grey/*",
        },
        {
          Sid: "TellMissingSources",
          Effect: "Allow",
          Action: ["s3:ListBucket", "s3:ListBucketVersions"],
          Resource: "arn:aws:s3:::images-source",
        },
        {
          Sid: "WriteLogs",
          Effect: "Allow",
          Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
          Resource: `${arn("logs", "log-group:images-grey-log")}:*`,
        },
      ],
    });
  });

  it("has a function for arm64 and Node.js 24 that finds sharp in the layer", () => {
    const { code, environment, ...rest } = find(resources, "Function", "images-grey-function");

    expect(rest).to.deep.equal({
      runtime: "nodejs24.x",
      architectures: ["arm64"],
      handler: "index.handler",
      layers: [arn("lambda", "layer:images-sharp:1")],
      role: "arn:aws:iam::123456789012:role/images-grey-role",
      memorySize: 1769,
      timeout: 815,
      tracingConfig: { mode: "PassThrough" },
      loggingConfig: { logFormat: "Text", logGroup: "images-grey-log" },
      tags: TAGS,
    });
    expect(environment.variables).to.deep.equal({
      DAMAGED: "repair",
      METADATA: "keep",
      PIPELINE_DEPTH: "10",
      WORKER: "grey",
      MACHINE: "machine-test-images",
      RESULTS_BUCKET: "images-results",
      QUEUE_URL: "https://sqs.eu-west-1.amazonaws.com/123456789012/images-grey-queue",
      DEAD_LETTER_QUEUE_URL: "https://sqs.eu-west-1.amazonaws.com/123456789012/images-grey-dead-letters",
      MALLOC_ARENA_MAX: "2",
      NODE_OPTIONS: "--enable-source-maps",
    });
    expect(code).to.be.instanceOf(pulumi.asset.AssetArchive);
  });

  it("logs to a group of its own, which is there first and does not keep lines for ever", () => {
    const order = resources.map(({ name }) => name);

    expect(find(resources, "LogGroup", "images-grey-log")).to.deep.equal({
      namePrefix: "/aws/lambda/machine-test-images-grey-",
      retentionInDays: 30,
      tags: TAGS,
    });
    expect(order.indexOf("images-grey-function")).to.be.greaterThan(order.indexOf("images-grey-log"));
    expect(order.indexOf("images-grey-function")).to.be.greaterThan(order.indexOf("images-grey-role-policy"));
  });

  it("takes messages by tens by default, and puts back those that failed alone", () => {
    expect(find(resources, "EventSourceMapping", "images-grey-mapping")).to.deep.equal({
      eventSourceArn: arn("sqs", "images-grey-queue"),
      functionName: arn("lambda", "function:images-grey-function"),
      functionResponseTypes: ["ReportBatchItemFailures"],
      batchSize: 10,
      maximumBatchingWindowInSeconds: 0,
      metricsConfig: { metrics: ["EventCount"] },
      tags: TAGS,
    });
  });

  it("tells the fan-out where it takes its messages and leaves its results", async () => {
    const fanOuts: ImageFanOut[] = [];
    await registered(() => {
      const fanOut = new ImageFanOut("images");
      new ImageWorker("grey", { fanOut, handler: "handlers/rotate.ts" });
      fanOuts.push(fanOut);
    });

    expect(Object.keys(fanOuts[0]?.workers ?? {})).to.deep.equal(["grey"]);
    expect(fanOuts[0]?.workers.grey?.prefix).to.equal("grey");
  });

  it("shows queues, function and some nodes, and its fan-out buckets, topics and outputs, and nothing else", async () => {
    const shown = (component: object) => Object.keys(component).filter((key) => !/^__|^urn$/.test(key));
    await registered(() => {
      const fanOut = new ImageFanOut("images");
      const grey = new ImageWorker("grey", { fanOut, handler: "handlers/rotate.ts" });
      const turn = new RotationWorker("turn", { fanOut, angle: 90 });

      for (const worker of [grey, turn]) {
        expect(shown(worker)).to.have.members(["queue", "deadLetterQueue", "function", "nodes"]);
        expect(Object.keys(worker.nodes)).to.have.members(["role", "logGroup", "mapping", "subscription"]);
      }
      expect(shown(fanOut)).to.have.members([
        ...["source", "results", "topic", "alarmTopic", "workers", "notificationToAdd", "nodes"],
      ]);
    });
  });

  it("has the code of an archive as it is", async () => {
    const handler = new pulumi.asset.FileArchive("handlers");

    const { code } = find(await worker({ handler }), "Function", "images-grey-function");
    expect(await code.path).to.equal("handlers");
  });

  it("takes the fan-out's settings where it has none of its own", async () => {
    const resources = await registered(() => {
      const workers = { memorySize: 512, timeout: 80, scaling: { maximumConcurrency: 7 } };
      const fanOut = new ImageFanOut("images", { workers });
      new ImageWorker("grey", { fanOut, handler: "handlers/rotate.ts", timeout: 70 });
    });

    expect(find(resources, "Function", "images-grey-function")).to.include({ memorySize: 512, timeout: 70 });
    expect(find(resources, "EventSourceMapping", "images-grey-mapping").scalingConfig).to.deep.equal({
      maximumConcurrency: 7,
    });
  });

  it("is refused before any of it is registered where a setting is out of range", async () => {
    const resources = await registered(() => {
      const fanOut = new ImageFanOut("images", { workers: { memorySize: 512 } });
      const make = () => new ImageWorker("grey", { fanOut, handler: "x", memorySize: 127 });
      expect(make).to.throw(
        ArgumentError,
        /^ImageWorker "grey": memorySize is 127, but must be a whole number from 256 to 10240 MB\.$/,
      );
      // The name is free for a worker that is as it must be.
      expect(() => fanOut.attach("grey", {})).not.to.throw();
    });

    expect(resources.filter(({ name }) => name.startsWith("images-grey"))).to.deep.equal([]);
  });
});

describe("a worker of a fan-out with a provider", () => {
  const machine = (opts: (own: aws.Provider) => pulumi.ComponentResourceOptions) =>
    registered(() => {
      const provider = new aws.Provider("of-fan-out", { region: "eu-west-1" });
      const own = new aws.Provider("own", { region: "eu-west-1" });
      const fanOut = new ImageFanOut("images", {}, { provider });
      new ImageWorker("grey", { fanOut, handler: "handlers/rotate.ts" }, opts(own));
    });
  const options: [string, string, Parameters<typeof machine>[0]][] = [
    ["takes it, having none of its own", "of-fan-out", () => ({})],
    ["takes it, with other options", "of-fan-out", () => ({ aliases: [{ name: "old" }] })],
    ["keeps its own", "own", (provider) => ({ provider })],
    ["keeps its own of several", "own", (provider) => ({ providers: [provider] })],
    ["keeps its own by name", "own", (aws) => ({ providers: { aws } })],
  ];
  for (const [what, name, opts] of options) {
    it(what, async () => {
      const own = (await machine(opts)).filter(
        (each) => /^aws:/.test(each.type) && /^images-grey-/.test(each.name),
      );

      expect(own).to.have.length(17);
      for (const { provider } of own) expect(provider).to.contain(`pulumi:providers:aws::${name}::`);
    });
  }
});

describe("a worker that comes after an await", () => {
  it("is refused, as dashboard and objective know nothing of it", async () => {
    const resources = await registered(async () => {
      const fanOut = new ImageFanOut("images");
      new RotationWorker("early", { fanOut, angle: 90 });
      await setImmediate();
      expect(() => new RotationWorker("late", { fanOut, angle: 90 })).to.throw(
        ArgumentError,
        'RotationWorker "late": it was created after an await, too late for the fan-out\'s dashboard and objective. Create the fan-out and all its workers without an await in between; await what you need before them.',
      );
    });

    expect(resources.filter(({ name }) => name.startsWith("images-late"))).to.deep.equal([]);
    expect(find(resources, "Dashboard", "images-dashboard").dashboardBody).to.contain("early");
  });
});

describe("RotationWorker", () => {
  /** The angle that the function of a worker is given. */
  async function angleOf(angle: number): Promise<string> {
    const resources = await registered(() => {
      new RotationWorker("turn", { fanOut: new ImageFanOut("images"), angle });
    });
    return find(resources, "Function", "images-turn-function").environment.variables.ANGLE;
  }

  it("takes no damaged images, and no metadata along, where its settings or the fan-out's say so", async () => {
    const resources = await registered(() => {
      const fanOut = new ImageFanOut("images", { workers: { damaged: "reject", metadata: "none" } });
      new RotationWorker("strict", { fanOut, angle: 90 });
      new RotationWorker("lenient", { fanOut, angle: 90, damaged: "repair", metadata: "no-location" });
    });
    const told = (worker: string) => {
      const { DAMAGED, METADATA } = find(resources, "Function", `images-${worker}-function`).environment
        .variables;
      return [DAMAGED, METADATA];
    };

    expect(told("strict")).to.deep.equal(["reject", "none"]);
    expect(told("lenient")).to.deep.equal(["repair", "no-location"]);
  });

  it("is an ImageWorker with a type of its own", async () => {
    const resources = await registered(() => {
      new RotationWorker("turn", { fanOut: new ImageFanOut("images"), angle: 90 });
    });

    expect(find(resources, "RotationWorker", "images-turn")).to.deep.equal({
      memorySize: 1769,
      timeout: 815,
      batchSize: 10,
      pipelineDepth: 10,
      maximumBatchingWindowInSeconds: 0,
      maxReceiveCount: 5,
      logRetentionInDays: 30,
      damaged: "repair",
      metadata: "keep",
      carry: [],
      prefix: "turn",
    });
    expect(find(resources, "EventSourceMapping", "images-turn-mapping").batchSize).to.equal(10);
  });

  for (const [angle, normalised] of [
    [90, "90"],
    [-90, "270"],
    [450, "90"],
    [-450, "270"],
    [12.5, "12.5"],
    [-0.5, "359.5"],
  ] as const) {
    it(`turns by ${normalised}° clockwise for an angle of ${angle}`, async () => {
      expect(await angleOf(angle)).to.equal(normalised);
    });
  }

  for (const angle of [0, -0, 360, -720, Number.NaN, Number.POSITIVE_INFINITY]) {
    it(`refuses an angle of ${angle}`, () => {
      expect(() => new RotationWorker("turn", { fanOut: {} as ImageFanOut, angle })).to.throw(
        ArgumentError,
        `RotationWorker "turn": angle is ${angle}`,
      );
    });
  }

  const fanOut = {} as ImageFanOut;
  const mistaken: [string, () => ImageWorker, string][] = [
    [
      "an angle that is a text",
      () => new RotationWorker("turn", { fanOut, angle: "90" as never }),
      'RotationWorker "turn": angle is "90", but must be a finite number of degrees',
    ],
    [
      "a misspelt argument",
      () => new RotationWorker("turn", { fanOut, angel: 90 } as never),
      'RotationWorker "turn": angel is not known, only angle, permissions, fanOut, prefix, ',
    ],
    [
      "a misspelt argument of thumbnails",
      () => new ThumbnailWorker("small", { fanOut, longestside: 90 } as never),
      'ThumbnailWorker "small": longestside is not known, only longestSide, format, permissions, fanOut, ',
    ],
    [
      "an argument that another class has",
      () => new ImageWorker("grey", { fanOut, handler: "handlers/rotate.ts", angle: 90 } as never),
      'ImageWorker "grey": angle is not known, only handler, environment, permissions, fanOut, ',
    ],
    [
      "a setting one level too high",
      () => new RotationWorker("turn", { fanOut, angle: 90, minimumBytes: 5 } as never),
      'RotationWorker "turn": minimumBytes is not known: did you mean only.minimumBytes?',
    ],
    [
      "no fan-out",
      () => new RotationWorker("turn", { angle: 90 } as never),
      'RotationWorker "turn": fanOut is undefined, but must be an ImageFanOut.',
    ],
    [
      "no fan-out for thumbnails",
      () => new ThumbnailWorker("small", { fanOut: null as never }),
      'ThumbnailWorker "small": fanOut is null, but must be an ImageFanOut.',
    ],
    [
      "a fan-out's name",
      () => new ImageWorker("grey", { fanOut: "images" as never, handler: "handlers/rotate.ts" }),
      'ImageWorker "grey": fanOut is "images", but must be an ImageFanOut.',
    ],
  ];
  for (const [what, make, sentence] of mistaken) {
    it(`refuses ${what}`, () => {
      expect(make).to.throw(ArgumentError, sentence);
    });
  }
});
