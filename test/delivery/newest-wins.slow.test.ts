import type { S3Client } from "@aws-sdk/client-s3";
import { expect } from "chai";
import fc from "fast-check";
import { Delivery } from "../../src/delivery/delivery.ts";
import { s3Record, sqsRecord } from "../support/events.ts";
import { FakeS3, s3Error } from "../support/fake-s3.ts";
import { fakeWorker } from "../support/worker.ts";

/** What happens to a key in the source bucket. */
type Happening = { readonly key: string } & (
  | {
      readonly kind: "upload";
      readonly content: string;
      readonly copies: number;
      readonly sequencer: string | undefined;
    }
  | { readonly kind: "delete" }
  /** Somebody lists the bucket, and sends an event about the current version that has no sequencer. */
  | { readonly kind: "list" }
);

interface History {
  readonly happenings: readonly Happening[];
  /** The requests that fail, by number over all handlers: before they are done, or after. */
  readonly failures: ReadonlyMap<number, "before" | "after">;
  /** The uploads whose messages come again in the end, by number. */
  readonly late: readonly number[];
  /** Whether the bucket keeps versions; where that is suspended, uploads have none, and S3 calls them "null". */
  readonly versioned: boolean;
  /** How many messages come together, by turns, and how many of their images are in hand at once. */
  readonly batches: readonly number[];
  readonly depth: number;
}

/** The same always, of different lengths, none, or in any order: they must not matter. */
const sequencer = fc.constantFrom("0055", "00550000", "55", undefined, "FF", "01");

/** Most happens to one key, and something to another one, which is in hand at the same time. */
const key = fc.oneof(
  { weight: 3, arbitrary: fc.constant("key") },
  { weight: 1, arbitrary: fc.constant("other") },
);
const upload = (content: fc.Arbitrary<string>) =>
  fc.record({
    key,
    kind: fc.constant("upload" as const),
    content,
    copies: fc.integer({ min: 1, max: 2 }),
    sequencer,
  });
const deletion = fc.record({ key, kind: fc.constant("delete" as const) });
const listing = fc.record({ key, kind: fc.constant("list" as const) });

/** Uploads of few contents, so that the same bytes come again, and sometimes something else. */
const happenings = (...contents: string[]): fc.Arbitrary<Happening[]> =>
  fc.array(
    fc.oneof(
      { weight: 5, arbitrary: upload(fc.constantFrom(...contents)) },
      { weight: 1, arbitrary: deletion },
      { weight: 1, arbitrary: listing },
    ),
    { minLength: 1, maxLength: 6 },
  );

const histories = (
  happening: fc.Arbitrary<Happening[]>,
  versioned: fc.Arbitrary<boolean> = fc.boolean(),
): fc.Arbitrary<History> =>
  fc.record({
    happenings: happening,
    failures: fc
      .array(fc.tuple(fc.nat(40), fc.constantFrom("before" as const, "after" as const)), { maxLength: 4 })
      .map((entries) => new Map(entries)),
    late: fc.uniqueArray(fc.nat(5), { maxLength: 2 }),
    versioned,
    batches: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
    depth: fc.integer({ min: 1, max: 3 }),
  });

/** More than a history has failures: whoever needs more would go on for ever. */
const TRIES = 20;

const turned = (content: string) => [...content].reverse().join("");

/**
 * Lives through a history: every upload is told of by one or more messages, which come to handlers alone or in batches as
 * often as it takes until they are acknowledged, and the scheduler decides before each request who makes the next one.
 * Weeks later, some of the messages come once more.
 * @param check is called whenever all is quiet
 */
async function live(
  scheduler: fc.Scheduler,
  { happenings, failures, late, versioned, batches, depth }: History,
  check: (s3: FakeS3) => void,
): Promise<void> {
  const s3 = new FakeS3();
  s3.suspended = !versioned;
  let requests = 0;
  const send = async (command: unknown) => {
    await scheduler.schedule(Promise.resolve());
    const failure = failures.get(++requests);
    if (failure === "before") throw s3Error("InternalError", 500);
    const answer = await s3.client.send(command as Parameters<S3Client["send"]>[0]);
    if (failure === "after") throw s3Error("InternalError", 500);
    return answer;
  };
  const worker = fakeWorker({
    operation: async (source) => ({
      body: Buffer.from(turned(source.toString())),
      contentType: "text/plain",
    }),
    depth,
    s3: { send },
  });
  let sent = 0;
  const handle = async (bodies: readonly unknown[]) => {
    let left = bodies.map((body) => ({ body, id: `m${sent++}` }));
    for (let receives = 1; left.length > 0; receives++) {
      const messages = left.map(({ body, id }) => sqsRecord(body, receives, id));
      const outcomes = await new Delivery(worker, { remainingMilliseconds: () => 60_000 }, messages).run();
      left = left.filter((_, index) => outcomes[index] !== undefined);
      if (left.length > 0 && receives > TRIES) throw outcomes.find((outcome) => outcome !== undefined);
    }
  };
  const message = (
    key: string,
    { versionId, eTag }: { versionId: string; eTag: string },
    sequencer?: string,
  ) => ({
    Records: [s3Record(key, { sequencer, eTag: eTag.replaceAll('"', ""), versionId: s3.told(versionId) })],
  });

  const messages: unknown[] = [];
  const waiting: unknown[] = [];
  const handlers: Promise<void>[] = [];
  const come = (...told: unknown[]) => {
    waiting.push(...told);
    const size = batches[handlers.length % batches.length] ?? 1;
    if (waiting.length >= size) handlers.push(handle(waiting.splice(0, size)));
  };
  const world = async () => {
    for (const happening of happenings) {
      await scheduler.schedule(Promise.resolve(), happening.kind);
      const { key } = happening;
      if (happening.kind === "upload") {
        const stored = s3.put("source", key, Buffer.from(happening.content));
        const told = message(key, stored, happening.sequencer);
        messages.push(told);
        for (let copy = 0; copy < happening.copies; copy++) come(told);
      } else if (happening.kind === "delete") {
        s3.hide("source", key);
      } else {
        const current = s3.current("source", key);
        if (current) come(message(key, current));
      }
    }
    if (waiting.length > 0) handlers.push(handle(waiting));
    await Promise.all(handlers);
    check(s3);
    await Promise.all(late.flatMap((index) => (messages[index] ? [handle([messages[index]])] : [])));
    check(s3);
  };
  await scheduler.waitFor(world());
}

describe("newest wins", function () {
  this.timeout(600_000);
  const runs = Number(process.env.MODEL_RUNS ?? 4000);

  it("leaves the current version's result standing, though contents repeat and sequencers say nothing", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), histories(happenings("ab", "cd")), (scheduler, history) =>
        live(scheduler, history, (s3) => {
          for (const key of ["key", "other"]) {
            const source = s3.current("source", key);
            const result = s3.current("results", `worker/${key}`);
            if (source) expect(result?.body.toString()).to.equal(turned(source.body.toString()));
          }
        }),
      ),
      { numRuns: runs },
    );
  });

  it("never puts an older version's result in a newer one's place, also where the source was deleted", async () => {
    // Contents that are all different tell the versions apart, and have entity tags that never come again.
    const distinct = happenings("").map((all) =>
      all.map((each, index) => ("content" in each ? { ...each, content: `${index}` } : each)),
    );
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), histories(distinct), (scheduler, history) =>
        live(scheduler, history, (s3) => {
          for (const key of ["key", "other"]) {
            const history = s3.history("results", `worker/${key}`);
            const stood = history.map(({ body }) => Number(body.toString()));
            expect(stood).to.deep.equal([...new Set(stood)].sort());
          }
        }),
      ),
      { numRuns: runs },
    );
  });
});
