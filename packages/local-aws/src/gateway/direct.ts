import type { Principal } from "../iam/decision.ts";
import type { AccessRequest } from "../rest/access.ts";
import { S3Error } from "../store/errors.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { Body } from "../store/writing.ts";
import { askSns, askSqs, type Judged } from "./gateway.ts";
import { s3Permissions } from "./s3.ts";

/** A message as a receive gives it. */
export interface ReceivedMessage {
  readonly MessageId?: string;
  readonly ReceiptHandle?: string;
  readonly Body?: string;
  readonly MD5OfBody?: string;
  readonly MD5OfMessageAttributes?: string;
  readonly Attributes?: Readonly<Record<string, string>>;
  readonly MessageAttributes?: Readonly<Record<string, MessageAttribute>>;
}

/** As it is in JSON: binary values are in base 64. */
export interface MessageAttribute {
  readonly DataType?: string;
  readonly StringValue?: string;
  readonly BinaryValue?: string;
}

/** The text of elements of an answer, by their names. */
type Elements = Readonly<Record<string, string>>;

export interface DirectOptions extends Judged {
  readonly endpoint: string;
  readonly principal: Principal;
  readonly store: ObjectStore;
  /** Stands between a call and its answer, to let something go wrong. @default answers */
  readonly intercept?:
    | (<T>(operation: string, path: string, answer: () => Promise<T>) => Promise<T>)
    | undefined;
}

/** A page of keys. */
const PAGE = 1000;

/**
 * S3, SQS and SNS for this machine itself: judged by the policies as every request is, but without HTTP and without a
 * signature, which says no more than whose a request is.
 */
export class Direct {
  readonly #options: DirectOptions;
  readonly #host: string;

  constructor(options: DirectOptions) {
    this.#options = options;
    this.#host = new URL(options.endpoint).host;
  }

  /** @throws {ServiceError} */
  async sqs<T = unknown>(operation: string, input: object): Promise<T> {
    const { principal } = this.#options;
    const answer = async () =>
      ((await askSqs(this.#options, principal, operation, input, this.#host)) ?? {}) as T;
    const { intercept } = this.#options;
    if (!intercept) return answer();
    const { QueueUrl } = input as { QueueUrl?: string };
    return intercept(operation, QueueUrl === undefined ? "/" : new URL(QueueUrl).pathname, answer);
  }

  /** @returns the elements of its answer, and those of each member of a list in it @throws {ServiceError} */
  async sns(operation: string, input: object): Promise<{ answer: Elements; members: readonly Elements[] }> {
    const parameters: Record<string, string> = { Action: operation };
    for (const [name, value] of Object.entries(input)) {
      if (typeof value !== "object") parameters[name] = String(value);
      else
        for (const [at, [key, item]] of Object.entries(value).entries()) {
          parameters[`${name}.entry.${at + 1}.key`] = key;
          parameters[`${name}.entry.${at + 1}.value`] = String(item);
        }
    }
    const text = await askSns(this.#options, this.#options.principal, parameters, this.#host);
    const members = [...text.matchAll(/<member>(.*?)<\/member>/gs)].map(([, member = ""]) =>
      elements(member),
    );
    return { answer: elements(text.replaceAll(/<member>.*?<\/member>/gs, "")), members };
  }

  /** Puts an object into a bucket. @throws {S3Error} */
  async put(bucket: string, key: string, body: Body): Promise<void> {
    const { store } = this.#options;
    this.#judge({ action: "s3:PutObject", bucket, key });
    this.#judgeKey("kms:GenerateDataKey", store.encryptionKey(bucket));
    await store.put(bucket, key, body, { checksum: "CRC32" }); // as the SDK has it
  }

  /** Tells whether there is an object. @throws {S3Error} where it cannot be told */
  has(bucket: string, key: string): boolean {
    this.#judge({ action: "s3:GetObject", bucket, key });
    const latest = this.#options.store.latest(bucket, key);
    return latest !== undefined && !latest.isDeleteMarker;
  }

  /** Copies an object to a file. @throws {S3Error} */
  async save(bucket: string, key: string, file: string): Promise<void> {
    this.#judge({ action: "s3:GetObject", bucket, key });
    const { store } = this.#options;
    const version = store.head(bucket, key);
    this.#judgeKey("kms:Decrypt", version.encryptionKey);
    await store.save(version, file);
  }

  /** The keys of a bucket that begin with a prefix, in their order. @throws {S3Error} */
  *keys(bucket: string, prefix: string): Generator<string> {
    this.#judge({ action: "s3:ListBucket", bucket });
    for (let from: string | undefined = prefix; from !== undefined; ) {
      const { rows, next }: ReturnType<ObjectStore["list"]> = this.#options.store.list(bucket, from, {
        prefix,
        limit: PAGE,
      });
      for (const { key } of rows) yield key;
      from = next;
    }
  }

  #judge(access: Omit<AccessRequest, "requestId">): void {
    const { identity, principal, store } = this.#options;
    for (const { action, resource, context } of s3Permissions(access, store)) {
      const decision = identity.judge(principal, action, resource, context);
      if (!decision.allowed) throw new S3Error(403, "AccessDenied", decision.message);
    }
  }

  #judgeKey(action: "kms:Decrypt" | "kms:GenerateDataKey", encryptionKey: string | undefined): void {
    if (encryptionKey !== undefined) this.#judge({ action, encryptionKey });
  }

  /** A queue, received from and deleted from. */
  queue(QueueUrl: string): MessageQueue {
    const ask = async (max: number): Promise<ReceivedMessage[]> => {
      const { Messages = [] } = await this.sqs<{ Messages?: ReceivedMessage[] }>("ReceiveMessage", {
        QueueUrl,
        MaxNumberOfMessages: max,
        WaitTimeSeconds: 0,
        MessageSystemAttributeNames: ["All"],
        MessageAttributeNames: ["All"],
      });
      return Messages;
    };
    return {
      receive: async (max, seconds, signal) => {
        const found = await ask(max);
        if (found.length > 0) return found;
        await this.#options.messaging.arrival(QueueUrl, seconds, signal);
        return signal.aborted ? [] : ask(max);
      },
      delete: async (receipts) => {
        const Entries = receipts.map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle }));
        await this.sqs("DeleteMessageBatch", { QueueUrl, Entries });
      },
    };
  }
}

/** A queue as its consumer sees it. */
export interface MessageQueue {
  /** Waits that many seconds at most for a message. A signal ends the wait, and then no message is taken. */
  receive(max: number, seconds: number, signal: AbortSignal): Promise<ReceivedMessage[]>;
  /** @param receipts ten at most */
  delete(receipts: readonly (string | undefined)[]): Promise<void>;
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

/** The text of each element that holds nothing else. */
function elements(xml: string): Elements {
  const found = [...xml.matchAll(/<(\w+)>([^<]*)<\/\1>/g)].map(([, name = "", text = ""]) => [
    name,
    text.replaceAll(/&(\w+);/g, (all, entity: string) => ENTITIES[entity] ?? all),
  ]);
  return Object.fromEntries(found);
}
