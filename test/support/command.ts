import { spawn } from "node:child_process";
import path from "node:path";
import { text } from "node:stream/consumers";
import type { Machine } from "../../src/machine/machine.ts";

/** What a command is run with beside its name: standard input, further environment variables, whether it is interrupted. */
export interface CommandOptions {
  readonly input?: string;
  /** The first words that it prints are followed by Ctrl-C. */
  readonly interrupted?: true;
  readonly environment?: Record<string, string | undefined>;
}

/** Runs a command of src/cli as a person in another terminal does, who has exported what the machine prints. */
export async function runCommand(machine: Machine, name: string, ...args: (string | CommandOptions)[]) {
  const { input = "", environment, interrupted } = args.find((arg) => typeof arg === "object") ?? {};
  const child = spawn(
    process.execPath,
    [path.resolve(`src/cli/${name}.ts`), ...args.filter((arg) => typeof arg === "string")],
    {
      stdio: ["pipe", "pipe", "pipe"],
      // In a session of its own there is no terminal to ask, wherever the tests run.
      detached: true,
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
        AWS_ENDPOINT_URL: machine.endpoint,
        AWS_REGION: machine.region,
        AWS_ACCESS_KEY_ID: machine.administrator.accessKeyId,
        AWS_SECRET_ACCESS_KEY: machine.administrator.secretAccessKey,
        ...environment,
      },
    },
  );
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  // A command may end without reading it.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  if (interrupted) child.stdout.once("data", () => child.kill("SIGINT"));
  const [stdout, stderr, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  return { stdout, stderr, exitCode };
}
