import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import {
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  type S3ServiceException,
} from "@aws-sdk/client-s3";
import { SignatureV4 } from "@smithy/signature-v4";
import { expect } from "chai";
import type { Credentials } from "local-aws";
import sharp from "sharp";
import type { Machine } from "../../src/machine/machine.ts";
import { runThrough, withFolder, withMachine } from "../support/machine.ts";

/** Two pixels, red above blue, as a PNG. */
const redOverBlue = () =>
  sharp(Buffer.from([255, 0, 0, 0, 0, 255]), { raw: { width: 1, height: 2, channels: 3 } })
    .png()
    .toBuffer();

const pixels = async (file: string | Buffer) =>
  [...(await sharp(file).removeAlpha().raw().toBuffer())].map((value) => (value > 127 ? 1 : 0)).join("");

const RED = "100";
const BLUE = "001";

describe("the machine on this computer", function () {
  this.timeout(60_000);

  it("gives back every image turned both ways, under its own key", async () => {
    const keys = ["plain.png", "a b.png", "a+b.png", "100%.png", "#1.png", "köln/日本 (1).png", "x/y/z.png"];
    await withMachine({}, async (machine, folder) => {
      const file = path.join(folder, "image.png");
      await writeFile(file, await redOverBlue());
      const out = path.join(folder, "out");

      const summary = await runThrough(
        machine,
        keys.map((key) => ({ file, key })),
        out,
      );

      expect(summary).to.deep.include({
        images: keys.length,
        results: { clockwise: keys.length, "counter-clockwise": keys.length },
        rejections: [],
        lost: [],
      });
      for (const key of keys) {
        expect(await pixels(path.join(out, "clockwise", key)), key).to.equal(BLUE + RED);
        expect(await pixels(path.join(out, "counter-clockwise", key)), key).to.equal(RED + BLUE);
      }
    });
  });

  it("rejects what is no image, says why, and does the others", async () => {
    await withMachine({}, async (machine, folder) => {
      const image = await sharp({ create: { width: 64, height: 64, channels: 3, background: "teal" } })
        .jpeg()
        .toBuffer();
      const inputs = Object.entries({
        "good.jpg": image,
        "truncated.jpg": image.subarray(0, image.length - 100),
        "text.jpg": Buffer.from("This is no picture."),
        "nothing.png": Buffer.alloc(0),
      }).map(async ([key, content]) => {
        const file = path.join(folder, key);
        await writeFile(file, content);
        return { file, key };
      });

      const summary = await runThrough(machine, await Promise.all(inputs), path.join(folder, "out"));

      expect(summary.results).to.deep.equal({ clockwise: 1, "counter-clockwise": 1 });
      expect(summary.lost).to.deep.equal([]);
      const rejected = summary.rejections.map(({ worker, key }) => `${worker} ${key}`);
      expect(rejected).to.have.members(
        ["truncated.jpg", "text.jpg", "nothing.png"].flatMap((key) => [
          `clockwise ${key}`,
          `counter-clockwise ${key}`,
        ]),
      );
      for (const { reason } of summary.rejections) expect(reason).to.match(/^[A-Z].{10,}\.$/);
    });
  });

  it("keeps the result of the newest source when a key is written again and again", async () => {
    await withMachine({}, async (machine, folder) => {
      const file = path.join(folder, "image.png");
      await writeFile(file, await redOverBlue());
      const versions = Array.from({ length: 8 }, (_, index) => index);
      for (const red of versions) {
        const body = await sharp({
          create: { width: 1, height: 1, channels: 3, background: { r: red, g: 0, b: 0 } },
        })
          .png()
          .toBuffer();
        await machine.s3.send(
          new PutObjectCommand({ Bucket: machine.outputs.sourceBucket, Key: "a.png", Body: body }),
        );
      }

      await runThrough(machine, [{ file, key: "last.png" }], path.join(folder, "out"));
      await eventually(async () => {
        const { Body } = await machine.s3.send(
          new GetObjectCommand({ Bucket: machine.outputs.resultsBucket, Key: "clockwise/a.png" }),
        );
        const bytes = Buffer.from((await Body?.transformToByteArray()) ?? []);
        return (await sharp(bytes).raw().toBuffer())[0] === versions.at(-1);
      });
    });
  });

  it("does what the program says: one more line makes one more result", async () => {
    await withFolder(async (folder) => {
      const program = path.join(folder, "index.ts");
      const source = await readFile("index.ts", "utf8");
      const here = pathToFileURL(`${process.cwd()}/`).href;
      await writeFile(
        program,
        `${source.replaceAll('"./', `"${here}`)}\nnew RotationWorker("half-turn", { fanOut, angle: 180 });\n`,
      );
      await withMachine({ program }, async (machine) => {
        const file = path.join(folder, "image.png");
        await writeFile(file, await redOverBlue());

        const summary = await runThrough(machine, [{ file, key: "a.png" }], path.join(folder, "out"));

        expect(summary.results).to.deep.equal({ clockwise: 1, "counter-clockwise": 1, "half-turn": 1 });
        expect(await pixels(path.join(folder, "out/half-turn/a.png"))).to.equal(BLUE + RED);
      });
    });
  });

  /** Starts the machine with a program of a few lines. */
  const withLines = <T>(
    lines: string,
    options: { strict?: boolean },
    use: (machine: Machine) => Promise<T>,
  ) =>
    withFolder(async (folder) => {
      const program = path.join(folder, "index.ts");
      const aws = import.meta.resolve("@pulumi/aws");
      await writeFile(program, `import aws from ${JSON.stringify(aws)};\n${lines}\n`);
      return withMachine({ program, ...options }, use);
    });
  const refusal = (lines: string, options = {}) =>
    withLines(lines, options, async () => "started").catch((error: Error) => error.message);

  it("says so where the program asks for what cannot be had here", async () => {
    expect(await refusal('new aws.sqs.Queue("q", { fifoQueue: true });')).to.equal(
      'aws:sqs/queue:Queue "q": the input fifoQueue is not supported on this computer.',
    );
    expect(await refusal('for (const n of ["a", "b"]) new aws.sqs.Queue(n, { name: "same" });')).to.match(
      /^aws:sqs\/queue:Queue "[ab]": "[ab]" has the same name here, arn:aws:sqs:us-east-1:000000000000:same\./,
    );
    expect(await refusal('throw new Error("the program is wrong");')).to.equal(
      "index.ts:2:7: the program is wrong",
    );
  });

  const others = `
    const table = new aws.dynamodb.Table("t", { attributes: [{ name: "id", type: "S" }], hashKey: "id" });
    const parameter = new aws.ssm.Parameter("p", { name: "/a/b", type: "String", value: table.arn });
    const vpc = new aws.ec2.Vpc("v", { cidrBlock: "10.0.0.0/16" });
    const old = aws.s3.Bucket.get("old", "my-bucket");
    const topic = new aws.sns.Topic("n", { displayName: "News" });
    new aws.sns.TopicSubscription("s", { topic: topic.arn, protocol: "https", endpoint: "https://example.com" });
    const alarm = new aws.cloudwatch.MetricAlarm("a", {
      comparisonOperator: "GreaterThanThreshold",
      evaluationPeriods: 1,
      extendedStatistic: "p99",
      metricName: "Seconds",
      namespace: "Mine",
    });
    export const arns = [table.arn, table.streamArn, parameter.arn, vpc.id, old.arn, alarm.arn];
    export const name = table.name;`;

  it("takes what it does not run as declared, makes up what AWS would answer, and says so", async () => {
    const { outputs, notRun } = await withLines(others, {}, async (machine) => machine);

    const { arns, name } = outputs as unknown as { arns: string[]; name: string };
    expect(name).to.match(/^t-[0-9a-f]{7}$/);
    const here = "us-east-1:000000000000";
    expect(arns.slice(0, 3)).to.deep.equal([
      `arn:aws:dynamodb:${here}:table/${name}`,
      `arn:aws:dynamodb:${here}:table/${name}/stream`,
      `arn:aws:ssm:${here}:parameter/a/b`,
    ]);
    expect(arns[3]).to.match(/^vpc-[0-9a-f]{17}$/);
    expect(arns[4]).to.equal("arn:aws:s3:::my-bucket");
    expect(arns[5]).to.match(/^arn:aws:cloudwatch:us-east-1:000000000000:alarm:a-[0-9a-f]{7}$/);
    expect(notRun).to.deep.equal([
      "not run here: aws:dynamodb/table:Table (1)",
      "not run here: aws:ec2/vpc:Vpc (1)",
      "not run here: aws:s3/bucket:Bucket, which exists already (1)",
      "not run here: aws:sns/topicSubscription:TopicSubscription with protocol https (1)",
      "not run here: aws:ssm/parameter:Parameter (1)",
      "not run here: displayName of aws:sns/topic:Topic (1)",
    ]);
  });

  it("refuses that where it is strict", async () => {
    const strict = { strict: true };
    expect(await refusal('new aws.dynamodb.Table("t", { attributes: [] });', strict)).to.equal(
      'aws:dynamodb/table:Table "t": this resource type does not run on this computer.',
    );
    expect(await refusal('aws.s3.Bucket.get("old", "my-bucket");', strict)).to.equal(
      'aws:s3/bucket:Bucket "old": it exists already on AWS, but not on this computer.',
    );
    expect(await refusal('new aws.sns.Topic("n", { displayName: "News" });', strict)).to.equal(
      'aws:sns/topic:Topic "n": the input displayName is not supported on this computer.',
    );
  });

  it("lets nobody in without a key, and a worker only where its role says so", async () => {
    await withMachine({}, async (machine) => {
      const { resultsBucket, sourceBucket } = machine.outputs;
      const { endpoint } = machine;
      const region = "us-east-1";
      const stranger = new S3Client({
        endpoint,
        region,
        credentials: { accessKeyId: "AKIASTRANGER", secretAccessKey: "guess" },
      });
      const refused = async (promise: Promise<unknown>) =>
        promise.then(
          () => "allowed",
          ({ name, $metadata }: S3ServiceException) => `${$metadata.httpStatusCode} ${name}`,
        );

      expect(await refused(stranger.send(new GetObjectCommand({ Bucket: sourceBucket, Key: "a" })))).to.equal(
        "403 InvalidAccessKeyId",
      );
      const functionName = machine.outputs.workers.clockwise?.function ?? "";
      const credentials = machine.lambda.credentialsOf(functionName);
      const worker = new S3Client({ endpoint, region, credentials });
      const put = (Bucket: string, Key: string) =>
        refused(worker.send(new PutObjectCommand({ Bucket, Key, Body: "x" })));
      expect(await put(resultsBucket, "clockwise/a")).to.equal("allowed");
      expect(await put(resultsBucket, "counter-clockwise/a")).to.equal("403 AccessDenied");
      expect(await put(sourceBucket, "a")).to.equal("403 AccessDenied");
      const head = new HeadObjectCommand({ Bucket: resultsBucket, Key: "clockwise/none" });
      expect(await refused(worker.send(head))).to.match(/^403/);
      for (const client of [stranger, worker]) client.destroy();
    });
  });

  it("understands clients that are older than SQS's JSON protocol, and asks them for a signature too", async () => {
    await withMachine({}, async ({ endpoint, region, administrator, outputs, sqs }) => {
      const listQueues = async (credentials: Credentials) => {
        const { hostname, port } = new URL(endpoint);
        const signer = new SignatureV4({ service: "sqs", region, credentials, sha256: sqs.config.sha256 });
        const { headers, body } = await signer.sign({
          ...{ protocol: "http:", hostname, port: Number(port), method: "POST", path: "/" },
          headers: { host: `${hostname}:${port}`, "content-type": "application/x-www-form-urlencoded" },
          body: new URLSearchParams({ Action: "ListQueues", Version: "2012-11-05" }).toString(),
        });
        const answer = await fetch(endpoint, { method: "POST", headers, body });
        return [answer.status, await answer.text()].join();
      };

      expect(await listQueues(administrator))
        .to.match(/^200,/)
        .and.include(outputs.workers.clockwise?.queue);
      const stranger = { accessKeyId: "AKIASTRANGER", secretAccessKey: "guess" };
      expect(await listQueues(stranger)).to.match(/^403,.*<Code>InvalidClientTokenId<\/Code>/s);
    });
  });
});

/** Waits until something holds. @throws Error after ten seconds */
async function eventually(holds: () => Promise<boolean>): Promise<void> {
  const until = Date.now() + 10_000;
  while (!(await holds().catch(() => false))) {
    if (Date.now() > until) throw new Error("it did not come to hold within ten seconds");
  }
}
