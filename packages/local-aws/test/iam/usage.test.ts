import path from "node:path";
import { expect } from "chai";
import { withFolder } from "../../../../test/support/machine.ts";
import { Identity } from "../../src/iam/identity.ts";
import { ACCOUNT_ID, Events, neverNeeded, PermissionUse } from "../../src/index.ts";
import { LambdaService } from "../../src/lambda/service.ts";

const document = (...Statement: object[]) => JSON.stringify({ Version: "2012-10-17", Statement });
const trust = document({
  Effect: "Allow",
  Principal: { Service: "lambda.amazonaws.com" },
  Action: "sts:AssumeRole",
});
const allow = (Action: string | string[], more: object = {}) => ({
  Effect: "Allow",
  Action,
  Resource: "*",
  ...more,
});

/** A role with policies, and how they were used by requests for some actions. */
function usesOf(policies: string[], actions: string[]) {
  const events = new Events();
  const use = new PermissionUse(events);
  const identity = new Identity(ACCOUNT_ID, undefined, events);
  const arn = identity.createRole("role", trust);
  for (const policy of policies) identity.addRolePolicy("role", policy);
  const principal = { type: "role", arn, id: "AROA", sessionName: "worker" } as const;
  for (const action of actions) identity.judge(principal, action, "arn:aws:s3:::photos/a");
  identity.judge({ type: "user", arn: "arn:aws:iam::0:user/a", id: "A" }, "s3:GetObject", "*");
  return use.of(identity);
}

describe("the use of permissions", () => {
  it("is counted by what the policy says, whatever stands for several actions", () => {
    const read = allow(["s3:Get*", "S3:listbucket"], { Sid: "Read" });
    const put = allow("s3:PutObject");

    expect(
      usesOf(
        [document(read, put)],
        ["s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:DeleteObject"],
      ),
    ).to.deep.equal([
      { role: "role", sid: "Read", actions: { "s3:Get*": 2, "S3:listbucket": 1 } },
      { role: "role", sid: "#2", actions: { "s3:PutObject": 0 } },
    ]);
  });

  it("is told of statements of several policies by their policy, and of no Deny", () => {
    const policies = [
      document(allow("s3:GetObject", { Effect: "Deny" }), allow("s3:PutObject")),
      document({ Effect: "Allow", NotAction: "s3:Delete*", Resource: "*" }, allow("sqs:SendMessage")),
    ];

    expect(usesOf(policies, ["s3:PutObject", "s3:ListBucket"])).to.deep.equal([
      { role: "role", sid: "#2", actions: { "s3:PutObject": 1 } },
      { role: "role", sid: "#1", actions: { "all but s3:Delete*": 1 } },
      { role: "role", sid: "#2", actions: { "sqs:SendMessage": 0 } },
    ]);
  });

  it("says of what nobody asks for here why that is so, and takes it for no permission too many", () => {
    const uses = usesOf(
      [document(allow(["logs:PutLogEvents", "dynamodb:Query"], { Sid: "Other" }), allow("s3:*"))],
      [],
    );

    expect(uses[0]?.unasked).to.equal(
      "Lambda writes logs here without asking; dynamodb is not on this computer",
    );
    expect(neverNeeded(uses)).to.deep.equal([{ role: "role", sid: "#2", action: "s3:*" }]);
  });
});

describe("an event source mapping", () => {
  it("is refused where the function's role may not do with the queue what Lambda does", async () => {
    await withFolder(async (folder) => {
      const events = new Events();
      const identity = new Identity(ACCOUNT_ID);
      const role = identity.createRole("role", trust);
      identity.addRolePolicy("role", document(allow(["sqs:ReceiveMessage", "sqs:DeleteMessage"])));
      const lambda = new LambdaService({
        ...{
          folder: path.join(folder, "lambda"),
          region: "us-east-1",
          accountId: ACCOUNT_ID,
          identity,
          events,
        },
        ...{ endpoint: "http://127.0.0.1:0", concurrency: 1, report: () => {} },
        queue: () => ({ receive: async () => [], delete: async () => {} }),
      });
      const functionArn = await lambda.createFunction({
        ...{
          name: "worker",
          runtime: `nodejs${process.versions.node.split(".")[0]}.x`,
          handler: "index.handler",
        },
        ...{ code: { assets: {} }, layers: [], role, memorySize: 128, timeout: 3 },
        ...{ logGroup: "/worker", environment: {} },
      });
      const queueArn = `arn:aws:sqs:us-east-1:${ACCOUNT_ID}:work`;

      expect(() =>
        lambda.createEventSourceMapping({
          ...{ functionArn, queueArn, queueUrl: "http://127.0.0.1:0/work", batchSize: 1, window: 0 },
          ...{ maximumConcurrency: 1, reportsFailures: true },
        }),
      ).to.throw(
        /^the function's role does not have permissions to call GetQueueAttributes on SQS: role role is denied: /,
      );
    });
  });
});
