import { expect } from "chai";
import { fakeServices, refusalOf } from "./services.ts";

const LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration";
const NOTIFICATION = "aws:s3/bucketNotification:BucketNotification";
const topics = [
  { topicArn: "arn:one", events: ["s3:ObjectCreated:*"] },
  { topicArn: "arn:two", events: ["s3:ObjectCreated:*"], id: "own" },
];

describe("a bucket on this computer", () => {
  it("is made once: one from an earlier start stays, with what is in it", async () => {
    const { make, asked } = fakeServices();

    await make("aws:s3/bucket:Bucket", { bucket: "kept" });
    const { id, state } = await make("aws:s3/bucket:Bucket", { bucket: "new" });

    expect([id, state.arn]).to.deep.equal(["new", "arn:aws:s3:::new"]);
    expect(asked).to.deep.equal([["createBucket", "new"]]);
  });

  it("has the versioning and the policy that are declared", async () => {
    const { make, asked } = fakeServices();

    const versioningConfiguration = { status: "Enabled" };
    await make("aws:s3/bucketVersioning:BucketVersioning", { bucket: "b", versioningConfiguration });
    await make("aws:s3/bucketPolicy:BucketPolicy", { bucket: "b", policy: "{}" });

    expect(asked).to.deep.equal([
      ["setVersioning", "b", "Enabled"],
      ["setResourcePolicy", "arn:aws:s3:::b", "{}"],
    ]);
  });

  it("tells its topics, each under an id", async () => {
    const { make, asked } = fakeServices();

    await make(NOTIFICATION, { bucket: "b", topics });

    expect(asked).to.deep.equal([
      ["setNotification", "b", { topics: [{ id: "it-0", ...topics[0] }, topics[1]] }],
    ]);
  });

  it("tells nobody where S3 may not publish to a topic, and says why", async () => {
    const { make, asked } = fakeServices({ refusal: "S3 may not." });

    expect(await refusalOf(make(NOTIFICATION, { bucket: "b", topics }))).to.equal(
      `ProgramError: ${NOTIFICATION} "it": Unable to validate the following destination configurations: S3 may not.`,
    );
    expect(asked).to.deep.equal([]);
  });

  it("has the key that is declared, or none, and lets everybody use one that exists already", async () => {
    const { make, asked, services } = fakeServices();
    const encrypt = (bucket: string, applyServerSideEncryptionByDefault: object) =>
      make("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration", {
        ...{ bucket, rules: [{ applyServerSideEncryptionByDefault, bucketKeyEnabled: true }] },
      });
    const key = "arn:aws:kms:eu-west-1:000000000000:key/ours";
    services.arns.set(`aws:kms/key:Key ${key}`, key);

    await encrypt("b", { sseAlgorithm: "aws:kms", kmsMasterKeyId: key });
    await encrypt("c", { sseAlgorithm: "AES256" });
    await encrypt("d", { sseAlgorithm: "aws:kms", kmsMasterKeyId: `${key}-of-others` });

    expect(asked.filter(([what]) => what === "setEncryptionKey")).to.deep.equal([
      ["setEncryptionKey", "b", key],
      ["setEncryptionKey", "c", ""],
      ["setEncryptionKey", "d", `${key}-of-others`],
    ]);
    expect(asked.find(([what]) => what === "setResourcePolicy")?.[1]).to.equal(`${key}-of-others`);
  });

  it("takes lifecycle and public access for nothing to do, with what is known of them", async () => {
    const { make, services } = fakeServices();

    await make("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", {
      bucket: "b",
      blockPublicAcls: true,
    });
    await make(LIFECYCLE, {
      bucket: "b",
      rules: [{ id: "old", status: "Enabled", transitions: [{ days: 1 }] }],
    });
    await make(LIFECYCLE, {
      bucket: "b",
      rules: [{ id: "old", noncurrentVersionExpiration: { noncurrentDays: 1 } }],
    });
    await make(LIFECYCLE, {
      bucket: "b",
      rules: [{ expiration: { days: 1 } }, { transitions: [{ storageClass: "STANDARD_IA" }] }],
    });

    expect(services.omitted.lines).to.deep.equal([
      `not run here: expiry and storage classes of ${LIFECYCLE} (2)`,
    ]);
  });
});
