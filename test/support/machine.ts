import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Events } from "local-aws";
import type { Input } from "../../src/machine/inputs.ts";
import { type Machine, type MachineOptions, startMachine } from "../../src/machine/machine.ts";
import { run, type Summary } from "../../src/machine/run.ts";
import { afterFile } from "./cleanup.ts";

/** A folder that is there for one test, and nothing of it afterwards. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), "image-machine-test-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A machine that runs for one test, whose faults fail it. */
export async function withMachine<T>(
  options: Partial<MachineOptions>,
  use: (machine: Machine, folder: string) => Promise<T>,
): Promise<T> {
  return withFolder(async (folder) => {
    const faults: unknown[] = [];
    const events = new Events();
    events.on("ended", ({ error }) => void (error && faults.push(error)));
    const machine = await startMachine({
      project: process.cwd(),
      folder: path.join(folder, "state"),
      report: (fault) => faults.push(fault),
      events,
      ...options,
    });
    try {
      const result = await use(machine, folder);
      if (faults.length > 0) throw new AggregateError(faults, "the machine reported faults");
      return result;
    } finally {
      await machine.stop();
    }
  });
}

/**
 * Holds what `open` gives to its function until the last test of the file that runs is over, whatever becomes of them.
 * @returns what it gives, as soon as it does
 */
export async function heldForFile<T>(open: (hold: (held: T) => Promise<void>) => Promise<void>): Promise<T> {
  const started = Promise.withResolvers<T>();
  const over = Promise.withResolvers<void>();
  const closed = open((held) => {
    started.resolve(held);
    return over.promise;
  });
  afterFile(() => {
    over.resolve();
    return closed;
  });
  // Where it cannot be opened, that is the error.
  await Promise.race([started.promise, closed]);
  return started.promise;
}

/** Puts files through a machine. The results are in `out`. */
export function runThrough(machine: Machine, inputs: Input[], out: string): Promise<Summary> {
  const all = async function* () {
    yield* inputs;
  };
  return run(machine, all, out, () => {});
}
