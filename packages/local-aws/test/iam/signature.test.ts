import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { CreateTopicCommand, PublishCommand, SNSClient } from "@aws-sdk/client-sns";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { expect } from "chai";
import fc from "fast-check";
import { SignatureError } from "../../src/iam/refusals.ts";
import {
  type Credential,
  chunkVerifier,
  type SignedRequest,
  type Verified,
  type Verifier,
  verifySignature,
} from "../../src/iam/signature.ts";
import { type Captured, capture } from "./capture.ts";

const KEY = { accessKeyId: "AKIALOCALEXAMPLE0001", secretAccessKey: "a secret/with+signs" };
const REGION = "eu-central-1";
const SESSION: Credential<string> = {
  secretAccessKey: KEY.secretAccessKey,
  principal: "role",
  sessionToken: "token/with+signs=",
};

type Service = Verifier<string>["service"];

function verify(
  request: SignedRequest,
  service: Service,
  overrides: Partial<Verifier<string>> & { credential?: Credential<string> } = {},
): Verified<string> {
  const credential = overrides.credential ?? { secretAccessKey: KEY.secretAccessKey, principal: "role" };
  return verifySignature(request, {
    service,
    region: REGION,
    now: new Date(),
    lookup: (id) => (id === KEY.accessKeyId ? credential : undefined),
    ...overrides,
  });
}

function refusal(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    if (error instanceof SignatureError) return `${error.status} ${error.code}`;
    throw error;
  }
  return "accepted";
}

const client = (endpoint: string, credentials: object = KEY) => ({
  endpoint,
  region: REGION,
  maxAttempts: 1,
  credentials: credentials as typeof KEY,
});

function s3(send: (client: S3Client) => Promise<unknown>, credentials?: object): Promise<Captured> {
  return capture((endpoint) =>
    send(new S3Client({ ...client(endpoint, credentials), forcePathStyle: true })),
  );
}

function sqs(body: string, credentials?: object): Promise<Captured> {
  const command = new SendMessageCommand({ QueueUrl: "http://ignored/1/q", MessageBody: body });
  return capture((endpoint) => new SQSClient(client(endpoint, credentials)).send(command));
}

async function presigned(command: GetObjectCommand | PutObjectCommand, seconds: number): Promise<Captured> {
  return capture(async (endpoint) => {
    const s3 = new S3Client({ ...client(endpoint), forcePathStyle: true });
    const url = await getSignedUrl(s3, command as GetObjectCommand, { expiresIn: seconds });
    await fetch(url, command instanceof PutObjectCommand ? { method: "PUT", body: "data" } : {});
  });
}

const sha256 = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");
const later = (seconds: number) => new Date(Date.now() + seconds * 1000);
const Bucket = "photos";

describe("the signature of a request", () => {
  let get: Captured;
  let send: Captured;
  let link: Captured;

  before(async () => {
    const Key = "holiday/a b.jpg";
    get = await s3((s3) => s3.send(new GetObjectCommand({ Bucket, Key, VersionId: "v+1" })));
    send = await sqs("hello");
    link = await presigned(new GetObjectCommand({ Bucket, Key }), 60);
  });

  describe("of the AWS SDK", () => {
    const keys = [
      ...[
        "plain.jpg",
        "a b.jpg",
        "100%.jpg",
        "a%20b",
        "a+b",
        "#1",
        "what?.jpg",
        "q=1&r=2",
        "Zoë/日本語/😀.png",
      ],
      ...[
        "it's (new)!*.jpg",
        "a//b",
        "a/../b",
        "./a",
        "trailing/",
        "~tilde_-.",
        '[x]{y}|^`\\<>"',
        "a:b@c;d,e$",
      ],
    ];
    for (const Key of keys) {
      it(`is right for the key ${Key}`, async () => {
        const request = await s3((s3) => s3.send(new PutObjectCommand({ Bucket, Key, Body: "data" })));

        expect(verify(request, "s3")).to.include({ accessKeyId: KEY.accessKeyId, principal: "role" });
      });
    }

    it("announces the hash of the body that it sends to S3", async () => {
      const request = await s3((s3) => s3.send(new PutObjectCommand({ Bucket, Key: "k", Body: "data" })));

      expect(verify(request, "s3").payloadHash).to.equal(sha256(request.body));
    });

    it("leaves the body of a stream unsigned, with a checksum after it", async () => {
      const Body = Readable.from([Buffer.from("da"), Buffer.from("ta")]);
      const request = await s3((s3) =>
        s3.send(new PutObjectCommand({ Bucket, Key: "k", Body, ContentLength: 4 })),
      );

      expect(verify(request, "s3").payloadHash).to.equal("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    });

    it("covers queries, copies, parts and metadata", async () => {
      const requests = [
        await s3((s3) =>
          s3.send(
            new ListObjectsV2Command({ Bucket, Prefix: "a b/ü+%", Delimiter: "/", StartAfter: "*'()!" }),
          ),
        ),
        await s3((s3) => s3.send(new DeleteObjectCommand({ Bucket, Key: "k", VersionId: "a/b+c=" }))),
        await s3((s3) =>
          s3.send(new CopyObjectCommand({ Bucket, Key: "k", CopySource: "photos/a%20b.jpg?versionId=1" })),
        ),
        await s3((s3) =>
          s3.send(new UploadPartCommand({ Bucket, Key: "k", PartNumber: 2, UploadId: "u", Body: "data" })),
        ),
        await s3((s3) =>
          s3.send(
            new PutObjectCommand({ Bucket, Key: "k", Body: "data", Metadata: { note: "two  spaces " } }),
          ),
        ),
      ];

      for (const request of requests) expect(verify(request, "s3").principal).to.equal("role");
    });

    it("is right for SQS, whose body it covers", () => {
      const verified = verify(send, "sqs");

      expect(verified.payloadHash).to.equal(sha256(send.body));
      expect(verified.scope).to.match(new RegExp(`^\\d{8}/${REGION}/sqs/aws4_request$`));
    });

    it("is right for SQS at the URL of a queue, whose path is encoded a second time", async () => {
      const request = await capture((endpoint) => {
        const QueueUrl = `${endpoint}/123456789012/a%20queue`;
        const sqs = new SQSClient(client(endpoint));
        sqs.middlewareStack.add(
          (next) => (args) => {
            (args.request as { path: string }).path = new URL(QueueUrl).pathname;
            return next(args);
          },
          { step: "build" },
        );
        return sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "hello" }));
      });

      expect(request.url).to.equal("/123456789012/a%20queue");
      expect(verify(request, "sqs").principal).to.equal("role");
    });

    it("is right for SNS", async () => {
      const sns = (endpoint: string) => new SNSClient(client(endpoint));
      const created = await capture((endpoint) => sns(endpoint).send(new CreateTopicCommand({ Name: "t" })));
      const published = await capture((endpoint) =>
        sns(endpoint).send(
          new PublishCommand({ TopicArn: "arn:aws:sns:eu-central-1:1:t", Message: "ü & +" }),
        ),
      );

      for (const request of [created, published]) expect(verify(request, "sns").principal).to.equal("role");
    });

    it("is right in a presigned URL, whose body stays unsigned", async () => {
      const put = await presigned(new PutObjectCommand({ Bucket, Key: "ü #1+%.jpg" }), 60);

      expect(verify(link, "s3").payloadHash).to.equal("UNSIGNED-PAYLOAD");
      expect(verify(put, "s3").payloadHash).to.equal("UNSIGNED-PAYLOAD");
    });
  });

  describe("with a path that is encoded differently", () => {
    it("is right for S3 as long as the key is the same", () => {
      expect(verify({ ...get, url: get.url.replace("a%20b", "%61%20b") }, "s3").principal).to.equal("role");
    });

    it("is wrong for S3 where a separator is hidden", () => {
      const url = get.url.replace("holiday/", "holiday%2F");

      expect(refusal(() => verify({ ...get, url }, "s3"))).to.equal("403 SignatureDoesNotMatch");
    });

    it("is an invalid URI for S3 where it cannot be decoded", () => {
      expect(refusal(() => verify({ ...get, url: "/photos/%E0%A4%A" }, "s3"))).to.equal("400 InvalidURI");
    });
  });

  describe("after tampering", () => {
    const wrong = "403 SignatureDoesNotMatch";

    it("is wrong for another method, path, query or signed header", () => {
      const url = `${get.url}&extra=1`;
      const tampered: SignedRequest[] = [
        { ...get, method: "DELETE" },
        { ...get, url },
        { ...get, url: get.url.replace("a%20b", "a%20c") },
        { ...get, url: get.url.replace("versionId=v%2B1", "versionId=v%2B2") },
        { ...get, headers: { ...get.headers, host: "elsewhere" } },
        { ...get, headers: { ...get.headers, "x-amz-content-sha256": "UNSIGNED-PAYLOAD" } },
        { ...link, url: link.url.replace("X-Amz-Expires=60", "X-Amz-Expires=600") },
        { ...link, url: link.url.replace("a%20b", "a%20c") },
      ];

      expect(tampered.map((request) => refusal(() => verify(request, "s3")))).to.deep.equal(
        tampered.map(() => wrong),
      );
    });

    it("is wrong for another body at SQS, whether or not the header follows it", () => {
      const body = Buffer.from(send.body.toString().replace("hello", "hullo"));
      const headers = { ...send.headers, "x-amz-content-sha256": sha256(body) };

      expect(refusal(() => verify({ ...send, body }, "sqs"))).to.equal(wrong);
      expect(refusal(() => verify({ ...send, body, headers }, "sqs"))).to.equal(wrong);
    });

    it("is wrong for another secret key", () => {
      const credential = { secretAccessKey: "guessed", principal: "role" };

      expect(refusal(() => verify(get, "s3", { credential }))).to.equal(wrong);
    });

    it("is never right with any other signature", () => {
      const original = verify(get, "s3").seedSignature;
      const other = fc.oneof(
        fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 64, maxLength: 64 }),
        fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 1, maxLength: 70 }),
        fc.nat(63).map((length) => original.slice(0, length) || "0"),
      );
      fc.assert(
        fc.property(other, (signature) => {
          fc.pre(signature !== original);
          const authorization = get.headers.authorization?.replace(original, signature) ?? "";
          const headers = { ...get.headers, authorization };
          expect(refusal(() => verify({ ...get, headers }, "s3"))).to.equal(wrong);
        }),
      );
    });

    it("is refused where a header was added that says something to AWS", () => {
      for (const request of [get, link]) {
        const headers = { ...request.headers, "x-amz-acl": "public-read" };
        expect(refusal(() => verify({ ...request, headers }, "s3"))).to.equal("403 AccessDenied");
      }
    });

    it("is refused where the host is not signed", () => {
      const authorization = get.headers.authorization?.replace("host;", "") ?? "";
      const headers = { ...get.headers, authorization };

      expect(refusal(() => verify({ ...get, headers }, "s3"))).to.equal("403 AccessDenied");
    });
  });

  describe("made at another time", () => {
    it("may be a quarter of an hour off, either way, and no more", () => {
      for (const seconds of [-895, 895]) {
        expect(verify(get, "s3", { now: later(seconds) }).principal).to.equal("role");
      }
      for (const seconds of [-910, 910]) {
        const now = later(seconds);
        expect(refusal(() => verify(get, "s3", { now }))).to.equal("403 RequestTimeTooSkewed");
        expect(refusal(() => verify(send, "sqs", { now }))).to.equal("403 SignatureDoesNotMatch");
      }
    });

    it("holds in a presigned URL for as long as that says", () => {
      expect(verify(link, "s3", { now: later(50) }).principal).to.equal("role");
      expect(refusal(() => verify(link, "s3", { now: later(70) }))).to.equal("403 AccessDenied");
      expect(refusal(() => verify(link, "s3", { now: later(-1000) }))).to.equal("403 AccessDenied");
    });

    it("is malformed where the time is no time", () => {
      for (const date of ["20261399T000000Z", "yesterday", "2026-01-01T00:00:00Z"]) {
        const headers = { ...get.headers, "x-amz-date": date };
        expect(refusal(() => verify({ ...get, headers }, "s3"))).to.equal("400 AuthorizationHeaderMalformed");
      }
    });
  });

  describe("with a session token", () => {
    const credentials = { ...KEY, sessionToken: SESSION.sessionToken };
    let request: Captured;

    before(async () => {
      request = await s3((s3) => s3.send(new GetObjectCommand({ Bucket, Key: "k" })), credentials);
    });

    it("is right with the token of its session", () => {
      expect(verify(request, "s3", { credential: SESSION }).principal).to.equal("role");
    });

    it("is refused with the token of another session, or with one where there is no session", () => {
      const credential = { ...SESSION, sessionToken: "another" };

      expect(refusal(() => verify(request, "s3", { credential }))).to.equal("400 InvalidToken");
      expect(refusal(() => verify(request, "s3"))).to.equal("400 InvalidToken");
    });

    it("is refused without the token that the key needs", () => {
      expect(refusal(() => verify(get, "s3", { credential: SESSION }))).to.equal("403 InvalidAccessKeyId");
    });
  });

  describe("that is missing or malformed", () => {
    const { host } = { host: "127.0.0.1" };

    it("is told apart for S3 and SQS where it is missing", () => {
      const request = { method: "GET", url: "/", headers: { host } };

      expect(refusal(() => verify(request, "s3"))).to.equal("403 AccessDenied");
      expect(refusal(() => verify(request, "sqs"))).to.equal("403 MissingAuthenticationToken");
    });

    it("is refused in version 2, with what to do", () => {
      const url = "/bucket/key?AWSAccessKeyId=AKIA&Signature=x&Expires=1795608541";

      expect(refusal(() => verify({ method: "GET", url, headers: { host } }, "s3"))).to.equal(
        "400 InvalidRequest",
      );
      expect(() => verify({ method: "GET", url, headers: { host } }, "s3")).to.throw(/version 2.*AWS CLI 2/);
    });

    it("is told apart for S3 and SQS where nobody knows the key", () => {
      const lookup = () => undefined;

      expect(refusal(() => verify(get, "s3", { lookup }))).to.equal("403 InvalidAccessKeyId");
      expect(refusal(() => verify(send, "sqs", { lookup }))).to.equal("403 InvalidClientTokenId");
    });

    it("is refused for another region or service, or with a credential of another shape", () => {
      expect(refusal(() => verify(get, "s3", { region: "us-east-1" }))).to.equal(
        "400 AuthorizationHeaderMalformed",
      );
      expect(refusal(() => verify(send, "sns"))).to.equal("403 SignatureDoesNotMatch");
      for (const [found, other] of [
        ["aws4_request", "aws4"],
        ["aws4_request", "aws4_request/more"],
        [/\/\d{8}\//, "/20200101/"],
      ] as const) {
        const authorization = get.headers.authorization?.replace(found, other) ?? "";
        const headers = { ...get.headers, authorization };
        expect(refusal(() => verify({ ...get, headers }, "s3"))).to.equal("400 AuthorizationHeaderMalformed");
      }
    });

    it("of a service that is not here is refused with those that are", () => {
      const authorization = get.headers.authorization?.replace("/s3/", "/sts/") ?? "";
      const asked = () => verify({ ...get, headers: { ...get.headers, authorization } }, "s3");
      expect(asked).to.throw("only S3, SNS and SQS answer here, and not 'sts'");
    });

    it("is refused in another scheme or without one of its parts", () => {
      const authorizations = {
        "AWS AKIA:c2lnbmF0dXJl": "400 InvalidRequest",
        "Bearer token": "400 InvalidRequest",
        "AWS4-HMAC-SHA256": "400 AuthorizationHeaderMalformed",
        "AWS4-HMAC-SHA256 Credential=a, Signature=b": "400 AuthorizationHeaderMalformed",
        "AWS4-HMAC-SHA256 Credential=, SignedHeaders=host, Signature=b": "400 AuthorizationHeaderMalformed",
      };
      for (const [authorization, expected] of Object.entries(authorizations)) {
        const headers = { ...get.headers, authorization };
        expect(refusal(() => verify({ ...get, headers }, "s3"))).to.equal(expected);
      }
    });

    it("is refused in a URL that lacks a parameter, has it twice or has a wrong one", () => {
      const urls = [
        link.url.replace(/&?X-Amz-Expires=\d+/, ""),
        `${link.url}&X-Amz-Expires=60`,
        link.url.replace("X-Amz-Expires=60", "X-Amz-Expires=604801"),
        link.url.replace("X-Amz-Expires=60", "X-Amz-Expires=-1"),
        link.url.replace("X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256"),
        link.url.replace(/X-Amz-Date=\w+/, "X-Amz-Date=now"),
      ];
      for (const url of urls) {
        expect(
          refusal(() => verify({ ...link, url }, "s3")),
          url,
        ).to.equal("400 AuthorizationQueryParametersError");
      }
    });

    it("is refused where there are two", () => {
      const { authorization } = get.headers;
      const headers = { ...link.headers, ...(authorization && { authorization }) };

      expect(refusal(() => verify({ ...link, headers }, "s3"))).to.equal("400 InvalidArgument");
    });

    it("is refused by S3 without a hash of the body, or with a strange one", () => {
      const { "x-amz-content-sha256": _, ...headers } = get.headers;
      const strange = { ...headers, "x-amz-content-sha256": "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD" };

      expect(refusal(() => verify({ ...get, headers }, "s3"))).to.equal("400 InvalidRequest");
      expect(refusal(() => verify({ ...get, headers: strange }, "s3"))).to.equal("400 InvalidRequest");
    });

    it("is refused and nothing worse, whatever the request looks like", () => {
      const text = fc.string({ unit: "binary-ascii", maxLength: 80 });
      fc.assert(
        fc.property(text, text, fc.constantFrom("s3", "sqs", "sns"), (authorization, query, service) => {
          const headers = {
            host,
            "x-amz-date": "20260101T000000Z",
            authorization: `AWS4-HMAC-SHA256 ${authorization}`,
          };
          const header = refusal(() => verify({ method: "GET", url: `/?${query}`, headers }, service));
          const url = `/?X-Amz-Algorithm=AWS4-HMAC-SHA256&${query}`;
          const inQuery = refusal(() => verify({ method: "GET", url, headers: { host } }, service));
          expect([header, inQuery]).not.to.include("accepted");
        }),
      );
    });
  });
});

/**
 * AWS publishes two uploads with all their signatures: 65 KiB of the letter a, in chunks of 64 KiB and 1 KiB.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and …/sigv4-streaming-trailers.html
 */
describe("the signatures of chunks", () => {
  const example = { secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", principal: "example" };
  const signed = {
    payload: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    extra: { "content-encoding": "aws-chunked", "content-length": "66824" },
    seed: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    chunks: [
      "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
      "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
      "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ],
  };
  const trailed = {
    payload: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    extra: { "content-encoding": "aws-chunked", "x-amz-trailer": "x-amz-checksum-crc32c" },
    seed: "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    chunks: [
      "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
      "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
      "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ],
    trailer: "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435",
  };
  const data = [Buffer.alloc(65_536, "a"), Buffer.alloc(1024, "a"), Buffer.alloc(0)].map(sha256);

  function upload({
    payload,
    extra,
    seed,
  }: {
    payload: string;
    extra: object;
    seed: string;
  }): Verified<string> {
    const headers: Record<string, string> = {
      host: "s3.amazonaws.com",
      "x-amz-date": "20130524T000000Z",
      "x-amz-storage-class": "REDUCED_REDUNDANCY",
      "x-amz-content-sha256": payload,
      "x-amz-decoded-content-length": "66560",
      ...extra,
    };
    headers.authorization = `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=${Object.keys(headers).sort().join(";")},Signature=${seed}`;
    const url = "/examplebucket/chunkObject.txt";
    return verifySignature(
      { method: "PUT", url, headers },
      { service: "s3", region: "us-east-1", now: new Date("2013-05-24T00:05:00Z"), lookup: () => example },
    );
  }

  it("are those that AWS publishes", () => {
    const verifier = chunkVerifier(upload(signed));

    for (const [index, signature] of signed.chunks.entries()) verifier.chunk(data[index] ?? "", signature);
  });

  it("are those that AWS publishes, with a trailer", () => {
    const verifier = chunkVerifier(upload(trailed));

    for (const [index, signature] of trailed.chunks.entries()) verifier.chunk(data[index] ?? "", signature);
    verifier.trailer(sha256("x-amz-checksum-crc32c:sOO8/Q==\n"), trailed.trailer);
  });

  it("are wrong for other data, another order or another trailer", () => {
    const [first = "", second = "", third = ""] = trailed.chunks;
    const [large = "", small = "", none = ""] = data;
    const all = () => {
      const verifier = chunkVerifier(upload(trailed));
      for (const [index, signature] of trailed.chunks.entries()) verifier.chunk(data[index] ?? "", signature);
      return verifier;
    };
    const attempts = [
      () => chunkVerifier(upload(trailed)).chunk(sha256("other"), first),
      () => chunkVerifier(upload(trailed)).chunk(small, second),
      () => chunkVerifier(upload(trailed)).chunk(none, third),
      () => chunkVerifier(upload(trailed)).chunk(large, ""),
      () => all().chunk(large, first),
      () => all().trailer(sha256("x-amz-checksum-crc32c:AAAAAA==\n"), trailed.trailer),
      () => all().trailer(sha256(""), trailed.trailer),
    ];

    for (const attempt of attempts) expect(refusal(attempt)).to.equal("403 SignatureDoesNotMatch");
  });
});
