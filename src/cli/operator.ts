import { readFile } from "node:fs/promises";
import path from "node:path";
import { text } from "node:stream/consumers";
import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";
import { parseStack, type Stack } from "../operations/stack.ts";
import { UsageError } from "./inputs.ts";

/** The options with which a command says which stack it is about, for `parseArgs`. */
export const STACK_OPTIONS = {
  outputs: { type: "string" },
  profile: { type: "string" },
  region: { type: "string" },
  worker: { type: "string" },
} as const;

/** What they mean, for a usage text. */
export const STACK_USAGE = `  --outputs FILE      what \`pulumi stack output --json\` prints; - reads it from standard input
                      (default: .machine/dev/outputs.json, which npm run dev keeps)
  --profile NAME      profile of the AWS CLI (default: AWS_PROFILE, or the environment's keys)
  --region REGION     (default: AWS_REGION, or the profile's)
  --worker NAME       this worker alone (default: every worker)`;

export interface Operator extends Disposable {
  readonly stack: Stack;
  /** Names of the workers that are meant. */
  readonly workers: readonly string[];
  readonly s3: S3Client;
  readonly sqs: SQSClient;
}

/**
 * Whoever operates a stack, on AWS or, where AWS_ENDPOINT_URL says so, on this computer.
 * @throws {UsageError}
 */
export async function openOperator(
  options: { readonly [name in keyof typeof STACK_OPTIONS]?: string | undefined },
): Promise<Operator> {
  const { outputs = ".machine/dev/outputs.json", profile, region, worker } = options;
  // npm runs this in the project's folder; a path that is given is meant from where the person is.
  const file = options.outputs ? path.resolve(process.env.INIT_CWD ?? "", outputs) : outputs;
  const json =
    outputs === "-" ? await text(process.stdin) : await readFile(file, "utf8").catch(() => undefined);
  if (json === undefined) {
    throw new UsageError(`${file}: there is no such file. Give the stack's outputs with --outputs FILE.`);
  }
  const stack = parseStack(json);
  if (worker !== undefined && !stack.workers[worker]) {
    throw new UsageError(
      `There is no worker ${JSON.stringify(worker)}: the stack has ${Object.keys(stack.workers).join(", ")}.`,
    );
  }
  const client = { ...(profile ? { profile } : {}), ...(region ? { region } : {}) };
  const [s3, sqs] = [new S3Client(client), new SQSClient(client)];
  return {
    stack,
    workers: worker === undefined ? Object.keys(stack.workers) : [worker],
    s3,
    sqs,
    [Symbol.dispose]() {
      for (const each of [s3, sqs]) each.destroy();
    },
  };
}
