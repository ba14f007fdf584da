/**
 * Conditions of policy statements: operators, and what they say of keys that are missing. Those for numbers, dates,
 * addresses and keys of several values are refused, as no request here carries such a key.
 *
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
 */

import { type Facts, type KeyType, keyType } from "./keys.ts";
import { type Mode, type Pattern, readPattern } from "./patterns.ts";

/** One operator on one key, with all the values it allows. */
export interface Condition {
  readonly operator: string;
  readonly key: string;
  readonly values: readonly string[];
  holds(facts: Facts): boolean;
}

/** Reads a value of the policy once, and throws where it makes no sense. */
type Reader = (value: string) => Pattern;

interface Operator {
  /** The type of key on which it makes sense. @default any */
  readonly type?: KeyType;
  readonly read: Reader;
  readonly negated?: true;
}

const arn: Operator = { type: "arn", read: arnReader };

/** Every operator but Null, without its …IfExists. */
const OPERATORS: Readonly<Record<string, Operator>> = {
  StringEquals: { read: textReader("exact") },
  StringNotEquals: { read: textReader("exact"), negated: true },
  StringEqualsIgnoreCase: { read: textReader("exact", true) },
  StringNotEqualsIgnoreCase: { read: textReader("exact", true), negated: true },
  StringLike: { read: textReader("like") },
  StringNotLike: { read: textReader("like"), negated: true },
  ArnEquals: arn,
  ArnLike: arn,
  ArnNotEquals: { ...arn, negated: true },
  ArnNotLike: { ...arn, negated: true },
  Bool: { type: "bool", read: readBool },
};

/**
 * Reads one operator on one key.
 *
 * @throws {Error} where the operator or the key is unknown, or they do not go together, or a value makes no sense
 */
export function readCondition(operator: string, key: string, values: readonly string[]): Condition {
  const keysType = keyType(key);
  if (keysType === undefined) {
    throw new Error(`the condition key ${key} is one that no request on this computer carries`);
  }
  if (operator === "Null") return readNull(key, values);

  const [, name = "", ifExists] = /^(\w+?)(IfExists)?$/.exec(operator) ?? [];
  const found = Object.hasOwn(OPERATORS, name) ? OPERATORS[name] : undefined;
  if (!found) throw new Error(`the condition operator ${operator} is not known on this computer`);
  const { type = keysType, read, negated = false } = found;
  if (type !== keysType) throw new Error(`${operator} does not work on ${key}: its type is ${keysType}`);
  const tests = values.map(read);
  return {
    operator,
    key,
    values,
    holds(facts) {
      const actual = facts.get(key.toLowerCase());
      if (actual === undefined) return ifExists !== undefined || negated;
      return tests.some((passes) => passes(actual, facts)) !== negated;
    },
  };
}

/** `"Null": {"aws:SourceArn": "true"}` wants the key to be missing, `"false"` to be there. */
function readNull(key: string, values: readonly string[]): Condition {
  const tests = values.map(readBool);
  const holds = (facts: Facts) => {
    const missing = !facts.has(key.toLowerCase());
    return tests.some((test) => test(String(missing), facts));
  };
  return { operator: "Null", key, values, holds };
}

function textReader(mode: Mode, ignoreCase = false): Reader {
  return (value) => readPattern(value, mode, ignoreCase);
}

/** ArnEquals and ArnLike are the same: both know wildcards, and compare part by part. */
function arnReader(value: string): Pattern {
  const pattern = readPattern(value, "arn");
  const colons = value.replaceAll(/\$\{[^}]*\}/g, "").split(":").length - 1;
  if (colons < 5 && !value.startsWith("${")) throw new Error(`${value} has fewer than an ARN's six parts`);
  return pattern;
}

function readBool(value: string): Pattern {
  const wanted = value.toLowerCase();
  if (wanted !== "true" && wanted !== "false") throw new Error(`${value} is neither true nor false`);
  return (actual) => actual.toLowerCase() === wanted;
}
