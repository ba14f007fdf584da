import { expect } from "chai";
import { createdObjects, identity, isFolderMarker, UnknownMessage } from "../../src/delivery/envelope.ts";
import { s3Record } from "../support/events.ts";

const message = (...records: unknown[]) => JSON.stringify({ Records: records });

describe("the envelope of a message", () => {
  it("gives every record of a raw S3 event", () => {
    const objects = createdObjects(message(s3Record("a.jpg"), s3Record("b.jpg", { versionId: "v7" })));

    expect(objects.map(({ bucket, key, versionId }) => ({ bucket, key, versionId }))).to.deep.equal([
      { bucket: "source", key: "a.jpg", versionId: "v1" },
      { bucket: "source", key: "b.jpg", versionId: "v7" },
    ]);
  });

  it("looks into the envelope of SNS", () => {
    const wrapped = JSON.stringify({ Type: "Notification", Message: message(s3Record("a.jpg")) });

    expect(createdObjects(wrapped).map(({ key }) => key)).to.deep.equal(["a.jpg"]);
  });

  it("has nothing to do for the test event of S3, raw or wrapped", () => {
    const test = JSON.stringify({ Service: "Amazon S3", Event: "s3:TestEvent", Bucket: "source" });

    expect(createdObjects(test)).to.deep.equal([]);
    expect(createdObjects(JSON.stringify({ Type: "Notification", Message: test }))).to.deep.equal([]);
  });

  for (const key of [
    "a b.jpg",
    "a+b.jpg",
    "100%.jpg",
    "a%20b.jpg",
    "#1?.jpg",
    "köln/日本.jpg",
    "'\"&<>.jpg",
  ]) {
    it(`decodes the key ${key}`, () => {
      expect(createdObjects(message(s3Record(key)))[0]?.key).to.equal(key);
    });
  }

  const unknown: Record<string, string> = {
    "text that is no JSON": "hello",
    "JSON that is no object": "[1]",
    "an object without Records": "{}",
    "an empty list of Records": '{"Records":[]}',
    "a record of another event": message(s3Record("a.jpg", {}, "ObjectRemoved:Delete")),
    "a record without a key": message({ eventName: "ObjectCreated:Put", s3: { bucket: { name: "b" } } }),
    "a record that is no object": message(null),
    "a key that is not URL-encoded": message(s3Record("a", { key: "100%" })),
    "an SNS envelope around something else": JSON.stringify({ Type: "Notification", Message: "hello" }),
  };
  for (const [what, body] of Object.entries(unknown)) {
    it(`refuses ${what}`, () => {
      expect(() => createdObjects(body)).to.throw(UnknownMessage);
    });
  }
});

describe("the identity of a version", () => {
  it("is its id, or its entity tag where S3 says that it has none", () => {
    expect(identity({ versionId: "v1", eTag: "e" })).to.equal("v1");
    for (const versionId of [undefined, "null"]) {
      expect(identity({ versionId, eTag: '"e"' })).to.equal("e");
    }
    const [object] = createdObjects(message(s3Record("a", { versionId: "null" })));
    expect(object?.versionId).to.equal(undefined);
  });
});

describe("a folder marker", () => {
  it("is nothing under a key that ends in a slash", () => {
    expect(isFolderMarker({ key: "holiday/", size: 0 })).to.equal(true);
    expect(isFolderMarker({ key: "holiday/", size: 1 })).to.equal(false);
    expect(isFolderMarker({ key: "holiday", size: 0 })).to.equal(false);
    expect(isFolderMarker({ key: "holiday/", size: undefined })).to.equal(false);
  });
});
