import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { ListObjectVersionsCommand } from "@aws-sdk/client-s3";
import { GetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import { expect } from "chai";
import sharp from "sharp";
import type { Machine } from "../../src/machine/machine.ts";
import { type ProofOptions, prove, removeProof } from "../../src/operations/proof.ts";
import { itemsOf } from "../../src/operations/proof-items.ts";
import { type CommandOptions, runCommand } from "../support/command.ts";
import { heldForFile, withFolder, withMachine } from "../support/machine.ts";

const image = (width: number) =>
  sharp({ create: { width, height: 8, channels: 3, background: { r: width, g: 90, b: 0 } } })
    .png()
    .toBuffer();

describe("npm run proof", function () {
  this.timeout(120_000);
  let machine: Machine;
  let folder: string;

  before(async () => {
    machine = await heldForFile((hold) =>
      withFolder(async (made) => {
        folder = made;
        await mkdir(path.join(made, "files"));
        for (const width of [16, 24, 32]) {
          await writeFile(path.join(made, "files", `${width}.png`), await image(width));
        }
        await withMachine({ folder: path.join(made, "state") }, hold);
      }),
    );
  });

  const proof = (...args: (string | CommandOptions)[]) =>
    runCommand(machine, "proof", ...args, "--report", path.join(folder, "proof"), path.join(folder, "files"));

  /** Everything that is left in buckets and dead-letter queues. */
  async function left(): Promise<unknown[]> {
    const { sourceBucket, resultsBucket, workers } = machine.outputs;
    const found: unknown[] = [];
    for (const Bucket of [sourceBucket, resultsBucket]) {
      const { Versions = [], DeleteMarkers = [] } = await machine.s3.send(
        new ListObjectVersionsCommand({ Bucket }),
      );
      found.push(...Versions, ...DeleteMarkers);
    }
    for (const { deadLetterQueue } of Object.values(workers)) {
      const { Attributes = {} } = await machine.sqs.send(
        new GetQueueAttributesCommand({
          QueueUrl: deadLetterQueue,
          AttributeNames: ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        }),
      );
      found.push(...Object.values(Attributes).filter((count) => count !== "0"));
    }
    return found;
  }

  it("accounts for every version, finds every result as it is made here, and removes everything", async () => {
    const outputs = path.join(folder, "state/outputs.json");

    const { stdout, stderr, exitCode } = await proof("--outputs", outputs, "--images", "60", "--yes");

    expect(stdout, stderr).to.match(/^66 uploads under 60 keys to s3:\/\/images-source-/);
    expect(stdout).to.match(/On AWS this costs about \$\d+\.\d\d \(/);
    expect(stdout).to.match(/^0 differences; /m);
    expect(exitCode).to.equal(0);
    const report = JSON.parse(await readFile(path.join(folder, "proof.json"), "utf8"));
    for (const name of ["clockwise", "counter-clockwise"]) {
      // Of 60 keys three are deleted and two hold no image; six are overwritten.
      expect(report.proof.workers[name]).to.include({ identical: 55, alike: 0, rejected: 2, decodable: 0 });
      expect(report.proof.workers[name].tally).to.include({
        created: 66,
        superseded: 9,
        missing: 0,
        stale: 0,
      });
    }
    expect(report.predicted.drained).to.have.all.keys("assumed", "best", "worst");
    expect(report.removed).to.be.above(60);
    const text = await readFile(path.join(folder, "proof.md"), "utf8");
    expect(text).to.contain("Nothing differed from what this computer makes of the same files.");
    expect(text).to.match(/^\| clockwise \| 55 \| 0 \| 2 \| 0 \| 0 \|$/m);
    expect(text).to.not.contain(machine.outputs.sourceBucket);
    expect(await left()).to.deep.equal([]);
  });

  it("names each result that is not as it is made here, and exits 1", async () => {
    const stack = structuredClone(machine.outputs) as { workers: Record<string, { angle?: number }> };
    Object.assign(stack.workers.clockwise ?? {}, { angle: 180 });

    const { exitCode } = await proof("--outputs", "-", "--images", "2", "--yes", {
      input: JSON.stringify(stack),
    });

    expect(exitCode).to.equal(1);
    const { differences } = JSON.parse(await readFile(path.join(folder, "proof.json"), "utf8")).proof;
    expect(differences.map(({ worker }: { worker: string }) => worker)).to.deep.equal([
      "clockwise",
      "clockwise",
    ]);
    expect(differences[0].what).to.match(/^its result is 8 × \d+, but turned by 180° clockwise it is/);
    expect(await readFile(path.join(folder, "proof.md"), "utf8")).to.contain("**2 differences.**");
    expect(await left()).to.deep.equal([]);
  });

  it("does nothing without an answer", async () => {
    const { stderr, exitCode } = await proof("--outputs", path.join(folder, "state/outputs.json"));

    expect(stderr).to.contain("Nobody answered, so nothing was changed.");
    expect(exitCode).to.equal(2);
    expect(await left()).to.deep.equal([]);
  });

  it("leaves nothing where it was interrupted", async () => {
    const interruption = new AbortController();
    const files = [{ name: "16.png", body: await image(16) }];
    const options: ProofOptions = {
      s3: machine.s3,
      sqs: machine.sqs,
      stack: machine.outputs,
      items: itemsOf("proof/interrupted/", 20, files),
      prefix: "proof/interrupted/",
      rate: 1000,
      timeout: 60,
      lookEvery: 200,
      signal: interruption.signal,
      told: () => interruption.abort(new Error("Interrupted.")),
    };

    const error = await prove(options).catch((thrown: Error) => thrown);
    await removeProof(options);

    expect(error).to.be.an("error").with.property("message", "Interrupted.");
    expect(await left()).to.deep.equal([]);
  });
});
