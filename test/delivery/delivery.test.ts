import { ChangeMessageVisibilityCommand, SendMessageCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { expect } from "chai";
import { backoff, Delivery, OutOfTime, type Worker } from "../../src/delivery/delivery.ts";
import { type ImageOperation, ImageRejected } from "../../src/processing/contract.ts";
import { s3Record, sqsRecord } from "../support/events.ts";
import { FakeS3, s3Error } from "../support/fake-s3.ts";

/** Turns bytes round: enough to tell whose result it is. */
const reverse: ImageOperation = async (source) => ({
  body: Buffer.from(source).reverse(),
  contentType: "image/test",
});

/** A worker with everything around it in memory, and a clock that only moves when told. */
function bench(operation: ImageOperation = reverse, milliseconds = 60_000) {
  const s3 = new FakeS3();
  const deadLetters: SendMessageCommand["input"][] = [];
  const visibility: ChangeMessageVisibilityCommand["input"][] = [];
  const lines: { outcome: string; fields: Record<string, unknown> }[] = [];
  const metrics: Record<string, number> = {};
  const log = (outcome: unknown, fields: unknown) =>
    lines.push({ outcome: String(outcome), fields: fields as Record<string, unknown> });
  const clock = { remaining: milliseconds };
  const worker: Worker = {
    name: "clockwise",
    operation,
    resultsBucket: "results",
    queueUrl: "https://queue",
    deadLetterQueueUrl: "https://dead-letters",
    pixelLimit: 1_000_000,
    byteLimit: 1000,
    s3: s3.client,
    sqs: {
      send: async (command: unknown) => {
        if (command instanceof SendMessageCommand) deadLetters.push(command.input);
        else if (command instanceof ChangeMessageVisibilityCommand) visibility.push(command.input);
        else throw new Error("unexpected command");
      },
    } as unknown as SQSClient,
    logger: { info: log, warn: log, error: log } as unknown as Worker["logger"],
    metrics: {
      addMetric: (name: string, _unit: unknown, value: number) => {
        metrics[name] = (metrics[name] ?? 0) + value;
      },
    } as unknown as Worker["metrics"],
    random: () => 0,
  };
  const delivery = new Delivery(worker, { remainingMilliseconds: () => clock.remaining });
  return { s3, deadLetters, visibility, lines, metrics, clock, worker, delivery };
}

const message = (...records: unknown[]) => sqsRecord({ Records: records });

/** What a promise was rejected with. */
async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail("it should have failed"),
    (error: unknown) => error,
  );
}

describe("the delivery of a message", () => {
  it("writes the result under the worker's name, with one GET and one PUT", async () => {
    const { s3, delivery, metrics, lines } = bench();
    s3.put("source", "a b/ü.jpg", Buffer.from("abc"));

    await delivery.deliver(message(s3Record("a b/ü.jpg")));

    const result = s3.current("results", "clockwise/a b/ü.jpg");
    expect(result?.body.toString()).to.equal("cba");
    expect(result?.contentType).to.equal("image/test");
    expect(result?.metadata).to.deep.equal({
      "source-version": "v1",
      "source-etag": "0123",
      "source-sequencer": "0055",
    });
    expect(s3.requests).to.deep.equal(["GET source/a b/ü.jpg", "PUT results/clockwise/a b/ü.jpg"]);
    expect(metrics).to.include({ processed: 1, bytes: 3 });
    expect(lines.map(({ outcome }) => outcome)).to.deep.equal(["processed"]);
  });

  it("processes every record of a message", async () => {
    const { s3, delivery } = bench();
    for (const key of ["a", "b"]) s3.put("source", key, Buffer.from(key));

    await delivery.deliver(message(s3Record("a"), s3Record("b")));

    expect(s3.versions("results", "clockwise/a")).to.equal(1);
    expect(s3.versions("results", "clockwise/b")).to.equal(1);
  });

  it("does nothing for the test event", async () => {
    const { s3, delivery, deadLetters } = bench();

    await delivery.deliver(sqsRecord({ Service: "Amazon S3", Event: "s3:TestEvent", Bucket: "source" }));

    expect([...s3.requests, ...deadLetters]).to.deep.equal([]);
  });

  it("reads the version that the event names, also when a newer one is there", async () => {
    const { s3, delivery } = bench();
    s3.put("source", "a", Buffer.from("old"));
    s3.put("source", "a", Buffer.from("new"));

    await delivery.deliver(message(s3Record("a", { versionId: "v1" })));

    expect(s3.current("results", "clockwise/a")?.body.toString()).to.equal("dlo");
  });

  it("skips and counts a source that is gone", async () => {
    const { delivery, metrics, lines } = bench();

    await delivery.deliver(message(s3Record("a")));

    expect(metrics).to.deep.equal({ superseded: 1 });
    expect(lines[0]?.fields.reason).to.contain("NoSuchKey");
  });

  it("skips a source that was overwritten where the bucket keeps no versions", async () => {
    const { s3, delivery, metrics } = bench();
    s3.put("source", "a", Buffer.from("new"));

    await delivery.deliver(message(s3Record("a", { versionId: undefined, eTag: '"old"' })));

    expect(metrics).to.deep.equal({ superseded: 1 });
  });

  describe("with a result that is there already", () => {
    const standing = (sequencer: string, version = "v0") => {
      const all = bench();
      all.s3.put("source", "a", Buffer.from("abc"));
      all.s3.put("results", "clockwise/a", Buffer.from("standing"), {
        "source-sequencer": sequencer,
        "source-version": version,
      });
      return all;
    };

    it("replaces that of an older source", async () => {
      const { s3, delivery, metrics } = standing("0054");

      await delivery.deliver(message(s3Record("a")));

      expect(s3.current("results", "clockwise/a")?.body.toString()).to.equal("cba");
      expect(metrics.processed).to.equal(1);
    });

    it("leaves that of a newer source", async () => {
      const { s3, delivery, metrics } = standing("0056");

      await delivery.deliver(message(s3Record("a")));

      expect(s3.current("results", "clockwise/a")?.body.toString()).to.equal("standing");
      expect(metrics.superseded).to.equal(1);
    });

    it("does not write that of the same source a second time", async () => {
      const { s3, delivery, metrics } = standing("0055", "v1");

      await delivery.deliver(message(s3Record("a")));

      expect(s3.versions("results", "clockwise/a")).to.equal(1);
      expect(metrics.duplicate).to.equal(1);
    });

    it("asks the source bucket which is newer, where an event has no sequencer", async () => {
      const { s3, delivery, metrics } = standing("0054");
      s3.put("source", "a", Buffer.from("def"));

      await delivery.deliver(message(s3Record("a", { sequencer: undefined, versionId: "v2" })));

      expect(s3.current("results", "clockwise/a")?.body.toString()).to.equal("fed");
      expect(metrics).to.deep.include({ processed: 1 });
    });

    it("makes the current version's result where it is not the newest and another one's stands that nobody can place", async () => {
      const { s3, delivery, metrics } = standing("");
      s3.put("source", "a", Buffer.from("def"));

      await delivery.deliver(message(s3Record("a")));

      expect(s3.current("results", "clockwise/a")?.body.toString()).to.equal("fed");
      expect(metrics).to.deep.include({ superseded: 1, processed: 1 });
    });

    it("looks at the source again when it replaced a result, and makes that of the current version", async () => {
      const { s3, delivery } = standing("0054");
      s3.before = (request) => {
        if (request === "HEAD source/a" && s3.versions("source", "a") === 1) {
          s3.put("source", "a", Buffer.from("def"));
        }
      };

      await delivery.deliver(message(s3Record("a")));

      expect(s3.current("results", "clockwise/a")?.body.toString()).to.equal("fed");
    });

    it("never overwrites what another handler wrote while it was deciding", async () => {
      const { s3, delivery } = standing("0054");
      let raced = false;
      s3.before = (request) => {
        if (
          request.startsWith("HEAD") ||
          raced ||
          s3.requests.filter((each) => each.startsWith("HEAD")).length === 0
        )
          return;
        raced = true;
        s3.put("results", "clockwise/a", Buffer.from("newer"), { "source-sequencer": "0056" });
      };

      await delivery.deliver(message(s3Record("a")));

      expect(raced).to.equal(true);
      expect(s3.current("results", "clockwise/a")?.body.toString()).to.equal("newer");
    });

    it("writes again when it is deleted before it can be replaced", async () => {
      const { s3, delivery } = standing("0054");
      s3.before = (request) => {
        if (request.startsWith("PUT") && s3.requests.length === 4) s3.delete("results", "clockwise/a");
      };

      await delivery.deliver(message(s3Record("a")));

      expect(s3.current("results", "clockwise/a")?.body.toString()).to.equal("cba");
    });

    it("writes again when it is deleted before it can be looked at, which S3 answers with 403", async () => {
      const { s3, delivery } = standing("0054");
      s3.before = (request) => {
        if (!request.startsWith("HEAD")) return;
        s3.delete("results", "clockwise/a");
        throw s3Error("Forbidden", 403);
      };

      await delivery.deliver(message(s3Record("a")));

      expect(s3.current("results", "clockwise/a")?.body.toString()).to.equal("cba");
    });

    it("gives the message back when S3 says conflict time and again", async () => {
      const { s3, delivery, visibility } = standing("0054");
      s3.before = (request) => {
        if (request.startsWith("PUT")) throw s3Error("ConditionalRequestConflict", 409);
      };

      await failure(delivery.deliver(message(s3Record("a"))));

      expect(visibility).to.have.length(1);
    });
  });

  describe("that can never succeed", () => {
    const rejecting: ImageOperation = async () => {
      throw new ImageRejected("corrupt", "The image ends before its last row.");
    };

    it("goes to the dead-letter queue at once, with the reason, and is done with", async () => {
      const { s3, delivery, deadLetters, visibility, metrics } = bench(rejecting);
      s3.put("source", "a b.jpg", Buffer.from("abc"));

      await delivery.deliver(message(s3Record("a b.jpg")));

      expect(visibility).to.deep.equal([]);
      expect(deadLetters).to.have.length(1);
      expect(deadLetters[0]?.QueueUrl).to.equal("https://dead-letters");
      const attributes = Object.entries(deadLetters[0]?.MessageAttributes ?? {});
      expect(
        Object.fromEntries(attributes.map(([name, { StringValue }]) => [name, StringValue])),
      ).to.deep.equal({
        Worker: "clockwise",
        Code: "corrupt",
        Reason: "The image ends before its last row.",
        Bucket: "source",
        Key: "a b.jpg",
        VersionId: "v1",
      });
      expect(metrics).to.deep.equal({ rejected: 1 });
    });

    it("sends only the rejected record, in a message that can be sent to the queue again", async () => {
      const { s3, delivery, deadLetters } = bench(async (source, limits) =>
        source.includes("bad") ? rejecting(source, limits) : reverse(source, limits),
      );
      s3.put("source", "good", Buffer.from("good"));
      s3.put("source", "bad", Buffer.from("bad"));

      await delivery.deliver(message(s3Record("good"), s3Record("bad")));

      expect(JSON.parse(deadLetters[0]?.MessageBody ?? "")).to.deep.equal({ Records: [s3Record("bad")] });
      expect(s3.versions("results", "clockwise/good")).to.equal(1);
    });

    it("keeps a message of unknown shape as it is", async () => {
      const { delivery, deadLetters } = bench();

      await delivery.deliver(sqsRecord("hello"));

      expect(deadLetters[0]?.MessageBody).to.equal("hello");
      expect(deadLetters[0]?.MessageAttributes?.Code?.StringValue).to.equal("unknown-message");
    });

    it("is found too large by the event, before it is downloaded", async () => {
      const { s3, delivery, deadLetters } = bench();

      await delivery.deliver(message(s3Record("a", { size: 1001 })));

      expect(s3.requests).to.deep.equal([]);
      expect(deadLetters[0]?.MessageAttributes?.Code?.StringValue).to.equal("too-large");
    });

    it("is found too large by S3 where the event did not say", async () => {
      const { s3, delivery, deadLetters } = bench();
      s3.put("source", "a", Buffer.alloc(1001));

      await delivery.deliver(message(s3Record("a", { size: undefined })));

      expect(deadLetters[0]?.MessageAttributes?.Code?.StringValue).to.equal("too-large");
    });

    it("is rejected where the result's key would be longer than S3 allows", async () => {
      const { delivery, deadLetters } = bench();

      await delivery.deliver(message(s3Record("k".repeat(1020))));

      expect(deadLetters[0]?.MessageAttributes?.Code?.StringValue).to.equal("key-too-long");
    });

    it("names keys in attributes also where SQS would refuse their characters", async () => {
      const { s3, delivery, deadLetters } = bench(rejecting);
      s3.put("source", "a\u0001b", Buffer.from("abc"));

      await delivery.deliver(message(s3Record("a\u0001b")));

      expect(deadLetters[0]?.MessageAttributes?.Key?.StringValue).to.equal("a\u{FFFD}b");
    });

    it("is told once, though another record sends the message round again", async () => {
      const { s3, delivery, deadLetters } = bench(rejecting);
      s3.put("source", "bad", Buffer.from("bad"));
      s3.before = (request) => {
        if (request === "GET source/busy") throw s3Error("SlowDown", 503);
      };

      await failure(delivery.deliver(message(s3Record("bad"), s3Record("busy"))));

      expect(deadLetters).to.deep.equal([]);
    });
  });

  describe("that may succeed later", () => {
    it("is given back, to come again after a while", async () => {
      const { s3, delivery, visibility, metrics, lines } = bench();
      s3.before = () => {
        throw s3Error("SlowDown", 503);
      };

      const error = await failure(delivery.deliver(sqsRecord({ Records: [s3Record("a")] }, 2)));

      expect((error as Error).name).to.equal("SlowDown");
      expect(visibility).to.deep.equal([
        { QueueUrl: "https://queue", ReceiptHandle: "receipt-message-1", VisibilityTimeout: 60 },
      ]);
      expect(metrics).to.deep.equal({ failed: 1 });
      expect(lines[0]?.fields).to.include({ receives: 2, seconds: 60 });
    });

    it("treats a source that may not be read as a fault to mend, not as one that is gone", async () => {
      const { s3, delivery, visibility } = bench();
      s3.before = () => {
        throw s3Error("AccessDenied", 403);
      };

      await failure(delivery.deliver(message(s3Record("a"))));

      expect(visibility).to.have.length(1);
    });

    it("is given back also where the queue refuses to be told when", async () => {
      const { s3, delivery, worker } = bench();
      s3.before = () => {
        throw s3Error("SlowDown", 503);
      };
      worker.sqs.send = () => Promise.reject(new Error("throttled"));

      const error = await failure(delivery.deliver(message(s3Record("a"))));

      expect((error as Error).name).to.equal("SlowDown");
    });
  });

  describe("when the function's time is nearly over", () => {
    it("leaves what is not begun to the next invocation, at once", async () => {
      const { s3, delivery, visibility, clock } = bench();
      s3.put("source", "a", Buffer.from("a"));
      s3.put("source", "b", Buffer.from("b"));
      await delivery.deliver(message(s3Record("a")));
      clock.remaining = 4000;

      const error = await failure(delivery.deliver(message(s3Record("b"))));

      expect(error).to.be.instanceOf(OutOfTime);
      expect(visibility[0]?.VisibilityTimeout).to.equal(0);
      expect(s3.requests).to.not.include("GET source/b");
    });

    it("does not begin an image that would probably not be done in time", async () => {
      const { s3, delivery, clock } = bench(async (source, limits) => {
        clock.remaining -= 30_000;
        return reverse(source, limits);
      });
      s3.put("source", "a", Buffer.from("a"));
      await delivery.deliver(message(s3Record("a")));

      expect(await failure(delivery.deliver(message(s3Record("b"))))).to.be.instanceOf(OutOfTime);
    });

    it("always begins the first, so that a short timeout can not starve it", async () => {
      const { s3, delivery } = bench(reverse, 100);
      s3.put("source", "a", Buffer.from("a"));

      await delivery.deliver(message(s3Record("a")));

      expect(s3.versions("results", "clockwise/a")).to.equal(1);
    });

    it("tells the operation how long it has, less what writing needs", async () => {
      let seconds = 0;
      const { s3, delivery } = bench(async (source, limits) => {
        seconds = limits.seconds;
        return reverse(source, limits);
      });
      s3.put("source", "a", Buffer.from("a"));

      await delivery.deliver(message(s3Record("a")));

      expect(seconds).to.equal(55);
    });

    it("rejects an image as too slow only where it had the whole time", async () => {
      const slow: ImageOperation = async () => {
        throw new ImageRejected("too-slow", "It took too long.");
      };
      const { s3, delivery, deadLetters, clock } = bench(slow);
      for (const key of ["a", "b"]) s3.put("source", key, Buffer.from(key));

      await delivery.deliver(message(s3Record("a")));
      clock.remaining = 40_000;
      const second = await failure(delivery.deliver(message(s3Record("b"))));

      expect(deadLetters.map(({ MessageAttributes }) => MessageAttributes?.Key?.StringValue)).to.deep.equal([
        "a",
      ]);
      expect(second).to.be.instanceOf(OutOfTime);
    });

    it("does not blame an image for the time that its download took", async () => {
      const { s3, delivery, deadLetters, clock } = bench(async () => {
        throw new ImageRejected("too-slow", "It took too long.");
      });
      s3.put("source", "a", Buffer.from("a"));
      s3.before = () => {
        clock.remaining -= 30_000;
      };

      expect(await failure(delivery.deliver(message(s3Record("a"))))).to.be.instanceOf(OutOfTime);
      expect(deadLetters).to.deep.equal([]);
    });
  });
});

describe("the backoff", () => {
  it("doubles from 30 seconds to 15 minutes", () => {
    expect([1, 2, 3, 4, 5, 6, 20].map((receives) => backoff(receives, 0))).to.deep.equal([
      30, 60, 120, 240, 480, 900, 900,
    ]);
  });

  it("is shortened by chance, to half at most", () => {
    expect(backoff(3, 0.5)).to.equal(90);
    expect(backoff(3, 0.999999)).to.equal(60);
  });
});
