import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { withFolder } from "../support/machine.ts";
import { runInPulumiRuntime } from "../support/pulumi-runtime.ts";

/** The constructor call of a class in the page that tells how to come by a processor of one's own. */
function fromTheDocs(type: string): string {
  const page = readFileSync("docs/own-processor.md", "utf8");
  const blocks = [...page.matchAll(/```ts\n([^`]*)```/g)].map(([, code = ""]) =>
    code.replace(/^import .*\n+/gm, ""),
  );
  const found = blocks.find((code) => code.startsWith(`new ${type}("thumbnail"`));
  if (!found) throw new Error(`docs/own-processor.md has no block that begins with new ${type}`);
  return found;
}

/** What a program with these workers registers in a preview: URNs, and the URNs that each had before. */
async function preview(workers: string): Promise<{ urn: string; aliases: readonly string[] }[]> {
  return withFolder(async (folder) => {
    const imports = ["ImageFanOut", "ImageWorker", "RotationWorker", "ThumbnailWorker"].map((name) => {
      const file = `${name.replace(/\B[A-Z]/g, (letter) => `-${letter}`).toLowerCase()}.ts`;
      return `import { ${name} } from ${JSON.stringify(pathToFileURL(path.resolve("src/topology", file)).href)};`;
    });
    await writeFile(path.join(folder, "package.json"), JSON.stringify({ type: "module" }));
    await writeFile(
      path.join(folder, "program.ts"),
      `${imports.join("\n")}\nconst fanOut = new ImageFanOut("images");\n${workers}\n`,
    );
    const { resources, complaints, exitCode } = await runInPulumiRuntime(
      "preview",
      {},
      path.join(folder, "program.ts"),
    );
    expect(complaints).to.deep.equal([]);
    expect(exitCode).to.equal(0);
    return resources;
  });
}

describe("a worker that gets another class", function () {
  this.timeout(60_000);
  let was: Awaited<ReturnType<typeof preview>>;
  let is: typeof was;

  before(async () => {
    [was, is] = await Promise.all([
      preview(`${fromTheDocs("ImageWorker")} new RotationWorker("turned", { fanOut, angle: 90 });`),
      preview(`${fromTheDocs("ThumbnailWorker")}
        const aliases = [{ type: "image-machine:index:RotationWorker" }];
        new ThumbnailWorker("turned", { fanOut }, { aliases });`),
    ]);
  });

  /** Resources that were there and that the engine finds nobody for now, and so deletes. */
  const deleted = (name: RegExp) => {
    const known = new Set(is.flatMap(({ urn, aliases }) => [urn, ...aliases]));
    return was.map(({ urn }) => urn).filter((urn) => name.test(urn) && !known.has(urn));
  };

  it("keeps everything of it on the way that docs/own-processor.md goes", () => {
    const moved = is.filter(({ urn }) => /ThumbnailWorker\$.*::images-thumbnail-/.test(urn));

    expect(moved).to.have.length(18 - 1);
    expect(deleted(/::images-thumbnail/)).to.deep.equal([]);
  });

  it("keeps it from one class to another where its options say which it was", () => {
    expect(deleted(/::images-turned/)).to.deep.equal([]);
  });

  it("is no other worker's, and the rest stays as it is", () => {
    const all = is.flatMap(({ urn, aliases }) => [...new Set([urn, ...aliases])]);

    expect(new Set(all).size).to.equal(all.length);
    expect(deleted(/./)).to.deep.equal([]);
  });
});
