import { expect } from "chai";
import { find, machine } from "../support/mocks.ts";

describe("tracing", () => {
  it("is off by default, and nothing is allowed for it", async () => {
    const resources = await machine({ tracing: false }, { clockwise: 90 });

    expect(JSON.stringify(resources)).to.not.match(/xray|"Active"/);
  });

  it("is turned off again in words, as AWS keeps what a program no longer speaks of", async () => {
    const resources = await machine({ tracing: false }, { clockwise: 90 });

    expect(find(resources, "Topic", "images-created").tracingConfig).to.equal("PassThrough");
    expect(find(resources, "Function", "images-clockwise-function").tracingConfig).to.deep.equal({
      mode: "PassThrough",
    });
  });

  it("is active on topic and function, where it is on", async () => {
    const resources = await machine({ tracing: true }, { clockwise: 90 });

    expect(find(resources, "Topic", "images-created").tracingConfig).to.equal("Active");
    expect(find(resources, "Function", "images-clockwise-function").tracingConfig).to.deep.equal({
      mode: "Active",
    });
  });

  it("is allowed to the function and to this one topic", async () => {
    const resources = await machine({ tracing: true }, { clockwise: 90 });

    const { policyName, policyDocument } = find(resources, "ResourcePolicy", "images-tracing-policy");
    expect(policyName).to.equal("machine-test-images");
    expect(JSON.parse(policyDocument)).to.deep.equal({
      Version: "2012-10-17",
      Statement: [
        {
          Sid: "TopicTraces",
          Effect: "Allow",
          Principal: { Service: "sns.amazonaws.com" },
          Action: ["xray:PutTraceSegments", "xray:GetSamplingRules", "xray:GetSamplingTargets"],
          Resource: "*",
          Condition: {
            ArnLike: { "aws:SourceArn": "arn:aws:sns:eu-west-1:123456789012:images-created" },
            StringEquals: { "aws:SourceAccount": "123456789012" },
          },
        },
      ],
    });
    const { policy } = find(resources, "RolePolicy", "images-clockwise-role-policy");
    expect(policy.Statement.at(-1)).to.deep.equal({
      Sid: "WriteTraces",
      Effect: "Allow",
      Action: ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
      Resource: "*",
    });
  });
});
