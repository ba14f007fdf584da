import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  GetBucketLocationCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  paginateListBuckets,
  paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { expect } from "chai";
import { createBucket, raw, refusal, region, s3, uniqueName, useBucket } from "./target.ts";

describe("S3: a listing", () => {
  const bucket = useBucket();
  const keys = [
    "a",
    "a b",
    "a/1",
    "a/2",
    "a/b/3",
    "a0",
    "b/1",
    "z+%",
    "Ä",
    "\u{ff5e}",
    "\u{1f600}",
    "~ \r\n<&>\"' ",
  ];

  before(async () => {
    const client = await s3();
    for (const Key of keys) await client.send(new PutObjectCommand({ Bucket: bucket(), Key, Body: Key }));
  });

  const list = async (more = {}) => {
    const page = await (await s3()).send(new ListObjectsV2Command({ Bucket: bucket(), ...more }));
    return {
      keys: (page.Contents ?? []).map(({ Key }) => Key),
      prefixes: (page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix),
      page,
    };
  };

  it("is in the order of UTF-8 bytes", async () => {
    const sorted = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect((await list()).keys).to.deep.equal(sorted);
  });

  it("tells size, ETag and date of each object", async () => {
    const { page } = await list({ Prefix: "a b" });
    const [object] = page.Contents ?? [];
    expect(object).to.deep.include({ Key: "a b", Size: 3, StorageClass: "STANDARD" });
    expect(object?.ETag).to.match(/^"[0-9a-f]{32}"$/);
    expect(object?.LastModified).to.be.an.instanceOf(Date);
  });

  it("knows no fractions of a second", async () => {
    const { page } = await list();
    for (const { LastModified } of page.Contents ?? []) expect(LastModified?.getMilliseconds()).to.equal(0);
    expect((await raw(bucket(), { query: { "list-type": "2" } })).body).to.match(
      /<LastModified>[^.]*\.000Z<\/LastModified>/,
    );
  });

  it("is limited by a prefix", async () => {
    expect((await list({ Prefix: "a/" })).keys).to.deep.equal(["a/1", "a/2", "a/b/3"]);
  });

  it("gathers what a delimiter separates", async () => {
    const { keys: listed, prefixes } = await list({ Delimiter: "/", Prefix: "a" });
    expect(listed).to.deep.equal(["a", "a b", "a0"]);
    expect(prefixes).to.deep.equal(["a/"]);
  });

  it("gathers behind a prefix", async () => {
    const { keys: listed, prefixes } = await list({ Delimiter: "/", Prefix: "a/" });
    expect(listed).to.deep.equal(["a/1", "a/2"]);
    expect(prefixes).to.deep.equal(["a/b/"]);
  });

  it("starts behind a key", async () => {
    expect((await list({ StartAfter: "a/2", Prefix: "a/" })).keys).to.deep.equal(["a/b/3"]);
  });

  for (const size of [1, 2, 3, 5]) {
    it(`is complete in pages of ${size}`, async () => {
      const listed: string[] = [];
      const client = await s3();
      for await (const page of paginateListObjectsV2({ client, pageSize: size }, { Bucket: bucket() })) {
        expect(page.KeyCount).to.be.at.most(size);
        listed.push(...(page.Contents ?? []).map(({ Key }) => Key as string));
      }
      expect(listed).to.have.members(keys).and.have.length(keys.length);
    });

    it(`is complete in pages of ${size} with a delimiter`, async () => {
      const listed: string[] = [];
      const client = await s3();
      const request = { Bucket: bucket(), Delimiter: "/" };
      for await (const page of paginateListObjectsV2({ client, pageSize: size }, request)) {
        listed.push(...(page.Contents ?? []).map(({ Key }) => Key as string));
        listed.push(...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix as string));
      }
      const expected = ["a", "a b", "a/", "a0", "b/", "z+%", "Ä", "\u{ff5e}", "\u{1f600}", "~ \r\n<&>\"' "];
      expect(listed).to.have.members(expected).and.have.length(expected.length);
    });
  }

  for (const Delimiter of [undefined, "/"]) {
    it(`in its first edition is complete in pages of 2${Delimiter ? " with a delimiter" : ""}`, async () => {
      const client = await s3();
      const listed: (string | undefined)[] = [];
      for (let Marker: string | undefined, more = true; more; ) {
        const page = await client.send(
          new ListObjectsCommand({ Bucket: bucket(), MaxKeys: 2, Delimiter, Marker }),
        );
        const last = page.Contents?.at(-1)?.Key;
        expect(page.NextMarker === undefined).to.equal(!Delimiter || !page.IsTruncated);
        listed.push(...(page.Contents ?? []).map(({ Key }) => Key));
        listed.push(...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix));
        Marker = page.NextMarker ?? last;
        more = page.IsTruncated === true;
      }
      const { keys: inOne, prefixes } = await list({ Delimiter });
      expect(listed)
        .to.have.members([...inOne, ...prefixes])
        .and.have.length(inOne.length + prefixes.length);
    });
  }

  it("of nothing is empty and not an error", async () => {
    const { keys: listed, page } = await list({ Prefix: "nothing/" });
    expect(listed).to.deep.equal([]);
    expect(page).to.deep.include({ KeyCount: 0, IsTruncated: false });
  });

  it("encodes keys where the request asks for it", async () => {
    const { keys: listed } = await list({ EncodingType: "url", Prefix: "z" });
    expect(listed).to.deep.equal(["z%2B%25"]);
  });

  it("of a bucket that is not there is a 404", async () => {
    const request = (await s3()).send(new ListObjectsV2Command({ Bucket: `${bucket()}-not` }));
    expect(await refusal(request)).to.deep.equal({ code: "NoSuchBucket", status: 404 });
  });
});

describe("S3: a bucket", () => {
  const bucket = useBucket();

  it("is listed among the buckets", async () => {
    const { Buckets } = await (await s3()).send(new ListBucketsCommand({}));
    expect(Buckets?.map(({ Name }) => Name)).to.include(bucket());
  });

  it("is listed page by page, by prefix and by region", async () => {
    const client = await s3();
    const other = `${bucket()}-2`;
    await createBucket(other);
    const listed = [];
    for await (const page of paginateListBuckets({ client, pageSize: 1 }, { Prefix: bucket() })) {
      expect(page.Buckets).to.have.length(1);
      listed.push(...(page.Buckets ?? []).map(({ Name }) => Name));
    }
    expect(listed).to.deep.equal([bucket(), other]);
    const elsewhere = { Prefix: bucket(), BucketRegion: region === "us-west-2" ? "us-west-1" : "us-west-2" };
    expect((await client.send(new ListBucketsCommand(elsewhere))).Buckets).to.deep.equal([]);
    await client.send(new DeleteBucketCommand({ Bucket: other }));
  });

  it("is found by a head", async () => {
    const { $metadata } = await (await s3()).send(new HeadBucketCommand({ Bucket: bucket() }));
    expect($metadata.httpStatusCode).to.equal(200);
    const missing = (await s3()).send(new HeadBucketCommand({ Bucket: `${bucket()}-not` }));
    expect(await refusal(missing)).to.deep.include({ status: 404 });
  });

  it("knows where it is", async () => {
    const { LocationConstraint } = await (await s3()).send(
      new GetBucketLocationCommand({ Bucket: bucket() }),
    );
    expect(LocationConstraint ?? "us-east-1").to.equal(region);
  });

  it("is not made of a name that S3 forbids", async () => {
    const request = (await s3()).send(new CreateBucketCommand({ Bucket: "Not_A_Bucket" }));
    expect(await refusal(request)).to.deep.equal({ code: "InvalidBucketName", status: 400 });
  });

  it("that is one's own already is made again in us-east-1 alone", async () => {
    const again = createBucket(bucket());
    if (region === "us-east-1") expect((await again).$metadata.httpStatusCode).to.equal(200);
    else expect(await refusal(again)).to.deep.equal({ code: "BucketAlreadyOwnedByYou", status: 409 });
  });

  it("is removed with uploads that were not completed", async () => {
    const client = await s3();
    const Bucket = uniqueName();
    await createBucket(Bucket);
    await client.send(new CreateMultipartUploadCommand({ Bucket, Key: "unfinished" }));
    await client.send(new DeleteBucketCommand({ Bucket }));
    await createBucket(Bucket);
    const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket }));
    expect(Uploads).to.equal(undefined);
    await client.send(new DeleteBucketCommand({ Bucket }));
  });

  for (const [what, rule, code] of [
    ["neither prefix nor suffix", { Name: "middle", Value: "x" }, "InvalidArgument"],
    ["no value", { Name: "prefix", Value: undefined }, "MalformedXML"],
  ] as const) {
    it(`does not notify with a filter of ${what}`, async () => {
      const Filter = { Key: { FilterRules: [{ ...rule, Name: rule.Name as "prefix" }] } };
      const TopicConfigurations = [
        {
          TopicArn: `arn:aws:sns:${region}:000000000000:any`,
          Events: ["s3:ObjectCreated:*" as const],
          Filter,
        },
      ];
      const request = (await s3()).send(
        new PutBucketNotificationConfigurationCommand({
          Bucket: bucket(),
          NotificationConfiguration: { TopicConfigurations },
        }),
      );
      expect(await refusal(request)).to.deep.equal({ code, status: 400 });
    });
  }

  it("is not removed while something is in it", async () => {
    const client = await s3();
    await client.send(new PutObjectCommand({ Bucket: bucket(), Key: "x", Body: "x" }));
    const request = client.send(new DeleteBucketCommand({ Bucket: bucket() }));
    expect(await refusal(request)).to.deep.equal({ code: "BucketNotEmpty", status: 409 });
  });
});
