import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { ArgumentError } from "./topology/argument-error.ts";
import { checkTagNames, OWN_TAGS } from "./topology/checks.ts";
import { checkFanOutSettings, FAN_OUT } from "./topology/fan-out-settings.ts";
import { isPlain } from "./topology/later.ts";
import type { FanOutSettings } from "./topology/setting-types.ts";

/**
 * Reads the stack's settings from Pulumi.STACK.yaml, which nothing else does. docs/settings.md lists each key with its unit,
 * default and range. `pulumi config set --path workers.memorySize 3008` sets one.
 * Without --path, and from `pulumi new`, the key contains dots and means the same.
 *
 * @throws ArgumentError in a sentence that names file, key, value and range, before anything is registered
 */
export function readSettings(): FanOutSettings {
  const config = new pulumi.Config();
  const keys = Object.keys(pulumi.runtime.allConfig())
    .filter((key) => key.startsWith(`${config.name}:`))
    .map((key) => key.slice(config.name.length + 1));
  const file = `Pulumi.${pulumi.getStack()}.yaml: `;
  // What has parts comes before the keys of its parts.
  const settings = keys.sort().reduce<object>((all, key) => {
    const placed = withPart(all, key.split("."), parsed(config.require(key)));
    if (placed) return placed;
    throw new ArgumentError(
      `${file}Setting ${key} conflicts with a setting above it, which is not a map: remove one of them.`,
    );
  }, {});
  checkNamespaces(file, config.name);
  const { tags } = checkFanOutSettings(`${file}Setting `, settings);
  checkDefaultTags(file, Object.keys(tags));
  return settings;
}

/** A map with one part more, at any depth; undefined where something on the way to it is no map. */
export function withPart(
  map: unknown,
  [name = "", ...rest]: readonly string[],
  value: unknown,
): object | undefined {
  if (!isPlain(map)) return undefined;
  if (rest.length === 0) return { ...map, [name]: value };
  const part = withPart(Object.hasOwn(map, name) ? map[name] : {}, rest, value);
  return part && { ...map, [name]: part };
}

/**
 * Finds settings of this program under another name than the project's, which would do nothing: probably a typing error,
 * or the name that the project had before.
 * @throws ArgumentError where there is one, and the name is not of a package that this project uses, such as a provider
 */
function checkNamespaces(file: string, project: string): void {
  const manifest = path.resolve("package.json");
  const { dependencies = {}, devDependencies = {} } = existsSync(manifest)
    ? JSON.parse(readFileSync(manifest, "utf8"))
    : {};
  const packages = Object.keys({ ...dependencies, ...devDependencies }).map((name) => name.split("/").at(-1));
  for (const full of Object.keys(pulumi.runtime.allConfig())) {
    const [namespace = "", key = ""] = full.split(":", 2);
    if (
      namespace === project ||
      packages.includes(namespace) ||
      !Object.hasOwn(FAN_OUT, key.split(".")[0] ?? "")
    )
      continue;
    throw new ArgumentError(
      `${file}${full} does nothing, as the project is ${project}: rename it to ${project}:${key}.`,
    );
  }
}

/** @throws ArgumentError where the provider would add a tag whose name differs from one of the machine's only in case */
function checkDefaultTags(file: string, names: readonly string[]): void {
  const given = parsed(pulumi.runtime.allConfig()["aws:defaultTags"] ?? "{}") as { tags?: object } | null;
  checkTagNames(`${file}aws:defaultTags.tags.`, [...OWN_TAGS, ...names], Object.keys(given?.tags ?? {}));
}

/** Configuration is text; all but names is JSON. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
