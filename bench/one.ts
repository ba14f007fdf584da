/**
 * Turns one image in a process of its own: `ours` or `bare` once, for the peak and the first image's time; `speed` by turns
 * with bare sharp, warm, and with jpegtran, ImageMagick's mogrify and Pillow where they are installed.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { rotate } from "image-turn";
import sharp from "sharp";
import { cases } from "./cases.ts";
import { childSeconds, median } from "./measure.ts";

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

const PILLOW = `
import sys
from PIL import Image
image = Image.open(sys.argv[1])
image.transpose(Image.Transpose.ROTATE_270).save(sys.argv[2], image.format, quality=85, progressive=sys.argv[3] == "1")
`;

/** Other programs that turn a file by 90°: each is told the source and where its result goes. */
function rivalCommands(source: string, out: string): Record<string, [command: string, ...words: string[]]> {
  const progressive = name?.includes("progressive") ?? false;
  const lossless = ["-optimize", ...(progressive ? ["-progressive"] : []), "-copy", "all"];
  const commands: ReturnType<typeof rivalCommands> = {
    mogrify: ["mogrify", "-limit", "thread", "1", "-write", out, "-quality", "85", "-rotate", "90", source],
    Pillow: ["python3", "-c", PILLOW, source, out, progressive ? "1" : "0"],
  };
  return name?.startsWith("JPEG")
    ? { jpegtran: ["jpegtran", ...lossless, "-rotate", "90", "-outfile", out, source], ...commands }
    : commands;
}

/** Processor seconds that a program takes, its start included; undefined where it is not installed or fails. */
function rivalSeconds([command, ...words]: [string, ...string[]]): number | undefined {
  const start = childSeconds();
  const { status } = spawnSync(command, words, { stdio: "ignore" });
  return status === 0 ? childSeconds() - start : undefined;
}

if (what === "speed") {
  const rivals = Object.entries(rivalCommands(file, `${file}.out`));
  const times: { ours: number; bare: number; rivals: (number | undefined)[] }[] = [];
  for (let round = 0; round <= Number(rounds); round += 1) {
    const first = round % 2 === 0 ? undefined : await seconds(bare);
    const time = await seconds(ours);
    times.push({
      ours: time,
      bare: first ?? (await seconds(bare)),
      rivals: rivals.map(([, command]) => rivalSeconds(command)),
    });
  }
  // The first round loads code and memory.
  const warm = times.slice(1);
  const usual = median(warm.map((time) => time.ours));
  const ratios = rivals.map(([rival], index) => {
    const spent = median(warm.flatMap((time) => time.rivals[index] ?? []));
    // Hundredths of a second say nothing of small images.
    return [rival, spent > 0.05 ? usual / spent : undefined];
  });
  process.stdout.write(
    JSON.stringify({
      rivals: Object.fromEntries(ratios),
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
