import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { GetObjectCommand, ListObjectVersionsCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import {
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SetQueueAttributesCommand,
} from "@aws-sdk/client-sqs";
import { expect } from "chai";
import { Events, Faults, type Plan, type RequestFault } from "local-aws";
import { type Machine, startMachine } from "../../src/machine/machine.ts";
import { heldForFile, withFolder } from "../support/machine.ts";
import { projectIn } from "../support/project.ts";
import { quiet } from "../support/quiet.ts";
import { pixelsOf, type TwoPixels, twoPixels } from "./images.ts";

/** What goes wrong in each step of the contract, once. */
const STEPS: Record<string, RequestFault[]> = {
  GET: [
    ...(["slow down", "internal error", "reset before", "reset after", "late answer"] as const),
    ...(["truncated body", "stalled answer", "kill before", "kill during", "kill after"] as const),
  ],
  PUT: [
    ...(["slow down", "internal error", "reset before", "reset after", "late answer"] as const),
    ...(["kill before", "kill during", "kill after"] as const),
  ],
  // A result that is there already is looked at: this is an image's second version.
  HEAD: [
    "slow down",
    "internal error",
    "reset before",
    "reset after",
    "kill before",
    "kill during",
    "kill after",
  ],
};
const cases = Object.entries(STEPS).flatMap(([operation, faults]) =>
  faults.map((fault) => ({ operation, fault, key: `${operation} ${fault}.png` })),
);

/** Time in queues that does not make a test wait. */
const QUICK = { speed: 360, timeLimit: 3 };

/** The stack's configuration with two messages in a batch, which may come in any order and fail together. */
const inBatches = (yaml: string) => yaml.replace(/^( *)([\w-]+:)?workers:$/m, "$&\n$1  batchSize: 2");

describe("a machine on which something goes wrong", function () {
  this.timeout(60_000);
  let machine: Machine;
  let faults: Faults;
  let images: TwoPixels[];
  let reported: string[];

  before(async () => {
    images = await twoPixels();
    faults = new Faults(QUICK);
    const report = (error: unknown) => reported.push(String(error));
    const events = new Events();
    events.on("ended", ({ error }) => error && report(error));
    machine = await heldForFile((hold) =>
      withFolder(async (folder) => {
        const project = await projectIn(folder, {}, { "Pulumi.dev.yaml": inBatches });
        const started = await startMachine({ project, folder, faults, events, report });
        await hold(started);
        await started.stop();
      }),
    );
  });

  beforeEach(() => {
    reported = [];
  });

  const put = (Key: string, index: number) => {
    const Body = images[index]?.png ?? Buffer.alloc(0);
    return machine.s3.send(new PutObjectCommand({ Bucket: machine.outputs.sourceBucket, Key, Body }));
  };

  /** Sets the visibility timeout of all queues, which a plan may shorten. */
  async function hide(seconds: number): Promise<void> {
    for (const { queue } of Object.values(machine.outputs.workers)) {
      const Attributes = { VisibilityTimeout: String(seconds) };
      await machine.sqs.send(new SetQueueAttributesCommand({ QueueUrl: queue, Attributes }));
    }
  }

  /** How many versions of the clockwise result were written, and which image stands. */
  async function result(key: string): Promise<{ written: number; image: number }> {
    const Bucket = machine.outputs.resultsBucket;
    const Key = `clockwise/${key}`;
    const { Versions = [] } = await machine.s3.send(new ListObjectVersionsCommand({ Bucket, Prefix: Key }));
    const { Body } = await machine.s3.send(new GetObjectCommand({ Bucket, Key }));
    const pixels = await pixelsOf(Buffer.from((await Body?.transformToByteArray()) ?? []));
    return {
      written: Versions.length,
      image: images.findIndex(({ left, right }) => pixels === `1x2 ${left}${right}`),
    };
  }

  it("costs an image one GET and one PUT for each worker, and a batch one hiding and one delete", async () => {
    const requests: Record<string, number> = {};
    faults.plan = {
      request: ({ operation }) => {
        requests[operation] = (requests[operation] ?? 0) + 1;
        return undefined;
      },
    };
    // However slow this computer is now, nothing is handed out twice, and functions have the time that is declared.
    await hide(720);

    await Promise.all(Array.from({ length: 12 }, (_, index) => put(`plain ${index}.png`, 1)));
    await quiet(machine);
    faults.plan = QUICK;
    await hide(720);

    const { ReceiveMessage, ...others } = requests;
    const batches = await invocations(machine);
    expect(others).to.deep.equal({
      GET: 24,
      PUT: 24,
      ChangeMessageVisibilityBatch: batches,
      DeleteMessageBatch: batches,
    });
  });

  it("gives a message back that failed, and acknowledges the rest of its batch", async () => {
    faults.plan = {
      ...QUICK,
      // So that the message is still hidden when its batch is acknowledged.
      speed: 20,
      request: ({ operation, path, before }) =>
        operation === "GET" && path.endsWith("/fails.png") && before < 2 ? "truncated body" : undefined,
    };

    await Promise.all(["fails.png", "works.png"].map((key) => put(key, 1)));
    await quiet(machine);

    for (const key of ["fails.png", "works.png"]) {
      expect(await result(key), key).to.deep.equal({ written: 1, image: 1 });
    }
    expect(faults.counts["truncated body"]).to.equal(2);
  });

  it("does every step again that failed, broke off or took the function with it, and writes each result once", async () => {
    for (const { key } of cases.filter(({ operation }) => operation === "HEAD")) await put(key, 1);
    await quiet(machine);
    const plan: Plan = {
      ...QUICK,
      request: ({ operation, path, before }) =>
        cases.find((each) => {
          const here = decodeURIComponent(path).endsWith(`/clockwise/${each.key}`);
          const source = decodeURIComponent(path) === `/${machine.outputs.sourceBucket}/${each.key}`;
          const first = operation === "GET" ? before < 2 : before === 0;
          return each.operation === operation && first && (operation === "GET" ? source : here);
        })?.fault,
    };
    faults.plan = plan;

    await Promise.all(cases.map(({ operation, key }) => put(key, operation === "HEAD" ? 2 : 1)));
    await quiet(machine, 50);

    for (const { operation, fault, key } of cases) {
      const expected = operation === "HEAD" ? { written: 2, image: 2 } : { written: 1, image: 1 };
      expect(await result(key), `${operation} ${fault}`).to.deep.equal(expected);
    }
    for (const fault of new Set(cases.map((each) => each.fault)))
      expect(faults.counts).to.include.keys(fault);
    expect(reported.filter((line) => line.includes("SIGKILL"))).to.not.deep.equal([]);
  });

  it("gives up a body that stops half-way in time, so that the rest of the batch is not lost with it", async () => {
    faults.plan = {
      ...QUICK,
      request: ({ operation, path, before }) =>
        operation === "GET" && path.endsWith("/stalled.png") && before < 2 ? "stalled answer" : undefined,
    };

    await put("stalled.png", 1);
    await quiet(machine);

    expect(await result("stalled.png")).to.deep.equal({ written: 1, image: 1 });
    expect(reported.join()).to.not.match(/Task timed out/);
  });

  it("gives up a result whose answer stalls before the time limit, and writes it again", async () => {
    faults.plan = {
      ...QUICK,
      request: ({ operation, path, before }) =>
        operation === "PUT" && path.endsWith("/late.png") && before === 0 ? "stalled answer" : undefined,
    };

    await put("late.png", 1);
    await quiet(machine);

    expect(await result("late.png")).to.deep.equal({ written: 1, image: 1 });
    expect(faults.counts).to.include.keys("stalled answer");
    expect(reported.join()).to.not.match(/Task timed out/);
  });

  it("writes each result once, though every event comes twice and every message is handed out twice", async () => {
    faults.plan = {
      ...QUICK,
      event: () => [0, 100],
      publishedTwice: () => true,
      handedOutTwice: (receive) => receive % 2 === 0,
    };
    const keys = Array.from({ length: 8 }, (_, index) => `twice ${index}.png`);

    await Promise.all(keys.map((key) => put(key, 3)));
    await quiet(machine);

    for (const key of keys) expect(await result(key), key).to.deep.equal({ written: 1, image: 3 });
    expect(faults.counts).to.include.keys("published twice", "event twice", "handed out twice");
  });

  it("leaves the newest standing, though events come late and in the wrong order", async () => {
    let newest = 0;
    // The first event of each key is the last to come.
    faults.plan = { ...QUICK, event: (event) => [event % 2 === 1 ? 800 : 0], reversed: () => true };
    const keys = Array.from({ length: 6 }, (_, index) => `order ${index}.png`);

    for (const key of keys) {
      for (const index of [4, 5, 6, 7]) await put(key, index);
      newest = 7;
    }
    await quiet(machine);

    for (const key of keys) expect((await result(key)).image, key).to.equal(newest);
    expect(faults.counts).to.include.keys("event late", "reversed");
  });

  it("counts an invocation for which there is no room as a try, and gives a message up in the end", async () => {
    const { queue = "", deadLetterQueue = "" } = machine.outputs.workers.clockwise ?? {};
    const attributesOf = async (QueueUrl: string) => {
      const AttributeNames = ["QueueArn" as const];
      return (await machine.sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames }))).Attributes;
    };
    const RedrivePolicy = JSON.stringify({
      deadLetterTargetArn: (await attributesOf(deadLetterQueue))?.QueueArn,
      maxReceiveCount: 2,
    });
    // Time runs as declared, and the plan leaves the queue's attributes as they are.
    faults.plan = { throttled: () => true };
    const Attributes = { VisibilityTimeout: "1", RedrivePolicy };
    await machine.sqs.send(new SetQueueAttributesCommand({ QueueUrl: queue, Attributes }));

    await put("no room.png", 1);
    const { Messages = [] } = await machine.sqs.send(
      new ReceiveMessageCommand({
        ...{ QueueUrl: deadLetterQueue, WaitTimeSeconds: 20 },
        MessageSystemAttributeNames: ["All"],
      }),
    );

    expect(Messages[0]?.Body).to.include("no+room.png");
    expect(Messages[0]?.Attributes).to.include({
      ApproximateReceiveCount: "3",
      DeadLetterQueueSourceArn: (await attributesOf(queue))?.QueueArn,
    });
    expect(faults.counts.throttled).to.be.at.least(2);
  });
});

/** How often functions were invoked since the machine started. */
async function invocations(machine: Machine): Promise<number> {
  const logs = await readdir(machine.lambda.logs);
  const texts = await Promise.all(logs.map((log) => readFile(path.join(machine.lambda.logs, log), "utf8")));
  return texts.join("").match(/^START /gm)?.length ?? 0;
}
