import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { rng } from "../../src/capacity/model/rng.ts";

export interface Letter {
  readonly id: string;
  readonly body: string;
  readonly attributes?: Record<string, string>;
  readonly code?: string;
}

/** A bound of SQS. */
const MAX_IN_FLIGHT = 120_000;

/**
 * A queue of SQS in a time of its own, in which every request takes as long as it is told to. It shows messages in no
 * order, hides those that were taken, shows them again when their time is over, and now and then although it is not.
 */
export class SlowSqs {
  /** Milliseconds. */
  time = 0;
  requests = 0;
  /** Messages that were sent to any queue. */
  readonly sent: string[] = [];
  /** Called before each request; what it throws is SQS's answer. */
  before: (command: unknown) => void = () => {};
  readonly #latency: number;
  readonly #visible: Letter[];
  /** By id: what was taken, and until when it is hidden. */
  readonly #taken = new Map<string, { letter: Letter; until: number }>();
  /** The id of each receipt. */
  readonly #idOf = new Map<string, string>();
  readonly #waiting: { at: number; go: () => void }[] = [];
  readonly #random = rng(1);
  #receipts = 0;
  #last: Letter | undefined;
  /** When the first of what is hidden is shown again, or earlier. */
  #earliest = Number.POSITIVE_INFINITY;

  constructor(letters: Letter[], latency: number) {
    this.#visible = [...letters];
    this.#latency = latency;
  }

  get client(): SQSClient {
    return { send: (command: unknown) => this.#send(command) } as unknown as SQSClient;
  }

  get visible(): number {
    this.#show();
    return this.#visible.length;
  }

  /** Adds what comes meanwhile. */
  arrive(letter: Letter): void {
    this.#visible.push(letter);
  }

  /** Lets time pass until a promise is settled. @throws Error where nothing is under way any more */
  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = () => {
      settled = true;
    };
    promise.then(done, done);
    for (;;) {
      await new Promise(setImmediate);
      if (settled) return promise;
      const next = Math.min(...this.#waiting.map(({ at }) => at));
      if (!Number.isFinite(next)) throw new Error("it waits for something that is no request");
      this.time = next;
      const due = this.#waiting.filter(({ at }) => at === next);
      this.#waiting.splice(0, Number.POSITIVE_INFINITY, ...this.#waiting.filter(({ at }) => at > next));
      for (const { go } of due) go();
    }
  }

  async #send(command: unknown): Promise<unknown> {
    this.requests++;
    await this.#pass(this.#latency);
    this.before(command);
    this.#show();
    if (command instanceof ReceiveMessageCommand) return this.#receive(command.input.VisibilityTimeout ?? 30);
    if (command instanceof GetQueueAttributesCommand) {
      return {
        Attributes: {
          ApproximateNumberOfMessages: String(this.#visible.length),
          ApproximateNumberOfMessagesNotVisible: String(this.#taken.size),
        },
      };
    }
    if (command instanceof SendMessageBatchCommand) {
      const { Entries = [] } = command.input;
      this.sent.push(...Entries.map(({ MessageBody = "" }) => MessageBody));
      return {};
    }
    if (command instanceof DeleteMessageBatchCommand) {
      for (const { ReceiptHandle = "" } of command.input.Entries ?? []) {
        this.#taken.delete(this.#idOf.get(ReceiptHandle) ?? "");
      }
      return {};
    }
    if (!(command instanceof ChangeMessageVisibilityBatchCommand)) throw new Error("unexpected command");
    for (const { ReceiptHandle = "", VisibilityTimeout = 0 } of command.input.Entries ?? []) {
      if (VisibilityTimeout !== 0) throw new Error("unexpected timeout");
      this.#free(this.#idOf.get(ReceiptHandle) ?? "");
    }
    return {};
  }

  async #receive(timeout: number): Promise<unknown> {
    const Messages = [];
    while (Messages.length < 10 && this.#visible.length > 0 && this.#taken.size < MAX_IN_FLIGHT) {
      const at = Math.floor(this.#random.next() * this.#visible.length);
      const isAgain =
        this.#last !== undefined && this.#taken.has(this.#last.id) && this.#random.next() < 0.002;
      const letter = (isAgain ? this.#last : this.#visible[at]) as Letter;
      if (!isAgain) {
        const last = this.#visible.pop() as Letter;
        if (at < this.#visible.length) this.#visible[at] = last;
      }
      this.#last = letter;
      const until = this.time + timeout * 1000;
      this.#earliest = Math.min(this.#earliest, until);
      const ReceiptHandle = `receipt ${++this.#receipts}`;
      this.#taken.set(letter.id, { letter, until });
      this.#idOf.set(ReceiptHandle, letter.id);
      Messages.push({
        MessageId: letter.id,
        ReceiptHandle,
        Body: letter.body,
        Attributes: { SentTimestamp: "0", ...letter.attributes },
        MessageAttributes: letter.code
          ? { Code: { StringValue: letter.code }, Reason: { StringValue: "Why." } }
          : {},
      });
    }
    // A long poll is held for as long as there is nothing.
    if (Messages.length === 0) await this.#pass(1000);
    return { Messages };
  }

  /** Shows what is hidden no longer. */
  #show(): void {
    if (this.time < this.#earliest) return;
    for (const [id, { until }] of this.#taken) if (until <= this.time) this.#free(id);
    this.#earliest = Math.min(...[...this.#taken.values()].slice(0, 1).map(({ until }) => until));
  }

  #free(id: string): void {
    const taken = this.#taken.get(id);
    if (!taken) return;
    this.#taken.delete(id);
    this.#visible.push(taken.letter);
  }

  #pass(milliseconds: number): Promise<void> {
    return new Promise((go) => this.#waiting.push({ at: this.time + milliseconds, go }));
  }
}
