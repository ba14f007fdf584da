import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import { ArgumentError } from "../../src/topology/argument-error.ts";
import { ImageFanOut, type ImageFanOutArgs } from "../../src/topology/image-fan-out.ts";
import { ImageWorker, type ImageWorkerArgs } from "../../src/topology/image-worker.ts";
import { RotationWorker } from "../../src/topology/rotation-worker.ts";
import { find, registered, statements } from "../support/mocks.ts";

const SQS = "arn:aws:sqs:eu-west-1:123456789012";
const KEY = "arn:aws:kms:eu-west-1:123456789012:key/images-key";

/** A machine that grants all that it can, to a role by its name. */
const granting = (args: ImageFanOutArgs = {}, role: aws.iam.Role | string = "somebody") =>
  registered(() => {
    const fanOut = new ImageFanOut("images", args);
    const worker = new RotationWorker("clockwise", { fanOut, angle: 90 });
    fanOut.grantUpload(role);
    fanOut.grantRead(role);
    worker.grantRedrive(role);
  });

/** The whole policies, by what they are named after. */
async function granted(args: ImageFanOutArgs = {}): Promise<Record<string, unknown>> {
  const resources = await granting(args);
  return Object.fromEntries(
    ["upload", "read", "clockwise-redrive"].map((what) => {
      const { role, policy } = find(resources, "RolePolicy", `images-${what}-somebody`);
      expect(role).to.equal("somebody");
      return [what, policy];
    }),
  );
}

describe("a grant", () => {
  const UPLOAD = {
    Sid: "UploadImages",
    Effect: "Allow",
    Action: ["s3:PutObject", "s3:AbortMultipartUpload"],
    Resource: "arn:aws:s3:::images-source/*",
  };
  const READ = [
    {
      Sid: "ReadResults",
      Effect: "Allow",
      Action: "s3:GetObject",
      Resource: "arn:aws:s3:::images-results/*",
    },
    { Sid: "ListResults", Effect: "Allow", Action: "s3:ListBucket", Resource: "arn:aws:s3:::images-results" },
  ];
  const REDRIVE = [
    {
      Sid: "TakeDeadLetters",
      Effect: "Allow",
      Action: [
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:ChangeMessageVisibility",
        "sqs:GetQueueAttributes",
        "sqs:StartMessageMoveTask",
        "sqs:ListMessageMoveTasks",
        "sqs:CancelMessageMoveTask",
      ],
      Resource: `${SQS}:images-clockwise-dead-letters`,
    },
    {
      Sid: "SendAgain",
      Effect: "Allow",
      Action: "sqs:SendMessage",
      Resource: `${SQS}:images-clockwise-queue`,
    },
  ];
  const useKey = (Action: string | string[], service = "s3") => ({
    Sid: "UseKey",
    Effect: "Allow",
    Action,
    Resource: KEY,
    Condition: { StringEquals: { "kms:ViaService": `${service}.eu-west-1.amazonaws.com` } },
  });
  const WRITE = ["kms:Decrypt", "kms:GenerateDataKey"];
  const documents = (...lists: unknown[][]) =>
    lists.map((Statement) => ({ Version: "2012-10-17", Statement }));

  it("is exactly this policy of somebody's role", async () => {
    expect(Object.values(await granted())).to.deep.equal(documents([UPLOAD], READ, REDRIVE));
  });

  it("lets the role use the machine's own key, as far as it has to", async () => {
    expect(Object.values(await granted({ key: "create" }))).to.deep.equal(
      documents(
        [UPLOAD, useKey(WRITE)],
        [...READ, useKey("kms:Decrypt")],
        [...REDRIVE, useKey(WRITE, "sqs")],
      ),
    );
  });

  it("lets the role read what a retired key encrypted, and not upload with it", async () => {
    const { upload, read } = await granted({ key: "retire" });

    expect([upload, read]).to.deep.equal(documents([UPLOAD], [...READ, useKey("kms:Decrypt")]));
  });

  it("lets the role upload with tags where a worker carries them, whichever comes first", async () => {
    const resources = await registered(() => {
      const fanOut = new ImageFanOut("images");
      fanOut.grantUpload("somebody");
      new RotationWorker("clockwise", { fanOut, angle: 90, carry: ["tags"] });
      new RotationWorker("half", { fanOut, angle: 180 });
    });

    const { policy } = find(resources, "RolePolicy", "images-upload-somebody");
    expect(policy.Statement).to.deep.equal([
      { ...UPLOAD, Action: [...UPLOAD.Action, "s3:PutObjectTagging"] },
    ]);
  });

  it("is nobody's who does not ask", async () => {
    const resources = await registered(() => new ImageFanOut("images"));

    expect(resources.filter(({ type }) => type.endsWith(":RolePolicy"))).to.deep.equal([]);
  });

  it("takes a role by its resource, too, and is named after it", async () => {
    const resources = await registered(() => {
      const role = new aws.iam.Role("uploader", { assumeRolePolicy: "{}" });
      new ImageFanOut("images").grantUpload(role);
    });

    expect(find(resources, "RolePolicy", "images-upload-uploader").role).to.equal("uploader");
  });

  it("allows the same on another machine beside", async () => {
    const resources = await registered(() => {
      for (const name of ["images", "scans"]) new ImageFanOut(name).grantRead("somebody");
    });

    expect(JSON.stringify(find(resources, "RolePolicy", "scans-read-somebody").policy))
      .to.contain("arn:aws:s3:::scans-results")
      .and.not.contain("images");
  });

  for (const [what, role] of [
    ["an ARN", "arn:aws:iam::123456789012:role/app"],
    ["nothing", ""],
    ["no role", {}],
  ] as [string, string][]) {
    it(`refuses ${what}`, async () => {
      const refused = await granting({}, role).catch((error) => error);

      expect(refused.message).to.match(
        /^ImageFanOut "images": grantUpload was given .*, but takes an aws.iam.Role or a role's name: /,
      );
    });
  }

  it("refuses to grant twice, which would be one policy of two names", async () => {
    const twice = await registered(() => {
      const fanOut = new ImageFanOut("images");
      fanOut.grantRead("app");
      fanOut.grantRead("app");
    }).catch((error) => error);

    expect(twice.message).to.equal(
      'ImageFanOut "images": grantRead was given the role "app" twice: call it only once.',
    );
  });
});

describe("permissions of a worker's own handler", () => {
  const worker = (permissions: ImageWorkerArgs["permissions"]) =>
    registered(() => {
      const fanOut = new ImageFanOut("images");
      new ImageWorker("grey", { fanOut, handler: "handlers/rotate.ts", permissions: permissions ?? [] });
    });
  const ofRole = async (permissions: ImageWorkerArgs["permissions"]) =>
    statements(await worker(permissions))
      .filter(({ in: name }) => name === "images-grey-role-policy")
      .map(({ statement }) => statement);

  const READ_TABLE: aws.iam.PolicyStatement = {
    Sid: "ReadTable",
    Effect: "Allow",
    Action: "dynamodb:GetItem",
    Resource: "arn:aws:dynamodb:eu-west-1:123456789012:table/t",
  };

  it("are added to what every worker may do, and change nothing of that", async () => {
    const later = { ...READ_TABLE, Sid: "Later", Resource: pulumi.output(READ_TABLE.Resource) };

    expect(await ofRole([READ_TABLE, later])).to.deep.equal([
      ...(await ofRole([])),
      READ_TABLE,
      { ...READ_TABLE, Sid: "Later" },
    ]);
  });

  it("may be known as a whole only when the program runs", async () => {
    expect((await ofRole(pulumi.output([READ_TABLE]))).at(-1)).to.deep.equal(READ_TABLE);
  });

  for (const [statement, sentence] of [
    [
      { ...READ_TABLE, Principal: "*" },
      "Principal is not allowed here: the statement is about the worker's own role. Leave it out.",
    ],
    [
      { ...READ_TABLE, Actions: "s3:*" },
      "Actions is not known, only Sid, Effect, Action, NotAction, Resource, NotResource, Condition.",
    ],
    [{ ...READ_TABLE, Effect: "allow" }, 'Effect is "allow", but must be Allow or Deny.'],
    [{ Effect: "Allow", Action: "s3:GetObject" }, "must have either Resource or NotResource."],
    [{ ...READ_TABLE, NotAction: "s3:*" }, "must have either Action or NotAction."],
    [{ ...READ_TABLE, Sid: "Read Table" }, 'Sid is "Read Table", but must be letters and digits.'],
    [
      { ...READ_TABLE, Sid: "ReadSources" },
      'Sid is "ReadSources", which another statement of the policy has already: choose another.',
    ],
  ] as [aws.iam.PolicyStatement, string][]) {
    it(`are refused where ${sentence}`, async () => {
      const refused = await worker([statement]).catch((error) => error);

      expect(refused).to.be.instanceOf(ArgumentError);
      expect(refused.message).to.equal(
        `ImageWorker "grey": permissions[0]${sentence.startsWith("must") ? " " : "."}${sentence}`,
      );
    });
  }

  it("are refused where they are no list", async () => {
    const refused = await worker("s3:*" as never).catch((error) => error);

    expect(refused.message).to.equal(
      'ImageWorker "grey": permissions is "s3:*", but must be a list of statements.',
    );
  });
});
