/**
 * `npm run bench -- machine-memory`: memory of a run of `npm start` with many small images, of its main process and of all
 * its processes, as the run goes on. Linux alone.
 *
 * Environment: IMAGES, how many; PROJECT, the folder of another checkout to measure instead.
 */
import { spawn } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import sharp from "sharp";

const IMAGES = Number(process.env.IMAGES ?? 20_000);
const PROJECT = process.env.PROJECT ?? join(import.meta.dirname, "..");
const STEPS = 10;

/** A line of what the system says of a process, in MB; 0 where it is gone. */
function memory(pid: number, line: string, file = "status"): number {
  try {
    const found = new RegExp(`^${line}:\\s*(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/${file}`, "latin1"));
    return Number(found?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** A process and all that it has started. */
function tree(pid: number): number[] {
  try {
    const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, "latin1").split(" ").filter(Boolean).map(Number),
    );
    return [pid, ...children.flatMap(tree)];
  } catch {
    return [];
  }
}

const scratch = mkdtempSync(join(tmpdir(), "bench-"));
process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));
const folder = join(scratch, "images");
mkdirSync(folder);
const source = join(scratch, "source.jpg");
await sharp({ create: { width: 64, height: 48, channels: 3, background: "teal" } })
  .jpeg()
  .toFile(source);
for (let at = 0; at < IMAGES; at++) linkSync(source, join(folder, `${at}.jpg`));

const words = ["--require", "./src/cli/require-node.cjs", "src/cli/start.ts", "--out", join(scratch, "out")];
const run = spawn(process.execPath, [...words, folder], { cwd: PROJECT, stdio: ["ignore", "pipe", "pipe"] });
const pid = run.pid as number;
/** What processes share, the code of Node.js say, counts once. */
const ofTree = () => tree(pid).reduce((sum, each) => sum + memory(each, "Pss", "smaps_rollup"), 0);
let peakOfTree = 0;
const watch = setInterval(() => {
  peakOfTree = Math.max(peakOfTree, ofTree());
}, 1000);
console.log("| images done | main process MB | its peak MB | all processes MB | their peak MB |");
console.log("|---|---|---|---|---|");
const row = (done: number) => {
  const all = ofTree();
  peakOfTree = Math.max(peakOfTree, all);
  const cells = [memory(pid, "VmRSS"), memory(pid, "VmHWM"), all, peakOfTree].map((mb) => mb.toFixed(0));
  console.log(`| ${[done, ...cells].join(" | ")} |`);
};
let next = IMAGES / STEPS;
createInterface(run.stderr).on("line", (line) => {
  const results = Number(/, (\d+) of \d+ result/.exec(line)?.[1] ?? 0);
  if (results / 2 < next) return;
  row(Math.floor(results / 2));
  next = (Math.floor(results / 2 / (IMAGES / STEPS)) + 1) * (IMAGES / STEPS);
});
createInterface(run.stdout).on("line", (line) => console.log(line.startsWith("| ") ? "" : `    ${line}`));
process.exitCode = await new Promise<number>((resolve) => run.once("exit", (code) => resolve(code ?? 1)));
clearInterval(watch);
