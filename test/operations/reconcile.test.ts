import {
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { GetQueueAttributesCommand, type SendMessageBatchCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { expect } from "chai";
import { type Finding, Reconciliation } from "../../src/operations/reconcile.ts";
import { Repairs } from "../../src/operations/repair.ts";
import { parseStack } from "../../src/operations/stack.ts";
import type { StackOutputs, WorkerOutputs } from "../../src/stack-outputs.ts";

const stack: StackOutputs = {
  sourceBucket: "source",
  resultsBucket: "results",
  topic: "topic",
  workers: {
    clockwise: {
      queue: "queue",
      deadLetterQueue: "dead letters",
      function: "function",
      logGroup: "log group",
      prefix: "clockwise",
    },
  },
};
const MODIFIED = new Date("2026-01-01T00:00:00Z");
const encoded = (key: string) => encodeURIComponent(key).replaceAll("%20", "+");

interface Version {
  readonly key: string;
  readonly version: string;
  readonly latest: boolean;
  readonly marker?: boolean;
  /** Bytes. @default 1 */
  readonly size?: number;
}

/** Buckets that exist only a page at a time. */
function buckets(options: {
  /** A page of versions by number; the last is the first that is empty. */
  readonly versions: (page: number) => Version[];
  readonly results: (page: number) => string[];
  readonly standing?: (key: string) => string;
}) {
  const requests = { list: 0, head: 0 };
  const s3 = {
    send: async (command: unknown) => {
      if (command instanceof HeadObjectCommand) {
        requests.head++;
        const version = options.standing?.(`${command.input.Key}`);
        return { Metadata: version === "null" ? { "source-etag": "e" } : { "source-version": version } };
      }
      requests.list++;
      if (command instanceof ListObjectVersionsCommand) {
        const page = Number(command.input.VersionIdMarker ?? 0);
        const rows = options.versions(page).map(({ key, version, latest, marker, size = 1 }) => ({
          marker,
          entry: {
            Key: encoded(key),
            VersionId: version,
            IsLatest: latest,
            LastModified: MODIFIED,
            ETag: '"e"',
            Size: size,
          },
        }));
        return {
          Versions: rows.filter(({ marker }) => !marker).map(({ entry }) => entry),
          DeleteMarkers: rows.filter(({ marker }) => marker).map(({ entry }) => entry),
          IsTruncated: options.versions(page + 1).length > 0,
          NextKeyMarker: "marker",
          NextVersionIdMarker: String(page + 1),
        };
      }
      if (!(command instanceof ListObjectsV2Command)) throw new Error("unexpected command");
      const page = Number(command.input.ContinuationToken ?? 0);
      return {
        Contents: options
          .results(page)
          .map((key) => ({ Key: encoded(`clockwise/${key}`), LastModified: MODIFIED })),
        NextContinuationToken: options.results(page + 1).length > 0 ? String(page + 1) : undefined,
      };
    },
  } as unknown as S3Client;
  const sqs = {
    send: async (command: unknown) =>
      command instanceof GetQueueAttributesCommand ? { Attributes: {} } : {},
  } as unknown as SQSClient;
  return { s3, sqs, requests };
}

const once = (rows: Version[]) => (page: number) => (page === 0 ? rows : []);
const single = (key: string): Version => ({ key, version: "1", latest: true });

async function findings(
  clients: { s3: S3Client; sqs: SQSClient },
  more: Partial<WorkerOutputs> = {},
  now?: () => number,
): Promise<{
  found: Finding[];
  reconciliation: Reconciliation;
}> {
  const before = new Date("2026-02-01T00:00:00Z");
  const clockwise = { ...(stack.workers.clockwise as WorkerOutputs), ...more };
  const reconciliation = new Reconciliation({
    ...clients,
    stack: { ...stack, workers: { clockwise } },
    worker: "clockwise",
    before,
    ...(now && { now }),
  });
  const found: Finding[] = [];
  for await (const finding of reconciliation.findings()) found.push(finding);
  return { found, reconciliation };
}

describe("the reconciliation", function () {
  this.timeout(30_000);

  it("misses no result of what the worker is not told of, and counts one that stands all the same", async () => {
    const keys = ["a.jpg", "b.jpg", "c.png", "d.png", "e.jpg"];
    const clients = buckets({
      // Of e the newest version is too small for the worker, and the result is of the one before.
      versions: once([
        ...keys.map((key) => ({ ...single(key), size: key === "e.jpg" ? 1 : 10 })),
        { key: "e.jpg", version: "0", latest: false, size: 10 },
      ]),
      results: (page) => (page === 0 ? ["a.jpg", "d.png", "e.jpg"] : []),
      standing: () => "0",
    });

    const { found, reconciliation } = await findings(clients, {
      filter: { prefix: "", only: { suffix: [".jpg"], minimumBytes: 2 } },
    });

    expect(found.map(({ kind, key }) => `${kind} ${key}`)).to.deep.equal(["missing b.jpg", "orphaned e.jpg"]);
    expect(reconciliation.tally).to.deep.include({
      ...{ created: 6, results: 2, superseded: 1, missing: 1, filtered: 2, orphaned: 1, stale: 0 },
    });
  });

  it("misses no result that may have expired, and no source that has", async () => {
    const clients = () =>
      buckets({ versions: once(["a", "b"].map(single)), results: (page) => (page === 0 ? ["b", "c"] : []) });
    const after = (days: number) => () => MODIFIED.getTime() + days * 24 * 3600 * 1000;
    const outcome = async (expireDays: { source?: number; results?: number }, days: number) => {
      const { found, reconciliation } = await findings(clients(), { expireDays }, after(days));
      const { results, expired } = reconciliation.tally;
      return [found.map(({ kind, key }) => `${kind} ${key}`), { results, expired }];
    };

    expect(await outcome({ source: 30, results: 20 }, 20)).to.deep.equal([
      ["missing a", "orphaned c"],
      { results: 1, expired: 0 },
    ]);
    expect(await outcome({ source: 30, results: 20 }, 30.1)).to.deep.equal([[], { results: 1, expired: 1 }]);
    expect(await outcome({ source: 30 }, 99)).to.deep.equal([["missing a"], { results: 1, expired: 0 }]);
    expect(await outcome({ results: 20 }, 99)).to.deep.equal([["orphaned c"], { results: 1, expired: 1 }]);
  });

  it("goes through both listings in the order of bytes, whatever characters are in keys", async () => {
    // UTF-16 has the last two the other way round.
    const keys = ["a b", "a+b", "a/b", "ü", "\u{FF5E}", "\u{1F600}"];
    const clients = buckets({
      versions: once(keys.map(single)),
      results: (page) => (page === 0 ? keys.filter((key) => key !== "a+b") : []),
    });

    const { found, reconciliation } = await findings(clients);

    expect(found.map(({ kind, key }) => `${kind} ${key}`)).to.deep.equal(["missing a+b"]);
    expect(reconciliation.tally).to.include({ created: 6, results: 5, missing: 1, orphaned: 0 });
  });

  it("looks at a result only where its key has had several versions, which may be on several pages", async () => {
    const pages: Version[][] = [
      [single("a"), { key: "b", version: "3", latest: true }, { key: "b", version: "2", latest: false }],
      [
        { key: "b", version: "1", latest: false },
        { key: "c", version: "9", latest: true, marker: true },
      ],
      [{ key: "c", version: "1", latest: false }],
    ];
    const clients = buckets({
      versions: (page) => pages[page] ?? [],
      results: (page) => (page === 0 ? ["a", "b", "c"] : []),
      standing: () => "2",
    });

    const { found, reconciliation } = await findings(clients);

    expect(found.map(({ kind, key }) => `${kind} ${key}`)).to.deep.equal(["stale b", "orphaned c"]);
    expect(clients.requests.head).to.equal(1);
    expect(reconciliation.tally).to.include({ created: 5, results: 1, superseded: 3, stale: 1 });
  });

  it("takes a result that was deleted since it was listed for none", async () => {
    const clients = buckets({
      versions: once([
        { ...single("a"), version: "2" },
        { key: "a", version: "1", latest: false },
        single("b"),
      ]),
      results: (page) => (page === 0 ? ["a", "b"] : []),
      standing: () => {
        throw Object.assign(new Error("NotFound"), { $metadata: { httpStatusCode: 404 } });
      },
    });

    const { found, reconciliation } = await findings(clients);

    expect(found.map(({ kind, key }) => `${kind} ${key}`)).to.deep.equal(["missing a"]);
    expect(reconciliation.tally).to.include({ created: 3, results: 1, missing: 1 });
  });

  it("counts folders nowhere", async () => {
    const clients = buckets({
      versions: once([single("a"), { ...single("holiday/"), size: 0 }, single("holiday/b")]),
      results: (page) => (page === 0 ? ["a", "holiday/b"] : []),
    });

    const { found, reconciliation } = await findings(clients);

    expect(found).to.deep.equal([]);
    expect(reconciliation.tally).to.include({ created: 2, results: 2, superseded: 0 });
  });

  it("knows a version without an id by its entity tag, and looks whether its result is that one's", async () => {
    const clients = buckets({
      versions: once([
        { key: "a", version: "null", latest: true },
        { key: "b", version: "null", latest: true },
      ]),
      results: (page) => (page === 0 ? ["a", "b"] : []),
      standing: (key) => (key.endsWith("a") ? "null" : "v1"),
    });

    const { found } = await findings(clients);

    expect(found).to.have.length(1);
    expect(found[0]).to.deep.include({ kind: "stale", key: "b" });
    expect(found[0]).to.have.nested.property("source.versionId", undefined);
  });

  it("needs no more memory for many keys than for few", async () => {
    const pages = 300;
    const key = (page: number, index: number) =>
      `${String(page).padStart(4, "0")}/${String(index).padStart(4, "0")}`;
    const page = (number: number) =>
      number < pages ? Array.from({ length: 1000 }, (_, index) => key(number, index)) : [];
    const clients = buckets({ versions: (number) => page(number).map(single), results: page });
    let most = 0;
    const measure = setInterval(() => {
      most = Math.max(most, process.memoryUsage().heapUsed);
    }, 20);
    const before = process.memoryUsage().heapUsed;

    const { reconciliation } = await findings(clients);

    clearInterval(measure);
    expect(reconciliation.tally.results).to.equal(300_000);
    expect((most - before) / 2 ** 20).to.be.below(100);
  });
});

describe("repairs", () => {
  it("are sent ten at a time, not faster than the rate, as events that name the version", async () => {
    const sent: SendMessageBatchCommand["input"][] = [];
    const sqs = {
      send: async ({ input }: SendMessageBatchCommand) => {
        sent.push(input);
        return {};
      },
    } as unknown as SQSClient;
    const repairs = new Repairs(sqs, { bucket: "source", queueUrl: "queue", rate: 100 });
    const started = performance.now();

    for (let index = 0; index < 25; index++) {
      const source = { versionId: `v${index}`, eTag: "e", size: 1, modified: MODIFIED };
      await repairs.add({ key: `a b/${index}+ü`, source });
    }
    await repairs.flush();

    expect(sent.map(({ Entries }) => Entries?.length)).to.deep.equal([10, 10, 5]);
    expect(performance.now() - started).to.be.within(190, 2000);
    const [record] = JSON.parse(sent[0]?.Entries?.[0]?.MessageBody ?? "").Records;
    expect(record.s3).to.deep.equal({
      bucket: { name: "source" },
      object: { key: "a+b/0%2B%C3%BC", size: 1, eTag: "e", versionId: "v0" },
    });
  });

  it("fail where SQS does not take a message", async () => {
    const sqs = {
      send: async () => ({ Failed: [{ Message: "too large" }] }),
    } as unknown as SQSClient;
    const repairs = new Repairs(sqs, { bucket: "source", queueUrl: "queue", rate: 100 });
    await repairs.add({ key: "a", source: { versionId: "1", eTag: "e", size: 1, modified: MODIFIED } });

    const error = await repairs.flush().catch((thrown: Error) => thrown);

    expect(error).to.be.an("error").with.property("message", "SQS refused 1 of 1 messages: too large");
  });
});

describe("the outputs of a stack", () => {
  it("are taken as Pulumi prints them", () => {
    expect(parseStack(JSON.stringify({ ...stack, alarmTopic: null }))).to.deep.include(stack);
  });

  it("are those of one of several fan-outs, by the name that the program exports them under", () => {
    const several = { ...stack, thumbnails: { ...stack, sourceBucket: "another" }, catalogue: "queue" };
    const { thumbnails } = several;

    expect(parseStack(JSON.stringify(several), "thumbnails")).to.deep.equal(thumbnails);
    expect(parseStack(JSON.stringify(several))).to.deep.include(stack);
    expect(() => parseStack(JSON.stringify(several), "catalogue")).to.throw(
      'The outputs have no fan-out "catalogue", only thumbnails: export its `outputs` under that name.',
    );
    expect(() => parseStack(JSON.stringify(stack), "small")).to.throw(/no fan-out "small":/);
    expect(() => parseStack(JSON.stringify({ thumbnails }))).to.throw(
      "The outputs lack sourceBucket, resultsBucket, topic, workers: choose one of their fan-outs with --fan-out: thumbnails.",
    );
  });

  for (const [json, message] of [
    ["hello", /not JSON/],
    ["null", /lack sourceBucket, resultsBucket, topic, workers:/],
    [
      '{"sourceBucket":"a","resultsBucket":"b","topic":"t","workers":{"c":{"queue":"q","function":"f","prefix":"p"}}}',
      /lack workers\.c\.deadLetterQueue, workers\.c\.logGroup:/,
    ],
  ] as const) {
    it(`are refused where they are ${json.slice(0, 20)}`, () => {
      expect(() => parseStack(json)).to.throw(message);
    });
  }
});
