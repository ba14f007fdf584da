/**
 * `npm run check:corpus -- FOLDER [--report FILE]`: turns every file of a folder both ways, and judges what comes out by a
 * decoder that is none of ours.
 */
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join, relative } from "node:path";
import { parseArgs } from "node:util";
import { ImageRejected, type ProcessedImage, type RejectionCode } from "../src/contract.ts";
import { TiffReader } from "../src/directory.ts";
import { tag } from "../src/formats/tiff/tiff-page.ts";
import { rotate } from "../src/rotate.ts";
import { type Decoder, independentDecoder } from "./decoders.ts";
import { judge, type Picture, type Tolerance, toleranceOf } from "./judge.ts";

const usage = "Usage: npm run check:corpus -- FOLDER [--report FILE]";

/** What became of a file, turned one way. */
interface Row {
  readonly file: string;
  readonly angle: 90 | -90;
  readonly format: string;
  /** `unjudged` where the decoder does not read the source; `failed` where something of ours threw what it must not. */
  readonly outcome: "same" | "within" | "different" | "unreadable" | "unjudged" | "failed" | RejectionCode;
  readonly exact?: boolean;
  readonly mean?: number;
  readonly largest?: number;
  readonly why?: string;
}

const failures: readonly string[] = ["different", "unreadable", "failed"];
const limits = { pixels: 100_000_000, seconds: 60 };

process.exitCode = await main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message);
  return 1;
});

/** Does what the command says, and gives its exit code. */
async function main(args: readonly string[]): Promise<number> {
  const { positionals, values } = parseArgs({
    args: [...args],
    options: { report: { type: "string" } },
    allowPositionals: true,
  });
  const [folder] = positionals;
  if (folder === undefined || positionals.length > 1) {
    throw new Error(usage);
  }
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => {
    throw new Error(`There is no folder ${folder} to check.`);
  });
  const files = entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  if (files.length === 0) {
    throw new Error(`The folder ${folder} has no files to check.`);
  }
  const decoder = await independentDecoder();
  if (decoder === undefined) {
    console.error(
      "There is no decoder here to judge by: install ImageMagick, Pillow (Python) or libvips' vips.",
    );
    return 2;
  }
  console.log(
    `Judged by ${decoder.name}${decoder.all ? "" : ", which is shown the first picture of each file"}.`,
  );
  const rows: Row[] = [];
  if (values.report !== undefined) {
    await writeFile(values.report, "");
  }
  const scratch = await mkdtemp(join(tmpdir(), "check-corpus-"));
  try {
    for (const file of files) {
      const found = await check(file, relative(folder, file), decoder, scratch);
      for (const row of found.filter(({ outcome }) => failures.includes(outcome))) {
        console.log(`${row.outcome}: ${row.file} by ${row.angle}°: ${row.why ?? measured(row)}`);
      }
      rows.push(...found);
      // Line by line, so that a run that is interrupted leaves what it found.
      if (values.report !== undefined) {
        await appendFile(values.report, found.map((row) => `${JSON.stringify(row)}\n`).join(""));
      }
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  print(rows);
  return rows.some(({ outcome }) => failures.includes(outcome)) ? 1 : 0;
}

function measured({ mean = 0, largest = 0 }: Row): string {
  return `differs by ${mean.toFixed(2)} on average, ${largest} at most`;
}

/** Turns a file both ways and judges the results. */
async function check(path: string, file: string, decoder: Decoder, scratch: string): Promise<Row[]> {
  const source = await readFile(path);
  let shown: Promise<Picture[]> | undefined;
  const rows: Row[] = [];
  for (const angle of [90, -90] as const) {
    const row = { file, angle, format: extname(file).slice(1).toLowerCase() || "none" };
    const turned = await rotate({ angle })(source, limits).catch((error: unknown) => error);
    if (turned instanceof ImageRejected) {
      rows.push({ ...row, outcome: turned.code, why: turned.message });
      continue;
    }
    if (turned instanceof Error) {
      rows.push({ ...row, outcome: "failed", why: turned.stack ?? turned.message });
      continue;
    }
    const { body, contentType, notes } = turned as ProcessedImage;
    const format = contentType.replace("image/", "");
    const exact = notes?.exact === undefined ? {} : { exact: notes.exact };
    // Decoders go by names more than they should.
    const copy = join(scratch, `source.${format}`);
    if (shown === undefined) {
      await writeFile(copy, source);
      shown = decoder.decode(copy);
    }
    const before = await shown.catch((error: Error) => error);
    if (before instanceof Error) {
      rows.push({ ...row, format, ...exact, outcome: "unjudged", why: saidLast(before) });
      continue;
    }
    const result = join(scratch, `result.${format}`);
    await writeFile(result, body);
    const after = await decoder.decode(result).catch((error: Error) => error);
    if (after instanceof Error) {
      rows.push({ ...row, format, ...exact, outcome: "unreadable", why: saidLast(after) });
      continue;
    }
    const tolerance = toleranceFor(source, format, notes?.exact === true);
    const { verdict, ...judgement } = judge(before, after, angle, tolerance);
    rows.push({ ...row, format, ...exact, outcome: verdict, ...judgement });
  }
  return rows;
}

/** What the decoder said in the end, which is what it failed of. */
function saidLast(error: Error): string {
  const text = "stderr" in error ? String(error.stderr) : "";
  return text.trim().split("\n").at(-1) || (error.message.split("\n")[0] as string);
}

/** How far a result may be from its source. */
function toleranceFor(source: Buffer, format: string, exact: boolean): Tolerance {
  if (format === "avif" || (exact && ["jpeg", "heic"].includes(format))) {
    return toleranceOf(format === "jpeg" ? "coefficients" : "planes");
  }
  const stored =
    ["png", "gif"].includes(format) ||
    (format === "webp" && source.includes("VP8L") && !source.includes("VP8 ")) ||
    (format === "tiff" && !compressedAsJpeg(source));
  return toleranceOf(stored ? "stored" : "encoded");
}

function compressedAsJpeg(tiff: Buffer): boolean {
  const reader = new TiffReader(tiff);
  return reader.directories().some((page) => reader.first(page, tag.compression) === 7);
}

/** Prints how many files of each format had each outcome, turned both ways. */
function print(rows: readonly Row[]): void {
  const order = ["same", "within", ...failures, "unjudged"];
  const outcomes = [...new Set(rows.map(({ outcome }) => outcome))].sort(
    (a, b) => ((order.indexOf(a) + 99) % 99) - ((order.indexOf(b) + 99) % 99),
  );
  const line = (cells: readonly (string | number)[]) => console.log(`| ${cells.join(" | ")} |`);
  line(["turned", ...outcomes, "largest mean difference"]);
  line(["---", ...outcomes.map(() => "---"), "---"]);
  const groups = Map.groupBy(rows, ({ format }) => format);
  for (const [format, group] of [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .concat([["all", [...rows]]])) {
    const counts = outcomes.map((outcome) => group.filter((row) => row.outcome === outcome).length);
    line([format, ...counts, Math.max(0, ...group.map(({ mean = 0 }) => mean)).toFixed(2)]);
  }
}
