import { existsSync } from "node:fs";
import { mkdtemp, rmdir } from "node:fs/promises";
import path from "node:path";
import { type ParseArgsConfig, parseArgs } from "node:util";
import { cannotWrite, UsageError } from "../machine/inputs.ts";
import { ProgramError } from "../machine/program-error.ts";
import { near } from "./words.ts";

/** Error of a command that a person ended before it was done. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** The option that every command has. */
const HELP = { help: { type: "boolean", short: "h" } } as const;

/**
 * Runs a command with this process's arguments, tells a failure in its message alone, and sets the exit code: what `main`
 * returns, 2 for a mistake in the arguments, the program or its configuration, 130 where it was interrupted, else 1.
 * @param config as `parseArgs` takes it, without --help
 */
export async function runCommand<Config extends ParseArgsConfig>(
  usage: string,
  config: Config,
  main: (parsed: ReturnType<typeof parseArgs<Config>>) => Promise<number>,
): Promise<void> {
  outliveReaders();
  try {
    const parsed = parsedArguments(usage, config);
    if ((parsed.values as { help?: unknown }).help) console.log(usage);
    else process.exitCode = await main(parsed);
  } catch (error) {
    endWith(error);
  }
}

/** Has this process go on to its end, and tidy up, where nobody reads what it prints any more, as behind `| head -1`. */
export function outliveReaders(
  streams: readonly NodeJS.WritableStream[] = [process.stdout, process.stderr],
): void {
  for (const stream of streams) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
}

/** Ends this process with a mistake, whatever the program still waits for. */
export function endWith(error: unknown): void {
  console.error(`${error instanceof Error ? error.message : error}`);
  process.exitCode = exitCodeOf(error);
  if (process.exitCode === 2) process.stderr.write("", () => process.exit());
}

function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return 130;
  return error instanceof UsageError || error instanceof ProgramError ? 2 : 1;
}

/**
 * Parses a command's arguments.
 * @throws {UsageError} with what is wrong in one sentence, and where the rest is
 */
export function parsedArguments<Config extends ParseArgsConfig>(usage: string, given: Config) {
  const options = { ...given.options, ...HELP };
  const config = { ...given, options, args: withNegatives(given.args ?? process.argv.slice(2), options) };
  try {
    return parseArgs(config) as ReturnType<typeof parseArgs<Config>>;
  } catch (error) {
    const [, command = "", dashes = ""] = /^Usage: (.+?)( --)? \[/.exec(usage) ?? [];
    const mistake = mistakeIn(config, command, usage) ?? (error as Error).message;
    throw new UsageError(`${mistake} ${command}${dashes} --help says more.`);
  }
}

/** Ties a negative number to the option before it, as `parseArgs` takes it for another option: it is told its range then. */
function withNegatives(args: readonly string[], options: NonNullable<ParseArgsConfig["options"]>): string[] {
  const tied: string[] = [];
  for (const arg of args) {
    const [, name = ""] = /^--(.+)/.exec(tied.at(-1) ?? "") ?? [];
    const isValue = /^-\.?\d/.test(arg) && options[name]?.type === "string";
    tied.push(isValue ? `${tied.pop()}=${arg}` : arg);
  }
  return tied;
}

function mistakeIn(config: ParseArgsConfig, command: string, usage: string): string | undefined {
  const { options = {}, allowPositionals = false } = config;
  const { tokens } = parseArgs({ ...config, strict: false, allowPositionals: true, tokens: true });
  for (const token of tokens) {
    if (token.kind === "positional" && !allowPositionals) {
      return `Unexpected argument ${JSON.stringify(token.value)}: ${command} takes only options.`;
    }
    if (token.kind !== "option") continue;
    const { name, rawName, value, inlineValue } = token;
    const type = Object.entries(options).find(([each]) => each === name)?.[1].type;
    if (type === undefined) {
      const meant = nearest(name, Object.keys(options));
      return `${rawName} is not an option of ${command}${meant ? `; did you mean --${meant}?` : "."}`;
    }
    if (type === "boolean" && value !== undefined) return `${rawName} takes no value.`;
    const isMissing = value === undefined || (!inlineValue && /^-./.test(value));
    if (type === "string" && isMissing) {
      const [example = rawName] = new RegExp(`(?<=^  )${rawName} \\S+`, "m").exec(usage) ?? [];
      return `${rawName} needs a value, as in ${example}.`;
    }
  }
  return undefined;
}

/** The name that was meant by a misspelt one, if one is near enough. */
function nearest(given: string, names: readonly string[]): string | undefined {
  return (
    names.find((name) => isWithin(1, given, name)) ??
    names.find((name) => name.startsWith(given) || given.startsWith(name)) ??
    (given.length > 3 ? names.find((name) => isWithin(2, given, name)) : undefined)
  );
}

/** Whether one word becomes another by that many letters that are put in, left out or exchanged. */
function isWithin(edits: number, from: string, to: string): boolean {
  if (from === "" || to === "") return from.length + to.length <= edits;
  const [fromRest, toRest] = [from.slice(1), to.slice(1)];
  if (from[0] === to[0]) return isWithin(edits, fromRest, toRest);
  return (
    edits > 0 &&
    (isWithin(edits - 1, fromRest, toRest) ||
      isWithin(edits - 1, from, toRest) ||
      isWithin(edits - 1, fromRest, to))
  );
}

/**
 * Tries whether a folder that an option names, and that need not exist yet, can be written to.
 * @throws {UsageError} where it cannot
 */
export async function checkFolder(option: string, folder: string): Promise<void> {
  let existing = folder;
  while (!existsSync(existing)) existing = path.dirname(existing);
  try {
    await rmdir(await mkdtemp(path.join(existing, ".try-")));
  } catch (error) {
    throw cannotWrite(`${option} ${near(folder)}`, error);
  }
}

/**
 * Reads the number that an option was given.
 * @throws {UsageError} where it is none, or out of its range
 */
export function numberOption(
  option: string,
  given: string,
  { min, max, unit = "", whole = false }: { min: number; max: number; unit?: string; whole?: boolean },
): number {
  const value = Number(given);
  if (given !== "" && value >= min && value <= max && (!whole || Number.isInteger(value))) return value;
  const kind = whole ? "whole number" : "number";
  throw new UsageError(
    `${option} is ${given}, but must be a ${kind} from ${min} to ${max}${unit && ` ${unit}`}.`,
  );
}
