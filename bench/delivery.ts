/**
 * `npm run bench -- delivery [--megapixels 0.3,12] [--latency 30,50,100] [--depth 1,2,4,10] [--batch 10] [--rounds 5]`: runs the
 * bundle of a worker's function, in a process of its own, on batches of JPEGs against a store that takes a while to answer.
 * Says which part of its time the function is busy, what an image takes, and the memory at the peak, of the round in which other
 * programs kept it from running least. The time for which they did is not counted, where Linux tells it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type * as pulumi from "@pulumi/pulumi";
import { bundleHandler } from "../src/packaging/bundle.ts";
import { s3Record, sqsRecord } from "../test/support/events.ts";
import { cases } from "./cases.ts";

/** Milliseconds of one batch, and megabytes at the peak so far. */
interface Round {
  /** Of the processor. */
  readonly cpu: number;
  /** Of the clock, without those for which the thread waited for a processor. */
  readonly wall: number;
  readonly waited: number;
  readonly peak: number;
}

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    megapixels: { type: "string", default: "0.3,12" },
    latency: { type: "string", default: "30,50,100" },
    depth: { type: "string", default: "1,2,4,10" },
    batch: { type: "string", default: "10" },
    rounds: { type: "string", default: "5" },
  },
});
const numbers = (list: string) => list.split(",").map(Number);

/** What the function is told: how many batches there are, and of how many images. */
const FUNCTION = `
const { readFileSync, writeSync } = require("node:fs");
const { handler } = require("./index.js");
const [rounds, event] = [${"%ROUNDS%"}, require("./event.json")];
const queued = () => {
  try {
    return Number(readFileSync("/proc/self/task/" + process.pid + "/schedstat", "latin1").split(" ")[1]) / 1e6;
  } catch {
    return 0;
  }
};
(async () => {
  for (let round = 0; round <= rounds; round++) {
    const end = Date.now() + 800000;
    const [cpu, wall, before] = [process.cpuUsage(), performance.now(), queued()];
    const { batchItemFailures } = await handler(event, { getRemainingTimeInMillis: () => end - Date.now() });
    if (batchItemFailures.length > 0) throw new Error("A message failed.");
    const { user, system } = process.cpuUsage(cpu);
    const peak = Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "latin1"))[1]) / 1024;
    const waited = queued() - before;
    const told = { cpu: (user + system) / 1000, wall: performance.now() - wall - waited, waited, peak };
    writeSync(3, JSON.stringify(told) + "\\n");
  }
  process.exit();
})();
`;

/** Answers as S3 and SQS do, after a while. */
function store(image: Buffer, latency: number): RequestListener {
  return async (request, response) => {
    request.resume();
    const isQueue = request.headers["x-amz-target"] !== undefined;
    await Promise.all([request.method === "PUT" && once(request, "end"), sleep(isQueue ? 10 : latency)]);
    response.writeHead(200, {
      etag: '"e"',
      ...(isQueue && { "content-type": "application/x-amz-json-1.0" }),
    });
    response.end(request.method === "GET" ? image : isQueue ? "{}" : undefined);
  };
}

async function measure(image: Buffer, latency: number, depth: number): Promise<Round[]> {
  const folder = await mkdtemp(path.join(tmpdir(), "bench-"));
  const server = createServer(store(image, latency)).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const { assets } = bundleHandler("handlers/rotate.ts") as unknown as {
      assets: Promise<Record<string, pulumi.asset.StringAsset>>;
    };
    for (const [file, asset] of Object.entries(await assets)) {
      await writeFile(path.join(folder, file), await asset.text);
    }
    const records = Array.from({ length: Number(values.batch) }, (_, index) =>
      sqsRecord({ Records: [s3Record(`${index}.jpg`, { size: image.length })] }, 1, `${index}`),
    );
    await writeFile(path.join(folder, "event.json"), JSON.stringify({ Records: records }));
    await writeFile(path.join(folder, "bench.js"), FUNCTION.replace("%ROUNDS%", values.rounds));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const child = spawn(process.execPath, ["bench.js"], {
      cwd: folder,
      stdio: ["ignore", "ignore", "inherit", "pipe"],
      env: {
        NODE_PATH: path.resolve("node_modules"),
        ...{ AWS_REGION: "us-east-1", AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" },
        ...{ AWS_LAMBDA_FUNCTION_NAME: "turn", AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "1769" },
        ...{ WORKER: "turn", MACHINE: "bench", ANGLE: "90", DAMAGED: "repair", METADATA: "keep" },
        ...{ RESULTS_BUCKET: "results", AWS_ENDPOINT_URL: url, MALLOC_ARENA_MAX: "2" },
        ...{ QUEUE_URL: `${url}/queue`, DEAD_LETTER_QUEUE_URL: `${url}/dead-letters` },
        PIPELINE_DEPTH: String(depth),
      },
    });
    let told = "";
    (child.stdio[3] as NodeJS.ReadableStream).on("data", (data) => {
      told += data;
    });
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`The function ended with ${code}.`);
    // The first round loads code.
    return told
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => JSON.parse(line));
  } finally {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  }
}

console.log("| image | S3 | in hand | busy | CPU an image | time an image | peak |");
console.log("|---|---|---|---|---|---|---|");
for (const megapixels of numbers(values.megapixels)) {
  const name = megapixels === 12 ? "JPEG 12 MP of 3 MB" : `JPEG ${megapixels} MP`;
  const found = cases.find((each) => each.name === name);
  if (!found) throw new Error(`There is no case ${name}.`);
  const image = await found.source();
  for (const latency of numbers(values.latency)) {
    for (const depth of numbers(values.depth)) {
      const rounds = await measure(image, latency, depth);
      const batch = Number(values.batch);
      const [best] = rounds.toSorted((a, b) => a.waited / a.wall - b.waited / b.wall);
      const { cpu = 0, wall = 0 } = best ?? {};
      const busy = cpu / wall;
      const each = (milliseconds: number) => `${(milliseconds / batch).toFixed(1)} ms`;
      const peak = Math.max(...rounds.map((round) => round.peak));
      const cells = [name, `${latency} ms`, depth, `${(busy * 100).toFixed(0)} %`, each(cpu), each(wall)];
      console.log(`| ${[...cells, `${peak.toFixed(0)} MB`].join(" | ")} |`);
    }
  }
}
