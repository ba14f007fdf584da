import { readFileSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { ReceiveMessageCommand } from "@aws-sdk/client-sqs";
import { expect } from "chai";
import sharp from "sharp";
import type { Machine } from "../../src/machine/machine.ts";
import { runThrough, withFolder, withMachine } from "../support/machine.ts";
import { runInPulumiRuntime } from "../support/pulumi-runtime.ts";

/** The programs of docs/recipes.md, by their headings. */
const RECIPES = new Map(
  readFileSync("docs/recipes.md", "utf8")
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [, program = ""] = /```ts\n(.*?)```/s.exec(section) ?? [];
      return [section.split("\n", 1)[0] ?? "", program] as const;
    }),
);
const TWO_REGIONS = "Two regions in one program";
const CHAIN = "What comes next";

/** Writes a recipe into a project of its own, with what it refers to. */
async function withRecipe<T>(
  title: string,
  use: (project: string, program: string) => Promise<T>,
): Promise<T> {
  return withFolder(async (project) => {
    const here = (RECIPES.get(title) ?? "")
      .replaceAll('"./src/', `"${pathToFileURL(path.resolve("src")).href}/`)
      .replaceAll('"@pulumi/aws"', JSON.stringify(import.meta.resolve("@pulumi/aws")));
    const program = path.join(project, "index.ts");
    await writeFile(program, here);
    await writeFile(path.join(project, "package.json"), '{"type":"module"}');
    await writeFile(path.join(project, "Pulumi.yaml"), "name: rube-goldberg-image-machine\n");
    await writeFile(path.join(project, "Pulumi.dev.yaml"), "config: {}\n");
    await writeFile(path.join(project, "angles.json"), "[45, 90]");
    return use(project, program);
  });
}

/** Looks at the thumbnail of the turned image, which lies on its side, and at what the listener was told. */
async function expectThumbnail(machine: Machine, folder: string): Promise<void> {
  const small = path.join(folder, "out/small/thumbnail");
  expect(await readdir(small, { recursive: true })).to.include(path.join("clockwise", "cat.jpg"));
  const { autoOrient: source } = await sharp("samples/cat.jpg").metadata();
  const thumbnail = await sharp(path.join(small, "clockwise/cat.jpg")).metadata();
  expect(Math.max(thumbnail.width, thumbnail.height)).to.equal(256);
  expect(thumbnail.width > thumbnail.height).to.equal(source.height > source.width);

  const { catalogueQueue } = machine.outputs as unknown as { catalogueQueue: string };
  const told: string[] = [];
  while (told.length < 2) {
    const receive = { QueueUrl: catalogueQueue, MaxNumberOfMessages: 10, WaitTimeSeconds: 5 };
    const { Messages = [] } = await machine.sqs.send(new ReceiveMessageCommand(receive));
    told.push(...Messages.map(({ Body = "" }) => JSON.parse(Body).Records[0].s3.object.key));
  }
  expect(told).to.have.members(["clockwise/cat.jpg", "counter-clockwise/cat.jpg"]);
}

describe("a recipe", function () {
  this.timeout(120_000);

  for (const title of RECIPES.keys()) {
    it(`turns an image on this computer: ${title}`, () =>
      withRecipe(title, (project, program) =>
        withMachine({ project, program }, async (machine, folder) => {
          const image = { key: "cat.jpg", file: path.resolve("samples/cat.jpg") };
          const summary = await runThrough(machine, [image], path.join(folder, "out"));

          expect(summary).to.deep.include({ images: 1, rejections: [], lost: [] });
          expect(machine.notRun).to.deep.equal([]);
          if (title === CHAIN) {
            expect(summary.results).to.deep.equal({
              "small/thumbnail": 1,
              "turned/clockwise": 1,
              "turned/counter-clockwise": 1,
            });
            await expectThumbnail(machine, folder);
          }
          if (title !== TWO_REGIONS) return;
          const workers = ["eu/clockwise", "eu/counter-clockwise", "us/clockwise", "us/counter-clockwise"];
          expect(summary.results).to.deep.equal(Object.fromEntries(workers.map((worker) => [worker, 1])));
          const results = await readdir(path.join(folder, "out"), { recursive: true });
          expect(results).to.include.members(workers.map((worker) => path.join(worker, "cat.jpg")));
        }),
      ));

    it(`passes an up: ${title}`, async () => {
      const { resources, complaints, exitCode } = await withRecipe(title, (_, program) =>
        runInPulumiRuntime("up", {}, program),
      );

      expect(complaints).to.deep.equal([]);
      expect(exitCode).to.equal(0);
      const dashboards = resources.filter(({ type }) => type.endsWith(":Dashboard"));
      expect(dashboards).to.have.length([TWO_REGIONS, CHAIN].includes(title) ? 2 : 1);
      if (title !== TWO_REGIONS) return;
      for (const { type, name, provider } of resources) {
        if (!type.startsWith("aws:")) continue;
        const [, place] = /^(eu|us)-/.exec(name) ?? [];
        expect(provider, name).to.contain(`pulumi:providers:aws::${place}::`);
      }
    });
  }
});
