import { readFileSync } from "node:fs";
import path from "node:path";
import type { BatchInvocation, FailureKind, InvocationError } from "local-aws";
import { createdObjects } from "../delivery/envelope.ts";
import type { Machine } from "./machine.ts";
import { resultIn, takingUploads, type Worker } from "./worker.ts";

/** One way in which a worker fails, and how often it has. */
export interface Failure {
  readonly worker: string;
  readonly kind: FailureKind;
  /** What was thrown or what happened, in one line. */
  readonly what: string;
  /** The first place of the project's TypeScript in the stack trace, for example `handlers/grey.ts:5:51`. */
  readonly place: string | undefined;
  readonly logFile: string;
  times: number;
}

/** What is known of one failure before it is a kind. */
interface Occurrence extends Omit<Failure, "worker" | "times"> {
  readonly functionName: string;
  readonly keys: readonly string[];
  /** Follows "WORKER ", the images' keys in it. */
  readonly sentence: string;
  /** Seconds until it is tried again, where that is known. */
  readonly seconds?: number | undefined;
}

export interface FailuresOptions {
  /** Prints a text of one or more lines. */
  readonly say: (text: string) => void;
  /** The folder that places are relative to. */
  readonly project: string;
  /** Whether what failed is tried again as soon as a source is saved. @default false */
  readonly watching?: boolean;
  /** How many images there are in all: a worker that fails with each is hopeless, however few they are. */
  readonly images?: number;
  /** Where a worker's log is kept, whose own file goes with the machine. @default where it is written */
  readonly keptLog?: (worker: string) => string;
  /** Milliseconds after which it is said what a worker is still at. */
  readonly slowAfter?: number;
}

/** How many images must fail in the same way, without a success, before a worker is hopeless. */
const ENOUGH = 5;
/** The same for those that took too long: whoever waits has waited long enough. */
const ENOUGH_TIMEOUTS = 2;

/** How many keys are named where any of several images can be the cause. */
const NAMED = 3;

/** Invocations that are remembered: a line of their logs may be read after they have ended. */
const REMEMBERED = 100;

const SLOW_AFTER_MS = 15_000;

/**
 * Tells a person how the workers' functions fail: the first failure of each kind at once, with image and place, and every
 * further one by number.
 */
export class Failures {
  readonly #workers: readonly Worker[];
  readonly #options: FailuresOptions;
  readonly #kinds = new Map<string, Failure>();
  /** Names of the workers that have made a result or rejected an image. */
  readonly #working = new Set<string>();
  /** The kind of all failures of a worker since the last that was of another kind, and the images that failed in this way. */
  readonly #streaks = new Map<string, { readonly failure: Failure; readonly keys: Set<string> }>();
  /** The last invocations by their request IDs, and what tells that one takes long. */
  readonly #invocations = new Map<string, { readonly invocation: BatchInvocation; slow?: NodeJS.Timeout }>();

  constructor({ events, workers }: Pick<Machine, "events" | "workers">, options: FailuresOptions) {
    this.#workers = workers;
    this.#options = options;
    events.on("begun", (invocation) => this.#begun(invocation));
    events.on("put", (object) => this.#works(resultIn(workers, object)?.worker));
    events.on("sent", ({ queueArn }) => {
      const queue = `/${queueArn.split(":").at(-1)}`;
      this.#works(workers.find(({ deadLetterQueue }) => deadLetterQueue.endsWith(queue)));
    });
    events.on("ended", (invocation) => {
      clearTimeout(this.#invocations.get(invocation.requestId)?.slow);
      if (invocation.error) this.#occurred(batchFailure(invocation, invocation.error));
    });
    events.on("logged", ({ requestId, line }) => {
      const { invocation } = this.#invocations.get(requestId) ?? {};
      const record = loggedError(line);
      const occurrence = invocation && record && messageFailure(invocation, record);
      if (occurrence) this.#occurred(occurrence);
    });
  }

  /** How a worker fails that cannot be expected to succeed with any image. */
  hopeless(worker: string): Failure | undefined {
    const streak = this.#working.has(worker) ? undefined : this.#streaks.get(worker);
    if (!streak) return undefined;
    const { failure, keys } = streak;
    if (failure.kind === "init") return failure;
    const enough = failure.kind === "timeout" ? ENOUGH_TIMEOUTS : ENOUGH;
    // Of others' results nobody knows how many there are in all.
    const isCounted = takingUploads(this.#workers).some(({ name }) => name === worker);
    const images = isCounted ? (this.#options.images ?? enough) : enough;
    return keys.size >= Math.min(enough, images) ? failure : undefined;
  }

  /** All kinds so far, in the order in which they were met. */
  get kinds(): readonly Failure[] {
    return [...this.#kinds.values()];
  }

  #works(worker: Worker | undefined): void {
    if (worker) this.#working.add(worker.name);
  }

  #begun(invocation: BatchInvocation): void {
    const { requestId, functionName, timeout, messages } = invocation;
    const slowAfter = this.#options.slowAfter ?? SLOW_AFTER_MS;
    const tell = () => {
      const worker = this.#nameOf(functionName);
      if (this.#working.has(worker) || this.hopeless(worker)) return;
      const at = `${worker} has been working on ${images(keysOf(messages))} for ${slowAfter / 1000} s`;
      this.#options.say(`${at}; its timeout ends it after ${timeout} s.`);
    };
    const isLong = slowAfter < timeout * 1000;
    this.#invocations.set(requestId, {
      invocation,
      ...(isLong && { slow: setTimeout(tell, slowAfter).unref() }),
    });
    const [oldest = ""] = this.#invocations.keys();
    if (this.#invocations.size > REMEMBERED) this.#invocations.delete(oldest);
  }

  #nameOf(functionName: string): string {
    return this.#workers.find((worker) => worker.function === functionName)?.name ?? functionName;
  }

  #occurred({ functionName, keys, sentence, seconds, ...rest }: Occurrence): void {
    const worker = this.#nameOf(functionName);
    const { kind, what, place } = rest;
    // In one place an error can have many messages, a key in each perhaps.
    const id = JSON.stringify([worker, kind, place ? [place, what.split(":")[0]] : what]);
    let failure = this.#kinds.get(id);
    if (failure) {
      failure.times++;
      if (isPowerOfTen(failure.times)) {
        const where = place ? ` (${place})` : "";
        this.#options.say(`${worker} has failed in this way ${failure.times} times: ${what}${where}`);
      }
    } else {
      failure = { worker, ...rest, times: 1 };
      this.#kinds.set(id, failure);
      this.#options.say(this.#told(failure, sentence, seconds));
    }
    let streak = this.#streaks.get(worker);
    if (streak?.failure !== failure) {
      streak = { failure, keys: new Set() };
      this.#streaks.set(worker, streak);
    }
    for (const key of keys) if (streak.keys.size < ENOUGH) streak.keys.add(key);
  }

  /** How the first failure of a kind is told. */
  #told({ worker, place, logFile }: Failure, sentence: string, seconds: number | undefined): string {
    const { project, watching, keptLog } = this.#options;
    const line = place && sourceLine(project, place);
    const when = seconds === undefined ? "after the queue's visibility timeout" : `in ${seconds} s`;
    return [
      `${worker} ${sentence}`,
      ...(place ? [`    at ${place}`] : []),
      ...(line ? [`       ${line}`] : []),
      `    Tried again ${when}${watching ? ", or as soon as you save a source file" : ""}; repeats are counted. Its log: ${keptLog ? `${keptLog(worker)}, once the run is over` : logFile}`,
    ].join("\n");
  }
}

/** What delivery logs of a message that must come again. */
function messageFailure(
  { functionName, messages, taskRoot, logFile }: BatchInvocation,
  { messageId, key, error, seconds }: Readonly<Record<string, unknown>>,
): Occurrence | undefined {
  if (typeof messageId !== "string" || !isObject(error)) return undefined;
  const keys =
    typeof key === "string" ? [key] : keysOf(messages.filter((message) => message.messageId === messageId));
  const what = firstLine(`${error.name ?? "Error"}: ${error.message ?? ""}`);
  return {
    ...{ functionName, kind: "thrown", what, logFile, keys },
    place: placeIn(lines(error.stack), taskRoot),
    sentence: `failed with ${images(keys)}: ${what}`,
    seconds: typeof seconds === "number" ? seconds : undefined,
  };
}

/** What a function logs as an error, where it does so as JSON, as Powertools and Lambda's own JSON format do. */
export function loggedError(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith("{") || !line.includes('"level":"ERROR"')) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** What an invocation that failed as a whole says about its images. */
function batchFailure(invocation: BatchInvocation, { kind, message, error }: InvocationError): Occurrence {
  const { functionName, timeout, memorySize, taskRoot, logFile, messages } = invocation;
  const keys = keysOf(messages);
  const what = firstLine(message);
  const batch = images(keys);
  const sentences: Record<FailureKind, string> = {
    init: `cannot be loaded, so it processes nothing: ${what}`,
    thrown: `failed with ${batch}: ${what}`,
    timeout: `was stopped while it worked on ${batch}: it took longer than its timeout of ${timeout} s (workers.timeout).`,
    memory: `was stopped while it worked on ${batch}: it took more than its ${memorySize} MB of memory (workers.memorySize).`,
    exit: `exited while it worked on ${batch}: ${what}`,
    throttled: `was not called for ${batch}, because there was no room for it: ${what}`,
    answer: `returned a bad answer for ${batch}: ${what}. Lambda accepts nothing, or { batchItemFailures: [{ itemIdentifier }] } with messages of the batch.`,
  };
  return {
    functionName,
    kind,
    what: kind === "answer" ? `bad answer: ${what}` : what,
    place: placeIn(error?.stackTrace ?? [], taskRoot),
    logFile,
    keys,
    sentence: sentences[kind],
  };
}

/** The first place in a stack trace that is the project's own, and of delivery's only where there is no other. */
export function placeIn(stackTrace: readonly string[], taskRoot: string): string | undefined {
  // The system may know the folder by another path, but not by another name.
  const root = `${path.sep}${path.basename(taskRoot)}${path.sep}`;
  const places = stackTrace.flatMap((line) => {
    const [, file] = /^\s+at (?:.*\()?(.+\.[cm]?tsx?:\d+:\d+)\)?$/.exec(line) ?? [];
    if (!file) return [];
    const at = file.lastIndexOf(root);
    return [(at < 0 ? file : file.slice(at + root.length)).replaceAll(path.sep, "/")];
  });
  return places.find((place) => !place.startsWith("src/delivery/")) ?? places[0];
}

/** The line of code at a place, where the file is there. */
export function sourceLine(project: string, place: string): string | undefined {
  const [, file = "", line] = /^(.+):(\d+):\d+$/.exec(place) ?? [];
  try {
    return readFileSync(path.resolve(project, file), "utf8").split("\n")[Number(line) - 1]?.trim();
  } catch {
    return undefined;
  }
}

function keysOf(messages: readonly { readonly body: string }[]): string[] {
  return messages.flatMap(({ body }) => {
    try {
      return createdObjects(body).map(({ key }) => key);
    } catch {
      return ["(a message that is not an S3 event)"];
    }
  });
}

/** One image by its key, or several of which any may be meant. */
function images(keys: readonly string[]): string {
  if (keys.length <= 1) return keys[0] ?? "a message";
  const more = keys.length > NAMED ? ", …" : "";
  return `one of ${keys.length} images (${keys.slice(0, NAMED).join(", ")}${more})`;
}

function isPowerOfTen(number: number): boolean {
  return /^10+$/.test(String(number));
}

export function firstLine(text: string): string {
  return text.split("\n")[0] ?? "";
}

export function lines(stack: unknown): string[] {
  return Array.isArray(stack) ? stack.map(String) : String(stack ?? "").split("\n");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
