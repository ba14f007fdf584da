import { expect } from "chai";
import { permissionLines } from "../../src/cli/permissions.ts";

const TAKE = { role: "a", sid: "Take", actions: { "sqs:ReceiveMessage": 12, "sqs:DeleteMessage": 4 } };
const LOGS = {
  role: "a",
  sid: "WriteLogs",
  actions: { "logs:PutLogEvents": 0 },
  unasked: "nobody asks here",
};

describe("what is said of permissions", () => {
  it("is, for each role and statement, how often it allowed something, and what nobody needed", () => {
    const read = { role: "b", sid: "Read", actions: { "s3:GetObject": 0, "s3:GetObjectVersion": 3 } };

    expect(permissionLines([TAKE, LOGS, read])).to.deep.equal([
      "allowed to a:",
      "  Take       16  sqs:ReceiveMessage 12, sqs:DeleteMessage 4",
      "  WriteLogs   –  logs:PutLogEvents (not asked for: nobody asks here)",
      "allowed to b:",
      "  Read        3  s3:GetObject 0, s3:GetObjectVersion 3",
      "not needed in this run:",
      "  b, Read: s3:GetObject",
    ]);
  });

  it("is that all were needed, where they were", () => {
    expect(permissionLines([TAKE, LOGS]).at(-1)).to.equal("This run needed all permissions.");
  });
});
