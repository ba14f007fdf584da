import * as pulumi from "@pulumi/pulumi";
import { ProgramError } from "./program-error.ts";

/** What the engine is asked about a resource. */
interface Request {
  getType(): string;
  getName(): string;
  getParent(): string;
  setImportid?(id: string): void;
}

interface OutputsRequest {
  getUrn(): string;
  getOutputs(): unknown;
}

/** The monitor of Pulumi's mocks, as far as it is put right here. */
interface MockMonitor {
  newUrn(parent: string, type: string, name: string): string;
  registerResource(request: Request, callback: unknown): Promise<void>;
  readResource(request: Request, callback: unknown): Promise<void>;
  registerResourceOutputs(request: OutputsRequest, callback: unknown): void;
}

export interface EngineEvents {
  /** Told of a second resource with the URN of another; the program never hears of it again. */
  readonly refused: (error: Error) => void;
  /** Told what a component has registered as its outputs. */
  readonly outputs?: (outputs: Record<string, unknown>) => void;
}

/**
 * Has the mocks that `pulumi.runtime.setMocks` has just installed judge names as Pulumi's engine does: by the URN, which
 * is made of the types of all parents, the type and the name. The mocks take two of one URN, and know one parent only.
 */
export function judgeLikeTheEngine({ refused, outputs }: EngineEvents): void {
  const monitor = pulumi.runtime.getMonitor() as unknown as MockMonitor;
  const { registerResource, readResource, registerResourceOutputs } = monitor;
  const prefix = `urn:pulumi:${pulumi.getStack()}::${pulumi.getProject()}::`;
  const seen = new Set<string>();

  monitor.newUrn = (parent, type, name) => {
    const ancestors = parent.slice(prefix.length).split("::", 1)[0] ?? "";
    const stack = ancestors === "" || ancestors.startsWith("pulumi:pulumi:Stack");
    return `${prefix}${stack ? "" : `${ancestors}$`}${type}::${name}`;
  };
  const once =
    (answer: MockMonitor["registerResource"]): MockMonitor["registerResource"] =>
    async (request, callback) => {
      const [parent, type, name] = [request.getParent(), request.getType(), request.getName()];
      const urn = monitor.newUrn(parent, type, name);
      if (seen.has(urn)) {
        const owner = /([^:$]+)::([^:]+)$/.exec(parent.includes("pulumi:pulumi:Stack") ? "" : parent);
        const [module, , kind] = type.split(":");
        if (module !== "aws" && !owner) {
          const sentence = `${kind} "${name}": the program declares two of this name, which must be unique in the whole program. Give one of them another name.`;
          return refused(new ProgramError(sentence));
        }
        const where = owner ? ` in ${owner[1]} "${owner[2]}"` : "";
        const sentence = `${type} "${name}": the program declares two of this type and name${where}. Give one of them another name.`;
        return refused(new ProgramError(sentence));
      }
      seen.add(urn);
      // What would be imported on AWS is made here.
      request.setImportid?.("");
      return answer.call(monitor, request, callback);
    };
  monitor.registerResource = once(registerResource);
  monitor.readResource = once(readResource);
  monitor.registerResourceOutputs = (request, callback) => {
    const registered = request.getOutputs() as { toJavaScript(): Record<string, unknown> } | undefined;
    if (registered) outputs?.(registered.toJavaScript());
    registerResourceOutputs.call(monitor, request, callback);
  };
}
