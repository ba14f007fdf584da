import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { finished } from "node:stream/promises";
import { chaos, Events, Faults, PermissionUse } from "local-aws";
import { Failures } from "../machine/failures.ts";
import { cannotWrite, checkApart, findInputs, type Input, UsageError } from "../machine/inputs.ts";
import { type Machine, startMachine } from "../machine/machine.ts";
import { run, type Summary } from "../machine/run.ts";
import type { Outcome } from "../machine/tally.ts";
import { checkFolder } from "./arguments.ts";
import { permissionLines } from "./permissions.ts";
import { progressDisplay } from "./progress.ts";
import { logIn, printSummary } from "./summary.ts";
import { watchRun } from "./watch-page.ts";
import { LARGE_IMAGE_SECONDS, near, PROJECT } from "./words.ts";

export interface RunOptions {
  /** The folder for the results. */
  readonly out: string;
  readonly stack: string;
  readonly strict: boolean;
  /** Seed of the faults; undefined where nothing goes wrong on purpose. */
  readonly seed: string | undefined;
  /** The file for the report. */
  readonly report: string | undefined;
  /** Whether it is told what roles were allowed. */
  readonly permissions: boolean;
  /** Whether it is shown on a page, and the machine stays until a person has seen enough. */
  readonly watch: boolean;
  /** Files and folders. */
  readonly given: readonly string[];
}

/** Runs one machine, from its start to its end, whatever happens in between. */
export async function runOnce(options: RunOptions): Promise<Summary> {
  const { out, stack, strict, seed, given } = options;
  const inputs = () => findInputs(given);
  // What is wrong with them is said before anything is started.
  const leftOut: string[] = [];
  const images = await count(findInputs(given, (file) => leftOut.push(near(file))));
  if (images === 0) throw new UsageError(`There are no files in ${given.join(", ")}.`);
  await checkFolder("--out", out);
  await checkApart(out, given, near);
  if (leftOut.length > 0) console.log(`not files, and left out: ${leftOut.join(", ")}`);
  await using undo = new AsyncDisposableStack();
  const outcomes = options.report === undefined ? undefined : await openReport(options.report);
  undo.defer(() => outcomes?.close().catch(() => {}));
  const folder = await temporaryFolder(undo);
  const display = progressDisplay(process.stderr);
  undo.defer(() => display.stop());
  const interruption = new AbortController();
  const say = (text: string) => {
    if (!interruption.signal.aborted) display.say(text);
  };
  const events = new Events();
  const use = options.permissions ? new PermissionUse(events) : undefined;
  const faults = seed === undefined ? undefined : new Faults(chaos(seed, LARGE_IMAGE_SECONDS));
  const report = (error: unknown) => say(error instanceof Error ? error.message : JSON.stringify(error));
  const starting = startMachine({
    ...{ project: PROJECT, stack, strict, folder, events },
    // What goes wrong on purpose is told in the end.
    ...(faults ? { faults } : { report }),
  });
  undo.defer(() => stop(starting));
  const watched = options.watch ? await watchRun(events, undo) : undefined;
  const endNoMore = endOnInterrupt(interruption, undo, display);
  try {
    const machine = await starting;
    const keptLog = (worker: string) => near(logIn(out, worker));
    const failures = faults ? undefined : new Failures(machine, { project: PROJECT, say, images, keptLog });
    watched?.begin(machine, stack);
    for (const line of machine.notRun) console.log(line);
    // What an earlier run left would contradict this one.
    for (const { name } of machine.workers) await rm(logIn(out, name), { force: true });
    const summary = await run(machine, inputs, out, (progress) => display.update(progress, images), {
      failures,
      onOutcome: outcomes?.write,
    });
    display.stop();
    if (faults) console.log(`went wrong: ${mostFrequentFirst(faults.counts)}`);
    for (const line of use ? permissionLines(use.of(machine.identity)) : []) console.log(line);
    await printSummary(summary, failures?.kinds ?? [], options);
    await outcomes?.close();
    endNoMore();
    await watched?.over();
    return summary;
  } catch (error) {
    // It follows from the end, which is told already; what ends this process is under way.
    if (interruption.signal.aborted) await new Promise(() => {});
    throw error;
  }
}

async function count(inputs: AsyncIterable<Input>): Promise<number> {
  let images = 0;
  for await (const _ of inputs) images++;
  return images;
}

/** A file that takes a line for each outcome. */
interface Report {
  write(outcome: Outcome): void;
  /** @throws {UsageError} where not all of it could be written */
  close(): Promise<void>;
}

/** @throws {UsageError} where the file cannot be written */
async function openReport(file: string): Promise<Report> {
  const refused = (error: unknown) => {
    throw cannotWrite(`--report ${near(file)}`, error);
  };
  const stream = createWriteStream(file);
  const written = finished(stream);
  written.catch(() => {});
  await once(stream, "open").catch(refused);
  return {
    write: (outcome) => stream.write(`${JSON.stringify(outcome)}\n`),
    async close() {
      stream.end();
      await written.catch(refused);
    },
  };
}

async function temporaryFolder(undo: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "image-machine-"));
  undo.defer(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * Ends everything, and then this process, at the first SIGINT; a second one ends the process at once.
 * @returns what ends that
 */
function endOnInterrupt(
  interruption: AbortController,
  undo: AsyncDisposableStack,
  display: { stop(): void },
): () => void {
  const interrupt = () => {
    process.off("SIGINT", interrupt);
    interruption.abort();
    display.stop();
    console.error("Interrupted: the results so far are not kept.");
    // Uploads break off, which the SDK warns of.
    console.warn = () => {};
    undo.disposeAsync().finally(() => process.exit(130));
  };
  process.on("SIGINT", interrupt);
  const endNoMore = () => void process.off("SIGINT", interrupt);
  undo.defer(endNoMore);
  return endNoMore;
}

async function stop(starting: Promise<Machine>): Promise<void> {
  // One that did not start has stopped by itself.
  const machine = await starting.catch(() => undefined);
  // What is still at work is of no use any more, and may never end.
  machine?.lambda.abandon();
  await machine?.stop();
}

function mostFrequentFirst(counts: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(counts).sort(([, a], [, b]) => b - a);
  return sorted.map(([what, times]) => `${times} × ${what}`).join(", ") || "nothing, by chance";
}
