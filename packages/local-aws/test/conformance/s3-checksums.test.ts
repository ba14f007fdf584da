import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import {
  ChecksumAlgorithm,
  type ChecksumType,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { expect } from "chai";
import { raw, refusal, s3, useBucket } from "./target.ts";

const ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] as const;

/** Of "123456789", from the specifications of the algorithms. */
const KNOWN = {
  CRC32: "y/Q5Jg==",
  CRC32C: "4waSgw==",
  CRC64NVME: "rosUhgp5mIg=",
  SHA1: createHash("sha1").update("123456789").digest("base64"),
  SHA256: createHash("sha256").update("123456789").digest("base64"),
};

describe("S3: a checksum", () => {
  const bucket = useBucket();

  const put = async (more: object) => {
    const request = { Bucket: bucket(), Key: "sum", Body: "123456789", ...more };
    return (await s3()).send(new PutObjectCommand(request));
  };
  const head = async () =>
    (await s3()).send(new HeadObjectCommand({ Bucket: bucket(), Key: "sum", ChecksumMode: "ENABLED" }));

  for (const algorithm of ALGORITHMS) {
    it(`${algorithm} in a header is verified and kept`, async () => {
      await put({ ChecksumAlgorithm: ChecksumAlgorithm[algorithm] });
      expect(await head()).to.deep.include({
        [`Checksum${algorithm}`]: KNOWN[algorithm],
        ChecksumType: "FULL_OBJECT",
      });
    });

    it(`${algorithm} in a trailer is verified and kept`, async () => {
      const Body = Readable.from([Buffer.from("123456789")]);
      await put({ Body, ContentLength: 9, ChecksumAlgorithm: ChecksumAlgorithm[algorithm] });
      expect((await head())[`Checksum${algorithm}`]).to.equal(KNOWN[algorithm]);
    });

    it(`${algorithm} that is wrong is refused`, async () => {
      const wrong = Buffer.alloc(Buffer.from(KNOWN[algorithm], "base64").length).toString("base64");
      const refused = await refusal(put({ [`Checksum${algorithm}`]: wrong }));
      expect(refused).to.deep.equal({ code: "BadDigest", status: 400 });
    });
  }

  it("is CRC64NVME where the client sends none", async () => {
    const { status, headers } = await raw(bucket(), { method: "PUT", path: "/sum", body: "123456789" });
    expect(status).to.equal(200);
    const expected = { "x-amz-checksum-crc64nvme": KNOWN.CRC64NVME, "x-amz-checksum-type": "FULL_OBJECT" };
    expect(headers).to.include(expected);
    expect(await head()).to.deep.include({
      ChecksumCRC64NVME: KNOWN.CRC64NVME,
      ChecksumType: "FULL_OBJECT",
    });
  });

  it("comes with a range that is the whole, and with no other", async () => {
    await put({ ChecksumAlgorithm: ChecksumAlgorithm.SHA1 });
    const get = async (Range: string) =>
      (await s3()).send(
        new GetObjectCommand({ Bucket: bucket(), Key: "sum", ChecksumMode: "ENABLED", Range }),
      );
    expect((await get("bytes=0-99")).ChecksumSHA1).to.equal(KNOWN.SHA1);
    expect((await get("bytes=1-")).ChecksumSHA1).to.equal(undefined);
  });

  it("comes with a read that asks for it, and the SDK verifies it", async () => {
    await put({ ChecksumAlgorithm: ChecksumAlgorithm.CRC32C });
    const request = new GetObjectCommand({ Bucket: bucket(), Key: "sum", ChecksumMode: "ENABLED" });
    const { ChecksumCRC32C, Body } = await (await s3()).send(request);
    expect(ChecksumCRC32C).to.equal(KNOWN.CRC32C);
    expect(await Body?.transformToString()).to.equal("123456789");
  });

  it("Content-MD5 is verified", async () => {
    await put({ ContentMD5: createHash("md5").update("123456789").digest("base64") });
    const wrong = createHash("md5").update("other").digest("base64");
    expect(await refusal(put({ ContentMD5: wrong }))).to.deep.equal({ code: "BadDigest", status: 400 });
  });

  it("Content-MD5 that is none is refused", async () => {
    expect(await refusal(put({ ContentMD5: "bm9uZQ==" }))).to.deep.equal({
      code: "InvalidDigest",
      status: 400,
    });
  });

  it("that is refused leaves what was there before", async () => {
    await put({ Body: "before" });
    await refusal(put({ Body: "after", ChecksumCRC32: "AAAAAA==" }));
    const { Body } = await (await s3()).send(new GetObjectCommand({ Bucket: bucket(), Key: "sum" }));
    expect(await Body?.transformToString()).to.equal("before");
  });

  describe("of an upload in parts", () => {
    const parts = [randomBytes(5 * 1024 * 1024), Buffer.from("the end")];

    const readPart = async (PartNumber: number) => {
      const part = { Bucket: bucket(), Key: "parts", PartNumber };
      return (await s3()).send(new GetObjectCommand({ ...part, ChecksumMode: "ENABLED" }));
    };

    const uploadAll = async (algorithm: ChecksumAlgorithm, type?: ChecksumType) => {
      const target = await s3();
      const to = { Bucket: bucket(), Key: "parts" };
      const { UploadId } = await target.send(
        new CreateMultipartUploadCommand({ ...to, ChecksumAlgorithm: algorithm, ChecksumType: type }),
      );
      const Parts = [];
      for (const [index, Body] of parts.entries()) {
        const number = { PartNumber: index + 1 };
        const part = { ...to, UploadId, ...number, Body, ChecksumAlgorithm: algorithm };
        const { $metadata, ...sent } = await target.send(new UploadPartCommand(part));
        Parts.push({ ...sent, ...number });
      }
      return target.send(new CompleteMultipartUploadCommand({ ...to, UploadId, MultipartUpload: { Parts } }));
    };

    it("is made of those of its parts", async () => {
      const { ChecksumSHA256, ChecksumType } = await uploadAll("SHA256");
      const whole = createHash("sha256");
      for (const part of parts) whole.update(createHash("sha256").update(part).digest());
      expect(ChecksumSHA256).to.equal(`${whole.digest("base64")}-2`);
      expect(ChecksumType).to.equal("COMPOSITE");
    });

    it("is, of one part that is read, its own", async () => {
      await uploadAll("SHA256");
      expect(await readPart(2)).to.include({
        ChecksumSHA256: createHash("sha256").update("the end").digest("base64"),
        ChecksumType: "COMPOSITE",
      });
    });

    it("is CRC64NVME of the whole where the client names none", async () => {
      const begun = await raw(bucket(), { method: "POST", path: "/parts", query: { uploads: "" } });
      const [, uploadId = ""] = /<UploadId>(.*)<\/UploadId>/.exec(begun.body) ?? [];
      const ends = ["1234", "56789"].map((end, index) =>
        index === 0 ? Buffer.alloc(5 * 1024 * 1024, end) : end,
      );
      const Parts = [];
      for (const [index, body] of ends.entries()) {
        const query = { uploadId, partNumber: String(index + 1) };
        const { headers } = await raw(bucket(), { method: "PUT", path: "/parts", query, body });
        Parts.push({ PartNumber: index + 1, ETag: headers.etag });
      }
      const complete = { Bucket: bucket(), Key: "parts", UploadId: uploadId, MultipartUpload: { Parts } };
      const { ChecksumType, ChecksumCRC64NVME } = await (await s3()).send(
        new CompleteMultipartUploadCommand(complete),
      );
      expect(ChecksumType).to.equal("FULL_OBJECT");
      await put({ Body: Buffer.concat(ends.map((end) => Buffer.from(end))), ChecksumAlgorithm: "CRC64NVME" });
      expect((await head()).ChecksumCRC64NVME).to.equal(ChecksumCRC64NVME);
      expect((await readPart(2)).ChecksumCRC64NVME).to.equal(undefined);
    });

    it("is that of the whole where the algorithm allows it", async () => {
      const { ChecksumCRC32, ChecksumType } = await uploadAll("CRC32", "FULL_OBJECT");
      const { crc32 } = await import("node:zlib");
      const value = Buffer.alloc(4);
      value.writeUInt32BE(crc32(Buffer.concat(parts)));
      expect(ChecksumCRC32).to.equal(value.toString("base64"));
      expect(ChecksumType).to.equal("FULL_OBJECT");
    });
  });
});

describe("S3: a body in chunks", () => {
  const bucket = useBucket();

  const put = async (sizes: number[]) => {
    const Body = Readable.from(sizes.map((size) => Buffer.alloc(size)));
    const ContentLength = sizes.reduce((sum, size) => sum + size, 0);
    return (await s3()).send(new PutObjectCommand({ Bucket: bucket(), Key: "chunks", Body, ContentLength }));
  };

  it("may be small in its last chunk", async () => {
    expect((await put([8192, 8192, 1])).$metadata.httpStatusCode).to.equal(200);
  });

  it("is refused with a small chunk before the last", async () => {
    const refused = await refusal(put([8192, 8191, 8192]));
    expect(refused).to.deep.equal({ code: "InvalidChunkSizeError", status: 403 });
  });
});
