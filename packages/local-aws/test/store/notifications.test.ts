import { expect } from "chai";
import { Events } from "../../src/events.ts";
import { SEQUENCERS } from "../../src/faults/plan.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";
import { Refused } from "../../src/store/outbox.ts";
import { bytes, openStore, temporaryFolder, until } from "./support.ts";

const TOPIC = "arn:aws:sns:eu-west-1:123456789012:images";

interface Sent {
  readonly topicArn: string;
  // biome-ignore lint/suspicious/noExplicitAny: parsed JSON, whose parts are what the tests are about
  readonly message: any;
}

describe("a notification", () => {
  let sent: Sent[];
  const notify = async (topicArn: string, message: string) => {
    sent.push({ topicArn, message: JSON.parse(message) });
  };
  const records = () => sent.flatMap(({ message }) => message.Records ?? []);

  beforeEach(() => {
    sent = [];
  });

  const declare = (store: ObjectStore, more: object = {}) =>
    store.setNotification("bucket", {
      topics: [{ id: "images", topicArn: TOPIC, events: ["s3:ObjectCreated:*"], ...more }],
    });

  it("has the shape of S3's own", async () => {
    const now = () => new Date("2026-01-02T03:04:05.678Z");
    const store = await openStore({ notify, now });
    await store.setVersioning("bucket", "Enabled");
    await declare(store);
    const origin = { principalId: "AWS:AIDA", sourceIp: "127.0.0.1", requestId: "REQUEST", hostId: "HOST" };
    const version = await store.put("bucket", "a b/ü+%.jpg", bytes("hello"), { origin });
    await until(() => store.idle());
    const [record] = records();
    expect(record.s3.object.sequencer).to.match(/^[0-9A-F]{18}$/);
    record.s3.object.sequencer = "SEQUENCER";
    expect(sent[1]).to.deep.equal({
      topicArn: TOPIC,
      message: {
        Records: [
          {
            eventVersion: "2.1",
            eventSource: "aws:s3",
            awsRegion: "eu-west-1",
            eventTime: "2026-01-02T03:04:05.678Z",
            eventName: "ObjectCreated:Put",
            userIdentity: { principalId: "AWS:AIDA" },
            requestParameters: { sourceIPAddress: "127.0.0.1" },
            responseElements: { "x-amz-request-id": "REQUEST", "x-amz-id-2": "HOST" },
            s3: {
              s3SchemaVersion: "1.0",
              configurationId: "images",
              bucket: {
                name: "bucket",
                ownerIdentity: { principalId: "123456789012" },
                arn: "arn:aws:s3:::bucket",
              },
              object: {
                key: "a+b/%C3%BC%2B%25.jpg",
                size: 5,
                eTag: "5d41402abc4b2a76b9719d911017c592",
                versionId: version.versionId,
                sequencer: "SEQUENCER",
              },
            },
          },
        ],
      },
    });
  });

  it("names no version where the bucket is not versioned", async () => {
    const store = await openStore({ notify });
    await declare(store);
    await store.put("bucket", "k", bytes("x"));
    await until(() => store.idle());
    expect(records()[0].s3.object).to.not.have.property("versionId");
  });

  it("names no version where versioning is suspended", async () => {
    const store = await openStore({ notify });
    await store.setVersioning("bucket", "Suspended");
    await declare(store, { events: ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"] });
    await store.put("bucket", "k", bytes("x"));
    await store.delete("bucket", "k");
    await until(() => store.idle());
    expect(records()).to.have.length(2);
    for (const record of records()) expect(record.s3.object).to.not.have.property("versionId");
  });

  it("of a delete marker has the ETag of no bytes, and no size", async () => {
    const store = await openStore({ notify });
    await store.setVersioning("bucket", "Enabled");
    await declare(store, { events: ["s3:ObjectRemoved:*"] });
    const { versionId } = await store.delete("bucket", "k");
    await until(() => store.idle());
    const [{ s3 }] = records();
    expect(s3.object).to.include({ eTag: "d41d8cd98f00b204e9800998ecf8427e", versionId });
    expect(s3.object).to.not.have.property("size");
  });

  it("has a sequencer that grows with every write of a key, though the clock stands still", async () => {
    const store = await openStore({ notify, now: () => new Date("2026-01-01T00:00:00Z") });
    await declare(store);
    for (let times = 0; times < 20; times += 1) await store.put("bucket", "k", bytes("x"));
    await until(() => store.idle());
    const sequencers = records().map((record) => record.s3.object.sequencer);
    expect(new Set(sequencers).size).to.equal(20);
    expect(sequencers.toSorted()).to.deep.equal(sequencers);
  });

  it("has a sequencer that grows across a restart, though the clock was set back", async () => {
    const root = await temporaryFolder();
    const before = await openStore({ root, notify, now: () => new Date("2026-01-02T00:00:00Z") });
    await declare(before);
    await before.put("bucket", "k", bytes("x"));
    await until(() => before.idle());
    await before.close();
    const after = await openStore({ root, notify, now: () => new Date("2026-01-01T00:00:00Z") });
    await after.put("bucket", "k", bytes("y"));
    await until(() => after.idle());
    const [first, second] = records().map((record) => record.s3.object.sequencer);
    expect(second > first).to.equal(true);
  });

  it("is announced by a test event, once for each that is new", async () => {
    const root = await temporaryFolder();
    const store = await openStore({ root, notify });
    await declare(store);
    await declare(store);
    await store.close();
    await declare(await openStore({ root, notify }));
    expect(sent).to.have.length(1);
    expect(sent[0]?.message).to.include({ Service: "Amazon S3", Event: "s3:TestEvent", Bucket: "bucket" });
  });

  it("cannot be declared for a topic that refuses the test event", async () => {
    const store = await openStore({ notify: () => Promise.reject(new Error("no such topic")) });
    const error = await declare(store).catch((thrown: Error) => thrown);
    expect(error).to.include({ code: "InvalidArgument", status: 400 });
    expect(error).to.have.property("message", "Unable to validate the following destination configurations");
    expect(store.bucket("bucket").notification.topics).to.deep.equal([]);
  });

  it("cannot be declared twice for the same events of the same keys", async () => {
    const store = await openStore({ notify });
    const topics = ["a", "b"].map((id) => ({
      id,
      topicArn: TOPIC,
      events: ["s3:ObjectCreated:Put"],
      filterPrefix: "x",
    }));
    const error = await store.setNotification("bucket", { topics }).catch((thrown: Error) => thrown);
    expect(error).to.include({ code: "InvalidArgument", status: 400 });
  });

  it("is sent only for keys with its prefix and suffix", async () => {
    const store = await openStore({ notify });
    await declare(store, { filterPrefix: "in/", filterSuffix: ".jpg" });
    for (const key of ["in/a.jpg", "in/b.png", "out/c.jpg"]) await store.put("bucket", key, bytes("x"));
    await until(() => store.idle());
    expect(records().map((record) => record.s3.object.key)).to.deep.equal(["in/a.jpg"]);
  });

  it("is sent by prefix and suffix as the event has the key, and not as the uploader gave it", async () => {
    const store = await openStore({ notify });
    await declare(store, { filterPrefix: "a+b/dt%3D", filterSuffix: "%C3%BC.jpg" });
    for (const key of ["a b/dt=1/ü.jpg", "a+b/dt%3D1/%C3%BC.jpg", "A b/dt=1/ü.jpg"]) {
      await store.put("bucket", key, bytes("x"));
    }
    await until(() => store.idle());
    expect(records().map((record) => record.s3.object.key)).to.deep.equal(["a+b/dt%3D1/%C3%BC.jpg"]);
  });

  it("is sent only for its events", async () => {
    const store = await openStore({ notify });
    await store.setVersioning("bucket", "Enabled");
    await declare(store, { events: ["s3:ObjectRemoved:*", "s3:ObjectCreated:Copy"] });
    await store.put("bucket", "k", bytes("x"));
    await store.put("bucket", "k", bytes("x"), { event: "Copy" });
    const { versionId } = await store.delete("bucket", "k");
    await store.delete("bucket", "k", { versionId });
    await until(() => store.idle());
    expect(records().map((record) => record.eventName)).to.have.members([
      "ObjectCreated:Copy",
      "ObjectRemoved:DeleteMarkerCreated",
      "ObjectRemoved:Delete",
    ]);
  });

  it("tells of an upload in parts when it is complete", async () => {
    const store = await openStore({ notify });
    await declare(store);
    const { id } = await store.multipart.create("bucket", "k");
    const { etag } = await store.multipart.put("bucket", "k", id, 1, bytes("part"));
    await store.multipart.complete("bucket", "k", id, [{ number: 1, etag }]);
    await until(() => store.idle());
    expect(records().map((record) => record.eventName)).to.deep.equal([
      "ObjectCreated:CompleteMultipartUpload",
    ]);
  });

  it("is not sent for a write that is refused", async () => {
    const store = await openStore({ notify });
    await declare(store);
    await store.put("bucket", "k", bytes("x"));
    await store.put("bucket", "k", bytes("y"), { condition: { ifNoneMatch: "*" } }).catch(() => {});
    await until(() => store.idle());
    expect(records()).to.have.length(1);
  });

  it("is sent again when it was refused", async () => {
    let refusals = 2;
    const undelivered: number[] = [];
    const events = new Events();
    events.on("undelivered", ({ attempt, lost }) => void (lost || undelivered.push(attempt)));
    const store = await openStore({
      events,
      notify: async (topicArn, message) => {
        if (message.includes("Records") && refusals-- > 0) throw new Error("busy");
        await notify(topicArn, message);
      },
    });
    await declare(store);
    await store.put("bucket", "k", bytes("x"));
    expect(store.idle()).to.equal(false);
    await until(() => store.idle());
    expect(records()).to.have.length(1);
    expect(undelivered).to.deep.equal([1, 2]);
  });

  it("is dropped, and that is told, where it is refused for good", async () => {
    const root = await temporaryFolder();
    let denied = 0;
    const events = new Events();
    const undelivered: unknown[] = [];
    events.on("undelivered", ({ error, lost, objects }) =>
      undelivered.push([String(error), lost, objects[0]?.key]),
    );
    const store = await openStore({
      events,
      root,
      notify: async (_, message) => {
        if (!message.includes("Records")) return;
        denied++;
        throw new Refused("no policy allows it");
      },
    });
    await declare(store);
    await store.put("bucket", "k", bytes("x"));
    await until(() => store.idle());
    expect([denied, undelivered]).to.deep.equal([1, [["Refused: no policy allows it", true, "k"]]]);
    await store.close();
    expect((await openStore({ root, notify })).idle()).to.equal(true);
  });

  it("has the sequencer that its store is told to give, or none", async () => {
    const sequencersOf = async (kind: keyof typeof SEQUENCERS) => {
      sent = [];
      const times = Array.from({ length: 100 }, (_, index) => 1_767_225_600_000 + index);
      const now = () => new Date(times.shift() ?? 0);
      const store = await openStore({ notify, now, sequencer: SEQUENCERS[kind] });
      await declare(store);
      for (const body of ["a", "b", "c", "d"]) await store.put("bucket", "k", bytes(body));
      await until(() => store.idle());
      return records().map((record): string | undefined => record.s3.object.sequencer);
    };

    expect(new Set(await sequencersOf("constant")).size).to.equal(1);
    expect(await sequencersOf("missing")).to.deep.equal([undefined, undefined, undefined, undefined]);
    const reversed = await sequencersOf("reversed");
    expect(reversed.toSorted().toReversed()).to.deep.equal(reversed);
    expect(new Set((await sequencersOf("unequal")).map((each) => each?.length)).size).to.equal(2);
  });

  it("that was not delivered is sent after a restart", async () => {
    const root = await temporaryFolder();
    let refuse = false;
    const store = await openStore({
      root,
      notify: async () => {
        if (refuse) throw new Error("down");
      },
    });
    await declare(store);
    refuse = true;
    await store.put("bucket", "k", bytes("x"));
    await store.close();
    const after = await openStore({ root, notify });
    expect(after.idle()).to.equal(false);
    await until(() => after.idle());
    expect(records().map((record) => record.s3.object.key)).to.deep.equal(["k"]);
  });
});
