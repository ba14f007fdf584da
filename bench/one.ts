/** Turns one image in a process of its own: `memory` once, for the peak; `speed` by turns with bare sharp, warm. */
import { readFileSync } from "node:fs";
import sharp from "sharp";
import { rotate } from "../src/processing/rotate.ts";
import { cases } from "./cases.ts";

const [name, what, file, rounds] = process.argv.slice(2);
const found = cases.find((candidate) => candidate.name === name);
if (found === undefined || file === undefined) {
  throw new Error(`there is no case ${name}`);
}
sharp.concurrency(1);
sharp.cache(false);
const source = readFileSync(file);
const turn = rotate({ angle: 90 });
const ours = async () => (await turn(source, { pixels: 1e9, seconds: 300 })).body;
const bare = () => found.bare(source);

/** Megabytes that this process has had at most. */
function peak(): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "latin1"))?.[1]) / 1024;
}

/** Seconds that the processor worked, in all threads: what other programs do at the same time hardly counts. */
async function seconds(work: () => Promise<Buffer>): Promise<number> {
  const start = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return ((sorted[(sorted.length - 1) >> 1] ?? 0) + (sorted[sorted.length >> 1] ?? 0)) / 2;
}

if (what === "speed") {
  const times: { ours: number; bare: number }[] = [];
  for (let round = 0; round <= Number(rounds); round += 1) {
    const first = round % 2 === 0 ? undefined : await seconds(bare);
    const time = await seconds(ours);
    times.push({ ours: time, bare: first ?? (await seconds(bare)) });
  }
  // The first round loads code and memory.
  const warm = times.slice(1);
  process.stdout.write(
    JSON.stringify({
      ours: Math.min(...warm.map((time) => time.ours)),
      bare: Math.min(...warm.map((time) => time.bare)),
      ratio: median(warm.map((time) => time.ours / time.bare)),
    }),
  );
} else {
  const before = peak();
  const result = await (what === "ours" ? ours : bare)();
  process.stdout.write(JSON.stringify({ before, peak: peak(), bytes: result.length }));
}
