import type { S3Client } from "@aws-sdk/client-s3";
import { expect } from "chai";
import { dealWithDeadLetters, type Look } from "../../src/operations/dead-letters.ts";
import { Reconciliation } from "../../src/operations/reconcile.ts";
import { s3Record } from "../support/events.ts";
import { type Letter, SlowSqs } from "../support/slow-sqs.ts";

const MOVED = { DeadLetterQueueSourceArn: "arn:aws:sqs:eu-west-1:123456789012:queue" };
const bodyOf = (key: string) => JSON.stringify({ Records: [s3Record(key)] });
const letter = (number: number, more: Partial<Letter> = {}): Letter => ({
  id: `message ${number}`,
  body: bodyOf(`${number}.png`),
  ...more,
});
/** So many letters: two thirds were rejected, one third failed too often. */
const letters = (count: number) =>
  Array.from({ length: count }, (_, number) =>
    letter(number, number % 3 === 0 ? { attributes: MOVED } : { code: "corrupt" }),
  );

/** Deals with the letters of a queue. @returns what there was to see, and how many are gone */
async function deal(
  sqs: SlowSqs,
  options: Partial<Parameters<typeof dealWithDeadLetters>[0]> = {},
  agree = true,
): Promise<Look & { done: number }> {
  let seen: Look | undefined;
  const done = await sqs.until(
    dealWithDeadLetters({ sqs: sqs.client, queueUrl: "letters", now: () => sqs.time, ...options }, (look) => {
      seen = look;
      return agree;
    }),
  );
  if (!seen) throw new Error("nobody was told");
  return { ...seen, done };
}

const counts = ({ groups }: Look) => Object.fromEntries(groups.map(({ code, count }) => [code, count]));

describe("dead letters", function () {
  this.timeout(60_000);

  it("are those of the worker, of SQS or of SNS, by what each of them leaves on a letter", async () => {
    const sqs = new SlowSqs(
      [
        letter(1, { code: "corrupt" }),
        // Rejected, and then moved by hand.
        letter(2, { code: "corrupt", attributes: MOVED }),
        letter(3, { attributes: MOVED }),
        letter(4),
      ],
      100,
    );

    expect(counts(await deal(sqs))).to.deep.equal({ corrupt: 2, "failed-too-often": 1, undelivered: 1 });
  });

  it("show when the oldest and the newest of a reason were sent", async () => {
    const sent = [3000, 1000, 2000].map((time, number) =>
      letter(number, { code: "corrupt", attributes: { SentTimestamp: `${time}` } }),
    );

    const { groups } = await deal(new SlowSqs(sent, 100), { now: () => 4000 });

    expect(groups.map(({ code, sent }) => [code, sent])).to.deep.equal([["corrupt", [1000, 3000]]]);
  });

  it("show the keys of all records that name one, beside records that are malformed", async () => {
    const removed = { ...(s3Record("b.png") as object), eventName: "ObjectRemoved:Delete" };
    const mixed = letter(1, { body: JSON.stringify({ Records: [{}, removed, s3Record("a b.png")] }) });
    const none = letter(2, { body: "hello", code: "unknown-message" });

    const { groups } = await deal(new SlowSqs([mixed, none], 100));

    expect(groups.map(({ examples }) => examples[0]?.key)).to.have.members([
      "b.png and 1 more",
      "(a message that names no key)",
    ]);
  });

  describe("120,000 of them, at a tenth of a second a request", () => {
    it("are counted once each, in minutes, and shown to others again", async () => {
      const sqs = new SlowSqs(letters(120_000), 100);

      const look = await deal(sqs);

      expect(look).to.deep.include({ count: 120_000, unseen: 0, done: 0 });
      expect(counts(look)).to.deep.equal({ corrupt: 80_000, "failed-too-often": 40_000 });
      expect(sqs.time).to.be.below(4 * 60_000);
      expect(sqs.visible).to.equal(120_000);
    });

    it("are what reconcile knows of, each as rejected", async () => {
      const sqs = new SlowSqs(letters(120_000), 100);
      const Versions = Array.from({ length: 120_000 }, (_, number) => ({
        Key: `${number}.png`,
        VersionId: "v1",
        IsLatest: true,
        LastModified: new Date(0),
        ETag: '"e"',
        Size: 1,
      }));
      const s3 = {
        send: async ({ input }: { input: object }) => ("Prefix" in input ? {} : { Versions }),
      } as unknown as S3Client;
      const clockwise = {
        queue: "queue",
        deadLetterQueue: "letters",
        function: "f",
        logGroup: "l",
        prefix: "p",
      };
      const reconciliation = new Reconciliation({
        s3,
        sqs: sqs.client,
        stack: { sourceBucket: "source", resultsBucket: "results", topic: "topic", workers: { clockwise } },
        worker: "clockwise",
        before: new Date(),
        now: () => sqs.time,
      });

      const first = await sqs.until(reconciliation.findings().next());

      expect(first).to.deep.equal({ done: true, value: undefined });
      expect(reconciliation.tally).to.include({ created: 120_000, rejected: 120_000 });
      expect(reconciliation.unseenDeadLetters).to.equal(0);
      expect(sqs.visible).to.equal(120_000);
    });

    it("are sent again in the same pass, those with a reason alone, and the others stay", async () => {
      const sqs = new SlowSqs(letters(120_000), 100);

      const { count, done } = await deal(sqs, {
        action: { redriveTo: "queue" },
        only: ({ code }) => code === "corrupt",
      });

      expect({ count, done }).to.deep.equal({ count: 80_000, done: 80_000 });
      expect(new Set(sqs.sent).size).to.equal(80_000);
      expect(sqs.sent).to.have.length(80_000);
      expect(sqs.visible).to.equal(40_000);
      expect(sqs.time).to.be.below(6 * 60_000);
    });
  });

  it("are said to be more than SQS shows at once where they are", async () => {
    const sqs = new SlowSqs(letters(120_030), 100);

    expect(await deal(sqs)).to.deep.include({ count: 120_000, unseen: 30 });
    expect(sqs.visible).to.equal(120_030);
  });

  it("are said not to be shown where somebody else looks at them", async () => {
    const sqs = new SlowSqs(letters(25), 100);
    let meanwhile: Promise<Look> | undefined;

    await sqs.until(
      dealWithDeadLetters({ sqs: sqs.client, queueUrl: "letters", now: () => sqs.time }, async () => {
        meanwhile = deal(sqs);
        await meanwhile;
        return false;
      }),
    );

    expect(await meanwhile).to.deep.include({ count: 0, unseen: 25 });
  });

  it("are dropped in the same pass, and only where that is agreed to", async () => {
    const sqs = new SlowSqs(letters(25), 100);

    expect(await deal(sqs, { action: "drop" }, false)).to.deep.include({ count: 25, done: 0 });
    expect(sqs.visible).to.equal(25);
    expect(await deal(sqs, { action: "drop" })).to.deep.include({ count: 25, done: 25 });
    expect(sqs.visible).to.equal(0);
  });

  it("end although more keep coming, and those that come meanwhile stay", async () => {
    const sqs = new SlowSqs(letters(25), 100);
    let number = 1000;
    sqs.before = () => {
      for (let each = 0; each < 10; each++) {
        sqs.arrive(letter(number++, { attributes: { SentTimestamp: String(sqs.time) } }));
      }
    };

    const { count, done, unseen } = await deal(sqs, { action: { redriveTo: "queue" } });

    expect({ count, done }).to.deep.equal({ count: 25, done: 25 });
    expect(unseen).to.be.above(0);
    expect(sqs.requests).to.be.below(200);
  });

  it("are shown to others again where the look breaks off", async () => {
    const sqs = new SlowSqs(letters(1000), 100);
    const interruption = new AbortController();
    sqs.before = () => {
      if (sqs.time > 300) interruption.abort(new Error("Interrupted."));
    };

    const error = await deal(sqs, { signal: interruption.signal }).catch((thrown: Error) => thrown);

    expect(error).to.be.an("error").with.property("message", "Interrupted.");
    expect(sqs.visible).to.equal(1000);
  });
});
