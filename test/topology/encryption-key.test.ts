import { expect } from "chai";
import { ImageFanOut } from "../../src/topology/image-fan-out.ts";
import { RotationWorker } from "../../src/topology/rotation-worker.ts";
import { find, machine, type Registered, registered } from "../support/mocks.ts";

const KEY = "arn:aws:kms:eu-west-1:123456789012:key/images-key";

describe("a machine with a key of its own", () => {
  let resources: Registered[];

  before(async () => {
    resources = await machine({ key: "create" }, { clockwise: 90 });
  });

  it("rotates the key", () => {
    expect(find(resources, "Key", "images-key")).to.deep.equal({
      description: "Images and messages of machine, stack test",
      enableKeyRotation: true,
      tags: { Project: "machine", Stack: "test" },
    });
  });

  it("can be found by an alias, which does not outlive the stack", () => {
    expect(find(resources, "Alias", "images-key-alias")).to.deep.equal({
      name: "alias/machine-test-images",
      targetKeyId: "images-key-id",
    });
  });

  it("encrypts buckets, topics, queues, logs and environments with it, and nothing with AWS's keys", () => {
    for (const bucket of ["images-source", "images-results"]) {
      const { rules } = find(resources, "BucketServerSideEncryptionConfiguration", `${bucket}-encryption`);
      expect(rules).to.deep.equal([
        {
          applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms", kmsMasterKeyId: KEY },
          bucketKeyEnabled: true,
        },
      ]);
    }
    for (const topic of ["images-created", "images-alarms"]) {
      expect(find(resources, "Topic", topic).kmsMasterKeyId).to.equal(KEY);
    }
    for (const queue of ["images-clockwise-queue", "images-clockwise-dead-letters"]) {
      expect(find(resources, "Queue", queue).kmsMasterKeyId).to.equal(KEY);
      expect(find(resources, "Queue", queue)).to.not.have.property("sqsManagedSseEnabled");
    }
    expect(find(resources, "LogGroup", "images-clockwise-log").kmsKeyId).to.equal(KEY);
    expect(find(resources, "Function", "images-clockwise-function").kmsKeyArn).to.equal(KEY);
  });

  it("lets the account administer it, and each service use it for what it does here", () => {
    const { keyId, policy } = find(resources, "KeyPolicy", "images-key-policy");
    const use = ["kms:Decrypt", "kms:GenerateDataKey*"];
    const account = { "aws:SourceAccount": "123456789012" };

    expect(keyId).to.equal("images-key-id");
    expect(JSON.parse(policy)).to.deep.equal({
      Version: "2012-10-17",
      Statement: [
        {
          Sid: "AccountAdministers",
          Effect: "Allow",
          Principal: { AWS: "arn:aws:iam::123456789012:root" },
          Action: "kms:*",
          Resource: "*",
        },
        {
          Sid: "SourceBucketPublishes",
          Effect: "Allow",
          Principal: { Service: "s3.amazonaws.com" },
          Action: use,
          Resource: "*",
        },
        {
          Sid: "TopicSends",
          Effect: "Allow",
          Principal: { Service: "sns.amazonaws.com" },
          Action: use,
          Resource: "*",
          Condition: { ArnLike: { "aws:SourceArn": "arn:aws:sns:eu-west-1:123456789012:*" } },
        },
        {
          Sid: "AlarmsPublish",
          Effect: "Allow",
          Principal: { Service: "cloudwatch.amazonaws.com" },
          Action: use,
          Resource: "*",
          Condition: {
            ArnLike: { "aws:SourceArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:*" },
            StringEquals: account,
          },
        },
        {
          Sid: "LogsEncrypt",
          Effect: "Allow",
          Principal: { Service: "logs.eu-west-1.amazonaws.com" },
          Action: ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
          Resource: "*",
          Condition: {
            ArnLike: {
              "kms:EncryptionContext:aws:logs:arn":
                "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/machine-test-images-*",
            },
          },
        },
      ],
    });
  });

  it("lets a worker's function decrypt and encrypt, with this key alone, by way of what is encrypted", () => {
    const { policy } = find(resources, "RolePolicy", "images-clockwise-role-policy");

    expect(policy.Statement.at(-1)).to.deep.equal({
      Sid: "UseKey",
      Effect: "Allow",
      Action: ["kms:Decrypt", "kms:GenerateDataKey"],
      Resource: KEY,
      Condition: {
        StringEquals: {
          "kms:ViaService": ["s3", "sqs", "lambda"].map((service) => `${service}.eu-west-1.amazonaws.com`),
        },
      },
    });
  });
});

describe("a machine whose key is retired", () => {
  const withKey = (key?: "create" | "retire") => machine(key ? { key } : {}, { clockwise: 90 });
  let resources: Registered[];

  before(async () => {
    resources = await withKey("retire");
  });

  it("encrypts nothing new with it: all is as it is without a key", async () => {
    const without = new Map((await withKey()).map((each) => [each.name + each.type, each.inputs]));
    for (const { type, name, inputs } of resources) {
      if (/^image-machine/.test(type) || /images-key|role-policy/.test(name)) continue;
      expect(JSON.parse(JSON.stringify(inputs)), name).to.deep.equal(
        JSON.parse(JSON.stringify(without.get(name + type))),
      );
    }
  });

  it("keeps the key, its policy and the functions' permission, so that all that is stored can be read", async () => {
    const encrypted = await withKey("create");
    const kept = [
      ["Key", "images-key"],
      ["KeyPolicy", "images-key-policy"],
      ["RolePolicy", "images-clockwise-role-policy"],
    ] as const;
    for (const [type, name] of kept) {
      expect(find(resources, type, name), name).to.deep.equal(find(encrypted, type, name));
    }
    expect(JSON.stringify(find(resources, "RolePolicy", "images-clockwise-role-policy").policy)).to.contain(
      "UseKey",
    );
  });
});

describe("a machine with a key that exists", () => {
  const key = "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-0000-0000-0000-000000000000";

  it("encrypts with it what a key of its own would, and makes none", async () => {
    const made = await machineWith("create");
    const taken = await machineWith(key);
    const own = "arn:aws:kms:eu-west-1:123456789012:key/images-key";
    const texts = (resources: Registered[]) =>
      resources
        .filter(({ type, name }) => !type.startsWith("image-machine") && !name.startsWith("images-key"))
        .map(({ type, name, inputs }) => `${type} ${name} ${JSON.stringify(inputs)}`.replaceAll(own, key))
        .sort();

    expect(texts(taken)).to.deep.equal(texts(made));
    expect(taken.filter(({ type }) => /kms/.test(type))).to.deep.equal([]);
  });
});

function machineWith(key: string): Promise<Registered[]> {
  return registered(() => {
    new RotationWorker("clockwise", { fanOut: new ImageFanOut("images", { key }), angle: 90 });
  });
}
