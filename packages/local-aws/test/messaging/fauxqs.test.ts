import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import type { BuildAppOptions } from "fauxqs";
import * as fauxqs from "fauxqs";
import { withFolder } from "../../../../test/support/machine.ts";
import { ACCOUNT_ID } from "../../src/arn.ts";
import { Identity } from "../../src/iam/identity.ts";
import { fauxqsPart, PATCHES } from "../../src/messaging/fauxqs.ts";
import { openMessaging } from "../../src/messaging/messaging.ts";
import type { ServiceError } from "../../src/service-error.ts";

const REGION = "us-east-1";
const HOST = "127.0.0.1:4566";

interface Answer {
  readonly status: number;
  readonly body: {
    readonly QueueUrl?: string;
    readonly Messages?: { readonly ReceiptHandle: string; readonly Attributes: Record<string, string> }[];
  };
}

/** SQS with its messages on disk, until it is closed. */
interface Sqs {
  ask(action: string, body: object): Promise<Answer>;
  close(): Promise<void>;
}

const headersOf = (action: string) => ({
  host: HOST,
  "content-type": "application/x-amz-json-1.0",
  "x-amz-target": `AmazonSQS.${action}`,
});

/** SQS as fauxqs has it. */
async function bare(folder: string): Promise<Sqs> {
  const [{ SqsStore }, { SnsStore }, { S3Store }, { PersistenceManager }] = await Promise.all(
    ["./sqs/sqsStore.js", "./sns/snsStore.js", "./s3/s3Store.js", "./persistence.js"].map(fauxqsPart),
  );
  const persistence = new PersistenceManager(folder);
  const stores = { sqsStore: new SqsStore(), snsStore: new SnsStore(), s3Store: new S3Store() };
  persistence.loadSqsAndSns(stores.sqsStore, stores.snsStore);
  stores.sqsStore.persistence = persistence;
  for (const queue of stores.sqsStore.allQueues()) queue.persistence = persistence;
  const app = fauxqs.buildApp({ logger: false, defaultRegion: REGION, stores } as BuildAppOptions);
  return {
    async ask(action, body) {
      const payload = JSON.stringify(body);
      const answered = await app.inject({ method: "POST", url: "/", headers: headersOf(action), payload });
      return { status: answered.statusCode, body: answered.json() };
    },
    async close() {
      await app.close();
      persistence.close();
    },
  };
}

/** SQS as it is here. */
async function patched(folder: string): Promise<Sqs> {
  const identity = new Identity(ACCOUNT_ID);
  const messaging = await openMessaging({ region: REGION, identity, folder, report: () => {} });
  return {
    async ask(action, body) {
      try {
        return { status: 200, body: { ...(await messaging.sqs(action, body, HOST)) } };
      } catch (error) {
        return { status: (error as ServiceError).status, body: {} };
      }
    },
    close: () => messaging.close(),
  };
}

/** Makes a queue with a message that goes to the dead-letter queue when it is received a second time. */
async function makeQueue({ ask }: Sqs): Promise<string | undefined> {
  await ask("CreateQueue", { QueueName: "dead" });
  const deadLetterTargetArn = `arn:aws:sqs:${REGION}:${ACCOUNT_ID}:dead`;
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 1 });
  const Attributes = { VisibilityTimeout: "0", RedrivePolicy };
  const { QueueUrl } = (await ask("CreateQueue", { QueueName: "queue", Attributes })).body;
  await ask("SendMessage", { QueueUrl, MessageBody: "hello" });
  return QueueUrl;
}

const receive = async ({ ask }: Sqs, QueueUrl: string | undefined, VisibilityTimeout?: number) => {
  const MessageSystemAttributeNames = ["All"];
  const { body } = await ask("ReceiveMessage", { QueueUrl, VisibilityTimeout, MessageSystemAttributeNames });
  return body.Messages?.[0];
};

/** Receives a message once too often. @returns it, out of the dead-letter queue */
async function deadLetter(sqs: Sqs) {
  const queueUrl = await makeQueue(sqs);
  for (const _ of ["the first time", "once too often"]) await receive(sqs, queueUrl);
  return receive(sqs, (await sqs.ask("GetQueueUrl", { QueueName: "dead" })).body.QueueUrl);
}

type Patch = keyof typeof PATCHES;

/** Whether SQS meets the condition of a patch. */
const MET: Record<
  Exclude<Patch, "parts" | "storage" | "characters">,
  (sqs: Sqs, folder: string, open: (folder: string) => Promise<Sqs>) => Promise<boolean>
> = {
  async receipts(sqs) {
    const { QueueUrl } = (await sqs.ask("CreateQueue", { QueueName: "queue" })).body;
    await sqs.ask("SendMessage", { QueueUrl, MessageBody: "hello" });
    const { ReceiptHandle } = (await receive(sqs, QueueUrl, 0)) ?? {};
    // To be received before the first, which is then visible again.
    await sqs.ask("SendMessage", { QueueUrl, MessageBody: "another" });
    await receive(sqs, QueueUrl);
    const change = { QueueUrl, ReceiptHandle, VisibilityTimeout: 1 };
    return (await sqs.ask("ChangeMessageVisibility", change)).status === 200;
  },
  deadLetterSource: async (sqs) => (await deadLetter(sqs))?.Attributes.DeadLetterQueueSourceArn !== undefined,
  deadLetterCount: async (sqs) => (await deadLetter(sqs))?.Attributes.ApproximateReceiveCount === "2",
  async deadLetterMove(sqs, folder) {
    const queueUrl = await makeQueue(sqs);
    await receive(sqs, queueUrl);
    const database = new DatabaseSync(path.join(folder, "fauxqs.db"));
    database.exec(
      "CREATE TRIGGER t BEFORE INSERT ON sqs_messages BEGIN SELECT RAISE(ABORT, 'broken off'); END",
    );
    await receive(sqs, queueUrl).catch(() => {});
    const { length } = database.prepare("SELECT * FROM sqs_messages").all();
    database.close();
    return length === 1;
  },
  async givingBack(sqs) {
    const QueueUrl = await makeQueue(sqs);
    const { ReceiptHandle } = (await receive(sqs, QueueUrl, 60)) ?? {};
    const change = { QueueUrl, ReceiptHandle, VisibilityTimeout: 0 };
    return (await sqs.ask("ChangeMessageVisibility", change)).status === 200;
  },
  async restart(sqs, folder, open) {
    const queueUrl = await makeQueue(sqs);
    await receive(sqs, queueUrl, 60);
    const next = await open(folder);
    const message = await receive(next, queueUrl);
    await next.close();
    return message !== undefined;
  },
  addresses: async (sqs) => (await makeQueue(sqs))?.startsWith(`http://${HOST}/`) === true,
};

/** Whether fauxqs itself meets the condition of a patch that is not seen from outside. */
const MET_INSIDE: Record<"parts" | "storage" | "characters", () => Promise<boolean>> = {
  parts: async () => ["SqsStore", "SnsStore", "publish"].some((name) => name in fauxqs),
  async storage() {
    const source = await readFile(new URL(import.meta.resolve("fauxqs")), "utf8");
    return !source.includes('app.listen({ port, host: "0.0.0.0" })') || "PersistenceManager" in fauxqs;
  },
  async characters() {
    // A copy that nobody has patched, beside the one that is.
    const { INVALID_MESSAGE_BODY_CHAR } = await fauxqsPart("./sqs/sqsTypes.js?unpatched");
    return !INVALID_MESSAGE_BODY_CHAR.test("🙂");
  },
};

const goes = (patch: string) => `the patch "${patch}" of src/messaging/fauxqs.ts may go now`;

describe("a patch of fauxqs is needed until", () => {
  for (const [patch, isMet] of Object.entries(MET)) {
    it(PATCHES[patch as Patch], () =>
      withFolder(async (folder) => {
        for (const [open, expected] of [
          [bare, false],
          [patched, true],
        ] as const) {
          const messages = path.join(folder, open.name);
          await mkdir(messages);
          const sqs = await open(messages);
          try {
            expect(await isMet(sqs, messages, open), expected ? "patched" : goes(patch)).to.equal(expected);
          } finally {
            await sqs.close();
          }
        }
      }),
    );
  }

  for (const [patch, isMet] of Object.entries(MET_INSIDE)) {
    it(PATCHES[patch as Patch], async () => {
      expect(await isMet(), goes(patch)).to.equal(false);
    });
  }
});
