import * as pulumi from "@pulumi/pulumi";
import { preflight } from "./capacity/preflight.ts";
import type { ImageFanOut } from "./topology/image-fan-out.ts";

/**
 * Warns, in every preview and up, where the settings of the workers cannot meet the stack's objective, and says what
 * would. It waits until the program has attached them all, and asks nobody.
 */
export function warnOfMissedObjective(fanOut: ImageFanOut): void {
  const { objective } = fanOut.settings;
  if (!objective) return;
  fanOut.complete.then(() => {
    const workers = Object.entries(fanOut.workerSettings).map(([name, settings]) => ({ name, ...settings }));
    const warning = preflight(workers, objective);
    if (warning) pulumi.log.warn(warning, fanOut);
  });
}
