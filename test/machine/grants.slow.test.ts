import path from "node:path";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { expect } from "chai";
import type { Machine } from "../../src/machine/machine.ts";
import { dealWithDeadLetters } from "../../src/operations/dead-letters.ts";
import { runThrough, withFolder, withMachine } from "../support/machine.ts";
import { projectIn } from "../support/project.ts";

/** Returns a text that is in a bucket of somebody else, whatever the image. */
const STAMP = `
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { createHandler, environment } from "../src/delivery/handler.ts";

const s3 = new S3Client({});

export const handler = createHandler(async () => {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: environment("STAMPS"), Key: "stamp" }));
  return { body: Buffer.from(await Body!.transformToByteArray()), contentType: "text/plain" };
});
`;

/** Grants everything to roles that are there, and lets the stamping worker read its bucket. */
const granting = (program: string) =>
  `import path from "node:path";\nimport * as aws from "@pulumi/aws";\nimport * as pulumi from "@pulumi/pulumi";\n${program
    .replace(
      'handler: "handlers/stamp.ts" }',
      `handler: path.join(import.meta.dirname, "handlers/stamp.ts"),
  environment: { STAMPS: stamps.bucket },
  permissions: [{ Effect: "Allow", Action: "s3:GetObject", Resource: pulumi.interpolate\`\${stamps.arn}/*\` }],
}`,
    )
    .replace(
      /new RotationWorker\("clockwise"/,
      `const assumeRolePolicy = aws.iam.assumeRolePolicyForPrincipal({ Service: "lambda.amazonaws.com" });
const role = (name: string) => new aws.iam.Role(name, { name, assumeRolePolicy });
const stamps = new aws.s3.Bucket("stamps");
export const stampsBucket = stamps.bucket;
fanOut.grantUpload(role("website"));
fanOut.grantRead(role("gallery"));
const clockwise = $&`,
    )
    .replace("export const sourceBucket", 'clockwise.grantRedrive(role("on-call"));\n$&')}`;

describe("roles of others on this computer", function () {
  this.timeout(60_000);

  it("may do what they were granted, and nothing else; a handler what it was permitted", async () => {
    await withFolder(async (folder) => {
      const project = await projectIn(folder, { stamp: STAMP }, { "index.ts": granting });
      await withMachine({ project }, async (machine) => {
        const { sourceBucket, resultsBucket, workers, stampsBucket } =
          machine.outputs as Machine["outputs"] & {
            stampsBucket: string;
          };
        const stamp = { Bucket: stampsBucket, Key: "stamp" };
        await machine.s3.send(new PutObjectCommand({ ...stamp, Body: "stamped" }));
        const clients = ["website", "gallery", "on-call"].map((role) => clientsOf(machine, role));
        const [website, gallery, onCall] = clients as [Clients, Clients, Clients];

        const cat = { key: "cat.jpg", file: path.resolve("samples/cat.jpg") };
        await runThrough(machine, [cat], path.join(folder, "out"));
        const turned = { Bucket: resultsBucket, Key: "clockwise/cat.jpg" };
        const { Body } = await gallery.s3.send(
          new GetObjectCommand({ Bucket: resultsBucket, Key: "stamp/cat.jpg" }),
        );
        expect(await Body?.transformToString()).to.equal("stamped");

        const letter = { QueueUrl: workers.clockwise?.deadLetterQueue, MessageBody: "{}" };
        await machine.sqs.send(new SendMessageCommand(letter));
        const redriven = await dealWithDeadLetters(
          {
            sqs: onCall.sqs,
            queueUrl: workers.clockwise?.deadLetterQueue ?? "",
            action: { redriveTo: workers.clockwise?.queue ?? "" },
          },
          ({ count }) => count === 1,
        );
        expect(redriven).to.equal(1);
        const upload = { Bucket: sourceBucket, Key: "another.jpg", Body: "no image either" };
        expect(await may(website.s3.send(new PutObjectCommand(upload)))).to.equal(true);
        expect(await may(gallery.s3.send(new GetObjectCommand(turned)))).to.equal(true);
        // Neither what others may, nor what is a step further.
        for (const { s3 } of [website, onCall]) {
          expect(await may(s3.send(new GetObjectCommand(turned)))).to.equal(false);
        }
        for (const { s3 } of [gallery, onCall]) {
          expect(await may(s3.send(new PutObjectCommand(upload)))).to.equal(false);
        }
        const source = { Bucket: sourceBucket, Key: "cat.jpg" };
        expect(await may(website.s3.send(new GetObjectCommand(source)))).to.equal(false);
        const other = new S3Client({
          ...endpointOf(machine),
          credentials: machine.lambda.credentialsOf(workers.clockwise?.function ?? ""),
        });
        expect(await may(other.send(new GetObjectCommand(stamp)))).to.equal(false);

        const letters = (worker: string, { sqs }: Clients) =>
          dealWithDeadLetters(
            {
              sqs,
              queueUrl: workers[worker]?.deadLetterQueue ?? "",
            },
            () => true,
          );
        expect(await may(letters("counter-clockwise", onCall))).to.equal(false);
        expect(await may(letters("clockwise", gallery))).to.equal(false);
        for (const { s3, sqs } of clients) {
          s3.destroy();
          sqs.destroy();
        }
        other.destroy();
      });
    });
  });
});

interface Clients {
  readonly s3: S3Client;
  readonly sqs: SQSClient;
}

function endpointOf({ endpoint, region }: Machine) {
  return { endpoint, region, maxAttempts: 1 };
}

/** Clients of a role of the program, which functions may take on. */
function clientsOf(machine: Machine, role: string): Clients {
  const arn = `arn:aws:iam::${machine.accountId}:role/${role}`;
  const client = {
    ...endpointOf(machine),
    credentials: machine.identity.assumeForFunction(arn, "somebody"),
  };
  return { s3: new S3Client({ ...client, forcePathStyle: true }), sqs: new SQSClient(client) };
}

/** Whether it was allowed. @throws what went wrong otherwise */
async function may(request: Promise<unknown>): Promise<boolean> {
  try {
    await request;
    return true;
  } catch (error) {
    if (/AccessDenied|not authorized|denied/i.test(`${(error as Error).name} ${(error as Error).message}`))
      return false;
    throw error;
  }
}
