/** Milliseconds between two looks whether npm is still there. */
const LOOK_EVERY_MS = 500;

/**
 * Has a command end that npm runs when npm has ended: a signal ends npm, and the shell between it and the command, and neither passes it on.
 * It keeps no command running by itself.
 * @param scripts names of the scripts that run it
 */
export function whenOrphaned(scripts: readonly string[], end: () => void): void {
  const parent = process.ppid;
  const isOurs = [...scripts, "npx"].includes(process.env.npm_lifecycle_event ?? "");
  if (isOurs) setInterval(() => process.ppid !== parent && end(), LOOK_EVERY_MS).unref();
}
