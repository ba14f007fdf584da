import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import { Events } from "../../src/events.ts";
import { S3Error } from "../../src/store/errors.ts";
import { bytes, openStore, temporaryFolder } from "./support.ts";

describe("the object store", () => {
  it("has after a restart what it had before", async () => {
    const root = await temporaryFolder();
    const before = await openStore({ root });
    await before.setVersioning("bucket", "Enabled");
    const first = await before.put("bucket", "doc", bytes("first"), { metadata: { a: "1" } });
    const second = await before.put("bucket", "doc", bytes("second"));
    await before.close();

    const after = await openStore({ root });
    expect(after.bucket("bucket").versioning).to.equal("Enabled");
    expect(await text(after.get("bucket", "doc").body)).to.equal("second");
    const { version, body } = after.get("bucket", "doc", first.versionId);
    expect(await text(body)).to.equal("first");
    expect(version.metadata).to.deep.equal({ a: "1" });
    expect(after.head("bucket", "doc").versionId).to.equal(second.versionId);
  });

  it("keeps an upload in parts across a restart", async () => {
    const root = await temporaryFolder();
    const before = await openStore({ root });
    const { id } = await before.multipart.create("bucket", "whole");
    const part = await before.multipart.put("bucket", "whole", id, 1, bytes("part"));
    await before.close();

    const after = await openStore({ root });
    await after.multipart.complete("bucket", "whole", id, [{ number: 1, etag: part.etag }]);
    expect(await text(after.get("bucket", "whole").body)).to.equal("part");
  });

  it("completes an upload once, however often it is asked at once", async () => {
    const store = await openStore();
    await store.setVersioning("bucket", "Enabled");
    const { id } = await store.multipart.create("bucket", "whole");
    const { etag } = await store.multipart.put("bucket", "whole", id, 1, bytes("part"));
    const complete = () => store.multipart.complete("bucket", "whole", id, [{ number: 1, etag }]);
    const [first, second, third] = await Promise.all([complete(), complete(), complete()]);
    expect([second.versionId, third.versionId]).to.deep.equal([first.versionId, first.versionId]);
    expect(store.listVersions("bucket", { key: "" }, { limit: 10 }).rows).to.have.length(1);
    expect(await text(store.get("bucket", "whole").body)).to.equal("part");
  });

  it("forgets nothing of a conflict across a restart", async () => {
    const root = await temporaryFolder();
    const before = await openStore({ root });
    const { etag: standing } = await before.put("bucket", "k", bytes("x"));
    const { id } = await before.multipart.create("bucket", "k");
    const { etag } = await before.multipart.put("bucket", "k", id, 1, bytes("part"));
    await before.put("bucket", "k", bytes("x"));
    await before.close();
    const after = await openStore({ root });
    const condition = { ifMatch: standing };
    const completed = after.multipart.complete("bucket", "k", id, [{ number: 1, etag }], { condition });
    expect(await completed.catch((error: S3Error) => error)).to.include({
      status: 409,
      code: "ConditionalRequestConflict",
    });
  });

  it("says that an upload is gone that is aborted while its parts are put together", async () => {
    const store = await openStore();
    const { id } = await store.multipart.create("bucket", "whole");
    const parts = [];
    for (const number of [1, 2]) {
      const body = [Buffer.alloc(number === 1 ? 5 * 2 ** 20 : 1)];
      const { etag } = await store.multipart.put("bucket", "whole", id, number, body);
      parts.push({ number, etag });
    }

    const completing = store.multipart.complete("bucket", "whole", id, parts).catch(({ code }) => code);
    await store.multipart.abort("bucket", "whole", id);

    expect(await completing).to.equal("NoSuchUpload");
  });

  it("removes at the start what an upload left behind that was cut off", async () => {
    const root = await temporaryFolder();
    const before = await openStore({ root });
    const { blob } = await before.put("bucket", "kept", bytes("kept"));
    await before.close();
    const { writeFile, readdir } = await import("node:fs/promises");
    await writeFile(join(root, ".store", "incoming", "half"), "ha");
    const hour = join(root, ".store", "data", blob.split("/")[0] as string);
    await writeFile(join(hour, "never-accepted"), "x");

    const after = await openStore({ root });
    await after.put("bucket", "other", bytes("other"));
    expect(await readdir(join(root, ".store", "incoming"))).to.deep.equal([]);
    expect(await readdir(hour))
      .to.include(blob.split("/")[1])
      .and.not.include("never-accepted");
  });

  it("says so when another process uses the folder", async () => {
    const root = await temporaryFolder();
    await openStore({ root });
    const second = await openStore({ root }).catch((error: Error) => error);
    expect(second)
      .to.be.instanceOf(Error)
      .and.have.property("message")
      .that.includes("in use by another process");
  });

  it("leaves no trace of a body that ends in an error", async () => {
    const store = await openStore();
    async function* broken() {
      yield Buffer.alloc(600_000);
      throw new Error("the line went dead");
    }
    const error = await store.put("bucket", "broken", broken()).catch((thrown: Error) => thrown);
    expect(error).to.have.property("message", "the line went dead");
    expect(store.list("bucket", "", { limit: 10 }).rows).to.deep.equal([]);
  });

  it("leaves no trace of a body that is refused when all of it is there", async () => {
    const store = await openStore();
    const verify = () => {
      throw new S3Error(400, "BadDigest", "not what was promised");
    };
    const error = await store
      .put("bucket", "refused", bytes("x"), { verify })
      .catch((thrown: Error) => thrown);
    expect(error).to.have.property("code", "BadDigest");
    expect(store.list("bucket", "", { limit: 10 }).rows).to.deep.equal([]);
  });

  it("reads a version to its end though it is deleted meanwhile", async () => {
    const store = await openStore();
    await store.put("bucket", "k", bytes("still here"));
    const { body } = store.get("bucket", "k");
    await store.delete("bucket", "k");
    expect(await text(body)).to.equal("still here");
  });

  it("answers a conditional write with 409 when a delete overtook it", async () => {
    const store = await openStore();
    const { etag } = await store.put("bucket", "k", bytes("first"));
    const { promise: deleted, resolve: goOn } = Promise.withResolvers<void>();
    async function* slow() {
      yield Buffer.from("sec");
      await deleted;
      yield Buffer.from("ond");
    }
    const writing = store
      .put("bucket", "k", slow(), { condition: { ifMatch: etag } })
      .catch((error: S3Error) => error);
    await store.delete("bucket", "k");
    goOn();
    expect(await writing).to.include({ status: 409, code: "ConditionalRequestConflict" });
  });

  it("stores bodies of all sizes around those of its pieces", async () => {
    const store = await openStore();
    const piece = 256 * 1024;
    for (const size of [0, 1, piece - 1, piece, piece + 1, 3 * piece, 3 * piece + 7]) {
      const body = Buffer.alloc(size, "0123456789abcdef");
      await store.put("bucket", "sized", [body.subarray(0, size / 3), body.subarray(size / 3)]);
      const read = await store.get("bucket", "sized").body.toArray();
      expect(Buffer.concat(read).equals(body), `${size} bytes`).to.equal(true);
    }
  });

  it("writes many bodies at once with memory for a few", async () => {
    const store = await openStore();
    const puts = Array.from({ length: 200 }, (_, index) =>
      store.put("bucket", `k${index}`, bytes(`body ${index}`)),
    );
    await Promise.all(puts);
    expect(store.list("bucket", "", { limit: 1000 }).rows).to.have.length(200);
    expect(await text(store.get("bucket", "k137").body)).to.equal("body 137");
  });

  it("tells of every version that it made", async () => {
    const events = new Events();
    const put: object[] = [];
    events.on("put", ({ bucket, key, versionId, size }) => put.push({ bucket, key, versionId, size }));
    const store = await openStore({ events });
    const { versionId } = await store.put("bucket", "k", bytes("12345"));
    expect(put).to.deep.equal([{ bucket: "bucket", key: "k", versionId, size: 5 }]);
  });

  it("shows the current version under its key", async () => {
    const root = await temporaryFolder();
    const store = await openStore({ root });
    await store.put("bucket", "photos/cat.jpg", bytes("first"));
    await store.put("bucket", "photos/cat.jpg", bytes("second"));
    expect(await readFile(join(root, "bucket", "photos", "cat.jpg"), "utf8")).to.equal("second");
  });
});
