import { type ParseArgsConfig, parseArgs } from "node:util";
import { UsageError } from "../machine/inputs.ts";
import { ProgramError } from "../machine/program-error.ts";

/** Error of a command that a person ended before it was done. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** The option that every command has. */
export const HELP_OPTION = { help: { type: "boolean", short: "h", default: false } } as const;

/**
 * Runs a command with this process's arguments, tells a failure in its message alone, and sets the exit code: what `main`
 * returns, 2 for a mistake in the arguments, the program or its configuration, 130 where it was interrupted, else 1.
 * @param options those of `parseArgs`, `HELP_OPTION` among them
 */
export async function runCommand<Config extends ParseArgsConfig>(
  usage: string,
  config: Config,
  main: (parsed: ReturnType<typeof parseArgs<Config>>) => Promise<number>,
): Promise<void> {
  try {
    const parsed = parsedArguments(config, usage);
    if ((parsed.values as { help?: unknown }).help) console.log(usage);
    else process.exitCode = await main(parsed);
  } catch (error) {
    endWith(error);
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

function parsedArguments<Config extends ParseArgsConfig>(config: Config, usage: string) {
  try {
    return parseArgs(config);
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${usage}`);
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
