import * as pulumi from "@pulumi/pulumi";
import { preflight } from "../capacity/preflight.ts";
import type { Attached } from "./attached.ts";
import { from } from "./later.ts";
import type { ObjectiveSettings } from "./setting-types.ts";

/**
 * Warns, in every preview and up, where the settings of the workers cannot meet the stack's objective, and says what
 * would. It waits until the program has attached them all, and asks nobody; settings that a preview does not know are judged by
 * the up.
 */
export function warnOfMissedObjective(
  fanOut: pulumi.Resource,
  objective: ObjectiveSettings | undefined,
  attached: Attached,
): void {
  if (!objective) return;
  attached.complete.then(() =>
    from(attached.settings, (known) => {
      const workers = Object.entries(known).map(([name, settings]) => ({
        name,
        ...settings,
        scaling: attached.scalingOf(name),
      }));
      const warning = preflight(workers, objective);
      if (warning) pulumi.log.warn(warning, fanOut);
    }),
  );
}
