import { Readable } from "node:stream";
import { expect } from "chai";
import { DeployedSource, type LogPage, type Metrics, type StackAccess } from "../src/deployed.ts";
import type { Snapshot, Tick } from "../src/protocol.ts";
import type { WiredWorker } from "../src/wiring.ts";

const START = Date.UTC(2026, 0, 1);

const WORKER: WiredWorker = {
  ...{ name: "clockwise", fanOut: "created", source: "sources", results: "results", prefix: "clockwise" },
  function: "clockwise-function",
  queue: "https://sqs.us-east-1.amazonaws.com/123456789012/clockwise-queue",
  deadLetterQueue: "https://sqs.us-east-1.amazonaws.com/123456789012/clockwise-dead",
};
const TOPIC = "arn:aws:sns:us-east-1:123456789012:created";

function line(message: string, more: object = {}, time = START): { time: number; line: string } {
  const record = { message, function_request_id: "r1", bucket: "sources", key: "cat.jpg", versionId: "v1" };
  return { time, line: JSON.stringify({ level: "INFO", ...record, ...more }) };
}

interface Stack {
  readonly depths?: Record<string, number>;
  readonly pages?: LogPage[];
  readonly metrics?: Metrics;
  /** What the next request is refused with. */
  refused?: Error | undefined;
}

/** A source that is fed from a stack, and a clock of its own. */
function watching(stack: Stack) {
  let now = START;
  const asked: string[] = [];
  let connections = 0;
  const answer = <T>(what: string, value: T): T => {
    asked.push(what);
    if (stack.refused) throw stack.refused;
    return value;
  };
  const connect = (): StackAccess => {
    connections++;
    return {
      async count(queueUrl) {
        const queue = queueUrl.split("/").at(-1) ?? "";
        return answer(queue, { visible: stack.depths?.[queue] ?? 0, hidden: 3 });
      },
      async open({ bucket, key, versionId }) {
        const body = Readable.from([Buffer.from("bytes")]);
        return answer(`get ${bucket}/${key} ${versionId}`, { key, etag: "e", size: 5, body });
      },
      logs: async (_, from, next) =>
        answer(`logs ${from - START} ${next}`, stack.pages?.shift() ?? { lines: [] }),
      ...(stack.metrics && { metrics: async () => answer("metrics", stack.metrics as Metrics) }),
    };
  };
  const source = new DeployedSource({
    wiring: {
      ...{ title: "prod", place: "in us-east-1", workers: [WORKER] },
      fanOuts: [{ source: "sources", results: "results", topic: TOPIC }],
    },
    connect,
    requestsPerSecond: 2,
    sleep: async () => {},
    now: () => now,
  });
  /** Lets time pass, second by second, and all be answered. */
  const pass = async (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      source.tick();
      for (let turn = 0; turn < 50; turn++) await Promise.resolve();
      now += 1000;
    }
  };
  return { source, asked, pass, connections: () => connections };
}

describe("the watch page of a deployed stack", () => {
  it("has no buttons, and draws what the outputs name", () => {
    const { abilities, topology, status } = watching({}).source.snapshot();
    expect(abilities).to.deep.equal({ act: false, chaos: false });
    expect(status.state).to.equal("starting");
    expect(topology.fanOuts[0]).to.include({ source: "sources", topic: "created", results: "results" });
    expect(topology.fanOuts[0]?.workers[0]).to.include({ name: "clockwise", queue: "clockwise-queue" });
  });

  it("asks nothing before somebody watches", async () => {
    const { source, asked } = watching({});
    expect(asked).to.deep.equal([]);
    const stop = source.watch(() => {});
    await Promise.resolve();
    stop();
    expect(asked).to.not.deep.equal([]);
  });

  it("asks queues every two seconds, logs every four and metrics once a minute", async () => {
    const minutes = new Map<number, number>();
    const none = { processed: minutes, duplicate: minutes, rejected: minutes, oldest: minutes };
    const { asked, pass } = watching({ metrics: { published: minutes, workers: { clockwise: none } } });
    await pass(60);
    const count = (begin: string) => asked.filter((each) => each.startsWith(begin)).length;
    expect(count("clockwise-queue")).to.be.within(20, 30);
    expect(count("clockwise-dead")).to.be.within(20, 30);
    expect(count("logs")).to.be.within(12, 15);
    expect(count("metrics")).to.equal(1);
  });

  it("shows what queues hold", async () => {
    const { source, pass } = watching({ depths: { "clockwise-queue": 7, "clockwise-dead": 2 } });
    await pass(4);
    expect(source.snapshot().counts.workers.clockwise).to.include({ waiting: 7, inFlight: 3, dead: 5 });
    expect(source.snapshot().counts.in).to.equal(null);
  });

  it("tells the story of an image from what its function logged, once", async () => {
    const processed = line("processed", { ms: 300, bytesIn: 1000, bytesOut: 900 });
    const { source, pass } = watching({ pages: [{ lines: [processed] }, { lines: [processed] }] });
    await pass(10);
    const [image] = source.snapshot().images;
    expect(image).to.include({ bucket: "sources", key: "cat.jpg", size: 1000 });
    expect(image?.legs).to.deep.equal([{ worker: "clockwise", state: "done", receives: 0 }]);
    const story = await source.story(image?.id ?? "");
    expect(story?.steps.map(({ what }) => what)).to.deep.equal(["begun", "written"]);
    expect(story?.steps.at(-1)).to.include({ ms: 300 });
    expect(story?.results).to.deep.equal([{ worker: "clockwise", key: "clockwise/cat.jpg", size: 900 }]);
    expect(story?.logs).to.have.length(1);
    expect(source.snapshot().counts.workers.clockwise).to.include({ done: 1 });
  });

  it("says why an image was rejected, what it failed with, and that it was too old", async () => {
    const lines = [
      line("rejected", { key: "a", code: "corrupt", reason: "It ends too early.", bytesIn: 5 }),
      line("failed", {
        key: "b",
        receives: 2,
        error: { name: "TypeError", message: "no", stack: "TypeError: no" },
      }),
      line("superseded", { key: "c", reason: "A newer version is there." }),
    ];
    const { source, pass } = watching({ pages: [{ lines }] });
    await pass(2);
    const { images, counts } = source.snapshot();
    expect(images[0]?.size).to.equal(5);
    expect(images.map(({ legs }) => legs[0])).to.deep.equal([
      { worker: "clockwise", state: "rejected", receives: 0, code: "corrupt", reason: "It ends too early." },
      { worker: "clockwise", state: "again", receives: 2, reason: "TypeError: no" },
      { worker: "clockwise", state: "superseded", receives: 0 },
    ]);
    expect(counts.workers.clockwise).to.include({ rejected: 1, done: 0 });
    const story = await source.story(images[1]?.id ?? "");
    expect(story?.faults[0]).to.include({ what: "TypeError: no", stack: "TypeError: no" });
  });

  it("takes no line for an image that is none: a person's own, a metric's, or one that is cut off", async () => {
    const lines = [
      { time: START, line: "START RequestId: r1" },
      { time: START, line: '{"message":"processed","key":"cat.jpg"' },
      { time: START, line: "null" },
      { time: START, line: '{"message":"processed","key":"cat.jpg"}' },
      line("something else"),
      { time: START, line: '{"_aws":{},"service":"clockwise","processed":1}' },
    ];
    const { source, pass } = watching({ pages: [{ lines }] });
    await pass(2);
    expect(source.snapshot().images).to.deep.equal([]);
    expect(source.snapshot().status).to.deep.equal({ state: "running" });
  });

  it("reads on where a page of a log ends, and at the newest lines where it is too far behind", async () => {
    const page = (index: number): LogPage => ({
      lines: [line("processed", { key: String(index) })],
      next: `n${index}`,
    });
    const { source, asked, pass } = watching({ pages: Array.from({ length: 5 }, (_, index) => page(index)) });
    await pass(20);
    const logs = asked.filter((each) => each.startsWith("logs")).slice(0, 6);
    const past = -600_000;
    expect(logs.slice(0, 5)).to.deep.equal([
      ...[
        `logs ${past} undefined`,
        `logs ${past} n0`,
        `logs ${past} n1`,
        `logs ${past} n2`,
        `logs ${past} n3`,
      ],
    ]);
    expect(logs[5]).to.match(/^logs -2\d{4} undefined$/);
    expect(source.snapshot().images).to.have.length(5);
  });

  it("counts by metrics, of the minutes in which somebody watched, where there is more than logs tell", async () => {
    const minute = (value: number, ago: number) => new Map([[START - ago * 60_000, value]]);
    const metrics: Metrics = {
      published: minute(600, 0),
      workers: {
        clockwise: {
          ...{ processed: minute(540, 0), duplicate: minute(0, 0), rejected: minute(60, 0) },
          oldest: minute(42, 1),
        },
      },
    };
    const { source, pass } = watching({ metrics });
    await pass(2);
    const { counts, history } = source.snapshot();
    expect(counts).to.include({ in: 600 });
    expect(counts.workers.clockwise).to.include({ done: 540, rejected: 60, oldest: 42 });
    expect(history.at(-1)).to.include({ in: 10, done: 9, rejected: 1, oldest: 42 });
    await pass(600);
    const later = source.snapshot();
    expect(later.counts).to.include({ in: 600 });
    expect(later.history.at(-1)).to.include({ in: 0, done: 0, rejected: 0 });
  });

  it("opens a source by its version and a result by its key, before what else is asked", async () => {
    const { source, asked, pass } = watching({ pages: [{ lines: [line("processed")] }] });
    await pass(2);
    const id = source.snapshot().images[0]?.id ?? "";
    expect((await source.open(id, undefined))?.size).to.equal(5);
    await source.open(id, "clockwise");
    expect(asked.filter((each) => each.startsWith("get"))).to.deep.equal([
      "get sources/cat.jpg v1",
      "get results/clockwise/cat.jpg null",
    ]);
    expect(await source.open("nobody", undefined)).to.equal(undefined);
  });

  it("says that credentials have ended, asks with new clients, and goes on when they are back", async () => {
    const stack: Stack = {
      refused: Object.assign(new Error("The token is expired."), { name: "ExpiredToken" }),
    };
    const { source, pass, connections } = watching(stack);
    await pass(3);
    const { status } = source.snapshot();
    expect(status).to.deep.equal({
      state: "stopped",
      message: "AWS refuses or does not answer; the page keeps trying: The token is expired.",
    });
    expect(connections()).to.be.above(1);
    stack.refused = undefined;
    await pass(5);
    expect(source.snapshot().status).to.deep.equal({ state: "running" });
  });

  it("goes on without what the credentials may not ask, and says what", async () => {
    const stack: Stack = {
      refused: Object.assign(new Error("not logs:FilterLogEvents"), { name: "AccessDeniedException" }),
    };
    const { source, asked, pass } = watching(stack);
    await pass(2);
    const first = asked.length;
    expect(source.snapshot().status.message).to.include("lack permissions: not logs:FilterLogEvents");
    await pass(30);
    expect(asked.length).to.equal(first);
    stack.refused = undefined;
    await pass(60);
    expect(source.snapshot().status).to.deep.equal({ state: "running" });
  });

  it("tells whoever watches what is new, each second", async () => {
    const { source, pass } = watching({ pages: [{ lines: [line("processed")] }] });
    const told: (Snapshot | Tick)[] = [];
    const stop = source.watch((news) => told.push(news));
    await pass(3);
    stop();
    const ticks = told.filter((news) => news.kind === "tick");
    expect(ticks.flatMap(({ images }) => images)).to.have.length(1);
    expect(ticks.some(({ flow }) => flow["function:clockwise>results:clockwise"] === 1)).to.equal(true);
    expect(ticks.filter(({ second }) => second)).to.have.length.above(1);
  });
});
