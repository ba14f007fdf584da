import { Events } from "../events.ts";
import type { Identity } from "../iam/identity.ts";
import { type AskSns, type AskSqs, arrival, openFauxqs } from "./fauxqs.ts";
import { openSns, type PublishAs } from "./sns.ts";
import { openSqs } from "./sqs.ts";

/** SNS and SQS, without a listener of their own. */
export interface Messaging {
  readonly sqs: AskSqs;
  readonly sns: AskSns;
  readonly publishAs: PublishAs;
  /** Waits until there may be a message in a queue, or the time is over, or the signal ends it. */
  arrival(queueUrl: string, seconds: number, signal: AbortSignal): Promise<void>;
  /** What a queue is encrypted with, or nothing where that is a key of AWS's own. */
  readonly queueKey: (queueArn: string) => string | undefined;
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
  const { queues, topics, sqs, sns, close } = await openFauxqs({ region, folder, events });
  return {
    sqs: await openSqs({ queues, identity, events, ask: sqs }),
    ...(await openSns({ topics, queues, identity, events, report, ask: sns })),
    async arrival(queueUrl, seconds, signal) {
      const queue = queues.getQueue(queueUrl);
      if (queue) await arrival(queue, seconds, signal);
    },
    queueKey: (arn) => queues.getQueueByArn(arn)?.attributes.KmsMasterKeyId || undefined,
    close,
  };
}
