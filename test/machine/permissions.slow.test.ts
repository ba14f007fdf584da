import * as s3 from "@aws-sdk/client-s3";
import * as sns from "@aws-sdk/client-sns";
import * as sqs from "@aws-sdk/client-sqs";
import { expect } from "chai";
import { Events, neverNeeded, PermissionUse } from "local-aws";
import sharp from "sharp";
import type { Machine } from "../../src/machine/machine.ts";
import { s3Record } from "../support/events.ts";
import { heldForFile, withMachine } from "../support/machine.ts";
import { quiet } from "../support/quiet.ts";

/** Any client of the SDK, as far as this test is concerned. */
interface Client {
  send(command: unknown): Promise<unknown>;
}

/** The name of every command that a client package has. */
const commandsOf = (service: object) =>
  Object.keys(service)
    .filter((name) => name.endsWith("Command") && name !== "$Command")
    .map((name) => name.slice(0, -"Command".length));

/** Sends a command of a service by its name. */
async function send(client: Client, service: object, name: string, input: object): Promise<unknown> {
  const commands = service as Record<string, new (input: object) => unknown>;
  const Command = commands[`${name}Command`];
  if (!Command) throw new Error(`there is no ${name}Command`);
  return client.send(new Command(input));
}

/**
 * Whether a request passed: whatever was answered, but for a denial or an operation that is not there at all.
 * @throws what went wrong before anything was sent
 */
async function passes(request: Promise<unknown>): Promise<boolean> {
  try {
    const answer = (await request) as { Deleted?: unknown[]; Errors?: unknown[] };
    // Deleting many keys is judged key by key.
    return answer.Errors === undefined || answer.Deleted !== undefined;
  } catch (error) {
    const { name, $metadata } = error as s3.S3ServiceException;
    const status = $metadata?.httpStatusCode;
    if (status === undefined) throw error;
    // What nothing on this computer does is allowed to nobody.
    return status !== 403 && status !== 501 && name !== "InvalidAction";
  }
}

/** What commands may ask for beside what they are about, so that every one of them can be sent. */
const ANYTHING = {
  AccelerateConfiguration: {},
  AccessControlPolicy: {},
  AnalyticsConfiguration: { Id: "id" },
  Attributes: {},
  Body: "x",
  BucketLoggingStatus: {},
  ContentMD5: "1B2M2Y8AsgTpgAmY7PhCfg==",
  CORSConfiguration: { CORSRules: [] },
  Delete: { Objects: [{ Key: "a" }] },
  Expression: "select",
  Id: "id",
  IntelligentTieringConfiguration: { Id: "id" },
  InventoryConfiguration: { Id: "id" },
  MetricsConfiguration: { Id: "id" },
  MultipartUpload: { Parts: [{ PartNumber: 1, ETag: '"0"' }] },
  ObjectAttributes: ["ETag"],
  PartNumber: 1,
  Policy: "{}",
  RequestRoute: "route",
  RequestToken: "token",
  UploadId: "upload",
  // SQS
  AWSAccountIds: ["000000000000"],
  AccountId: "000000000000",
  Actions: ["SendMessage"],
  AttributeNames: ["All"],
  Entries: [{ Id: "1", MessageBody: "x", ReceiptHandle: "r", VisibilityTimeout: 1, Message: "x" }],
  Label: "label",
  MessageBody: "x",
  QueueName: "new-queue",
  ReceiptHandle: "receipt",
  SourceArn: "arn:aws:sqs:us-east-1:000000000000:none",
  TagKeys: ["k"],
  Tags: {},
  VisibilityTimeout: 1,
  // SNS
  AWSAccountId: ["000000000000"],
  ActionName: ["Publish"],
  AttributeName: "DisplayName",
  DataProtectionPolicy: "{}",
  EndpointArn: "arn:aws:sns:us-east-1:000000000000:endpoint/GCM/app/id",
  Endpoint: "arn:aws:sqs:us-east-1:000000000000:none",
  Message: "x",
  Name: "new",
  OneTimePassword: "1",
  Platform: "GCM",
  PlatformApplicationArn: "arn:aws:sns:us-east-1:000000000000:app/GCM/app",
  Protocol: "sqs",
  PublishBatchRequestEntries: [{ Id: "1", Message: "x" }],
  SubscriptionArn: "arn:aws:sns:us-east-1:000000000000:topic:id",
  Token: "token",
  attributes: {},
  phoneNumber: "+10000000000",
};

/**
 * Puts a worker's messages through all that may become of them: an image that is turned, one that is overwritten, one that
 * is none, a version that is gone, and a key that S3 does not find (yet).
 */
async function everythingThatHappens({
  s3: client,
  sqs: queues,
  events,
  outputs,
  workers,
}: Machine): Promise<void> {
  const Bucket = outputs.sourceBucket;
  let ended = 0;
  let told = () => {};
  const off = events.on("ended", () => {
    ended++;
    told();
  });
  /** Does something of which every worker gets one message, and waits until all are done with it. */
  const through = async (act: () => Promise<unknown>) => {
    const goal = ended + workers.length;
    const done = new Promise<void>((resolve) => {
      told = () => void (ended >= goal && resolve());
    });
    await act();
    await done;
  };
  const image = (background: string) =>
    sharp({ create: { width: 20, height: 10, channels: 3, background } })
      .png()
      .toBuffer();
  const put = async (Key: string, Body: Buffer | string) =>
    client.send(new s3.PutObjectCommand({ Bucket, Key, Body }));
  const tell = (key: string, object: object) =>
    through(async () => {
      const record = s3Record(key, { ...object, sequencer: "0" });
      record.s3.bucket.name = Bucket;
      const MessageBody = JSON.stringify({ Records: [{ ...record, eventTime: new Date().toISOString() }] });
      for (const { queue: QueueUrl } of workers) {
        await queues.send(new sqs.SendMessageCommand({ QueueUrl, MessageBody }));
      }
    });

  let first: string | undefined;
  await through(async () => {
    first = (await put("cat.png", await image("teal"))).VersionId;
  });
  await through(async () => put("cat.png", await image("red")));
  await through(() => put("notes.png", "These are notes."));
  await client.send(new s3.DeleteObjectCommand({ Bucket, Key: "cat.png", VersionId: first }));
  await tell("cat.png", { versionId: first });
  await tell("nowhere.png", { versionId: undefined });
  off();
}

describe("what a worker may do", function () {
  this.timeout(60_000);

  /** Everything that a worker is allowed, found by trying everything: `Command on resource`. */
  async function allowed(machine: Machine, worker: string): Promise<string[]> {
    const { outputs, endpoint, region, lambda } = machine;
    const { sourceBucket, resultsBucket, topic, workers } = outputs;
    const credentials = lambda.credentialsOf(workers[worker]?.function ?? "");
    const client = { endpoint, region, credentials, maxAttempts: 1, disableHostPrefix: true };
    const clients = {
      s3: new s3.S3Client(client) as Client & { destroy(): void },
      sqs: new sqs.SQSClient(client) as Client & { destroy(): void },
      sns: new sns.SNSClient(client) as Client & { destroy(): void },
    };
    for (const [Bucket, Key] of [
      [sourceBucket, "a"],
      [resultsBucket, `${worker}/a`],
      [resultsBucket, "other/a"],
    ]) {
      await machine.s3.send(new s3.PutObjectCommand({ Bucket, Key, Body: "x" }));
    }
    const found: string[] = [];
    const attempt = async (
      kind: keyof typeof clients,
      service: object,
      resources: Record<string, object>,
    ) => {
      for (const name of commandsOf(service)) {
        for (const [what, about] of Object.entries(resources)) {
          // A header of other commands, where it would be refused before anybody is asked.
          const tags = name.endsWith("Tagging") ? { Tagging: { TagSet: [] } } : {};
          const request = send(clients[kind], service, name, { ...ANYTHING, ...tags, ...about });
          if (await passes(request)) found.push(`${kind} ${name} ${what}`);
        }
      }
    };

    await attempt("s3", s3, {
      "in the source bucket": { Bucket: sourceBucket, Key: "a", CopySource: `${resultsBucket}/other/a` },
      "under its own prefix": { Bucket: resultsBucket, Key: `${worker}/a`, CopySource: `${sourceBucket}/a` },
      "under another prefix": { Bucket: resultsBucket, Key: "other/a", CopySource: `${sourceBucket}/a` },
    });
    const queues = Object.entries(workers).flatMap(([name, { queue, deadLetterQueue }]) => {
      const whose = name === worker ? "its own" : "another's";
      return [
        [`on ${whose} queue`, { QueueUrl: queue }],
        [`on ${whose} dead-letter queue`, { QueueUrl: deadLetterQueue }],
      ];
    });
    await attempt("sqs", sqs, Object.fromEntries(queues));
    await attempt("sns", sns, {
      "on the topic": { TopicArn: topic, ResourceArn: topic, topicArn: topic },
    });
    for (const each of Object.values(clients)) each.destroy();
    return found.sort();
  }

  let machine: Machine;
  let use: PermissionUse;

  before(async () => {
    const events = new Events();
    use = new PermissionUse(events);
    machine = await heldForFile((hold) => withMachine({ concurrency: 1, events }, hold));
  });

  it("is needed, all of it", async () => {
    // S3's test event is a batch, too, and none of those that are counted.
    await quiet(machine);
    await everythingThatHappens(machine);

    const uses = use.of(machine.identity);
    expect(new Set(uses.map(({ role }) => role.replace(/-role-\w+$/, "")))).to.deep.equal(
      new Set(["images-clockwise", "images-counter-clockwise"]),
    );
    expect(neverNeeded(uses)).to.deep.equal([]);
    expect(
      uses.filter(({ unasked }) => unasked).map(({ sid, unasked }) => `${sid}: ${unasked}`),
    ).to.deep.equal([
      "WriteLogs: Lambda writes logs here without asking",
      "WriteLogs: Lambda writes logs here without asking",
    ]);
  });

  for (const worker of ["clockwise", "counter-clockwise"]) {
    it(`is exactly this for ${worker}, of all that the clients of S3, SQS and SNS can send`, async () => {
      expect(await allowed(machine, worker)).to.deep.equal([
        // One permission to write is all that these need.
        "s3 CompleteMultipartUpload under its own prefix",
        "s3 CopyObject under its own prefix",
        "s3 CreateMultipartUpload under its own prefix",
        "s3 GetObject in the source bucket",
        "s3 GetObject under its own prefix",
        // The permission to tell that a source is gone.
        "s3 HeadBucket in the source bucket",
        "s3 HeadObject in the source bucket",
        "s3 HeadObject under its own prefix",
        "s3 ListObjectVersions in the source bucket",
        "s3 ListObjects in the source bucket",
        "s3 ListObjectsV2 in the source bucket",
        "s3 PutObject under its own prefix",
        "s3 UploadPart under its own prefix",
        "s3 UploadPartCopy under its own prefix",
        "sqs ChangeMessageVisibility on its own queue",
        "sqs ChangeMessageVisibilityBatch on its own queue",
        "sqs DeleteMessage on its own queue",
        "sqs DeleteMessageBatch on its own queue",
        "sqs GetQueueAttributes on its own queue",
        "sqs ReceiveMessage on its own queue",
        "sqs SendMessage on its own dead-letter queue",
        "sqs SendMessageBatch on its own dead-letter queue",
      ]);
    });
  }
});
