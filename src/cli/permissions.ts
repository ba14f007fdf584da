import { neverNeeded, type StatementUse } from "local-aws";

/** Says of each role, statement by statement, how often it allowed something, and then what nobody asked for. */
export function permissionLines(uses: readonly StatementUse[]): string[] {
  const width = Math.max(0, ...uses.map(({ sid }) => sid.length));
  const digits = Math.max(1, ...uses.map((use) => String(times(use)).length));
  const line = (use: StatementUse) => {
    const count = use.unasked === undefined ? String(times(use)) : "–";
    const actions = Object.entries(use.actions).map(([action, each]) =>
      use.unasked === undefined ? `${action} ${each}` : action,
    );
    const why = use.unasked === undefined ? "" : ` (not asked for: ${use.unasked})`;
    return `  ${use.sid.padEnd(width)}  ${count.padStart(digits)}  ${actions.join(", ")}${why}`;
  };
  const roles = [...Map.groupBy(uses, ({ role }) => role)];
  const unneeded = neverNeeded(uses).map(({ role, sid, action }) => `  ${role}, ${sid}: ${action}`);
  return [
    ...roles.flatMap(([role, ofRole]) => [`allowed to ${role}:`, ...ofRole.map(line)]),
    ...(unneeded.length === 0
      ? ["This run needed all permissions."]
      : ["not needed in this run:", ...unneeded]),
  ];
}

function times({ actions }: StatementUse): number {
  return Object.values(actions).reduce((sum, each) => sum + each, 0);
}
