import { spawn } from "node:child_process";
import { access, constants, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { text } from "node:stream/consumers";

/** What became of a resource. */
export type Operation = "create" | "update" | "replace" | "delete" | "keep";

export interface Change {
  readonly operation: Operation;
  readonly urn: string;
  /** The inputs that differ. */
  readonly inputs: readonly string[];
}

export interface Ran {
  readonly exitCode: number | null;
  readonly changes: readonly Change[];
  /** Resources that stayed as they were. */
  readonly unchanged: number;
  /** Warnings and errors. */
  readonly complaints: readonly string[];
  readonly printed: string;
}

/** The Pulumi CLI on the PATH that has the language host for Node.js beside it; undefined where there is none. */
export async function findPulumi(): Promise<string | undefined> {
  const suffix = process.platform === "win32" ? ".exe" : "";
  for (const folder of (process.env.PATH ?? "").split(path.delimiter)) {
    const file = path.join(folder, `pulumi${suffix}`);
    if (
      await access(file, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return file;
  }
  return undefined;
}

/** An engine's event, as far as it is read here. */
interface Event {
  readonly resourcePreEvent?: { readonly metadata: Metadata };
  readonly resOutputsEvent?: { readonly metadata: Metadata; readonly planning?: boolean };
  readonly diagnosticEvent?: {
    readonly severity: string;
    readonly message: string;
    readonly ephemeral?: boolean;
  };
}

interface Metadata {
  readonly op: string;
  readonly urn: string;
  readonly type: string;
  readonly diffs?: string[] | null;
}

/** What the engine calls what it does. */
const OPERATIONS: Record<string, Operation> = {
  create: "create",
  update: "update",
  replace: "replace",
  delete: "delete",
};

/** Runs a command of the CLI in a project, and reads from the engine's events what it did or would do. */
export async function pulumi(
  project: string,
  args: readonly string[],
  environment: Record<string, string>,
): Promise<Ran> {
  const log = path.join(project, "..", "events.json");
  const operates = ["preview", "up", "refresh", "destroy"].includes(args[0] ?? "");
  const child = spawn(
    "pulumi",
    [...args, "--non-interactive", "--color=never", ...(operates ? [`--event-log=${log}`] : [])],
    {
      cwd: project,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, PULUMI_DEBUG_COMMANDS: "true", ...environment },
    },
  );
  const exited = new Promise<number | null>((resolve, reject) =>
    child.once("exit", resolve).once("error", reject),
  );
  const [stdout, stderr, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  const events: Event[] = operates
    ? (await readFile(log, "utf8").catch(() => ""))
        .split("\n")
        .filter((line) => line.trim() !== "")
        .map((line) => JSON.parse(line))
    : [];
  await rm(log, { force: true });

  const all = events
    .map(({ resourcePreEvent, resOutputsEvent }) =>
      args[0] === "preview" ? resourcePreEvent : resOutputsEvent?.planning ? undefined : resOutputsEvent,
    )
    .flatMap((event) => (event ? [event.metadata] : []));
  const ours = all.filter(({ type }) => type.startsWith("aws:"));
  return {
    exitCode,
    changes: ours.flatMap(({ op, urn, diffs }) => {
      const operation = OPERATIONS[op];
      return operation ? [{ operation, urn, inputs: diffs ?? [] }] : [];
    }),
    unchanged: ours.filter(({ op }) => op === "same").length,
    complaints: events
      .map(({ diagnosticEvent }) => diagnosticEvent)
      .filter((each) => each !== undefined)
      .filter(({ severity, ephemeral }) => !ephemeral && /^(warning|error)$/.test(severity))
      .map(({ message }) => message.trim()),
    printed: `${stdout}${stderr}`,
  };
}
