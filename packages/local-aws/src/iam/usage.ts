import type { Events } from "../events.ts";
import type { Identity } from "./identity.ts";
import type { Statement } from "./policy.ts";

/** A statement of a role's policies, and how often it allowed something. */
export interface StatementUse {
  /** The role's name. */
  readonly role: string;
  readonly sid: string;
  /** Each action as the policy has it, and how many requests that it fits the statement allowed. */
  readonly actions: Readonly<Record<string, number>>;
  /** Why nobody asks for its actions here, in a clause; absent where somebody does. */
  readonly unasked?: string;
}

/** Services whose requests are judged here. Of the others, why nobody asks for them on this computer. */
const UNASKED: Readonly<Record<string, string>> = {
  logs: "Lambda writes logs here without asking",
  xray: "nobody collects traces here",
};
const ASKED = ["kms", "s3", "sns", "sqs"];

/** Counts what policies of roles allow. It is to be made before that which is to be counted begins. */
export class PermissionUse {
  /** By principal and statement: how often each action was allowed. */
  readonly #allowed = new Map<string, Map<string, number>>();

  constructor(events: Events) {
    events.on("decided", ({ principal, action, allowed, statement }) => {
      if (principal.type !== "role" || !allowed || statement === undefined) return;
      const key = `${statement.policy} ${statement.sid}`;
      const counts = this.#allowed.get(key) ?? new Map<string, number>();
      this.#allowed.set(key, counts.set(action, (counts.get(action) ?? 0) + 1));
    });
  }

  /** Tells of each Allow of each role, in the order in which they were declared. */
  of(identity: Identity): StatementUse[] {
    return identity.rolePolicies().flatMap(({ role, policies }) =>
      policies
        .flatMap(({ statements }) => statements)
        .filter(({ effect }) => effect === "Allow")
        .map((statement) => this.#use(role, statement)),
    );
  }

  #use(role: string, { name, actions }: Statement): StatementUse {
    const counts = [...(this.#allowed.get(`${name.policy} ${name.sid}`) ?? [])];
    const times = (index: number) =>
      counts
        .filter(([action]) => actions.patterns[index]?.(action, new Map()) !== actions.negated)
        .reduce((sum, [, count]) => sum + count, 0);
    const prefix = actions.negated ? "all but " : "";
    const unasked = actions.negated ? undefined : unaskedBecause(actions.texts);
    return {
      role,
      sid: name.sid,
      actions: Object.fromEntries(actions.texts.map((text, index) => [`${prefix}${text}`, times(index)])),
      ...(unasked !== undefined && { unasked }),
    };
  }
}

/** Why nobody here asks for any of the actions. */
function unaskedBecause(actions: readonly string[]): string | undefined {
  const services = actions.map((action) => action.split(":")[0]?.toLowerCase() ?? "");
  if (services.some((service) => service === "*" || ASKED.includes(service))) return undefined;
  return [
    ...new Set(services.map((service) => UNASKED[service] ?? `${service} is not on this computer`)),
  ].join("; ");
}

/** An action that a role's statement allows, and that nobody asked for. */
export interface Unneeded {
  readonly role: string;
  readonly sid: string;
  readonly action: string;
}

/** Finds what roles may do and did not do, of that which somebody here asks for. */
export function neverNeeded(uses: readonly StatementUse[]): Unneeded[] {
  return uses
    .filter(({ unasked }) => unasked === undefined)
    .flatMap(({ role, sid, actions }) =>
      Object.entries(actions)
        .filter(([, times]) => times === 0)
        .map(([action]) => ({ role, sid, action })),
    );
}
