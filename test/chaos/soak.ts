import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { MachineProcess, type State } from "./machine-process.ts";
import { trial } from "./trial.ts";

/** `npm run soak -- --images N`: whether a machine that runs for long stays as it was after its first tenth. */
const { values } = parseArgs({ options: { images: { type: "string", default: "20000" } } });
const ROUNDS = 10;

/** How much more of each there may be in the end than after the first round. */
const TOLERANCE: Record<string, number> = { heap: 15, memory: 200, files: 10, handles: 10, processes: 0 };

const folder = await mkdtemp(path.join(tmpdir(), "image-machine-soak-"));
const machine = await MachineProcess.start(folder);
const states: State[] = [];
for (let round = 1; round <= ROUNDS; round++) {
  const report = await trial(machine, {
    images: Math.ceil(Number(values.images) / ROUNDS),
    seed: `round ${round}`,
    patience: 3600,
  });
  if (report.wrong.length > 0) throw new Error(report.wrong.join("\n"));
  const state = await machine.state();
  const { heap, memory, files, handles, processes } = state;
  states.push(state);
  console.log(
    `round ${round} of ${ROUNDS}: ${report.uploads} uploads in ${report.seconds.toFixed(0)} s, ${heap} MB of objects, ${memory} MB in all, ${files} files, ${handles} handles, ${processes} processes`,
  );
}
await machine.stop();
await rm(folder, { recursive: true });

const [first, last] = [states[0], states.at(-1)] as unknown as Record<string, number>[];
const grown = Object.entries(TOLERANCE).filter(
  ([what, tolerance]) => (last?.[what] ?? 0) - (first?.[what] ?? 0) > tolerance,
);
for (const [what, tolerance] of grown) {
  console.log(`${what} grew from ${first?.[what]} to ${last?.[what]}, by more than ${tolerance}`);
}
console.log(grown.length === 0 ? "nothing grew" : "something leaks");
process.exitCode = grown.length === 0 ? 0 : 1;
