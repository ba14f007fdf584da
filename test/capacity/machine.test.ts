import { writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { GetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import { expect } from "chai";
import { simulate } from "../../src/capacity/simulation.ts";
import type { Machine } from "../../src/local/machine.ts";
import { withFolder, withMachine } from "../support/machine.ts";
import { planWith, plenty } from "./support.ts";

const IMAGES = 80;
const CONCURRENCY = 4;
const BATCH_SIZE = 2;
const SECONDS_PER_IMAGE = 0.4;

/** What a process of Node.js takes to start. */
const COLD_START_SECONDS = 0.2;

/** Seconds that one of the model's stands for, so that it is as precise as the comparison. */
const STEP = 0.1;

/** Takes a known time for each message, and does nothing else. */
const SLEEPER = `exports.handler = async ({ Records }) => {
  for (const _ of Records) await new Promise((resolve) => setTimeout(resolve, ${SECONDS_PER_IMAGE * 1000}));
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
  this.timeout(60_000);

  it("agree within a tenth on how long a backlog of known work takes", async () => {
    const measured = await withFolder(async (folder) => {
      const handler = path.join(folder, "sleeper.ts");
      const file = path.join(folder, "index.ts");
      await writeFile(handler, SLEEPER);
      await writeFile(file, program(handler));
      return withMachine({ program: file, concurrency: CONCURRENCY }, drainSeconds);
    });

    // All pollers of the machine on this computer poll from the beginning.
    const worker = { scaling: { maximumConcurrency: CONCURRENCY }, batchSize: BATCH_SIZE };
    const load = { arrivals: measured.arrivals, secondsPerImage: () => SECONDS_PER_IMAGE / STEP };
    const run = simulate(
      planWith({ ...worker, timeout: 900 }),
      load,
      plenty({ standardStart: CONCURRENCY, coldStartSeconds: COLD_START_SECONDS / STEP }),
    );

    expect(run.workers[0]?.results).to.equal(IMAGES);
    expect((run.drained ?? 0) * STEP).to.be.closeTo(measured.seconds, 0.1 * measured.seconds);
  });
});

/** Uploads images, a few at a time. @returns how many in each step, and the seconds until the queue was empty */
async function drainSeconds(machine: Machine): Promise<{ arrivals: number[]; seconds: number }> {
  const { sourceBucket: Bucket, workers } = machine.outputs;
  const arrivals: number[] = [];
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  for (let at = 0; at < IMAGES; at += 10) {
    const keys = Array.from({ length: Math.min(10, IMAGES - at) }, (_, index) => `${at + index}.png`);
    await Promise.all(
      keys.map((Key) =>
        machine.s3.send(new PutObjectCommand({ Bucket, Key, Body: Buffer.from("an image") })),
      ),
    );
    const step = Math.floor(seconds() / STEP);
    arrivals[step] = (arrivals[step] ?? 0) + keys.length;
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
  return { arrivals: Array.from(arrivals, (images) => images ?? 0), seconds: seconds() };
}
