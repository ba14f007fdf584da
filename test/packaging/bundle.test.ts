import { execFileSync } from "node:child_process";
import { cp, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import type * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import { bundleHandler } from "../../src/packaging/bundle.ts";
import { withFolder } from "../support/machine.ts";

const HANDLER = `import { library } from "library";
import { broken } from "../own.ts";

export const handler = (which: string): string => (which === "library" ? library() : broken());
`;

const OWN = `interface Nothing {
  nothing: undefined;
}

export function broken(): string {
  const nothing = {} as Nothing;
  return (nothing.nothing as never as string).trim();
}
`;

const LIBRARY = `module.exports.library = () => {
  throw new Error("of the library");
};
`;

async function project(folder: string): Promise<string> {
  await mkdir(path.join(folder, "handlers"), { recursive: true });
  await mkdir(path.join(folder, "node_modules/library"), { recursive: true });
  await writeFile(path.join(folder, "handlers/own.ts"), HANDLER);
  await writeFile(path.join(folder, "own.ts"), OWN);
  await writeFile(path.join(folder, "node_modules/library/index.js"), LIBRARY);
  return folder;
}

/** What is in a handler's archive where a folder is the project. */
async function bundled(folder: string): Promise<Record<string, string>> {
  const here = process.cwd();
  process.chdir(folder);
  let archive: pulumi.asset.AssetArchive;
  try {
    archive = bundleHandler("handlers/own.ts");
  } finally {
    process.chdir(here);
  }
  const assets = (await archive.assets) as Record<string, pulumi.asset.StringAsset>;
  const texts = Object.entries(assets).map(async ([name, asset]) => [name, await asset.text]);
  return Object.fromEntries(await Promise.all(texts));
}

describe("the bundle of a handler", () => {
  it("is the same, byte for byte, wherever the project is", async () => {
    await withFolder(async (folder) => {
      const one = await project(path.join(folder, "one"));
      const other = path.join(folder, "other/and deeper");
      await cp(one, other, { recursive: true });

      const first = await bundled(one);

      expect(first).to.have.all.keys("index.js", "index.js.map");
      expect(await bundled(other)).to.deep.equal(first);
      expect(JSON.stringify(first)).to.not.contain(folder);
    });
  });

  it("has a source map of the project's own files, and leaves libraries out of it", async () => {
    await withFolder(async (folder) => {
      const files = await bundled(await project(path.join(folder, "project")));
      const task = path.join(folder, "task");
      await mkdir(task);
      for (const [name, text] of Object.entries(files)) await writeFile(path.join(task, name), text);
      const stackOf = (which: string) =>
        execFileSync(
          process.execPath,
          [
            "--enable-source-maps",
            "-e",
            `try { require(${JSON.stringify(path.join(task, "index.js"))}).handler("${which}") } catch ({ stack }) { console.log(stack) }`,
          ],
          { encoding: "utf8" },
        );

      expect(JSON.parse(files["index.js.map"] ?? "").sources).to.have.members(["own.ts", "handlers/own.ts"]);
      expect(stackOf("own")).to.match(/\/own\.ts:7:47\)?\n.*\/handlers\/own\.ts:4:\d+\)?\n/);
      expect(stackOf("library")).to.match(/\/index\.js:\d+:\d+\)?\n.*\/handlers\/own\.ts:4:\d+\)?\n/);
    });
  });
});
