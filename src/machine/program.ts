import { setImmediate } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import { judgeLikeTheEngine } from "./engine.ts";
import { loadProgram } from "./load-program.ts";
import { programError } from "./program-error.ts";
import { answer } from "./provision/functions.ts";
import { regionOf, type StackConfig } from "./stack-config.ts";

/** A resource as the program declares it, its inputs resolved. */
export interface DeclaredResource {
  /** For example `aws:sqs/queue:Queue`. */
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
  /** The identifier of a resource that the program does not make but reads, as in `aws.s3.Bucket.get(name, id)`. */
  readonly existing?: string | undefined;
}

/** What a provider answers: the physical identifier and all properties. */
export interface ProvisionedResource {
  readonly id: string;
  readonly state: Record<string, unknown>;
}

/** Frames of a stack, so that one that leads through components still shows the line of the program. */
const FRAMES = 40;

/**
 * Runs a Pulumi program and provisions what it declares, in the order of its dependencies, through `provision`.
 * @param onComponent is told the outputs that each component registers
 * @returns the stack's outputs, resolved
 * @throws what the program or `provision` threw first, as soon as nothing is being provisioned any more
 */
export async function runProgram(
  file: string,
  stack: StackConfig,
  provision: (resource: DeclaredResource) => Promise<ProvisionedResource>,
  onComponent: (outputs: Record<string, unknown>) => void = () => {},
): Promise<Record<string, unknown>> {
  const first = new FirstError(file);
  const stopTaking = takeUnhandled(first.fail);
  try {
    await setMocks(stack, first, provision);
    judgeLikeTheEngine({ refused: first.fail, outputs: onComponent });
    return await first.orElse(outputsOf(file));
  } finally {
    stopTaking();
  }
}

/** Ends a run with the first error of the program or of what is provisioned, whatever follows from it. */
class FirstError {
  readonly #file: string;
  readonly #failed = Promise.withResolvers<never>();
  readonly #provisioning = new Set<Promise<unknown>>();
  #over = false;

  constructor(file: string) {
    this.#file = file;
  }

  readonly fail = (error: unknown): void => {
    this.#over = true;
    this.#failed.reject(programError(error, this.#file));
  };

  /**
   * What `work` answers the program. After the first error the program gets no answers: nothing more is made, and
   * Pulumi does not say the error again, in longer words, for every resource that depends on the one that failed.
   */
  async answer<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.#over) return SILENCE;
    try {
      const working = Promise.resolve(work());
      this.#provisioning.add(working);
      const result = await working;
      return this.#over ? SILENCE : result;
    } catch (error) {
      this.fail(error);
      return SILENCE;
    }
  }

  /** What the program comes to, unless there is an error first, which is thrown when all is quiet. */
  async orElse<T>(finished: Promise<T>): Promise<T> {
    finished.catch(this.fail);
    try {
      return await Promise.race([finished.catch(() => SILENCE), this.#failed.promise]);
    } catch (error) {
      await Promise.allSettled(this.#provisioning);
      // What follows from the error, and is told in this turn.
      await setImmediate();
      throw error;
    }
  }
}

const SILENCE = new Promise<never>(() => {});

/** Takes what the program leaves unhandled, in an `apply` say: it is an error of its own. @returns what ends that */
function takeUnhandled(fail: (error: unknown) => void): () => void {
  const ignore = () => {};
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = FRAMES;
  process.on("unhandledRejection", fail).on("uncaughtException", fail).on("rejectionHandled", ignore);
  return () => {
    Error.stackTraceLimit = stackTraceLimit;
    process.off("unhandledRejection", fail).off("uncaughtException", fail).off("rejectionHandled", ignore);
  };
}

/** Has resources provisioned and functions answered here. */
async function setMocks(
  stack: StackConfig,
  first: FirstError,
  provision: (resource: DeclaredResource) => Promise<ProvisionedResource>,
): Promise<void> {
  pulumi.runtime.setAllConfig(stack.config);
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, custom, id }) =>
        first.answer<{ id: string; state: Record<string, unknown> }>(() => {
          // Components are names for what is in them; the stack is one.
          if (!custom) return { id: "", state: inputs };
          return provision({ type, name, inputs: revealed(inputs), existing: id || undefined });
        }),
      call: ({ token, inputs }) => first.answer(() => answer(token, inputs, regionOf(stack))),
    },
    stack.project,
    stack.stack,
    false,
  );
}

/** Returns inputs with secrets as the values that they are: Pulumi wraps each input that is one, or holds one. */
function revealed(inputs: Record<string, unknown>): Record<string, unknown> {
  const values = Object.entries(inputs).map(([name, value]) => [name, pulumi.runtime.unwrapRpcSecret(value)]);
  return Object.fromEntries(values);
}

/** Runs the program to its end. @returns what it exports, resolved */
async function outputsOf(file: string): Promise<Record<string, unknown>> {
  const outputs = await pulumi.runtime.runInPulumiStack(() => loadProgram(file));
  // Outputs can be there before resources that none of them depends on.
  await pulumi.runtime.disconnect();
  // Node tells of a rejection that nobody handles when everything else of this turn is done.
  await setImmediate();
  return outputs as Record<string, unknown>;
}
