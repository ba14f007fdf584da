import { writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { GetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import { expect } from "chai";
import { Events } from "local-aws";
import { simulate } from "../../../src/capacity/model/simulation.ts";
import type { Machine } from "../../../src/machine/machine.ts";
import { withFolder, withMachine } from "../../support/machine.ts";
import { atOnce, planWith, plenty } from "../support.ts";

const IMAGES = 80;
const CONCURRENCY = 4;
const BATCH_SIZE = 2;

/** What the model says that a message takes. On this computer it takes less, as only the order of things is looked at. */
const SECONDS_PER_IMAGE = 4;

/** Takes a while for each message, and does nothing else. */
const SLEEPER = `exports.handler = async ({ Records }) => {
  for (const _ of Records) await new Promise((resolve) => setTimeout(resolve, 100));
  return { batchItemFailures: [] };
};
`;

/** The real topology, with one worker that sleeps. */
const program = (handler: string) => `
import { ImageFanOut } from "${pathToFileURL(path.resolve("src/topology/image-fan-out.ts")).href}";
import { ImageWorker } from "${pathToFileURL(path.resolve("src/topology/image-worker.ts")).href}";
const fanOut = new ImageFanOut("images");
new ImageWorker("sleeper", { fanOut, handler: ${JSON.stringify(handler)}, batchSize: ${BATCH_SIZE} });
export const sourceBucket = fanOut.source.bucket;
export const resultsBucket = fanOut.results.bucket;
export const topic = fanOut.topic.arn;
export const workers = fanOut.workers;
`;

describe("the model and the machine on this computer", function () {
  this.timeout(120_000);

  it("agree within a tenth on how long a backlog of known work takes", async () => {
    const batches = await withFolder(async (folder) => {
      const handler = path.join(folder, "sleeper.ts");
      const file = path.join(folder, "index.ts");
      await writeFile(handler, SLEEPER);
      await writeFile(file, program(handler));
      const events = new Events();
      const watched = watch(events);
      await withMachine({ program: file, concurrency: CONCURRENCY, events }, drain);
      return watched;
    });

    // All pollers of the machine on this computer poll from the beginning.
    const worker = { scaling: { maximumConcurrency: CONCURRENCY }, batchSize: BATCH_SIZE };
    const run = simulate(
      planWith({ ...worker, timeout: 900 }),
      atOnce(IMAGES, SECONDS_PER_IMAGE),
      plenty({ standardStart: CONCURRENCY }),
    );

    expect(run.workers[0]?.results).to.equal(IMAGES);
    expect(batches.maxConcurrency).to.equal(CONCURRENCY);
    const seconds = lanes(batches.sizes, batches.maxConcurrency) * SECONDS_PER_IMAGE;
    expect(run.drained).to.be.closeTo(seconds, 0.1 * seconds);
  });
});

/** Notes what the machine does, in its order and without a clock: how many messages each batch has, and how many run at once. */
function watch(events: Events) {
  const watched = { sizes: [] as number[], maxConcurrency: 0 };
  let running = 0;
  events.on("begun", ({ messages }) => {
    watched.sizes.push(messages.length);
    watched.maxConcurrency = Math.max(watched.maxConcurrency, ++running);
  });
  events.on("ended", () => running--);
  return watched;
}

/** How many messages are processed one after the other, at most, where each batch takes the lane that is free first. */
function lanes(sizes: readonly number[], count: number): number {
  const until = new Array<number>(count).fill(0);
  for (const size of sizes) {
    const next = until.indexOf(Math.min(...until));
    until[next] = (until[next] ?? 0) + size;
  }
  return Math.max(...until);
}

/** Uploads images, a few at a time, and waits until the queue is empty. */
async function drain(machine: Machine): Promise<void> {
  const { sourceBucket: Bucket, workers } = machine.outputs;
  for (let at = 0; at < IMAGES; at += 10) {
    const keys = Array.from({ length: Math.min(10, IMAGES - at) }, (_, index) => `${at + index}.png`);
    await Promise.all(
      keys.map((Key) =>
        machine.s3.send(new PutObjectCommand({ Bucket, Key, Body: Buffer.from("an image") })),
      ),
    );
  }
  const query = new GetQueueAttributesCommand({
    QueueUrl: workers.sleeper?.queue ?? "",
    AttributeNames: ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
  });
  for (;;) {
    const { Attributes = {} } = await machine.sqs.send(query);
    const messages = Object.values(Attributes).reduce((sum, count) => sum + Number(count), 0);
    if (messages === 0 && machine.store.idle()) break;
    await setTimeout(50);
  }
}
