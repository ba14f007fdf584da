import { BlockList, isIP } from "node:net";

/*
 * Filter policies of subscriptions about the message's body, as SNS documents them:
 * https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html and the pages that it links. That a name
 * in the policy also leads into every element of an array is in AWS's own example of S3's `Records`:
 * https://aws.amazon.com/blogs/compute/introducing-payload-based-message-filtering-for-amazon-sns/
 */

/** Whether a message's body, parsed, passes; undefined is one that is no JSON. */
export type BodyFilter = (body: unknown) => boolean;

/** Why SNS does not take a policy, or this computer does not know what is in it. */
export class FilterPolicyError extends Error {
  override readonly name = "FilterPolicyError";

  constructor(why: string) {
    super(`Invalid parameter: FilterPolicy: ${why}`);
  }
}

/** Whether any of the values that a body has under a name meets a condition. */
type Condition = (values: readonly unknown[]) => boolean;

/** What must be met of each name, by the names that lead there. One of several such must be met altogether. */
type Rules = readonly { readonly path: readonly string[]; readonly conditions: readonly Condition[] }[];

const MAX_BYTES = 256 * 1024;
const MAX_NAMES = 5;
const MAX_COMBINATIONS = 150;
const MAX_NUMBER = 1e9;

/** Names that are operators, beside which `$or` is none. */
const OPERATORS = [
  "prefix",
  "suffix",
  "anything-but",
  "numeric",
  "exists",
  "equals-ignore-case",
  "cidr",
  "wildcard",
];

/**
 * @param policy as JSON; an empty one, or no text at all, has everything pass
 * @param scope what it is about; what SNS does not take is refused of either, but only a policy about bodies is put to use here
 * @throws {FilterPolicyError}
 */
export function readFilter(policy: string, scope = "MessageAttributes"): BodyFilter {
  if (policy === "") return () => true;
  if (Buffer.byteLength(policy) > MAX_BYTES) throw new FilterPolicyError("Filter policy is too long");
  const parsed = objectOf(policy);
  // How SNS is told to forget a policy.
  if (Object.keys(parsed).length === 0) return () => true;
  if (Object.keys(parsed).length > MAX_NAMES) {
    throw new FilterPolicyError(`Filter policy can not have more than ${MAX_NAMES} keys`);
  }
  if (scope !== "MessageBody" && Object.values(parsed).some((value) => isObject(value))) {
    throw new FilterPolicyError(
      "Filter policy scope MessageAttributes does not support nested filter policy",
    );
  }
  if (combinations(parsed, 1) > MAX_COMBINATIONS) throw new FilterPolicyError("Filter policy is too complex");
  const alternatives = alternativesOf(parsed, []);
  return (body) =>
    isObject(body) &&
    alternatives.some((rules) =>
      rules.every(({ path, conditions }) => {
        const values = valuesAt(body, path);
        return conditions.some((condition) => condition(values));
      }),
    );
}

function objectOf(policy: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(policy);
    if (isObject(parsed)) return parsed;
  } catch {
    // Told below, like JSON that is no object.
  }
  throw new FilterPolicyError("failed to parse JSON");
}

/** Multiplies the numbers of values of all names, each by how deep its name is; those of `$or` are added. */
function combinations(policy: Record<string, unknown>, depth: number): number {
  return Object.entries(policy).reduce((product, [name, value]) => {
    if (isObject(value)) return product * combinations(value, depth + 1);
    if (isOr(name, value)) return product * value.reduce((sum, each) => sum + combinations(each, depth), 0);
    return product * (Array.isArray(value) ? value.length * depth : 1);
  }, 1);
}

/** The rules of a policy; of one with `$or` those of each way in which it can be met. */
function alternativesOf(policy: Record<string, unknown>, path: readonly string[]): readonly Rules[] {
  let alternatives: readonly Rules[] = [[]];
  for (const [name, value] of Object.entries(policy)) {
    const ways = isOr(name, value)
      ? value.flatMap((each) => alternativesOf(each, path))
      : isObject(value)
        ? alternativesOf(value, [...path, name])
        : [[{ path: [...path, name], conditions: conditionsOf(name, value) }]];
    alternatives = alternatives.flatMap((rules) => ways.map((way) => [...rules, ...way]));
  }
  return alternatives;
}

/** Elsewhere `$or` is a name like any other. */
function isOr(name: string, value: unknown): value is Record<string, unknown>[] {
  return (
    name === "$or" &&
    Array.isArray(value) &&
    value.length >= 2 &&
    value.every((each) => isObject(each) && !Object.keys(each).some((key) => OPERATORS.includes(key)))
  );
}

function conditionsOf(name: string, values: unknown): Condition[] {
  if (!Array.isArray(values)) throw new FilterPolicyError(`"${name}" must be an object or an array`);
  if (values.length === 0) throw new FilterPolicyError("Empty arrays are not allowed");
  return values.map(conditionOf);
}

function conditionOf(given: unknown): Condition {
  if (!isObject(given)) {
    if (Array.isArray(given))
      throw new FilterPolicyError("Match value must be String, number, true, false, or null");
    return anyOf((value) => value === given);
  }
  const [operator = "", ...others] = Object.keys(given);
  const operand = given[operator];
  if (others.length > 0) throw new FilterPolicyError("Only one key allowed in match expression");
  switch (operator) {
    case "exists": {
      if (typeof operand !== "boolean")
        throw new FilterPolicyError("exists match pattern must be either true or false.");
      return (values) => values.some((value) => value !== null && value !== "") === operand;
    }
    case "numeric":
      return anyOf(range(operand));
    case "anything-but":
      return anyOf(anythingBut(operand));
    case "cidr":
      return anyOf(inNetwork(operand));
    case "prefix":
    case "suffix":
    case "equals-ignore-case":
      return anyOf(text(operator, operand));
    default:
      throw new FilterPolicyError(
        operator === "wildcard"
          ? "the operator wildcard is not known on this computer"
          : `Unrecognized match type ${operator}`,
      );
  }
}

function anyOf(test: (value: unknown) => boolean): Condition {
  return (values) => values.some(test);
}

function text(operator: string, operand: unknown): (value: unknown) => boolean {
  if (typeof operand !== "string") throw new FilterPolicyError(`${operator} match pattern must be a string`);
  return (value) => {
    if (typeof value !== "string") return false;
    if (operator === "prefix") return value.startsWith(operand);
    if (operator === "suffix") return value.endsWith(operand);
    return value.toLowerCase() === operand.toLowerCase();
  };
}

function anythingBut(operand: unknown): (value: unknown) => boolean {
  if (isObject(operand)) {
    const [operator = "", ...others] = Object.keys(operand);
    if (operator !== "prefix" || others.length > 0)
      throw new FilterPolicyError(`Unsupported anything-but pattern: ${operator}`);
    const test = text(operator, operand[operator]);
    return (value) => typeof value === "string" && !test(value);
  }
  const excluded = [operand].flat();
  return (value) => value !== null && !excluded.includes(value);
}

function inNetwork(operand: unknown): (value: unknown) => boolean {
  const [address = "", bits] = String(operand).split("/");
  const networks = new BlockList();
  try {
    networks.addSubnet(address, Number(bits), familyOf(address));
  } catch {
    throw new FilterPolicyError("cidr must be a network, such as 10.0.0.0/24");
  }
  return (value) => typeof value === "string" && isIP(value) > 0 && networks.check(value, familyOf(value));
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}

/** Such as `[">=", 1, "<", 10]` or `["=", 5]`. */
function range(operand: unknown): (value: unknown) => boolean {
  const parts = Array.isArray(operand) ? operand : [];
  const pairs = Array.from({ length: parts.length / 2 }, (_, index) => parts.slice(index * 2, index * 2 + 2));
  const [first, second] = pairs.map(([operator]) => operator);
  const ways = pairs.length === 2 ? [/^>=?$/, /^<=?$/] : [/^([<>]=?|=)$/];
  const isRange =
    parts.length === ways.length * 2 && [first, second].every((one, index) => ways[index]?.test(one) ?? true);
  if (!isRange)
    throw new FilterPolicyError("Value of numeric must be one comparison, or a lower and an upper bound");
  const bounds = pairs.map(([, bound]) => bound);
  if (!bounds.every((bound) => typeof bound === "number" && Math.abs(bound) <= MAX_NUMBER)) {
    throw new FilterPolicyError(`Value of numeric must be a number from -${MAX_NUMBER} to ${MAX_NUMBER}`);
  }
  const compare: Record<string, (value: number, bound: number) => boolean> = {
    "=": (value, bound) => value === bound,
    ">": (value, bound) => value > bound,
    ">=": (value, bound) => value >= bound,
    "<": (value, bound) => value < bound,
    "<=": (value, bound) => value <= bound,
  };
  return (value) =>
    typeof value === "number" && pairs.every(([operator, bound]) => compare[operator]?.(value, bound));
}

/** All that a body has where names lead, which go into every element of an array. */
function valuesAt(body: unknown, path: readonly string[]): unknown[] {
  if (Array.isArray(body)) return body.flatMap((each) => valuesAt(each, path));
  const [name, ...rest] = path;
  if (name === undefined) return isObject(body) ? [] : [body];
  return isObject(body) && Object.hasOwn(body, name) ? valuesAt(body[name], rest) : [];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
