import { expect } from "chai";
import { checkPolicy, PolicyError, type Where } from "../../src/iam/policy.ts";

/** A policy variable, as policies write it. */
const variable = (name: string) => `$\{${name}}`;

const IDENTITY: Where = { kind: "identity", source: "role worker" };
const RESOURCE: Where = { kind: "resource", source: "queue policy of jobs" };
const TRUST: Where = { kind: "trust", source: "trust policy of worker" };
const BASE = { Effect: "Allow", Action: "sqs:SendMessage", Resource: "*" };

function refusal(statement: object, where = IDENTITY): string {
  return refusalOf({ Version: "2012-10-17", Statement: [statement] }, where);
}

function refusalOf(document: unknown, where = IDENTITY): string {
  try {
    checkPolicy(document, where);
  } catch (error) {
    if (error instanceof PolicyError) return error.message;
    throw error;
  }
  return "accepted";
}

describe("a policy document", () => {
  it("is read from its value or from JSON, with one statement or several", () => {
    const document = { Version: "2012-10-17", Statement: BASE };

    expect(checkPolicy(document, IDENTITY).statements).to.have.length(1);
    expect(
      checkPolicy(JSON.stringify({ ...document, Statement: [BASE, BASE] }), IDENTITY).statements,
    ).to.have.length(2);
  });

  it("may be of the older version, with an Id", () => {
    expect(refusalOf({ Version: "2008-10-17", Id: "mine", Statement: BASE })).to.equal("accepted");
    expect(refusalOf({ Statement: BASE })).to.equal("accepted");
  });

  it("is refused where it is no document at all", () => {
    for (const document of ["", "{", "[]", "null", 1, null, undefined, [BASE]]) {
      expect(refusalOf(document)).to.match(/^role worker: the policy is no/);
    }
  });

  it("is refused with another version or element, or without a statement", () => {
    expect(refusalOf({ Version: "2012-10-18", Statement: BASE })).to.match(/Version 2012-10-18 is unknown/);
    expect(refusalOf({ version: "2012-10-17", Statement: BASE })).to.match(/element version is unknown/);
    expect(refusalOf({ Version: "2012-10-17" })).to.match(/no Statement/);
    expect(refusalOf({ Version: "2012-10-17", Statement: [] })).to.match(/no Statement/);
    expect(refusalOf({ Version: "2012-10-17", Statement: ["Allow"] })).to.match(/statement #1 is no object/);
  });

  it("is refused with a policy variable in the older version, which would take it for plain text", () => {
    const Statement = { ...BASE, Resource: `arn:aws:s3:::photos/${variable("aws:userid")}` };

    expect(refusalOf({ Version: "2008-10-17", Statement })).to.match(/need Version 2012-10-17/);
    expect(refusalOf({ Version: "2012-10-17", Statement })).to.equal("accepted");
  });

  it("is refused where two statements have one Sid", () => {
    const Statement = [1, 2].map(() => ({ ...BASE, Sid: "Send" }));

    expect(refusalOf({ Version: "2012-10-17", Statement })).to.match(/two statements have the Sid Send/);
  });
});

describe("a statement is refused, by name,", () => {
  const { Effect, Action, Resource } = BASE;
  const cases: [string, object, RegExp][] = [
    ["for an unknown element", { ...BASE, Actions: "*" }, /^role worker, statement #1: the element Actions/],
    [
      "for a Sid that IAM does not take",
      { ...BASE, Sid: "Send it" },
      /statement Send it: .*letters and digits/,
    ],
    ["for a Sid that is no text", { ...BASE, Sid: 1 }, /Sid is no text/],
    ["for another Effect", { ...BASE, Effect: "allow" }, /Effect is neither/],
    ["without an Effect", { Action, Resource }, /Effect is neither/],
    ["without an Action", { Effect, Resource }, /Action is absent/],
    ["without a Resource", { Effect, Action }, /Resource is absent/],
    ["for Action and NotAction", { ...BASE, NotAction: "s3:*" }, /both Action and NotAction/],
    ["for Resource and NotResource", { ...BASE, NotResource: "*" }, /both Resource and NotResource/],
    ["for an empty list", { ...BASE, Action: [] }, /Action is absent, empty/],
    ["for a list in a list", { ...BASE, Action: [["s3:*"]] }, /Action is absent, empty or no text/],
    [
      "for a Principal in an identity policy",
      { ...BASE, Principal: "*" },
      /Principal is unknown or unsupported/,
    ],
    ["for a condition that is no object", { ...BASE, Condition: "x" }, /Condition is no object/],
    [
      "for an operator that is no object",
      { ...BASE, Condition: { Bool: "x" } },
      /condition Bool is no object/,
    ],
    [
      "for a condition without values",
      { ...BASE, Condition: { Bool: { "aws:SecureTransport": [] } } },
      /empty/,
    ],
    [
      "for an unknown operator",
      { ...BASE, Condition: { Boole: { "aws:SecureTransport": "true" } } },
      /Boole/,
    ],
    [
      "for an unknown key",
      { ...BASE, Condition: { StringEquals: { "aws:PrincipalTag/a": "b" } } },
      /PrincipalTag/,
    ],
  ];
  for (const [title, statement, message] of cases) {
    it(title, () => {
      expect(refusal(statement)).to.match(message);
    });
  }

  it("for an action that is none", () => {
    for (const wrong of [
      "SendMessage",
      "s*:SendMessage",
      "sqs:Send Message",
      "sqs:",
      "",
      `sqs:${variable("aws:userid")}`,
    ]) {
      expect(refusal({ ...BASE, Action: wrong })).to.match(/is no action/);
    }
    for (const right of ["*", "sqs:*", "SQS:sendmessage", "s3:Get?bject*"]) {
      expect(refusal({ ...BASE, Action: right })).to.equal("accepted");
    }
  });

  it("for a resource that is no ARN", () => {
    for (const wrong of [
      "jobs",
      "",
      "arn:aws:sqs",
      "arn:aws:*",
      "arn:aws:*:*:*:*",
      "arn:aws:sqs:eu-central-1:jobs",
      "arn::s3:::photos",
    ]) {
      expect(refusal({ ...BASE, Resource: wrong }), wrong).to.match(
        /is neither an ARN|is in no partition|does not name its service/,
      );
    }
    for (const right of [
      "*",
      "arn:aws:sqs:*",
      "arn:aws:s3:::photos/a:b*",
      `arn:aws:s3:::${variable("aws:userid, 'x'")}`,
    ]) {
      expect(refusal({ ...BASE, Resource: right }), right).to.equal("accepted");
    }
  });
});

describe("the Principal of a resource policy", () => {
  const principal = (Principal: unknown) => refusal({ ...BASE, Principal }, RESOURCE);

  it("may be everyone, accounts, roles, users, sessions and services", () => {
    const right = [
      ...["*", { AWS: "*" }, { AWS: "123456789012" }, { AWS: ["arn:aws:iam::123456789012:root"] }],
      ...[
        { AWS: "arn:aws:iam::123456789012:role/path/worker" },
        { AWS: "arn:aws:iam::123456789012:user/me" },
      ],
      { AWS: "arn:aws:sts::123456789012:assumed-role/worker/session", Service: ["sns.amazonaws.com"] },
    ];
    for (const value of right) expect(principal(value), JSON.stringify(value)).to.equal("accepted");
  });

  it("is refused where it has wildcards in it, is of another kind, or is not there", () => {
    const wrong = [
      ...["worker", {}, [], { AWS: [] }, { AWS: "arn:aws:iam::123456789012:role/*" }, { AWS: "1234" }],
      ...[
        { Service: "*" },
        { Service: "sns" },
        { Service: "123456789012" },
        { Federated: "accounts.example" },
      ],
      ...[{ CanonicalUser: "abc" }, { AWS: "AROAEXAMPLE" }, undefined, null],
    ];
    for (const value of wrong) expect(principal(value), JSON.stringify(value)).not.to.equal("accepted");
  });

  it("cannot be turned round by NotPrincipal", () => {
    const statement = { ...BASE, Effect: "Deny", NotPrincipal: { AWS: "123456789012" } };

    expect(refusal(statement, RESOURCE)).to.match(/NotPrincipal is unknown or unsupported/);
  });
});

describe("a trust policy", () => {
  const statement = {
    Effect: "Allow",
    Action: "sts:AssumeRole",
    Principal: { Service: "lambda.amazonaws.com" },
  };

  it("has a Principal and no Resource", () => {
    expect(refusal(statement, TRUST)).to.equal("accepted");
    expect(refusal({ ...statement, Resource: "*" }, TRUST)).to.match(/Resource is unknown or unsupported/);
    expect(refusal({ ...statement, Principal: undefined }, TRUST)).to.match(/no Principal/);
  });
});
