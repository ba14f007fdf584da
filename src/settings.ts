import * as pulumi from "@pulumi/pulumi";
import { checkFanOutSettings, type FanOutSettings } from "./topology/fan-out-settings.ts";

/**
 * What the stack decides: the configuration of Pulumi.STACK.yaml, which is read here and nowhere else. Each key,
 * its unit, default and range is in docs/settings.md; one of them is set so:
 *
 *     pulumi config set --path workers.memorySize 3008
 *
 * @throws {pulumi.RunError} in a sentence that names key, value and range, before anything is registered: the program
 *   is not to blame, so that no stack trace follows
 */
export function readSettings(): FanOutSettings {
  const config = new pulumi.Config();
  const keys = Object.keys(pulumi.runtime.allConfig())
    .filter((key) => key.startsWith(`${config.name}:`))
    .map((key) => key.slice(config.name.length + 1));
  const settings = Object.fromEntries(keys.map((key) => [key, parsed(config.require(key))]));
  try {
    checkFanOutSettings("Setting ", settings);
  } catch (error) {
    throw new pulumi.RunError((error as Error).message, { cause: error });
  }
  return settings;
}

/** Configuration is text; all but names is JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
