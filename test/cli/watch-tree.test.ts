import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { watchTree } from "../../src/cli/watch-tree.ts";
import { afterTest } from "../support/cleanup.ts";

describe("a folder of sources that is watched", () => {
  /** Watches a folder. A change that nobody is told of is one that a test waits for in vain. */
  function watched() {
    const folder = mkdtempSync(path.join(tmpdir(), "image-machine-test-"));
    afterTest(() => rmSync(folder, { recursive: true }));
    mkdirSync(path.join(folder, "deep/er"), { recursive: true });
    writeFileSync(path.join(folder, "deep/er/grey.ts"), "0");
    let seen: (file: string | null) => void = () => {};
    const stop = watchTree(folder, (file) => seen(file));
    /** Resolves when a change of this name, or a folder that has come, is told of. */
    const change = (wanted: string | null, make: () => void) =>
      new Promise<void>((resolve) => {
        seen = (file) => (file === wanted || file === null) && resolve();
        make();
      });
    return { folder, change, [Symbol.dispose]: stop };
  }

  it("tells of a file that is saved by a new one of its name, each time", async () => {
    using tree = watched();
    const file = path.join(tree.folder, "deep/er/grey.ts");
    for (let save = 1; save <= 3; save++) {
      await tree.change("grey.ts", () => {
        writeFileSync(`${file}.tmp`, String(save));
        renameSync(`${file}.tmp`, file);
      });
    }
    await tree.change("grey.ts", () => writeFileSync(file, "in place"));
  });

  it("tells of a folder that comes, and of files in it, also where it takes another's place", async () => {
    using tree = watched();
    const folder = path.join(tree.folder, "deep/er");
    await tree.change(null, () => {
      rmSync(folder, { recursive: true });
      mkdirSync(folder);
    });
    await tree.change("new.ts", () => writeFileSync(path.join(folder, "new.ts"), "0"));
  });
});
