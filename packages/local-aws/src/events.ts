import type { Principal } from "./iam/decision.ts";
import type { StatementName } from "./iam/policy.ts";
import type { InvocationError } from "./lambda/sandbox.ts";

/** One version of an object in S3. */
export interface ObjectId {
  readonly bucket: string;
  readonly key: string;
  /** `null` in a bucket without versioning. */
  readonly versionId: string;
}

/** A message in a queue. */
export interface MessageId {
  readonly queueArn: string;
  /** SQS's: the same in the dead-letter queue that the message is moved to. */
  readonly messageId: string;
}

/** One invocation of a function for a batch of messages. */
export interface BatchInvocation {
  /** Lambda's, which the function's log has too. */
  readonly requestId: string;
  readonly functionName: string;
  /** Seconds. */
  readonly timeout: number;
  /** MB. */
  readonly memorySize: number;
  /** The folder of the function's code, with files in stack traces below it. */
  readonly taskRoot: string;
  readonly logFile: string;
  readonly messages: readonly { readonly messageId: string; readonly body: string }[];
}

/** What each kind of event says, beside its kind and time. README.md has them as a table. */
export interface EventDetails {
  /** A version became the current one of its key, and is durable. */
  put: ObjectId & {
    /** S3's name of what happened, for example `ObjectCreated:Put`. */
    readonly eventName: string;
    /** S3's, which the notification has too. */
    readonly requestId: string;
    readonly size: number;
    readonly etag: string;
  };
  /** S3 could not publish a notification. */
  undelivered: {
    readonly objects: readonly ObjectId[];
    readonly topicArn: string;
    /** Counted from 1. */
    readonly attempt: number;
    readonly error: unknown;
    /** Whether it is not tried again, as a policy forbids it or the topic is gone. */
    readonly lost: boolean;
  };
  /** A topic took a message. */
  published: {
    readonly topicArn: string;
    /** SNS's message ID. */
    readonly notificationId: string;
    readonly message: string;
    /** The versions that it tells of; none where S3 did not publish it. */
    readonly objects: readonly ObjectId[];
  };
  /** SNS put a published message into a queue. */
  delivered: MessageId & {
    readonly topicArn: string;
    readonly notificationId: string;
    readonly subscriptionArn: string;
  };
  /** A client sent a message to a queue. */
  sent: MessageId & { readonly body: string };
  /** A consumer took a message, which is hidden from others meanwhile. */
  received: MessageId & {
    /** How often it was received by now. */
    readonly receiveCount: number;
  };
  /** A function began to work on a batch. */
  begun: BatchInvocation;
  /** A function printed a line. It may be read after the end of an invocation that was killed, or had answered already. */
  logged: {
    readonly functionName: string;
    /** Empty where it was printed before the first batch, while the code was loaded. */
    readonly requestId: string;
    readonly line: string;
  };
  /** A function answered or failed, unless it was abandoned. Without a `begun` it found no room. */
  ended: BatchInvocation & {
    /** The messages that are not done with: those that the function named, or all of them. */
    readonly failedMessages: readonly string[];
    /** Why the whole batch failed. */
    readonly error: InvocationError | undefined;
  };
  /** A consumer deleted a message, being done with it. */
  deleted: MessageId;
  /** SQS moved a message that was received too often, or SNS one that it could not deliver. */
  deadLettered: MessageId & {
    /** ARN of the queue that it was in, or of the subscription that it was for. */
    readonly from: string;
    /** Why SNS could not deliver it. */
    readonly reason?: string;
  };
  /** A policy allowed or denied something. A request may need several decisions. */
  decided: {
    readonly principal: Principal;
    /** For example `s3:GetObject`. */
    readonly action: string;
    /** An ARN, or `*` for an action that has no resource. */
    readonly resource: string;
    readonly allowed: boolean;
    /** The statement that decided it; none where nothing allowed it. */
    readonly statement: StatementName | undefined;
    /** Says why it is denied, in a sentence; absent where it is allowed. */
    readonly message: string | undefined;
    /** S3's, where a request to S3 asked. */
    readonly requestId: string | undefined;
  };
}

export type EventKind = keyof EventDetails;

/** Something that happened, in the order in which it did. */
export type AwsEvent<Kind extends EventKind = EventKind> = {
  [K in Kind]: {
    readonly kind: K;
    /** Milliseconds since 1970. */
    readonly time: number;
  } & EventDetails[K];
}[Kind];

interface Listener {
  /** The only kind that it hears of. @default all */
  readonly kind: EventKind | undefined;
  readonly tell: (event: AwsEvent) => void;
}

/** The stream of what happens in S3, SNS, SQS, Lambda and IAM. It may be listened to before any of them is opened. */
export class Events {
  #listeners: readonly Listener[] = [];

  /**
   * Has a listener told of every event, or of those of one kind, as they happen.
   * @returns what ends it
   */
  on(listener: (event: AwsEvent) => void): () => void;
  on<Kind extends EventKind>(kind: Kind, listener: (event: AwsEvent<Kind>) => void): () => void;
  on(...args: [Listener["tell"]] | [EventKind, (event: never) => void]): () => void {
    const [kind, tell] = args.length === 1 ? [undefined, args[0]] : args;
    const listener = { kind, tell: tell as Listener["tell"] };
    this.#listeners = [...this.#listeners, listener];
    return () => {
      this.#listeners = this.#listeners.filter((each) => each !== listener);
    };
  }

  /** Tells the listeners of one event; `details` is called only where there are any. */
  emit<Kind extends EventKind>(kind: Kind, details: () => EventDetails[Kind]): void {
    const listeners = this.#listeners.filter((listener) => (listener.kind ?? kind) === kind);
    if (listeners.length === 0) return;
    const event = { kind, time: Date.now(), ...details() } as unknown as AwsEvent;
    for (const { tell } of listeners) {
      try {
        tell(event);
      } catch (error) {
        // A listener's fault must not undo what it was told of, and must not pass in silence.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
