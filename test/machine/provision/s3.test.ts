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

  it("takes encryption, lifecycle and public access for nothing to do, with what is known of them", async () => {
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
