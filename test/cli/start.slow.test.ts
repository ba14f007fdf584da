import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import sharp from "sharp";
import { withFolder } from "../support/machine.ts";
import { projectIn } from "../support/project.ts";

/** Runs `npm start -- ARGUMENTS` in a folder, without npm. */
const start = (folder: string, ...args: string[]) => startOf(process.cwd(), folder, ...args);

/** Runs `npm start -- ARGUMENTS` of a project in a folder, without npm. */
async function startOf(project: string, folder: string, ...args: string[]) {
  const child = spawn(process.execPath, [path.join(project, "src/cli/start.ts"), ...args], {
    cwd: project,
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

/** README's example, with a slip. */
const GREY = `import sharp from "sharp";
import { createHandler } from "../src/delivery/handler.ts";

export const handler = createHandler(async (source) => ({
  body: await sharp(source).autoOrient().greyscal().webp().toBuffer(),
  contentType: "image/webp",
}));
`;

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

  it("exits 1 where images were rejected, and names each with the reason, however many they are", async () => {
    await withFolder(async (folder) => {
      await mkdir(path.join(folder, "mixed"));
      await writeFile(path.join(folder, "mixed/good.png"), await image());
      for (let note = 0; note < 25; note++) {
        await writeFile(path.join(folder, `mixed/notes ${note}.jpg`), "These are notes.");
      }

      const { exitCode, stdout } = await start(folder, "--permissions", "mixed");

      expect(exitCode).to.equal(1);
      for (let note = 0; note < 25; note++) {
        expect(stdout).to.match(
          new RegExp(`^rejected  notes ${note}\\.jpg \\(clockwise, counter-clockwise\\): .+\\.$`, "m"),
        );
      }
      expect(stdout).to.contain("26 images, 2 results, 50 rejected, 0 lost");
      expect(await readdir(path.join(folder, "out/clockwise"))).to.deep.equal(["good.png"]);
      expect(stdout).to.match(
        /^allowed to images-clockwise-role-\w+:\n {2}TakeMessages .*\n {2}RejectMessages +25 {2}sqs:SendMessage 25$/m,
      );
      expect(stdout).to.match(
        /^not needed in this run:\n {2}images-clockwise-role-\w+, ReadSources: s3:GetObject\n/m,
      );
    });
  });

  it("shows at once how a handler fails, gives it up, keeps its log, and does the rest", async () => {
    await withFolder(async (folder) => {
      const project = await projectIn(folder, {
        grey: GREY,
        unloadable: 'throw new RangeError("no start");',
      });
      await mkdir(path.join(folder, "mixed"));
      await writeFile(path.join(folder, "mixed/one.png"), await image());
      for (let note = 0; note < 21; note++) {
        await writeFile(path.join(folder, `mixed/notes ${note}.jpg`), "These are notes.");
      }

      const { exitCode, stdout, stderr } = await startOf(
        project,
        folder,
        ...["--report", "report.jsonl", "mixed"],
      );

      expect(exitCode).to.equal(1);
      expect(
        stderr.match(/^grey failed with .*: TypeError: .*\.greyscal is not a function$/gm),
      ).to.have.length(1);
      expect(stderr).to.match(
        /^ {4}at handlers\/grey\.ts:5:\d+\n {7}body: await sharp\(source\).*greyscal\(/m,
      );
      expect(stderr).to.match(
        /^unloadable cannot be loaded, .*: RangeError: no start\n {4}at handlers\/unloadable\.ts:1:7$/m,
      );
      expect(stderr).to.match(/ Its log: out\/grey\.log, once the run is over$/m);
      for (const worker of ["grey", "unloadable"]) {
        expect(stdout).to.match(new RegExp(`^failed    ${worker}, .*; its log is out/${worker}\\.log$`, "m"));
        expect(stdout).to.match(
          new RegExp(`^given up  ${worker}: .* Not done: notes 0\\.jpg, .* and 2 more$`, "m"),
        );
      }
      expect(await readFile(path.join(folder, "out/grey.log"), "utf8")).to.match(/handlers\/grey\.ts:5:/);
      expect(stdout).to.contain("… and 1 more: report.jsonl has all of them");
      expect(stdout).to.contain("22 images, 2 results, 42 rejected, 0 lost, 44 not done");

      const report = (await readFile(path.join(folder, "report.jsonl"), "utf8")).trim().split("\n");
      const outcomes: Record<string, unknown>[] = report.map((line) => JSON.parse(line));
      const codes = (worker: string) =>
        outcomes.filter((outcome) => outcome.worker === worker).map(({ key, code }) => `${key}: ${code}`);
      expect(outcomes[0]).to.have.all.keys("key", "worker", "code", "reason", "milliseconds", "bytes");
      expect(codes("clockwise"))
        .to.have.length(22)
        .and.include.members(["one.png: created", "notes 7.jpg: not-an-image"]);
      expect(codes("grey")).to.have.length(22).and.include("one.png: not-done");
      const note = outcomes.find(({ key, worker }) => key === "notes 7.jpg" && worker === "clockwise");
      expect(note).to.include({ bytes: 16 });
      expect(note?.reason).to.match(/\.$/);
      expect(note?.milliseconds).to.be.above(0);
    });
  });

  it("says what is of an earlier run, and leaves no log of it", async () => {
    await withFolder(async (folder) => {
      await mkdir(path.join(folder, "out/clockwise/trip"), { recursive: true });
      for (const old of ["clockwise.log", "clockwise/old.png", "clockwise/trip/old.png", "clockwise/one.png"])
        await writeFile(path.join(folder, "out", old), "old");
      await writeFile(path.join(folder, "one.png"), await image());

      // Is full, as a disk may be in the end.
      const full = existsSync("/dev/full") ? "/dev/full" : undefined;
      const { exitCode, stdout, stderr } = await start(
        folder,
        ...(full ? ["--report", full] : []),
        "one.png",
      );

      if (full) {
        expect(stderr).to.match(/^--report \/dev\/full cannot be written: no space left on device\.$/m);
        expect(exitCode).to.equal(2);
      }
      expect(stdout).to.match(/^out\/clockwise\/ {2}1 \(2 more from an earlier run\)$/m);
      expect(stdout).to.match(/^out\/counter-clockwise\/ {2}1$/m);
      expect(await readdir(path.join(folder, "out"))).to.have.members(["clockwise", "counter-clockwise"]);
    });
  });

  it("says that it was interrupted, and nothing of what follows from it", async () => {
    await withFolder(async (folder) => {
      await mkdir(path.join(folder, "many"));
      // Large enough that some are on their way when the first is there.
      for (let each = 10; each < 30; each++) {
        await writeFile(path.join(folder, `many/${each}.jpg`), "");
        await truncate(path.join(folder, `many/${each}.jpg`), 32 * 2 ** 20);
      }
      const child = spawn(process.execPath, ["src/cli/start.ts", "many"], {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, INIT_CWD: folder, TMPDIR: folder },
      });
      const exited = once(child, "exit");
      const said = text(child.stderr);
      const uploaded = async () => {
        const [machine = ""] = (await readdir(folder)).filter((name) => name !== "many");
        const files = await readdir(path.join(folder, machine), { recursive: true }).catch(() => []);
        return machine !== "" && files.some((file) => file.endsWith("10.jpg"));
      };
      while (child.exitCode === null && !(await uploaded())) await setTimeout(5);

      child.kill("SIGINT");

      expect((await exited)[0]).to.equal(130);
      expect((await said).replace(/^\d+ of 20 images uploaded, .*\n/gm, "")).to.equal(
        "Interrupted: the results so far are not kept.\n",
      );
      expect(await readdir(folder)).to.deep.equal(["many"]);
    });
  });

  const wrong: [string, string[], RegExp][] = [
    ["a file that is not there", ["nowhere.png"], /nowhere\.png: there is no such file or folder\.$/],
    [
      "a report in a folder that is not there",
      ["--report", "nowhere/r.jsonl", "a/x.png"],
      /^--report nowhere\/r\.jsonl cannot be written: no such file or directory\.$/,
    ],
    [
      "results in what is a file",
      ["--out", "a/x.png/out", "a"],
      /^--out .* cannot be written: not a directory\.$/,
    ],
    [
      "an unknown option",
      ["--ot", "out"],
      /^--ot is not an option of npm start; did you mean --out\? .*--help says more\.$/,
    ],
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

  it("exits 2 for a stack without configuration", async () => {
    await withFolder(async (folder) => {
      const { exitCode, stderr } = await start(folder, "--stack", "nosuch");

      expect(exitCode).to.equal(2);
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

  const add = (lines: string) => (text: string) => `${text}${lines}\n`;
  const mistakes: [string, Record<string, (text: string) => string>, string][] = [
    [
      "an input that is not known here, of a function",
      {
        "index.ts": (text) =>
          text.replace("angle: 90 }", "angle: 90, transform: { function: { imageUri: 'mine' } } }"),
      },
      'aws:lambda/function:Function "images-clockwise-function": the input imageUri is not supported on this computer.\n',
    ],
    [
      "an error while much is being made, in a program that goes on and on",
      {
        "index.ts": add("setInterval(() => {}, 1000);\nsetTimeout(() => { throw new Error('wrong'); }, 20);"),
      },
      "index.ts:19:26: wrong\n",
    ],
    [
      "a misspelt setting",
      { "Pulumi.dev.yaml": (text) => text.replace("logRetentionInDays", "logRetentionDays") },
      "Pulumi.dev.yaml: Setting workers.logRetentionDays is not known, only memorySize, timeout, batchSize, pipelineDepth, maximumBatchingWindowInSeconds, maxReceiveCount, logRetentionInDays, damaged, metadata, carry, scaling, reservedConcurrency, only.\n",
    ],
  ];
  for (const [what, changes, sentence] of mistakes) {
    it(`exits 2 for ${what}, says so and nothing else, and leaves nothing behind`, async () => {
      await withFolder(async (folder) => {
        const project = await projectIn(folder, {}, changes);
        await writeFile(path.join(folder, "one.png"), await image());

        const { exitCode, stdout, stderr } = await startOf(project, folder, "one.png");

        expect(stderr).to.equal(sentence);
        expect(exitCode).to.equal(2);
        expect(stdout).to.equal("");
        expect(await readdir(folder)).to.have.members(["project", "one.png"]);
      });
    });
  }

  it("takes what it does not run as declared, lists it, and gives every fan-out its images", async () => {
    await withFolder(async (folder) => {
      const lines = `
import * as aws from "@pulumi/aws";
const attributes = [{ name: "id", type: "S" }];
for (const name of ["one", "two"]) new aws.dynamodb.Table(name, { attributes, hashKey: "id" });
const others = new ImageFanOut("others");
new RotationWorker("half", { fanOut: others, angle: 180 });`;
      const project = await projectIn(folder, {}, { "index.ts": add(lines) });
      await writeFile(path.join(folder, "one.png"), await image());

      const { exitCode, stdout } = await startOf(project, folder, "one.png");

      expect(exitCode).to.equal(0);
      expect(stdout.split("\n")[0]).to.equal("not run here: aws:dynamodb/table:Table (2)");
      expect(stdout).to.contain("1 image, 3 results, 0 rejected, 0 lost");
      const { width, height } = await sharp(path.join(folder, "out/others/half/one.png")).metadata();
      expect([width, height]).to.deep.equal([40, 20]);

      const strict = await startOf(project, folder, "--strict", "one.png");
      expect(strict.exitCode).to.equal(2);
      expect(strict.stderr).to.match(
        /^aws:dynamodb\/table:Table "(one|two)": this resource type does not run on this computer\.\n$/,
      );
    });
  });
});
