import { type ChildProcess, fork } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { setImmediate } from "node:timers/promises";

/** An error that a function threw, as Lambda's runtime reports it. */
export interface FunctionError {
  readonly errorType: string;
  readonly errorMessage: string;
  readonly stackTrace: readonly string[];
}

/**
 * Kinds of failed invocations: "init", the code could not be loaded; "thrown", the handler threw; "timeout", it took too
 * long; "memory", it took more than the function has; "exit", the process ended; "answer", Lambda cannot read what it
 * answered; "throttled", there was no room for it, so that nothing ran.
 */
export type FailureKind = "init" | "thrown" | "timeout" | "memory" | "exit" | "answer" | "throttled";

/** An invocation that did not come to a result, as Lambda reports it. */
export class InvocationError extends Error {
  override readonly name = "InvocationError";
  readonly kind: FailureKind;
  /** The error that the function threw, if it threw one. */
  readonly error: FunctionError | undefined;

  constructor(kind: FailureKind, message: string, error?: FunctionError) {
    super(message);
    this.kind = kind;
    this.error = error;
  }
}

export interface SandboxSettings {
  /** The whole environment of the process: nothing is inherited. */
  readonly environment: Record<string, string>;
  /** MB that the process may use before it is killed. */
  readonly memorySize: number;
  /** The folder that the function's code was unpacked to. */
  readonly taskRoot: string;
  /** Takes what the function prints. */
  readonly log: Writable;
  /** Gets each line that the function prints, and the request ID of the last invocation that began before it. */
  readonly onLine?: ((line: string, requestId: string) => void) | undefined;
}

export interface Invocation {
  readonly requestId: string;
  readonly functionArn: string;
  readonly event: unknown;
  /** Seconds until the sandbox is killed. */
  readonly timeout: number;
}

interface Answer {
  /** MB, since the sandbox was made. */
  readonly maxMemoryUsed?: number;
  readonly outOfMemory?: true;
  readonly result?: unknown;
  readonly error?: FunctionError;
  readonly initError?: FunctionError;
  /** An uncaught error, which ends the process. */
  readonly uncaught?: FunctionError;
}

/** Interval in milliseconds at which the memory of a working process is checked against its limit. */
const MEMORY_CHECK_MS = 20;

/** V8's last words when the heap is exhausted. */
const HEAP_EXHAUSTED = "JavaScript heap out of memory";

/**
 * One execution environment: a process of its own, for one invocation at a time. It is reused while it behaves
 * and killed when it overruns its time; a crash ends the invocation and nothing else.
 */
export class Sandbox {
  readonly #process: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #outputs: readonly Readable[];
  /** Bytes that the process has printed so far, as far as they are read. */
  #printed = 0;
  /** Maximum memory in use so far, in MB; 0 before the first answer. */
  maxMemoryUsed = 0;
  readonly #memorySize: number;
  /** True once it was killed or is about to end itself. */
  #doomed = false;
  /** The code is loaded. */
  #ready = false;
  #heapExhausted = false;
  #requestId = "";
  #settle: ((answer: Answer | InvocationError) => void) | undefined;

  constructor(settings: SandboxSettings) {
    this.#memorySize = settings.memorySize;
    this.#process = fork(path.join(import.meta.dirname, "bootstrap.cjs"), {
      cwd: settings.taskRoot,
      env: settings.environment,
      // As Lambda has it: the heap of JavaScript leaves a tenth to everything else.
      execArgv: [`--max-old-space-size=${Math.floor(0.9 * settings.memorySize)}`],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    const outputs = [this.#process.stdout, this.#process.stderr].filter((output) => output !== null);
    this.#outputs = outputs;
    for (const output of outputs) {
      output.on("data", (chunk: Buffer) => {
        this.#printed += chunk.length;
      });
      output.pipe(settings.log, { end: false });
      createInterface(output).on("line", (line) => {
        this.#heapExhausted ||= line.includes(HEAP_EXHAUSTED);
        settings.onLine?.(line, this.#requestId);
      });
    }
    const outputsEnded = Promise.all(outputs.map((output) => finished(output).catch(() => {})));
    const exited = new Promise<void>((resolve) => {
      this.#process.once("exit", async (code, signal) => {
        this.#doomed = true;
        resolve();
        // Its last words say whether memory was the reason.
        await outputsEnded;
        this.#settle?.(this.#heapExhausted ? outOfMemory() : exitError(code, signal));
      });
    });
    // The "close" event would say both, but does not come where this side disconnects first.
    this.#closed = Promise.all([exited, outputsEnded]);
    this.#process.on("message", (answer: Answer | "ready") => {
      if (answer === "ready") {
        this.#ready = true;
        return;
      }
      this.#doomed ||= Boolean(answer.initError ?? answer.outOfMemory ?? answer.uncaught);
      this.#settle?.(answer);
    });
    this.#process.on("error", (error) => this.#settle?.(new InvocationError("exit", error.message)));
  }

  /** True while it can take another invocation. */
  get usable(): boolean {
    return this.#process.connected && !this.#doomed;
  }

  /** @throws {InvocationError} where the handler threw, took too long or took the process down. */
  async invoke(invocation: Invocation): Promise<unknown> {
    const { timeout, ...rest } = invocation;
    this.#requestId = invocation.requestId;
    let overrun: NodeJS.Timeout | undefined;
    let memoryCheck: NodeJS.Timeout | undefined;
    const answer = await new Promise<Answer | InvocationError>((resolve) => {
      this.#settle = resolve;
      const end = (error: InvocationError) => {
        this.kill();
        resolve(error);
      };
      overrun = setTimeout(() => end(this.#timedOut(timeout)), timeout * 1000);
      memoryCheck = setInterval(() => {
        const used = residentMemory(this.#process.pid);
        if (used <= this.#memorySize) return;
        this.maxMemoryUsed = Math.ceil(used);
        end(outOfMemory());
      }, MEMORY_CHECK_MS);
      // Where it cannot be sent the process is ending, and how it ends says more.
      this.#process.send({ ...rest, deadline: Date.now() + timeout * 1000 }, () => {});
    });
    this.#settle = undefined;
    clearTimeout(overrun);
    clearInterval(memoryCheck);
    if (answer instanceof InvocationError) throw answer;
    this.maxMemoryUsed = answer.maxMemoryUsed ?? this.maxMemoryUsed;
    if (answer.outOfMemory) throw outOfMemory();
    const kind = answer.initError ? "init" : answer.uncaught ? "exit" : "thrown";
    const error = answer.initError ?? answer.uncaught ?? answer.error;
    if (error) throw new InvocationError(kind, `${error.errorType}: ${error.errorMessage}`, error);
    return answer.result;
  }

  /**
   * Resolves when what the process printed before its answer is read, which comes by another way: a line that is read later
   * would be taken for one of the next invocation.
   */
  async allRead(): Promise<void> {
    let before: number;
    do {
      before = this.#printed;
      await setImmediate();
    } while (this.#printed > before || this.#outputs.some((output) => output.readable && output.isPaused()));
  }

  #timedOut(timeout: number): InvocationError {
    const after = `timed out after ${timeout.toFixed(2)} seconds`;
    return this.#ready
      ? new InvocationError("timeout", `Task ${after}`)
      : new InvocationError("init", `Loading the code ${after}`);
  }

  /** Ends the process at once, as a crash does. */
  kill(): void {
    this.#doomed = true;
    this.#process.kill("SIGKILL");
  }

  /** Ends the process once it is idle; what it was doing is lost, as it is when Lambda takes a sandbox away. */
  async close(): Promise<void> {
    if (this.#process.connected) this.#process.disconnect();
    await this.#closed;
  }
}

function outOfMemory(): InvocationError {
  return new InvocationError("memory", "Runtime exited with error: signal: killed (out of memory)");
}

function exitError(code: number | null, signal: string | null): InvocationError {
  const how = signal ? `signal: ${signal}` : `exit status ${code}`;
  return new InvocationError("exit", `Runtime exited with error: ${how}`);
}

/**
 * Reads how much memory a process uses, in MB, as a handler that allocates without a pause never lets its own process
 * look. 0 on systems that do not say: there the process has to look by itself.
 */
function residentMemory(pid: number | undefined): number {
  if (process.platform !== "linux") return 0;
  try {
    const kilobytes = /^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kilobytes ?? 0) / 1024;
  } catch {
    return 0;
  }
}
