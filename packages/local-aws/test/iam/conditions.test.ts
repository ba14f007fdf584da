import { expect } from "chai";
import { readCondition } from "../../src/iam/conditions.ts";
import type { Facts } from "../../src/iam/keys.ts";

/** A policy variable, as policies write it. */
const variable = (name: string) => `$\{${name}}`;

/** Whether an operator on a key holds; a key without values is missing. */
function holds(operator: string, key: string, values: string | string[], ...actual: string[]): boolean {
  const facts: Facts = new Map([[key.toLowerCase(), actual]]);
  return readCondition(operator, key, [values].flat()).holds(facts);
}

const TOPIC = "arn:aws:sns:eu-central-1:123456789012:images";

/** Operator, key, values of the policy, a value that it accepts, one that it does not, and the answer without any. */
const OPERATORS: [string, string, string | string[], string, string, boolean][] = [
  ["StringEquals", "s3:prefix", "a", "a", "A", false],
  ["StringEquals", "s3:prefix", "a*", "a*", "ab", false],
  ["StringEquals", "s3:prefix", ["a", "b"], "b", "c", false],
  ["StringNotEquals", "s3:prefix", "a", "b", "a", true],
  ["StringNotEquals", "s3:prefix", ["a", "b"], "c", "b", true],
  ["StringEqualsIgnoreCase", "s3:prefix", "ä", "Ä", "b", false],
  ["StringNotEqualsIgnoreCase", "s3:prefix", "a", "b", "A", true],
  ["StringLike", "s3:prefix", "a?c/*", "abc/d/e", "ac/d", false],
  ["StringLike", "s3:prefix", "*", "", "", false],
  ["StringLike", "s3:prefix", `a${variable("*")}${variable("?")}${variable("$")}`, "a*?$", "abcd", false],
  ["StringNotLike", "s3:prefix", "a*", "b", "ab", true],
  ["ArnEquals", "aws:SourceArn", TOPIC, TOPIC, `${TOPIC}s`, false],
  ["ArnEquals", "aws:SourceArn", "arn:aws:sns:*:123456789012:im*", TOPIC, TOPIC.replace("im", "om"), false],
  ["ArnLike", "aws:SourceArn", "arn:aws:sns:eu-*:*:*", TOPIC, TOPIC.replace("eu-", "us-"), false],
  ["ArnLike", "aws:SourceArn", "arn:aws:s3:*:*:a:b", "arn:aws:s3:::a:b", "arn:aws:s3:::x:a:b", false],
  ["ArnNotEquals", "aws:SourceArn", TOPIC, `${TOPIC}s`, TOPIC, true],
  ["ArnNotLike", "aws:SourceArn", "arn:aws:sns:*:*:*", "arn:aws:s3:::photos", TOPIC, true],
  ["Bool", "aws:SecureTransport", "true", "true", "false", false],
  ["Bool", "aws:SecureTransport", "False", "false", "true", false],
  ["NumericEquals", "s3:max-keys", "10", "10.0", "11", false],
  ["NumericNotEquals", "s3:max-keys", "10", "11", "10", true],
  ["NumericLessThan", "s3:max-keys", "10", "9", "10", false],
  ["NumericLessThanEquals", "s3:max-keys", "10", "10", "11", false],
  ["NumericGreaterThan", "s3:max-keys", "10", "11", "10", false],
  ["NumericGreaterThanEquals", "s3:max-keys", "10", "10", "9", false],
  ["NumericEquals", "s3:max-keys", "0", "0", "", false],
  ["DateEquals", "aws:CurrentTime", "2026-01-02", "2026-01-02T00:00:00Z", "2026-01-02T00:00:01Z", false],
  ["DateNotEquals", "aws:CurrentTime", "2026-01-02", "2026-01-03", "2026-01-02T00:00:00Z", true],
  [
    "DateLessThan",
    "aws:CurrentTime",
    "2026-01-02T03:04:05Z",
    "2026-01-02T03:04:04Z",
    "2026-01-02T03:04:05Z",
    false,
  ],
  [
    "DateLessThanEquals",
    "aws:CurrentTime",
    "2026-01-02",
    "2026-01-02T00:00:00Z",
    "2026-01-03T00:00:00Z",
    false,
  ],
  ["DateGreaterThan", "aws:CurrentTime", "1767312000", "2026-01-02T00:00:01Z", "2026-01-02T00:00:00Z", false],
  ["DateGreaterThanEquals", "aws:EpochTime", "2026-01-02", "1767312000", "1767311999", false],
  ["NumericLessThan", "aws:EpochTime", "1767312000", "1767311999", "1767312000", false],
  ["IpAddress", "aws:SourceIp", "203.0.113.0/24", "203.0.113.255", "203.0.114.0", false],
  ["IpAddress", "aws:SourceIp", "127.0.0.1", "127.0.0.1", "127.0.0.2", false],
  ["IpAddress", "aws:SourceIp", "2001:db8::/32", "2001:db8::1", "2001:db9::1", false],
  ["IpAddress", "aws:SourceIp", "0.0.0.0/0", "8.8.8.8", "not an address", false],
  ["NotIpAddress", "aws:SourceIp", "203.0.113.0/24", "203.0.114.0", "203.0.113.1", true],
];

describe("a condition", () => {
  for (const [operator, key, values, accepted, refused, missing] of OPERATORS) {
    const title = `${operator} ${values}`;

    it(`with ${title} holds for ${accepted} and not for ${refused || "nothing"}`, () => {
      expect(holds(operator, key, values, accepted)).to.be.true;
      if (refused !== accepted) expect(holds(operator, key, values, refused)).to.be.false;
    });

    it(`with ${title} ${missing ? "holds" : "does not hold"} where the key is missing, and does with …IfExists`, () => {
      expect(holds(operator, key, values)).to.equal(missing);
      expect(holds(`${operator}IfExists`, key, values)).to.be.true;
      if (refused !== accepted) expect(holds(`${operator}IfExists`, key, values, refused)).to.be.false;
    });
  }

  it("with Null asks whether the key is missing", () => {
    expect(holds("Null", "aws:SourceArn", "true")).to.be.true;
    expect(holds("Null", "aws:SourceArn", "true", TOPIC)).to.be.false;
    expect(holds("Null", "aws:SourceArn", "false")).to.be.false;
    expect(holds("Null", "aws:SourceArn", "false", TOPIC)).to.be.true;
  });

  it("finds its key whatever the case of its name", () => {
    const facts: Facts = new Map([["aws:sourcearn", [TOPIC]]]);

    expect(readCondition("ArnEquals", "AWS:sourceARN", [TOPIC]).holds(facts)).to.be.true;
  });
});

describe("a condition on a key with several values", () => {
  const names = "aws:PrincipalServiceNamesList";

  it("with ForAllValues: holds where each of them fits, also where there is none", () => {
    const all = (...actual: string[]) =>
      holds("ForAllValues:StringLike", names, ["s3.*", "sns.*"], ...actual);

    expect(all("s3.a", "sns.a")).to.be.true;
    expect(all("s3.a", "sqs.a")).to.be.false;
    expect(all()).to.be.true;
  });

  it("with ForAnyValue: holds where one of them fits, never where there is none", () => {
    const any = (...actual: string[]) => holds("ForAnyValue:StringLike", names, ["s3.*", "sns.*"], ...actual);

    expect(any("sqs.a", "sns.a")).to.be.true;
    expect(any("sqs.a", "sts.a")).to.be.false;
    expect(any()).to.be.false;
  });

  it("with a negated operator judges each value by itself", () => {
    const operator = "StringNotEquals";

    expect(holds(`ForAllValues:${operator}`, names, ["a", "b"], "c", "d")).to.be.true;
    expect(holds(`ForAllValues:${operator}`, names, ["a", "b"], "c", "b")).to.be.false;
    expect(holds(`ForAllValues:${operator}`, names, ["a", "b"])).to.be.true;
    expect(holds(`ForAnyValue:${operator}`, names, ["a", "b"], "c", "b")).to.be.true;
    expect(holds(`ForAnyValue:${operator}`, names, ["a", "b"], "a", "b")).to.be.false;
    expect(holds(`ForAnyValue:${operator}`, names, ["a", "b"])).to.be.false;
  });

  it("with …IfExists holds where there is none", () => {
    expect(holds("ForAnyValue:StringEqualsIfExists", names, "a")).to.be.true;
    expect(holds("ForAnyValue:StringEqualsIfExists", names, "a", "b")).to.be.false;
  });
});

describe("a condition that cannot be judged is refused:", () => {
  const cases: [string, string, string, RegExp][] = [
    ["an unknown operator", "StringEqual", "s3:prefix", /operator StringEqual is unknown/],
    ["an operator in another case", "stringequals", "s3:prefix", /unknown/],
    ["an operator that objects inherit", "constructor", "s3:prefix", /unknown/],
    ["a binary operator", "BinaryEquals", "s3:prefix", /unknown/],
    ["an unknown prefix", "ForSomeValues:StringEquals", "s3:prefix", /unknown/],
    ["Null with IfExists", "NullIfExists", "s3:prefix", /unknown/],
    ["Null with a prefix", "ForAnyValue:Null", "s3:prefix", /unknown/],
    ["an unknown key", "StringEquals", "aws:PrincipalOrgID", /aws:PrincipalOrgID .*no request/],
    ["a key that needs a prefix", "StringEquals", "aws:PrincipalServiceNamesList", /needs ForAllValues: or/],
    ["an operator on a key of another type", "NumericEquals", "aws:SourceArn", /its type is arn/],
    ["an ARN operator on a text", "ArnLike", "aws:SourceAccount", /its type is string/],
  ];
  for (const [title, operator, key, message] of cases) {
    it(title, () => {
      expect(() => readCondition(operator, key, ["1"])).to.throw(message);
    });
  }

  const values: [string, string, string[]][] = [
    ["Bool", "aws:SecureTransport", ["yes", ""]],
    ["Null", "aws:SecureTransport", ["yes"]],
    ["NumericEquals", "s3:max-keys", ["ten", "", "1e3", "0x1"]],
    ["DateLessThan", "aws:CurrentTime", ["tomorrow", "", "2026-13-01", "1 May 2026"]],
    [
      "IpAddress",
      "aws:SourceIp",
      ["localhost", "10.0.0.0/33", "10.0.0/8", "::1/129", "10.0.0.0/8/8", "10.0.0.0/-1"],
    ],
    ["ArnLike", "aws:SourceArn", ["*", "arn:aws:sns:*", "images"]],
    [
      "StringLike",
      "s3:prefix",
      [variable("aws:Nobody"), "${aws:userid", variable(""), variable("aws:PrincipalServiceNamesList")],
    ],
  ];
  for (const [operator, key, wrong] of values) {
    it(`a value that makes no sense to ${operator}`, () => {
      for (const value of wrong) expect(() => readCondition(operator, key, [value]), value).to.throw();
    });
  }
});
