import { setImmediate } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import { judgeLikeTheEngine } from "./engine.ts";
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

/** Node keeps a module that it has loaded; under another address it runs again. */
let runs = 0;

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
  const failed = Promise.withResolvers<never>();
  let over = false;
  const fail = (error: unknown) => {
    over = true;
    failed.reject(programError(error, file));
  };
  // After the first error the program gets no answers: nothing more is made, and Pulumi does not say the error again,
  // in longer words, for every resource that depends on the one that failed.
  const silence = new Promise<never>(() => {});
  const provisioning = new Set<Promise<unknown>>();
  const answered = async <T>(work: () => T | Promise<T>): Promise<T> => {
    if (over) return silence;
    try {
      const working = Promise.resolve(work());
      provisioning.add(working);
      const result = await working;
      return over ? silence : result;
    } catch (error) {
      fail(error);
      return silence;
    }
  };
  // What the program leaves unhandled, in an `apply` say, is an error of its own.
  const ignore = () => {};
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = FRAMES;
  process.on("unhandledRejection", fail).on("uncaughtException", fail).on("rejectionHandled", ignore);
  const stopTaking = () => {
    Error.stackTraceLimit = stackTraceLimit;
    process.off("unhandledRejection", fail).off("uncaughtException", fail).off("rejectionHandled", ignore);
  };

  pulumi.runtime.setAllConfig(stack.config);
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, custom, id }) =>
        answered<{ id: string; state: Record<string, unknown> }>(() => {
          // Components are names for what is in them; the stack is one.
          if (!custom) return { id: "", state: inputs };
          return provision({ type, name, inputs, existing: id || undefined });
        }),
      call: ({ token, inputs }) => answered(() => answer(token, inputs, regionOf(stack))),
    },
    stack.project,
    stack.stack,
    false,
  );
  judgeLikeTheEngine({ refused: fail, outputs: onComponent });
  const finished = pulumi.runtime
    .runInPulumiStack(async () => ({ ...(await import(`${pathToFileURL(file).href}?run=${++runs}`)) }))
    .then(async (outputs) => {
      // Outputs can be there before resources that none of them depends on.
      await pulumi.runtime.disconnect();
      // Node tells of a rejection that nobody handles when everything else of this turn is done.
      await setImmediate();
      return outputs as Record<string, unknown>;
    });
  try {
    finished.catch(fail);
    const outputs = await Promise.race([finished.catch(() => silence), failed.promise]);
    stopTaking();
    return outputs;
  } catch (error) {
    await Promise.allSettled(provisioning);
    // What follows from the error, and is told in this turn.
    await setImmediate();
    stopTaking();
    throw error;
  }
}
