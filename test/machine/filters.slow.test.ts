import { writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { expect } from "chai";
import sharp from "sharp";
import { type Machine, startMachine } from "../../src/machine/machine.ts";
import { prove } from "../../src/operations/proof.ts";
import { itemsOf } from "../../src/operations/proof-items.ts";
import { Reconciliation } from "../../src/operations/reconcile.ts";
import { type Step, smoke } from "../../src/operations/smoke.ts";
import { runCommand } from "../support/command.ts";
import { runThrough, withFolder, withMachine } from "../support/machine.ts";

/** A program whose fan-out and workers are not told of everything, and one of which has a prefix that is not its name. @param only of the worker `pngs` */
const program = (only: string) => `
import { ImageFanOut } from ${JSON.stringify(pathToFileURL(path.resolve("src/topology/image-fan-out.ts")).href)};
import { RotationWorker } from ${JSON.stringify(pathToFileURL(path.resolve("src/topology/rotation-worker.ts")).href)};

const fanOut = new ImageFanOut("images", { prefix: "in ü/", lifecycle: { source: { expireDays: 30 }, results: { intelligentTiering: true } } });
new RotationWorker("all", { fanOut, angle: 90 });
new RotationWorker("pngs", { fanOut, angle: 180, prefix: "turned/half", only: ${only} });
new RotationWorker("large", { fanOut, angle: 270, only: { minimumBytes: 2000 } });

export const sourceBucket = fanOut.source.bucket;
export const resultsBucket = fanOut.results.bucket;
export const topic = fanOut.topic.arn;
export const workers = fanOut.workers;
`;

const picture = (format: "png" | "jpeg", width = 8) =>
  sharp({
    create: {
      width,
      height: width / 2,
      channels: 3,
      background: "teal",
    },
  })
    .toFormat(format)
    .toBuffer();

describe("a machine whose workers are not told of every image", function () {
  this.timeout(60_000);

  it("makes what is owed, and no command misses the rest", async () => {
    await withFolder(async (folder) => {
      const file = path.join(folder, "program.ts");
      await writeFile(file, program('{ suffix: [" ß.png", ".PNG"] }'));
      const files: Record<string, Buffer> = {
        "in ü/a ß.png": await picture("png"),
        "in ü/b.PNG": await picture("png"),
        "in ü/c.png": await picture("png"),
        "in ü/d.jpg": await picture("jpeg", 1000),
        "In ü/e.png": await picture("png"),
        "f ß.png": await picture("png"),
      };
      const inputs = await Promise.all(
        Object.entries(files).map(async ([key, body], index) => {
          const file = path.join(folder, `${index}`);
          await writeFile(file, body);
          return { file, key };
        }),
      );
      await withMachine({ program: file }, async (machine, state) => {
        expect(machine.notRun).to.deep.equal([
          "not run here: expiry and storage classes of aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration (2)",
        ]);
        const summary = await runThrough(machine, inputs, path.join(folder, "out"));

        expect(summary).to.deep.include({ images: 6, results: { all: 4, pngs: 2, large: 1 } });
        expect([summary.lost, summary.rejections]).to.deep.equal([[], []]);
        const { Contents = [] } = await machine.s3.send(
          new ListObjectsV2Command({ Bucket: machine.outputs.resultsBucket, Prefix: "turned/" }),
        );
        expect(Contents.map(({ Key }) => Key)).to.deep.equal([
          "turned/half/in ü/a ß.png",
          "turned/half/in ü/b.PNG",
        ]);
        expect(summary.filtered.map(({ worker, images }) => [worker, images])).to.deep.equal([
          ["all", 2],
          ["large", 5],
          ["pngs", 4],
        ]);

        const { s3, sqs, outputs: stack } = machine;
        for (const [worker, results] of [
          ["all", 4],
          ["pngs", 2],
          ["large", 1],
        ] as const) {
          const reconciliation = new Reconciliation({ s3, sqs, stack, worker, before: new Date() });
          for await (const finding of reconciliation.findings()) throw new Error(JSON.stringify(finding));
          expect(reconciliation.tally).to.include({ created: 6, results, filtered: 6 - results });
        }

        const outputs = path.join(state, "state", "outputs.json");
        const repaired = await runCommand(
          machine,
          "reconcile",
          "--outputs",
          outputs,
          "--repair",
          "--grace",
          "0",
        );
        expect(repaired.exitCode).to.equal(0);
        expect(repaired.stdout)
          .to.include("0 in flight + 4 that it is not told of\n")
          .and.not.include("sent");

        const steps: Step[] = [];
        const { failed, untried, removed } = await smoke({
          ...{ s3, sqs, stack, sample: await picture("jpeg"), timeout: 30 },
          signal: new AbortController().signal,
          told: (step) => steps.push(step),
        });
        expect({ failed, untried, removed }).to.deep.equal({ failed: [], untried: ["large"], removed: true });
        expect(steps.find(({ name }) => name === "large")?.words).to.equal(
          'not tried: it is told only of keys that begin with "in ü/", of 2,000 bytes or more',
        );

        const prefix = "in ü/proof/";
        const { differences, workers, inTime } = await prove({
          ...{ s3, sqs, stack, prefix, rate: 1000, timeout: 30, lookEvery: 100 },
          items: itemsOf(prefix, 6, [
            { name: "a ß.png", body: await picture("png") },
            { name: "b.jpg", body: await picture("jpeg") },
          ]),
          signal: new AbortController().signal,
          told() {},
        });
        expect({ differences, inTime }).to.deep.equal({ differences: [], inTime: true });
        expect(workers.pngs?.tally).to.include({ results: 2, missing: 0 });
      });
    });
  });

  it("follows another filter after the next start, and none", async () => {
    await withFolder(async (folder) => {
      const made: string[] = [];
      for (const [index, only] of ['{ suffix: ".jpg" }', "undefined"].entries()) {
        const file = path.join(folder, `${index}.ts`);
        await writeFile(file, program(only));
        const machine: Machine = await startMachine({
          ...{ project: process.cwd(), program: file, folder: path.join(folder, "state"), durable: true },
        });
        try {
          const inputs = await Promise.all(
            ["jpg", "png"].map(async (extension) => {
              const file = path.join(folder, `${index}.${extension}`);
              await writeFile(file, await picture(extension === "png" ? "png" : "jpeg"));
              return { file, key: `in ü/${index}.${extension}` };
            }),
          );
          const { filtered, lost } = await runThrough(machine, inputs, path.join(folder, "out"));
          expect(lost).to.deep.equal([]);
          const left = filtered.find(({ worker }) => worker === "pngs")?.images ?? 0;
          made.push(`${only}: ${2 - left}`);
        } finally {
          await machine.stop();
        }
      }
      expect(made).to.deep.equal(['{ suffix: ".jpg" }: 1', "undefined: 2"]);
    });
  });
});
