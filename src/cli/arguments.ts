import { type ParseArgsConfig, parseArgs } from "node:util";
import { UsageError } from "./inputs.ts";

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
