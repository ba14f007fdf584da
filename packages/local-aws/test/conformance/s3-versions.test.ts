import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { expect } from "chai";
import { raw, refusal, s3, useBucket } from "./target.ts";

describe("S3: in a versioned bucket", () => {
  const bucket = useBucket({ versioned: true });

  const put = async (Key: string, Body: string) =>
    (await s3()).send(new PutObjectCommand({ Bucket: bucket(), Key, Body }));
  const read = async (Key: string, VersionId?: string) => {
    const { Body } = await (await s3()).send(new GetObjectCommand({ Bucket: bucket(), Key, VersionId }));
    return Body?.transformToString();
  };
  const remove = async (Key: string, VersionId?: string) =>
    (await s3()).send(new DeleteObjectCommand({ Bucket: bucket(), Key, VersionId }));
  const versions = async (Prefix: string, more = {}) =>
    (await s3()).send(new ListObjectVersionsCommand({ Bucket: bucket(), Prefix, ...more }));

  it("versioning is enabled", async () => {
    const { Status } = await (await s3()).send(new GetBucketVersioningCommand({ Bucket: bucket() }));
    expect(Status).to.equal("Enabled");
  });

  it("each put makes a version that stays readable", async () => {
    const first = await put("doc", "first");
    const second = await put("doc", "second");
    expect(first.VersionId).to.be.a("string").and.not.equal(second.VersionId);
    expect(await read("doc", first.VersionId)).to.equal("first");
    expect(await read("doc", second.VersionId)).to.equal("second");
    expect(await read("doc")).to.equal("second");
  });

  it("a delete hides the object behind a marker and loses nothing", async () => {
    const { VersionId } = await put("hidden", "x");
    const { DeleteMarker, VersionId: marker } = await remove("hidden");
    expect(DeleteMarker).to.equal(true);
    expect(marker).to.be.a("string").and.not.equal(VersionId);
    expect(await refusal(read("hidden"))).to.deep.equal({ code: "NoSuchKey", status: 404 });
    expect(await read("hidden", VersionId)).to.equal("x");
  });

  it("a delete marker is not readable", async () => {
    await put("marked", "x");
    const { VersionId } = await remove("marked");
    expect(await refusal(read("marked", VersionId))).to.deep.equal({ code: "MethodNotAllowed", status: 405 });
  });

  it("a delete marker says what it is in place of the object", async () => {
    await put("marked", "x");
    const { VersionId = "" } = await remove("marked");
    const marker = { "x-amz-delete-marker": "true", "x-amz-version-id": VersionId };
    for (const method of ["GET", "HEAD"]) {
      const current = await raw(bucket(), { method, path: "/marked" });
      expect(current.status).to.equal(404);
      expect(current.headers).to.include(marker);
      const named = await raw(bucket(), { method, path: "/marked", query: { versionId: VersionId } });
      expect(named.status).to.equal(405);
      expect(named.headers).to.include(marker).and.include.keys("last-modified");
      expect(named.headers.allow).to.equal("DELETE");
    }
  });

  describe("a version id", () => {
    /** Of the right form, but nobody made it. */
    const invented = "HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD";
    const removeMany = async (Key: string, VersionId: string) => {
      const Delete = { Objects: [{ Key, VersionId }] };
      return (await s3()).send(new DeleteObjectsCommand({ Bucket: bucket(), Delete }));
    };

    it("that was invented is no argument", async () => {
      await put("invented", "x");
      const refused = { code: "InvalidArgument", status: 400 };
      for (const id of [invented, "_".repeat(32), "v1"]) {
        expect(await refusal(read("invented", id))).to.deep.equal(refused);
        expect(await refusal(remove("invented", id))).to.deep.equal(refused);
      }
      const { Deleted = [], Errors } = await removeMany("invented", invented);
      expect(Deleted).to.deep.equal([]);
      expect(Errors?.map(({ Code }) => Code)).to.deep.equal(["NoSuchVersion"]);
    });

    it("whose version is gone finds none, and may be deleted again", async () => {
      const { VersionId = "" } = await put("gone", "x");
      await remove("gone", VersionId);
      expect(await refusal(read("gone", VersionId))).to.deep.equal({ code: "NoSuchVersion", status: 404 });
      expect((await remove("gone", VersionId)).$metadata.httpStatusCode).to.equal(204);
    });
  });

  it("deleting the marker brings the object back", async () => {
    await put("back", "x");
    const { VersionId } = await remove("back");
    await remove("back", VersionId);
    expect(await read("back")).to.equal("x");
  });

  it("deleting the newest version brings the one before back", async () => {
    await put("undo", "first");
    const { VersionId } = await put("undo", "second");
    await remove("undo", VersionId);
    expect(await read("undo")).to.equal("first");
    expect(await refusal(read("undo", VersionId))).to.deep.equal({ code: "NoSuchVersion", status: 404 });
  });

  it("a hidden object is not listed", async () => {
    await put("listed/1", "x");
    await put("listed/2", "x");
    await remove("listed/1");
    const target = await s3();
    const { Contents } = await target.send(new ListObjectsV2Command({ Bucket: bucket(), Prefix: "listed/" }));
    expect(Contents?.map(({ Key }) => Key)).to.deep.equal(["listed/2"]);
  });

  it("all versions and markers are listed, newest first", async () => {
    const first = await put("history", "first");
    const second = await put("history", "second");
    const marker = await remove("history");
    const { Versions, DeleteMarkers } = await versions("history");
    expect(Versions?.map(({ VersionId, IsLatest }) => [VersionId, IsLatest])).to.deep.equal([
      [second.VersionId, false],
      [first.VersionId, false],
    ]);
    expect(DeleteMarkers?.map(({ VersionId, IsLatest }) => [VersionId, IsLatest])).to.deep.equal([
      [marker.VersionId, true],
    ]);
  });

  it("versions are listed page by page", async () => {
    const made: (string | undefined)[] = [];
    for (const key of ["paged/a", "paged/a", "paged/a", "paged/b"])
      made.push((await put(key, "x")).VersionId);
    const listed: (string | undefined)[] = [];
    let markers: object = {};
    for (let more = true; more; ) {
      const page = await versions("paged/", { MaxKeys: 1, ...markers });
      listed.push(...(page.Versions ?? []).map(({ VersionId }) => VersionId));
      markers = { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker };
      more = page.IsTruncated === true;
    }
    expect(listed).to.deep.equal([made[2], made[1], made[0], made[3]]);
  });

  it("a listing goes on behind a version that was deleted meanwhile", async () => {
    const made: (string | undefined)[] = [];
    for (let index = 0; index < 4; index += 1) made.push((await put("emptied/k", "x")).VersionId);
    const { NextKeyMarker, NextVersionIdMarker } = await versions("emptied/", { MaxKeys: 2 });
    expect(NextVersionIdMarker).to.equal(made[2]);
    for (const id of made.slice(2)) await remove("emptied/k", id);
    const rest = { KeyMarker: NextKeyMarker, VersionIdMarker: NextVersionIdMarker };
    const { Versions } = await versions("emptied/", rest);
    expect(Versions?.map(({ VersionId }) => VersionId)).to.deep.equal([made[1], made[0]]);
    const refused = await refusal(versions("emptied/", { ...rest, VersionIdMarker: "invented" }));
    expect(refused).to.deep.equal({ code: "InvalidArgument", status: 400 });
  });

  it("a listing that begins at a key within a common prefix skips all of it", async () => {
    for (const key of ["common/a/1", "common/a/2", "common/b"]) await put(key, "x");
    const { CommonPrefixes, Versions } = await versions("common/", {
      Delimiter: "/",
      KeyMarker: "common/a/1",
    });
    expect(CommonPrefixes).to.equal(undefined);
    expect(Versions?.map(({ Key }) => Key)).to.deep.equal(["common/b"]);
  });

  it("a listing that begins at its prefix skips no more than that key", async () => {
    await put("itself/", "x");
    await put("itself/a", "x");
    const { Versions } = await versions("itself/", { Delimiter: "/", KeyMarker: "itself/" });
    expect(Versions?.map(({ Key }) => Key)).to.deep.equal(["itself/a"]);
  });

  it("a version is copied", async () => {
    const { VersionId } = await put("copied", "first");
    await put("copied", "second");
    const CopySource = `${bucket()}/copied?versionId=${VersionId}`;
    const target = await s3();
    const copy = await target.send(new CopyObjectCommand({ Bucket: bucket(), Key: "copy", CopySource }));
    expect(copy.CopySourceVersionId).to.equal(VersionId);
    expect(await read("copy")).to.equal("first");
  });

  it("a head names the version", async () => {
    const { VersionId } = await put("head", "x");
    const target = await s3();
    const found = await target.send(new HeadObjectCommand({ Bucket: bucket(), Key: "head" }));
    expect(found.VersionId).to.equal(VersionId);
  });

  it("versions are deleted among many", async () => {
    const { VersionId } = await put("many", "first");
    await put("many", "second");
    const target = await s3();
    const Delete = { Objects: [{ Key: "many", VersionId }, { Key: "many" }] };
    const { Deleted } = await target.send(new DeleteObjectsCommand({ Bucket: bucket(), Delete }));
    expect(Deleted).to.have.length(2);
    expect(Deleted?.find((deleted) => deleted.VersionId === VersionId)?.DeleteMarker).to.equal(undefined);
    expect(Deleted?.find((deleted) => deleted.VersionId === undefined)?.DeleteMarker).to.equal(true);
  });
});

describe("S3: in a bucket whose versioning was suspended", () => {
  const bucket = useBucket();

  it("a put replaces the version null and no other", async () => {
    const target = await s3();
    const put = (Body: string) => target.send(new PutObjectCommand({ Bucket: bucket(), Key: "k", Body }));
    const set = (Status: "Enabled" | "Suspended") =>
      target.send(new PutBucketVersioningCommand({ Bucket: bucket(), VersioningConfiguration: { Status } }));
    await put("before");
    await set("Enabled");
    const { VersionId } = await put("versioned");
    await set("Suspended");
    expect((await put("after")).VersionId).to.equal(undefined);
    expect((await target.send(new HeadObjectCommand({ Bucket: bucket(), Key: "k" }))).VersionId).to.equal(
      "null",
    );
    const copy = { Bucket: bucket(), Key: "copy", CopySource: `${bucket()}/k` };
    expect((await target.send(new CopyObjectCommand(copy))).VersionId).to.equal("null");
    const { Versions } = await target.send(new ListObjectVersionsCommand({ Bucket: bucket(), Prefix: "k" }));
    expect(Versions?.map((version) => [version.VersionId, version.IsLatest])).to.deep.equal([
      ["null", true],
      [VersionId, false],
    ]);
    const read = await target.send(new GetObjectCommand({ Bucket: bucket(), Key: "k", VersionId: "null" }));
    expect(await read.Body?.transformToString()).to.equal("after");
  });
});
