import { GetObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { ChangeMessageVisibilityBatchCommand, DeleteMessageBatchCommand } from "@aws-sdk/client-sqs";
import type { SQSRecord } from "aws-lambda";
import { expect } from "chai";
import { type ImageOperation, ImageRejected, type Limits } from "image-turn";
import { Delivery } from "../../src/delivery/delivery.ts";
import { OutOfTime } from "../../src/delivery/image.ts";
import { Pipeline } from "../../src/delivery/pipeline.ts";
import { COMES_AGAIN } from "../../src/delivery/queue.ts";
import { within } from "../../src/delivery/send.ts";
import type { Worker } from "../../src/delivery/worker.ts";
import { s3Record, sqsRecord } from "../support/events.ts";
import { FakeS3, s3Error } from "../support/fake-s3.ts";
import { VirtualTime } from "../support/virtual-time.ts";
import { fakeWorker } from "../support/worker.ts";

/** Milliseconds of each step. */
interface Steps {
  readonly get?: number | ((key: string) => number);
  readonly work?: number | ((key: string) => number);
  readonly put?: number | ((key: string) => number);
}

/** A worker whose requests and operations take a time that only passes where everybody waits. */
function bench({ get = 50, work = 100, put = 50 }: Steps = {}, given: Partial<Worker> = {}) {
  const time = new VirtualTime();
  const s3 = new FakeS3();
  const told: string[] = [];
  const lines: Record<string, unknown>[] = [];
  const limits: Record<string, Limits[]> = {};
  const inHand = { now: 0, max: 0 };
  const steps = { begun: [] as string[], stopped: [] as string[], at: {} as Record<string, number> };
  const of = (step: number | ((key: string) => number), key: string) =>
    typeof step === "number" ? step : step(key);
  const { send } = s3.client;
  const log = (outcome: unknown, fields: object) => lines.push({ outcome, ...fields });
  const worker = fakeWorker({
    operation: async (source, limit) => {
      const key = source.toString().trim();
      limits[key] = [...(limits[key] ?? []), limit];
      steps.begun.push(`work ${key}`);
      await time.sleep(of(work, key));
      return { body: source, contentType: "image/test" };
    },
    pixelLimit: 1000,
    depth: 3,
    s3: {
      send: async (command: GetObjectCommand | PutObjectCommand, options: { abortSignal: AbortSignal }) => {
        const key = command.input.Key?.replace("worker/", "") ?? "";
        const stopped = new Promise<never>((_, reject) => {
          options.abortSignal.addEventListener("abort", () => {
            steps.stopped.push(key);
            reject(options.abortSignal.reason);
          });
        });
        const isGet = command instanceof GetObjectCommand;
        if (isGet) steps.begun.push(`get ${key}`);
        if (isGet) steps.at[key] ??= time.now;
        if (isGet) inHand.max = Math.max(inHand.max, ++inHand.now);
        await Promise.race([time.sleep(of(isGet ? get : put, key)), stopped]);
        if (command instanceof PutObjectCommand) inHand.now--;
        return send(command as GetObjectCommand);
      },
    },
    sqs: {
      send: async (command: unknown) => {
        if (command instanceof ChangeMessageVisibilityBatchCommand) {
          const entries = command.input.Entries ?? [];
          told.push(
            `hide ${entries.map((each) => `${each.ReceiptHandle} ${each.VisibilityTimeout}`).join(", ")}`,
          );
        } else if (command instanceof DeleteMessageBatchCommand) {
          told.push(`delete ${command.input.Entries?.map(({ ReceiptHandle }) => ReceiptHandle).join(", ")}`);
          steps.begun.push("delete");
        } else told.push("reject");
        return {};
      },
    },
    logger: { info: log, warn: log, error: log } as unknown as Worker["logger"],
    metrics: {
      addMetric() {},
      publishStoredMetrics: () => steps.begun.push("tell metrics"),
    } as unknown as Worker["metrics"],
    now: () => time.now,
    ...given,
  });
  /** Uploads an image of so many bytes, and tells of it. */
  const upload = (key: string, { size = 10, receives = 1 } = {}): SQSRecord => {
    const { versionId } = s3.put("source", key, Buffer.from(key.padEnd(size)));
    return sqsRecord({ Records: [s3Record(key, { versionId, size })] }, receives, key);
  };
  const deliver = (messages: SQSRecord[], seconds = 120) =>
    time.run(() =>
      new Delivery(worker, { remainingMilliseconds: () => seconds * 1000 - time.now }, messages).run(),
    );
  const keys = (count: number) => Array.from({ length: count }, (_, index) => `${index}`);
  return { time, s3, told, lines, limits, inHand, steps, worker, upload, deliver, keys };
}

const done = (count: number) => new Array(count).fill(undefined);

describe("a batch", () => {
  it("reads the next images and writes the last results while one is turned", async () => {
    const { time, deliver, upload, keys, inHand } = bench();

    expect(await deliver(keys(10).map((key) => upload(key)))).to.deep.equal(done(10));

    // The first is read and the last is written; of all others, nothing but the work takes time.
    expect(time.now).to.equal(50 + 10 * 100 + 50);
    expect(inHand.max).to.equal(3);
  });

  it("has one image after the other in hand where that is all that may be", async () => {
    const { time, deliver, upload, keys, inHand } = bench({}, { depth: 1 });

    await deliver(keys(10).map((key) => upload(key)));

    expect(time.now).to.equal(10 * 200);
    expect(inHand.max).to.equal(1);
  });

  it("is held up by requests where they take longer than the work of all that may be in hand", async () => {
    const { time, deliver, upload, keys } = bench({ work: 10 });

    await deliver(keys(9).map((key) => upload(key)));

    // Three by three: the fourth is read when the first is written.
    expect(time.now).to.equal(3 * 110 + 2 * 10);
  });

  it("says of each image how long it was read, waited, was turned and was written", async () => {
    const { deliver, upload, lines } = bench({ get: 30, work: 100, put: 50 });

    await deliver(["a", "b"].map((key) => upload(key)));

    expect(
      lines.map(({ key, ms, fetch, wait, work, write }) => [key, ms, fetch, wait, work, write]),
    ).to.deep.equal([
      ["a", 180, 30, 0, 100, 50],
      ["b", 280, 30, 100, 100, 50],
    ]);
  });

  it("reads ahead no more than there is room for: a source counts twice while it is read", async () => {
    const { deliver, upload, steps } = bench({}, { depth: 10, byteLimit: 100 });

    await deliver(["a", "b", "c", "d"].map((key) => upload(key, { size: 30 })));

    // The third is read when the second has been, the fourth when the first is written.
    expect(steps.begun).to.deep.equal([
      ...["get a", "get b", "work a", "get c", "work b", "get d", "work c", "work d"],
    ]);
    expect(steps.at).to.deep.equal({ a: 0, b: 0, c: 50, d: 200 });
  });

  it("does not read ahead where nobody said how large the image is", async () => {
    const { deliver, upload, steps, s3 } = bench();
    s3.put("source", "b", Buffer.from("b"));
    const unsized = sqsRecord({ Records: [s3Record("b", { size: undefined })] }, 1, "b");

    expect(await deliver([upload("a"), unsized, upload("c")])).to.deep.equal(done(3));

    expect(steps.begun).to.deep.equal(["get a", "work a", "get b", "get c", "work b", "work c"]);
  });

  it("turns nothing while results that are not written leave it no room", async () => {
    const large: ImageOperation = async (source) => {
      await time.sleep(100);
      return { body: Buffer.alloc(800, source), contentType: "image/test" };
    };
    const { deliver, upload, keys, time } = bench({ put: 1000 }, { operation: large, depth: 10 });

    expect(await deliver(keys(4).map((key) => upload(key)))).to.deep.equal(done(4));

    // Two results are more than the limit, so that the third image waits until one is written.
    expect(time.now).to.equal(50 + 2 * (100 + 100 + 1000) - 100);
  });

  it("gives an image its memory, and the next one less than all: what is in hand besides has the rest", async () => {
    const { deliver, upload, limits } = bench();

    await deliver([upload("a"), upload("b")]);
    await deliver([upload("c")]);

    // A pixel stands for 20 bytes.
    expect([limits.a?.[0]?.pixels, limits.b?.[0]?.pixels]).to.deep.equal([950, 950]);
    expect(limits.c?.[0]?.pixels).to.equal(1000);
  });

  it("turns images that need all of the memory last, each alone and with a share of its own", async () => {
    const given: Record<string, number> = {};
    const needy: ImageOperation = async (source, { pixels, seconds }) => {
      const key = source.toString().trim();
      steps.begun.push(`work ${key} ${pixels}`);
      given[key] = seconds;
      const needsAll = ["b", "c"].includes(key) && pixels < 990;
      if (needsAll) throw new ImageRejected("too-many-pixels", "It has too many pixels.");
      await time.sleep(100);
      return { body: source, contentType: "image/test" };
    };
    const put = (key: string) => (key === "d" ? 10_000 : 50);
    const { deliver, upload, time, steps, s3, lines } = bench({ put }, { operation: needy, depth: 4 });

    expect(await deliver(["a", "b", "c", "d"].map((key) => upload(key)))).to.deep.equal(done(4));

    expect(steps.begun).to.deep.equal([
      ...["get a", "get b", "get c", "get d", "work a 950", "work b 950", "work c 950", "work d 950"],
      ...["get b", "work b 1000", "get c", "work c 1000"],
    ]);
    // The first of them is read when the last of the others is written, the second when the first is.
    expect(time.now).to.equal(10_250 + 2 * 200);
    // Half of the 107.7 s that are left then, and what is left of all, less five to write.
    expect([given.b, given.c]).to.deep.equal([48.8, 102.4]);
    expect(["b", "c"].map((key) => s3.versions("results", `worker/${key}`))).to.deep.equal([1, 1]);
    expect(lines.every(({ outcome }) => outcome === "processed")).to.equal(true);
  });

  it("makes the current version in its turn, too: never two operations at once, and nobody waits for ever", async () => {
    const working = { now: 0, max: 0 };
    const operation: ImageOperation = async (source, { pixels }) => {
      working.max = Math.max(working.max, ++working.now);
      await time.sleep(100);
      working.now--;
      const isCurrent = source.length === 20;
      const needsAll = (isCurrent || source.toString().startsWith("needy")) && pixels < 990;
      if (needsAll) throw new ImageRejected("too-many-pixels", "It has too many pixels.");
      // What is not written may be more than there is room for, and is forgotten then.
      return { body: isCurrent ? source : Buffer.alloc(1200, source), contentType: "image/test" };
    };
    const { deliver, upload, time, s3, lines } = bench({}, { operation, depth: 4 });
    const old = upload("a");
    upload("a", { size: 20 });
    s3.put("results", "worker/a", Buffer.from("another"), { "source-version": "v0" });

    expect(await deliver([old, upload("needy"), upload("c"), upload("d")])).to.deep.equal(done(4));

    expect(lines.map(({ outcome }) => outcome)).to.not.include("left to its own message");
    expect(working.max).to.equal(1);
    expect(s3.current("results", "worker/a")?.body).to.have.length(20);
  });

  it("rejects an image that is too large for all of the memory, and reads the others once", async () => {
    const operation: ImageOperation = async (source) => {
      if (source.toString().trim() === "a")
        throw new ImageRejected("too-many-pixels", "It has too many pixels.");
      return { body: source, contentType: "image/test" };
    };
    const { deliver, upload, told } = bench({}, { operation });

    expect(await deliver([upload("a"), upload("b")])).to.deep.equal(done(2));

    expect(told.filter((each) => each === "reject")).to.have.length(1);
  });

  it("reads again in its turn what failed ahead, as it was not begun", async () => {
    const { deliver, upload, s3, steps } = bench();
    let failures = 0;
    s3.before = (request) => {
      if (request === "GET source/b" && ++failures === 1) throw s3Error("SlowDown", 503);
    };

    expect(await deliver([upload("a"), upload("b")])).to.deep.equal(done(2));

    expect(steps.begun).to.deep.equal(["get a", "get b", "work a", "get b", "work b"]);
  });

  it("reads again in its turn what was tried in vain before, and fails when its turn has come", async () => {
    const { deliver, upload, s3, steps } = bench({ get: (key) => (key === "b" ? 200 : 50) });
    let failures = 0;
    s3.before = (request) => {
      if (request === "GET source/b" && ++failures === 1) throw s3Error("SlowDown", 503);
    };

    expect(await deliver([upload("a"), upload("b")])).to.deep.equal(done(2));

    expect(steps.begun).to.deep.equal(["get a", "get b", "work a", "get b", "work b"]);
  });

  it("ends a body that does not come with its image's share, which begins with its turn", async () => {
    const forever = 1e9;
    const get = (key: string) => (key === "b" ? forever : 50);
    const { deliver, upload, time, s3, steps } = bench({ get, work: 10_000 });

    const [a, b, c] = await deliver(
      ["a", "b", "c"].map((key) => upload(key)),
      62.03,
    );

    expect([a, c]).to.deep.equal([undefined, undefined]);
    expect(String(b)).to.contain("longer than the time");
    expect(steps.stopped).to.deep.equal(["b"]);
    // A third of a minute for each: the first one's rest goes to the others, 10 s of 50 to the second and the rest to the last.
    expect(time.now).to.be.within(10_050 + 24_900, 10_050 + 25_100 + 10_100);
    expect(s3.versions("results", "worker/c")).to.equal(1);
  });

  it("turns images while a result cannot be written, which comes again", async () => {
    const { deliver, upload, time, s3 } = bench({ put: (key) => (key === "a" ? 1e9 : 50) });

    const outcomes = await deliver(
      ["a", "b", "c"].map((key) => upload(key)),
      32.03,
    );

    expect(String(outcomes[0])).to.contain("longer than the time");
    expect(outcomes.slice(1)).to.deep.equal(done(2));
    expect(s3.versions("results", "worker/c")).to.equal(1);
    // Its share was a third of half a minute.
    expect(time.now).to.be.within(10_000, 10_100);
  });

  it("does not wait for ever for an image whose result's key is too long, where another needs all of the memory", async () => {
    const needy: ImageOperation = async (source, { pixels }) => {
      if (pixels < 1000) throw new ImageRejected("too-many-pixels", "It has too many pixels.");
      return { body: source, contentType: "image/test" };
    };
    const { deliver, upload, told } = bench({}, { operation: needy });

    expect(await deliver([upload("a"), upload("x".repeat(1020)), upload("b")])).to.deep.equal(done(3));

    expect(told.filter((each) => each === "reject")).to.have.length(1);
  });

  it("reads ahead no more than an event said that there is: what is larger is read in its turn", async () => {
    const { deliver, s3, steps, keys } = bench({}, { depth: 10 });
    const messages = keys(4).map((key) => {
      s3.put("source", key, Buffer.from(key.padEnd(600)));
      return sqsRecord({ Records: [s3Record(key, { size: 1 })] }, 1, key);
    });

    expect(await deliver(messages)).to.deep.equal(done(4));

    expect(steps.begun.filter((each) => each.startsWith("work"))).to.have.length(4);
  });

  it("takes for a failure what is thrown without saying anything", async () => {
    const { deliver, upload, s3, lines } = bench({}, { operation: () => Promise.reject() });
    const [a, b] = ["a", "b"].map((key) => JSON.parse(upload(key).body).Records[0]);

    const [outcome] = await deliver([sqsRecord({ Records: [a, b] })]);

    expect(outcome).to.be.instanceOf(Error);
    expect(lines.map(({ error }) => String(error))).to.deep.equal([String(outcome), String(outcome)]);
    expect(s3.versions("results", "worker/a")).to.equal(0);
  });

  describe("that may end its function", () => {
    it("is hidden for its own time, and each message a while longer, so that they come again apart", async () => {
      const numbers = [0, 0.5, 0.999];
      const { deliver, upload, keys, told } = bench({}, { random: () => numbers.shift() ?? 0 });

      await deliver(
        keys(3).map((key) => upload(key)),
        60,
      );

      const { after, apart } = COMES_AGAIN;
      const seconds = [0, apart / 2, apart - 1].map((more) => 60 + after + more);
      expect(told).to.deep.equal([`hide ${seconds.map((each, at) => `receipt-${at} ${each}`).join(", ")}`]);
    });

    it("is hidden before the queue is told when one of its messages comes again, however slow it is", async () => {
      const { deliver, upload, worker, told, time, s3 } = bench();
      s3.before = () => {
        throw s3Error("SlowDown", 503);
      };
      const { send } = worker.sqs;
      worker.sqs.send = (async (command: ChangeMessageVisibilityBatchCommand) => {
        if (command.input.Entries?.[0]?.VisibilityTimeout !== 30) await time.sleep(1000);
        return send(command);
      }) as typeof send;

      await deliver([upload("a")]);

      expect(told).to.deep.equal(["hide receipt-a 130", "hide receipt-a 30"]);
    });

    it("goes on, and says so, where the queue refuses that", async () => {
      const { deliver, upload, worker, lines } = bench();
      worker.sqs.send = () => Promise.reject(new Error("throttled"));

      expect(await deliver([upload("a")])).to.deep.equal([undefined]);

      expect(lines.map(({ outcome }) => outcome)).to.deep.equal(["visibility not set", "processed"]);
    });

    it("does not wait until all are hidden, where the queue does not answer and everything is done", async () => {
      const { deliver, upload, keys, worker, time } = bench({ work: 1 });
      worker.sqs.send = () => new Promise(() => {});

      await deliver(keys(40).map((key) => upload(key)));

      // One request is given up after five seconds.
      expect(time.now).to.be.within(5000, 5100);
    });

    it("ends in time where the queue never answers, which leaves no time for all that came before", async () => {
      const { deliver, upload, keys, worker, time, s3 } = bench();
      worker.sqs.send = () => new Promise(() => {});
      const messages = keys(10).map((key) => upload(key, { receives: 2 }));

      const outcomes = await deliver([upload("a"), upload("b"), ...messages], 20);

      expect(time.now).to.be.below(20_000);
      expect(outcomes.slice(0, 2)).to.deep.equal(done(2));
      expect(outcomes.at(-1)).to.be.instanceOf(OutOfTime);
      expect(s3.requests).to.not.include("HEAD source/9");
    });

    it("does last, one by one, what came before, and first counts and deletes what is done with", async () => {
      const { deliver, upload, steps, told, s3 } = bench({}, { depth: 10 });
      s3.before = (request) => {
        if (request === "GET source/broken") throw s3Error("SlowDown", 503);
      };
      const before = [upload("b", { receives: 3 }), upload("a", { receives: 2 })];
      const fresh = ["c", "broken", "d"].map((key) => upload(key));

      const outcomes = await deliver([...before, ...fresh]);

      expect(outcomes.map((outcome) => outcome === undefined)).to.deep.equal([true, true, true, false, true]);
      expect(steps.begun.slice(-8)).to.deep.equal([
        ...["tell metrics", "delete", "get a", "work a"],
        ...["tell metrics", "delete", "get b", "work b"],
      ]);
      // What failed is given back before those that came before are begun, too.
      expect(told.slice(1)).to.deep.equal([
        "hide receipt-broken 30",
        "delete receipt-c, receipt-d",
        "delete receipt-a",
      ]);
    });

    it("has all of the memory for what came before", async () => {
      const { deliver, upload, limits } = bench();

      await deliver([upload("a"), upload("b", { receives: 2 })]);

      expect(limits.b?.[0]?.pixels).to.equal(1000);
    });
  });
});

describe("an image that is alone in hand", () => {
  it("lets nobody in until it leaves", async () => {
    const pipeline = new Pipeline(2, 100);
    const entered: string[] = [];
    const enter = async (name: string, alone: boolean) => {
      const place = { alone, bytes: 1 };
      await pipeline.enter(place);
      entered.push(name);
      return place;
    };
    const first = await enter("alone", true);
    const second = enter("another", false);
    await new Promise((resolve) => setImmediate(resolve));
    expect(entered).to.deep.equal(["alone"]);

    pipeline.leave(first);

    await second;
    expect(entered).to.deep.equal(["alone", "another"]);
  });
});

describe("a deadline", () => {
  it("gives as long again to what nobody could look at in time, because the thread was busy", async () => {
    const time = new VirtualTime();
    const { now } = performance;
    const ended: number[] = [];
    try {
      await time.run(async () => {
        performance.now = () => (time.now >= 50 ? time.now + 10_000 : time.now);
        for (const more of [5000, 20]) {
          const forever = ({ abortSignal }: { abortSignal: AbortSignal }) => {
            abortSignal.addEventListener("abort", () => ended.push(time.now));
            return new Promise(() => {});
          };
          within(50, more, forever).catch(() => ended.push(time.now));
        }
        await time.sleep(200);
      });
    } finally {
      performance.now = now;
    }

    expect(ended).to.deep.equal([70, 70, 100, 100]);
  });
});
