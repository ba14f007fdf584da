import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import path from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { HeadObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { expect } from "chai";
import sharp from "sharp";
import { withFolder } from "../support/machine.ts";
import { freePort } from "../support/port.ts";
import { projectIn } from "../support/project.ts";

/** A machine that stays up, and what it has said. */
interface Dev {
  readonly process: ChildProcess;
  readonly s3: S3Client;
  readonly source: string;
  readonly results: string;
  said(): string;
}

/** Waits until something holds. @throws Error after twenty seconds */
async function until<T>(what: string, holds: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const end = Date.now() + 20_000;
  while (Date.now() < end) {
    const held = await holds();
    if (held !== undefined) return held;
    await setTimeout(50);
  }
  throw new Error(`${what} did not happen within twenty seconds`);
}

/** Starts a machine of this project or of another, and waits until it runs. */
async function startDev(folder: string, port: number, project = process.cwd()): Promise<Dev> {
  // In a group of its own, so that a test can take all of it down at once.
  const child = spawn(
    process.execPath,
    [path.join(project, "src/cli/dev.ts"), "--port", `${port}`, "--folder", path.join(folder, "state")],
    { cwd: project, stdio: ["ignore", "pipe", "pipe"], detached: true },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text));
  const words = await until("the start", () => {
    if (child.exitCode !== null) throw new Error(`it ended: ${output}`);
    return output.includes("Workers:") ? output : undefined;
  });
  const find = (pattern: RegExp) => pattern.exec(words)?.[1] ?? "";
  const s3 = new S3Client({
    endpoint: find(/AWS_ENDPOINT_URL=(\S+)/),
    region: find(/AWS_REGION=(\S+)/),
    credentials: {
      accessKeyId: find(/AWS_ACCESS_KEY_ID=(\S+)/),
      secretAccessKey: find(/AWS_SECRET_ACCESS_KEY=(\S+)/),
    },
  });
  return {
    process: child,
    s3,
    source: find(/s3:\/\/(images-source[^/]+)/),
    results: find(/s3:\/\/(images-results[^/]+)/),
    said: () => output,
  };
}

/** The process that the machine runs in. */
function machineOf(parent: ChildProcess): number {
  const processes = execFileSync("ps", ["-A", "-o", "pid=,ppid=,args="], { encoding: "utf8" });
  return Number(new RegExp(`^ *(\\d+) +${parent.pid} .*dev-machine`, "m").exec(processes)?.[1]);
}

async function put({ s3, source }: Dev, key: string): Promise<void> {
  const Body = await sharp({ create: { width: 8, height: 4, channels: 3, background: "teal" } })
    .png()
    .toBuffer();
  await s3.send(new PutObjectCommand({ Bucket: source, Key: key, Body }));
}

/** Waits until both workers have done their part. */
async function results({ s3, results }: Dev, key: string): Promise<void> {
  for (const worker of ["clockwise", "counter-clockwise"]) {
    const head = new HeadObjectCommand({ Bucket: results, Key: `${worker}/${key}` });
    await until(`the result ${worker}/${key}`, () => s3.send(head).catch(() => undefined));
  }
}

describe("npm run dev", function () {
  this.timeout(60_000);

  const running: ChildProcess[] = [];
  const dev = async (folder: string, port: number, project?: string) => {
    const started = await startDev(folder, port, project);
    running.push(started.process);
    return started;
  };
  /** Ends everything at once, as a power cut does. */
  const kill = async (child: ChildProcess) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    process.kill(-(child.pid as number), "SIGKILL");
    await once(child, "exit");
  };

  afterEach(async () => {
    await Promise.all(running.splice(0).map(kill));
  });

  it("stays up, takes images from any client, and goes on after a change of the program", async () => {
    await withFolder(async (folder) => {
      const machine = await dev(folder, await freePort());
      await put(machine, "before.png");
      await results(machine, "before.png");
      await machine.s3.send(new PutObjectCommand({ Bucket: machine.source, Key: "no image", Body: "no" }));
      const rejected =
        "Rejected so far: clockwise 1, counter-clockwise 1; npm run dead-letters says what and why.";
      await until("both rejections", () => (machine.said().includes(rejected) ? true : undefined));
      expect(machine.said()).to.contain("in   no image  2 B\n");

      const now = new Date();
      await utimes("index.ts", now, now);
      await until("the restart", () => (machine.said().split("Workers:").length > 2 ? true : undefined));
      expect(machine.said().split("AWS_ENDPOINT_URL")).to.have.length(2);
      expect(machine.said()).to.contain("The machine is running again.\nWorkers: clockwise,");
      expect(machine.said().split(rejected)).to.have.length(2);
      await put(machine, "after.png");
      await results(machine, "after.png");

      machine.process.kill("SIGTERM");
      const [code] = await once(machine.process, "exit");
      expect(code).to.equal(0);
      machine.s3.destroy();
    });
  });

  it("ends with npm, whose shell does not pass the signal on", async () => {
    await withFolder(async (folder) => {
      const args = `--port ${await freePort()} --folder '${path.join(folder, "state")}'`;
      const shell = spawn("sh", ["-c", `'${process.execPath}' src/cli/dev.ts ${args}; true`], {
        stdio: ["ignore", "pipe", "pipe"],
        detached: true,
        env: { ...process.env, npm_lifecycle_event: "dev" },
      });
      running.push(shell);
      let said = "";
      shell.stdout.on("data", (text) => (said += text));
      await until("the start", () => (said.includes("Workers:") ? true : undefined));
      // It ends when nobody is left who could write to it.
      const allGone = once(shell.stdout, "close").then(() => true);

      shell.kill("SIGTERM");

      expect(await Promise.race([allGone, setTimeout(20_000, false, { ref: false })])).to.equal(true);
    });
  });

  it("says that its machine was killed, finishes what that had accepted, and ends quietly if it is killed itself", async () => {
    await withFolder(async (folder) => {
      const machine = await dev(folder, await freePort());
      const parent = machine.process;
      await Promise.all(Array.from({ length: 20 }, (_, index) => put(machine, `${index}.png`)));
      process.kill(machineOf(parent), "SIGKILL");

      await until("the restart", () => (machine.said().split("Workers:").length > 2 ? true : undefined));
      expect(machine.said()).to.contain("The machine ended with SIGKILL; starting it again.\n");
      for (let index = 0; index < 20; index++) await results(machine, `${index}.png`);
      machine.s3.destroy();

      const allGone = once(parent.stdout as Readable, "close").then(() => true);
      parent.kill("SIGKILL");
      expect(await Promise.race([allGone, setTimeout(20_000, false, { ref: false })])).to.equal(true);
      expect(machine.said()).to.not.match(/ERR_IPC|^ {4}at /m);
    });
  });

  it("shows how a handler fails, and tries again what waits as soon as it is mended", async () => {
    await withFolder(async (folder) => {
      const code = `import sharp from "sharp";
import { createHandler } from "../src/delivery/handler.ts";
export const handler = createHandler(async (source) => ({
  body: await sharp(source).greyscal().webp().toBuffer(), contentType: "image/webp" }));
`;
      const project = await projectIn(folder, { grey: code });
      const machine = await dev(folder, await freePort(), project);
      await put(machine, "a.png");
      const said = await until("the failure", () =>
        /^grey failed with a\.png: TypeError: .*/m.test(machine.said()) ? machine.said() : undefined,
      );
      expect(said).to.match(
        /at handlers\/grey\.ts:4:\d+\n.*\n.*or as soon as you save a source file; .* Its log: .*\.log$/m,
      );

      await writeFile(path.join(project, "handlers/grey.ts"), code.replace("greyscal", "greyscale"));
      await until("the result", () => (machine.said().includes("out  grey/a.png") ? true : undefined));

      machine.process.kill("SIGTERM");
      await once(machine.process, "exit");
      machine.s3.destroy();
    });
  });

  const refused = (text: string) =>
    text.replace("angle: 90 }", "angle: 90, transform: { function: { imageUri: 'mine' } } }");
  const sentence =
    'aws:lambda/function:Function "images-clockwise-function": the input imageUri is not supported on this computer.\n';

  it("ends with a program that is refused: exits 2, with its sentence and nothing else", async () => {
    await withFolder(async (folder) => {
      const project = await projectIn(folder, {}, { "index.ts": refused });
      const args = [path.join(project, "src/cli/dev.ts"), "--port", `${await freePort()}`];
      const child = spawn(process.execPath, args, { cwd: project, stdio: ["ignore", "ignore", "pipe"] });
      running.push(child);
      const exited = once(child, "exit");

      expect(await text(child.stderr as Readable)).to.equal(sentence);
      expect((await exited)[0]).to.equal(2);
    });
  });

  it("waits for the next change where a change of the program is refused", async () => {
    await withFolder(async (folder) => {
      const project = await projectIn(folder, {});
      const file = path.join(project, "index.ts");
      const program = await readFile(file, "utf8");
      const machine = await dev(folder, await freePort(), project);

      await writeFile(file, refused(program));
      await until("the refusal", () => (machine.said().includes("not running.") ? true : undefined));
      expect(machine.said()).to.contain(
        `${sentence}The machine is not running. It starts again when you save a change.`,
      );

      await writeFile(file, program);
      await until("the restart", () => (machine.said().split("Workers:").length > 2 ? true : undefined));
      machine.s3.destroy();
    });
  });

  it("says that its port is taken, and exits 1", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const child = spawn(process.execPath, [path.resolve("src/cli/dev.ts"), "--port", `${port}`]);
    let said = "";
    child.stderr.on("data", (text) => (said += text));
    const [code] = await once(child, "exit");
    server.close();

    expect(code).to.equal(1);
    expect(said).to.equal(
      `Port ${port} is in use: is the machine already running? Choose another port with --port.\n`,
    );
  });
});
