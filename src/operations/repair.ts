import { setTimeout } from "node:timers/promises";
import { SendMessageBatchCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { MAX_BATCH } from "../delivery/queue.ts";
import { encodedKey } from "../image-filter.ts";
import type { SourceVersion } from "./listings.ts";

/** A source whose result a worker shall make, though no event tells it to. */
export interface Repair {
  readonly key: string;
  readonly source: SourceVersion;
}

/** Sends sources to a worker's queue, in batches and not faster than a rate. */
export class Repairs {
  readonly #sqs: SQSClient;
  readonly #bucket: string;
  readonly #queueUrl: string;
  readonly #rate: number;
  readonly #waiting: Repair[] = [];
  readonly #started = performance.now();
  #sent = 0;

  /** @param rate messages a second, above 0 */
  constructor(sqs: SQSClient, options: { bucket: string; queueUrl: string; rate: number }) {
    this.#sqs = sqs;
    this.#bucket = options.bucket;
    this.#queueUrl = options.queueUrl;
    this.#rate = options.rate;
  }

  /** Messages that SQS has taken. */
  get sent(): number {
    return this.#sent;
  }

  /** Repairs that were added and not sent yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Takes a repair, and sends a batch where that makes one; several may be added at once. */
  async add(repair: Repair): Promise<void> {
    this.#waiting.push(repair);
    if (this.#waiting.length >= MAX_BATCH) await this.flush();
  }

  /** Sends what is not sent yet. @throws Error where SQS refuses a message */
  async flush(): Promise<void> {
    const batch = this.#waiting.splice(0, MAX_BATCH);
    if (batch.length === 0) return;
    await setTimeout(Math.max(0, (this.#sent / this.#rate) * 1000 - (performance.now() - this.#started)));
    const Entries = batch.map((repair, index) => ({
      Id: String(index),
      MessageBody: eventOf(this.#bucket, repair),
    }));
    const { Failed = [] } = await this.#sqs.send(
      new SendMessageBatchCommand({ QueueUrl: this.#queueUrl, Entries }),
    );
    if (Failed[0]) {
      throw new Error(`SQS refused ${Failed.length} of ${Entries.length} messages: ${Failed[0].Message}`);
    }
    this.#sent += Entries.length;
  }
}

/**
 * An event as S3 would send it, but for the sequencer, which only S3 knows and no worker needs. Where the bucket keeps
 * no versions it names none, and the entity tag says which object is meant.
 */
function eventOf(bucket: string, { key, source }: Repair): string {
  const { versionId, eTag, size } = source;
  const object = { key: encodedKey(key), size, eTag, versionId };
  const record = {
    eventVersion: "2.1",
    eventSource: "image-machine:reconcile",
    eventTime: new Date().toISOString(),
    eventName: "ObjectCreated:Reconcile",
    s3: { bucket: { name: bucket }, object },
  };
  return JSON.stringify({ Records: [record] });
}
