import { mkdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type BuildAppOptions, buildApp } from "fauxqs";
import { Events } from "../events.ts";
import type { Identity } from "../iam/identity.ts";
import { fauxqsPart, keepReceipts, type Message, type QueueStore, type TopicStore } from "./fauxqs.ts";
import type { MessagingRequest, MessagingResponse } from "./messaging-http.ts";
import { openSns, type Publication } from "./sns.ts";
import { openSqs } from "./sqs.ts";
import { hasForbiddenCharacters } from "./sqs-messages.ts";

/** SNS and SQS, without a listener of their own. */
export interface Messaging {
  answer(request: MessagingRequest): Promise<MessagingResponse>;
  /**
   * Publishes as a service does, on behalf of a resource.
   * @returns why SNS refuses it; undefined where it has taken it
   */
  publishAs(service: string, sourceArn: string, publication: Publication): string | undefined;
  close(): Promise<void>;
}

export interface MessagingOptions {
  readonly region: string;
  /** Knows the policies of topics, queues and keys, and is told of those that are set here. */
  readonly identity: Identity;
  /** Keeps queues and messages across restarts and crashes. @default they are gone at the end */
  readonly folder?: string | undefined;
  /** Told of what becomes of messages. @default nobody is */
  readonly events?: Events;
  /** Told of messages that are lost. */
  readonly report: (error: unknown) => void;
}

/** SNS and SQS are fauxqs, which is handed what the gateway gets for them, except for what it does otherwise than AWS. */
export async function openMessaging(options: MessagingOptions): Promise<Messaging> {
  const { region, identity, folder, events = new Events(), report } = options;
  const [{ SqsStore }, { SnsStore }, { S3Store }, { INVALID_MESSAGE_BODY_CHAR }] = await Promise.all(
    ["./sqs/sqsStore.js", "./sns/snsStore.js", "./s3/s3Store.js", "./sqs/sqsTypes.js"].map(fauxqsPart),
  );
  // fauxqs' own pattern is without most emoji.
  Object.assign(INVALID_MESSAGE_BODY_CHAR, { test: hasForbiddenCharacters });
  const queues: QueueStore = new SqsStore();
  const topics: TopicStore = new SnsStore();
  const database = folder === undefined ? undefined : await openDatabase(folder);
  keepReceipts(queues, (work) => (database ? database.transaction(work) : work()), events);
  database?.load(queues, topics);
  const stores = { sqsStore: queues, snsStore: topics, s3Store: new S3Store() };
  const app = buildApp({ logger: false, defaultRegion: region, stores } as unknown as BuildAppOptions);
  await app.ready();

  const sns = await openSns({ topics, queues, identity, events, report });
  const sqs = await openSqs({ queues, identity, events });
  const answerFauxqs = async ({ url, headers, body }: MessagingRequest): Promise<MessagingResponse> => {
    const answered = await app.inject({ method: "POST", url, headers, payload: body });
    const reached = reachable(answered.rawPayload, headers.host);
    return {
      status: answered.statusCode,
      headers: { ...answered.headers, "content-length": reached.length },
      body: reached,
    };
  };
  return {
    async answer(request) {
      if (request.headers["x-amz-target"] !== undefined) return sqs.answer(request, answerFauxqs);
      return sns.answer(request, answerFauxqs);
    },
    publishAs: (service, sourceArn, publication) => sns.publishAs(service, sourceArn, publication),
    async close() {
      await app.close();
      database?.close();
    },
  };
}

interface Database {
  transaction(work: () => void): void;
  /** Fills stores with what is in the database, and keeps there what happens to them from now on. */
  load(queues: QueueStore, topics: TopicStore): void;
  close(): void;
}

/** Which queue a message in a dead-letter queue came from, for which fauxqs has no column. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS dead_letters (
    message_id TEXT PRIMARY KEY REFERENCES sqs_messages ON DELETE CASCADE, source TEXT NOT NULL
  ) WITHOUT ROWID;
`;

/**
 * The parts of fauxqs that its startFauxqs puts together for a dataDir. That function listens on all interfaces, so
 * they are put together here.
 */
async function openDatabase(folder: string): Promise<Database> {
  const { PersistenceManager } = await fauxqsPart("./persistence.js");
  mkdirSync(folder, { recursive: true });
  // Makes the tables, without which there is nothing to release.
  new PersistenceManager(folder).close();
  releaseMessages(path.join(folder, "fauxqs.db"));

  const persistence = new PersistenceManager(folder);
  const database: DatabaseSync = persistence.db;
  // A write that is in the log survives a crash of this process, which is what is promised; a sync for each costs
  // more than everything else that is done with a message.
  database.exec("PRAGMA synchronous = NORMAL");
  // fauxqs' own forgets how often a message was received, which its table refuses: a message that is given back at once
  // would be gone until the next start.
  const ready = database.prepare(
    "UPDATE sqs_messages SET receipt_handle = NULL, visibility_deadline = NULL WHERE message_id = ?",
  );
  persistence.updateMessageReady = (messageId: string) => ready.run(messageId);
  const insertMessage = persistence.insertMessage.bind(persistence);
  const insertDeadLetter = database.prepare("INSERT INTO dead_letters VALUES (?, ?)");
  persistence.insertMessage = (queueName: string, message: Message) => {
    insertMessage(queueName, message);
    if (message.deadLetterQueueSourceArn) {
      insertDeadLetter.run(message.messageId, message.deadLetterQueueSourceArn);
    }
  };
  return {
    transaction: (work) => persistence.transaction(work),
    load(queues, topics) {
      persistence.loadSqsAndSns(queues, topics);
      queues.persistence = persistence;
      topics.persistence = persistence;
      const deadLetters = database.prepare("SELECT message_id, source FROM dead_letters").all();
      const sources = new Map(deadLetters.map((row) => [row.message_id, String(row.source)]));
      for (const queue of queues.allQueues()) {
        queue.persistence = persistence;
        for (const message of [...queue.messages, ...queue.delayedMessages]) {
          const source = sources.get(message.messageId);
          if (source !== undefined) message.deadLetterQueueSourceArn = source;
        }
      }
    },
    close: () => persistence.close(),
  };
}

/**
 * Makes every message visible: whoever had taken it is gone with the process. How often it was received counts anew, as
 * what failed with the old program says nothing about the new one; a dead letter keeps its count.
 */
function releaseMessages(file: string): void {
  const database = new DatabaseSync(file);
  database.exec(SCHEMA);
  database.exec(`
    UPDATE sqs_messages SET receipt_handle = NULL, visibility_deadline = NULL;
    UPDATE sqs_messages SET approximate_receive_count = 0, approximate_first_receive_timestamp = NULL
      WHERE message_id NOT IN (SELECT message_id FROM dead_letters);
  `);
  database.close();
}

/** fauxqs names queues by a host that not every system resolves; it finds them again by their path alone. */
function reachable(body: Buffer, host: string | string[] | undefined): Buffer {
  if (!body.includes("http://sqs.")) return body;
  return Buffer.from(body.toString("utf8").replaceAll(/http:\/\/sqs\.[^/"<]+\//g, `http://${host}/`));
}
