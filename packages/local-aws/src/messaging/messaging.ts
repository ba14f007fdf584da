import { Events } from "../events.ts";
import type { Identity } from "../iam/identity.ts";
import { arrival, openFauxqs } from "./fauxqs.ts";
import type { MessagingRequest, MessagingResponse } from "./messaging-http.ts";
import { openSns, type Publication } from "./sns.ts";
import { openSqs } from "./sqs.ts";

/** SNS and SQS, without a listener of their own. */
export interface Messaging {
  answer(request: MessagingRequest): Promise<MessagingResponse>;
  /**
   * Publishes as a service does, on behalf of a resource.
   * @returns why SNS refuses it; undefined where it has taken it
   */
  publishAs(service: string, sourceArn: string, publication: Publication): string | undefined;
  /** Waits until there may be a message in a queue, or the time is over, or the signal ends it. */
  arrival(queueUrl: string, seconds: number, signal: AbortSignal): Promise<void>;
  /** What a queue is encrypted with, or nothing where that is a key of AWS's own. */
  queueKey(queueArn: string): string | undefined;
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

/** SNS and SQS are fauxqs, except for what it does otherwise than AWS. */
export async function openMessaging(options: MessagingOptions): Promise<Messaging> {
  const { region, identity, folder, events = new Events(), report } = options;
  const { queues, topics, answer, close } = await openFauxqs({ region, folder, events });
  const sns = await openSns({ topics, queues, identity, events, report });
  const sqs = await openSqs({ queues, identity, events });
  return {
    async answer(request) {
      if (request.headers["x-amz-target"] !== undefined) return sqs.answer(request, answer);
      return sns.answer(request, answer);
    },
    publishAs: (service, sourceArn, publication) => sns.publishAs(service, sourceArn, publication),
    async arrival(queueUrl, seconds, signal) {
      const queue = queues.getQueue(queueUrl);
      if (queue) await arrival(queue, seconds, signal);
    },
    queueKey: (arn) => queues.getQueueByArn(arn)?.attributes.KmsMasterKeyId || undefined,
    close,
  };
}
