/**
 * `npm run bench [-- WORD…]`: megapixels a processor second and peak memory, ours and of bare sharp, per format and size.
 * `npm run bench -- delivery`, `machine` or `machine-memory`: the file of that name.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { cases } from "./cases.ts";

/** Megabytes of a process before and at most, bytes of its result, and processor seconds of its first image. */
interface Memory {
  readonly before: number;
  readonly peak: number;
  readonly bytes: number;
  readonly first: number;
}

/** Processor seconds of a turn, ours as a ratio to bare sharp and to the other programs that are installed. */
interface Speed {
  readonly ours: number;
  readonly bare: number;
  readonly ratio: number;
  readonly rivals: Readonly<Record<string, number | undefined>>;
}

const run = promisify(execFile);
const rounds = process.env.ROUNDS ?? "15";
const words = process.argv.slice(2);
if (["delivery", "machine", "machine-memory"].includes(words[0] ?? "")) {
  await import(`./${words[0]}.ts`);
  process.exit();
}
const folder = await mkdtemp(join(tmpdir(), "bench-"));

async function measure<T>(...words: string[]): Promise<T> {
  const env = { ...process.env, MALLOC_ARENA_MAX: "2" };
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, "one.ts"), ...words], { env });
  return JSON.parse(stdout) as T;
}

function percent(ratio: number | undefined): string {
  return ratio === undefined ? "–" : `${(ratio * 100).toFixed(0)} %`;
}

try {
  console.log(
    "| image | ours MP/s | bare MP/s | ours takes | of jpegtran | of mogrify | of Pillow | first image | ours peak MB | bare peak MB | MB a MP | size |",
  );
  console.log("|---|---|---|---|---|---|---|---|---|---|---|---|");
  for (const { name, pixels, source } of cases.filter(({ name }) =>
    words.every((word) => name.includes(word)),
  )) {
    const file = join(folder, "source");
    const image = await source();
    await writeFile(file, image);
    const speed = await measure<Speed>(name, "speed", file, rounds);
    const ours = await measure<Memory>(name, "ours", file);
    const bare = await measure<Memory>(name, "bare", file);
    const megapixels = pixels / 1e6;
    const cells = [
      name,
      (megapixels / speed.ours).toFixed(1),
      (megapixels / speed.bare).toFixed(1),
      percent(speed.ratio),
      ...["jpegtran", "mogrify", "Pillow"].map((rival) => percent(speed.rivals[rival])),
      percent(ours.first / bare.first),
      ours.peak.toFixed(0),
      bare.peak.toFixed(0),
      ((ours.peak - ours.before + image.length / 1e6) / megapixels).toFixed(1),
      percent(ours.bytes / image.length),
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
} finally {
  await rm(folder, { recursive: true });
}
