import { chmod, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { GetObjectCommand, ListObjectVersionsCommand, type S3Client } from "@aws-sdk/client-s3";
import { GetQueueAttributesCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { expect } from "chai";
import sharp from "sharp";
import type { Machine } from "../../src/machine/machine.ts";
import { logOf } from "../../src/operations/logs.ts";
import { judge } from "../../src/operations/results.ts";
import { smoke as smokeOf } from "../../src/operations/smoke.ts";
import { type CommandOptions, runCommand } from "../support/command.ts";
import { heldForFile, withFolder, withMachine } from "../support/machine.ts";

const url = (file: string) => JSON.stringify(pathToFileURL(path.resolve(file)).href);
const source = (file: string) => JSON.stringify(path.resolve(file));

/** Two workers that turn, and one that does something else. */
const PROGRAM = (handler: string) => `
import { ImageFanOut } from ${url("src/topology/image-fan-out.ts")};
import { ImageWorker } from ${url("src/topology/image-worker.ts")};
import { RotationWorker } from ${url("src/topology/rotation-worker.ts")};
const fanOut = new ImageFanOut("images");
new RotationWorker("left", { fanOut, angle: -90 });
new RotationWorker("tilted", { fanOut, angle: 30 });
new ImageWorker("moody", { fanOut, handler: ${JSON.stringify(handler)} });
export const sourceBucket = fanOut.source.bucket;
export const resultsBucket = fanOut.results.bucket;
export const topic = fanOut.topic.arn;
export const workers = fanOut.workers;
`;

/** Does as a file says. */
const HANDLER = (mood: string) => `
import { readFileSync } from "node:fs";
import sharp from "sharp";
import { createHandler } from ${source("src/delivery/handler.ts")};
import { ImageRejected } from ${source("packages/image-turn/src/index.ts")};
export const handler = createHandler(async (image) => {
  const mood = readFileSync(${JSON.stringify(mood)}, "utf8");
  if (mood === "picky") throw new ImageRejected("unsupported-format", "It is not to my taste.");
  if (mood === "broken") throw new Error("It is broken.");
  return { body: await sharp(image).greyscale().webp().toBuffer(), contentType: "image/webp" };
});
`;

describe("npm run smoke", function () {
  this.timeout(60_000);
  let machine: Machine;
  let outputs: string;
  let folder: string;

  before(async () => {
    machine = await heldForFile((hold) =>
      withFolder(async (made) => {
        folder = made;
        const [program, handler] = [path.join(made, "index.ts"), path.join(made, "moody.ts")];
        await writeFile(program, PROGRAM(handler));
        await writeFile(handler, HANDLER(path.join(made, "mood")));
        const state = path.join(made, "state");
        outputs = path.join(state, "outputs.json");
        await withMachine({ program, folder: state }, hold);
      }),
    );
  });

  beforeEach(() => feel("well"));

  const feel = (mood: string) => writeFile(path.join(folder, "mood"), mood);
  const smoke = (...args: (string | CommandOptions)[]) => runCommand(machine, "smoke", ...args);

  /** Everything that is left in buckets and dead-letter queues. */
  async function left(): Promise<unknown[]> {
    const found: unknown[] = [];
    for (const Bucket of [machine.outputs.sourceBucket, machine.outputs.resultsBucket]) {
      const { Versions = [], DeleteMarkers = [] } = await machine.s3.send(
        new ListObjectVersionsCommand({ Bucket }),
      );
      found.push(...Versions, ...DeleteMarkers);
    }
    for (const { deadLetterQueue } of Object.values(machine.outputs.workers)) {
      const { Attributes } = await machine.sqs.send(
        new GetQueueAttributesCommand({ QueueUrl: deadLetterQueue, AttributeNames: ["All"] }),
      );
      const { ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible } = Attributes ?? {};
      found.push(...[ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible].filter(Number));
    }
    return found;
  }

  it("sends one image through a machine, judges the results, and leaves nothing", async () => {
    const { stdout, stderr, exitCode } = await smoke("--outputs", outputs);

    expect(stderr).to.equal("");
    expect(stdout).to.match(/^ok {5}uploaded +[\d.]+ s {2}s3:\/\/images-source-\w+\/smoke\/[\w-]+\.jpg\n/);
    expect(stdout).to.match(/^ok {5}left +[\d.]+ s {2}turned by 90° counter-clockwise, 1200 × 900$/m);
    expect(stdout).to.match(/^ok {5}tilted +[\d.]+ s {2}turned by 30° clockwise, 1379 × 1489$/m);
    expect(stdout).to.match(/^ok {5}moody +[\d.]+ s {2}its result can be decoded, 1200 × 900$/m);
    expect(stdout).to.match(/^ok {5}removed .*\n3 of 3 results are right, in [\d.]+ s\.\n$/m);
    expect(exitCode).to.equal(0);
    expect(await left()).to.deep.equal([]);
  });

  it("removes the dead letter of a worker that rejects, says why it did, and shows its log", async () => {
    await feel("picky");

    const { stdout, exitCode } = await smoke("--outputs", outputs);

    expect(stdout).to.match(/^WRONG {2}moody .* rejected as unsupported-format: It is not to my taste\.$/m);
    expect(stdout).to.match(
      /^moody: \S+\/logs\/images-moody-function-\w+\.log:\n {2}.*smoke\/.*not to my taste/m,
    );
    expect(stdout).to.match(/\nFailed: moody, in [\d.]+ s\.\n$/);
    expect(exitCode).to.equal(1);
    expect(await left()).to.deep.equal([]);
  });

  it("finds that a result is turned the wrong way", async () => {
    const stack = JSON.parse(await readFile(outputs, "utf8"));
    stack.workers.left.angle = 90;

    const { stdout, exitCode } = await smoke("--outputs", "-", { input: JSON.stringify(stack) });

    expect(stdout).to.match(
      /^WRONG {2}left .* its result is not the sample turned by 90° clockwise: pixels differ/m,
    );
    expect(exitCode).to.equal(1);
  });

  it("asks the Pulumi CLI for a stack's outputs, and says so where there is none or it refuses", async () => {
    const cli = path.join(folder, "pulumi");
    await writeFile(
      cli,
      `#!/bin/sh\n[ "$*" = "stack output --json --stack prod" ] || { echo "error: no stack named '$5' found" >&2; exit 255; }\nexec cat ${outputs}\n`,
    );
    await chmod(cli, 0o755);
    const found = { environment: { PATH: `${folder}${path.delimiter}${process.env.PATH}` } };

    expect(await smoke("--stack", "prod", found)).to.include({ exitCode: 0 });
    expect(await smoke("--stack", "pord", found)).to.deep.equal({
      stdout: "",
      stderr: "`pulumi stack output --json --stack pord` failed: error: no stack named 'pord' found\n",
      exitCode: 2,
    });
    const none = await smoke("--stack", "prod", { environment: { PATH: "" } });
    expect(none.exitCode).to.equal(2);
    expect(none.stderr).to.match(/^The Pulumi CLI .* is not installed\. .* with --outputs FILE\.\n$/);
  });

  it("says what to do where no machine is named and none is exported", async () => {
    const { stderr, exitCode } = await smoke({ environment: { AWS_ENDPOINT_URL: undefined } });

    expect(stderr).to.match(/^Which machine\? Start `npm run dev` .* with --stack NAME\.\n$/);
    expect(exitCode).to.equal(2);
  });

  it("says in a sentence that the machine cannot be reached", async () => {
    const { stderr, exitCode } = await smoke("--outputs", outputs, {
      environment: { AWS_ACCESS_KEY_ID: undefined, AWS_EC2_METADATA_DISABLED: "true" },
    });

    expect(stderr).to.match(/^The dead-letter queue of left cannot be used: Could not load credentials.*\n$/);
    expect(exitCode).to.equal(1);
  });

  it("gives up on a worker without a result in time, and shows its log", async () => {
    await feel("broken");

    const { stdout, exitCode } = await smoke("--outputs", outputs, "--timeout", "1");

    expect(stdout).to.match(/^WRONG {2}moody .* neither a result nor a dead letter after 1 seconds/m);
    expect(stdout).to.match(/^moody: \S+\/logs\/images-moody-function-\w+\.log:$/m);
    expect(exitCode).to.equal(1);
  });

  it("removes everything and fails nobody where it is interrupted", async () => {
    await feel("broken");

    const { stdout, stderr, exitCode } = await smoke("--outputs", outputs, { interrupted: true });

    expect(stdout)
      .to.match(/^ok {5}removed /m)
      .and.not.match(/^Failed|\.log:$/m);
    expect({ stderr, exitCode }).to.deep.equal({ stderr: "Interrupted.\n", exitCode: 130 });
  });
});

describe("the wait for a result", () => {
  it("says once that the function failed, and goes on", async () => {
    const sample = await sharp({ create: { width: 8, height: 8, channels: 3, background: "teal" } })
      .jpeg()
      .toBuffer();
    const said: string[] = [];
    // The result is there once somebody was told.
    const s3 = {
      send: async (command: object) => {
        if (!(command instanceof GetObjectCommand)) return {};
        if (said.length < 2) throw Object.assign(new Error("none"), { name: "NoSuchKey" });
        return { Body: { transformToByteArray: async () => sample } };
      },
    } as unknown as S3Client;
    const moody = { queue: "q", deadLetterQueue: "d", function: "f", logGroup: "l", prefix: "moody" };
    let looks = 0;

    const { failed } = await smokeOf({
      ...{ s3, sqs: { send: async () => ({}) } as unknown as SQSClient, sample, timeout: 60 },
      stack: { sourceBucket: "s", resultsBucket: "r", topic: "t", workers: { moody } },
      signal: new AbortController().signal,
      failureEvery: 0,
      failureOf: async (_, key) => (looks++ === 0 ? undefined : `ERROR failed ${key.slice(0, 6)}`),
      retrying: (...words) => said.push(words.join(": ")),
      told: ({ words }) => said.push(words),
    });

    expect(failed).to.deep.equal([]);
    expect(said.slice(1, 3)).to.deep.equal([
      "moody: ERROR failed smoke/",
      "its result can be decoded, 8 × 8",
    ]);
  });
});

describe("the judgement of a result", () => {
  const picture = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background: "teal" } })
      .composite([
        { input: { create: { width: 8, height: 4, channels: 3, background: "white" } }, left: 0, top: 0 },
      ])
      .jpeg()
      .toBuffer();

  it("is about size and pixels, at any angle", async () => {
    const sample = await picture(32, 16);
    const turned = (angle: number) => sharp(sample).rotate(angle, { background: "white" }).jpeg().toBuffer();

    for (const angle of [90, 180, 45]) {
      expect((await judge(sample, await turned(angle), angle)).ok, `${angle}`).to.equal(true);
    }
    expect((await judge(sample, sample, 90)).words).to.equal(
      "its result is 32 × 16, but turned by 90° clockwise it is 16 × 32",
    );
    expect((await judge(sample, sample, 180)).words).to.match(/^its result is not the sample turned by 180°/);
  });

  it("is against what cannot be decoded", async () => {
    const { ok, words } = await judge(await picture(8, 8), Buffer.from("no image"), undefined);

    expect(ok).to.equal(false);
    expect(words).to.match(/^its result cannot be decoded: /);
  });
});

describe("a worker's log", () => {
  const worker = {
    queue: "q",
    deadLetterQueue: "d",
    function: "left-0",
    logGroup: "/aws/lambda/left-1",
    prefix: "left",
  };
  const question = { folder: undefined, region: "eu-west-1", key: "smoke/1.jpg", since: Date.now() };

  it("is a file here, of which the lines about the key are shown", async () => {
    await withFolder(async (folder) => {
      await writeFile(path.join(folder, "left-0.log"), 'START\n{"key":"smoke/1.jpg"}\nEND\n');

      expect(await logOf(worker, { ...question, folder })).to.deep.equal([
        `${path.join(folder, "left-0.log")}:`,
        '  {"key":"smoke/1.jpg"}',
      ]);
      expect((await logOf({ ...worker, function: "none" }, { ...question, folder })).at(-1)).to.equal(
        "  (empty)",
      );
    });
  });

  it("on AWS is named with the command that shows it, where the package is not there that could", async () => {
    const [sentence, command] = await logOf(worker, question);

    expect(sentence).to.match(/^Its log is \/aws\/lambda\/left-1\. To have it shown here/);
    expect(command).to.match(/^ {2}aws logs tail \/aws\/lambda\/left-1 --since \d+m --region eu-west-1$/);
  });

  it("on AWS is read where it is: what is about the key, or else the last of it", async () => {
    const asked: object[] = [];
    const messages = ["START", '{"key":"smoke/1.jpg"}\n', "END"];
    const load = (answer: string[]) => async () => ({
      CloudWatchLogsClient: class {
        send = async ({ input }: { input: object }) => {
          asked.push(input);
          return { events: answer.map((message) => ({ message })) };
        };
      },
      FilterLogEventsCommand: class {
        input: object;
        constructor(input: object) {
          this.input = input;
        }
      },
    });

    expect(await logOf(worker, question, load(messages))).to.deep.equal([
      "/aws/lambda/left-1:",
      '  {"key":"smoke/1.jpg"}',
    ]);
    expect(await logOf(worker, question, load(["START", "Runtime.ImportModuleError"]))).to.deep.equal([
      "/aws/lambda/left-1:",
      "  START",
      "  Runtime.ImportModuleError",
    ]);
    expect(asked[0]).to.deep.equal({ logGroupName: "/aws/lambda/left-1", startTime: question.since });
  });
});
