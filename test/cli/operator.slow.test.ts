import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import { withFolder } from "../support/machine.ts";

describe("a command about a stack", function () {
  this.timeout(60_000);

  for (const command of ["reconcile", "dead-letters"]) {
    it(`says what to do before a first run, and exits 2: npm run ${command}`, async () => {
      await withFolder(async (folder) => {
        const child = spawn(process.execPath, [path.resolve(`src/cli/${command}.ts`)], {
          cwd: folder,
          env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE },
        });
        const [said, [exitCode]] = await Promise.all([text(child.stderr), once(child, "exit")]);

        expect(said).to.equal(
          "Which machine? Start `npm run dev` and export what it prints, or name a stack on AWS with --stack NAME.\n",
        );
        expect(exitCode).to.equal(2);
      });
    });
  }
});
