import type { SNSClient } from "@aws-sdk/client-sns";
import type { SQSClient } from "@aws-sdk/client-sqs";
import type { Identity } from "../identity.ts";
import type { LambdaService } from "../lambda/service.ts";
import type { DeclaredResource, ProvisionedResource } from "../program.ts";
import type { ObjectStore } from "../store/object-store.ts";

/** The services that resources are provisioned in. */
export interface Services {
  readonly endpoint: string;
  readonly region: string;
  readonly accountId: string;
  readonly store: ObjectStore;
  readonly sns: SNSClient;
  readonly sqs: SQSClient;
  readonly lambda: LambdaService;
  readonly identity: Identity;
}

/** A declared resource, with the name that Pulumi would give it where the program gives none. */
export interface Declared extends DeclaredResource {
  readonly physicalName: string;
}

/** One resource type: the inputs that it knows, and how it comes to be. */
export interface ResourceType {
  /**
   * Every input that may be given, with dots between levels and without list indices, for example
   * `topics.events`. `.*` at the end stands for the names of a map: `environment.variables.*`.
   */
  readonly inputs: readonly string[];
  readonly provision: (
    resource: Declared,
    services: Services,
  ) => Promise<ProvisionedResource> | ProvisionedResource;
}

/** A type that needs no doing on this computer, but must be said in terms that are known. */
export function nothingToDo(inputs: readonly string[]): ResourceType {
  return { inputs, provision: ({ name, inputs: state }) => ({ id: name, state }) };
}

/**
 * The inputs that a type does not know, so that nothing a program asks for is ignored. What is no plain object
 * or list, an archive say, counts as one value.
 */
export function unknownInputs(inputs: Record<string, unknown>, known: readonly string[]): string[] {
  const unknown = new Set<string>();
  const visit = (value: unknown, path: string): void => {
    if (
      known.includes(path) ||
      known.some((name) => name.endsWith(".*") && path.startsWith(name.slice(0, -1)))
    ) {
      return;
    }
    if (Array.isArray(value)) {
      for (const item of value) visit(item, path);
    } else if (isPlainObject(value)) {
      for (const [name, inner] of Object.entries(value)) visit(inner, path ? `${path}.${name}` : name);
    } else if (value !== undefined) {
      unknown.add(path);
    }
  };
  visit(inputs, "");
  return [...unknown];
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
