import type * as pulumi from "@pulumi/pulumi";
import type { CheckedFanOutSettings } from "./fan-out-settings.ts";

type Retention = Pick<CheckedFanOutSettings, "retention">;

/**
 * Options of what images pass through and wait in, and what alarms reach people by: Pulumi refuses to delete it where images are
 * kept, even where it is told to skip the preview that refuses all.
 */
export function guarded(
  { retention }: Retention,
  parent: pulumi.CustomResourceOptions,
): pulumi.CustomResourceOptions {
  return { ...parent, protect: retention === "keep" };
}

/** Options of what is lost for good where it is deleted: it stays on AWS, too, when it is the stack's no more. */
export function kept(
  { retention }: Retention,
  parent: pulumi.CustomResourceOptions,
): pulumi.CustomResourceOptions {
  return { ...guarded({ retention }, parent), retainOnDelete: retention === "keep" };
}
