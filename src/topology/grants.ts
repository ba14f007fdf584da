import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { ArgumentError } from "./argument-error.ts";

/** A role: its resource, or the name of an existing one. */
export type Granted = aws.iam.Role | string;

/** What a policy that is added to a role says, once the ARNs in it are known. */
interface Grant {
  /** Component that grants, as errors name it: its class and name. */
  readonly component: string;
  /** Method that grants. */
  readonly method: string;
  /** How the policy's name begins. */
  readonly prefix: string;
  readonly policy: pulumi.Output<aws.iam.PolicyDocument>;
}

/** Letters that IAM takes for a role's name: https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html */
const ROLE_NAME = /^[\w+=,.@-]{1,64}$/;

/**
 * Adds a policy to a role of somebody else, and nothing to what the role may do already.
 * @param parent component whose child the policy is
 * @param granted names of all policies so far, to which this one's is added
 * @throws ArgumentError where it is no role, or has the policy already
 */
export function grant(
  role: Granted,
  { component, method, prefix, policy }: Grant,
  granted: Set<string>,
  parent: pulumi.Resource,
): aws.iam.RolePolicy {
  const isResource = aws.iam.Role.isInstance(role);
  if (!isResource && !(typeof role === "string" && ROLE_NAME.test(role))) {
    const given = typeof role === "string" ? JSON.stringify(role) : typeof role;
    throw new ArgumentError(
      `${component}: ${method} was given ${given}, but takes an aws.iam.Role or a role's name: 1 to 64 letters, digits and _+=,.@-.`,
    );
  }
  const name = isResource ? pulumi.resourceName(role) : role;
  const full = `${prefix}-${name}`;
  if (granted.has(full)) {
    throw new ArgumentError(`${component}: ${method} was given the role "${name}" twice: call it only once.`);
  }
  granted.add(full);
  return new aws.iam.RolePolicy(full, { role: isResource ? role.name : role, policy }, { parent });
}
