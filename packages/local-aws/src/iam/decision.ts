/**
 * Judges requests by policies, as IAM does within one account.
 *
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
 */

import type { Facts, GivenKey } from "./keys.ts";
import type { Choice, Policy, Statement, StatementName } from "./policy.ts";

/** The caller of a request. */
export type Principal =
  | {
      readonly type: "role";
      /** The role, not its session: `arn:aws:iam::123456789012:role/name`. */
      readonly arn: string;
      /** The role's unique id, `AROA…`, the first half of aws:userid. */
      readonly id: string;
      readonly sessionName: string;
    }
  | { readonly type: "user"; readonly arn: string; readonly id: string }
  /** An AWS service acting for itself, for example `s3.amazonaws.com` publishing an event. */
  | { readonly type: "service"; readonly name: string }
  | { readonly type: "anonymous" };

/** One action on one resource. */
export interface AccessRequest {
  readonly principal: Principal;
  /** For example `s3:GetObject`. */
  readonly action: string;
  /** An ARN, or `*` for an action that has no resource. */
  readonly resource: string;
  /** The condition keys that the service knows. What follows from the principal is added to them. */
  readonly context?: Readonly<Partial<Record<GivenKey, string | undefined>>>;
}

export type Decision =
  | { readonly allowed: true; readonly by: StatementName }
  | {
      readonly allowed: false;
      /** The Deny that decided it; absent where nothing allowed it. */
      readonly explicit?: StatementName;
      /** A sentence that says who was refused what, and why. */
      readonly message: string;
    };

/**
 * Judges a request by the identity policies of its principal and the resource policies of its resource: a Deny
 * that applies decides; otherwise one Allow is enough, of either kind. An Allow to a whole account leaves it to
 * that account's identity policies, as on AWS. Services and anonymous callers have no identity policies.
 */
export function evaluate(request: AccessRequest, policies: readonly Policy[]): Decision {
  const { principal, action, resource } = request;
  const facts = factsOf(request);
  const hasIdentity = principal.type === "role" || principal.type === "user";
  const relevant = policies.filter(({ kind }) => kind !== "identity" || hasIdentity);
  const candidates = relevant
    .flatMap(({ statements }) => statements)
    .filter((statement) => concerns(statement, principal) && covers(statement.actions, action, facts));
  const covering = candidates.filter(({ resources }) => covers(resources, resource, facts));
  const applying = covering.filter(({ conditions }) => conditions.every(({ holds }) => holds(facts)));
  const who = describe(principal);
  const what = `${action} on ${resource}`;

  const denial = applying.find(({ effect }) => effect === "Deny");
  if (denial) {
    const message = `${who} is denied: ${quote(denial.name)} forbids ${what}`;
    return { allowed: false, explicit: denial.name, message };
  }
  const grant = applying.find(({ effect }) => effect === "Allow");
  if (grant) return { allowed: true, by: grant.name };

  const sources = relevant.map(({ source }) => source).join(" or of ");
  const missing = sources ? `no statement of ${sources}` : "no policy";
  const hint = nearMiss(covering, facts) ?? otherResource(candidates);
  return { allowed: false, message: `${who} is denied: ${missing} allows ${what}${hint ?? ""}` };
}

/** Tells whether a statement applies to this principal. */
function concerns({ principals, effect }: Statement, principal: Principal): boolean {
  if (principals === undefined || principals.has("*")) return true;
  switch (principal.type) {
    case "anonymous":
      return false;
    case "service":
      return principals.has(principal.name);
    default: {
      const names = [
        principal.arn,
        sessionArn(principal),
        ...(effect === "Deny" ? [account(principal)] : []),
      ];
      return names.some((name) => principals.has(name));
    }
  }
}

function covers({ negated, patterns }: Choice, text: string, facts: Facts): boolean {
  return patterns.some((fits) => fits(text, facts)) !== negated;
}

/** The service that was asked gives what it knows; the rest follows from who asks. */
function factsOf({ principal, context = {} }: AccessRequest): Facts {
  const facts = new Map<string, string>();
  for (const [key, value] of Object.entries({ ...context, ...principalFacts(principal) })) {
    if (value !== undefined) facts.set(key.toLowerCase(), value);
  }
  return facts;
}

function principalFacts(principal: Principal): Record<string, string> {
  switch (principal.type) {
    case "anonymous":
      return { "aws:PrincipalType": "Anonymous", "aws:userid": "anonymous" };
    case "service":
      return { "aws:PrincipalIsAWSService": "true", "aws:PrincipalServiceName": principal.name };
    default:
      return {
        "aws:PrincipalAccount": account(principal),
        "aws:PrincipalArn": principal.arn,
        "aws:PrincipalIsAWSService": "false",
        "aws:PrincipalType": principal.type === "role" ? "AssumedRole" : "User",
        "aws:userid": principal.type === "role" ? `${principal.id}:${principal.sessionName}` : principal.id,
      };
  }
}

type Identity = Extract<Principal, { readonly arn: string }>;

function account({ arn }: Identity): string {
  return arn.split(":")[4] ?? "";
}

/** A role acts through a session, whose ARN has the role's name without its path. */
function sessionArn(principal: Identity): string {
  if (principal.type === "user") return principal.arn;
  const [, partition] = principal.arn.split(":");
  const name = principal.arn.split("/").at(-1);
  return `arn:${partition}:sts::${account(principal)}:assumed-role/${name}/${principal.sessionName}`;
}

function describe(principal: Principal): string {
  if (principal.type === "anonymous") return "an anonymous caller";
  if (principal.type === "service") return `service ${principal.name}`;
  return `${principal.type} ${principal.arn.split("/").at(-1)}`;
}

function quote({ policy, sid }: StatementName): string {
  return `statement ${sid} of ${policy}`;
}

/** The Allow that would have done, but for a condition. */
function nearMiss(covering: readonly Statement[], facts: Facts): string | undefined {
  const near = covering.find(({ effect }) => effect === "Allow");
  const failed = near?.conditions.find(({ holds }) => !holds(facts));
  if (!near || !failed) return undefined;
  const has = facts.get(failed.key.toLowerCase()) ?? "none";
  const wants = `${failed.operator} ${failed.key} ${failed.values.join(", ")}`;
  return `; ${quote(near.name)} would, but wants ${wants}, and the request has ${has}`;
}

/** The Allow that would have done, but for another resource. */
function otherResource(candidates: readonly Statement[]): string | undefined {
  const near = candidates.find(({ effect }) => effect === "Allow");
  if (!near) return undefined;
  const scope = near.resources.negated ? "all but" : "only";
  return `; ${quote(near.name)} allows it on ${scope} ${near.resources.texts.join(", ")}`;
}
