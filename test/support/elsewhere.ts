import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { text } from "node:stream/consumers";

/** What became of a command. */
export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly said: string;
}

/** The environment of somebody who has nothing of this project on their way, but its Node.js or another. */
export function environmentIn(folder: string, node = process.execPath): NodeJS.ProcessEnv {
  const ours = Object.keys(process.env).filter((name) =>
    /^(npm_|AWS_|INIT_CWD$|NODE_(OPTIONS|PATH|COMPILE_CACHE)$)/.test(name),
  );
  const places = [path.dirname(node), path.join(folder, "node_modules/.bin"), process.env.PATH];
  return {
    ...process.env,
    ...Object.fromEntries(ours.map((name) => [name, undefined])),
    PATH: places.join(path.delimiter),
  };
}

/** Runs a command in another folder, as somebody does who has nothing of this project on their way. */
export async function run(
  folder: string,
  command: readonly string[],
  env = environmentIn(folder),
): Promise<Ran> {
  const [file = "", ...args] = command;
  const child = spawn(file, args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  const exited = once(child, "exit");
  const [out, said] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: (await exited)[0], out, said };
}

/** Runs a command that must succeed. @returns what it printed */
export async function done(
  folder: string,
  command: readonly string[],
  env?: NodeJS.ProcessEnv,
): Promise<string> {
  const { code, out, said } = await run(folder, command, env);
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}: ${out}${said}`);
  return out;
}
