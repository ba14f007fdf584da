import { writeFile } from "node:fs/promises";
import path from "node:path";
import { type LocalAws, type LocalAwsOptions, startLocalAws } from "local-aws";
import type { StackOutputs } from "../stack-outputs.ts";
import { type DeclaredResource, runProgram } from "./program.ts";
import { ProgramError } from "./program-error.ts";
import { Omitted, type Services } from "./provision/provider.ts";
import { provision } from "./provision/provision.ts";
import { NOTIFICATION } from "./provision/s3.ts";
import { sweep } from "./provision/sweep.ts";
import { DEFAULT_STACK, programIn, readStackConfig, regionOf } from "./stack-config.ts";
import { isWorker, type Worker, withOwnNames } from "./worker.ts";

export interface MachineOptions extends Omit<LocalAwsOptions, "region"> {
  /** The folder with Pulumi.yaml and the program. */
  readonly project: string;
  /** The stack whose configuration is used. @default "dev" */
  readonly stack?: string;
  /** The program. @default the project's */
  readonly program?: string;
  /** Whether what is not run here is refused. @default false: it is taken as declared */
  readonly strict?: boolean;
  /** Called when a resource stands, before those that need it are begun: something may happen to the machine meanwhile. */
  readonly provisioned?: (resource: DeclaredResource, store: LocalAws["store"]) => Promise<void>;
}

/**
 * The machine on this computer: what the program declares, running. Each part is the declared resource's
 * counterpart, and nothing here knows what the program is.
 */
export interface Machine extends Omit<LocalAws, "start" | "close" | "sns"> {
  readonly outputs: StackOutputs;
  /** The workers of all fan-outs, whether the program exports them or not. */
  readonly workers: readonly Worker[];
  /** All fan-outs, with the workers that they have here or without any. */
  readonly fanOuts: readonly FanOut[];
  /** What the program declares and is not run here, a line each. */
  readonly notRun: readonly string[];
  /** Stops, and loses nothing that was accepted and is on disk. */
  stop(): Promise<void>;
}

/** @throws Error in a sentence where the program asks for what cannot be had here */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  const { project, folder, strict, provisioned } = options;
  const stack = readStackConfig(project, options.stack ?? DEFAULT_STACK);
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
    const workers: Worker[] = [];
    const fanOuts: FanOut[] = [];
    const outputs = await runProgram(
      options.program ?? programIn(project),
      stack,
      async (resource) => {
        const made = await provision(resource, services, scope);
        await provisioned?.(resource, aws.store);
        return made;
      },
      (component) => {
        if (isWorker(component)) workers.push(component);
        if (isFanOut(component)) fanOuts.push(component);
      },
    );
    // Nobody on this computer puts anything into a bucket of another stack.
    const elsewhere = fanOuts.filter(({ topic }) => services.elsewhere.has(topic));
    const isHere = ({ source }: Worker) => !elsewhere.some((fanOut) => fanOut.source === source);
    await sweep(services);
    const added = await addNotifications(services, fanOuts);
    // As `pulumi stack output --json` prints them, for whoever operates the machine from another process.
    await writeFile(path.join(folder, "outputs.json"), `${JSON.stringify(outputs, null, 2)}\n`);
    // Last of all: whoever waits for the machine has it before a function can have begun with anything.
    aws.start();
    return {
      ...aws,
      outputs: outputs as unknown as StackOutputs,
      workers: withOwnNames(workers.filter(isHere)).sort((a, b) => (a.name < b.name ? -1 : 1)),
      fanOuts: fanOuts.filter((fanOut) => !elsewhere.includes(fanOut)),
      notRun: [...omitted.lines, ...added],
      stop: () => aws.close(),
    };
  } catch (error) {
    await aws.close();
    throw error;
  }
}

/** A fan-out, by the outputs that its component registers. */
export interface FanOut {
  readonly source: string;
  readonly results: string;
  readonly topic: string;
  readonly notificationToAdd?: NotificationToAdd;
}

/** What is left to the owner of a source bucket. */
interface NotificationToAdd {
  readonly TopicConfigurations: readonly {
    readonly Id: string;
    readonly TopicArn: string;
    readonly Events: readonly string[];
    readonly Filter?: {
      readonly Key: { readonly FilterRules: readonly { readonly Name: string; readonly Value: string }[] };
    };
  }[];
}

function isFanOut(outputs: object): outputs is FanOut {
  return ["source", "results", "topic"].every((name) => name in outputs);
}

/**
 * Adds what owners of buckets would, unless the program itself has notifications of the bucket, beside which it would be to add.
 * @returns a line for each bucket
 * @throws {ProgramError} where S3 would refuse it
 */
async function addNotifications({ store, made }: Services, fanOuts: readonly FanOut[]): Promise<string[]> {
  const left = Map.groupBy(
    fanOuts.flatMap(({ source, notificationToAdd }) =>
      (notificationToAdd?.TopicConfigurations ?? []).map((toAdd) => ({ source, toAdd })),
    ),
    ({ source }) => source,
  );
  const lines: string[] = [];
  for (const [bucket, all] of left) {
    const topics = all.map(({ toAdd: { Id: id, TopicArn: topicArn, Events: events, Filter } }) => {
      const rule = (name: string) => Filter?.Key.FilterRules.find(({ Name }) => Name === name)?.Value;
      return { id, topicArn, events, filterPrefix: rule("prefix"), filterSuffix: rule("suffix") };
    });
    if (made.has(`${NOTIFICATION} ${bucket}`)) {
      const known = store.bucket(bucket).notification.topics.map(({ topicArn }) => topicArn);
      if (topics.every(({ topicArn }) => known.includes(topicArn))) continue;
      lines.push(
        `not added: a notification to ${bucket}. The program declares the bucket's notifications itself, and on AWS those would replace it`,
      );
      continue;
    }
    try {
      await store.setNotification(bucket, { topics });
    } catch (error) {
      throw new ProgramError(
        `S3 refuses the notification that the owner of ${bucket} would have to add: ${(error as Error).message}`,
        { cause: error },
      );
    }
    lines.push(`added here: a notification to ${bucket}; on AWS, its owner must add it`);
  }
  return lines;
}
