import type { Direct, Identity, LambdaService, ObjectStore } from "local-aws";
import type { ProvisionedResource } from "../program.ts";
import { ProgramError } from "../program-error.ts";
import { type Declared, takenAsDeclared } from "./declared.ts";

/** The services that resources are provisioned in. */
export interface Services {
  readonly endpoint: string;
  readonly region: string;
  readonly accountId: string;
  readonly store: ObjectStore;
  readonly direct: Direct;
  readonly lambda: LambdaService;
  readonly identity: Identity;
  readonly omitted: Omitted;
  /** The names of what has been made, by type and ARN. */
  readonly arns: Map<string, string>;
  /** What has been made, by type and identifier. */
  readonly made: Map<string, ProvisionedResource>;
  /** Identifiers of what exists already, and is not here. */
  readonly elsewhere: Set<string>;
}

/** One resource type that is known here: its inputs, and how it comes to be. */
export interface ResourceType {
  /**
   * Inputs that are done here, or need no doing, with dots between levels and without list indices, for example
   * `topics.events`. `.*` at the end stands for the names of a map: `environment.variables.*`.
   * @default all: whatever is asked of it, nothing else happens here
   */
  readonly inputs?: readonly string[];
  /** Inputs that are not done here and change nothing of what happens here. The person is told of them; any other is refused. */
  readonly inert?: readonly string[];
  /** Whether it is what a bucket, queue, topic or key has one of, by whose identifier it is known. */
  readonly single?: true;
  readonly provision: (
    resource: Declared,
    services: Services,
  ) => Promise<ProvisionedResource> | ProvisionedResource;
}

/** A type that needs no doing on this computer. */
export const NOTHING_TO_DO: ResourceType = { provision: takenAsDeclared };

/** A policy as JSON: AWS's provider takes a document as well as its text. */
export function policyText(policy: unknown): string {
  return typeof policy === "string" ? policy : JSON.stringify(policy);
}

/** What a program declares and this computer does not run. */
export class Omitted {
  readonly #counts = new Map<string, number>();
  readonly #strict: boolean;

  /** @param strict refuses it instead */
  constructor(strict = false) {
    this.#strict = strict;
  }

  /**
   * Takes one of them down.
   * @param what stands in the list
   * @param refusal is the sentence if it is refused
   * @throws {ProgramError}
   */
  add(what: string, refusal: string): void {
    if (this.#strict) throw new ProgramError(refusal);
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }

  /** A line for each, in alphabetical order: `not run here: aws:dynamodb/table:Table (2)`. */
  get lines(): string[] {
    return [...this.#counts].sort().map(([what, count]) => `not run here: ${what} (${count})`);
  }
}

/**
 * The inputs that are not among the known ones, so that nothing a program asks for is ignored. What is no plain object
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
