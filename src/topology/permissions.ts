import type { iam } from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { ArgumentError } from "./argument-error.ts";
import { isLater } from "./later.ts";
import { workerPolicy } from "./policies.ts";

type Statements = pulumi.Input<pulumi.Input<iam.PolicyStatement>[]>;

/** Sids of the machine's own statements, with everything turned on. */
const OWN_SIDS = new Set(ownSids());

/** What a statement of a role's policy may say: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html */
const ELEMENTS = ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"];

/**
 * Statements for a worker's own handler, as they go into its role's policy: checked at once as far as they are known,
 * and all of them once they are.
 * @param prefix whose they are, up to the name: `ImageWorker "grey": `
 * @throws ArgumentError where one is none of a role's, or takes the place of one of the machine's
 */
export function checkPermissions(prefix: string, given: Statements): pulumi.Output<iam.PolicyStatement[]> {
  check(prefix, given);
  return pulumi.output(given).apply((statements) => {
    check(prefix, statements);
    return statements as iam.PolicyStatement[];
  });
}

function check(prefix: string, given: unknown): void {
  if (isLater(given)) return;
  if (!Array.isArray(given)) {
    throw new ArgumentError(
      `${prefix}permissions is ${JSON.stringify(given)}, but must be a list of statements.`,
    );
  }
  const sids = new Set(OWN_SIDS);
  for (const [index, statement] of given.entries()) {
    if (!isLater(statement)) checkStatement(`${prefix}permissions[${index}]`, statement, sids);
  }
}

/** @param sids all before it, to which its own is added */
function checkStatement(subject: string, statement: unknown, sids: Set<string>): void {
  if (typeof statement !== "object" || statement === null || Array.isArray(statement)) {
    throw new ArgumentError(
      `${subject} is ${JSON.stringify(statement)}, but must be a statement of a policy.`,
    );
  }
  const { Sid, Effect, ...others } = statement as Record<string, unknown>;
  const unknown = Object.keys(others).find((name) => !ELEMENTS.includes(name));
  if (unknown !== undefined) {
    throw new ArgumentError(
      /Principal$/.test(unknown)
        ? `${subject}.${unknown} is not allowed here: the statement is about the worker's own role. Leave it out.`
        : `${subject}.${unknown} is not known, only ${ELEMENTS.join(", ")}.`,
    );
  }
  if (!isLater(Effect) && Effect !== "Allow" && Effect !== "Deny") {
    throw new ArgumentError(`${subject}.Effect is ${JSON.stringify(Effect)}, but must be Allow or Deny.`);
  }
  for (const element of ["Action", "Resource"]) {
    if ((others[element] === undefined) !== (others[`Not${element}`] === undefined)) continue;
    throw new ArgumentError(`${subject} must have either ${element} or Not${element}.`);
  }
  if (Sid === undefined || isLater(Sid)) return;
  if (typeof Sid !== "string" || !/^[A-Za-z0-9]+$/.test(Sid)) {
    throw new ArgumentError(`${subject}.Sid is ${JSON.stringify(Sid)}, but must be letters and digits.`);
  }
  if (sids.has(Sid)) {
    throw new ArgumentError(
      `${subject}.Sid is ${JSON.stringify(Sid)}, which another statement of the policy has already: choose another.`,
    );
  }
  sids.add(Sid);
}

function ownSids(): string[] {
  const arn = "arn:aws:sqs:eu-west-1:123456789012:any";
  const arns = { sourceArn: arn, resultsArn: arn, queueArn: arn, deadLetterArn: arn, logGroupArn: arn };
  const keys = { keyArn: arn, sourceKeyArn: arn };
  const access = { ...arns, ...keys, prefix: "any", tracing: true, tags: true, permissions: [] };
  return (workerPolicy(access).Statement as iam.PolicyStatement[]).map(({ Sid }) => String(Sid));
}
