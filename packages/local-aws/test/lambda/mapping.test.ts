import { expect } from "chai";
import type { ReceivedMessage as Message, MessageQueue } from "../../src/gateway/direct.ts";
import {
  EventSourceMapping,
  type EventSourceMappingSettings,
  failedMessages,
  type SqsEvent,
} from "../../src/lambda/event-source-mapping.ts";
import { InvocationError } from "../../src/lambda/sandbox.ts";

const SETTINGS: EventSourceMappingSettings = {
  queueArn: "arn:aws:sqs:us-east-1:0:queue",
  ...{ region: "us-east-1", batchSize: 10, window: 0, reportsFailures: true, concurrency: 1 },
};

/** Messages with these identifiers, whose receipts begin with an r. */
const messages = (...ids: (string | number)[]): Message[] =>
  ids.map((id) => ({ MessageId: String(id), ReceiptHandle: `r${id}`, Body: "x", MD5OfBody: "of body" }));

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at);

interface Script {
  readonly settings?: Partial<EventSourceMappingSettings>;
  /** What each receive gives or throws, or does and gives, one after the other. With the last, the mapping is stopped. */
  readonly receives: (Message[] | Error | (() => Promise<Message[]>))[];
  readonly invoke?: (event: SqsEvent) => Promise<unknown>;
  /** What each delete throws, where it does. */
  readonly deletes?: (Error | undefined)[];
}

/**
 * Runs a mapping to the end of a script, in a time of its own: an empty receive takes as long as it may wait.
 * @returns what it asked the queue for, and what it told
 */
async function run({ settings, receives, invoke = async () => null, deletes = [] }: Script) {
  const seen = {
    receives: [] as { max: number; seconds: number; at: number }[],
    /** Message IDs of each batch. */
    batches: [] as string[][],
    /** Receipts of each delete. */
    deletes: [] as (string | undefined)[][],
    ended: [] as { requestId: string; failed: readonly string[]; error: string | undefined }[],
    reported: [] as string[],
    slept: [] as number[],
    requestIds: [] as string[],
  };
  let now = 1_000_000;
  const stopped = Promise.withResolvers<void>();
  const script = [...receives];
  const queue: MessageQueue = {
    async receive(max, seconds) {
      await null; // so that the mapping is there
      seen.receives.push({ max, seconds, at: now - 1_000_000 });
      const next = script.shift();
      if (script.length === 0) stopped.resolve(mapping.stop());
      if (next instanceof Error) throw next;
      const found = typeof next === "function" ? await next() : (next ?? []);
      if (found.length === 0) now += seconds * 1000;
      return found;
    },
    async delete(receipts) {
      seen.deletes.push([...receipts]);
      const error = deletes.shift();
      if (error) throw error;
    },
  };
  const mapping: EventSourceMapping = new EventSourceMapping(
    { ...SETTINGS, ...settings },
    {
      queue,
      async invoke(event, requestId) {
        seen.batches.push(event.Records.map(({ messageId }) => messageId));
        seen.requestIds.push(requestId);
        return invoke(event);
      },
      ended: (_, requestId, failed, error) => seen.ended.push({ requestId, failed, error: error?.kind }),
      report: (error) => seen.reported.push((error as Error).message),
      clock: {
        now: () => now,
        async sleep(milliseconds) {
          seen.slept.push(milliseconds);
          now += milliseconds;
        },
      },
    },
  );
  await stopped.promise;
  return seen;
}

describe("an event source mapping", () => {
  it("tells a function of a message as Lambda does, with the digest of its attributes where there are some", async () => {
    const [first, second] = messages(1, 2) as [Message, Message];
    const angle = { DataType: "Number", StringValue: "90" };
    const bytes = { DataType: "Binary", BinaryValue: "Yg==" };
    const received = {
      ...{ ...first, Attributes: { ApproximateReceiveCount: "1" } },
      ...{ MessageAttributes: { angle, bytes }, MD5OfMessageAttributes: "of attributes" },
    };
    let event: SqsEvent | undefined;
    await run({
      receives: [[received, second], []],
      invoke: async (given) => {
        event = given;
      },
    });

    expect(event?.Records[0]).to.deep.equal({
      ...{ messageId: "1", receiptHandle: "r1", body: "x", md5OfBody: "of body" },
      attributes: { ApproximateReceiveCount: "1" },
      messageAttributes: {
        angle: { dataType: "Number", stringValue: "90", stringListValues: [], binaryListValues: [] },
        bytes: { dataType: "Binary", binaryValue: "Yg==", stringListValues: [], binaryListValues: [] },
      },
      md5OfMessageAttributes: "of attributes",
      ...{ eventSource: "aws:sqs", eventSourceARN: SETTINGS.queueArn, awsRegion: "us-east-1" },
    });
    expect(event?.Records[1]).to.not.have.property("md5OfMessageAttributes");
  });

  it("polls long, and calls no function for nothing", async () => {
    const { receives, batches, ended } = await run({ receives: [[], [], []] });

    expect(receives.map(({ seconds }) => seconds)).to.deep.equal([20, 20, 20]);
    expect([batches, ended]).to.deep.equal([[], []]);
  });

  it("without a window invokes with what one receive gave", async () => {
    const { batches } = await run({ receives: [messages(1), messages(2), []] });

    expect(batches).to.deep.equal([["1"], ["2"]]);
  });

  it("with a window waits for a batch to fill, and no longer", async () => {
    const { batches, receives } = await run({
      settings: { window: 5, batchSize: 3 },
      receives: [messages(1), messages(2, 3), []],
    });

    expect(batches).to.deep.equal([["1", "2", "3"]]);
    expect(receives.map(({ max }) => max)).to.deep.equal([3, 2, 3]);
  });

  it("with a window that is over invokes with what came", async () => {
    const { batches, receives } = await run({
      settings: { window: 2 },
      receives: [[], messages(1), [], []],
    });

    expect(batches).to.deep.equal([["1"]]);
    // The window begins with the first message, and the poll after it is the next batch's.
    expect(receives.map(({ at, seconds }) => [at, seconds])).to.deep.equal([
      [0, 20],
      [20_000, 20],
      [20_000, 2],
      [22_000, 20],
    ]);
  });

  it("polls again in a window that is longer than a poll", async () => {
    const { receives } = await run({ settings: { window: 30 }, receives: [messages(1), [], [], []] });

    expect(receives.map(({ seconds }) => seconds)).to.deep.equal([20, 20, 10, 20]);
  });

  it("begins a window with its first message, and adds what comes before it is over", async () => {
    const { batches } = await run({
      settings: { window: 2 },
      receives: [[], [], messages(1), messages(2), [], messages(3), [], []],
    });

    expect(batches).to.deep.equal([["1", "2"], ["3"]]);
  });

  it("invokes with what came before the queue refused to give more", async () => {
    const { batches, reported, slept } = await run({
      settings: { window: 2 },
      receives: [messages(1), new Error("no queue"), messages(2), [], []],
    });

    expect(batches).to.deep.equal([["1"], ["2"]]);
    expect([reported, slept]).to.deep.equal([["no queue"], []]);
  });

  it("receives and deletes ten at once at most, as SQS has it", async () => {
    const { batches, receives, deletes } = await run({
      settings: { window: 5, batchSize: 25 },
      receives: [messages(...numbers(1, 10)), messages(...numbers(11, 20)), messages(...numbers(21, 25)), []],
    });

    expect(receives.map(({ max }) => max)).to.deep.equal([10, 10, 5, 10]);
    expect(batches).to.deep.equal([numbers(1, 25).map(String)]);
    expect(deletes.map(({ length }) => length)).to.deep.equal([10, 10, 5]);
    expect(deletes.flat()).to.deep.equal(numbers(1, 25).map((id) => `r${id}`));
  });

  it("deletes what did not fail, and leaves what did to come again", async () => {
    const { deletes, ended, requestIds } = await run({
      receives: [messages(1, 2, 3), []],
      invoke: async () => ({ batchItemFailures: [{ itemIdentifier: "2" }] }),
    });

    expect(deletes).to.deep.equal([["r1", "r3"]]);
    expect(ended).to.deep.equal([{ requestId: requestIds[0], failed: ["2"], error: undefined }]);
  });

  it("asks SQS for nothing where all messages failed", async () => {
    const { deletes } = await run({
      receives: [messages(1), []],
      invoke: async () => ({ batchItemFailures: [{ itemIdentifier: "1" }] }),
    });

    expect(deletes).to.deep.equal([]);
  });

  it("deletes all, whatever the answer, where the function does not report failures", async () => {
    const { deletes } = await run({
      settings: { reportsFailures: false },
      receives: [messages(1, 2), []],
      invoke: async () => ({ batchItemFailures: [{ itemIdentifier: "1" }, "nonsense"] }),
    });

    expect(deletes).to.deep.equal([["r1", "r2"]]);
  });

  for (const [what, invoke, error] of [
    ["an answer that Lambda cannot read", async () => "nonsense", "answer"],
    [
      "an invocation that fails",
      async () => {
        throw new InvocationError("timeout", "Task timed out");
      },
      "timeout",
    ],
  ] as const) {
    it(`deletes nothing after ${what}, tells of it, and polls on at once`, async () => {
      const { deletes, ended, reported, slept, batches } = await run({
        receives: [messages(1, 2), messages(3), []],
        invoke: (event) => (event.Records.length === 2 ? invoke() : Promise.resolve()),
      });

      expect(deletes).to.deep.equal([["r3"]]);
      expect(ended.map(({ failed, error }) => ({ failed, error }))).to.deep.equal([
        { failed: ["1", "2"], error },
        { failed: [], error: undefined },
      ]);
      expect(batches).to.have.length(2);
      expect([reported, slept]).to.deep.equal([[], []]);
    });
  }

  it("reports what the queue or this machine refuses, and polls on a second later", async () => {
    const broken = async () => {
      throw new Error("no sandbox");
    };
    const { reported, slept, batches, deletes } = await run({
      receives: [new Error("no queue"), messages(1), messages(2), messages(3), []],
      invoke: (event) => (event.Records[0]?.messageId === "1" ? broken() : Promise.resolve()),
      deletes: [new Error("no delete")],
    });

    expect(reported).to.deep.equal(["no queue", "no sandbox", "no delete"]);
    expect(slept).to.deep.equal([1000, 1000, 1000]);
    expect(batches).to.deep.equal([["1"], ["2"], ["3"]]);
    expect(deletes).to.deep.equal([["r2"], ["r3"]]);
  });

  it("is done with the batch that it has before it stops, and does not wait for its window", async () => {
    const { batches, deletes, receives } = await run({ settings: { window: 60 }, receives: [messages(1)] });

    expect(batches).to.deep.equal([["1"]]);
    expect(deletes).to.deep.equal([["r1"]]);
    expect(receives).to.have.length(1);
  });

  it("ends at once the polls that it is in when it stops", async () => {
    const polling = Promise.withResolvers<void>();
    const signals: AbortSignal[] = [];
    const unasked = async () => {
      throw new Error("nothing was received");
    };
    const queue: MessageQueue = {
      receive(_max, _seconds, signal) {
        if (signals.push(signal) === 2) polling.resolve();
        return new Promise((resolve) => signal.addEventListener("abort", () => resolve([])));
      },
      delete: unasked,
    };
    const parts = { queue, invoke: unasked, ended: () => {}, report: () => {} };
    const mapping = new EventSourceMapping({ ...SETTINGS, concurrency: 2 }, parts);
    await polling.promise;

    await mapping.stop();

    expect(signals).to.have.length(2);
  });

  it("says nothing of a queue that is gone when it stops", async () => {
    const { reported, slept, receives } = await run({ receives: [new Error("no queue")] });

    expect([reported, slept]).to.deep.equal([[], []]);
    expect(receives).to.have.length(1);
  });

  it("works on as many batches at once as it may, each an invocation of its own", async () => {
    const three = Promise.withResolvers<void>();
    let working = 0;
    const { batches, requestIds } = await run({
      settings: { concurrency: 3 },
      receives: [messages(1), messages(2), messages(3), []],
      async invoke() {
        if (++working === 3) three.resolve();
        await three.promise;
      },
    });

    expect(batches).to.have.deep.members([["1"], ["2"], ["3"]]);
    expect(new Set(requestIds).size).to.equal(3);
  });
});

describe("the answer of a function", () => {
  const batch = messages("a", "b");

  for (const answer of [null, undefined, {}, { batchItemFailures: [] }, { batchItemFailures: null }]) {
    it(`is success where it is ${JSON.stringify(answer)}`, () => {
      expect([...failedMessages(answer, batch)]).to.deep.equal([]);
    });
  }

  it("names the messages that failed", () => {
    const answer = { batchItemFailures: [{ itemIdentifier: "b" }] };

    expect([...failedMessages(answer, batch)]).to.deep.equal(["b"]);
  });

  for (const answer of [
    ...["nonsense", 7, false],
    { batchItemFailures: "b" },
    { batchItemFailures: [{ itemIdentifier: "c" }] },
    { batchItemFailures: [{ itemIdentifier: "" }] },
    { batchItemFailures: [{}] },
    { batchItemFailures: [null] },
  ]) {
    it(`is refused, and shown, where it is ${JSON.stringify(answer)}`, () => {
      expect(() => failedMessages(answer, batch))
        .to.throw(JSON.stringify(answer))
        .with.property("kind", "answer");
    });
  }

  it("is shown in its first hundred characters where it is long", () => {
    expect(() => failedMessages("x".repeat(200), batch)).to.throw(/^"x{99}…$/);
  });
});
