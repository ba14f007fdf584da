import type { StackOutputs, WorkerOutputs } from "../stack-outputs.ts";

const OF_STACK = ["sourceBucket", "resultsBucket", "topic"] as const;
const OF_WORKERS = ["queue", "deadLetterQueue", "function", "logGroup", "prefix"] as const;

/**
 * Reads what `pulumi stack output --json` prints.
 * @param fanOut output that has those of one fan-out of several; without it they are the stack's own
 * @throws Error in a sentence where it is something else
 */
export function parseStack(json: string, fanOut?: string): StackOutputs {
  let all: Record<string, unknown> | null;
  try {
    all = JSON.parse(json);
  } catch {
    throw new Error("The outputs are not JSON: give what `pulumi stack output --json` prints.");
  }
  const others = Object.keys(all ?? {}).filter((name) => isFanOut(all?.[name]));
  if (fanOut !== undefined && !others.includes(fanOut)) {
    const known = others.length > 0 ? `, only ${others.join(", ")}` : "";
    throw new Error(
      `The outputs have no fan-out ${JSON.stringify(fanOut)}${known}: export its \`outputs\` under that name.`,
    );
  }
  const outputs = (fanOut === undefined ? all : all?.[fanOut]) as Partial<StackOutputs> | null;
  const missing = [
    ...OF_STACK.filter((name) => !isText(outputs?.[name])),
    ...(outputs?.workers ? [] : ["workers"]),
    ...Object.entries<Partial<WorkerOutputs> | null>(outputs?.workers ?? {}).flatMap(([name, worker]) =>
      OF_WORKERS.filter((field) => !isText(worker?.[field])).map((field) => `workers.${name}.${field}`),
    ),
  ];
  if (missing.length > 0) {
    const remedy =
      others.length > 0 && fanOut === undefined
        ? `choose one of their fan-outs with --fan-out: ${others.join(", ")}.`
        : "are they from a stack of this program?";
    throw new Error(`The outputs lack ${missing.join(", ")}: ${remedy}`);
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

/** Whether an output is what a fan-out's `outputs` are. */
function isFanOut(value: unknown): boolean {
  return typeof value === "object" && value !== null && "workers" in value && "topic" in value;
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}
