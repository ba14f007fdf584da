import { createHash } from "node:crypto";
import type { DeclaredResource, ProvisionedResource } from "../program.ts";
import { ProgramError } from "../program-error.ts";
import { takenAsDeclared } from "./declared.ts";
import { lambda } from "./lambda.ts";
import { messaging } from "./messaging.ts";
import { other } from "./other.ts";
import { type ResourceType, type Services, unknownInputs } from "./provider.ts";
import { BUCKET, makeExisting, s3 } from "./s3.ts";

const TYPES: Record<string, ResourceType> = { ...s3, ...messaging, ...lambda, ...other };

/**
 * Makes a declared resource real on this computer. What this computer does not run is taken as declared and listed.
 * @param scope tells one stack's names from another's
 * @throws {ProgramError} naming type, resource and input where an input is not known here and would change what
 *   happens here: what a program asks for is done, listed or refused, never ignored
 */
export async function provision(
  resource: DeclaredResource,
  services: Services,
  scope: string,
): Promise<ProvisionedResource> {
  const { type, name, existing } = resource;
  const { omitted, region } = services;
  // Where everything is anyway.
  const { region: elsewhere, ...others } = resource.inputs;
  const inputs = elsewhere === region ? others : resource.inputs;
  const declared = { ...resource, inputs, physicalName: physicalName(scope, resource) };
  if (existing !== undefined) {
    // What the program itself has made is here.
    const made = services.made.get(`${type} ${existing}`);
    if (made) return made;
    services.elsewhere.add(existing);
    omitted.add(
      `${type}, which exists already`,
      `${type} "${name}": it exists already on AWS, but not on this computer.`,
    );
    if (type !== BUCKET) return takenAsDeclared(declared, services);
    // Images may be dropped into it all the same.
    await makeExisting(existing, services);
    return takenAsDeclared({ ...declared, inputs: { versioning: { enabled: true } } }, services);
  }
  const known = TYPES[type];
  if (!known) {
    omitted.add(type, `${type} "${name}": this resource type does not run on this computer.`);
    return takenAsDeclared(declared, services);
  }
  const { inputs: done = Object.keys(inputs), inert = [] } = known;
  const refused = unknownInputs(inputs, [...done, ...inert]);
  for (const input of [...refused, ...unknownInputs(inputs, done)]) {
    const refusal = `${type} "${name}": the input ${input} is not supported on this computer.`;
    if (refused.includes(input)) throw new ProgramError(refusal);
    omitted.add(`${input} of ${type}`, refusal);
  }
  try {
    const provisioned = await known.provision(declared, services);
    checkAlone(services, known, resource, provisioned);
    services.made.set(`${type} ${provisioned.id}`, provisioned);
    return provisioned;
  } catch (error) {
    const message = `${type} "${name}": ${(error as Error).message}`;
    // A full disk, say, is no mistake of the program.
    throw (error as NodeJS.ErrnoException).syscall
      ? new Error(message, { cause: error })
      : new ProgramError(message, { cause: error });
  }
}

/** @throws Error where another resource of the type has the same ARN, or is of the same: one would be taken for the other */
function checkAlone(
  { arns }: Services,
  { single }: ResourceType,
  { type, name }: DeclaredResource,
  { id, state }: ProvisionedResource,
): void {
  if (!single && typeof state.arn !== "string") return;
  const what = single ? id : String(state.arn);
  const key = `${type} ${what}`;
  const other = arns.get(key);
  if (other !== undefined) {
    throw new Error(
      single
        ? `"${other}" belongs to ${what} already, which can have only one: on AWS the later one would replace the other. Make them one.`
        : `"${other}" has the same name here, ${what}. Give one of them another name.`,
    );
  }
  arns.set(key, name);
}

/** The name with seven hexadecimal digits, as Pulumi makes them; the same again at the next start. */
function physicalName(scope: string, { type, name }: DeclaredResource): string {
  const digits = createHash("sha256").update(`${scope} ${type} ${name}`).digest("hex").slice(0, 7);
  return `${name}-${digits}`;
}
