/**
 * Conditions of policy statements: operators, and what they say of keys that are missing or have several values.
 *
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
 */

import { BlockList, isIP } from "node:net";
import { type Facts, type KeyType, keyType } from "./keys.ts";
import { fits, type Mode, readPattern } from "./patterns.ts";

/** One operator on one key, with all the values it allows. */
export interface Condition {
  readonly operator: string;
  readonly key: string;
  readonly values: readonly string[];
  holds(facts: Facts): boolean;
}

type Test = (actual: string, facts: Facts) => boolean;
/** Reads a value of the policy once, and throws where it makes no sense. */
type Reader = (value: string) => Test;

interface Operator {
  /** The types of key on which it makes sense; any where none are named. */
  readonly types?: readonly KeyType[];
  readonly read: Reader;
  readonly negated?: true;
}

const numeric = { types: ["numeric", "epoch"] } as const satisfies Partial<Operator>;
const date = { types: ["date", "epoch"] } as const satisfies Partial<Operator>;
const arn: Operator = { types: ["arn"], read: arnReader };
const address: Operator = { types: ["ip"], read: readNetwork };
const equal = (a: number, b: number) => a === b;

/** Every operator but Null, without its …IfExists and its prefix. BinaryEquals has no key to work on here. */
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
  Bool: { types: ["bool"], read: readBool },
  NumericEquals: { ...numeric, read: comparison(readNumber, equal) },
  NumericNotEquals: { ...numeric, read: comparison(readNumber, equal), negated: true },
  NumericLessThan: { ...numeric, read: comparison(readNumber, (a, b) => a < b) },
  NumericLessThanEquals: { ...numeric, read: comparison(readNumber, (a, b) => a <= b) },
  NumericGreaterThan: { ...numeric, read: comparison(readNumber, (a, b) => a > b) },
  NumericGreaterThanEquals: { ...numeric, read: comparison(readNumber, (a, b) => a >= b) },
  DateEquals: { ...date, read: comparison(readDate, equal) },
  DateNotEquals: { ...date, read: comparison(readDate, equal), negated: true },
  DateLessThan: { ...date, read: comparison(readDate, (a, b) => a < b) },
  DateLessThanEquals: { ...date, read: comparison(readDate, (a, b) => a <= b) },
  DateGreaterThan: { ...date, read: comparison(readDate, (a, b) => a > b) },
  DateGreaterThanEquals: { ...date, read: comparison(readDate, (a, b) => a >= b) },
  IpAddress: address,
  NotIpAddress: { ...address, negated: true },
};

/**
 * Reads one operator on one key.
 *
 * @throws {Error} where the operator or the key is unknown, or they do not go together, or a value makes no sense
 */
export function readCondition(operator: string, key: string, values: readonly string[]): Condition {
  const type = keyType(key);
  if (type === undefined) throw new Error(`the condition key ${key} is one that no request here carries`);
  if (operator === "Null") return readNull(key, values);

  const [, quantifier, name = "", ifExists] =
    /^(?:(ForAllValues|ForAnyValue):)?(\w+?)(IfExists)?$/.exec(operator) ?? [];
  const found = Object.hasOwn(OPERATORS, name) ? OPERATORS[name] : undefined;
  if (!found) throw new Error(`the condition operator ${operator} is unknown`);
  const { types, read, negated = false } = found;
  if (types && !types.includes(type))
    throw new Error(`${operator} does not work on ${key}: its type is ${type}`);
  if (type === "strings" && !quantifier) {
    throw new Error(`${key} has several values: ${operator} needs ForAllValues: or ForAnyValue: before it`);
  }
  const tests = values.map(read);
  const test: Test = (actual, facts) => tests.some((passes) => passes(actual, facts)) !== negated;
  return {
    operator,
    key,
    values,
    holds(facts) {
      const actual = facts.get(key.toLowerCase()) ?? [];
      if (actual.length === 0) {
        if (ifExists) return true;
        return quantifier ? quantifier === "ForAllValues" : negated;
      }
      const passes = (value: string) => test(value, facts);
      return quantifier === "ForAnyValue" ? actual.some(passes) : actual.every(passes);
    },
  };
}

/** `"Null": {"aws:SourceArn": "true"}` wants the key to be missing, `"false"` to be there. */
function readNull(key: string, values: readonly string[]): Condition {
  const tests = values.map(readBool);
  const holds = (facts: Facts) => {
    const missing = (facts.get(key.toLowerCase()) ?? []).length === 0;
    return tests.some((test) => test(String(missing), facts));
  };
  return { operator: "Null", key, values, holds };
}

function textReader(mode: Mode, ignoreCase = false): Reader {
  return (value) => {
    const pattern = readPattern(value);
    return (actual, facts) => fits(pattern, actual, mode, facts, ignoreCase);
  };
}

/** ArnEquals and ArnLike are the same: both know wildcards, and compare part by part. */
function arnReader(value: string): Test {
  const pattern = readPattern(value);
  const colons = value.replaceAll(/\$\{[^}]*\}/g, "").split(":").length - 1;
  if (colons < 5 && !value.startsWith("${")) throw new Error(`${value} has fewer than an ARN's six parts`);
  return (actual, facts) => fits(pattern, actual, "arn", facts);
}

function readBool(value: string): Test {
  const wanted = value.toLowerCase();
  if (wanted !== "true" && wanted !== "false") throw new Error(`${value} is neither true nor false`);
  return (actual) => actual.toLowerCase() === wanted;
}

function comparison(read: (text: string) => number, compare: (a: number, b: number) => boolean): Reader {
  return (value) => {
    const wanted = read(value);
    if (Number.isNaN(wanted)) throw new Error(`${value} cannot be compared`);
    // What is not a number is neither less nor more nor equal.
    return (actual) => compare(read(actual), wanted);
  };
}

function readNumber(text: string): number {
  return /^[+-]?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : Number.NaN;
}

/** ISO 8601, or seconds since 1970. */
function readDate(text: string): number {
  const seconds = readNumber(text);
  if (!Number.isNaN(seconds) && !/^\d{4}$/.test(text)) return seconds * 1000;
  return /^\d{4}(-\d\d(-\d\d(T.+)?)?)?$/.test(text) ? Date.parse(text) : Number.NaN;
}

/** An address, or a network such as 203.0.113.0/24. */
function readNetwork(value: string): Test {
  const [address = "", prefix, ...rest] = value.split("/");
  const version = isIP(address);
  const bits = version === 4 ? 32 : 128;
  const length = prefix === undefined ? bits : readNumber(prefix);
  if (version === 0 || rest.length > 0 || !(length >= 0 && length <= bits)) {
    throw new Error(`${value} is no IP address or network`);
  }
  const network = new BlockList();
  network.addSubnet(address, length, version === 4 ? "ipv4" : "ipv6");
  return (actual) => isIP(actual) !== 0 && network.check(actual, isIP(actual) === 4 ? "ipv4" : "ipv6");
}
