import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { expect } from "chai";
import { refusal, s3, useBucket } from "./target.ts";

const PRECONDITION_FAILED = { code: "PreconditionFailed", status: 412 };

describe("S3: a condition", () => {
  const bucket = useBucket();

  const put = async (Key: string, Body: string, more = {}) =>
    (await s3()).send(new PutObjectCommand({ Bucket: bucket(), Key, Body, ...more }));
  const get = async (Key: string, more = {}) =>
    (await s3()).send(new GetObjectCommand({ Bucket: bucket(), Key, ...more }));
  const read = async (Key: string) => (await get(Key)).Body?.transformToString();

  it("If-None-Match: * lets a write create", async () => {
    await put("new.txt", "first", { IfNoneMatch: "*" });
    expect(await read("new.txt")).to.equal("first");
  });

  it("If-None-Match: * keeps a write from replacing", async () => {
    await put("kept.txt", "first");
    expect(await refusal(put("kept.txt", "second", { IfNoneMatch: "*" }))).to.deep.equal(PRECONDITION_FAILED);
    expect(await read("kept.txt")).to.equal("first");
  });

  it("If-None-Match: * has one winner among twenty writers", async () => {
    const writers = Array.from({ length: 20 }, (_, index) =>
      put("race.txt", `writer ${index}`, { IfNoneMatch: "*" }),
    );
    const results = await Promise.allSettled(writers);
    const winners = results.flatMap(({ status }, index) => (status === "fulfilled" ? [index] : []));
    expect(winners).to.have.length(1);
    expect(await read("race.txt")).to.equal(`writer ${winners[0]}`);
  });

  it("If-None-Match: * lets a write create what was deleted", async () => {
    await put("again.txt", "first");
    await (await s3()).send(new DeleteObjectCommand({ Bucket: bucket(), Key: "again.txt" }));
    await put("again.txt", "second", { IfNoneMatch: "*" });
    expect(await read("again.txt")).to.equal("second");
  });

  it("If-Match lets a write replace what it names", async () => {
    const { ETag } = await put("match.txt", "first");
    await put("match.txt", "second", { IfMatch: ETag });
    expect(await read("match.txt")).to.equal("second");
  });

  it("If-Match keeps a write from replacing anything else", async () => {
    const { ETag } = await put("moved.txt", "first");
    await put("moved.txt", "second");
    expect(await refusal(put("moved.txt", "third", { IfMatch: ETag }))).to.deep.equal(PRECONDITION_FAILED);
  });

  it("If-Match keeps a write from creating", async () => {
    const refused = await refusal(put("nothing.txt", "x", { IfMatch: '"d41d8cd98f00b204e9800998ecf8427e"' }));
    expect(refused).to.deep.equal({ code: "NoSuchKey", status: 404 });
  });

  it("If-Match: * is none that a write knows", async () => {
    await put("star.txt", "first");
    const refused = { code: "NotImplemented", status: 501 };
    expect(await refusal(put("star.txt", "second", { IfMatch: "*" }))).to.deep.equal(refused);
    const both = { IfMatch: '"other"', IfNoneMatch: "*" };
    expect(await refusal(put("star.txt", "second", both))).to.deep.equal(refused);
    expect(await read("star.txt")).to.equal("first");
  });

  it("If-Match lets a delete remove what it names, and nothing else", async () => {
    const remove = async (IfMatch: string | undefined) =>
      (await s3()).send(new DeleteObjectCommand({ Bucket: bucket(), Key: "doomed.txt", IfMatch }));
    const { ETag } = await put("doomed.txt", "x");
    expect(await refusal(remove('"other"'))).to.deep.equal(PRECONDITION_FAILED);
    await remove(ETag);
    expect(await refusal(read("doomed.txt"))).to.deep.include({ status: 404 });
  });

  it("If-Match has one winner among writers that read the same", async () => {
    const { ETag } = await put("contended.txt", "0");
    const writers = Array.from({ length: 10 }, (_, index) =>
      put("contended.txt", `${index + 1}`, { IfMatch: ETag }),
    );
    const results = await Promise.allSettled(writers);
    expect(results.filter(({ status }) => status === "fulfilled")).to.have.length(1);
  });

  it("If-None-Match answers a read with 304 when the reader has it", async () => {
    const { ETag } = await put("cached.txt", "x");
    expect(await refusal(get("cached.txt", { IfNoneMatch: ETag }))).to.deep.include({ status: 304 });
    expect((await get("cached.txt", { IfNoneMatch: '"other"' })).$metadata.httpStatusCode).to.equal(200);
  });

  it("If-Match answers a read with 412 when it is another", async () => {
    const { ETag } = await put("read.txt", "x");
    expect(await refusal(get("read.txt", { IfMatch: '"other"' }))).to.deep.equal(PRECONDITION_FAILED);
    expect((await get("read.txt", { IfMatch: ETag })).$metadata.httpStatusCode).to.equal(200);
  });

  it("If-Modified-Since answers a read with 304 when nothing changed since", async () => {
    await put("dated.txt", "x");
    const target = await s3();
    const { LastModified } = await target.send(new HeadObjectCommand({ Bucket: bucket(), Key: "dated.txt" }));
    expect(await refusal(get("dated.txt", { IfModifiedSince: LastModified }))).to.deep.include({
      status: 304,
    });
    const before = new Date(0);
    expect((await get("dated.txt", { IfModifiedSince: before })).$metadata.httpStatusCode).to.equal(200);
  });

  it("If-Modified-Since is ignored where it is in the future", async () => {
    await put("dated.txt", "x");
    const IfModifiedSince = new Date(Date.now() + 24 * 60 * 60 * 1000);
    expect((await get("dated.txt", { IfModifiedSince })).$metadata.httpStatusCode).to.equal(200);
  });

  it("If-Unmodified-Since answers a read with 412 when it changed since", async () => {
    await put("dated.txt", "x");
    expect(await refusal(get("dated.txt", { IfUnmodifiedSince: new Date(0) }))).to.deep.equal(
      PRECONDITION_FAILED,
    );
  });

  it("on the source keeps a copy from being made", async () => {
    await put("source.txt", "x");
    const copy = new CopyObjectCommand({
      Bucket: bucket(),
      Key: "target.txt",
      CopySource: `${bucket()}/source.txt`,
      CopySourceIfMatch: '"other"',
    });
    expect(await refusal((await s3()).send(copy))).to.deep.equal(PRECONDITION_FAILED);
  });

  it("that fails keeps a copy onto itself from being judged otherwise", async () => {
    await put("self.txt", "x");
    const self = { Bucket: bucket(), Key: "self.txt", CopySource: `${bucket()}/self.txt` };
    const copy = (await s3()).send(new CopyObjectCommand({ ...self, IfNoneMatch: "*" }));
    expect(await refusal(copy)).to.deep.equal(PRECONDITION_FAILED);
  });
});
