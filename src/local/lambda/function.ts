import { randomUUID } from "node:crypto";
import { createWriteStream, type WriteStream } from "node:fs";
import { InvocationError, Sandbox } from "./sandbox.ts";
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

/** A function: as many sandboxes as are needed at once, kept warm, and none more than the account allows. */
export class LocalFunction {
  readonly settings: FunctionSettings;
  readonly #account: Semaphore;
  readonly #log: WriteStream;
  readonly #sandboxes = new Set<Sandbox>();
  readonly #warm: Sandbox[] = [];

  /** @param account bounds the invocations of all functions together, as an account's concurrency does */
  constructor(settings: FunctionSettings, account: Semaphore) {
    this.settings = settings;
    this.#account = account;
    this.#log = createWriteStream(settings.logFile, { flags: "a" });
  }

  /** @throws {InvocationError} */
  async invoke(event: unknown): Promise<unknown> {
    const release = await this.#account.acquire();
    const { name, arn, timeout, memorySize } = this.settings;
    const requestId = randomUUID();
    const started = performance.now();
    const sandbox = this.#warm.pop() ?? this.#newSandbox();
    this.#log.write(`START RequestId: ${requestId} Version: $LATEST\n`);
    try {
      return await sandbox.invoke({ requestId, functionArn: arn, event, timeout });
    } catch (error) {
      const { message } = error as Error;
      this.#log.write(`${requestId} ${message}\n`);
      throw new InvocationError(`${name}: ${message} (its log: ${this.settings.logFile})`);
    } finally {
      const duration = (performance.now() - started).toFixed(2);
      this.#log.write(`END RequestId: ${requestId}\n`);
      this.#log.write(
        `REPORT RequestId: ${requestId}\tDuration: ${duration} ms\tMemory Size: ${memorySize} MB\tMax Memory Used: ${sandbox.maxMemoryUsed} MB\tFunction: ${name}\n`,
      );
      if (sandbox.usable) this.#warm.push(sandbox);
      else void sandbox.close().then(() => this.#sandboxes.delete(sandbox));
      release();
    }
  }

  #newSandbox(): Sandbox {
    const sandbox = new Sandbox({ ...this.settings, log: this.#log });
    this.#sandboxes.add(sandbox);
    return sandbox;
  }

  /** Kills the sandboxes that are at work. */
  kill(): void {
    for (const sandbox of this.#sandboxes) if (!this.#warm.includes(sandbox)) sandbox.kill();
  }

  /** Ends all sandboxes. Nothing may be running any more. */
  async close(): Promise<void> {
    await Promise.all([...this.#sandboxes].map((sandbox) => sandbox.close()));
    await new Promise<void>((resolve) => this.#log.end(resolve));
  }
}
