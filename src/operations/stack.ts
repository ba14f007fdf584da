/** Where one worker takes its messages and leaves its results. */
export interface StackWorker {
  /** URL of the queue. */
  readonly queue: string;
  /** URL of the dead-letter queue. */
  readonly deadLetterQueue: string;
  /** First segment of the keys of its results. */
  readonly prefix: string;
  /** Name of the function. */
  readonly function?: string;
  /** Name of the log group that the function writes to. */
  readonly logGroup?: string;
  /** Degrees clockwise that it turns images by; undefined for a worker that does something else. */
  readonly angle?: number;
}

/** The outputs of the program that operations need. */
export interface Stack {
  readonly sourceBucket: string;
  readonly resultsBucket: string;
  /** ARN of the topic. */
  readonly topic?: string;
  readonly workers: Readonly<Record<string, StackWorker>>;
}

/**
 * Reads what `pulumi stack output --json` prints.
 * @throws Error in a sentence where it is something else
 */
export function parseStack(json: string): Stack {
  let outputs: Partial<Stack> | null;
  try {
    outputs = JSON.parse(json);
  } catch {
    throw new Error("The outputs are no JSON: give what `pulumi stack output --json` prints.");
  }
  const missing = [
    ...["sourceBucket", "resultsBucket"].filter((name) => !isText(outputs?.[name as keyof Stack])),
    ...(outputs?.workers ? [] : ["workers"]),
    ...Object.entries(outputs?.workers ?? {}).flatMap(([name, worker]) =>
      ["queue", "deadLetterQueue", "prefix"]
        .filter((field) => !isText(worker?.[field as keyof StackWorker]))
        .map((field) => `workers.${name}.${field}`),
    ),
  ];
  if (missing.length > 0) {
    throw new Error(`The outputs lack ${missing.join(", ")}: are they those of this program's stack?`);
  }
  return outputs as Stack;
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
