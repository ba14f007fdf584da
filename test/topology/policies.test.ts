import { readdirSync, readFileSync } from "node:fs";
import { expect } from "chai";
import type { ImageFanOutArgs } from "../../src/topology/image-fan-out.ts";
import type { WorkerSettings } from "../../src/topology/setting-types.ts";
import { machine, type Statement, statements } from "../support/mocks.ts";

const workers = { clockwise: 90, "counter-clockwise": -90 };

const EVERYTHING: ImageFanOutArgs = { key: "create", tracing: true };

/** Where AWS knows no narrower resource, by the Sid; all but the first are in a key's own policy, or of X-Ray. */
const ANY_RESOURCE = [
  "WriteTraces",
  "TopicTraces",
  "AccountAdministers",
  "SourceBucketPublishes",
  "TopicSends",
  "AlarmsPublish",
  "LogsEncrypt",
];

for (const [title, args] of [
  ["by default", {}],
  ["with its own key and traces", EVERYTHING],
] as const) {
  describe(`the policies of a machine ${title}`, () => {
    let all: { in: string; statement: Statement }[];
    let allowing: { in: string; statement: Statement }[];

    before(async () => {
      all = statements(await machine(args, workers));
      allowing = all.filter(({ statement }) => statement.Effect === "Allow");
    });

    it("allow nobody everything, and no service's every action but the account its key's", () => {
      for (const { statement } of allowing) {
        const wide = [statement.Action]
          .flat()
          .filter((action) => action === "*" || /^[^:]*:\*$/.test(action));
        expect(wide, statement.Sid).to.deep.equal(statement.Sid === "AccountAdministers" ? ["kms:*"] : []);
      }
    });

    it("name their resources, but where AWS knows none", () => {
      for (const { in: name, statement } of allowing) {
        const any = [statement.Resource ?? ""].flat().includes("*");
        const may = /-key-policy$|-tracing-policy$/.test(name) || statement.Sid === "WriteTraces";
        expect(any && !may, `${name} ${statement.Sid}`).to.equal(false);
        if (any) expect(ANY_RESOURCE).to.include(statement.Sid);
      }
    });

    it("speak of everybody only to deny, under a condition", () => {
      for (const { in: name, statement } of all) {
        if (!JSON.stringify(statement.Principal ?? "").includes("*")) continue;
        expect(statement.Effect, name).to.equal("Deny");
        expect(statement.Condition, name).to.deep.equal({ Bool: { "aws:SecureTransport": "false" } });
      }
    });

    it("hold every service to sources of one account, but Lambda taking on a role and S3 using a key", () => {
      for (const { in: name, statement } of allowing) {
        const service = typeof statement.Principal === "object" && statement.Principal.Service;
        if (!service || service === "lambda.amazonaws.com") continue;
        if (service === "s3.amazonaws.com" && name === "images-key-policy") continue;
        const { ArnLike = {}, StringEquals = {} } = statement.Condition ?? {};
        const source = ArnLike["aws:SourceArn"] ?? ArnLike["kms:EncryptionContext:aws:logs:arn"];
        expect(source, `${name} ${statement.Sid}`).to.match(/^arn:aws:[a-z0-9]+:/);
        if (service === "sns.amazonaws.com" && statement.Sid === "TopicSends") {
          // SNS is asked for its topic's ARN alone when it sends to a queue: the account is in it.
          expect(statement.Condition, name).to.have.all.keys("ArnLike");
          expect(source).to.match(/^arn:aws:sns:eu-west-1:123456789012:/);
        } else if (!service.startsWith("logs.")) {
          expect(StringEquals["aws:SourceAccount"], `${name} ${statement.Sid}`).to.equal("123456789012");
        }
      }
    });

    it("let no role use a key but by way of what is encrypted with it", () => {
      for (const { in: name, statement } of allowing) {
        if (statement.Principal || !JSON.stringify(statement.Action).includes("kms:")) continue;
        const { "kms:ViaService": services } = statement.Condition?.StringEquals ?? {};
        expect([services].flat().join(), name).to.match(/^((s3|sqs|lambda)\.eu-west-1\.amazonaws\.com,?)+$/);
      }
    });

    it("let both buckets, both topics and all queues answer over TLS alone", () => {
      const denying = all.filter(({ statement }) => statement.Sid === "DenyWithoutTls");

      expect(denying.map(({ in: name }) => name)).to.have.members([
        "images-source-policy",
        "images-results-policy",
        "images-created-policy",
        "images-alarms-policy",
        "images-clockwise-queue-policy",
        "images-clockwise-dead-letters-policy",
        "images-counter-clockwise-queue-policy",
        "images-counter-clockwise-dead-letters-policy",
      ]);
    });

    it("give no worker anything of another's", () => {
      for (const { in: name, statement } of allowing) {
        if (!name.startsWith("images-clockwise-")) continue;
        expect(JSON.stringify(statement), statement.Sid).to.not.contain("counter-clockwise");
      }
    });
  });
}

describe("the policies of a machine in another partition", () => {
  for (const place of [
    { partition: "aws-cn", region: "cn-north-1", account: "210987654321" },
    { partition: "aws-us-gov", region: "us-gov-west-1", account: "210987654321" },
  ]) {
    it(`speak of ${place.partition} alone`, async () => {
      const resources = await machine(EVERYTHING, workers, place);
      const inputs = JSON.stringify(resources.map((resource) => resource.inputs));

      expect(inputs).to.not.match(/arn:aws:|eu-west-1|123456789012/);
      const services = statements(resources).flatMap(({ statement }) =>
        typeof statement.Principal === "object" ? (statement.Principal.Service ?? []) : [],
      );
      const suffix = place.partition === "aws-cn" ? ".cn" : "";
      expect([...new Set(services)]).to.have.members([
        "s3.amazonaws.com",
        "sns.amazonaws.com",
        "cloudwatch.amazonaws.com",
        "lambda.amazonaws.com",
        `logs.${place.region}.amazonaws.com${suffix}`,
      ]);
      // However China's regions are named there.
      expect(inputs).to.contain(`sqs.${place.region}.amazonaws.com"`);
      if (suffix) expect(inputs).to.contain(`sqs.${place.region}.amazonaws.com${suffix}"`);
    });
  }
});

describe("the policy of a worker's role", () => {
  /** What each command of the SDK needs; the mapping polls with the role, too, and Lambda logs with it. */
  const NEEDED: Record<string, string[]> = {
    GetObjectTaggingCommand: [],
    GetObjectCommand: ["s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions"],
    HeadObjectCommand: ["s3:GetObject"],
    PutObjectCommand: ["s3:PutObject"],
    SendMessageCommand: ["sqs:SendMessage"],
    ChangeMessageVisibilityBatchCommand: ["sqs:ChangeMessageVisibility"],
    DeleteMessageBatchCommand: ["sqs:DeleteMessage"],
  };
  const MAPPING = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];
  const LAMBDA = ["logs:CreateLogStream", "logs:PutLogEvents"];
  const TRACES = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"];
  const KEY = ["kms:Decrypt", "kms:GenerateDataKey"];

  const actions = async (args: ImageFanOutArgs) =>
    statements(await machine(args, workers))
      .filter(({ in: name }) => name === "images-clockwise-role-policy")
      .flatMap(({ statement }) => statement.Action);

  it("allows what the handlers use, and nothing that they do not", async () => {
    const sources = readdirSync("src/delivery").map((file) => readFileSync(`src/delivery/${file}`, "utf8"));
    const commands = new Set(sources.join("\n").match(/\b[A-Z]\w+Command\b/g));
    const used = [...commands].flatMap((command) => {
      if (!NEEDED[command]) throw new Error(`what does ${command} need?`);
      return NEEDED[command];
    });

    expect(new Set(await actions({}))).to.deep.equal(new Set([...used, ...MAPPING, ...LAMBDA]));
  });

  it("allows traces and the key only where there are any", async () => {
    expect(await actions({})).to.not.include.members([...TRACES, ...KEY]);
    expect(await actions({ tracing: true }))
      .to.include.members(TRACES)
      .and.not.include.members(KEY);
    expect(await actions({ key: "create" }))
      .to.include.members(KEY)
      .and.not.include.members(TRACES);
  });

  it("allows tags of sources and of its own results, where they are carried, and nowhere else", async () => {
    const policy = async (carry: NonNullable<WorkerSettings["carry"]>) =>
      statements(await machine({ workers: { carry } }, workers))
        .filter(({ in: name }) => name === "images-clockwise-role-policy")
        .map(({ statement }) => statement);
    const without = await policy(["cache-control", "content-disposition", "metadata"]);
    const tagging = (await policy(["tags"])).filter(({ Sid }) => !without.some((one) => one.Sid === Sid));

    expect(JSON.stringify(without)).to.not.contain("Tagging");
    expect(tagging).to.deep.equal([
      {
        Sid: "ReadSourceTags",
        Effect: "Allow",
        Action: ["s3:GetObjectTagging", "s3:GetObjectVersionTagging"],
        Resource: "arn:aws:s3:::images-source/*",
      },
      {
        Sid: "TagOwnResults",
        Effect: "Allow",
        Action: "s3:PutObjectTagging",
        Resource: "arn:aws:s3:::images-results/clockwise/*",
      },
    ]);
  });
});
