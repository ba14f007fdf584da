import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import { expect } from "chai";
import sharp from "sharp";
import { type Machine, type MachineOptions, startMachine } from "../../src/machine/machine.ts";
import { withFolder } from "../support/machine.ts";
import { quiet } from "../support/quiet.ts";

/** The types whose order an event would notice. */
const ON_THE_WAY = /^aws:(kms|sns|sqs|s3\/bucketNotification)/;

describe("a stack that is updated while it runs", function () {
  this.timeout(120_000);

  it("loses no event when it is encrypted with a key of its own", async () => {
    await withFolder(async (folder) => {
      const project = path.join(folder, "project");
      await mkdir(project);
      await copyFile("Pulumi.yaml", path.join(project, "Pulumi.yaml"));
      const here = pathToFileURL(`${process.cwd()}/`).href;
      const program = (await readFile("index.ts", "utf8")).replaceAll('"./', `"${here}`);
      await writeFile(path.join(project, "index.ts"), program);
      const settings = await readFile("Pulumi.dev.yaml", "utf8");
      const configure = (more: string) => writeFile(path.join(project, "Pulumi.dev.yaml"), settings + more);
      const reported: string[] = [];
      const run = async <T>(options: Partial<MachineOptions>, use: (machine: Machine) => Promise<T>) => {
        const machine = await startMachine({
          ...{ project, folder: path.join(folder, "state"), durable: true },
          report: (fault) => reported.push(String(fault)),
          ...options,
        });
        try {
          return await use(machine);
        } finally {
          await machine.stop();
        }
      };
      await configure("");
      const Bucket = await run({}, async ({ outputs }) => outputs.sourceBucket);
      const image = await sharp({ create: { width: 1, height: 2, channels: 3, background: "teal" } })
        .png()
        .toBuffer();
      const keys: string[] = [];

      await configure("  key: create\n");
      const found = await run(
        {
          // An event after every step, which is on its way before the next one is taken.
          async provisioned({ type, name }, store) {
            if (!ON_THE_WAY.test(type)) return;
            const key = `${keys.length} after ${name}.png`;
            keys.push(key);
            await store.put(Bucket, key, [image]);
            while (!store.idle()) await new Promise((resolve) => setTimeout(resolve, 1));
          },
        },
        async (machine) => {
          await quiet(machine);
          const { resultsBucket, workers } = machine.outputs;
          const wanted = Object.values(workers).flatMap(({ prefix }) =>
            keys.map((key) => `${prefix}/${key}`),
          );
          const there = await Promise.all(
            wanted.map((Key) =>
              machine.s3.send(new GetObjectCommand({ Bucket: resultsBucket, Key })).then(
                ({ Body }) => Body?.transformToByteArray().then(() => Key),
                () => undefined,
              ),
            ),
          );
          return { wanted, there };
        },
      );

      expect(reported).to.deep.equal([]);
      expect(keys.join()).to.include("images-created").and.include("policy");
      expect(found.there).to.deep.equal(found.wanted);
    });
  });
});
