import { createHash } from "node:crypto";
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { expect } from "chai";
import { raw, refusal, s3, useBucket } from "./target.ts";

describe("S3: an object", () => {
  const bucket = useBucket();

  const put = async (Key: string, Body: string | Buffer, more = {}) =>
    (await s3()).send(new PutObjectCommand({ Bucket: bucket(), Key, Body, ...more }));
  const get = async (Key: string, more = {}) =>
    (await s3()).send(new GetObjectCommand({ Bucket: bucket(), Key, ...more }));
  const head = async (Key: string, more = {}) =>
    (await s3()).send(new HeadObjectCommand({ Bucket: bucket(), Key, ...more }));
  const read = async (Key: string, more = {}) => (await get(Key, more)).Body?.transformToString();

  it("comes back as it was put", async () => {
    const body = Buffer.from(Array.from({ length: 70_000 }, (_, index) => (index * 31) % 251));
    await put("same.bin", body);
    const bytes = await (await get("same.bin")).Body?.transformToByteArray();
    expect(body.equals(bytes as Uint8Array)).to.equal(true);
  });

  it("has the MD5 of its bytes as its ETag", async () => {
    const { ETag } = await put("etag.txt", "hello");
    expect(ETag).to.equal(`"${createHash("md5").update("hello").digest("hex")}"`);
    expect((await head("etag.txt")).ETag).to.equal(ETag);
  });

  it("may be empty", async () => {
    await put("empty", "");
    const { ContentLength } = await head("empty");
    expect(ContentLength).to.equal(0);
    expect(await read("empty")).to.equal("");
  });

  it("is replaced by a second put", async () => {
    await put("twice.txt", "first");
    await put("twice.txt", "second");
    expect(await read("twice.txt")).to.equal("second");
  });

  it("keeps its content type, standard headers and user metadata", async () => {
    const described = {
      ContentType: "image/png",
      CacheControl: "max-age=60",
      ContentDisposition: 'attachment; filename="a.png"',
      ContentEncoding: "gzip",
      ContentLanguage: "de",
      Metadata: { angle: "90", "source-version": "abc" },
    };
    await put("described.png", "x", described);
    expect(await head("described.png")).to.deep.include(described);
  });

  it("keeps headers beyond ASCII as their bytes, and makes user metadata fit for mail", async () => {
    const disposition = 'attachment; filename="\u00e0 la carte \u65e5\u672c.png"';
    const described = { "content-disposition": disposition, "x-amz-meta-title": "\u65e5\u672c" };
    const put = await raw(bucket(), { method: "PUT", path: "/beyond", headers: described, body: "x" });
    expect(put.status).to.equal(200);
    const { headers } = await raw(bucket(), { path: "/beyond" });
    const sent = Buffer.from(headers["content-disposition"] ?? "", "latin1").toString("utf8");
    expect(sent).to.equal(disposition);
    expect(headers["x-amz-meta-title"]).to.equal("=?UTF-8?B?5pel5pys?=");
  });

  it("is of an unknown type where nobody says which", async () => {
    const { pathname, search, origin } = new URL(
      await getSignedUrl(await s3(), new GetObjectCommand({ Bucket: bucket(), Key: "untyped" })),
    );
    await put("untyped", Buffer.from("x"), { ContentType: undefined });
    const { headers } = await fetch(`${origin}${pathname}${search}`);
    expect(headers.get("content-type")).to.be.oneOf(["binary/octet-stream", "application/octet-stream"]);
  });

  it("is read in part", async () => {
    await put("range.txt", "0123456789");
    expect(await read("range.txt", { Range: "bytes=2-4" })).to.equal("234");
    expect(await read("range.txt", { Range: "bytes=7-" })).to.equal("789");
    expect(await read("range.txt", { Range: "bytes=-3" })).to.equal("789");
    expect(await read("range.txt", { Range: "bytes=8-99" })).to.equal("89");
  });

  it("says which part it is that was read", async () => {
    await put("range.txt", "0123456789");
    const { ContentRange, ContentLength, $metadata } = await get("range.txt", { Range: "bytes=2-4" });
    expect({ ContentRange, ContentLength, status: $metadata.httpStatusCode }).to.deep.equal({
      ContentRange: "bytes 2-4/10",
      ContentLength: 3,
      status: 206,
    });
  });

  it("refuses a range behind its end with 416", async () => {
    await put("range.txt", "0123456789");
    expect(await refusal(get("range.txt", { Range: "bytes=10-" }))).to.deep.equal({
      code: "InvalidRange",
      status: 416,
    });
  });

  it("is read under other headers where the request says so", async () => {
    await put("override.txt", "x");
    const overrides = { ResponseContentType: "text/x-other", ResponseCacheControl: "no-store" };
    expect(await get("override.txt", overrides)).to.deep.include({
      ContentType: "text/x-other",
      CacheControl: "no-store",
    });
  });

  it("is a 404 NoSuchKey when it is not there", async () => {
    expect(await refusal(get("nothing"))).to.deep.equal({ code: "NoSuchKey", status: 404 });
    expect(await refusal(head("nothing"))).to.deep.equal({ code: "NotFound", status: 404 });
  });

  it("is told of in errors by its key, and by no resource", async () => {
    const { body } = await raw(bucket(), { path: "/nothing" });
    expect(body).to.include("<Key>nothing</Key>").and.not.include("<Resource>");
  });

  it("is gone after a delete, and deleting it again is no error", async () => {
    await put("gone.txt", "x");
    for (let times = 0; times < 2; times += 1) {
      const target = await s3();
      const { $metadata } = await target.send(new DeleteObjectCommand({ Bucket: bucket(), Key: "gone.txt" }));
      expect($metadata.httpStatusCode).to.equal(204);
    }
    expect(await refusal(get("gone.txt"))).to.deep.include({ status: 404 });
  });

  it("is deleted among many", async () => {
    const Objects = ["many/1", "many/<2> & more", "many/ 3 ", "many/4\r\n5", "many/😀"].map((Key) => ({
      Key,
    }));
    for (const { Key } of Objects) await put(Key, "x");
    const target = await s3();
    const { Deleted, Errors } = await target.send(
      new DeleteObjectsCommand({ Bucket: bucket(), Delete: { Objects } }),
    );
    expect(Deleted?.map(({ Key }) => Key)).to.have.members(Objects.map(({ Key }) => Key));
    expect(Errors ?? []).to.deep.equal([]);
    expect(await refusal(get("many/<2> & more"))).to.deep.include({ status: 404 });
  });

  it("is copied with its metadata", async () => {
    await put("from.txt", "copied", { ContentType: "text/x-from", Metadata: { a: "1" } });
    const target = await s3();
    const CopySource = `${bucket()}/from.txt`;
    await target.send(new CopyObjectCommand({ Bucket: bucket(), Key: "to.txt", CopySource }));
    expect(await read("to.txt")).to.equal("copied");
    expect(await head("to.txt")).to.deep.include({ ContentType: "text/x-from", Metadata: { a: "1" } });
  });

  it("is copied with other metadata where the request replaces it", async () => {
    await put("from.txt", "copied", { Metadata: { a: "1" } });
    const target = await s3();
    const replaced = {
      MetadataDirective: "REPLACE" as const,
      Metadata: { b: "2" },
      ContentType: "text/x-to",
    };
    const CopySource = `${bucket()}/from.txt`;
    await target.send(new CopyObjectCommand({ Bucket: bucket(), Key: "to.txt", CopySource, ...replaced }));
    expect(await head("to.txt")).to.deep.include({ ContentType: "text/x-to", Metadata: { b: "2" } });
  });

  it("is not copied onto itself without a change", async () => {
    await put("self.txt", "x");
    const target = await s3();
    const CopySource = `${bucket()}/self.txt`;
    const copy = target.send(new CopyObjectCommand({ Bucket: bucket(), Key: "self.txt", CopySource }));
    expect(await refusal(copy)).to.deep.equal({ code: "InvalidRequest", status: 400 });
  });

  it("is copied onto itself where the request names a storage class", async () => {
    await put("self.txt", "x", { Metadata: { a: "1" } });
    const self = { Bucket: bucket(), Key: "self.txt", CopySource: `${bucket()}/self.txt` };
    await (await s3()).send(new CopyObjectCommand({ ...self, StorageClass: "STANDARD" }));
    expect((await head("self.txt")).Metadata).to.deep.equal({ a: "1" });
  });

  it("that was put without tags has none", async () => {
    await put("untagged.txt", "x");
    const tagging = (Key: string) => new GetObjectTaggingCommand({ Bucket: bucket(), Key });
    expect((await (await s3()).send(tagging("untagged.txt"))).TagSet).to.deep.equal([]);
    const missing = (await s3()).send(tagging("nothing"));
    expect(await refusal(missing)).to.deep.equal({ code: "NoSuchKey", status: 404 });
  });

  it("has the tags that it was put with, and so has its copy unless that gets others", async () => {
    const Tagging = "kind=holiday%20photo&of=a%26b&empty";
    const TagSet = [
      { Key: "kind", Value: "holiday photo" },
      { Key: "of", Value: "a&b" },
      { Key: "empty", Value: "" },
    ];
    const target = await s3();
    await put("tagged.txt", "x", { Tagging });
    const CopySource = `${bucket()}/tagged.txt`;
    const copy = { Bucket: bucket(), CopySource };
    await target.send(new CopyObjectCommand({ ...copy, Key: "copied.txt" }));
    const others = { Tagging: "other=1", TaggingDirective: "REPLACE" } as const;
    await target.send(new CopyObjectCommand({ ...copy, Key: "others.txt", ...others }));
    const tagging = async (Key: string) =>
      (await target.send(new GetObjectTaggingCommand({ Bucket: bucket(), Key }))).TagSet;

    expect(await tagging("tagged.txt")).to.have.deep.members(TagSet);
    expect(await tagging("copied.txt")).to.have.deep.members(TagSet);
    expect(await tagging("others.txt")).to.deep.equal([{ Key: "other", Value: "1" }]);
  });

  it("is read through a presigned URL", async () => {
    await put("signed url+.txt", "presigned");
    const command = new GetObjectCommand({ Bucket: bucket(), Key: "signed url+.txt" });
    const answer = await fetch(await getSignedUrl(await s3(), command));
    expect(await answer.text()).to.equal("presigned");
  });

  it("is written through a presigned URL", async () => {
    const command = new PutObjectCommand({ Bucket: bucket(), Key: "written.txt" });
    const url = new URL(
      await getSignedUrl(await s3(), command, { unsignableHeaders: new Set(["x-amz-checksum-crc32"]) }),
    );
    const answer = await fetch(url, { method: "PUT", body: "presigned" });
    expect(answer.status).to.equal(200);
    expect(await read("written.txt")).to.equal("presigned");
  });

  describe("may be called", () => {
    const names: Record<string, string> = {
      "with spaces": "a b  c.jpg",
      "with a plus": "a+b.jpg",
      "with a percent sign": "100%25 %2F.jpg",
      "with a hash and a question mark": "a#b?c=d&e.jpg",
      "in Unicode": "Größe/日本語/🖼️.png",
      "with quotes and brackets": `a"b'c<d>[e]{f}.txt`,
      "like a parent directory": "x/../y",
      "with a slash at its end": "folder/",
      "with slashes in a row": "a//b",
      "with dots alone": "./.",
      "longer than a file name may be": `${"n".repeat(300)}.jpg`,
      "as long as a key may be": "ü".repeat(512),
      "with a backslash": "a\\b.txt",
      "like a file that is a folder of others": "range.txt/below",
      "in capitals only different": "SAME.BIN",
    };
    for (const [how, key] of Object.entries(names)) {
      it(how, async () => {
        await put(key, `the bytes of ${key}`);
        expect(await read(key)).to.equal(`the bytes of ${key}`);
      });
    }
  });

  it("may not have a key that climbs above its bucket", async () => {
    for (const key of ["../k", "a/../../k"]) {
      expect(await refusal(put(key, "x")), key).to.deep.include({ status: 400 });
      expect(await refusal(get(key)), key).to.deep.include({ status: 400 });
    }
  });

  it("may not have a key of more than 1024 bytes", async () => {
    expect(await refusal(put("k".repeat(1025), "x"))).to.deep.equal({ code: "KeyTooLongError", status: 400 });
  });

  it("may not have more than 2 KB of metadata", async () => {
    const refused = await refusal(put("meta.txt", "x", { Metadata: { long: "x".repeat(2048) } }));
    expect(refused).to.deep.equal({ code: "MetadataTooLarge", status: 400 });
  });
});
