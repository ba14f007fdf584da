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
  const failed = Promise.withResolvers<never>();
  // What could not be provisioned stays unknown for ever, and so does what depends on it: rejecting it as well would
  // only have Pulumi say the same in longer words.
  const fail = (error: unknown): Promise<never> => {
    failed.reject(error);
    return new Promise(() => {});
  };
  pulumi.runtime.setAllConfig(stack.config);
  await pulumi.runtime.setMocks(
    {
      newResource: async ({ type, name, inputs, custom }) => {
        // Components are names for what is in them; the stack is one.
        if (!custom) return { id: "", state: inputs };
        try {
          return await provision({ type, name, inputs });
        } catch (error) {
          return fail(error);
        }
      },
      call: ({ token }) => fail(new Error(`The program calls ${token}, which nothing here can answer.`)),
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
  return await Promise.race([finished, failed.promise]);
}
