import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";
import { ACCOUNT_ID } from "local-aws/arn";
import { UsageError } from "../machine/inputs.ts";
import { parseStack } from "../operations/stack.ts";
import type { StackOutputs } from "../stack-outputs.ts";
import { counted, fromHere, PROJECT } from "./words.ts";

/** The options with which a command says which stack it is about, for `parseArgs` and for its usage text. */
export const STACK = {
  options: {
    stack: { type: "string" },
    outputs: { type: "string" },
    "fan-out": { type: "string" },
    profile: { type: "string" },
    region: { type: "string" },
  },
  usage: `  --stack NAME        a stack on AWS; the Pulumi CLI is asked for its outputs
                      (default: the machine that npm run dev runs on this computer)
  --outputs FILE      instead of --stack: a file with the output of \`pulumi stack output --json\`,
                      or - for standard input
  --fan-out NAME      if the program has several fan-outs: the one whose \`outputs\` it exports as NAME
                      (default: the one whose outputs are the stack's own)
  --profile NAME      profile of the AWS CLI (default: AWS_PROFILE, or the environment's keys)
  --region REGION     AWS region (default: the stack's)`,
} as const;

/** The option with which a command is about one worker. */
export const WORKER = {
  options: { worker: { type: "string" } },
  usage: "  --worker NAME       only this worker (default: every worker)",
} as const;

/** What these options may say. */
type StackValues = { readonly [name in keyof typeof STACK.options | "worker"]?: string | undefined };

/** Says of dead letters that SQS did not show why that may be. */
export function notShown(count: number): string {
  return `about ${counted(count, "dead letter is", "dead letters are")} not shown: somebody is looking at them or just did, they have only just arrived, or there are more than the 120,000 that SQS shows at once.`;
}

export interface Operator extends Disposable {
  readonly stack: StackOutputs;
  /** Names of the workers that are meant. */
  readonly workers: readonly string[];
  readonly s3: S3Client;
  readonly sqs: SQSClient;
  /** Config of these clients, for others. */
  readonly client: { readonly profile?: string; readonly region?: string };
  /** Region of the stack; undefined where its outputs do not say so. */
  readonly region: string | undefined;
  /** True of a machine on this computer. */
  readonly local: boolean;
  /** The folder with the functions' logs, of a machine on this computer. */
  readonly logs: string | undefined;
}

/** Outputs of the machine that `npm run dev` runs. */
const LOCAL = path.join(PROJECT, ".machine/dev/outputs.json");

/**
 * Whoever operates a stack, on AWS or, where AWS_ENDPOINT_URL says so, on this computer.
 * @throws {UsageError}
 */
export async function openOperator(options: StackValues): Promise<Operator> {
  const { profile, worker } = options;
  const { json, file } = await outputsOf(options);
  const stack = parseStack(json, options["fan-out"]);
  if (worker !== undefined && !stack.workers[worker]) {
    throw new UsageError(
      `There is no worker ${JSON.stringify(worker)}: the stack has ${Object.keys(stack.workers).join(", ")}.`,
    );
  }
  const region = options.region ?? regionOf(stack);
  const client = { ...(profile ? { profile } : {}), ...(region ? { region } : {}) };
  const [s3, sqs] = [new S3Client(client), new SQSClient(client)];
  return {
    stack,
    workers: worker === undefined ? Object.keys(stack.workers) : [worker],
    s3,
    sqs,
    client,
    region,
    local: stack.topic?.split(":")[4] === ACCOUNT_ID,
    logs: logsBeside(file),
    [Symbol.dispose]() {
      for (const each of [s3, sqs]) each.destroy();
    },
  };
}

/** Reads what `pulumi stack output --json` prints, and names the file that it is from, if it is. @throws {UsageError} */
async function outputsOf({ stack, outputs, profile }: StackValues): Promise<{ json: string; file?: string }> {
  if (stack !== undefined && outputs !== undefined)
    throw new UsageError("Give --stack or --outputs, not both.");
  if (stack !== undefined) return { json: await outputsFromPulumi(stack) };
  if (outputs === "-") return { json: await text(process.stdin) };
  const file = outputs === undefined ? LOCAL : fromHere(outputs);
  const json = await readFile(file, "utf8").catch(() => undefined);
  if (outputs !== undefined) {
    if (json !== undefined) return { json, file };
    throw new UsageError(`${file}: there is no such file. --outputs needs a file with the stack's outputs.`);
  }
  // Without these, requests about the machine on this computer would go to AWS.
  const local = process.env.AWS_ENDPOINT_URL !== undefined || profile !== undefined;
  if (json !== undefined && local) return { json, file };
  throw new UsageError(
    "Which machine? Start `npm run dev` and export what it prints, or name a stack on AWS with --stack NAME.",
  );
}

/** @throws {UsageError} in a sentence where there is no CLI, or no such stack */
async function outputsFromPulumi(stack: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)("pulumi", ["stack", "output", "--json", "--stack", stack], {
      cwd: PROJECT,
      maxBuffer: 2 ** 24,
    });
    return stdout;
  } catch (error) {
    const { code, stderr = "", message } = error as NodeJS.ErrnoException & { stderr?: string };
    if (code === "ENOENT") {
      throw new UsageError(
        "The Pulumi CLI (`pulumi`), which reads the outputs of the stack, is not installed. Install it, https://www.pulumi.com/docs/install/, or give a file with the output of `pulumi stack output --json` with --outputs FILE.",
      );
    }
    throw new UsageError(
      `\`pulumi stack output --json --stack ${stack}\` failed: ${stderr.trim() || message}`,
    );
  }
}

/** Reads the region from the ARN of the topic. */
function regionOf({ topic = "" }: StackOutputs): string | undefined {
  return topic.split(":")[3] || undefined;
}

/** The machine on this computer keeps its logs beside its outputs. */
function logsBeside(file: string | undefined): string | undefined {
  const logs = file && path.join(path.dirname(file), "logs");
  return logs && existsSync(logs) ? logs : undefined;
}
