import { spawn } from "node:child_process";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import sharp from "sharp";
import { withFolder } from "../support/machine.ts";

/** Runs `npm start -- ARGUMENTS` in a folder, without npm. */
async function start(folder: string, ...args: string[]) {
  const child = spawn(process.execPath, [path.resolve("src/cli/start.ts"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, INIT_CWD: folder, TMPDIR: folder },
  });
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const [stdout, stderr, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  return { exitCode, stdout, stderr };
}

const image = () =>
  sharp({ create: { width: 40, height: 20, channels: 3, background: "teal" } })
    .png()
    .toBuffer();

describe("npm start", function () {
  this.timeout(60_000);

  it("turns a file and a folder into results, exits 0 and leaves nothing else behind", async () => {
    await withFolder(async (folder) => {
      await mkdir(path.join(folder, "trip/day 1"), { recursive: true });
      await writeFile(path.join(folder, "one.png"), await image());
      await writeFile(path.join(folder, "trip/day 1/two.png"), await image());

      const { exitCode, stdout, stderr } = await start(folder, "--out", "turned", "one.png", "trip");

      expect(stderr).to.not.match(/error|warn/i);
      expect(exitCode).to.equal(0);
      expect(stdout).to.match(
        /^2 images, 4 results, 0 rejected, 0 lost in [\d.]+ s: [\d.]+ images a second$/m,
      );
      for (const worker of ["clockwise", "counter-clockwise"]) {
        const { width, height } = await sharp(
          path.join(folder, "turned", worker, "day 1/two.png"),
        ).metadata();
        expect([width, height]).to.deep.equal([20, 40]);
        expect(await readdir(path.join(folder, "turned", worker))).to.have.members(["one.png", "day 1"]);
      }
      expect(await readdir(folder)).to.have.members(["one.png", "trip", "turned"]);
    });
  });

  it("exits 1 where an image was rejected, and names it with the reason", async () => {
    await withFolder(async (folder) => {
      await writeFile(path.join(folder, "good.png"), await image());
      await writeFile(path.join(folder, "notes.jpg"), "These are notes.");

      const { exitCode, stdout } = await start(folder, "good.png", "notes.jpg");

      expect(exitCode).to.equal(1);
      expect(stdout).to.match(/^rejected {2}notes\.jpg \(clockwise, counter-clockwise\): .+\.$/m);
      expect(stdout).to.contain("2 images, 2 results, 2 rejected, 0 lost");
      expect(await readdir(path.join(folder, "out/clockwise"))).to.deep.equal(["good.png"]);
    });
  });

  const wrong: [string, string[], RegExp][] = [
    ["a file that is not there", ["nowhere.png"], /nowhere\.png: there is no such file or folder\.$/],
    ["an unknown option", ["--fast"], /Unknown option '--fast'/],
    ["two files with one key", ["a/x.png", "b/x.png"], /would both be uploaded as "x\.png"/],
  ];
  for (const [what, args, message] of wrong) {
    it(`exits 2 for ${what}, with a sentence and no stack trace`, async () => {
      await withFolder(async (folder) => {
        for (const sub of ["a", "b"]) {
          await mkdir(path.join(folder, sub));
          await writeFile(path.join(folder, sub, "x.png"), await image());
        }

        const { exitCode, stdout, stderr } = await start(folder, ...args);

        expect(exitCode).to.equal(2);
        expect(stderr.trim()).to.match(message);
        expect(stderr).to.not.match(/^ {4}at /m);
        expect(stdout).to.equal("");
      });
    });
  }

  it("exits 1 for a stack without configuration", async () => {
    await withFolder(async (folder) => {
      const { exitCode, stderr } = await start(folder, "--stack", "nosuch");

      expect(exitCode).to.equal(1);
      expect(stderr).to.match(/^There is no .*Pulumi\.nosuch\.yaml: is the stack's name right\?$/m);
    });
  });

  it("says how it is used", async () => {
    await withFolder(async (folder) => {
      const { exitCode, stdout } = await start(folder, "--help");

      expect(exitCode).to.equal(0);
      expect(stdout).to.match(/^Usage: npm start/);
    });
  });
});
