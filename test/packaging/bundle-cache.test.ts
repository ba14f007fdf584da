import { mkdir, rm, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect } from "chai";
import { BundleCache } from "../../src/packaging/bundle-cache.ts";
import { withFolder } from "../support/machine.ts";

const FILES = {
  "handlers/own.ts": "own",
  "src/part.ts": "part",
  "tsconfig.json": "{}",
  "node_modules/.package-lock.json": "installed",
  "node_modules/library/index.js": "library",
};
const INPUTS = ["handlers/own.ts", "src/part.ts", "node_modules/library/index.js"];

describe("a bundle that was made before", () => {
  /** Has a handler bundled, each time by a cache of its own. @returns how often it was, and what the last one gave */
  async function bundles(
    change: (write: (file: string, text: string) => Promise<void>, folder: string) => Promise<unknown>,
    recipe = (_round: number) => "recipe",
    inputs = INPUTS,
  ) {
    return withFolder(async (folder) => {
      const write = async (file: string, text: string) => {
        await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
        await writeFile(path.join(folder, file), text);
      };
      for (const [file, text] of Object.entries(FILES)) await write(file, text);
      let made = 0;
      const get = () => {
        const cache = new BundleCache(folder, recipe(made));
        const bundle = () => ({ code: `code ${++made}`, map: `map ${made}`, inputs });
        const { code, map } = cache.get(path.join(folder, "handlers/own.ts"), bundle);
        return { code, map };
      };
      get();
      await change(write, folder);
      const last = get();
      return { made, last };
    });
  }

  it("is taken again while all that it was made of is the same, whenever that was written", async () => {
    const touch = (_: unknown, folder: string) => utimes(path.join(folder, "src/part.ts"), 1, 1);

    expect(await bundles(touch)).to.deep.equal({ made: 1, last: { code: "code 1", map: "map 1" } });
  });

  for (const file of [...Object.keys(FILES), "package.json", "src/package.json", "handlers/tsconfig.json"]) {
    it(`is made anew where ${file} says something else`, async () => {
      // As long as before, so that only the content tells.
      const changed = (FILES as Record<string, string>)[file]?.toUpperCase() ?? "{}";
      const text = changed === "{}" && file === "tsconfig.json" ? "[]" : changed;

      expect(await bundles((write) => write(file, text))).to.deep.equal({
        ...{ made: 2, last: { code: "code 2", map: "map 2" } },
      });
    });
  }

  it("is made anew where one of its sources is gone", async () => {
    expect((await bundles((_, folder) => rm(path.join(folder, "src/part.ts")))).made).to.equal(2);
  });

  it("is made anew by another bundler, or in another way", async () => {
    expect(
      (
        await bundles(
          async () => {},
          (round) => `recipe ${round}`,
        )
      ).made,
    ).to.equal(2);
  });

  it("is made anew where what was kept is no bundle", async () => {
    const spoil = async (write: (file: string, text: string) => Promise<void>, folder: string) => {
      const { readdir } = await import("node:fs/promises");
      const kept = "node_modules/.cache/image-machine/bundles";
      const files = await readdir(path.join(folder, kept));
      expect(files).to.have.length(1);
      await write(path.join(kept, files[0] as string), "{");
    };

    expect((await bundles(spoil)).made).to.equal(2);
  });

  it("is not kept where nothing says what is installed", async () => {
    expect(
      (await bundles((_, folder) => rm(path.join(folder, "node_modules/.package-lock.json")))).made,
    ).to.equal(2);
  });
});
