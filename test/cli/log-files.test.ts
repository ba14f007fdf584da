import { appendFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect } from "chai";
import type { WiredWorker } from "machine-watch";
import { logsIn } from "../../src/cli/log-files.ts";
import { withFolder } from "../support/machine.ts";

const WORKER = { function: "grey" } as WiredWorker;

function line(key: string, timestamp = "2026-01-01T00:00:00.000Z"): string {
  return JSON.stringify({ timestamp, key });
}

describe("the log files that the watch page reads", () => {
  it("are read on from the last whole line, and from the beginning where they were begun anew", async () => {
    await withFolder(async (folder) => {
      const file = path.join(folder, "grey.log");
      const logs = logsIn(folder);
      const read = async (from = 0) => {
        const { lines } = await logs(WORKER, from, undefined);
        return lines.map((each) => each.line).filter((text) => text !== "");
      };
      expect(await read()).to.deep.equal([]);
      await writeFile(file, `${line("ü")}\n${line("b").slice(0, 20)}`);
      expect(await read()).to.deep.equal([line("ü")]);
      await appendFile(file, `${line("b").slice(20)}\nSTART\n`);
      expect(await read(1)).to.deep.equal([line("b")]);
      expect(await read()).to.deep.equal([]);
      await writeFile(file, `${line("c")}\n`);
      expect(await read()).to.deep.equal([line("c")]);
      await appendFile(file, `${line("old")}\n${line("new", "2026-01-02T00:00:00.000Z")}\n`);
      expect(await read(Date.UTC(2026, 0, 2))).to.deep.equal([line("new", "2026-01-02T00:00:00.000Z")]);
    });
  });
});
