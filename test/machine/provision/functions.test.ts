import { expect } from "chai";
import { answer } from "../../../src/machine/provision/functions.ts";

const asked = (name: string, inputs: Record<string, unknown> = {}) =>
  answer(`aws:${name}`, inputs, "ap-southeast-2");

/** The document of a call of `aws.iam.getPolicyDocument`. */
const documentOf = (inputs: Record<string, unknown>) =>
  JSON.parse(String(asked("iam/getPolicyDocument:getPolicyDocument", inputs).json));

describe("a function that reads the account", () => {
  it("answers for the account and region on this computer", () => {
    expect(asked("index/getCallerIdentity:getCallerIdentity").accountId).to.equal("000000000000");
    expect(asked("index/getRegion:getRegion").name).to.equal("ap-southeast-2");
    expect(asked("index/getRegion:getRegion", { name: "eu-west-1" }).endpoint).to.equal(
      "ec2.eu-west-1.amazonaws.com",
    );
    expect(asked("index/getPartition:getPartition").partition).to.equal("aws");
    expect(asked("index/getAvailabilityZones:getAvailabilityZones")).to.deep.include({
      names: ["ap-southeast-2a", "ap-southeast-2b", "ap-southeast-2c"],
      zoneIds: ["apse2-az1", "apse2-az2", "apse2-az3"],
    });
    expect(asked("index/getServicePrincipal:getServicePrincipal", { serviceName: "s3" })).to.deep.include({
      name: "s3.amazonaws.com",
      region: "ap-southeast-2",
    });
  });

  it("takes an ARN to pieces, with the colons of its resource", () => {
    const arn = "arn:aws:logs:eu-west-1:1:log-group:/a:*";
    expect(asked("index/getArn:getArn", { arn })).to.deep.include({
      ...{ partition: "aws", service: "logs", region: "eu-west-1", account: "1", resource: "log-group:/a:*" },
    });
  });

  it("is refused in a sentence where only the account on AWS could tell", () => {
    expect(() => asked("ec2/getAmi:getAmi")).to.throw(
      /^The program calls aws:ec2\/getAmi:getAmi, which has no answer/,
    );
  });
});

describe("a policy document", () => {
  it("has values that stand alone as text, several as a list, and the conditions of one key together", () => {
    const condition = (variable: string, ...values: string[]) => ({ test: "StringLike", variable, values });
    expect(
      documentOf({
        policyId: "id",
        statements: [
          {
            ...{ sid: "one", actions: ["s3:Get*"], notResources: ["a", "b"] },
            principals: [
              { type: "AWS", identifiers: ["1"] },
              { type: "AWS", identifiers: ["2"] },
            ],
            conditions: [condition("k", "x"), condition("k", "y"), condition("l", "&{aws:username}")],
          },
          { effect: "Deny", notActions: ["*"], notPrincipals: [{ type: "*", identifiers: ["*"] }] },
        ],
      }),
    ).to.deep.equal({
      ...{ Version: "2012-10-17", Id: "id" },
      Statement: [
        {
          ...{ Sid: "one", Effect: "Allow", Action: "s3:Get*", NotResource: ["a", "b"] },
          Principal: { AWS: ["1", "2"] },
          // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of IAM's
          Condition: { StringLike: { k: ["x", "y"], l: "${aws:username}" } },
        },
        { Effect: "Deny", NotAction: "*", NotPrincipal: "*" },
      ],
    });
  });

  it("takes other documents' statements, and replaces those of the same Sid where it is told to", () => {
    const document = (...Statement: object[]) => JSON.stringify({ Statement });
    expect(
      documentOf({
        sourcePolicyDocuments: [document({ Sid: "a", Effect: "Allow" }), '{"Statement":{"Effect":"Deny"}}'],
        statements: [{ sid: "b", resources: ["r"] }],
        overridePolicyDocuments: [document({ Sid: "a", Effect: "Deny" }, { Sid: "c", Effect: "Allow" })],
      }).Statement,
    ).to.deep.equal([
      { Sid: "a", Effect: "Deny" },
      { Effect: "Deny" },
      { Sid: "b", Effect: "Allow", Resource: "r" },
      { Sid: "c", Effect: "Allow" },
    ]);
  });
});
