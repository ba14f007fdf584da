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
import { refusal, s3, useBucket } from "./target.ts";

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
      const Body = Readable.from([Buffer.from("1234"), Buffer.from("56789")]);
      await put({ Body, ContentLength: 9, ChecksumAlgorithm: ChecksumAlgorithm[algorithm] });
      expect((await head())[`Checksum${algorithm}`]).to.equal(KNOWN[algorithm]);
    });

    it(`${algorithm} that is wrong is refused`, async () => {
      const wrong = Buffer.alloc(Buffer.from(KNOWN[algorithm], "base64").length).toString("base64");
      const refused = await refusal(put({ [`Checksum${algorithm}`]: wrong }));
      expect(refused).to.deep.equal({ code: "BadDigest", status: 400 });
    });
  }

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
