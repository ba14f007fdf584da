import { randomUUID } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { Writable } from "node:stream";
import { InvocationError, Sandbox, type SandboxSettings } from "./sandbox.ts";
import type { Semaphore } from "./semaphore.ts";

export interface FunctionSettings {
  readonly name: string;
  readonly arn: string;
  /** Seconds. */
  readonly timeout: number;
  /** MB. */
  readonly memorySize: number;
  readonly environment: Record<string, string>;
  readonly taskRoot: string;
  /** The file that takes its log, in the shape that CloudWatch shows. */
  readonly logFile: string;
}

/** A function with its sandboxes: one for each concurrent invocation, kept warm, within the account's concurrency. */
export class LocalFunction {
  readonly settings: FunctionSettings;
  readonly #account: Semaphore;
  readonly #log: Writable;
  readonly #sandboxes = new Set<Sandbox>();
  readonly #warm: Sandbox[] = [];
  readonly #onLine: SandboxSettings["onLine"];
  /** True once it takes no more invocations. */
  abandoned = false;

  /**
   * @param account bounds the invocations of all functions together, as an account's concurrency does
   * @param onLine gets each line that the function prints, and the request ID of its invocation
   */
  constructor(settings: FunctionSettings, account: Semaphore, onLine?: SandboxSettings["onLine"]) {
    this.settings = settings;
    this.#account = account;
    this.#onLine = onLine;
    this.#log = openLog(settings.logFile);
  }

  /**
   * @param options.onBegin is called when it is this invocation's turn
   * @throws {InvocationError}
   */
  async invoke(
    event: unknown,
    { requestId = randomUUID(), onBegin = () => {} }: { requestId?: string; onBegin?: () => void } = {},
  ): Promise<unknown> {
    const release = await this.#account.acquire();
    if (this.abandoned) {
      release();
      throw new InvocationError("exit", `${this.settings.name} takes no more invocations`);
    }
    onBegin();
    const { name, arn, timeout, memorySize } = this.settings;
    const started = performance.now();
    const sandbox = this.#warmSandbox() ?? this.#newSandbox();
    this.#log.write(`START RequestId: ${requestId} Version: $LATEST\n`);
    try {
      return await sandbox.invoke({ requestId, functionArn: arn, event, timeout });
    } catch (error) {
      const { message, error: thrown } = error as InvocationError;
      this.#log.write(`${requestId} ${thrown?.stackTrace.join("\n") || message}\n`);
      throw error;
    } finally {
      const duration = (performance.now() - started).toFixed(2);
      if (sandbox.usable) await sandbox.allRead();
      this.#log.write(`END RequestId: ${requestId}\n`);
      this.#log.write(
        `REPORT RequestId: ${requestId}\tDuration: ${duration} ms\tMemory Size: ${memorySize} MB\tMax Memory Used: ${sandbox.maxMemoryUsed} MB\tFunction: ${name}\n`,
      );
      if (sandbox.usable) this.#warm.push(sandbox);
      else this.#remove(sandbox);
      release();
    }
  }

  #remove(sandbox: Sandbox): void {
    void sandbox.close().then(() => this.#sandboxes.delete(sandbox));
  }

  /** Makes a sandbox for an invocation to come, so that its code is loaded meanwhile. One that cannot load it is replaced then. */
  warm(): void {
    this.#warm.push(this.#newSandbox());
  }

  /** Takes a warm sandbox whose process still runs. */
  #warmSandbox(): Sandbox | undefined {
    for (let sandbox = this.#warm.pop(); sandbox; sandbox = this.#warm.pop()) {
      if (sandbox.usable) return sandbox;
      this.#remove(sandbox);
    }
    return undefined;
  }

  #newSandbox(): Sandbox {
    const sandbox = new Sandbox({ ...this.settings, log: this.#log, onLine: this.#onLine });
    this.#sandboxes.add(sandbox);
    return sandbox;
  }

  /** Kills the sandboxes that are at work. */
  kill(): void {
    for (const sandbox of this.#sandboxes) if (!this.#warm.includes(sandbox)) sandbox.kill();
  }

  /** Kills what is at work, and begins nothing more. */
  abandon(): void {
    this.abandoned = true;
    this.kill();
  }

  /** Ends all sandboxes. Nothing may be running any more. */
  async close(): Promise<void> {
    await Promise.all([...this.#sandboxes].map((sandbox) => sandbox.close()));
    await new Promise<void>((resolve) => this.#log.end(resolve));
  }
}

/** Opens a file to write at its end, at once: to ask another thread takes longer than the few lines do. */
function openLog(file: string): Writable {
  const descriptor = openSync(file, "a");
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      try {
        writeSync(descriptor, chunk);
        done();
      } catch (error) {
        done(error as Error);
      }
    },
    destroy(error, done) {
      closeSync(descriptor);
      done(error);
    },
  });
}
