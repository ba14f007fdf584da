import { createWriteStream, type WriteStream } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Activity, chaos, Faults } from "local-aws";
import { type Failure, Failures } from "../machine/failures.ts";
import { findInputs, UsageError } from "../machine/inputs.ts";
import { type Machine, startMachine } from "../machine/machine.ts";
import { type Outcome, run, type Summary } from "../machine/run.ts";
import { endWith, exitCodeOf, parsedArguments } from "./arguments.ts";
import { progressDisplay } from "./progress.ts";
import { counted } from "./words.ts";

const PROJECT = path.join(import.meta.dirname, "../..");

const USAGE = `Usage: npm start -- [--out DIR] [--stack NAME] [--strict] [--chaos SEED]
                    [--report FILE] [FILE|FOLDER]...

Runs the machine on this computer: uploads the files, and copies what every worker
makes of them to DIR/WORKER/. Without files it takes the samples.

  --out DIR      where the results go (default: out)
  --stack NAME   whose configuration is used, Pulumi.NAME.yaml (default: dev)
  --strict       refuses what this computer does not run, instead of taking it as declared
  --chaos SEED   lets everything go wrong at times, the same things with the same SEED, and says
                 what it was: the results must be right all the same
  --report FILE  writes what became of each image at each worker, a line of JSON each: key, worker,
                 code ("created", "lost", "not-done" or why it was rejected), reason, milliseconds
                 from its upload, bytes of the file
  --help         prints this`;

/** Seconds that the largest photo may take here. */
const LARGE_IMAGE_SECONDS = 10;

/** Images that are listed of each kind where a report has all of them; and of a worker that was given up. */
const LISTED = 20;

endWith(await main(process.argv.slice(2)));

/** @returns the exit code: 0 all well, 1 an image was rejected, lost or not done, 2 wrong usage or a wrong program */
async function main(argv: string[]): Promise<number> {
  try {
    const { values, positionals } = parseArguments(argv);
    if (values.help) {
      console.log(USAGE);
      return 0;
    }
    // npm runs this in the project's folder; paths are meant from where the person is.
    const here = process.env.INIT_CWD ?? process.cwd();
    const given = positionals.map((name) => path.resolve(here, name));
    const summary = await runOnce({
      out: path.resolve(here, values.out),
      stack: values.stack,
      strict: values.strict,
      seed: values.chaos,
      report: values.report === undefined ? undefined : path.resolve(here, values.report),
      given: given.length > 0 ? given : [path.join(PROJECT, "samples")],
    });
    const { rejections, lost, givenUp } = summary;
    return rejections.length + lost.length + givenUp.length > 0 ? 1 : 0;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}`);
    return exitCodeOf(error);
  }
}

function parseArguments(argv: string[]) {
  return parsedArguments(
    {
      args: argv,
      allowPositionals: true,
      options: {
        out: { type: "string", default: "out" },
        stack: { type: "string", default: "dev" },
        strict: { type: "boolean", default: false },
        chaos: { type: "string" },
        report: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    },
    USAGE,
  );
}

/** One machine, from its start to its end, whatever happens in between. */
async function runOnce(options: {
  out: string;
  stack: string;
  strict: boolean;
  seed: string | undefined;
  report: string | undefined;
  given: string[];
}): Promise<Summary> {
  const { out, stack, strict, seed, given } = options;
  const inputs = () => findInputs(given);
  // What is wrong with them is said before anything is started.
  let count = 0;
  for await (const _ of inputs()) count++;
  if (count === 0) throw new UsageError(`${given.join(", ")}: there are no files in it.`);
  const report = options.report === undefined ? undefined : await openReport(options.report);

  const folder = await mkdtemp(path.join(tmpdir(), "image-machine-"));
  const display = progressDisplay(process.stderr);
  let starting: Promise<Machine> | undefined;
  const stop = async () => {
    display.stop();
    // One that did not start has stopped by itself.
    const machine = await starting?.catch(() => undefined);
    // What is still at work is of no use any more, and may never end.
    machine?.lambda.abandon();
    await machine?.stop();
    await rm(folder, { recursive: true, force: true });
    await new Promise<void>((resolve) => (report ? report.end(resolve) : resolve()));
  };
  let isInterrupted = false;
  const interrupted = () => {
    process.off("SIGINT", interrupted);
    isInterrupted = true;
    display.stop();
    console.error("Interrupted: the results so far are not kept.");
    // Uploads break off, which the SDK warns of.
    console.warn = () => {};
    stop().finally(() => process.exit(130));
  };
  process.on("SIGINT", interrupted);
  const say = (text: string) => {
    if (!isInterrupted) display.say(text);
  };
  try {
    const faults = seed === undefined ? undefined : new Faults(chaos(seed, LARGE_IMAGE_SECONDS));
    const activity = new Activity();
    // What goes wrong on purpose is told in the end.
    const failures = faults
      ? undefined
      : new Failures(activity, {
          project: PROJECT,
          say,
          images: count,
          keptLog: (worker) => near(logIn(out, worker)),
        });
    starting = startMachine({
      project: PROJECT,
      stack,
      strict,
      folder,
      activity,
      ...(faults
        ? { faults }
        : { report: (error) => say(error instanceof Error ? error.message : JSON.stringify(error)) }),
    });
    const machine = await starting;
    for (const line of machine.notRun) console.log(line);
    // What an earlier run left would contradict this one.
    for (const { name } of machine.workers) await rm(logIn(out, name), { force: true });
    failures?.nameWorkers(machine.workers);
    const onOutcome = report && ((outcome: Outcome) => report.write(`${JSON.stringify(outcome)}\n`));
    const summary = await run(machine, inputs, out, (progress) => display.update(progress, count), {
      failures,
      onOutcome,
    });
    display.stop();
    if (faults) console.log(`went wrong: ${inWords(faults.counts)}`);
    const logs = await keepLogs(failures?.kinds ?? [], out);
    const earlier = await earlierFiles(summary, out);
    print(summary, failures?.kinds ?? [], { out, logs, earlier, report: options.report });
    return summary;
  } catch (error) {
    // It follows from the end, which is told already; what ends this process is under way.
    if (isInterrupted) await new Promise(() => {});
    throw error;
  } finally {
    process.off("SIGINT", interrupted);
    await stop();
  }
}

/** @throws {UsageError} where the file cannot be written */
async function openReport(file: string): Promise<WriteStream> {
  const stream = createWriteStream(file);
  await new Promise<void>((resolve, reject) => {
    stream.once("open", () => resolve());
    stream.once("error", (error) => reject(new UsageError(`--report cannot be written: ${error.message}`)));
  });
  return stream;
}

/** Copies the logs of workers that failed, as all else goes with the machine. @returns each worker's copy */
async function keepLogs(kinds: readonly Failure[], out: string): Promise<Map<string, string>> {
  const logs = new Map<string, string>();
  for (const { worker, logFile } of kinds) {
    if (logs.has(worker)) continue;
    const copy = logIn(out, worker);
    await mkdir(out, { recursive: true });
    await copyFile(logFile, copy);
    logs.set(worker, copy);
  }
  return logs;
}

/** Where a run keeps the log of a worker that failed. */
function logIn(out: string, worker: string): string {
  return path.join(out, `${worker}.log`);
}

/** Counts the files in each worker's folder that are not of this run. */
async function earlierFiles({ results }: Summary, out: string): Promise<Map<string, number>> {
  const earlier = new Map<string, number>();
  for (const [worker, count] of Object.entries(results)) {
    const options = { recursive: true, withFileTypes: true } as const;
    const entries = await readdir(path.join(out, worker), options).catch(() => []);
    earlier.set(worker, entries.filter((entry) => entry.isFile()).length - count);
  }
  return earlier;
}

/** @param kept where results, the logs of workers that failed and the report are, and how many results are of earlier runs */
function print(
  { images, results, rejections, lost, givenUp, seconds }: Summary,
  kinds: readonly Failure[],
  {
    out,
    logs,
    earlier,
    report,
  }: {
    out: string;
    logs: ReadonlyMap<string, string>;
    earlier: ReadonlyMap<string, number>;
    report: string | undefined;
  },
): void {
  const listed = <T>(items: T[], line: (item: T) => string) => {
    const most = report === undefined ? items.length : LISTED;
    for (const item of items.slice(0, most)) console.log(line(item));
    if (report !== undefined && items.length > most) {
      console.log(`          … and ${items.length - most} more: ${near(report)} has all of them`);
    }
  };
  const rejected = grouped(rejections).flatMap(([key, reasons]) =>
    [...reasons].map(([reason, workers]) => `rejected  ${key} (${workers.sort().join(", ")}): ${reason}`),
  );
  listed(rejected, (line) => line);
  listed(lost, ({ key, worker }) => `lost      ${key} (${worker})`);
  for (const { worker, place, what, times } of kinds) {
    const often = times === 1 ? "once" : `${times} times`;
    const log = near(logs.get(worker) ?? "");
    console.log(`failed    ${worker}, ${often}: ${what}${place ? ` (${place})` : ""}; its log is ${log}`);
  }
  for (const { worker, keys } of givenUp) {
    const more = keys.length > LISTED ? ` and ${keys.length - LISTED} more` : "";
    console.log(
      `given up  ${worker}, as it fails in the same way with every image. Not done: ${keys.slice(0, LISTED).join(", ")}${more}`,
    );
  }
  for (const [worker, count] of Object.entries(results)) {
    const others = earlier.get(worker) ?? 0;
    const note = others > 0 ? ` (${others} more from an earlier run)` : "";
    console.log(`${near(path.join(out, worker))}${path.sep}  ${count}${note}`);
  }
  const total = Object.values(results).reduce((sum, count) => sum + count, 0);
  const undone = givenUp.reduce((sum, { keys }) => sum + keys.length, 0);
  console.log(
    `${counted(images, "image", "images")}, ${counted(total, "result", "results")}, ${rejections.length} rejected, ${lost.length} lost${undone > 0 ? `, ${undone} not done` : ""} in ${seconds.toFixed(1)} s: ${(images / seconds).toFixed(1)} images a second`,
  );
}

/** A path from where the person is, if it is below. */
function near(file: string): string {
  const relative = path.relative(process.env.INIT_CWD ?? process.cwd(), file);
  return relative.startsWith("..") ? file : relative;
}

/** What went wrong, the most frequent first. */
function inWords(counts: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(counts).sort(([, a], [, b]) => b - a);
  return sorted.map(([what, count]) => `${count} × ${what}`).join(", ") || "nothing, by chance";
}

/** Rejections by key and then by reason, with the workers that agree on it. */
function grouped(rejections: Summary["rejections"]): [string, Map<string, string[]>][] {
  const keys = new Map<string, Map<string, string[]>>();
  for (const { key, reason, worker } of rejections) {
    const reasons = keys.get(key) ?? new Map<string, string[]>();
    reasons.set(reason, [...(reasons.get(reason) ?? []), worker]);
    keys.set(key, reasons);
  }
  return [...keys];
}
