import type { StackOutputs, WorkerOutputs } from "../stack-outputs.ts";

const OF_STACK = ["sourceBucket", "resultsBucket", "topic"] as const;
const OF_WORKERS = ["queue", "deadLetterQueue", "function", "logGroup", "prefix"] as const;

/**
 * Reads what `pulumi stack output --json` prints.
 * @throws Error in a sentence where it is something else
 */
export function parseStack(json: string): StackOutputs {
  let outputs: Partial<StackOutputs> | null;
  try {
    outputs = JSON.parse(json);
  } catch {
    throw new Error("The outputs are no JSON: give what `pulumi stack output --json` prints.");
  }
  const missing = [
    ...OF_STACK.filter((name) => !isText(outputs?.[name])),
    ...(outputs?.workers ? [] : ["workers"]),
    ...Object.entries<Partial<WorkerOutputs> | null>(outputs?.workers ?? {}).flatMap(([name, worker]) =>
      OF_WORKERS.filter((field) => !isText(worker?.[field])).map((field) => `workers.${name}.${field}`),
    ),
  ];
  if (missing.length > 0) {
    throw new Error(`The outputs lack ${missing.join(", ")}: are they those of this program's stack?`);
  }
  return outputs as StackOutputs;
}

/**
 * The answer to a command's first request.
 * @param what is asked, to begin a sentence with
 * @throws Error in a sentence where the machine cannot be reached
 */
export async function reached<T>(what: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    const { message, name } = error as Error;
    throw new Error(
      `${what} cannot be used: ${message || name}. Is the machine running, and are these credentials its account's?`,
      { cause: error },
    );
  }
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}
