#!/usr/bin/env node
import { randomBytes } from "node:crypto";
import { chmod, link, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { ImageRejected, type Notes, type ProcessedImage } from "./contract.ts";
import type { MetadataPolicy } from "./privacy.ts";
import { type RotateOptions, rotate } from "./rotate.ts";

const USAGE = `Usage: image-turn ANGLE [FILE]... [options]

Turns images upright by their own orientation, then by ANGLE degrees clockwise: 90, 180, -90, 0 (only upright), or
any other. Keeps their format and metadata. JPEG, PNG, WebP, GIF, TIFF, AVIF, HEIC.

NAME.EXT becomes NAME-turned.EXT beside it. Without FILE, or if FILE is -, standard input goes to standard output.

  -o, --output PATH      the result's file, - for standard output, or an existing folder for all results
  -i, --in-place         replaces each file by its result
  -f, --force            replaces existing results
  -e, --exact            refuses images that would have to be re-encoded
      --background COL   colour of the corners at angles other than quarter turns: #rrggbb or #rrggbbaa (default:
                         transparent if the image has alpha, else white)
      --metadata WHAT    keep (default), no-location (everything but the place) or none
      --damaged WHAT     repair (default), or reject damaged images even if all their pixels are there
      --max-megapixels N maximum megapixels of an image, over all its pages (default: 500)
      --max-seconds N    maximum seconds for an image (default: 600)
      --json             prints one line of JSON per file: file, output, contentType, exact, repaired, dropped,
                         or file, code, error
  -q, --quiet            does not mention images that were re-encoded, repaired, or lost something
  -V, --version          prints the version
  -h, --help             prints this

Exit code: 0 all images were turned; 1 some were not; 2 wrong usage.`;

const OPTIONS = {
  output: { type: "string", short: "o" },
  "in-place": { type: "boolean", short: "i", default: false },
  force: { type: "boolean", short: "f", default: false },
  exact: { type: "boolean", short: "e", default: false },
  background: { type: "string" },
  metadata: { type: "string", default: "keep" },
  damaged: { type: "string", default: "repair" },
  "max-megapixels": { type: "string", default: "500" },
  "max-seconds": { type: "string", default: "600" },
  json: { type: "boolean", default: false },
  quiet: { type: "boolean", short: "q", default: false },
  version: { type: "boolean", short: "V", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** Mistake in the arguments, told in its message alone. */
class Wrong extends Error {}

/** Standard input or output, as arguments name it. */
const STANDARD = "-";

/** Does what the arguments say, and gives the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parsed(args);
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  if (values.version) {
    const { version } = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));
    console.log(version);
    return 0;
  }
  const [angle, ...given] = positionals;
  const task = {
    turn: operation(angle, values),
    limits: {
      pixels: positive("--max-megapixels", values["max-megapixels"]) * 1e6,
      seconds: positive("--max-seconds", values["max-seconds"]),
    },
    ...values,
    inPlace: values["in-place"],
  };
  const files = given.length > 0 ? given : [STANDARD];
  const places = await placesOf(files, task);
  let code = 0;
  for (const { file, output } of places) {
    const failure = await turnFile(file, output, task);
    if (failure === undefined) continue;
    code = 1;
    const { error } = failure;
    if (task.json && output !== STANDARD) console.log(JSON.stringify({ file, ...failure }));
    else console.error(`image-turn: ${file === STANDARD ? "standard input" : file}: ${error}`);
  }
  return code;
}

/** An angle may begin with a minus, which no option's name does before a digit. */
function parsed(args: readonly string[]) {
  const negative = /^-(?=\.?\d)/;
  const marked = args.map((each) => each.replace(negative, "\0"));
  const plain = (text: string) => text.replace("\0", "-");
  try {
    const { values, positionals } = parseArgs({ args: marked, allowPositionals: true, options: OPTIONS });
    const restored = Object.entries(values).map(([name, value]) => [
      name,
      typeof value === "string" ? plain(value) : value,
    ]);
    return {
      values: Object.fromEntries(restored) as typeof values,
      positionals: positionals.map(plain),
    };
  } catch (error) {
    // What follows on the first sentence is about arguments that begin with a hyphen.
    const [problem = ""] = (error as Error).message.split(". ");
    throw new Wrong(`${problem.replace(/\.?$/, ".")} See image-turn --help.`);
  }
}

type Values = ReturnType<typeof parsed>["values"];

function operation(angle: string | undefined, values: Values) {
  if (angle === undefined) {
    throw new Wrong("Give an angle, as in: image-turn 90 photo.jpg. See image-turn --help.");
  }
  const degrees = angle.trim() === "" ? Number.NaN : Number(angle);
  if (!Number.isFinite(degrees)) {
    throw new Wrong(
      `The angle is ${angle}, but must be a number of degrees, as in: image-turn 90 photo.jpg.`,
    );
  }
  const options: RotateOptions = {
    angle: degrees,
    metadata: oneOf("--metadata", values.metadata, ["keep", "no-location", "none"] as MetadataPolicy[]),
    damaged: oneOf("--damaged", values.damaged, ["repair", "reject"] as const),
    ...(values.background !== undefined && { background: colour(values.background) }),
  };
  return rotate(options);
}

function oneOf<T extends string>(option: string, given: string, words: readonly T[]): T {
  const found = words.find((word) => word === given);
  if (found === undefined) throw new Wrong(`${option} is ${given}, but must be one of ${words.join(", ")}.`);
  return found;
}

function colour(given: string) {
  const [, r, g, b, a = "ff"] = /^#?([\da-f]{2})([\da-f]{2})([\da-f]{2})([\da-f]{2})?$/i.exec(given) ?? [];
  if (r === undefined || g === undefined || b === undefined) {
    throw new Wrong(`--background is ${given}, but must be #rrggbb or #rrggbbaa.`);
  }
  const number = (digits: string) => Number.parseInt(digits, 16);
  return { r: number(r), g: number(g), b: number(b), alpha: number(a) / 255 };
}

function positive(option: string, given: string): number {
  const value = Number(given);
  if (given.trim() !== "" && value > 0 && Number.isFinite(value)) return value;
  throw new Wrong(`${option} is ${given}, but must be a number above 0.`);
}

interface Task {
  readonly turn: ReturnType<typeof rotate>;
  readonly limits: { readonly pixels: number; readonly seconds: number };
  readonly output?: string | undefined;
  readonly inPlace: boolean;
  readonly force: boolean;
  readonly exact: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
}

interface Place {
  readonly file: string;
  readonly output: string;
}

/** Where each result goes. @throws {Wrong} where two would go to one place, or one to none */
async function placesOf(files: readonly string[], { output, inPlace }: Task): Promise<Place[]> {
  if (inPlace && output !== undefined) throw new Wrong("Give --in-place or --output, not both.");
  if (inPlace && files.includes(STANDARD)) throw new Wrong("Standard input cannot be replaced: name a file.");
  const folder = output !== undefined && output !== STANDARD && (await isFolder(output));
  if (output !== undefined && !folder && files.length > 1) {
    throw new Wrong(`--output is ${output}, but must be an existing folder for ${files.length} files.`);
  }
  if (folder && files.includes(STANDARD)) {
    throw new Wrong(
      `--output is the folder ${output}, but must be a file, as the image comes from standard input.`,
    );
  }
  if (files.length > 1 && files.includes(STANDARD))
    throw new Wrong("Standard input cannot be combined with other files.");
  const places = files.map((file) => ({
    file,
    output: inPlace ? file : folder ? path.join(output, path.basename(file)) : (output ?? beside(file)),
  }));
  const last = new Map(places.map(({ output }, index) => [output, index]));
  const twice = places.find(({ output }, index) => last.get(output) !== index);
  if (twice && !inPlace) throw new Wrong(`Two of the files would become ${twice.output}.`);
  if (files[0] === STANDARD && process.stdin.isTTY) {
    throw new Wrong("Name a file, as in: image-turn 90 photo.jpg. See image-turn --help.");
  }
  if (places[0]?.output === STANDARD && process.stdout.isTTY) {
    throw new Wrong(
      "The image would go to the terminal: pass --output FILE, or redirect it to a file or a command.",
    );
  }
  return places;
}

function beside(file: string): string {
  if (file === STANDARD) return STANDARD;
  const { dir, name, ext } = path.parse(file);
  return path.join(dir, `${name}-turned${ext}`);
}

/** Why a file was not turned. */
interface Failure {
  readonly code: string;
  /** A sentence. */
  readonly error: string;
}

/** Turns one file, and says what there is to say of it. @returns why it could not be turned, where that is so */
async function turnFile(file: string, output: string, task: Task): Promise<Failure | undefined> {
  try {
    const source = file === STANDARD ? await buffer(process.stdin) : await readFile(file);
    const result = await task.turn(source, task.limits);
    const { exact, repaired = [], dropped = [] } = (result.notes ?? {}) as Partial<Notes>;
    if (task.exact && exact !== true) {
      const error = "It cannot be turned by this angle without re-encoding.";
      return { code: "not-exact", error };
    }
    await write(result, file, output, task);
    if (task.json && output !== STANDARD) {
      console.log(
        JSON.stringify({ file, output, contentType: result.contentType, exact, repaired, dropped }),
      );
    } else if (!task.quiet) {
      const notes = [
        ...(exact === true ? [] : ["re-encoded"]),
        ...(repaired.length > 0 ? [`repaired: ${repaired.join(", ")}`] : []),
        ...(dropped.length > 0 ? [`dropped: ${dropped.join(", ")}`] : []),
      ];
      const who = file === STANDARD ? "standard input" : file;
      if (notes.length > 0) console.error(`${who}: ${notes.join("; ")}`);
    }
    return undefined;
  } catch (error) {
    if (error instanceof ImageRejected) return { code: error.code, error: error.message };
    const { code = "failed", message } = error as NodeJS.ErrnoException;
    return { code, error: PROBLEMS[code] ?? `It could not be turned: ${message}` };
  }
}

/** What the file system says, in a sentence. */
const PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: "There is no such file, or no such folder for its result.",
  EISDIR: "It is a folder: name the files in it.",
  ENOTDIR: "A part of its path is not a folder.",
  EACCES: "No permission to read it, or to write its result.",
  EPERM: "No permission to read it, or to write its result.",
  EROFS: "Its result cannot be written: the disk is read-only.",
  ENOSPC: "Its result cannot be written: the disk is full.",
  EEXIST: "Its result exists already: pass --force to replace it, or --output for another place.",
  EPIPE: "Nobody reads its result any more.",
  ERR_FS_FILE_TOO_LARGE: "The file is larger than 2 GB.",
};

/** Writes a result, whole or not at all. */
async function write(
  { body }: ProcessedImage,
  file: string,
  output: string,
  { inPlace, force }: Task,
): Promise<void> {
  if (output === STANDARD) {
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(body, (error) => (error ? reject(error) : resolve()));
    });
    return;
  }
  const partial = path.join(
    path.dirname(output),
    `.${path.basename(output)}.${randomBytes(4).toString("hex")}`,
  );
  try {
    await writeFile(partial, body, { flag: "wx" });
    if (inPlace) await chmod(partial, (await stat(file)).mode);
    // A link, unlike a name that is given anew, replaces nothing; not every disk has them.
    const linked = !inPlace && !force && (await link(partial, output).then(() => true, unlessThere));
    if (!linked) await rename(partial, output);
  } finally {
    await rm(partial, { force: true });
  }
}

function unlessThere(error: NodeJS.ErrnoException): boolean {
  if (error.code === "EEXIST") throw error;
  return false;
}

async function isFolder(file: string): Promise<boolean> {
  return stat(file).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}

// Whoever reads what is printed may stop to: what is left is not worth a stack trace.
process.stdout.on("error", () => {});

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  if (!(error instanceof Wrong)) throw error;
  console.error(`image-turn: ${error.message}`);
  return 2;
});
