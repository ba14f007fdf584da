import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";
import type { Credentials } from "local-aws";
import type { StackOutputs } from "../../src/stack-outputs.ts";
import { freePort } from "../support/port.ts";

/** How the machine's process is. */
export interface State {
  readonly faults: Record<string, number>;
  /** MB of JavaScript objects, garbage not counted. */
  readonly heap: number;
  /** MB of the whole process. */
  readonly memory: number;
  readonly files: number;
  readonly handles: number;
  readonly processes: number;
}

/** A machine in a process of its own, which can be killed and started again: folder and port stay the same. */
export class MachineProcess {
  readonly folder: string;
  readonly port: number;
  readonly outputs: StackOutputs;
  readonly s3: S3Client;
  readonly sqs: SQSClient;
  #seed: string | undefined;
  #child: ChildProcess;

  /** @param seed of what goes wrong; nothing does without one */
  static async start(folder: string, seed?: string): Promise<MachineProcess> {
    const port = await freePort();
    const child = launch(folder, port, seed);
    const [{ outputs, region, administrator }] = (await once(child, "message")) as [
      { outputs: StackOutputs; region: string; administrator: Credentials },
    ];
    const client = { region, endpoint: `http://127.0.0.1:${port}`, credentials: administrator };
    const clients = { s3: new S3Client(client), sqs: new SQSClient(client) };
    return new MachineProcess({ folder, port, outputs, ...clients }, child, seed);
  }

  private constructor(
    parts: Pick<MachineProcess, "folder" | "port" | "outputs" | "s3" | "sqs">,
    child: ChildProcess,
    seed: string | undefined,
  ) {
    this.folder = parts.folder;
    this.port = parts.port;
    this.outputs = parts.outputs;
    this.s3 = parts.s3;
    this.sqs = parts.sqs;
    this.#child = child;
    this.#seed = seed;
  }

  /** Kills it with -9 and starts it again. */
  async restart(): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
    this.#child = launch(this.folder, this.port, this.#seed);
    await Promise.race([
      once(this.#child, "message"),
      once(this.#child, "exit").then(() => {
        throw new Error("the machine did not start again");
      }),
    ]);
  }

  /** Lets other things go wrong from now on. */
  reseed(seed: string): void {
    this.#seed = seed;
    this.#child.send({ seed });
  }

  /** Whether no event waits to be delivered. @throws Error where the process is killed before it answers */
  idle(): Promise<boolean> {
    return this.#ask("idle");
  }

  /** Collects garbage first, which takes a while. @throws Error where the process is killed before it answers */
  state(): Promise<State> {
    return this.#ask("state");
  }

  async #ask<Answer>(what: "idle" | "state"): Promise<Answer> {
    const answered = new AbortController();
    const { signal } = answered;
    const gone = once(this.#child, "exit", { signal }).then(() => {
      throw new Error("the machine was killed");
    });
    const answer = once(this.#child, "message", { signal });
    this.#child.send(what, () => {});
    try {
      return (await Promise.race([answer, gone]))[0] as Answer;
    } finally {
      answered.abort();
    }
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.send("stop");
    await exited;
    for (const client of [this.s3, this.sqs]) client.destroy();
  }
}

function launch(folder: string, port: number, seed: string | undefined): ChildProcess {
  return fork(
    path.join(import.meta.dirname, "machine.ts"),
    [folder, String(port), ...(seed === undefined ? [] : [seed])],
    { execArgv: ["--expose-gc"] },
  );
}
