import { createHash } from "node:crypto";
import type { DeclaredResource, ProvisionedResource } from "../program.ts";
import { lambda } from "./lambda.ts";
import { messaging } from "./messaging.ts";
import { other } from "./other.ts";
import { type ResourceType, type Services, unknownInputs } from "./provider.ts";
import { s3 } from "./s3.ts";

const TYPES: Record<string, ResourceType> = { ...s3, ...messaging, ...lambda, ...other };

/**
 * Makes a declared resource real on this computer.
 * @param scope tells one stack's names from another's
 * @throws Error naming type, resource and input where either is not known here: what a program asks for is done
 *   or refused, never ignored
 */
export async function provision(
  resource: DeclaredResource,
  services: Services,
  scope: string,
): Promise<ProvisionedResource> {
  const { type, name, inputs } = resource;
  const known = TYPES[type];
  if (!known) throw new Error(`${type} "${name}": this resource type is not known on this computer.`);
  const [unknown] = unknownInputs(inputs, known.inputs);
  if (unknown) throw new Error(`${type} "${name}": the input ${unknown} is not known on this computer.`);
  try {
    return await known.provision({ ...resource, physicalName: physicalName(scope, resource) }, services);
  } catch (error) {
    throw new Error(`${type} "${name}": ${(error as Error).message}`, { cause: error });
  }
}

/** The name with seven hexadecimal digits, as Pulumi makes them; the same again at the next start. */
function physicalName(scope: string, { type, name }: DeclaredResource): string {
  const digits = createHash("sha256").update(`${scope} ${type} ${name}`).digest("hex").slice(0, 7);
  return `${name}-${digits}`;
}
