import { type ChildProcess, fork } from "node:child_process";
import { readdirSync, watch } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";
import { LiveSource, serveWatch } from "machine-watch";
import { checkFolder, numberOption, runCommand } from "./arguments.ts";
import { whenOrphaned } from "./orphan.ts";
import { accessWith } from "./watch-access.ts";
import { type FromMachine, openInBrowser, type Told, type ToMachine, wiringOf } from "./watch-page.ts";
import { watchTree } from "./watch-tree.ts";
import { fromHere, PROJECT } from "./words.ts";

const USAGE = `Usage: npm run dev -- [--open] [--port PORT] [--stack NAME] [--folder DIR] [--strict]

Keeps the machine running on this computer until Ctrl-C, and keeps its data in DIR between
runs. When you change the program, a handler, or a file that they use, the machine finishes
what it is processing and restarts with the change; nothing is lost. A page shows what happens.

  --open         opens the page in the browser
  --port PORT    port on 127.0.0.1 (default: 4566)
  --stack NAME   whose settings to use, from Pulumi.NAME.yaml (default: dev)
  --folder DIR   where everything is kept (default: .machine/NAME). It grows with what comes in;
                 to start afresh, delete it while nothing runs
  --strict       refuses resources that do not run on this computer, instead of listing them as not run here
  --help         prints this`;

/** What the machine runs in: TypeScript here, JavaScript in the package. */
const MACHINE = path.join(import.meta.dirname, `dev-machine${path.extname(import.meta.filename)}`);

/** Folders of a project that have no part in its program. */
const NO_SOURCES = /^(?:\..*|node_modules|out|dist|coverage|docs|tests?)$/;

/** Files that a change of starts the machine anew: code, settings and lockfiles. */
const SOURCE = /\.(?:[cm]?[jt]sx?|json|ya?ml)$/;

/** Milliseconds for which nothing must change before the machine starts anew: editors write in several steps. */
const SETTLE_MS = 200;

const OPTIONS = {
  open: { type: "boolean", default: false },
  port: { type: "string", default: "4566" },
  stack: { type: "string", default: "dev" },
  folder: { type: "string" },
  strict: { type: "boolean", default: false },
} as const;

await runCommand(USAGE, { options: OPTIONS }, async ({ values }) => {
  const port = numberOption("--port", values.port, { min: 1, max: 65_535, whole: true });
  const { stack, strict } = values;
  const folder = values.folder ? fromHere(values.folder) : path.join(PROJECT, ".machine", stack);
  await checkFolder("--folder", folder);
  await checkPort(port);
  await keepRunning({ port, stack, folder, strict }, values.open);
  return 0;
});

/**
 * Runs the machine in a process of its own, and another one after each change: Node cannot forget modules, and a
 * program that does not start must not take this down.
 */
async function keepRunning(machine: Omit<ToMachine, "seed" | "told">, open: boolean): Promise<void> {
  let child: ChildProcess | undefined;
  let ending = false;
  let hasRun = false;
  let told: Told = { introduction: "", rejected: {} };
  let seed = "";
  // It outlives each machine, and so do its page and what is known of the images.
  const source = new LiveSource(async (given) => {
    seed = given ?? "";
    restart();
    return seed
      ? `Things now go wrong on purpose, by the seed ${seed}.`
      : "Nothing goes wrong on purpose any more.";
  });
  const page = await serveWatch(source, machine.port + 1);
  let course: Course = {};
  const take = (message: FromMachine) => {
    told = message.told ?? told;
    course.refused = message.refused ?? course.refused;
    for (const happening of message.happenings ?? []) source.take(happening);
    if (!message.running) return;
    course.hasRun = true;
    const { graph, endpoint, region, administrator: credentials } = message.running;
    const client = { endpoint, region, credentials };
    source.begin(wiringOf(graph), accessWith({ s3: new S3Client(client), sqs: new SQSClient(client) }));
    source.become({ state: "running", ...(seed && { chaos: seed }) });
    if (hasRun) return;
    hasRun = true;
    console.log(`Watch it at ${page.address}\n`);
    if (open) openInBrowser(page.address);
  };
  const start = () => {
    course = {};
    const given: ToMachine = { ...machine, seed, told };
    child = fork(MACHINE, [JSON.stringify(given)], { cwd: PROJECT });
    source.become({ state: "starting" });
    child.on("message", take);
    child.once("exit", (code, signal) => {
      child = undefined;
      const message = course.refused;
      source.become({ state: "stopped", ...(message && { message }) });
      if (ending) return;
      if (isStartedAgain(course, signal ?? `exit code ${code}`)) start();
      // Whoever starts it with a mistake is at the terminal; whoever saves one later is in an editor.
      else if (!hasRun) {
        end();
        process.exitCode = code ?? 1;
      } else console.error("The machine is not running. It starts again when you save a change.");
    });
  };
  // One that has just ended by itself takes no message any more.
  const stop = () => child?.connected && child.send("stop", () => {});
  const restart = () => {
    source.become({ state: "starting" });
    course.isAsked = true;
    if (child) stop();
    else start();
  };
  const unwatch = watchSources(restart);
  const end = () => {
    if (ending) return;
    ending = true;
    unwatch();
    stop();
    void page.close();
  };
  whenOrphaned(["dev"], end);
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
  start();
}

/** What has become of one machine. */
interface Course {
  hasRun?: boolean;
  /** Whether it was asked to end, so that another one takes its place. */
  isAsked?: boolean;
  refused?: string | undefined;
}

/** Decides whether another machine takes the place of one that has ended, and says so where nobody asked for that. */
function isStartedAgain({ hasRun, isAsked, refused }: Course, how: string): boolean {
  const isKilled = how.startsWith("SIG");
  if (isAsked && (isKilled || how === "exit code 0")) return true;
  // What is refused is said by the machine itself, and so is what keeps it from running.
  if (refused !== undefined || !(hasRun || isKilled)) return false;
  console.error(`The machine ended with ${how}${hasRun ? "; starting it again" : " before it ran"}.`);
  return hasRun === true;
}

/** Calls when sources of the project have changed and have settled. @returns what ends that */
function watchSources(onChange: () => void): () => void {
  let settling: NodeJS.Timeout | undefined;
  const changed = (file: string | null) => {
    if (file !== null && !SOURCE.test(file)) return;
    clearTimeout(settling);
    settling = setTimeout(onChange, SETTLE_MS);
  };
  const folders = readdirSync(PROJECT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !NO_SOURCES.test(entry.name))
    .map(({ name }) => watchTree(path.join(PROJECT, name), changed));
  const own = watch(PROJECT, (_, file) => changed(file));
  return () => {
    clearTimeout(settling);
    own.close();
    for (const stop of folders) stop();
  };
}

/** @throws Error where something else listens there, another machine perhaps with the same folder */
async function checkPort(port: number): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", () =>
      reject(
        new Error(`Port ${port} is in use: is the machine already running? Choose another port with --port.`),
      ),
    );
    server.listen(port, "127.0.0.1", resolve);
  });
  await new Promise((resolve) => server.close(resolve));
}
