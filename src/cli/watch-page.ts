import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Events } from "local-aws";
import { type Happening, LiveSource, serveWatch, type Wiring } from "machine-watch";
import type { Machine } from "../machine/machine.ts";
import { readStackConfig } from "../machine/stack-config.ts";
import type { WorkerOutputs } from "../stack-outputs.ts";
import { tellHappenings } from "./happenings.ts";
import { whenOrphaned } from "./orphan.ts";
import { accessWith, wired } from "./watch-access.ts";
import { PROJECT } from "./words.ts";

/** What `npm run dev` starts the process with that the machine is in, in JSON. */
export interface ToMachine {
  readonly port: number;
  readonly stack: string;
  readonly folder: string;
  readonly strict: boolean;
  /** Seed of its faults; empty where nothing goes wrong on purpose. */
  readonly seed: string;
  /** What an earlier one last sent. */
  readonly told: Told;
}

/** What was said already, and is not said again after a change. */
export interface Told {
  introduction: string;
  /** Images by worker. */
  rejected: Record<string, number>;
}

/** What the process of `npm run dev` that the machine is in tells the one that keeps it, one of these at a time. */
export interface FromMachine {
  /** What it has said already, for the next one not to say it again. */
  readonly told?: Told;
  readonly happenings?: readonly Happening[];
  /** It runs, and can be asked. */
  readonly running?: {
    readonly graph: Graph;
    readonly endpoint: string;
    readonly region: string;
    readonly administrator: Machine["administrator"];
  };
  /** Why it does not run. */
  readonly refused?: string;
}

/** What the watch page draws of a machine, in JSON. */
export type Graph = Omit<Wiring, "workers"> & Pick<Machine, "workers">;

export function wiringOf(graph: Graph): Wiring {
  return { ...graph, workers: graph.workers.map(wired) };
}

export function graphOf({ workers, fanOuts, outputs }: Machine, stack: string): Graph {
  // What a kind of worker adds is in the stack's outputs alone.
  const exported = Object.values(outputs).flatMap((output) =>
    typeof output === "object" && output !== null ? (Object.values(output) as Partial<WorkerOutputs>[]) : [],
  );
  return {
    title: `${readStackConfig(PROJECT, stack).project}/${stack}`,
    place: "on this computer",
    workers: workers.map((worker) => {
      const angle = exported.find((each) => each?.queue === worker.queue)?.angle;
      return angle === undefined ? worker : { ...worker, angle };
    }),
    fanOuts: fanOuts.map(({ source, results, topic }) => ({ source, results, topic })),
  };
}

/** A run that is shown on a page. */
export interface WatchedRun {
  /** Shows a machine; only the run does something to it. */
  begin(machine: Machine, stack: string): void;
  /** Lets a person do something to it, too, until they have seen enough. */
  over(): Promise<void>;
}

/** Serves a page of what happens, and prints its address. */
export async function watchRun(events: Events, undo: AsyncDisposableStack): Promise<WatchedRun> {
  const source = new LiveSource();
  source.hold(true);
  undo.defer(tellHappenings(events, PROJECT, (happening) => source.take(happening)));
  const page = await serveWatch(source);
  undo.defer(() => page.close());
  console.log(`Watch it at ${page.address}`);
  return {
    begin(machine, stack) {
      source.begin(wiringOf(graphOf(machine, stack)), accessWith(machine));
      source.become({ state: "running" });
    },
    async over() {
      source.hold(false);
      console.log(`The machine keeps running until Ctrl-C, so that you can watch it at ${page.address}`);
      const orphaned = new Promise<void>((resolve) => whenOrphaned(["start"], resolve));
      await Promise.race([once(process, "SIGINT"), orphaned]);
    },
  };
}

/** What opens an address in the browser, by platform; where none is named, it is what Linux has. */
const OPENERS: Partial<Record<NodeJS.Platform, readonly [command: string, ...args: string[]]>> = {
  darwin: ["open"],
  win32: ["rundll32", "url.dll,FileProtocolHandler"],
};

/** Opens an address in the browser, if there is one; whoever asked has the address all the same. */
export function openInBrowser(
  address: string,
  platform = process.platform,
  start: typeof spawn = spawn,
): void {
  const [command, ...args] = OPENERS[platform] ?? ["xdg-open"];
  const child = start(command, [...args, address], { stdio: "ignore", detached: true });
  child.once("error", () =>
    console.error("There is no browser here to open the page; its address is above."),
  );
  child.unref();
}
