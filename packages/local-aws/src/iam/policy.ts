/**
 * Reads policy documents. Whatever IAM knows and this does not is an error when the document
 * is read, never an answer to a request.
 *
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
 */

import { type Condition, readCondition } from "./conditions.ts";
import { type Pattern, readPattern } from "./patterns.ts";

/** Kind and source of a policy document. */
export interface Where {
  /**
   * `identity`: attached to a role or user, has no Principal. `resource`: attached to a bucket, topic or queue, has
   * one. `trust`: says who may assume a role, has one and no Resource.
   */
  readonly kind: "identity" | "resource" | "trust";
  /** Name of the policy in messages, for example `role clockwise-role-ab12cd3` or `bucket policy of results-ab12cd3`. */
  readonly source: string;
}

/** A document that was read and understood to the last word. Only `checkPolicy` makes one. */
export interface Policy extends Where {
  readonly statements: readonly Statement[];
}

/** A statement, and the document it is in. Without a Sid it goes by its number: `#1` is the first. */
export interface StatementName {
  readonly policy: string;
  readonly sid: string;
}

/** The document is one that IAM would refuse, or one that cannot be judged here as AWS would. */
export class PolicyError extends Error {
  override readonly name = "PolicyError";
}

/** A statement that was understood. */
export interface Statement {
  readonly name: StatementName;
  readonly effect: "Allow" | "Deny";
  /** Account ids, ARNs, services, or `*`; absent in identity policies. */
  readonly principals: ReadonlySet<string> | undefined;
  readonly actions: Choice;
  readonly resources: Choice;
  readonly conditions: readonly Condition[];
}

/** An element such as Action, or its opposite, NotAction. */
export interface Choice {
  readonly negated: boolean;
  readonly texts: readonly string[];
  readonly patterns: readonly Pattern[];
}

/**
 * Reads a policy document, given as JSON or as the value of it.
 *
 * @throws {PolicyError} where it is not a document that both IAM and this module understand completely
 */
export function checkPolicy(document: unknown, where: Where): Policy {
  const say = (problem: string) => new PolicyError(`${where.source}: ${problem}`);
  let value = document;
  try {
    if (typeof document === "string") value = JSON.parse(document);
  } catch (error) {
    throw say(`the policy is no JSON: ${(error as Error).message}`);
  }
  if (!isObject(value)) throw say("the policy is no object");
  refuseOthers(value, ["Version", "Id", "Statement"], say);
  const version = value.Version ?? "2008-10-17";
  if (version !== "2012-10-17" && version !== "2008-10-17") throw say(`the Version ${version} is unknown`);
  if (version === "2008-10-17" && JSON.stringify(value.Statement)?.includes("${")) {
    throw say("policy variables need Version 2012-10-17; before it they are plain text");
  }
  const list = [value.Statement].flat();
  if (value.Statement === undefined || list.length === 0) throw say("the policy has no Statement");
  const statements = list.map((statement, index) => readStatement(statement, index, where));
  const sids = statements.map(({ name }) => name.sid);
  const twice = sids.find((sid, index) => sids.indexOf(sid) !== index);
  if (twice !== undefined) throw say(`two statements have the Sid ${twice}`);
  return { ...where, statements };
}

function readStatement(statement: unknown, index: number, { kind, source }: Where): Statement {
  const number = `#${index + 1}`;
  if (!isObject(statement)) throw new PolicyError(`${source}: statement ${number} is no object`);
  const { Sid: sid = number, Effect: effect, Principal: principal, Condition: conditions = {} } = statement;
  const say = (problem: string) => new PolicyError(`${source}, statement ${sid}: ${problem}`);
  if (typeof sid !== "string") throw say("the Sid is no text");
  if (kind !== "resource" && sid !== number && !/^[0-9A-Za-z]*$/.test(sid)) {
    throw say("the Sid may have letters and digits only");
  }
  refuseOthers(
    statement,
    [
      ...["Sid", "Effect", "Action", "NotAction", "Condition"],
      ...(kind === "trust" ? [] : ["Resource", "NotResource"]),
      ...(kind === "identity" ? [] : ["Principal"]),
    ],
    say,
  );
  if (effect !== "Allow" && effect !== "Deny") throw say("the Effect is neither Allow nor Deny");
  if (kind !== "identity" && principal === undefined) throw say("there is no Principal");
  return {
    name: { policy: source, sid: sid || number },
    effect,
    principals: kind === "identity" ? undefined : readPrincipals(principal, say),
    actions: readChoice(statement, "Action", say),
    // Whoever asks to assume a role asks for the role that the trust policy belongs to.
    resources: kind === "trust" ? ANY : readChoice(statement, "Resource", say),
    conditions: readConditions(conditions, say),
  };
}

type Say = (problem: string) => PolicyError;

const ANY: Choice = { negated: false, texts: ["*"], patterns: [() => true] };

function readChoice(statement: object, element: "Action" | "Resource", say: Say): Choice {
  const [plain, opposite] = [element, `Not${element}`].map((name) => (statement as Plain)[name]);
  if (plain !== undefined && opposite !== undefined) throw say(`there are both ${element} and Not${element}`);
  const texts = readTexts(plain ?? opposite, element, say);
  const read = element === "Action" ? readAction : readResource;
  const patterns = texts.map((text) => attempt(() => read(text), say));
  return { negated: plain === undefined, texts, patterns };
}

/** Actions are the one thing here that is not case-sensitive. */
function readAction(text: string): Pattern {
  if (!/^(\*|[a-z0-9-]+:[a-z0-9*?]+)$/i.test(text)) throw new Error(`${text} is no action of a service`);
  return readPattern(text, "like", true);
}

function readResource(text: string): Pattern {
  if (text === "*") return () => true;
  const [scheme, partition = "", service = "", ...rest] = text.split(":");
  if (scheme !== "arn" || rest.length === 0 || (rest.length < 3 && !text.endsWith("*"))) {
    throw new Error(`${text} is neither an ARN nor *`);
  }
  if (!/^(aws[a-z-]*|\*)$/.test(partition)) throw new Error(`${text} is in no partition of AWS`);
  if (!/^[a-z0-9-]+$/.test(service)) throw new Error(`${text} does not name its service`);
  return readPattern(text, "resource");
}

function readPrincipals(value: unknown, say: Say): ReadonlySet<string> {
  if (value === "*") return new Set(["*"]);
  if (!isObject(value)) throw say("the Principal is neither * nor an object");
  refuseOthers(value, ["AWS", "Service"], say);
  const names = Object.entries(value).flatMap(([type, element]) =>
    readTexts(element, `Principal.${type}`, say).map((name) => {
      const known = type === "Service" ? SERVICE.test(name) : name === "*" || PRINCIPAL.test(name);
      if (!known) throw say(`the principal ${name} is no ${type} principal known here`);
      return ACCOUNT.exec(name)?.[1] ?? name;
    }),
  );
  if (names.length === 0) throw say("the Principal is empty");
  return new Set(names);
}

const SERVICE = /^[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com(\.cn)?$/;
const PRINCIPAL =
  /^(\d{12}|arn:[a-z-]+:iam::\d{12}:(root|(role|user)\/[\w+=,.@/-]+)|arn:[a-z-]+:sts::\d{12}:assumed-role\/[\w+=,.@/-]+)$/;
/** An account is written as its number or as the ARN of its root. */
const ACCOUNT = /^(?:arn:[a-z-]+:iam::(?=\d+:root$))?(\d{12})(?::root)?$/;

function readConditions(block: unknown, say: Say): readonly Condition[] {
  if (!isObject(block)) throw say("the Condition is no object");
  return Object.entries(block).flatMap(([operator, keys]) => {
    if (!isObject(keys)) throw say(`the condition ${operator} is no object`);
    return Object.entries(keys).map(([key, values]) => {
      const texts = readTexts(values, `${operator} ${key}`, say);
      return attempt(() => readCondition(operator, key, texts), say);
    });
  });
}

/** One text or several. Numbers and booleans in conditions count as texts. */
function readTexts(value: unknown, element: string, say: Say): readonly string[] {
  const texts = [value].flat();
  const odd = texts.some((text) => !["string", "number", "boolean"].includes(typeof text));
  if (odd || texts.length === 0) throw say(`${element} is absent, empty or no text`);
  return texts.map(String);
}

function refuseOthers(value: object, elements: readonly string[], say: Say): void {
  const other = Object.keys(value).find((key) => !elements.includes(key));
  if (other !== undefined) throw say(`the element ${other} is unknown or unsupported here`);
}

function attempt<T>(read: () => T, say: Say): T {
  try {
    return read();
  } catch (error) {
    throw say((error as Error).message);
  }
}

type Plain = Record<string, unknown>;

function isObject(value: unknown): value is Plain {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
