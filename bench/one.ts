/**
 * Turns one image in a process of its own: `ours` or `bare` once, for the peak and the first image's time; `speed` by turns
 * with bare sharp, and with jpegtran where that is installed, warm.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { rotate } from "image-turn";
import sharp from "sharp";
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

/** Seconds that ended children's processors worked, in hundredths. */
function childSeconds(): number {
  const fields = readFileSync("/proc/self/stat", "latin1").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

/** Seconds that jpegtran takes for the same turn, its start included; undefined where it is not installed, or no JPEG came. */
function jpegtranSeconds(): number | undefined {
  const start = childSeconds();
  const progressive = name?.includes("progressive") ? ["-progressive"] : [];
  const words = ["-optimize", ...progressive, "-copy", "all", "-rotate", "90", file as string];
  const { status } = spawnSync("jpegtran", words, {
    stdio: ["ignore", "pipe", "ignore"],
    maxBuffer: 2 ** 30,
  });
  return status === 0 ? childSeconds() - start : undefined;
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return ((sorted[(sorted.length - 1) >> 1] ?? 0) + (sorted[sorted.length >> 1] ?? 0)) / 2;
}

if (what === "speed") {
  const times: { ours: number; bare: number; jpegtran: number | undefined }[] = [];
  for (let round = 0; round <= Number(rounds); round += 1) {
    const first = round % 2 === 0 ? undefined : await seconds(bare);
    const time = await seconds(ours);
    const jpegtran = name?.startsWith("JPEG") ? jpegtranSeconds() : undefined;
    times.push({ ours: time, bare: first ?? (await seconds(bare)), jpegtran });
  }
  // The first round loads code and memory.
  const warm = times.slice(1);
  const jpegtran = warm.flatMap((time) => time.jpegtran ?? []);
  process.stdout.write(
    JSON.stringify({
      // Hundredths of a second say nothing of small images.
      ...(median(jpegtran) > 0.05 && { jpegtran: median(warm.map((time) => time.ours)) / median(jpegtran) }),
      ours: Math.min(...warm.map((time) => time.ours)),
      bare: Math.min(...warm.map((time) => time.bare)),
      ratio: median(warm.map((time) => time.ours / time.bare)),
    }),
  );
} else {
  const before = peak();
  let bytes = 0;
  const first = await seconds(async () => {
    const result = await (what === "ours" ? ours : bare)();
    bytes = result.length;
    return result;
  });
  process.stdout.write(JSON.stringify({ before, peak: peak(), bytes, first }));
}
