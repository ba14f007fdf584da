import { writeFile } from "node:fs/promises";
import path from "node:path";
import { type LocalAws, type LocalAwsOptions, startLocalAws } from "local-aws";
import type { StackOutputs, WorkerOutputs } from "../stack-outputs.ts";
import { type DeclaredResource, runProgram } from "./program.ts";
import { Omitted } from "./provision/provider.ts";
import { provision } from "./provision/provision.ts";
import { sweep } from "./provision/sweep.ts";
import { readStackConfig, regionOf } from "./stack-config.ts";

export interface MachineOptions extends Omit<LocalAwsOptions, "region"> {
  /** The folder with Pulumi.yaml and the program. */
  readonly project: string;
  /** The stack whose configuration is used. @default "dev" */
  readonly stack?: string;
  /** The program. @default index.ts in the project */
  readonly program?: string;
  /** Whether what is not run here is refused. @default false: it is taken as declared */
  readonly strict?: boolean;
  /** Called when a resource stands, before those that need it are begun: something may happen to the machine meanwhile. */
  readonly provisioned?: (resource: DeclaredResource, store: LocalAws["store"]) => Promise<void>;
}

/** A worker of any of the program's fan-outs: what its component registers. */
export interface Worker extends WorkerOutputs {
  /** Its own, after its fan-out's and a slash where there are several: each may have a worker of that name. */
  readonly name: string;
  readonly fanOut: string;
  /** The bucket whose images it is told of. */
  readonly source: string;
  /** The bucket that its results are in. */
  readonly results: string;
}

/**
 * The machine on this computer: what the program declares, running. Each part is the declared resource's
 * counterpart, and nothing here knows what the program is.
 */
export interface Machine extends Omit<LocalAws, "start" | "close" | "sns"> {
  readonly outputs: StackOutputs;
  /** The workers of all fan-outs, whether the program exports them or not. */
  readonly workers: readonly Worker[];
  /** What the program declares and is not run here, a line each. */
  readonly notRun: readonly string[];
  /** Stops, and loses nothing that was accepted and is on disk. */
  stop(): Promise<void>;
}

/** @throws Error in a sentence where the program asks for what cannot be had here */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  const { project, folder, strict, provisioned } = options;
  const stack = readStackConfig(project, options.stack ?? "dev");
  const aws = await startLocalAws({ ...options, region: regionOf(stack) });
  try {
    const omitted = new Omitted(strict);
    const services = {
      ...aws,
      omitted,
      arns: new Map<string, string>(),
      made: new Map(),
      elsewhere: new Set<string>(),
    };
    const scope = `${stack.project}/${stack.stack}`;
    const declared = new Set<string>();
    const workers: Worker[] = [];
    const outputs = await runProgram(
      options.program ?? path.join(project, "index.ts"),
      stack,
      async (resource) => {
        const made = await provision(resource, services, scope);
        declared.add(made.id);
        await provisioned?.(resource, aws.store);
        return made;
      },
      (component) => {
        // Nobody on this computer puts anything into a bucket of another stack.
        if (isWorker(component) && !services.elsewhere.has(component.source)) workers.push(component);
      },
    );
    await sweep(services, declared);
    aws.start();
    // As `pulumi stack output --json` prints them, for whoever operates the machine from another process.
    await writeFile(path.join(folder, "outputs.json"), `${JSON.stringify(outputs, null, 2)}\n`);
    return {
      ...aws,
      outputs: outputs as unknown as StackOutputs,
      workers: withOwnNames(workers).sort((a, b) => (a.name < b.name ? -1 : 1)),
      notRun: omitted.lines,
      stop: () => aws.close(),
    };
  } catch (error) {
    await aws.close();
    throw error;
  }
}

function withOwnNames(workers: readonly Worker[]): Worker[] {
  const several = new Set(workers.map(({ fanOut }) => fanOut)).size > 1;
  return workers.map((worker) => (several ? { ...worker, name: `${worker.fanOut}/${worker.name}` } : worker));
}

/** Tells a worker from other components. */
function isWorker(outputs: object): outputs is Worker {
  return ["name", "fanOut", "source", "results", "queue", "deadLetterQueue", "function", "prefix"].every(
    (name) => name in outputs,
  );
}
