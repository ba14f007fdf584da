import { readdirSync, readFileSync } from "node:fs";
import { chaos, Events, Faults } from "local-aws";
import { startMachine } from "../../src/machine/machine.ts";

/**
 * The process of a machine that may be killed at any time: FOLDER, PORT and, where things shall go wrong, SEED are its
 * arguments. It answers "idle" and "state", and stops at "stop".
 */
const [folder = "", port = "0", seed] = process.argv.slice(2);

const faults = seed === undefined ? undefined : new Faults(chaos(seed));
const report = process.env.CHAOS_REPORT ? (fault: unknown) => console.error(fault) : () => {};
const events = new Events();
events.on("ended", ({ error }) => error && report(error));
const machine = await startMachine({
  project: process.cwd(),
  folder,
  port: Number(port),
  durable: true,
  events,
  report,
  ...(faults ? { faults } : {}),
});
const { outputs, region, administrator } = machine;

process.on("message", async (message) => {
  if (typeof message === "object" && message !== null && "seed" in message) {
    if (faults) faults.plan = chaos(String(message.seed));
  } else if (message === "stop") {
    await machine.stop();
    process.disconnect?.();
  } else {
    process.send?.(message === "idle" ? machine.store.idle() : state());
  }
});
process.on("disconnect", () => process.exit());
process.send?.({ outputs, region, administrator });

function state() {
  // What is garbage is no leak.
  globalThis.gc?.();
  return {
    faults: faults?.counts ?? {},
    heap: Math.round(process.memoryUsage().heapUsed / 2 ** 20),
    memory: Math.round(process.memoryUsage.rss() / 2 ** 20),
    files: readdirSync("/proc/self/fd").length,
    handles: process.getActiveResourcesInfo().length,
    processes: childProcesses(),
  };
}

function childProcesses(): number {
  return readdirSync("/proc/self/task").flatMap((task) => {
    return readFileSync(`/proc/self/task/${task}/children`, "utf8").split(" ").filter(Boolean);
  }).length;
}
