import { type HeadObjectCommand, InvalidObjectState, PutObjectCommand } from "@aws-sdk/client-s3";
import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  SendMessageCommand,
} from "@aws-sdk/client-sqs";
import type { SQSRecord } from "aws-lambda";
import { expect } from "chai";
import { type ImageOperation, ImageRejected } from "image-turn";
import { backoff, backoffOfMissing } from "../../src/delivery/backoff.ts";
import { Delivery } from "../../src/delivery/delivery.ts";
import { OutOfTime, Overtaken } from "../../src/delivery/image.ts";
import type { Worker } from "../../src/delivery/worker.ts";
import { s3Record, sqsRecord } from "../support/events.ts";
import { FakeS3, s3Error } from "../support/fake-s3.ts";
import { VirtualTime } from "../support/virtual-time.ts";
import { fakeWorker } from "../support/worker.ts";

/** Turns bytes round: enough to tell whose result it is. */
const reverse: ImageOperation = async (source) => ({
  body: Buffer.from(source).reverse(),
  contentType: "image/test",
});

/** A worker with everything around it in memory, and a clock that only moves when told. */
function bench(operation: ImageOperation = reverse, milliseconds = 60_000) {
  const s3 = new FakeS3();
  const deadLetters: SendMessageCommand["input"][] = [];
  const hidden: ChangeMessageVisibilityBatchCommand["input"][] = [];
  const visibility: ChangeMessageVisibilityBatchCommand["input"][] = [];
  const deleted: unknown[] = [];
  /** Requests by which a batch is hidden while it is worked on: those of its beginning. */
  let hiding = 0;
  const lines: { outcome: string; fields: Record<string, unknown> }[] = [];
  const metrics: Record<string, number> = {};
  const log = (outcome: unknown, fields: unknown) =>
    lines.push({ outcome: String(outcome), fields: fields as Record<string, unknown> });
  const clock = { remaining: milliseconds };
  const worker = fakeWorker({
    name: "clockwise",
    prefix: "clockwise",
    operation,
    queueUrl: "https://queue",
    deadLetterQueueUrl: "https://dead-letters",
    pixelLimit: 1_000_000,
    byteLimit: 1000,
    s3: s3.client,
    sqs: {
      send: async (command: unknown) => {
        if (command instanceof SendMessageCommand) deadLetters.push(command.input);
        else if (command instanceof ChangeMessageVisibilityBatchCommand) {
          (hiding-- > 0 ? hidden : visibility).push(command.input);
        } else if (command instanceof DeleteMessageBatchCommand) {
          deleted.push(...(command.input.Entries ?? []).map(({ ReceiptHandle }) => ReceiptHandle));
        } else throw new Error("unexpected command");
        return {};
      },
    },
    logger: { info: log, warn: log, error: log } as unknown as Worker["logger"],
    metrics: {
      addMetric: (name: string, _unit: unknown, value: number) => {
        metrics[name] = (metrics[name] ?? 0) + value;
      },
      publishStoredMetrics() {},
    } as unknown as Worker["metrics"],
    // An hour after what events tell of.
    now: () => Date.parse("2026-01-01T01:00:00Z") + milliseconds - clock.remaining,
  });
  /** Delivers a batch, as the handler does. @returns what each message came to: an error where it comes again */
  const deliver = async (...messages: SQSRecord[]) => {
    hiding = Math.ceil(messages.length / 10);
    return new Delivery(worker, { remainingMilliseconds: () => clock.remaining }, messages).run();
  };
  const codes = () => deadLetters.map(({ MessageAttributes }) => MessageAttributes?.Code?.StringValue);
  return { s3, deadLetters, codes, hidden, visibility, deleted, lines, metrics, clock, worker, deliver };
}

type Bench = ReturnType<typeof bench>;

const message = (...records: unknown[]) => sqsRecord({ Records: records });

/** Why a message comes again. */
async function failure(outcomes: Promise<unknown[]>): Promise<unknown> {
  const [error] = await outcomes;
  return error ?? expect.fail("it should have failed");
}

describe("the delivery of a message", () => {
  it("writes the result under the worker's name, with one GET and one PUT", async () => {
    const { s3, deliver, metrics, lines } = bench();
    s3.put("source", "a b/ü.jpg", Buffer.from("abc"));

    await deliver(message(s3Record("a b/ü.jpg")));

    const result = s3.current("results", "clockwise/a b/ü.jpg");
    expect(result?.body.toString()).to.equal("cba");
    expect(result?.contentType).to.equal("image/test");
    expect(result?.metadata).to.deep.equal({
      "source-version": "v1",
      "source-etag": "0123",
    });
    expect(s3.requests).to.deep.equal(["GET source/a b/ü.jpg", "PUT results/clockwise/a b/ü.jpg"]);
    expect(metrics).to.include({ processed: 1, bytes: 3 });
    expect(lines.map(({ outcome }) => outcome)).to.deep.equal(["processed"]);
  });

  it("carries what it was asked to from the version that the event names, with one more request for tags", async () => {
    const { s3, worker, deliver, lines } = bench();
    Object.assign(worker, { carry: ["cache-control", "content-disposition", "metadata", "tags"] });
    const source = s3.put("source", "a", Buffer.from("abc"), { title: "Cat", "source-etag": "mine" });
    const described = { cacheControl: "no-cache", contentDisposition: "inline", tagging: "a=1&b=x%20y" };
    Object.assign(source, described);

    await deliver(message(s3Record("a", { versionId: source.versionId })));

    const result = s3.current("results", "clockwise/a");
    expect(result).to.deep.include(described);
    expect(result?.metadata).to.deep.equal({ title: "Cat", "source-version": "v1", "source-etag": "0123" });
    expect(s3.requests).to.deep.equal(["GET source/a", "TAGS source/a", "PUT results/clockwise/a"]);
    expect(lines[0]?.fields).to.not.have.property("leftBehind");
  });

  it("says in its log what it could not carry", async () => {
    const { s3, worker, deliver, lines } = bench();
    Object.assign(worker, { carry: ["cache-control"] });
    Object.assign(s3.put("source", "a", Buffer.from("abc")), { cacheControl: "Ã¤" });

    await deliver(message(s3Record("a")));

    expect(s3.current("results", "clockwise/a")).to.include({ cacheControl: undefined });
    expect(lines[0]?.fields.leftBehind).to.deep.equal(["cache-control, which is not in ASCII"]);
  });

  it("comes again where tags may not be read, and is done with where the version is gone meanwhile", async () => {
    for (const [name, status, outcome] of [
      ["AccessDenied", 403, "failed"],
      ["NoSuchVersion", 404, "superseded"],
    ] as const) {
      const { s3, worker, deliver, lines } = bench();
      Object.assign(worker, { carry: ["tags"] });
      s3.put("source", "a", Buffer.from("abc"));
      s3.before = (command) => {
        if (command.startsWith("TAGS")) throw s3Error(name, status);
      };

      await deliver(message(s3Record("a")));

      expect(lines.map(({ outcome }) => outcome)).to.deep.equal([outcome]);
      expect(s3.versions("results", "clockwise/a")).to.equal(0);
    }
  });

  it("says in log and metrics what the operation says of the image", async () => {
    const notes = { exact: true, repaired: ["the trailer is missing"], dropped: ["a film", "a thumbnail"] };
    const { s3, deliver, metrics, lines } = bench(async (source, limits) => ({
      ...(await reverse(source, limits)),
      notes,
    }));
    s3.put("source", "a", Buffer.from("abc"));

    await deliver(message(s3Record("a")));
    // A second delivery of the same image counts nothing twice.
    await deliver(message(s3Record("a")));

    expect(lines[0]?.fields).to.deep.include(notes);
    expect(metrics).to.include({ processed: 1, duplicate: 1, repaired: 1, dropped: 1 });
  });

  it("says nothing of repairs where there were none, or of exactness where the operation does not", async () => {
    const { s3, deliver, metrics, lines } = bench(async (source, limits) => ({
      ...(await reverse(source, limits)),
      notes: { repaired: [], dropped: [] },
    }));
    s3.put("source", "a", Buffer.from("abc"));

    await deliver(message(s3Record("a")));

    expect(lines[0]?.fields).to.not.have.any.keys("exact", "repaired", "dropped");
    expect(metrics).to.have.all.keys("processed", "bytes", "ms", "fetch", "wait", "work", "write");
  });

  for (const [what, returned] of [
    ["undefined", undefined],
    ["null", null],
    ["Buffer", Buffer.from("abc")],
    ["{ body: string, contentType: string }", { body: "abc", contentType: "image/test" }],
    ["{ body: Buffer, contentType: undefined }", { body: Buffer.from("abc") }],
  ] as const) {
    it(`fails in words, and comes again, where the operation returns ${what}`, async () => {
      const { s3, deliver, metrics, lines, visibility } = bench(async () => returned as never);
      s3.put("source", "a", Buffer.from("abc"));

      const error = await failure(deliver(message(s3Record("a"))));

      expect(error).to.be.instanceOf(TypeError);
      expect((error as Error).message).to.equal(
        `The processor returned ${what}, not { body: Buffer, contentType: string }.`,
      );
      expect(lines.map(({ outcome }) => outcome)).to.deep.equal(["failed"]);
      expect(metrics).to.deep.equal({ failed: 1 });
      expect(s3.requests).to.deep.equal(["GET source/a"]);
      expect(visibility).to.have.length(1);
    });
  }

  it("processes every record of a message", async () => {
    const { s3, deliver } = bench();
    for (const key of ["a", "b"]) s3.put("source", key, Buffer.from(key));

    await deliver(message(s3Record("a"), s3Record("b")));

    expect(s3.versions("results", "clockwise/a")).to.equal(1);
    expect(s3.versions("results", "clockwise/b")).to.equal(1);
  });

  for (const count of ["0", ""]) {
    it(`processes a message that says ${JSON.stringify(count)} of how often it was received`, async () => {
      const { s3, deliver } = bench();
      s3.put("source", "a", Buffer.from("abc"));
      const uncounted = message(s3Record("a"));
      uncounted.attributes.ApproximateReceiveCount = count;

      expect(await deliver(uncounted)).to.deep.equal([undefined]);

      expect(s3.versions("results", "clockwise/a")).to.equal(1);
    });
  }

  it("does nothing for the test event", async () => {
    const { s3, deliver, deadLetters } = bench();

    await deliver(sqsRecord({ Service: "Amazon S3", Event: "s3:TestEvent", Bucket: "source" }));

    expect([...s3.requests, ...deadLetters]).to.deep.equal([]);
  });

  it("reads the version that the event names, also when a newer one is there", async () => {
    const { s3, deliver } = bench();
    s3.put("source", "a", Buffer.from("old"));
    s3.put("source", "a", Buffer.from("new"));

    await deliver(message(s3Record("a", { versionId: "v1" })));

    expect(s3.current("results", "clockwise/a")?.body.toString()).to.equal("dlo");
  });

  for (const [what, error] of [
    ["its version is not there", () => s3Error("NoSuchVersion", 404)],
    ["a delete marker is in its place", () => s3Error("MethodNotAllowed", 405)],
    ["a delete marker covers it", () => s3Error("NoSuchKey", 404, { "x-amz-delete-marker": "true" })],
  ] as const) {
    it(`skips and counts a source that is gone: ${what}`, async () => {
      const { s3, deliver, metrics, lines } = bench();
      s3.before = () => {
        throw error();
      };

      expect(await deliver(message(s3Record("a")))).to.deep.equal([undefined]);

      expect(metrics).to.deep.equal({ superseded: 1 });
      expect(lines[0]?.fields.reason).to.contain(error().name);
    });
  }

  it("skips a source that is not there where the bucket keeps no versions", async () => {
    const { deliver, metrics } = bench();

    await deliver(message(s3Record("a", { versionId: undefined })));

    expect(metrics).to.deep.equal({ superseded: 1 });
  });

  it("waits for one without a version while it is young: its bucket may just have begun to keep versions", async () => {
    const { deliver, metrics, visibility, worker } = bench();
    Object.assign(worker, { now: () => Date.parse("2026-01-01T00:19:59Z") });

    const error = await failure(deliver(message(s3Record("a", { versionId: undefined }))));

    expect((error as Error).name).to.equal("SourceMissing");
    expect(metrics).to.deep.equal({ failed: 1 });
    expect(visibility).to.have.length(1);
  });

  it("waits for a version that S3 does not find yet, and is not done with it", async () => {
    const { s3, deliver, metrics, visibility, worker } = bench();
    s3.before = () => {
      throw s3Error("NoSuchKey", 404);
    };
    Object.assign(worker, { now: () => Date.parse("2026-01-01T00:01:00Z") });

    const error = await failure(deliver(sqsRecord({ Records: [s3Record("a")] }, 3)));

    expect((error as Error).name).to.equal("SourceMissing");
    expect(metrics).to.deep.equal({ failed: 1 });
    expect(visibility[0]?.Entries?.[0]?.VisibilityTimeout).to.equal(19 * 60);
  });

  it("waits where a HEAD of the source says 404, unless a delete marker says why", async () => {
    for (const headers of [{}, { "x-amz-delete-marker": "true" }]) {
      const { s3, deliver, metrics } = bench();
      s3.put("source", "a", Buffer.from("abc"));
      s3.put("results", "clockwise/a", Buffer.from("another"), { "source-version": "v0" });
      s3.before = (request) => {
        if (request === "HEAD source/a") throw s3Error("NotFound", 404, headers);
      };

      await deliver(message(s3Record("a")));

      expect(metrics).to.deep.equal(Object.keys(headers).length > 0 ? metrics : { failed: 1 });
      expect(metrics.superseded).to.equal(Object.keys(headers).length > 0 ? 1 : undefined);
    }
  });

  it("takes a folder marker whose event says no size for neither an image nor a fault", async () => {
    const { s3, deliver, metrics, deadLetters } = bench();
    s3.put("source", "holiday/", Buffer.alloc(0));

    const record = s3Record("holiday/", { size: undefined });
    expect(await deliver(message(record))).to.deep.equal([undefined]);

    expect(s3.requests).to.deep.equal(["GET source/holiday/"]);
    expect([...deadLetters, ...Object.keys(metrics)]).to.deep.equal([]);
  });

  it("rejects a version id that is none of S3's, in words", async () => {
    const { s3, deliver, codes, deadLetters } = bench();
    s3.before = () => {
      throw s3Error("InvalidArgument", 400, {}, "Invalid version id specified");
    };

    await deliver(message(s3Record("a")));

    expect(codes()).to.deep.equal(["unknown-version"]);
    expect(deadLetters[0]?.MessageAttributes?.Reason?.StringValue).to.contain("the version v1");
  });

  it("takes a folder marker for neither an image nor a fault", async () => {
    const { s3, deliver, metrics, deadLetters } = bench();
    s3.put("source", "holiday/", Buffer.alloc(0));

    expect(await deliver(message(s3Record("holiday/", { size: 0 })))).to.deep.equal([undefined]);

    expect([...s3.requests, ...deadLetters, ...Object.keys(metrics)]).to.deep.equal([]);
  });

  it("writes the results of uploads that have no version, as versioning is suspended", async () => {
    const { s3, deliver } = bench();
    s3.suspended = true;
    for (const content of ["abc", "def", "ghi"]) {
      const { eTag, versionId } = s3.put("source", "a", Buffer.from(content));
      await deliver(message(s3Record("a", { versionId: s3.told(versionId), eTag: eTag.slice(1, -1) })));

      const result = s3.current("results", "clockwise/a")?.body.toString();
      expect(result).to.equal([...content].reverse().join(""));
    }
  });

  it("skips a source that was overwritten where the bucket keeps no versions", async () => {
    const { s3, deliver, metrics } = bench();
    s3.put("source", "a", Buffer.from("new"));

    await deliver(message(s3Record("a", { versionId: undefined, eTag: '"old"' })));

    expect(metrics).to.deep.equal({ superseded: 1 });
  });

  describe("with a result that is there already", () => {
    /** Of one version of the source while another is the current one. */
    const standing = (version: string, current = "v1"): Bench => {
      const all = bench();
      for (let number = 1; number <= Number(current.slice(1)); number++) {
        all.s3.put("source", "a", Buffer.from(number === 1 ? "abc" : "def"));
      }
      all.s3.put("results", "clockwise/a", Buffer.from("standing"), { "source-version": version });
      return all;
    };

    for (const sequencer of ["0055", "0054", "54", "005400", "0056", undefined]) {
      it(`replaces another version's where the source bucket has this one, whatever the sequencer ${sequencer}`, async () => {
        const { s3, deliver, metrics } = standing("v0");

        await deliver(message(s3Record("a", { sequencer })));

        expect(s3.current("results", "clockwise/a")?.body.toString()).to.equal("cba");
        expect(metrics.processed).to.equal(1);
        const heads = s3.requests.filter((request) => request.startsWith("HEAD source"));
        expect(heads).to.have.length(2);
      });

      it(`leaves that of the current version, whatever the sequencer ${sequencer}`, async () => {
        const { s3, deliver, metrics } = standing("v2", "v2");

        await deliver(message(s3Record("a", { sequencer })));

        expect(s3.current("results", "clockwise/a")?.body.toString()).to.equal("standing");
        expect(metrics.superseded).to.equal(1);
      });
    }

    it("does not write that of the same source a second time", async () => {
      const { s3, deliver, metrics } = standing("v1");

      await deliver(message(s3Record("a")));

      expect(s3.versions("results", "clockwise/a")).to.equal(1);
      expect(metrics.duplicate).to.equal(1);
    });

    it("is superseded where the current version is one whose key its uploader keeps, and owes nothing", async () => {
      const { s3, deliver, metrics, codes } = standing("v0", "v2");
      s3.before = (request) => {
        if (request === "HEAD source/a") throw s3Error("400", 400);
        // The version that the event names can be read, the current one cannot.
        const current = s3.requests.at(-2) === "HEAD source/a";
        if (request === "GET source/a" && current) throw s3Error("InvalidRequest", 400);
      };

      expect(await deliver(message(s3Record("a")))).to.deep.equal([undefined]);

      expect(metrics).to.deep.include({ superseded: 1 });
      expect(codes()).to.deep.equal([]);
      expect(s3.current("results", "clockwise/a")?.body.toString()).to.equal("standing");
    });

    it("fails where HEAD says 400 for another reason", async () => {
      const { s3, deliver } = standing("v0", "v2");
      s3.before = (request) => {
        if (request === "HEAD source/a") throw s3Error("400", 400);
      };

      await failure(deliver(message(s3Record("a"))));
    });

    it("makes the current version's where it is not that one and another one's stands", async () => {
      const { s3, deliver, metrics } = standing("v0", "v2");

      await deliver(message(s3Record("a")));

      expect(s3.current("results", "clockwise/a")?.body.toString()).to.equal("fed");
      expect(metrics).to.deep.include({ superseded: 1, processed: 1 });
    });

    it("makes the current version's at once where the message was tried before", async () => {
      const { s3, deliver, metrics } = standing("v0", "v2");

      await deliver(sqsRecord({ Records: [s3Record("a")] }, 2));

      expect(s3.current("results", "clockwise/a")?.body.toString()).to.equal("fed");
      expect(metrics).to.deep.include({ superseded: 1, processed: 1 });
      expect(s3.requests.filter((request) => request.startsWith("GET"))).to.have.length(1);
    });

    it("looks at the source again when it replaced a result, and makes that of the current version", async () => {
      const { s3, deliver } = standing("v0");
      s3.before = (request) => {
        const replaced = s3.requests.filter((each) => each === "PUT results/clockwise/a").length === 2;
        if (request === "HEAD source/a" && replaced && s3.versions("source", "a") === 1) {
          s3.put("source", "a", Buffer.from("def"));
        }
      };

      await deliver(message(s3Record("a")));

      expect(s3.current("results", "clockwise/a")?.body.toString()).to.equal("fed");
    });

    /** A worker for which each image takes so many milliseconds, and something happens meanwhile. */
    const during = (happens: (all: Bench) => void, milliseconds = 1000) => {
      let attempts = 0;
      const all = bench(async (source, limits) => {
        if (++attempts > 30) throw new Error("It goes on for ever.");
        happens(all);
        all.clock.remaining -= Math.min(milliseconds, limits.seconds * 1000);
        if (limits.seconds * 1000 < milliseconds) throw new ImageRejected("too-slow", "It takes too long.");
        return reverse(source, limits);
      });
      all.s3.put("source", "a", Buffer.from("0"));
      all.s3.put("results", "clockwise/a", Buffer.from("standing"), { "source-version": "v0" });
      return { ...all, attempts: () => attempts };
    };

    for (const receives of [1, 2, 5]) {
      it(`makes one more at most where uploads come faster than it works, at receive ${receives}`, async () => {
        let uploads = 0;
        const { s3, deliver, attempts, codes } = during(() => {
          s3.put("source", "a", Buffer.from(`${++uploads}`));
        });

        const outcomes = await deliver(sqsRecord({ Records: [s3Record("a")] }, receives));

        expect(outcomes).to.deep.equal([undefined]);
        expect(attempts()).to.be.at.most(2);
        expect(codes()).to.deep.equal([]);
        // Whatever came last has a message of its own, which finds what stands.
        await deliver(message(s3Record("a", { versionId: `v${uploads + 1}` })));
      });
    }

    it("leaves the current version to its own message where there is no time for it, and nothing was written", async () => {
      let uploaded = false;
      const { s3, deliver, lines } = during(() => {
        if (!uploaded) s3.put("source", "a", Buffer.from("1"));
        uploaded = true;
      }, 30_000);

      expect(await deliver(message(s3Record("a")))).to.deep.equal([undefined]);

      expect(lines.map(({ outcome }) => outcome)).to.deep.equal(["superseded", "left to its own message"]);
    });

    it("comes again where there is no time for the current version after something was written", async () => {
      const { s3, deliver } = during(() => {}, 30_000);
      s3.before = (request) => {
        const puts = s3.requests.filter((each) => each === "PUT results/clockwise/a").length;
        if (request === "PUT results/clockwise/a" && puts === 2) s3.put("source", "a", Buffer.from("1"));
      };

      expect(await failure(deliver(message(s3Record("a"))))).to.be.instanceOf(OutOfTime);
    });

    it("comes again where a second version is owed, and fails, after the first one's result was written", async () => {
      let uploads = 0;
      const { s3, deliver } = during(() => {
        if (++uploads === 1) s3.put("source", "a", Buffer.from("1"));
      });
      s3.before = (request) => {
        const { length } = s3.requests.filter((each) => each.startsWith("GET"));
        if (length === 3) throw s3Error("SlowDown", 503);
        // In the middle of writing the second version's result.
        if (length === 2 && request.startsWith("PUT") && s3.requests.at(-2) === "HEAD source/a") {
          s3.put("source", "a", Buffer.from("2"));
        }
      };

      expect(((await failure(deliver(message(s3Record("a"))))) as Error).name).to.equal("SlowDown");
    });

    it("comes again where the current version fails that a try before may have written something after", async () => {
      const { s3, deliver } = standing("v1");
      let looks = 0;
      s3.before = (request) => {
        if (request === "HEAD source/a" && ++looks === 1) throw s3Error("SlowDown", 503);
        if (request.startsWith("PUT")) s3.put("source", "a", Buffer.from("def"));
        if (request.startsWith("GET") && s3.versions("source", "a") > 1) throw s3Error("SlowDown", 503);
      };

      const outcomes = deliver(sqsRecord({ Records: [s3Record("a")] }, 2));

      expect(((await failure(outcomes)) as Error).name).to.equal("SlowDown");
      expect(s3.requests.slice(0, 3)).to.deep.equal([
        ...["HEAD source/a", "GET source/a", "PUT results/clockwise/a"],
      ]);
    });

    it("stops, and comes again, where an upload falls into the middle of each of its writes", async () => {
      let uploads = 0;
      const { s3, deliver, attempts } = during(() => {});
      s3.before = (request) => {
        if (request.startsWith("PUT") && s3.requests.at(-2) === "HEAD source/a") {
          s3.put("source", "a", Buffer.from(`${++uploads}`));
        }
      };

      expect(await failure(deliver(message(s3Record("a"))))).to.be.instanceOf(Overtaken);

      expect(attempts()).to.equal(4);
    });

    it("never overwrites what another handler wrote while it was deciding", async () => {
      const { s3, deliver } = standing("v0");
      s3.before = (request) => {
        if (request !== "HEAD source/a" || s3.versions("source", "a") > 1) return;
        // The answer to this is that v1 is current; before the PUT, v2 is, and has its result.
        s3.before = () => {
          if (s3.versions("source", "a") > 1) return;
          s3.put("source", "a", Buffer.from("def"));
          s3.put("results", "clockwise/a", Buffer.from("newer"), { "source-version": "v2" });
        };
      };

      await deliver(message(s3Record("a")));

      expect(s3.versions("source", "a")).to.equal(2);
      expect(s3.current("results", "clockwise/a")?.body.toString()).to.equal("newer");
    });

    it("writes again when it is deleted before it can be replaced", async () => {
      const { s3, deliver } = standing("v0");
      s3.before = (request) => {
        if (request.startsWith("PUT") && s3.requests.length === 5) s3.delete("results", "clockwise/a");
      };

      await deliver(message(s3Record("a")));

      expect(s3.current("results", "clockwise/a")?.body.toString()).to.equal("cba");
    });

    it("writes again when it is deleted before it can be looked at, which S3 answers with 403", async () => {
      const { s3, deliver } = standing("v0");
      s3.before = (request) => {
        if (!request.startsWith("HEAD results")) return;
        s3.delete("results", "clockwise/a");
        throw s3Error("Forbidden", 403);
      };

      await deliver(message(s3Record("a")));

      expect(s3.current("results", "clockwise/a")?.body.toString()).to.equal("cba");
    });

    it("writes again in the same delivery when S3 says conflict once", async () => {
      for (const version of [undefined, "v0"]) {
        const { s3, deliver, metrics } = version ? standing(version) : bench();
        if (!version) s3.put("source", "a", Buffer.from("abc"));
        let conflicts = 0;
        s3.before = (request) => {
          if (request.startsWith("PUT") && ++conflicts === 1)
            throw s3Error("ConditionalRequestConflict", 409);
        };

        expect(await deliver(message(s3Record("a")))).to.deep.equal([undefined]);

        expect(s3.current("results", "clockwise/a")?.body.toString()).to.equal("cba");
        expect(metrics.processed).to.equal(1);
      }
    });

    it("looks again when another handler writes between a HEAD that found nothing and the PUT", async () => {
      const { s3, deliver, metrics } = standing("v0", "v2");
      s3.before = (request) => {
        if (request.startsWith("HEAD results") && s3.requests.length === 3)
          s3.delete("results", "clockwise/a");
        if (request.startsWith("PUT") && s3.requests.length === 4) {
          s3.put("results", "clockwise/a", Buffer.from("newer"), { "source-version": "v2" });
        }
      };

      expect(await deliver(message(s3Record("a")))).to.deep.equal([undefined]);

      expect(s3.requests.slice(3)).to.deep.equal([
        "PUT results/clockwise/a",
        "HEAD results/clockwise/a",
        "HEAD source/a",
      ]);
      expect(s3.current("results", "clockwise/a")?.body.toString()).to.equal("newer");
      expect(metrics).to.deep.include({ superseded: 1 });
    });

    it("takes a duplicate for its own where its write was made again, and makes what came meanwhile", async () => {
      for (const [attempts, made] of [
        [1, "fed"],
        [2, "ihg"],
      ] as const) {
        const { s3, deliver } = standing("v0", "v2");
        s3.before = (request) => {
          // While the current version is written in place of the event's: its result stands, and a newer one comes.
          if (request !== "PUT results/clockwise/a" || !s3.requests.includes("HEAD source/a")) return;
          if (s3.versions("source", "a") > 2) return;
          s3.put("results", "clockwise/a", Buffer.from("fed"), { "source-version": "v2" });
          s3.put("source", "a", Buffer.from("ghi"));
          throw Object.assign(s3Error("PreconditionFailed", 412), {
            $metadata: { httpStatusCode: 412, attempts },
          });
        };

        expect(await deliver(message(s3Record("a")))).to.deep.equal([undefined]);

        expect(s3.current("results", "clockwise/a")?.body.toString(), `${attempts}`).to.equal(made);
      }
    });

    it("leaves it to the current version's own message to reject that one", async () => {
      const { s3, deliver, deadLetters, metrics } = standing("v0", "v2");
      s3.before = (request) => {
        if (request.startsWith("GET")) throw s3Error("InvalidObjectState", 403);
      };

      expect(await deliver(sqsRecord({ Records: [s3Record("a")] }, 2))).to.deep.equal([undefined]);

      expect(deadLetters).to.deep.equal([]);
      expect(metrics).to.deep.equal({ superseded: 1 });
    });

    it("gives the message back when S3 says conflict time and again", async () => {
      const { s3, deliver, visibility } = standing("v0");
      s3.before = (request) => {
        if (request.startsWith("PUT")) throw s3Error("ConditionalRequestConflict", 409);
      };

      const error = (await failure(deliver(message(s3Record("a"))))) as Error;

      expect(error.message).to.equal("The result clockwise/a changed 5 times while it was being written.");
      expect(s3.requests.filter((request) => request.startsWith("PUT"))).to.have.length(5);
      expect(visibility).to.have.length(1);
    });

    it("gives the message back at once where there is no results bucket, and says that", async () => {
      const { s3, deliver } = standing("v0");
      s3.before = (request) => {
        if (request.startsWith("PUT")) throw s3Error("NoSuchBucket", 404);
      };

      expect(await failure(deliver(message(s3Record("a"))))).to.have.property("name", "NoSuchBucket");

      expect(s3.requests).to.deep.equal(["GET source/a", "PUT results/clockwise/a"]);
    });

    it("gives every request a signal that ends it, so that none holds a connection longer than its share", async () => {
      const { s3, deliver } = standing("v0");
      const expected = ["GET", "PUT", "HEAD", "HEAD", "PUT", "HEAD"];

      await deliver(message(s3Record("a")));
      s3.before = (request) => {
        if (request.startsWith("HEAD")) throw s3Error("400", 400);
      };
      // The source's HEAD says 400: a GET tells why.
      await deliver(sqsRecord({ Records: [s3Record("a")] }, 2));
      expect(s3.requests.slice(6, 8)).to.deep.equal(["HEAD source/a", "GET source/a"]);
      const { deliver: denied, s3: locked } = standing("v0");
      locked.before = (request) => {
        if (request.startsWith("GET")) throw s3Error("AccessDenied", 403);
      };
      await failure(denied(message(s3Record("a"))));

      expect(s3.requests.slice(0, 6).map((request) => request.split(" ")[0])).to.deep.equal(expected);
      expect(locked.requests).to.deep.equal(["GET source/a", "HEAD source/a"]);
      for (const { options } of [...s3.sent, ...locked.sent]) {
        expect(options?.abortSignal).to.be.instanceOf(AbortSignal);
      }
    });

    it("asks for the version of the event where S3 denies it, as another one may have another key", async () => {
      const { s3, deliver } = standing("v0", "v2");
      s3.before = (request) => {
        if (request.startsWith("GET")) throw s3Error("AccessDenied", 403);
      };

      await failure(deliver(message(s3Record("a"))));

      const head = s3.sent.at(-1)?.command as HeadObjectCommand;
      expect(head.input).to.deep.equal({ Bucket: "source", Key: "a", VersionId: "v1" });
    });
  });

  describe("that can never succeed", () => {
    const rejecting: ImageOperation = async () => {
      throw new ImageRejected("corrupt", "The image ends before its last row.");
    };

    it("goes to the dead-letter queue at once, with the reason, and is done with", async () => {
      const { s3, deliver, deadLetters, visibility, metrics, lines } = bench(rejecting);
      s3.put("source", "a b.jpg", Buffer.from("abc"));

      await deliver(message(s3Record("a b.jpg", { size: 3 })));

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
      expect(lines[0]).to.deep.include({ outcome: "rejected" });
      expect(lines[0]?.fields).to.include({ key: "a b.jpg", bytesIn: 3, code: "corrupt" });
    });

    it("sends only the rejected record, in a message that can be sent to the queue again", async () => {
      const { s3, deliver, deadLetters } = bench(async (source, limits) =>
        source.includes("bad") ? rejecting(source, limits) : reverse(source, limits),
      );
      s3.put("source", "good", Buffer.from("good"));
      s3.put("source", "bad", Buffer.from("bad"));

      await deliver(message(s3Record("good"), s3Record("bad")));

      expect(JSON.parse(deadLetters[0]?.MessageBody ?? "")).to.deep.equal({ Records: [s3Record("bad")] });
      expect(s3.versions("results", "clockwise/good")).to.equal(1);
    });

    it("keeps a message of unknown shape as it is", async () => {
      const { deliver, deadLetters } = bench();

      await deliver(sqsRecord("hello"));

      expect(deadLetters[0]?.MessageBody).to.equal("hello");
      expect(deadLetters[0]?.MessageAttributes?.Code?.StringValue).to.equal("unknown-message");
    });

    it("is found too large by the event, before it is downloaded", async () => {
      const { s3, deliver, deadLetters } = bench();

      await deliver(message(s3Record("a", { size: 1001 })));

      expect(s3.requests).to.deep.equal([]);
      expect(deadLetters[0]?.MessageAttributes?.Code?.StringValue).to.equal("too-large");
    });

    it("is found too large by S3 where the event did not say", async () => {
      const { s3, deliver, deadLetters } = bench();
      s3.put("source", "a", Buffer.alloc(1001));

      await deliver(message(s3Record("a", { size: undefined })));

      expect(deadLetters[0]?.MessageAttributes?.Code?.StringValue).to.equal("too-large");
    });

    it("is not downloaded where S3 says that it is too large", async () => {
      const { deliver, worker } = bench();
      let destroyed = 0;
      let read = 0;
      const Body = { destroy: () => destroyed++, transformToByteArray: () => read++ };
      Object.assign(worker.s3, { send: async () => ({ ContentLength: 1001, Body }) });

      await deliver(message(s3Record("a", { size: undefined })));

      expect({ destroyed, read }).to.deep.equal({ destroyed: 1, read: 0 });
    });

    it("comes again where the dead-letter queue never answers", async () => {
      const { s3, deliver, worker, visibility, metrics } = bench(rejecting, 400);
      s3.put("source", "bad", Buffer.from("bad"));
      const { send } = worker.sqs;
      worker.sqs.send = ((command: unknown) =>
        command instanceof SendMessageCommand
          ? new Promise(() => {})
          : (send as (command: unknown) => Promise<unknown>)(command)) as typeof send;

      expect(String(await failure(deliver(message(s3Record("bad")))))).to.contain("longer than the time");

      expect(metrics).to.deep.equal({ failed: 1 });
      expect(visibility).to.have.length(1);
    });

    it("is rejected where the result's key would be longer than S3 allows", async () => {
      const { s3, deliver, deadLetters } = bench();

      // "clockwise/" has ten bytes.
      await deliver(message(s3Record("k".repeat(1015))));
      expect(deadLetters[0]?.MessageAttributes?.Code?.StringValue).to.equal("key-too-long");

      s3.put("source", "k".repeat(1014), Buffer.from("abc"));
      await deliver(message(s3Record("k".repeat(1014))));
      expect(deadLetters).to.have.length(1);
      expect(s3.versions("results", `clockwise/${"k".repeat(1014)}`)).to.equal(1);
    });

    it("names keys in attributes also where SQS would refuse their characters", async () => {
      const { s3, deliver, deadLetters } = bench(rejecting);
      s3.put("source", "a\u0001b", Buffer.from("abc"));

      await deliver(message(s3Record("a\u0001b")));

      expect(deadLetters[0]?.MessageAttributes?.Key?.StringValue).to.equal("a\u{FFFD}b");
    });

    it("keeps none of the other records of its message from being processed", async () => {
      const { s3, deliver, deadLetters } = bench();
      s3.put("source", "good", Buffer.from("good"));
      const bad = s3Record("a", { key: "%E0%A4%A" });

      await deliver(message(bad, s3Record("good")));

      expect(s3.versions("results", "clockwise/good")).to.equal(1);
      expect(deadLetters).to.have.length(1);
      expect(deadLetters[0]?.MessageBody).to.equal(JSON.stringify({ Records: [bad] }));
      expect(deadLetters[0]?.MessageAttributes?.Code?.StringValue).to.equal("unknown-message");
    });

    it("is sent with time of its own where it waited for others", async () => {
      const all = bench(async (source, limits) => {
        if (source.includes("bad")) return rejecting(source, limits);
        all.clock.remaining -= 50_000;
        return reverse(source, limits);
      }, 60_000);
      const { s3, deliver, deadLetters, worker } = all;
      for (const key of ["bad", "good"]) s3.put("source", key, Buffer.from(key));
      const { send } = worker.sqs;
      worker.sqs.send = (async (command: unknown, { abortSignal }: { abortSignal: AbortSignal }) => {
        // Longer than the shortest time that a request is given.
        await new Promise((resolve) => setTimeout(resolve, 130));
        abortSignal.throwIfAborted();
        return (send as (command: unknown) => Promise<unknown>)(command);
      }) as typeof send;

      expect(await deliver(message(s3Record("bad"), s3Record("good")))).to.deep.equal([undefined]);

      expect(deadLetters).to.have.length(1);
    });

    it("is told once, though another record sends the message round again", async () => {
      const { s3, deliver, deadLetters } = bench(rejecting);
      s3.put("source", "bad", Buffer.from("bad"));
      s3.before = (request) => {
        if (request === "GET source/busy") throw s3Error("SlowDown", 503);
      };

      await failure(deliver(message(s3Record("bad"), s3Record("busy"))));

      expect(deadLetters).to.deep.equal([]);
    });
  });

  describe("that may succeed later", () => {
    it("is given back, to come again after a while", async () => {
      const { s3, deliver, visibility, metrics, lines } = bench();
      s3.before = () => {
        throw s3Error("SlowDown", 503);
      };

      const error = await failure(deliver(sqsRecord({ Records: [s3Record("a")] }, 2)));

      expect((error as Error).name).to.equal("SlowDown");
      expect(visibility).to.deep.equal([
        {
          QueueUrl: "https://queue",
          Entries: [{ Id: "0", ReceiptHandle: "receipt-message-1", VisibilityTimeout: 60 }],
        },
      ]);
      expect(metrics).to.deep.equal({ failed: 1 });
      const { fields } = lines.at(-1) ?? { fields: {} };
      expect(fields).to.include({ receives: 2, seconds: 60, bucket: "source", key: "a", versionId: "v1" });
    });

    it("does not keep the other records of its message from being tried", async () => {
      const { s3, deliver, lines } = bench();
      s3.put("source", "good", Buffer.from("good"));
      s3.before = (request) => {
        if (request === "GET source/busy") throw s3Error("SlowDown", 503);
      };

      const error = await failure(deliver(message(s3Record("busy"), s3Record("good"))));

      expect((error as Error).name).to.equal("SlowDown");
      expect(s3.versions("results", "clockwise/good")).to.equal(1);
      expect(lines.at(-1)?.fields).to.include({ key: "busy" });
    });

    it("is left to the queue's own time where a queue that never answers has taken all there was", async () => {
      const all = bench();
      const { s3, deliver, lines, worker, clock } = all;
      s3.before = () => {
        throw s3Error("SlowDown", 503);
      };
      let asked = 0;
      const { send } = worker.sqs;
      worker.sqs.send = ((command: ChangeMessageVisibilityBatchCommand) => {
        // That hides the batch while it is worked on, no longer.
        if (command.input.Entries?.[0]?.VisibilityTimeout === 11) return send(command);
        asked++;
        clock.remaining = 299;
        return new Promise<never>(() => {});
      }) as typeof send;
      clock.remaining = 310;

      await deliver(
        ...Array.from({ length: 25 }, (_, index) =>
          sqsRecord({ Records: [s3Record(`${index}`)] }, 1, `m${index}`),
        ),
      );

      expect(asked).to.equal(1);
      const told = lines.filter(({ outcome }) => outcome === "backoff not set");
      expect(told.map(({ fields }) => (fields.messageIds as string[]).length)).to.deep.equal([10, 10, 5]);
    });

    it("is told of in the log where another record of its message failed before", async () => {
      const { s3, deliver, lines } = bench();
      s3.before = (request) => {
        throw s3Error(request === "GET source/a" ? "SlowDown" : "InternalError", 503);
      };

      const error = await failure(deliver(message(s3Record("a"), s3Record("b"))));

      expect((error as Error).name).to.equal("SlowDown");
      const told = lines.map(({ outcome, fields }) => [outcome, fields.key, (fields.error as Error).name]);
      expect(told).to.deep.equal([
        ["failed, too", "b", "InternalError"],
        ["failed", "a", "SlowDown"],
      ]);
    });

    it("is told of in the log where the queue could not be told when it is to come again", async () => {
      const { s3, deliver, lines, worker } = bench();
      s3.before = () => {
        throw s3Error("SlowDown", 503);
      };
      const Failed = [{ Id: "0", Code: "ReceiptHandleIsInvalid", SenderFault: true }];
      let signal: unknown;
      const send = async (_: unknown, options?: { abortSignal?: unknown }) => {
        signal = options?.abortSignal;
        return { Failed };
      };
      Object.assign(worker.sqs, { send });

      await deliver(message(s3Record("a")));

      expect(lines.at(-1)?.outcome).to.equal("backoff not set");
      expect(lines.at(-1)?.fields).to.deep.equal({ messageIds: ["message-1"], failed: Failed });
      expect(signal).to.be.instanceOf(AbortSignal);
    });

    it("waits from when it was sent, where the event does not say when the object was created", async () => {
      const { s3, deliver, visibility, worker } = bench();
      s3.before = () => {
        throw s3Error("NoSuchKey", 404);
      };
      const record = { ...s3Record("a"), eventTime: undefined };
      const sent = sqsRecord({ Records: [record] }, 3);
      sent.attributes.SentTimestamp = String(worker.now() - 60_000);

      await failure(deliver(sent));

      expect(visibility[0]?.Entries?.[0]?.VisibilityTimeout).to.equal(19 * 60);
    });

    it("gives messages back ten at a time, with one request for each ten", async () => {
      const { s3, deliver, visibility } = bench();
      s3.before = () => {
        throw s3Error("SlowDown", 503);
      };

      await deliver(
        ...Array.from({ length: 25 }, (_, index) =>
          sqsRecord({ Records: [s3Record(`${index}`)] }, 1, `m${index}`),
        ),
      );

      expect(visibility.map(({ Entries }) => Entries?.length)).to.deep.equal([10, 10, 5]);
    });

    it("treats a source that may not be read as a fault to mend, not as one that is gone", async () => {
      const { s3, deliver, visibility } = bench();
      s3.before = () => {
        throw s3Error("AccessDenied", 403);
      };

      await failure(deliver(message(s3Record("a"))));

      expect(visibility).to.have.length(1);
    });

    it("is given back also where the queue refuses to be told when", async () => {
      const { s3, deliver, worker } = bench();
      s3.before = () => {
        throw s3Error("SlowDown", 503);
      };
      worker.sqs.send = () => Promise.reject(new Error("throttled"));

      const error = await failure(deliver(message(s3Record("a"))));

      expect((error as Error).name).to.equal("SlowDown");
    });
  });

  describe("that S3 refuses to hand out", () => {
    const refused = (error: () => Error, head: () => void = () => {}) => {
      const all = bench();
      all.s3.put("source", "a", Buffer.from("abc"));
      all.s3.before = (request) => {
        if (request.startsWith("GET")) throw error();
        if (request.startsWith("HEAD")) head();
      };
      return all;
    };
    const denied = () => s3Error("AccessDenied", 403, {}, "Access Denied");
    const kms = () =>
      s3Error("AccessDenied", 403, {}, "User: x is not authorized to perform: kms:Decrypt on resource: y");

    for (const [code, error] of [
      ["archived", () => s3Error("InvalidObjectState", 403)],
      ["customer-key", () => s3Error("InvalidRequest", 400)],
      ["key-denied", kms],
      ["key-denied", () => s3Error("KMS.DisabledException", 400)],
      ["key-denied", () => s3Error("KMS.KMSInvalidStateException", 400)],
      ["key-denied", () => s3Error("KMS.InvalidKeyUsageException", 400)],
    ] as const) {
      it(`is rejected as ${code} for ${error().message.slice(-40)}`, async () => {
        const { deliver, codes, deadLetters, visibility } = refused(error);

        // Grants take seconds until they hold everywhere: a key is tried three times, all others once.
        for (const receives of code === "key-denied" ? [1, 2] : []) {
          await failure(deliver(sqsRecord({ Records: [s3Record("a")] }, receives)));
        }
        expect(codes()).to.deep.equal([]);
        visibility.length = 0;
        const receives = code === "key-denied" ? 3 : 1;
        expect(await deliver(sqsRecord({ Records: [s3Record("a")] }, receives))).to.deep.equal([undefined]);

        expect(codes()).to.deep.equal([code]);
        expect(deadLetters[0]?.MessageAttributes?.Reason?.StringValue).to.match(/^The file is .*\.$/);
        expect(visibility).to.deep.equal([]);
      });
    }

    it("is rejected with the storage class that it is in", async () => {
      const { deliver, deadLetters } = refused(
        () =>
          new InvalidObjectState({
            ...{ message: "", StorageClass: "DEEP_ARCHIVE", $metadata: { httpStatusCode: 403 } },
          }),
      );

      await deliver(message(s3Record("a")));

      const reason = deadLetters[0]?.MessageAttributes?.Reason?.StringValue;
      expect(reason).to.contain("in the storage class DEEP_ARCHIVE, from which");
    });

    it("comes again where it is encrypted with S3's own key, which nobody is denied", async () => {
      const all = refused(denied);
      all.s3.encryption = "AES256";

      await failure(all.deliver(sqsRecord({ Records: [s3Record("a")] }, 3)));

      expect(all.codes()).to.deep.equal([]);
    });

    it("comes again where an argument is invalid that is not its version", async () => {
      const { deliver, codes } = refused(() => s3Error("InvalidArgument", 400, {}, "Unsupported header"));

      await failure(deliver(message(s3Record("a"))));

      expect(codes()).to.deep.equal([]);
    });

    it("is rejected where only its key can be what is denied, as a HEAD is answered", async () => {
      const all = refused(denied);
      all.s3.encryption = "aws:kms";

      await all.deliver(sqsRecord({ Records: [s3Record("a")] }, 3));

      expect(all.codes()).to.deep.equal(["key-denied"]);
    });

    it("comes again where nothing may be read: a permission to mend, no fault of the image", async () => {
      const { deliver, codes, visibility } = refused(denied, () => {
        throw s3Error("403", 403);
      });

      await failure(deliver(message(s3Record("a"))));

      expect(codes()).to.deep.equal([]);
      expect(visibility).to.have.length(1);
    });

    it("does not take a role whose name begins with kms: for a key that is denied", async () => {
      const { deliver, codes } = refused(
        () =>
          s3Error(
            "AccessDenied",
            403,
            {},
            "User: role/kms:reader is not authorized to perform: s3:GetObject",
          ),
        () => {
          throw s3Error("403", 403);
        },
      );

      await failure(deliver(sqsRecord({ Records: [s3Record("a")] }, 3)));

      expect(codes()).to.deep.equal([]);
    });

    it("comes again where KMS is only busy", async () => {
      const { deliver, codes } = refused(() => s3Error("ThrottlingException", 400));

      await failure(deliver(message(s3Record("a"))));

      expect(codes()).to.deep.equal([]);
    });
  });

  describe("within its share of the function's time", () => {
    const slow = (message = "Turning the image takes longer than the time that there is.") =>
      new ImageRejected("too-slow", message);

    it("tells the operation how long it has, less what writing needs, and gives later ones what others left", async () => {
      const seconds: number[] = [];
      const { s3, deliver, clock } = bench(async (source, limits) => {
        seconds.push(limits.seconds);
        clock.remaining -= 1000;
        return reverse(source, limits);
      }, 62_020);
      for (const key of ["a", "b"]) s3.put("source", key, Buffer.from(key));

      await deliver(message(s3Record("a")), message(s3Record("b")));

      // 60 s for two images, of which 1 was used, and 5 to write.
      expect(seconds).to.deep.equal([25, 54]);
    });

    it("gives a version that supersedes another what the images to come were not promised", async () => {
      const seconds: number[] = [];
      const { s3, deliver } = bench(async (source, limits) => {
        seconds.push(limits.seconds);
        return reverse(source, limits);
      }, 62_020);
      for (const key of ["a", "a", "b"]) s3.put("source", key, Buffer.from(key));
      s3.put("results", "clockwise/a", Buffer.from("another"), { "source-version": "v0" });

      await deliver(message(s3Record("a")), message(s3Record("b")));

      // 60 s for two images, none of which was used, and 5 to write: a half, all but the other's half, and all.
      expect(seconds).to.deep.equal([25, 25, 55]);
    });

    it("rejects what needs more than it was given, and names what to change", async () => {
      const { s3, deliver, deadLetters, codes } = bench(async () => {
        throw slow();
      });
      s3.put("source", "a", Buffer.from("a"));

      await deliver(message(s3Record("a")));

      expect(codes()).to.deep.equal(["too-slow"]);
      expect(deadLetters[0]?.MessageAttributes?.Reason?.StringValue).to.match(
        /timeout or memorySize, or lower its batchSize/,
      );
    });

    it("does not blame an image for the time that its download took, nor takes it from others", async () => {
      const { s3, deliver, codes, clock } = bench(async (source, limits) => {
        if (source.equals(Buffer.from("a"))) throw slow();
        return reverse(source, limits);
      });
      for (const key of ["a", "b"]) s3.put("source", key, Buffer.from(key));
      s3.before = (request) => {
        if (request === "GET source/a") clock.remaining -= 20_000;
      };

      const [first, second] = await deliver(message(s3Record("a")), message(s3Record("b")));

      expect(first).to.be.instanceOf(OutOfTime);
      expect((first as Error).message).to.match(/timeout or lower its batchSize/);
      expect(second).to.equal(undefined);
      expect(codes()).to.deep.equal([]);
    });

    it("does not blame an image for the time that another one took", async () => {
      const { s3, deliver, codes, clock } = bench(async (source, limits) => {
        if (source.equals(Buffer.from("b"))) throw slow();
        // Nothing can stop it.
        clock.remaining -= 50_000;
        return reverse(source, limits);
      });
      for (const key of ["a", "b"]) s3.put("source", key, Buffer.from(key));

      const [first, second] = await deliver(message(s3Record("a")), message(s3Record("b")));

      expect(first).to.equal(undefined);
      expect(second).to.be.instanceOf(OutOfTime);
      expect(codes()).to.deep.equal([]);
    });

    it("leaves five seconds to write a result whose operation could not be stopped in time", async () => {
      const time = new VirtualTime();
      const all = bench(async (source, limits) => {
        await time.sleep(55_000);
        return reverse(source, limits);
      });
      const { s3, deliver, worker } = all;
      Object.defineProperty(all.clock, "remaining", { get: () => 60_000 - time.now });
      s3.put("source", "a", Buffer.from("abc"));
      const { send } = s3.client;
      worker.s3.send = (async (command: PutObjectCommand, options: { abortSignal: AbortSignal }) => {
        if (command instanceof PutObjectCommand) await time.sleep(4999);
        options.abortSignal.throwIfAborted();
        return send(command);
      }) as typeof send;

      const outcomes = await time.run(() => deliver(message(s3Record("a"))));

      expect(outcomes).to.deep.equal([undefined]);
      expect(s3.requests).to.deep.equal(["GET source/a", "PUT results/clockwise/a"]);
    });

    it("ends a body that never comes to its end when the share is over", async () => {
      const { worker, deliver } = bench(reverse, 400);
      const Body = { transformToByteArray: () => new Promise(() => {}) };
      Object.assign(worker, { s3: { send: async () => ({ Body }) } });

      expect(String(await failure(deliver(message(s3Record("a")))))).to.contain("longer than the time");
    });

    it("ends a request that is never answered when the share is over, and goes on with the next", async () => {
      const { s3, deliver } = bench(reverse, 400);
      for (const key of ["a", "b"]) s3.put("source", key, Buffer.from(key));
      s3.before = async (request) => {
        if (request === "PUT results/clockwise/a") await new Promise(() => {});
      };

      const [first, second] = await deliver(message(s3Record("a")), message(s3Record("b")));

      expect(String(first)).to.contain("longer than the time");
      expect(second).to.equal(undefined);
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

describe("the backoff of what S3 does not find", () => {
  it("has a try behind the 20 minutes in which a young bucket may not find it, whatever chance says", () => {
    for (const random of [0, 0.5, 0.999]) {
      let seconds = 0;
      const tries = [0];
      for (let receives = 1; receives < 5; receives++) {
        seconds += backoffOfMissing(receives, random, seconds * 1000);
        tries.push(seconds);
      }
      expect(tries.filter((at) => at >= 20 * 60)).to.have.length(2);
      expect(tries[1]).to.be.at.most(30);
    }
  });

  it("is never longer than SQS takes, though the clock that an event was made by is days ahead", () => {
    for (const random of [0, 0.999]) {
      expect(backoffOfMissing(3, random, -3 * 86_400_000)).to.be.within(40_000, 43_200 - 900);
    }
  });

  it("is the usual one for what is older", () => {
    expect([1, 2, 3, 4].map((receives) => backoffOfMissing(receives, 0, 3_600_000))).to.deep.equal([
      30, 60, 120, 240,
    ]);
  });
});
