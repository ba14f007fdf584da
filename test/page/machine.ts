import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import { Events } from "local-aws";
import { LiveSource, serveWatch, type WatchServer } from "machine-watch";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { tellHappenings } from "../../src/cli/happenings.ts";
import { accessWith } from "../../src/cli/watch-access.ts";
import { graphOf, wiringOf } from "../../src/cli/watch-page.ts";
import { type Machine, startMachine } from "../../src/machine/machine.ts";
import { withFolder } from "../support/machine.ts";
import { freePort } from "../support/port.ts";
import { launch, type Opened, open } from "./browser.ts";

/** A machine that is shown on a page, and a browser to open that in. */
export interface Watched {
  readonly machine: Machine;
  readonly source: LiveSource;
  readonly server: WatchServer;
  /** Opens the page in a window of its own. */
  open(options?: BrowserContextOptions): Promise<Opened>;
}

/** Runs a machine for some tests, with its page. */
export async function withWatched<T>(use: (watched: Watched) => Promise<T>): Promise<T> {
  const project = process.cwd();
  return withFolder(async (folder) => {
    await using undo = new AsyncDisposableStack();
    const events = new Events();
    const source = new LiveSource();
    tellHappenings(events, project, (happening) => source.take(happening));
    const machine = await startMachine({ project, folder, events });
    undo.defer(() => machine.stop());
    undo.defer(() => machine.lambda.abandon());
    source.begin(wiringOf(graphOf(machine, "dev")), accessWith(machine));
    source.become({ state: "running" });
    const server = await serveWatch(source);
    undo.defer(() => server.close());
    const browser: Browser = await launch();
    undo.defer(() => browser.close());
    return await use({ machine, source, server, open: (options) => open(browser, server.address, options) });
  });
}

/** Runs `npm run dev -- --open` for a test, in a project that can be changed meanwhile. What is opened is in the file "opened" of the folder. */
export async function withDev<T>(
  project: string,
  folder: string,
  use: (open: Watched["open"]) => Promise<T>,
): Promise<T> {
  const port = await freePort();
  const args = ["--open", "--port", `${port}`, "--folder", path.join(folder, "state")];
  const command = [path.join(project, "src/cli/dev.ts"), ...args];
  const bin = path.join(folder, "bin");
  await mkdir(bin);
  // Linux has one of these, macOS the other.
  for (const name of ["xdg-open", "open"]) {
    await writeFile(path.join(bin, name), `#!/bin/sh\necho "$1" > "${folder}/opened"\n`, { mode: 0o755 });
  }
  const env = { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH}` };
  const [result] = await withCommand(command, use, { cwd: project, env });
  return result;
}

/** Runs a command that prints the page's address, until the test is done with it. @returns its exit code, too */
export async function withCommand<T>(
  command: readonly string[],
  use: (open: Watched["open"]) => Promise<T>,
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<[result: T, exitCode: number | null]> {
  const child = spawn(process.execPath, command, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  try {
    const result = await opened(child, use);
    child.kill("SIGINT");
    return [result, await ended];
  } finally {
    child.kill("SIGINT");
    await ended;
  }
}

async function opened<T>(
  child: ChildProcessByStdio<null, Readable, Readable>,
  use: (open: Watched["open"]) => Promise<T>,
): Promise<T> {
  await using undo = new AsyncDisposableStack();
  let said = "";
  const address = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (text) => {
        said += text;
        const [, found] = /Watch it at (\S+)/.exec(said) ?? [];
        if (found !== undefined) resolve(found);
      });
    }
    child.once("exit", () => reject(new Error(`The command ended: ${said}`)));
  });
  const browser = await launch();
  undo.defer(() => browser.close());
  return await use((options) => open(browser, address, options));
}

/** Drops files on the page, as a person does. */
export async function drop(page: Page, files: Readonly<Record<string, Buffer>>): Promise<void> {
  const transfer = await page.evaluateHandle(
    (dropped) => {
      const data = new DataTransfer();
      for (const [name, base64] of dropped) {
        const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
        data.items.add(new File([bytes], name));
      }
      return data;
    },
    Object.entries(files).map(([name, body]) => [name, body.toString("base64")] as const),
  );
  await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
}
