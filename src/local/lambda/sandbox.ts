import { type ChildProcess, fork } from "node:child_process";
import path from "node:path";
import type { Writable } from "node:stream";
import { finished } from "node:stream/promises";

/** An invocation that did not come to a result, as Lambda reports it. */
export class InvocationError extends Error {
  override readonly name = "InvocationError";
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
  readonly error?: { errorType: string; errorMessage: string };
  readonly initError?: { errorType: string; errorMessage: string };
}

/**
 * One execution environment: a process of its own, for one invocation at a time. It is reused while it behaves
 * and killed when it overruns its time; a crash ends the invocation and nothing else.
 */
export class Sandbox {
  readonly #process: ChildProcess;
  readonly #closed: Promise<unknown>;
  /** The most memory that was ever in use, in MB; 0 before the first answer. */
  maxMemoryUsed = 0;
  /** It was killed or is about to end itself. */
  #doomed = false;
  #settle: ((answer: Answer | InvocationError) => void) | undefined;

  constructor(settings: SandboxSettings) {
    this.#process = fork(path.join(import.meta.dirname, "bootstrap.cjs"), {
      cwd: settings.taskRoot,
      env: settings.environment,
      // As Lambda has it: the heap of JavaScript leaves a tenth to everything else.
      execArgv: [`--max-old-space-size=${Math.floor(0.9 * settings.memorySize)}`],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    const outputs = [this.#process.stdout, this.#process.stderr].filter((output) => output !== null);
    for (const output of outputs) output.pipe(settings.log, { end: false });
    const exited = new Promise<void>((resolve) => {
      this.#process.once("exit", (code, signal) => {
        const how = signal ? `signal: ${signal}` : `exit status ${code}`;
        this.#settle?.(new InvocationError(`Runtime exited with error: ${how}`));
        resolve();
      });
    });
    // The "close" event would say both, but does not come where this side disconnects first.
    this.#closed = Promise.all([exited, ...outputs.map((output) => finished(output))]);
    this.#process.on("message", (answer: Answer) => {
      this.#doomed ||= answer.initError !== undefined || answer.outOfMemory === true;
      this.#settle?.(answer);
    });
    this.#process.on("error", (error) => this.#settle?.(new InvocationError(error.message)));
  }

  /** Whether another invocation can be given to it. */
  get usable(): boolean {
    return this.#process.connected && !this.#doomed;
  }

  /** @throws {InvocationError} where the handler threw, took too long or took the process down. */
  async invoke(invocation: Invocation): Promise<unknown> {
    const { timeout, ...rest } = invocation;
    const answer = await new Promise<Answer | InvocationError>((resolve) => {
      const overrun = setTimeout(() => {
        this.kill();
        resolve(new InvocationError(`Task timed out after ${timeout.toFixed(2)} seconds`));
      }, timeout * 1000);
      this.#settle = (settled) => {
        clearTimeout(overrun);
        resolve(settled);
      };
      this.#process.send({ ...rest, deadline: Date.now() + timeout * 1000 }, (error) => {
        if (error) this.#settle?.(new InvocationError(error.message));
      });
    });
    this.#settle = undefined;
    if (answer instanceof InvocationError) throw answer;
    this.maxMemoryUsed = answer.maxMemoryUsed ?? this.maxMemoryUsed;
    if (answer.outOfMemory) {
      throw new InvocationError("Runtime exited with error: signal: killed (out of memory)");
    }
    const error = answer.initError ?? answer.error;
    if (error) throw new InvocationError(`${error.errorType}: ${error.errorMessage}`);
    return answer.result;
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
