import { existsSync, readFileSync, statSync } from "node:fs";
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

/** The stack of commands that are given none. */
export const DEFAULT_STACK = "dev";

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
  const project = String(projectIn(folder).name);
  const file = path.join(folder, `Pulumi.${stack}.yaml`);
  // The stack that commands take by themselves need not have been configured.
  const isOptional = stack === DEFAULT_STACK && !existsSync(file);
  const entries = Object.entries((isOptional ? {} : (read(file).config ?? {})) as Record<string, unknown>);
  return {
    project,
    stack,
    config: Object.fromEntries(
      entries.map(([key, value]) => {
        if (typeof value === "object" && value !== null && "secure" in value) {
          throw new ProgramError(
            `${file}: ${key} is encrypted, and only the Pulumi CLI can read it. To run here, remove it.`,
          );
        }
        const name = key.includes(":") ? key : `${project}:${key}`;
        return [name, typeof value === "string" ? value : JSON.stringify(value)];
      }),
    ),
  };
}

/**
 * Finds the program of a project as Pulumi does: by `main` of Pulumi.yaml, then of package.json, else by its usual names.
 * @throws {ProgramError} where there is no project, or no program in it
 */
export function programIn(folder: string): string {
  const { main } = projectIn(folder);
  const base = path.join(folder, String(main ?? ""));
  const manifest = path.join(base, "package.json");
  const named = existsSync(manifest) ? JSON.parse(readFileSync(manifest, "utf8")).main : undefined;
  const candidates = [
    base,
    ...[named, "index.ts", "index.mts", "index.js", "index.mjs"].map((name) =>
      path.join(base, String(name ?? "")),
    ),
  ];
  const program = candidates.find((file) => statSync(file, { throwIfNoEntry: false })?.isFile());
  if (program) return program;
  throw new ProgramError(
    `There is no program in ${base}: write one in index.ts, or name it as main in Pulumi.yaml.`,
  );
}

function projectIn(folder: string): Record<string, unknown> {
  const file = path.join(folder, "Pulumi.yaml");
  if (existsSync(file)) return read(file);
  throw new ProgramError(`There is no Pulumi.yaml in ${folder}: run this in the folder of a Pulumi program.`);
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
    throw new ProgramError(`${file} is not valid YAML: ${(error as Error).message.trim()}`);
  }
}
