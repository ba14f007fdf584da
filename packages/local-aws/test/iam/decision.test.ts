import { expect } from "chai";
import fc from "fast-check";
import { type AccessRequest, type Decision, evaluate, type Principal } from "../../src/iam/decision.ts";
import { checkPolicy, type Policy } from "../../src/iam/policy.ts";

/** A policy variable, as policies write it. */
const variable = (name: string) => `$\{${name}}`;

const ACCOUNT = "123456789012";
const ROLE: Principal = {
  type: "role",
  arn: `arn:aws:iam::${ACCOUNT}:role/image-machine/worker-ab12cd3`,
  id: "AROAEXAMPLE",
  sessionName: "worker",
};
const USER: Principal = { type: "user", arn: `arn:aws:iam::${ACCOUNT}:user/me`, id: "AIDAEXAMPLE" };
const SNS: Principal = { type: "service", name: "sns.amazonaws.com" };
const ANYBODY: Principal = { type: "anonymous" };
const QUEUE = `arn:aws:sqs:eu-central-1:${ACCOUNT}:jobs`;
const TOPIC = `arn:aws:sns:eu-central-1:${ACCOUNT}:images`;

const allow = { Effect: "Allow", Action: "sqs:SendMessage", Resource: QUEUE };
const deny = { ...allow, Effect: "Deny" };

function identity(...Statement: object[]): Policy {
  const source = "role worker-ab12cd3";
  return checkPolicy({ Version: "2012-10-17", Statement }, { kind: "identity", source });
}

function resource(...Statement: object[]): Policy {
  const source = "queue policy of jobs";
  return checkPolicy({ Version: "2012-10-17", Statement }, { kind: "resource", source });
}

function decide(policies: Policy[], request: Partial<AccessRequest> = {}): Decision {
  const base = {
    principal: ROLE,
    action: "sqs:SendMessage",
    resource: QUEUE,
  };
  return evaluate({ ...base, ...request }, policies);
}

const allowed = (policies: Policy[], request?: Partial<AccessRequest>) => decide(policies, request).allowed;

function message(decision: Decision): string {
  return decision.allowed ? "allowed" : decision.message;
}

describe("a decision", () => {
  it("is no where nothing allows it", () => {
    expect(allowed([])).to.be.false;
    expect(allowed([identity({ ...allow, Action: "sqs:DeleteMessage" })])).to.be.false;
  });

  it("is yes where the principal's policy or the resource's allows it", () => {
    expect(decide([identity({ ...allow, Sid: "Send" })])).to.deep.equal({
      allowed: true,
      by: { policy: "role worker-ab12cd3", sid: "Send" },
    });
    expect(decide([resource({ ...allow, Principal: "*" })])).to.deep.equal({
      allowed: true,
      by: { policy: "queue policy of jobs", sid: "#1" },
    });
  });

  it("is no where anything denies it, wherever and in whatever order", () => {
    const everyone = { Principal: "*" };

    expect(allowed([identity(allow, deny)])).to.be.false;
    expect(allowed([identity(deny, allow)])).to.be.false;
    expect(allowed([identity(allow), resource({ ...deny, ...everyone })])).to.be.false;
    expect(allowed([identity(deny), resource({ ...allow, ...everyone })])).to.be.false;
  });
});

describe("an action", () => {
  const action = (element: object, name: string) =>
    allowed([identity({ Effect: "Allow", Resource: "*", ...element })], { action: name });

  it("fits a pattern, whatever its case", () => {
    expect(action({ Action: "*" }, "sqs:SendMessage")).to.be.true;
    expect(action({ Action: "sqs:*" }, "sqs:SendMessage")).to.be.true;
    expect(action({ Action: "SQS:sendmessage" }, "sqs:SendMessage")).to.be.true;
    expect(action({ Action: ["s3:*", "sqs:Send*"] }, "sqs:SendMessage")).to.be.true;
    expect(action({ Action: "sqs:Send????age" }, "sqs:SendMessage")).to.be.true;
  });

  it("does not fit a part of itself or another service", () => {
    expect(action({ Action: "sqs:Send" }, "sqs:SendMessage")).to.be.false;
    expect(action({ Action: "sqs:SendMessage" }, "sqs:SendMessageBatch")).to.be.false;
    expect(action({ Action: "s3:*" }, "sqs:SendMessage")).to.be.false;
  });

  it("fits NotAction where it fits none of its patterns", () => {
    expect(action({ NotAction: ["s3:*", "sqs:Delete*"] }, "sqs:SendMessage")).to.be.true;
    expect(action({ NotAction: ["s3:*", "sqs:Send*"] }, "sqs:SendMessage")).to.be.false;
  });
});

describe("a resource", () => {
  const on = (element: object, name: string) =>
    allowed([identity({ Effect: "Allow", Action: "*", ...element })], { resource: name });
  const KEY = "arn:aws:s3:::photos/a b/c:d";

  const fitting: [string, string][] = [
    ["*", KEY],
    ["*", "*"],
    [KEY, KEY],
    ["arn:aws:s3:::photos/*", KEY],
    ["arn:aws:s3:::photos/*", "arn:aws:s3:::photos/"],
    ["arn:aws:s3:::*/c:d", KEY],
    ["arn:aws:s3:::photos/a?b/c?d", KEY],
    ["arn:aws:s3:*", KEY],
    ["arn:aws:sqs:*:*:jobs", QUEUE],
    [`arn:aws:sqs:eu-*-?:${ACCOUNT}:j*`, QUEUE],
  ];
  for (const [pattern, name] of fitting) {
    it(`${name} fits ${pattern}`, () => {
      expect(on({ Resource: pattern }, name)).to.be.true;
      expect(on({ NotResource: pattern }, name)).to.be.false;
    });
  }

  const other: [string, string][] = [
    ["arn:aws:s3:::photos", KEY],
    ["arn:aws:s3:::photos/*", "arn:aws:s3:::photos"],
    ["arn:aws:s3:::photos/*", "arn:aws:s3:::photos2/a"],
    ["arn:aws:s3:::Photos/*", KEY],
    ["arn:aws:s3:::photos/a.b/*", KEY],
    ["arn:aws:sqs:*:*:*", "*"],
    ["arn:aws:sqs:eu*1:999999999999:jobs", QUEUE],
    [`arn:aws:sqs:e?-central-1:${ACCOUNT}:jo?`, QUEUE],
    ["arn:aws:sqs:*l:jobs*", QUEUE],
    ["arn:aws:sqs:e*012:job*", QUEUE],
    ["arn:aws:s3:?:photos/*", KEY],
  ];
  for (const [pattern, name] of other) {
    it(`${name} does not fit ${pattern}`, () => {
      expect(on({ Resource: pattern }, name)).to.be.false;
      expect(on({ NotResource: pattern }, name)).to.be.true;
    });
  }

  it("may depend on who asks, by a policy variable", () => {
    const own = { Resource: `arn:aws:s3:::photos/${variable("aws:userid")}/*` };

    expect(on(own, "arn:aws:s3:::photos/AROAEXAMPLE:worker/a")).to.be.true;
    expect(on(own, "arn:aws:s3:::photos/AROAEXAMPLE:other/a")).to.be.false;
  });

  it("takes what a variable stands for as it is, and the default where it stands for nothing", () => {
    const source = (Resource: string, name: string, sourceArn?: string) =>
      allowed([identity({ ...allow, Resource })], {
        resource: name,
        context: { "aws:SourceArn": sourceArn },
      });

    expect(source(`arn:aws:s3:::a/${variable("aws:SourceArn")}`, "arn:aws:s3:::a/b", "*")).to.be.false;
    expect(source(`arn:aws:s3:::a/${variable("aws:SourceArn")}`, "arn:aws:s3:::a/*", "*")).to.be.true;
    expect(source(`arn:aws:s3:::a/${variable("aws:SourceArn")}`, "arn:aws:s3:::a/")).to.be.false;
    expect(source(`arn:aws:s3:::a/${variable("aws:SourceArn, 'none'")}`, "arn:aws:s3:::a/none")).to.be.true;
    expect(source(`arn:aws:s3:::a/${variable("*")}`, "arn:aws:s3:::a/b")).to.be.false;
    expect(source(`arn:aws:s3:::a/${variable("*")}`, "arn:aws:s3:::a/*")).to.be.true;
  });
});

describe("a principal", () => {
  const granted = (Principal: unknown, principal: Principal) =>
    allowed([resource({ ...allow, Principal })], { principal });
  const denied = (Principal: unknown, principal: Principal) =>
    !allowed([identity(allow), resource({ ...deny, Principal })], { principal });
  const SESSION = `arn:aws:sts::${ACCOUNT}:assumed-role/worker-ab12cd3/worker`;

  it("is everyone, in both spellings", () => {
    for (const principal of [ROLE, USER, SNS, ANYBODY]) {
      expect(granted("*", principal)).to.be.true;
      expect(granted({ AWS: "*" }, principal)).to.be.true;
    }
  });

  it("is a role by its own ARN or by its session's", () => {
    expect(granted({ AWS: ROLE.arn }, ROLE)).to.be.true;
    expect(granted({ AWS: SESSION }, ROLE)).to.be.true;
    expect(granted({ AWS: `${SESSION}s` }, ROLE)).to.be.false;
    expect(granted({ AWS: USER.arn }, ROLE)).to.be.false;
    expect(granted({ AWS: USER.arn }, USER)).to.be.true;
  });

  it("is a service by its name only", () => {
    expect(granted({ Service: ["s3.amazonaws.com", "sns.amazonaws.com"] }, SNS)).to.be.true;
    expect(granted({ Service: "s3.amazonaws.com" }, SNS)).to.be.false;
    expect(granted({ Service: "sns.amazonaws.com" }, ROLE)).to.be.false;
    expect(granted({ AWS: ACCOUNT }, SNS)).to.be.false;
  });

  it("is not let in by its account alone, which leaves that to identity policies", () => {
    for (const AWS of [ACCOUNT, `arn:aws:iam::${ACCOUNT}:root`]) expect(granted({ AWS }, ROLE)).to.be.false;
    const policies = [identity(allow), resource({ ...allow, Principal: { AWS: ACCOUNT } })];
    expect(allowed(policies)).to.be.true;
  });

  it("is kept out by its account", () => {
    for (const AWS of [ACCOUNT, `arn:aws:iam::${ACCOUNT}:root`]) expect(denied({ AWS }, ROLE)).to.be.true;
    expect(denied({ AWS: "999999999999" }, ROLE)).to.be.false;
  });

  it("needs the resource's policy where it is a service or nobody", () => {
    for (const principal of [SNS, ANYBODY]) {
      expect(allowed([identity(allow)], { principal })).to.be.false;
      expect(allowed([identity(deny), resource({ ...allow, Principal: "*" })], { principal })).to.be.true;
    }
  });

  it("may assume a role where the trust policy says so", () => {
    const Principal = { Service: "lambda.amazonaws.com" };
    const trust = checkPolicy(
      { Version: "2012-10-17", Statement: { Effect: "Allow", Action: "sts:AssumeRole", Principal } },
      { kind: "trust", source: "trust policy of worker" },
    );
    const assume = (name: string) =>
      allowed([trust], {
        action: "sts:AssumeRole",
        resource: ROLE.arn,
        principal: { type: "service", name },
      });

    expect(assume("lambda.amazonaws.com")).to.be.true;
    expect(assume("sns.amazonaws.com")).to.be.false;
  });
});

describe("a condition of a statement", () => {
  const when = (Condition: object, request: Partial<AccessRequest> = {}) =>
    allowed([resource({ ...allow, Principal: "*", Condition })], request);

  it("must hold, and so must every other", () => {
    const Condition = {
      ArnEquals: { "aws:SourceArn": TOPIC },
      StringEquals: { "aws:SourceAccount": ACCOUNT },
    };
    const context = { "aws:SourceArn": TOPIC, "aws:SourceAccount": ACCOUNT };

    expect(when(Condition, { context })).to.be.true;
    expect(when(Condition, { context: { ...context, "aws:SourceArn": `${TOPIC}s` } })).to.be.false;
    expect(when(Condition, { context: { "aws:SourceArn": TOPIC } })).to.be.false;
    expect(when(Condition)).to.be.false;
  });

  it("keeps out what comes without TLS", () => {
    const Condition = { Bool: { "aws:SecureTransport": false } };
    const policies = [identity(allow), resource({ ...deny, Principal: "*", Condition })];

    expect(allowed(policies, { context: { "aws:SecureTransport": "true" } })).to.be.true;
    expect(allowed(policies, { context: { "aws:SecureTransport": "false" } })).to.be.false;
  });

  it("knows who asks", () => {
    const is = (key: string, value: string | string[], principal: Principal) =>
      when({ StringEquals: { [key]: value } }, { principal });

    expect(is("aws:PrincipalArn", ROLE.arn, ROLE)).to.be.true;
    expect(is("aws:PrincipalAccount", ACCOUNT, ROLE)).to.be.true;
    expect(is("aws:PrincipalType", "AssumedRole", ROLE)).to.be.true;
    expect(is("aws:userid", "AROAEXAMPLE:worker", ROLE)).to.be.true;
    expect(is("aws:PrincipalType", "User", USER)).to.be.true;
    expect(is("aws:userid", "AIDAEXAMPLE", USER)).to.be.true;
    expect(is("aws:PrincipalIsAWSService", "false", USER)).to.be.true;
    expect(is("aws:PrincipalIsAWSService", "true", SNS)).to.be.true;
    expect(is("aws:PrincipalServiceName", "sns.amazonaws.com", SNS)).to.be.true;
    expect(is("aws:PrincipalAccount", ACCOUNT, SNS)).to.be.false;
    expect(is("aws:PrincipalType", "Anonymous", ANYBODY)).to.be.true;
  });

  it("may name who asks by a policy variable", () => {
    const Condition = { StringLike: { "s3:prefix": `${variable("aws:PrincipalAccount")}/*` } };

    expect(when(Condition, { context: { "s3:prefix": `${ACCOUNT}/a` } })).to.be.true;
    expect(when(Condition, { context: { "s3:prefix": "1/a" } })).to.be.false;
    expect(when(Condition, { principal: SNS, context: { "s3:prefix": `${ACCOUNT}/a` } })).to.be.false;
  });
});

describe("the message of a refusal", () => {
  const sentence = `role worker-ab12cd3 is denied: no statement of role worker-ab12cd3 allows sqs:SendMessage on ${QUEUE}`;

  it("names who, what and the policies that would have had to allow it", () => {
    const elsewhere = { ...allow, Action: "s3:*" };
    const policies = [identity(elsewhere), resource({ ...elsewhere, Principal: "*" })];

    expect(message(decide([identity(elsewhere)]))).to.equal(sentence);
    expect(message(decide(policies))).to.equal(
      sentence.replace(" allows", " or of queue policy of jobs allows"),
    );
    expect(message(decide([], { principal: SNS }))).to.equal(
      `service sns.amazonaws.com is denied: no policy allows sqs:SendMessage on ${QUEUE}`,
    );
  });

  it("names the statement that denied it", () => {
    const decision = decide([identity(allow), resource({ ...deny, Sid: "Keep out", Principal: "*" })]);

    expect(decision).to.deep.equal({
      allowed: false,
      explicit: { policy: "queue policy of jobs", sid: "Keep out" },
      message: `role worker-ab12cd3 is denied: statement Keep out of queue policy of jobs forbids sqs:SendMessage on ${QUEUE}`,
    });
  });

  it("names the condition that was in the way", () => {
    const Condition = { ArnEquals: { "aws:SourceArn": TOPIC } };

    expect(message(decide([identity({ ...allow, Condition })]))).to.equal(
      `${sentence}; statement #1 of role worker-ab12cd3 would, but wants ArnEquals aws:SourceArn ${TOPIC}, and the request has none`,
    );
  });

  it("names the resource that the action is allowed on", () => {
    const Resource = `${QUEUE}-dead`;

    expect(message(decide([identity({ ...allow, Resource })]))).to.equal(
      `${sentence}; statement #1 of role worker-ab12cd3 allows it on only ${Resource}`,
    );
  });
});

describe("whatever the policies", () => {
  const text = fc.constantFrom("sqs:SendMessage", "sqs:*", "sqs:Receive*", "s3:GetObject", "*");
  const statement = (effect: fc.Arbitrary<string>) =>
    fc.record({
      Effect: effect,
      Action: fc.uniqueArray(text, { minLength: 1, maxLength: 3 }),
      Resource: fc.constantFrom("*", QUEUE, `${QUEUE}*`, TOPIC, "arn:aws:s3:::photos/*"),
      Condition: fc.constantFrom(
        {},
        { Bool: { "aws:SecureTransport": "true" } },
        { ArnNotLike: { "aws:SourceArn": TOPIC } },
        { StringNotEqualsIfExists: { "aws:PrincipalServiceName": "s3.amazonaws.com" } },
      ),
      Principal: fc.constantFrom<unknown>(
        "*",
        { AWS: ACCOUNT },
        { AWS: ROLE.arn },
        { Service: "sns.amazonaws.com" },
      ),
    });
  const statements = fc.array(statement(fc.constantFrom("Allow", "Deny")), { minLength: 1, maxLength: 4 });
  const request = fc.record({
    principal: fc.constantFrom<Principal>(ROLE, USER, SNS, ANYBODY),
    action: fc.constantFrom("sqs:SendMessage", "sqs:ReceiveMessage", "s3:GetObject"),
    resource: fc.constantFrom(QUEUE, TOPIC, "arn:aws:s3:::photos/a", "*"),
    context: fc.constantFrom({}, { "aws:SecureTransport": "true" }, { "aws:SourceArn": TOPIC }),
  });

  it("one more Deny never allows more", () => {
    fc.assert(
      fc.property(statements, statement(fc.constant("Deny")), request, (some, more, request) => {
        fc.pre(allowed([resource(...some, more)], request));
        expect(allowed([resource(...some)], request)).to.be.true;
      }),
    );
  });

  it("one more Allow never allows less", () => {
    fc.assert(
      fc.property(statements, statement(fc.constant("Allow")), request, (some, more, request) => {
        fc.pre(allowed([resource(...some)], request));
        expect(allowed([resource(...some, more)], request)).to.be.true;
      }),
    );
  });

  it("their order does not matter", () => {
    fc.assert(
      fc.property(statements, request, (some, request) => {
        const backwards = [...some].reverse();
        expect(allowed([resource(...backwards)], request)).to.equal(allowed([resource(...some)], request));
      }),
    );
  });

  it("a Deny of everything to everyone leaves nothing", () => {
    const nothing = { Effect: "Deny", Action: "*", Resource: "*", Principal: "*" };
    fc.assert(
      fc.property(statements, request, (some, request) => {
        expect(allowed([resource(...some, nothing)], request)).to.be.false;
      }),
    );
  });

  it("a resource fits itself and whatever begins like it", () => {
    const key = fc
      .string({ unit: "binary", minLength: 1, maxLength: 20 })
      .filter((text) => !/[*?$]/.test(text));
    fc.assert(
      fc.property(key, fc.string({ unit: "binary", maxLength: 20 }), (start, end) => {
        const policy = identity({ ...allow, Action: "*", Resource: `arn:aws:s3:::photos/${start}*` });
        expect(allowed([policy], { resource: `arn:aws:s3:::photos/${start}${end}` })).to.be.true;
        expect(allowed([policy], { resource: `arn:aws:s3:::photos/-${start}${end}` })).to.equal(
          `-${start}${end}`.startsWith(start),
        );
      }),
    );
  });
});
