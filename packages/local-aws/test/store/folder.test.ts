import { access, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import type { ObjectStore } from "../../src/store/object-store.ts";
import { bytes, openStore, temporaryFolder } from "./support.ts";

describe("the folder that people see", () => {
  let root: string;
  let store: ObjectStore;

  beforeEach(async () => {
    root = await temporaryFolder();
    store = await openStore({ root });
  });

  const shown = (path: string) => readFile(join(root, "bucket", path), "utf8");
  const elsewhere = async () => {
    const files = await readdir(join(root, "bucket", ".other-keys"));
    return Promise.all(files.map((file) => shown(join(".other-keys", file))));
  };

  it("loses a file, and folders that this leaves empty, when the object is deleted", async () => {
    await store.put("bucket", "a/b/c.txt", bytes("x"));
    await store.delete("bucket", "a/b/c.txt");
    expect(await readdir(join(root, "bucket"))).to.deep.equal([]);
  });

  it("shows the version before when the newest is deleted", async () => {
    await store.setVersioning("bucket", "Enabled");
    await store.put("bucket", "k", bytes("first"));
    const { versionId } = await store.put("bucket", "k", bytes("second"));
    await store.delete("bucket", "k", { versionId });
    expect(await shown("k")).to.equal("first");
  });

  it("shows the object again when its delete marker is deleted", async () => {
    await store.setVersioning("bucket", "Enabled");
    await store.put("bucket", "a/k", bytes("x"));
    const { versionId } = await store.delete("bucket", "a/k");
    expect(await readdir(join(root, "bucket"))).to.deep.equal([]);
    await store.delete("bucket", "a/k", { versionId });
    expect(await shown("a/k")).to.equal("x");
  });

  for (const key of [
    "../up",
    "x/../y",
    "folder/",
    "a//b",
    ".",
    "n".repeat(256),
    "nul\0byte",
    ".other-keys/x",
  ]) {
    it(`shows elsewhere what is no path: ${JSON.stringify(key.slice(0, 20))}`, async () => {
      await store.put("bucket", key, bytes(`of ${key}`));
      expect(await elsewhere()).to.deep.equal([`of ${key}`]);
      expect(await text(store.get("bucket", key).body)).to.equal(`of ${key}`);
      expect(await readdir(root)).to.have.members([".store", "bucket"]);
    });
  }

  it("shows elsewhere what would have to be in a file", async () => {
    await store.put("bucket", "a", bytes("file"));
    await store.put("bucket", "a/b", bytes("below"));
    expect(await shown("a")).to.equal("file");
    expect(await elsewhere()).to.deep.equal(["below"]);
  });

  it("shows elsewhere what would have to be a folder", async () => {
    await store.put("bucket", "a/b", bytes("below"));
    await store.put("bucket", "a", bytes("file"));
    expect(await shown("a/b")).to.equal("below");
    expect(await elsewhere()).to.deep.equal(["file"]);
  });

  it("finds places for keys that collide and come at once", async () => {
    await Promise.all(["a", "a/b", "a/b/c"].map((key) => store.put("bucket", key, bytes(`of ${key}`))));
    const files = [
      await shown("a").catch(() => shown("a/b").catch(() => shown("a/b/c"))),
      ...(await elsewhere()),
    ];
    expect(files).to.have.members(["of a", "of a/b", "of a/b/c"]);
  });

  it("keeps a person's own file where a key would be", async () => {
    await writeFile(join(root, "bucket", "mine.txt"), "mine");
    await store.put("bucket", "mine.txt", bytes("the store's"));
    expect(await shown("mine.txt")).to.equal("mine");
    expect(await elsewhere()).to.deep.equal(["the store's"]);
  });

  it("is only a view: what a person removes in it is still stored", async () => {
    await store.put("bucket", "k", bytes("x"));
    await rm(join(root, "bucket"), { recursive: true });
    expect(await text(store.get("bucket", "k").body)).to.equal("x");
    await store.put("bucket", "k", bytes("y"));
    expect(await shown("k")).to.equal("y");
  });

  it("does not let an editor write into a version", async () => {
    if (process.getuid?.() === 0) return; // nothing is forbidden to root
    await store.put("bucket", "k", bytes("x"));
    const error = await writeFile(join(root, "bucket", "k"), "changed").catch((thrown: Error) => thrown);
    expect(error).to.have.property("code", "EACCES");
  });

  it("is brought up to date at the start after a crash", async () => {
    await store.put("bucket", "k", bytes("x"));
    await store.close();
    await rm(join(root, "bucket", "k"));
    await openStore({ root });
    expect(await shown("k")).to.equal("x");
  });

  it("of a bucket goes with the bucket, unless it holds something else", async () => {
    await store.createBucket("other-bucket");
    await mkdir(join(root, "other-bucket", "mine"));
    await store.deleteBucket("other-bucket");
    await access(join(root, "other-bucket", "mine"));
    await store.deleteBucket("bucket");
    expect(await readdir(root)).to.have.members([".store", "other-bucket"]);
  });
});
