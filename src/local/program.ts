import { pathToFileURL } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "./stack-config.ts";

/** A resource as the program declares it, its inputs resolved. */
export interface DeclaredResource {
  /** For example `aws:sqs/queue:Queue`. */
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
}

/** What a provider answers: the physical identifier and all properties. */
export interface ProvisionedResource {
  readonly id: string;
  readonly state: Record<string, unknown>;
}

/** How long, in milliseconds, Pulumi may go on repeating an error. */
const ECHOES_MS = 1000;

/** Node keeps a module that it has loaded; under another address it runs again. */
let runs = 0;

/**
 * Runs a Pulumi program and provisions what it declares, in the order of its dependencies, through `provision`.
 * @returns the stack's outputs, resolved
 * @throws what the program or `provision` threw first
 */
export async function runProgram(
  file: string,
  stack: StackConfig,
  provision: (resource: DeclaredResource) => Promise<ProvisionedResource>,
): Promise<Record<string, unknown>> {
  // The first error says what is wrong. Pulumi says it again, in longer words, for every resource that depends on the
  // one that failed, and lets those rejections go unhandled: they are taken here.
  const failed = Promise.withResolvers<never>();
  const provisioning = new Set<Promise<unknown>>();
  process.on("unhandledRejection", failed.reject);
  pulumi.runtime.setAllConfig(stack.config);
  await pulumi.runtime.setMocks(
    {
      newResource: async ({ type, name, inputs, custom }) => {
        // Components are names for what is in them; the stack is one.
        if (!custom) return { id: "", state: inputs };
        const provisioned = provision({ type, name, inputs });
        provisioning.add(provisioned);
        return provisioned.catch((error) => {
          failed.reject(error);
          throw error;
        });
      },
      call: ({ token }) => {
        const error = new Error(`The program calls ${token}, which nothing here can answer.`);
        failed.reject(error);
        throw error;
      },
    },
    stack.project,
    stack.stack,
    false,
  );
  const finished = pulumi.runtime
    .runInPulumiStack(async () => ({ ...(await import(`${pathToFileURL(file).href}?run=${++runs}`)) }))
    .then(async (outputs) => {
      // Outputs can be there before resources that none of them depends on.
      await pulumi.runtime.disconnect();
      return outputs as Record<string, unknown>;
    });
  const stopTaking = () => process.off("unhandledRejection", failed.reject);
  try {
    const outputs = await Promise.race([finished, failed.promise]);
    stopTaking();
    return outputs;
  } catch (error) {
    await Promise.allSettled(provisioning);
    setTimeout(stopTaking, ECHOES_MS).unref();
    throw error;
  }
}
