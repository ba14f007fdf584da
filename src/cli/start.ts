import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Faults } from "../local/faults/faults.ts";
import { chaos } from "../local/faults/plan.ts";
import { type Machine, startMachine } from "../local/machine.ts";
import { parsedArguments } from "./arguments.ts";
import { findInputs, UsageError } from "./inputs.ts";
import { progressDisplay } from "./progress.ts";
import { run, type Summary } from "./run.ts";

const PROJECT = path.join(import.meta.dirname, "../..");

const USAGE = `Usage: npm start -- [--out DIR] [--stack NAME] [--chaos SEED] [FILE|FOLDER]...

Runs the machine on this computer: uploads the files, and copies what every worker
makes of them to DIR/WORKER/. Without files it takes the samples.

  --out DIR      where the results go (default: out)
  --stack NAME   whose configuration is used, Pulumi.NAME.yaml (default: dev)
  --chaos SEED   lets everything go wrong at times, the same things with the same SEED, and says
                 what it was: the results must be right all the same
  --help         prints this`;

/** Seconds that the largest photo may take here. */
const LARGE_IMAGE_SECONDS = 10;

/** Rejections and losses that are listed in full; the rest is counted. */
const LISTED = 20;

process.exitCode = await main(process.argv.slice(2));

/** @returns the exit code: 0 all well, 1 an image was rejected or lost, 2 wrong usage */
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
      seed: values.chaos,
      given: given.length > 0 ? given : [path.join(PROJECT, "samples")],
    });
    return summary.rejections.length + summary.lost.length > 0 ? 1 : 0;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}`);
    return error instanceof UsageError ? 2 : 1;
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
        chaos: { type: "string" },
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
  seed: string | undefined;
  given: string[];
}): Promise<Summary> {
  const { out, stack, seed, given } = options;
  const inputs = () => findInputs(given);
  // What is wrong with them is said before anything is started.
  let count = 0;
  for await (const _ of inputs()) count++;
  if (count === 0) throw new UsageError(`${given.join(", ")}: there are no files in it.`);

  const folder = await mkdtemp(path.join(tmpdir(), "image-machine-"));
  const display = progressDisplay(process.stderr);
  let machine: Machine | undefined;
  const stop = async () => {
    display.stop();
    await machine?.stop();
    await rm(folder, { recursive: true, force: true });
  };
  const interrupted = () => {
    process.off("SIGINT", interrupted);
    stop().finally(() => process.exit(130));
  };
  process.on("SIGINT", interrupted);
  try {
    const faults = seed === undefined ? undefined : new Faults(chaos(seed, LARGE_IMAGE_SECONDS));
    machine = await startMachine({
      project: PROJECT,
      stack,
      folder,
      // What goes wrong on purpose is told in the end.
      ...(faults ? { faults } : { report: display.report }),
    });
    const summary = await run(machine, inputs, out, (progress) => display.update(progress, count));
    display.stop();
    if (faults) console.log(`went wrong: ${inWords(faults.counts)}`);
    print(summary, out);
    return summary;
  } finally {
    process.off("SIGINT", interrupted);
    await stop();
  }
}

function print({ images, results, rejections, lost, seconds }: Summary, out: string): void {
  const near = path.relative(process.env.INIT_CWD ?? process.cwd(), out);
  const shown = near.startsWith("..") ? out : near;
  const total = Object.values(results).reduce((sum, count) => sum + count, 0);
  for (const [key, byReason] of grouped(rejections).slice(0, LISTED)) {
    for (const [reason, workers] of byReason)
      console.log(`rejected  ${key} (${workers.sort().join(", ")}): ${reason}`);
  }
  for (const { key, worker } of lost.slice(0, LISTED)) console.log(`lost      ${key} (${worker})`);
  if (grouped(rejections).length > LISTED || lost.length > LISTED) console.log(`          … and more`);
  for (const [worker, count] of Object.entries(results)) {
    console.log(`${path.join(shown, worker)}${path.sep}  ${count}`);
  }
  console.log(
    `${images} ${images === 1 ? "image" : "images"}, ${total} results, ${rejections.length} rejected, ${lost.length} lost in ${seconds.toFixed(1)} s: ${(images / seconds).toFixed(1)} images a second`,
  );
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
