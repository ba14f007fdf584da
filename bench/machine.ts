/**
 * `npm run bench -- machine`: processor time of whole runs of `npm start`, and of other programs that turn the same images
 * both ways, as ratios to bare sharp. All take turns, so that what else the computer does meets all alike.
 *
 * Environment: ROUNDS; IMAGES, how many of 0.3 megapixels (of 12 MP there are a twentieth); BESIDE, the folder of another
 * checkout whose machine runs too.
 */
import { spawnSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { cases } from "./cases.ts";
import { childSeconds, median } from "./measure.ts";

const ROUNDS = Number(process.env.ROUNDS ?? 5);
const IMAGES = Number(process.env.IMAGES ?? 200);
const PROJECT = join(import.meta.dirname, "..");
const SIZES = [
  { name: "JPEG 0.3 MP", images: IMAGES },
  { name: "JPEG 12 MP", images: Math.ceil(IMAGES / 20) },
];

const PILLOW = `
import sys
from PIL import Image
turn = {"90": Image.Transpose.ROTATE_270, "270": Image.Transpose.ROTATE_90}[sys.argv[1]]
for file in sys.argv[4:]:
    image = Image.open(f"{sys.argv[2]}/{file}")
    image.transpose(turn).save(f"{sys.argv[3]}/{file}", image.format, quality=85)
`;

type Command = [command: string, ...words: string[]];

/** Turns all images of a folder by 90° and by 270°; each command is one process that does some or all of it. */
type Rival = (folder: string, out: string) => Command[];

function machine(project: string): Rival {
  const node = ["--require", join(project, "src/cli/require-node.cjs"), join(project, "src/cli/start.ts")];
  // Commands are about the program of the folder that they are run in.
  const there = ["sh", "-c", 'cd "$0" && exec "$@"', project] as const;
  return (folder, out) => [[...there, process.execPath, ...node, "--out", out, folder]];
}

/** Commands of a program that makes one result at a time. */
const both = (command: (angle: number, to: string) => Command, out: string) =>
  [90, 270].map((angle) => command(angle, join(out, String(angle))));

const RIVALS: Record<string, Rival> = {
  "bare sharp": (folder, out) => [[process.execPath, join(import.meta.dirname, "bare.ts"), folder, out]],
  jpegtran: (folder, out) =>
    readdirSync(folder).flatMap((file) =>
      both((angle, to) => {
        const words = ["-optimize", "-copy", "all", "-rotate", String(angle)];
        return ["jpegtran", ...words, "-outfile", join(to, file), join(folder, file)];
      }, out),
    ),
  mogrify: (folder, out) =>
    both((angle, to) => {
      const words = ["-limit", "thread", "1", "-path", to, "-quality", "85", "-rotate", String(angle)];
      return ["mogrify", ...words, join(folder, "*.jpg")];
    }, out),
  Pillow: (folder, out) =>
    both((angle, to) => ["python3", "-c", PILLOW, String(angle), folder, to, ...readdirSync(folder)], out),
};

/** Processor seconds of all processes; undefined where the program is not installed or fails. */
function secondsOf(rival: Rival, folder: string, out: string): number | undefined {
  for (const angle of [90, 270]) mkdirSync(join(out, String(angle)), { recursive: true });
  const env = { ...process.env, MALLOC_ARENA_MAX: "2", INIT_CWD: undefined };
  const start = childSeconds();
  for (const [command, ...words] of rival(folder, out)) {
    const { status } = spawnSync(command, words, { stdio: "ignore", env });
    if (status !== 0) return undefined;
  }
  const spent = childSeconds() - start;
  rmSync(out, { recursive: true });
  return spent;
}

/** A folder with that many times the same image. */
function folderOf(file: string, images: number, folder: string): string {
  mkdirSync(folder);
  for (let at = 0; at < images; at++) linkSync(file, join(folder, `${String(at).padStart(5, "0")}.jpg`));
  return folder;
}

const scratch = mkdtempSync(join(tmpdir(), "bench-"));
process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));
const machines: Record<string, string> = {
  machine: PROJECT,
  ...(process.env.BESIDE && { "machine beside": process.env.BESIDE }),
};
const model = cpus()[0]?.model ?? "an unknown processor";
const day = new Date().toISOString().slice(0, 10);
console.log(`${day}, ${cpus().length} × ${model}, Node.js ${process.version}, ${ROUNDS} rounds\n`);
console.log("| turned both ways | images | CPU ms an image | × bare sharp |");
console.log("|---|---|---|---|");
for (const { name, images } of SIZES) {
  const source = await cases.find((each) => each.name === name)?.source();
  const file = join(scratch, "source");
  writeFileSync(file, source as Buffer);
  const all = folderOf(file, images, join(scratch, `${images}-${name}`));
  const one = folderOf(file, 1, join(scratch, `1-${name}`));
  const times = new Map<string, number[]>();
  const take = (row: string, seconds: number | undefined) => {
    if (seconds !== undefined) times.set(row, [...(times.get(row) ?? []), seconds]);
  };
  // The first round fills caches.
  for (let round = 0; round <= ROUNDS; round++) {
    if (round === 1) times.clear();
    for (const [row, project] of Object.entries(machines)) {
      const whole = secondsOf(machine(project), all, join(scratch, "out"));
      const start = secondsOf(machine(project), one, join(scratch, "out"));
      take(`${row}, ${images} images with its start`, whole && whole / images);
      take(`${row}, each further image`, whole && start && (whole - start) / (images - 1));
    }
    for (const [row, rival] of Object.entries(RIVALS)) {
      const seconds = secondsOf(rival, all, join(scratch, "out"));
      take(row, seconds && seconds / images);
    }
  }
  const bare = times.get("bare sharp") ?? [];
  for (const [row, seconds] of times) {
    const ratio = median(seconds.map((each, round) => each / (bare[round] ?? Number.NaN)));
    const cells = [`${row}, ${name}`, images, (median(seconds) * 1000).toFixed(1), ratio.toFixed(2)];
    console.log(`| ${cells.join(" | ")} |`);
  }
}
