import { createHash } from "node:crypto";
import { readdirSync, readlinkSync } from "node:fs";
import { expect } from "chai";
import type { AccessRequest, SignedPiece } from "../../src/rest/http.ts";
import { S3Error } from "../../src/store/errors.ts";
import { bytes, openStore, serve } from "./support.ts";

/** What was asked for, as text: the action and what it is about. */
function describeAccess({ action, bucket, key, versionId, prefix, encryptionKey }: AccessRequest): string {
  const about = { bucket, key, versionId, prefix, encryptionKey };
  const told = Object.entries(about).filter(([, value]) => value !== undefined);
  return [action, ...told.map(([name, value]) => `${name}=${value}`)].join(" ");
}

describe("the S3 protocol", () => {
  it("answers an error in S3's XML, with the ids that the headers carry", async () => {
    const ask = await serve(await openStore());
    const { status, headers, body } = await ask("/bucket/a%26b");
    expect(status).to.equal(404);
    expect(headers["content-type"]).to.equal("application/xml");
    expect(body).to.equal(
      [
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code>',
        "<Message>The specified key does not exist.</Message><Key>a&amp;b</Key>",
        `<RequestId>${headers["x-amz-request-id"]}</RequestId><HostId>${headers["x-amz-id-2"]}</HostId></Error>`,
      ].join(""),
    );
  });

  it("answers a HEAD without a body, also an error", async () => {
    const ask = await serve(await openStore());
    expect(await ask("/bucket/nothing", { method: "HEAD" })).to.include({ status: 404, body: "" });
  });

  const unknown: [method: string, path: string, name: string][] = [
    ["GET", "/bucket?acl", "GetBucketAcl"],
    ["PUT", "/bucket?policy", "PutBucketPolicy"],
    ["PUT", "/bucket/key?tagging", "PutObjectTagging"],
    ["DELETE", "/bucket?lifecycle", "DeleteBucketLifecycle"],
    ["POST", "/bucket/key?select", "PostObjectSelect"],
  ];
  for (const [method, path, name] of unknown) {
    it(`says that ${name} is not implemented`, async () => {
      const ask = await serve(await openStore());
      const { status, body } = await ask(path, { method });
      expect(status).to.equal(501);
      expect(body).to.include("<Code>NotImplemented</Code>").and.include(name);
    });
  }

  for (const header of ["x-amz-object-lock-mode", "x-amz-server-side-encryption-customer-key"]) {
    it(`refuses ${header} rather than to ignore it`, async () => {
      const ask = await serve(await openStore());
      const { status, body } = await ask("/bucket/k", {
        method: "PUT",
        headers: { [header]: "x" },
        body: "x",
      });
      expect(status).to.equal(501);
      expect(body).to.include(`<Header>${header}</Header>`);
    });
  }

  for (const [tagging, code] of [
    ["a=1&a=2", "InvalidArgument"],
    ["a=1=2", "InvalidArgument"],
    ["=1", "InvalidArgument"],
    ["a=%zz", "InvalidArgument"],
    ["aws:a=1", "InvalidTag"],
    [`${"a".repeat(129)}=1`, "InvalidTag"],
    [`a=${"1".repeat(257)}`, "InvalidTag"],
    [Array.from({ length: 11 }, (_, index) => `a${index}=1`).join("&"), "BadRequest"],
  ] as const) {
    it(`refuses the tags ${tagging.slice(0, 20)} with ${code}`, async () => {
      const ask = await serve(await openStore());
      const headers = { "x-amz-tagging": tagging };
      const { status, body } = await ask("/bucket/k", { method: "PUT", headers, body: "x" });
      expect(status).to.equal(400);
      expect(body).to.include(`<Code>${code}</Code>`);
    });
  }

  it("keeps the text of encoded words in metadata, and gives it encoded again", async () => {
    const store = await openStore();
    const ask = await serve(store);
    const headers = {
      "x-amz-meta-b": "=?UTF-8?B?w6TDtg==?=",
      "x-amz-meta-q": "=?utf-8?Q?=C3=A4_b?=",
      "x-amz-meta-two": "=?UTF-8?B?w6Q=?= =?UTF-8?B?w7Y=?=",
      "x-amz-meta-plain": "=?no",
    };
    await ask("/bucket/k", { method: "PUT", headers, body: "x" });

    expect(store.head("bucket", "k").metadata).to.deep.equal({ b: "äö", q: "ä b", two: "äö", plain: "=?no" });
    const answer = await ask("/bucket/k", { method: "HEAD" });
    expect(answer.headers).to.include({ "x-amz-meta-b": "=?UTF-8?B?w6TDtg==?=", "x-amz-meta-plain": "=?no" });
  });

  for (const host of ["bucket.localhost:4566", "bucket.s3.localhost", "bucket.s3.eu-west-1.amazonaws.com"]) {
    it(`finds the bucket in the host name ${host}`, async () => {
      const store = await openStore();
      const ask = await serve(store);
      await ask("/folder/k", { method: "PUT", headers: { host }, body: "hosted" });
      expect(store.head("bucket", "folder/k").size).to.equal(6);
      expect(await ask("/bucket/folder/k")).to.include({ status: 200, body: "hosted" });
    });
  }

  it("makes one's own bucket again in us-east-1", async () => {
    const store = await openStore({ region: "us-east-1" });
    await store.put("bucket", "k", bytes("x"));
    const ask = await serve(store);
    expect(await ask("/bucket", { method: "PUT" })).to.include({ status: 200 });
    expect(await ask("/bucket/k")).to.include({ status: 200, body: "x" });
  });

  it("refuses who expects a bucket to be another account's", async () => {
    const ask = await serve(await openStore());
    const put = (owner: string) =>
      ask("/bucket/k", { method: "PUT", body: "x", headers: { "x-amz-expected-bucket-owner": owner } });
    expect(await put("123456789012")).to.include({ status: 200 });
    const { status, body } = await put("210987654321");
    expect(status).to.equal(403);
    expect(body).to.include("<Code>AccessDenied</Code>");
  });

  it("takes a plus in a path for a space, as S3 does", async () => {
    const store = await openStore();
    const ask = await serve(store);
    await ask("/bucket/a+b%2Bc", { method: "PUT", body: "x" });
    expect(store.head("bucket", "a b+c").size).to.equal(1);
  });

  it("refuses a path that is no UTF-8", async () => {
    const ask = await serve(await openStore());
    const { status, body } = await ask("/bucket/%ff");
    expect(status).to.equal(400);
    expect(body).to.include("<Code>InvalidURI</Code>");
  });

  it("refuses a marker of parts that is no number", async () => {
    const store = await openStore();
    const { id } = await store.multipart.create("bucket", "k");
    const ask = await serve(store);
    const parts = (marker: string) => ask(`/bucket/k?uploadId=${id}&part-number-marker=${marker}`);
    expect((await parts("7")).body).to.include("<PartNumberMarker>7</PartNumberMarker>");
    const { status, body } = await parts("seven");
    expect(status).to.equal(400);
    expect(body).to.include("<Code>InvalidArgument</Code>");
  });

  it("refuses a PUT that does not say how long it is", async () => {
    const ask = await serve(await openStore());
    const { status, body } = await ask("/bucket/k", { method: "PUT", chunked: true, body: "x" });
    expect(status).to.equal(411);
    expect(body).to.include("<Code>MissingContentLength</Code>");
  });

  it("refuses a body that is not what its signature is about", async () => {
    const store = await openStore();
    const ask = await serve(store);
    const headers = { "x-amz-content-sha256": createHash("sha256").update("other").digest("hex") };
    const { status, body } = await ask("/bucket/k", { method: "PUT", headers, body: "x" });
    expect(status).to.equal(400);
    expect(body).to.include("<Code>XAmzContentSHA256Mismatch</Code>");
    expect(() => store.head("bucket", "k")).to.throw(S3Error);
  });

  it("answers before it has read a body that it refuses", async () => {
    const ask = await serve(await openStore());
    const { status } = await ask("/no-such-bucket/k", { method: "PUT", body: Buffer.alloc(3_000_000) });
    expect(status).to.equal(404);
  });

  it("makes metadata beyond ASCII mail-safe, as S3 does", async () => {
    const ask = await serve(await openStore());
    const value = Buffer.from("Größe").toString("latin1");
    await ask("/bucket/k", { method: "PUT", headers: { "x-amz-meta-size": value }, body: "x" });
    const { headers } = await ask("/bucket/k", { method: "HEAD" });
    expect(headers["x-amz-meta-size"]).to.equal(`=?UTF-8?B?${Buffer.from("Größe").toString("base64")}?=`);
  });

  it("leaves no file open of a copy that is refused", async () => {
    if (process.platform !== "linux") return; // only there a process can see which files it has open
    const store = await openStore();
    const { blob } = await store.put("bucket", "k", bytes("x"));
    const ask = await serve(store);
    const headers = { "x-amz-copy-source": "/bucket/k" };
    for (const path of ["/no-such-bucket/copy", `/bucket/${"k".repeat(1025)}`]) {
      expect((await ask(path, { method: "PUT", headers })).status).to.be.oneOf([400, 404]);
    }
    const open = readdirSync("/proc/self/fd").map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return ""; // closed meanwhile
      }
    });
    expect(open.filter((file) => file.endsWith(blob))).to.deep.equal([]);
  });

  it("reports nothing where a client goes away before it has the whole answer", async () => {
    const failures: unknown[] = [];
    const store = await openStore();
    await store.put("bucket", "k", [Buffer.alloc(3_000_000)]);
    const { promise, resolve } = Promise.withResolvers<void>();
    store.send = async (_version, _range, response) => {
      response.destroy();
      resolve();
      throw new Error("the receiver went away");
    };
    const ask = await serve(store, { failed: (error) => failures.push(error) });
    await ask("/bucket/k").catch(() => {});
    await promise;
    await new Promise(setImmediate);
    expect(failures).to.deep.equal([]);
  });

  it("answers a fault of the store with 500 and reports it", async () => {
    const store = await openStore();
    const failures: unknown[] = [];
    const ask = await serve(store, { failed: (error) => failures.push(error) });
    store.head = () => {
      throw new Error("a fault");
    };
    const { status, body } = await ask("/bucket/k");
    expect(status).to.equal(500);
    expect(body).to.include("<Code>InternalError</Code>").and.not.include("a fault");
    expect(failures.map(String)).to.deep.equal(["Error: a fault"]);
  });
});

describe("the permissions that a request needs", () => {
  const needed = async (path: string, ask: object = {}, key = "") => {
    const store = await openStore();
    store.setEncryptionKey("bucket", key);
    await store.put("bucket", "k", bytes("x"));
    const asked: string[] = [];
    const send = await serve(store, { authorize: (request) => void asked.push(describeAccess(request)) });
    await send(path, ask);
    return asked;
  };

  const cases: [what: string, path: string, ask: object, actions: string[]][] = [
    ["a GET", "/bucket/k", {}, ["s3:GetObject bucket=bucket key=k"]],
    ["a HEAD", "/bucket/k", { method: "HEAD" }, ["s3:GetObject bucket=bucket key=k"]],
    [
      "a GET of a version",
      "/bucket/k?versionId=null",
      {},
      ["s3:GetObjectVersion bucket=bucket key=k versionId=null"],
    ],
    [
      "a GET of nothing",
      "/bucket/nothing",
      {},
      ["s3:GetObject bucket=bucket key=nothing", "s3:ListBucket bucket=bucket"],
    ],
    ["a PUT", "/bucket/k", { method: "PUT" }, ["s3:PutObject bucket=bucket key=k"]],
    [
      "a PUT that reads what it replaces",
      "/bucket/k",
      { method: "PUT", headers: { "if-match": '"other"' } },
      ["s3:PutObject bucket=bucket key=k", "s3:GetObject bucket=bucket key=k"],
    ],
    ["a DELETE", "/bucket/k", { method: "DELETE" }, ["s3:DeleteObject bucket=bucket key=k"]],
    [
      "a DELETE that reads what it removes",
      "/bucket/k",
      { method: "DELETE", headers: { "if-match": '"other"' } },
      ["s3:DeleteObject bucket=bucket key=k", "s3:GetObject bucket=bucket key=k"],
    ],
    [
      "a DELETE of a version",
      "/bucket/k?versionId=null",
      { method: "DELETE" },
      ["s3:DeleteObjectVersion bucket=bucket key=k versionId=null"],
    ],
    [
      "a copy",
      "/bucket/copy",
      { method: "PUT", headers: { "x-amz-copy-source": "/bucket/k" } },
      ["s3:PutObject bucket=bucket key=copy", "s3:GetObject bucket=bucket key=k"],
    ],
    ["a listing", "/bucket?list-type=2&prefix=a/", {}, ["s3:ListBucket bucket=bucket prefix=a/"]],
    ["a listing of the first edition", "/bucket?prefix=a/", {}, ["s3:ListBucket bucket=bucket prefix=a/"]],
    ["a listing of versions", "/bucket?versions", {}, ["s3:ListBucketVersions bucket=bucket"]],
    ["a listing of uploads", "/bucket?uploads", {}, ["s3:ListBucketMultipartUploads bucket=bucket"]],
    ["an upload in parts", "/bucket/k?uploads", { method: "POST" }, ["s3:PutObject bucket=bucket key=k"]],
    ["a part", "/bucket/k?uploadId=x&partNumber=1", { method: "PUT" }, ["s3:PutObject bucket=bucket key=k"]],
    ["the parts", "/bucket/k?uploadId=x", {}, ["s3:ListMultipartUploadParts bucket=bucket key=k"]],
    [
      "an abort",
      "/bucket/k?uploadId=x",
      { method: "DELETE" },
      ["s3:AbortMultipartUpload bucket=bucket key=k"],
    ],
    ["the tags", "/bucket/k?tagging", {}, ["s3:GetObjectTagging bucket=bucket key=k"]],
    [
      "an upload with tags",
      "/bucket/k",
      { method: "PUT", headers: { "x-amz-tagging": "a=1" }, body: "x" },
      ["s3:PutObject bucket=bucket key=k", "s3:PutObjectTagging bucket=bucket key=k"],
    ],
    ["a new bucket", "/bucket-2", { method: "PUT" }, ["s3:CreateBucket bucket=bucket-2"]],
    ["the end of a bucket", "/bucket", { method: "DELETE" }, ["s3:DeleteBucket bucket=bucket"]],
    ["the notifications", "/bucket?notification", {}, ["s3:GetBucketNotification bucket=bucket"]],
    ["the versioning", "/bucket?versioning", {}, ["s3:GetBucketVersioning bucket=bucket"]],
    ["the location", "/bucket?location", {}, ["s3:GetBucketLocation bucket=bucket"]],
    ["the buckets", "/", {}, ["s3:ListAllMyBuckets"]],
  ];
  for (const [what, path, ask, actions] of cases) {
    it(`of ${what}`, async () => {
      expect(await needed(path, ask)).to.deep.equal(actions);
    });
  }

  const checksum = { "x-amz-checksum-mode": "ENABLED" };
  const ofKey: [what: string, path: string, ask: object, uses: string[]][] = [
    ["a GET", "/bucket/k", {}, ["Decrypt"]],
    ["a HEAD", "/bucket/k", { method: "HEAD" }, []],
    ["a HEAD for the checksum", "/bucket/k", { method: "HEAD", headers: checksum }, ["Decrypt"]],
    ["a PUT", "/bucket/k", { method: "PUT" }, ["GenerateDataKey"]],
    [
      "a copy",
      "/bucket/copy",
      { method: "PUT", headers: { "x-amz-copy-source": "/bucket/k" } },
      ["GenerateDataKey", "Decrypt"],
    ],
    ["an upload in parts", "/bucket/k?uploads", { method: "POST" }, ["GenerateDataKey", "Decrypt"]],
    ["a part", "/bucket/k?uploadId=x&partNumber=1", { method: "PUT" }, ["GenerateDataKey", "Decrypt"]],
    ["a DELETE", "/bucket/k", { method: "DELETE" }, []],
    ["a listing", "/bucket?list-type=2", {}, []],
  ];
  for (const [what, path, ask, uses] of ofKey) {
    it(`of ${what} on the bucket's key: ${uses.join(" and ") || "none"}`, async () => {
      const asked = await needed(path, ask, "ours");
      const keys = asked.filter((each) => each.startsWith("kms:")).map((each) => each.split(" "));
      expect(keys.map(([action]) => action)).to.deep.equal(uses.map((use) => `kms:${use}`));
      for (const key of keys) expect(key.at(-1)).to.equal("encryptionKey=ours");
    });
  }

  it("of a key are those of the key that the version was put with", async () => {
    const store = await openStore();
    await store.put("bucket", "plain", bytes("x"));
    store.setEncryptionKey("bucket", "ours");
    await store.put("bucket", "k", bytes("x"));
    store.setEncryptionKey("bucket", "");
    const asked: string[] = [];
    const ask = await serve(store, { authorize: (request) => void asked.push(describeAccess(request)) });
    const plain = await ask("/bucket/plain");
    const { headers } = await ask("/bucket/k");
    expect(asked.filter((each) => each.startsWith("kms:"))).to.deep.equal([
      "kms:Decrypt bucket=bucket key=k encryptionKey=ours",
    ]);
    expect(plain.headers).to.not.have.property("x-amz-server-side-encryption");
    expect(headers).to.include({
      "x-amz-server-side-encryption": "aws:kms",
      "x-amz-server-side-encryption-aws-kms-key-id": "ours",
    });
  });

  const denying = (...actions: string[]) => ({
    authorize: ({ action }: AccessRequest) => {
      if (actions.includes(action)) throw new S3Error(403, "AccessDenied", `no ${action} for you`);
    },
  });

  it("are asked for before anything is done", async () => {
    const store = await openStore();
    const ask = await serve(store, denying("s3:PutObject"));
    const { status, body } = await ask("/bucket/k", { method: "PUT", body: "x" });
    expect(status).to.equal(403);
    expect(body).to.include("<Code>AccessDenied</Code>").and.include("no s3:PutObject for you");
    expect(() => store.head("bucket", "k")).to.throw("does not exist");
  });

  it("hide from those who may not list whether a key is missing", async () => {
    const ask = await serve(await openStore(), denying("s3:ListBucket"));
    expect(await ask("/bucket/nothing")).to.include({ status: 403 });
    expect(await ask("/bucket/nothing", { method: "HEAD" })).to.include({ status: 403 });
  });

  it("refuse the keys among many that they do not cover, and no others", async () => {
    const store = await openStore();
    await Promise.all(["mine", "yours"].map((key) => store.put("bucket", key, bytes("x"))));
    const ask = await serve(store, {
      authorize: ({ key }) => {
        if (key === "yours") throw new S3Error(403, "AccessDenied", "Access Denied");
      },
    });
    const body = "<Delete><Object><Key>mine</Key></Object><Object><Key>yours</Key></Object></Delete>";
    const headers = { "content-md5": createHash("md5").update(body).digest("base64") };
    const answer = await ask("/bucket?delete", { method: "POST", body, headers });
    expect(answer.body).to.include("<Deleted><Key>mine</Key></Deleted>");
    expect(answer.body).to.include("<Error><Key>yours</Key><Code>AccessDenied</Code>");
    expect(store.list("bucket", "", { limit: 10 }).rows.map(({ key }) => key)).to.deep.equal(["yours"]);
  });
});

describe("a body in signed chunks", () => {
  const signature = (digit: string) => digit.repeat(64);
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
  const body = [
    `5;chunk-signature=${signature("a")}\r\nhello\r\n`,
    `0;chunk-signature=${signature("b")}\r\n`,
    `x-amz-checksum-crc32:NhCmhg==\r\nx-amz-trailer-signature:${signature("c")}\r\n\r\n`,
  ].join("");
  const headers = {
    "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "x-amz-decoded-content-length": 5,
    "x-amz-trailer": "x-amz-checksum-crc32",
    "content-encoding": "gzip,aws-chunked",
  };

  it("is stored without its wrapping", async () => {
    const store = await openStore();
    const ask = await serve(store);
    expect(await ask("/bucket/k", { method: "PUT", headers, body })).to.include({ status: 200 });
    const answer = await ask("/bucket/k");
    expect(answer).to.include({ body: "hello" });
    expect(answer.headers["content-encoding"]).to.equal("gzip");
  });

  it("has each piece checked, in order", async () => {
    const pieces: SignedPiece[] = [];
    const ask = await serve(await openStore(), { verifyChunk: (piece) => void pieces.push(piece) });
    await ask("/bucket/k", { method: "PUT", headers, body });
    expect(pieces).to.deep.equal([
      { kind: "chunk", signature: signature("a"), sha256: sha256("hello") },
      { kind: "chunk", signature: signature("b"), sha256: sha256("") },
      { kind: "trailer", signature: signature("c"), sha256: sha256("x-amz-checksum-crc32:NhCmhg==\n") },
    ]);
  });

  it("is refused as a whole where one signature is wrong", async () => {
    const store = await openStore();
    const ask = await serve(store, {
      verifyChunk: ({ kind }) => {
        if (kind === "trailer") throw new S3Error(403, "SignatureDoesNotMatch", "not yours");
      },
    });
    expect(await ask("/bucket/k", { method: "PUT", headers, body })).to.include({ status: 403 });
    expect(() => store.head("bucket", "k")).to.throw("does not exist");
  });

  it("is refused where it is shorter than it says", async () => {
    const ask = await serve(await openStore());
    const short = { ...headers, "x-amz-decoded-content-length": 6 };
    const answer = await ask("/bucket/k", { method: "PUT", headers: short, body });
    expect(answer.status).to.equal(400);
    expect(answer.body).to.include("<Code>IncompleteBody</Code>");
  });

  it("is refused where a trailer is missing that was announced", async () => {
    const ask = await serve(await openStore());
    const without = `5\r\nhello\r\n0\r\n\r\n`;
    const unsigned = { ...headers, "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER" };
    const answer = await ask("/bucket/k", { method: "PUT", headers: unsigned, body: without });
    expect(answer.status).to.equal(400);
    expect(answer.body).to.include("<Code>MalformedTrailerError</Code>");
  });
});
