import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { expect } from "chai";
import { refusal, s3, useBucket } from "./target.ts";

const MIB = 1024 * 1024;

describe("S3: an upload in parts", () => {
  const bucket = useBucket();
  const parts = [randomBytes(5 * MIB), randomBytes(5 * MIB), randomBytes(1000)];

  const begin = async (Key: string, more = {}) => {
    const target = await s3();
    const { UploadId } = await target.send(
      new CreateMultipartUploadCommand({ Bucket: bucket(), Key, ...more }),
    );
    return { Bucket: bucket(), Key, UploadId };
  };
  const upload = async (to: Awaited<ReturnType<typeof begin>>, bodies: Buffer[]) => {
    const target = await s3();
    const sent = bodies.map((Body, index) =>
      target.send(new UploadPartCommand({ ...to, PartNumber: index + 1, Body })),
    );
    return (await Promise.all(sent)).map(({ ETag }, index) => ({ ETag, PartNumber: index + 1 }));
  };
  const complete = async (to: Awaited<ReturnType<typeof begin>>, Parts: object[], more = {}) =>
    (await s3()).send(new CompleteMultipartUploadCommand({ ...to, MultipartUpload: { Parts }, ...more }));
  const bytes = async (Key: string, more = {}) => {
    const { Body } = await (await s3()).send(new GetObjectCommand({ Bucket: bucket(), Key, ...more }));
    return Buffer.from((await Body?.transformToByteArray()) as Uint8Array);
  };

  it("becomes one object with the ETag of its parts", async () => {
    const to = await begin("whole.bin", { ContentType: "image/x", Metadata: { a: "1" } });
    const { ETag } = await complete(to, await upload(to, parts));
    const hash = createHash("md5");
    for (const part of parts) hash.update(createHash("md5").update(part).digest());
    expect(ETag).to.equal(`"${hash.digest("hex")}-3"`);
    expect((await bytes("whole.bin")).equals(Buffer.concat(parts))).to.equal(true);
    const head = await (await s3()).send(new HeadObjectCommand({ Bucket: bucket(), Key: "whole.bin" }));
    expect(head).to.deep.include({ ContentType: "image/x", Metadata: { a: "1" }, ETag });
  });

  it("is read part by part", async () => {
    const to = await begin("by-part.bin");
    await complete(to, await upload(to, parts));
    expect((await bytes("by-part.bin", { PartNumber: 2 })).equals(parts[1] as Buffer)).to.equal(true);
    const request = { Bucket: bucket(), Key: "by-part.bin", PartNumber: 3 };
    const head = await (await s3()).send(new HeadObjectCommand(request));
    expect(head).to.deep.include({ PartsCount: 3, ContentLength: 1000 });
  });

  it("is not visible before it is complete", async () => {
    const to = await begin("unfinished.bin");
    await upload(to, parts.slice(2));
    expect(await refusal(bytes("unfinished.bin"))).to.deep.include({ status: 404 });
    await (await s3()).send(new AbortMultipartUploadCommand(to));
  });

  it("lists its parts and is listed", async () => {
    const to = await begin("listed.bin");
    const [part] = await upload(to, parts.slice(2));
    const target = await s3();
    const { Parts } = await target.send(new ListPartsCommand(to));
    expect(Parts?.map(({ ETag, PartNumber, Size }) => ({ ETag, PartNumber, Size }))).to.deep.equal([
      { ...part, Size: 1000 },
    ]);
    const { Uploads } = await target.send(new ListMultipartUploadsCommand({ Bucket: bucket() }));
    expect(Uploads?.map(({ UploadId }) => UploadId)).to.include(to.UploadId);
    await target.send(new AbortMultipartUploadCommand(to));
  });

  it("is gone when it was aborted", async () => {
    const to = await begin("aborted.bin");
    await upload(to, parts.slice(2));
    await (await s3()).send(new AbortMultipartUploadCommand(to));
    expect(await refusal(upload(to, parts.slice(2)))).to.deep.equal({ code: "NoSuchUpload", status: 404 });
  });

  it("refuses parts that are too small, all but the last", async () => {
    const to = await begin("small.bin");
    const small = [Buffer.alloc(1000), Buffer.alloc(1000)];
    const refused = await refusal(complete(to, await upload(to, small)));
    expect(refused).to.deep.equal({ code: "EntityTooSmall", status: 400 });
    await (await s3()).send(new AbortMultipartUploadCommand(to));
  });

  it("refuses parts that were not uploaded, or are in disorder", async () => {
    const to = await begin("wrong.bin");
    const sent = await upload(to, parts);
    const unknown = [{ PartNumber: 9, ETag: '"d41d8cd98f00b204e9800998ecf8427e"' }];
    expect(await refusal(complete(to, unknown))).to.deep.equal({ code: "InvalidPart", status: 400 });
    const disorder = sent.slice(0, 2).toReversed();
    expect(await refusal(complete(to, disorder))).to.deep.equal({ code: "InvalidPartOrder", status: 400 });
    await (await s3()).send(new AbortMultipartUploadCommand(to));
  });

  it("takes the last of several parts of one number", async () => {
    const to = await begin("replaced.bin");
    await upload(to, [Buffer.from("first")]);
    await complete(to, await upload(to, [Buffer.from("second")]));
    expect((await bytes("replaced.bin")).toString()).to.equal("second");
  });

  it("keeps a condition when it is completed", async () => {
    const to = await begin("condition.bin");
    const sent = await upload(to, parts.slice(2));
    await (await s3()).send(new PutObjectCommand({ Bucket: bucket(), Key: "condition.bin", Body: "x" }));
    const refused = await refusal(complete(to, sent, { IfNoneMatch: "*" }));
    expect(refused).to.deep.equal({ code: "PreconditionFailed", status: 412 });
    await (await s3()).send(new AbortMultipartUploadCommand(to));
  });

  describe("on a condition", () => {
    const conflict = { code: "ConditionalRequestConflict", status: 409 };
    const put = async (Key: string, Body: string) =>
      (await s3()).send(new PutObjectCommand({ Bucket: bucket(), Key, Body }));
    const remove = async (Key: string) =>
      (await s3()).send(new DeleteObjectCommand({ Bucket: bucket(), Key }));

    it("conflicts with a delete since it began", async () => {
      await put("deleted.bin", "x");
      const to = await begin("deleted.bin");
      const sent = await upload(to, parts.slice(2));
      await remove("deleted.bin");
      expect(await refusal(complete(to, sent, { IfNoneMatch: "*" }))).to.deep.equal(conflict);
      await (await s3()).send(new AbortMultipartUploadCommand(to));
      const again = await begin("deleted.bin");
      await complete(again, await upload(again, parts.slice(2)), { IfNoneMatch: "*" });
    });

    it("conflicts with a write since it began, though that wrote the same", async () => {
      const { ETag } = await put("written.bin", "x");
      const to = await begin("written.bin");
      const sent = await upload(to, parts.slice(2));
      await put("written.bin", "x");
      const other = await refusal(complete(to, sent, { IfMatch: '"other"' }));
      expect(other).to.deep.equal({ code: "PreconditionFailed", status: 412 });
      expect(await refusal(complete(to, sent, { IfMatch: ETag }))).to.deep.equal(conflict);
      await (await s3()).send(new AbortMultipartUploadCommand(to));
      const again = await begin("written.bin");
      await complete(again, await upload(again, parts.slice(2)), { IfMatch: ETag });
    });
  });

  it("is completed again with the same answer", async () => {
    const to = await begin("again.bin");
    const sent = await upload(to, parts.slice(2));
    const { $metadata: first, ...answer } = await complete(to, sent);
    const { $metadata: second, ...repeated } = await complete(to, sent);
    expect(repeated).to.deep.equal(answer);
    const unknown = [{ PartNumber: 1, ETag: '"d41d8cd98f00b204e9800998ecf8427e"' }];
    expect(await refusal(complete(to, unknown))).to.deep.equal({ code: "InvalidPart", status: 400 });
    expect(await refusal(upload(to, parts.slice(2)))).to.deep.equal({ code: "NoSuchUpload", status: 404 });
  });

  it("copies no parts that the object does not have", async () => {
    const target = await s3();
    await target.send(new PutObjectCommand({ Bucket: bucket(), Key: "source.txt", Body: "0123456789" }));
    const to = await begin("uncopied.txt");
    const source = { CopySource: `${bucket()}/source.txt`, PartNumber: 1 };
    const copy = (CopySourceRange: string) =>
      refusal(target.send(new UploadPartCopyCommand({ ...to, ...source, CopySourceRange })));
    for (const malformed of ["0-8", "bytes=1-0", "bytes=1-", "bytes=-2", "bytes=0-1,3-4", "bytes=0-100"])
      expect(await copy(malformed), malformed).to.deep.equal({ code: "InvalidArgument", status: 400 });
    expect(await copy("bytes=100-200")).to.deep.equal({ code: "InvalidRequest", status: 400 });
    await target.send(new AbortMultipartUploadCommand(to));
  });

  it("copies parts from an object", async () => {
    const target = await s3();
    await target.send(new PutObjectCommand({ Bucket: bucket(), Key: "source.txt", Body: "0123456789" }));
    const to = await begin("assembled.txt");
    const CopySource = `${bucket()}/source.txt`;
    const range = { CopySourceRange: "bytes=3-5" };
    const { CopyPartResult } = await target.send(
      new UploadPartCopyCommand({ ...to, PartNumber: 1, CopySource, ...range }),
    );
    await complete(to, [{ PartNumber: 1, ETag: CopyPartResult?.ETag }]);
    expect((await bytes("assembled.txt")).toString()).to.equal("345");
  });

  it("is made by the SDK of a stream whose length nobody knows", async () => {
    const client = await s3();
    const body = Buffer.concat(parts);
    const Body = Readable.from([body.subarray(0, 7 * MIB), body.subarray(7 * MIB)]);
    await new Upload({ client, params: { Bucket: bucket(), Key: "streamed.bin", Body } }).done();
    expect((await bytes("streamed.bin")).equals(body)).to.equal(true);
  });
});
