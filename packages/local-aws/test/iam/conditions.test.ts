import { expect } from "chai";
import { readCondition } from "../../src/iam/conditions.ts";
import type { Facts } from "../../src/iam/keys.ts";

/** A policy variable, as policies write it. */
const variable = (name: string) => `$\{${name}}`;

/** Whether an operator on a key holds; a key without values is missing. */
function holds(operator: string, key: string, values: string | string[], actual?: string): boolean {
  const facts: Facts = new Map(actual === undefined ? [] : [[key.toLowerCase(), actual]]);
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
    const facts: Facts = new Map([["aws:sourcearn", TOPIC]]);

    expect(readCondition("ArnEquals", "AWS:sourceARN", [TOPIC]).holds(facts)).to.be.true;
  });
});

describe("a condition that cannot be judged is refused:", () => {
  const cases: [string, string, string, RegExp][] = [
    ["an unknown operator", "StringEqual", "s3:prefix", /operator StringEqual is not known/],
    ["an operator in another case", "stringequals", "s3:prefix", /not known/],
    ["an operator that objects inherit", "constructor", "s3:prefix", /not known/],
    ["a binary operator", "BinaryEquals", "s3:prefix", /not known/],
    ["an operator for several values", "ForAnyValue:StringEquals", "s3:prefix", /not known/],
    ["an operator for numbers", "NumericEquals", "s3:prefix", /not known/],
    ["an operator for dates", "DateLessThan", "s3:prefix", /not known/],
    ["an operator for addresses", "IpAddress", "s3:prefix", /not known/],
    ["Null with IfExists", "NullIfExists", "s3:prefix", /not known/],
    ["Null with a prefix", "ForAnyValue:Null", "s3:prefix", /not known/],
    ["an unknown key", "StringEquals", "aws:PrincipalOrgID", /aws:PrincipalOrgID .*no request/],
    ["a key that nobody gives", "StringEquals", "s3:x-amz-acl", /s3:x-amz-acl .*no request/],
    ["an operator on a key of another type", "Bool", "aws:SourceArn", /its type is arn/],
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
    ["ArnLike", "aws:SourceArn", ["*", "arn:aws:sns:*", "images"]],
    [
      "StringLike",
      "s3:prefix",
      [variable("aws:Nobody"), "${aws:userid", variable(""), variable("aws:CurrentTime")],
    ],
  ];
  for (const [operator, key, wrong] of values) {
    it(`a value that makes no sense to ${operator}`, () => {
      for (const value of wrong) expect(() => readCondition(operator, key, [value]), value).to.throw();
    });
  }
});
