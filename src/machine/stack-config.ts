import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { ProgramError } from "./program-error.ts";

/** What the Pulumi CLI would give the program: the project's name and the stack's configuration. */
export interface StackConfig {
  readonly project: string;
  readonly stack: string;
  /** Keys with their namespace, as in `aws:region`; what is not text is JSON. */
  readonly config: Record<string, string>;
}

/** The region where the stack's configuration names none. */
const DEFAULT_REGION = "us-east-1";

export function regionOf({ config }: StackConfig): string {
  return config["aws:region"] ?? DEFAULT_REGION;
}

/**
 * Reads Pulumi.yaml and Pulumi.STACK.yaml.
 * @throws {ProgramError} where there is no such stack, or one of its values is a secret, which only the Pulumi CLI can read.
 */
export function readStackConfig(folder: string, stack: string): StackConfig {
  const project = String(read(path.join(folder, "Pulumi.yaml")).name);
  const file = path.join(folder, `Pulumi.${stack}.yaml`);
  const entries = Object.entries((read(file).config ?? {}) as Record<string, unknown>);
  return {
    project,
    stack,
    config: Object.fromEntries(
      entries.map(([key, value]) => {
        if (typeof value === "object" && value !== null && "secure" in value) {
          throw new ProgramError(
            `${file}: ${key} is encrypted, and only the Pulumi CLI can read it: remove it to run here.`,
          );
        }
        const name = key.includes(":") ? key : `${project}:${key}`;
        return [name, typeof value === "string" ? value : JSON.stringify(value)];
      }),
    ),
  };
}

function read(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    throw new ProgramError(`There is no ${file}: is the stack's name right?`);
  }
  try {
    return (parse(text) ?? {}) as Record<string, unknown>;
  } catch (error) {
    throw new ProgramError(`${file} is no YAML: ${(error as Error).message.trim()}`);
  }
}
