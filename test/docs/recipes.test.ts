import { readFileSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
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
      expect(dashboards).to.have.length(title === TWO_REGIONS ? 2 : 1);
      if (title !== TWO_REGIONS) return;
      for (const { type, name, provider } of resources) {
        if (!type.startsWith("aws:")) continue;
        const [, place] = /^(eu|us)-/.exec(name) ?? [];
        expect(provider, name).to.contain(`pulumi:providers:aws::${place}::`);
      }
    });
  }
});
