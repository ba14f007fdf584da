import { expect } from "chai";
import { takenAsDeclared } from "../../../src/machine/provision/declared.ts";

const place = { region: "eu-west-1", accountId: "000000000000" };
const taken = (type: string, inputs: Record<string, unknown> = {}, existing?: string) =>
  takenAsDeclared({ type, name: "it", physicalName: "it-1234567", inputs, existing }, place);
const HERE = "eu-west-1:000000000000";

describe("a resource that is taken as declared", () => {
  for (const [type, inputs, id, arn] of [
    ["aws:dynamodb/table:Table", {}, "it-1234567", `arn:aws:dynamodb:${HERE}:table/it-1234567`],
    ["aws:ssm/parameter:Parameter", { name: "/a/b" }, "/a/b", `arn:aws:ssm:${HERE}:parameter/a/b`],
    ["aws:s3/bucket:Bucket", { bucket: "b" }, "b", "arn:aws:s3:::b"],
    ["aws:iam/policy:Policy", {}, "arn:aws:iam::000000000000:policy/it-1234567", undefined],
    ["aws:sns/topic:Topic", { name: "t" }, `arn:aws:sns:${HERE}:t`, `arn:aws:sns:${HERE}:t`],
    ["aws:sfn/stateMachine:StateMachine", {}, `arn:aws:states:${HERE}:stateMachine:it-1234567`, undefined],
    ["aws:cognito/userPool:UserPool", {}, "it-1234567", `arn:aws:cognito-idp:${HERE}:user-pool/it-1234567`],
  ] as const) {
    it(`has the identifier and ARN that AWS would give: ${type}`, async () => {
      const made = await taken(type, inputs);

      expect(made.id).to.equal(id);
      expect(made.state.arn).to.equal(arn ?? id);
    });
  }

  it("has one of EC2's identifiers where it is EC2's", async () => {
    expect((await taken("aws:ec2/vpc:Vpc")).id).to.match(/^vpc-[0-9a-f]{17}$/);
    expect((await taken("aws:ec2/securityGroup:SecurityGroup")).id).to.match(/^sg-[0-9a-f]{17}$/);
  });

  it("is known by what the program reads it by, and takes its name from there", async () => {
    const arn = "arn:aws:sns:us-east-1:1:news";
    const { id, state } = await taken("aws:sns/topic:Topic", {}, arn);

    expect([id, state.arn, state.name]).to.deep.equal([arn, arn, "news"]);
  });

  it("has a text for every output that always has one, its inputs as they are", async () => {
    const { state } = await taken("aws:sqs/queue:Queue", { name: "q", delaySeconds: 5 });

    expect(state).to.deep.include({ name: "q", delaySeconds: 5, region: "eu-west-1" });
    expect(state.url).to.match(/^https:\/\/q\.sqs\.eu-west-1\.amazonaws\.com$/);
  });

  it("of another provider has its name for an identifier, and its inputs", async () => {
    const { id, state } = await taken("random:index/randomPet:RandomPet", { length: 2 });

    expect(id).to.equal("it-1234567");
    expect(state).to.include({ length: 2 });
  });
});
