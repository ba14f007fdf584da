import { type ParseArgsConfig, parseArgs } from "node:util";
import { UsageError } from "../machine/inputs.ts";
import { ProgramError } from "../machine/program-error.ts";

/**
 * A command's arguments, read by `parseArgs`.
 * @throws {UsageError} in its words, with the usage, where they are not what the command takes
 */
export function parsedArguments<Config extends ParseArgsConfig>(config: Config, usage: string) {
  try {
    return parseArgs(config);
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${usage}`);
  }
}

/** @returns 2 for a mistake of the person's, in the arguments, the program or its configuration, else 1 */
export function exitCodeOf(error: unknown): 1 | 2 {
  return error instanceof UsageError || error instanceof ProgramError ? 2 : 1;
}

/** Ends this process with a mistake that was told, whatever the program still waits for. */
export function endWith(exitCode: number): void {
  process.exitCode = exitCode;
  if (exitCode === 2) process.stderr.write("", () => process.exit());
}
