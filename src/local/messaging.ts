import { mkdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type BuildAppOptions, buildApp } from "fauxqs";
import type { MessagingRequest, MessagingResponse } from "./messaging-http.ts";
import { answerSqs, forbiddenCharacters } from "./sqs.ts";

/** SNS and SQS, without a listener of their own. */
export interface Messaging {
  answer(request: MessagingRequest): Promise<MessagingResponse>;
  close(): Promise<void>;
}

/** The account that fauxqs gives every queue and topic. */
export const ACCOUNT_ID = "000000000000";

/**
 * SNS and SQS are fauxqs, which is handed what the gateway gets for them.
 * @param folder keeps queues and messages across restarts and crashes; without one they are gone at the end
 */
export async function openMessaging(region: string, folder?: string): Promise<Messaging> {
  const durable = folder === undefined ? undefined : await openDurable(folder);
  const app = buildApp({ logger: false, defaultRegion: region, ...durable?.options });
  await app.ready();
  Object.assign((await fauxqsPart("./sqs/sqsTypes.js")).INVALID_MESSAGE_BODY_CHAR, forbiddenCharacters);
  const answer = async ({ url, headers, body }: MessagingRequest): Promise<MessagingResponse> => {
    const {
      statusCode,
      headers: answered,
      rawPayload,
    } = await app.inject({
      method: "POST",
      url,
      headers,
      payload: body,
    });
    const reached = reachable(rawPayload, headers.host);
    return {
      status: statusCode,
      headers: { ...answered, "content-length": reached.length },
      body: reached,
    };
  };
  return {
    answer: (request) => answerSqs(request, answer),
    async close() {
      await app.close();
      durable?.close();
    },
  };
}

/** Loads a part of fauxqs that it does not export, by its place in it. */
export function fauxqsPart(file: string) {
  return import(new URL(file, import.meta.resolve("fauxqs")).href);
}

/**
 * The parts of fauxqs that its startFauxqs puts together for a dataDir. That function listens on all interfaces, so
 * they are put together here.
 */
async function openDurable(folder: string): Promise<{ options: BuildAppOptions; close: () => void }> {
  const [{ SqsStore }, { SnsStore }, { S3Store }, { PersistenceManager }] = await Promise.all(
    ["./sqs/sqsStore.js", "./sns/snsStore.js", "./s3/s3Store.js", "./persistence.js"].map(fauxqsPart),
  );
  mkdirSync(folder, { recursive: true });
  // Makes the tables, without which there is nothing to release.
  new PersistenceManager(folder).close();
  releaseMessages(path.join(folder, "fauxqs.db"));

  const persistence = new PersistenceManager(folder);
  // A write that is in the log survives a crash of this process, which is what is promised; a sync for each costs
  // more than everything else that is done with a message.
  persistence.db.exec("PRAGMA synchronous = NORMAL");
  // fauxqs' own forgets how often a message was received, which its table refuses: a message that is given back at once
  // would be gone until the next start.
  const ready = persistence.db.prepare(
    "UPDATE sqs_messages SET receipt_handle = NULL, visibility_deadline = NULL WHERE message_id = ?",
  );
  persistence.updateMessageReady = (messageId: string) => ready.run(messageId);
  const stores = { sqsStore: new SqsStore(), snsStore: new SnsStore(), s3Store: new S3Store() };
  // fauxqs moves a message that was received too often by deleting it and inserting it again: both or nothing, or a
  // crash in between would lose it.
  const createQueue = stores.sqsStore.createQueue.bind(stores.sqsStore);
  stores.sqsStore.createQueue = (...parts: unknown[]) => {
    const queue = createQueue(...parts);
    const dequeue = queue.dequeue.bind(queue);
    queue.dequeue = (...request: unknown[]) => {
      let received: unknown;
      persistence.transaction(() => {
        received = dequeue(...request);
      });
      return received;
    };
    return queue;
  };
  persistence.loadSqsAndSns(stores.sqsStore, stores.snsStore);
  stores.sqsStore.persistence = persistence;
  stores.snsStore.persistence = persistence;
  for (const queue of stores.sqsStore.allQueues()) queue.persistence = persistence;
  return { options: { stores }, close: () => persistence.close() };
}

/**
 * Makes every message visible: whoever had taken it is gone with the process. How often it was received counts anew, as
 * what failed with the old program says nothing about the new one.
 */
function releaseMessages(file: string): void {
  const database = new DatabaseSync(file);
  database.exec(
    "UPDATE sqs_messages SET receipt_handle = NULL, visibility_deadline = NULL, approximate_receive_count = 0, approximate_first_receive_timestamp = NULL",
  );
  database.close();
}

/** fauxqs names queues by a host that not every system resolves; it finds them again by their path alone. */
function reachable(body: Buffer, host: string | string[] | undefined): Buffer {
  if (!body.includes("http://sqs.")) return body;
  return Buffer.from(body.toString("utf8").replaceAll(/http:\/\/sqs\.[^/"<]+\//g, `http://${host}/`));
}
