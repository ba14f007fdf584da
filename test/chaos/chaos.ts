import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { MachineProcess } from "./machine-process.ts";
import { type TrialReport, trial } from "./trial.ts";

const USAGE = `Usage: npm run chaos -- [--seeds N] [--first SEED] [--images N] [--kill-every SECONDS]

Runs a machine on which everything goes wrong at times, puts images through it, and looks
at every result and every message in the end. A seed that fails fails again.

  --seeds N              how many plans of what goes wrong (default: 1)
  --first SEED           number of the first of them (default: 1)
  --images N             keys for each seed (default: 200)
  --kill-every SECONDS   kills the whole machine with -9 that often (default: never)
  --calm                 nothing goes wrong but that`;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1" },
    first: { type: "string", default: "1" },
    images: { type: "string", default: "200" },
    "kill-every": { type: "string" },
    calm: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) console.log(USAGE);
else process.exitCode = (await run()) === 0 ? 0 : 1;

/** @returns how many seeds failed */
async function run(): Promise<number> {
  const first = Number(values.first);
  const folder = await mkdtemp(path.join(tmpdir(), "image-machine-chaos-"));
  const machine = await MachineProcess.start(folder, values.calm ? undefined : String(first));
  let failed = 0;
  for (let number = first; number < first + Number(values.seeds); number++) {
    if (!values.calm) machine.reseed(String(number));
    const report = await trial(machine, {
      images: Number(values.images),
      seed: String(number),
      killEvery: values["kill-every"] === undefined ? undefined : Number(values["kill-every"]),
      patience: 600 + Number(values.images) / 5,
      onProgress: (line) => console.error(line),
    });
    if (report.wrong.length > 0) failed++;
    console.log(`seed ${number}: ${described(report)}`);
  }
  const { faults, ...state } = await machine.state();
  console.log(`since the last start: ${JSON.stringify(faults)}, ${JSON.stringify(state)}`);
  await machine.stop();
  if (failed === 0) await rm(folder, { recursive: true });
  console.log(failed === 0 ? "all seeds passed" : `${failed} seeds failed; their machine is in ${folder}`);
  return failed;
}

function described({ uploads, kills, seconds, tallies, wrong, outcomes, repeated }: TrialReport): string {
  const created = Object.values(tallies).map(
    ({ created, results, rejected, superseded }) => `${created} = ${results} + ${rejected} + ${superseded}`,
  );
  return [
    wrong.length === 0 ? "right" : `WRONG (${wrong.slice(0, 5).join("; ")})`,
    `${uploads} uploads in ${seconds.toFixed(0)} s`,
    `${kills} kills`,
    `created = results + rejected + superseded: ${created.join(", ")}`,
    `${repeated} repeated`,
    JSON.stringify(outcomes),
  ].join(", ");
}
