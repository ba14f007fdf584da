import type { CheckedFanOutSettings } from "./fan-out-settings.ts";

type Retention = Pick<CheckedFanOutSettings, "retention">;

/**
 * Options of what images pass through and wait in, and what alarms reach people by: Pulumi refuses to delete it where images are
 * kept, even where it is told to skip the preview that refuses all.
 */
export function guarded({ retention }: Retention) {
  return { protect: retention === "keep" };
}

/** Options of what is lost for good where it is deleted: it stays on AWS, too, when it is the stack's no more. */
export function kept({ retention }: Retention) {
  return { ...guarded({ retention }), retainOnDelete: retention === "keep" };
}
