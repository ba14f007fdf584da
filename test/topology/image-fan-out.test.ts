import { expect } from "chai";
import { ArgumentError } from "../../src/topology/argument-error.ts";
import { ImageFanOut } from "../../src/topology/image-fan-out.ts";
import { find, HERE, type Registered, registered } from "../support/mocks.ts";

const TAGS = { Project: "machine", Stack: "test" };

describe("ImageFanOut", () => {
  let resources: Registered[];
  let destroyed: Registered[];

  before(async () => {
    resources = await registered(() => new ImageFanOut("images"));
    destroyed = await registered(() => new ImageFanOut("images", { retention: "destroy" }));
  });

  it("has two buckets, a topic for images and one for alarms, one notification, one layer, one dashboard", () => {
    const types: Record<string, number> = {};
    for (const { type } of resources) types[type] = (types[type] ?? 0) + 1;

    expect(types).to.deep.equal({
      "image-machine:index:ImageFanOut": 1,
      "image-machine:index:ImageBucket": 2,
      "aws:s3/bucket:Bucket": 2,
      "aws:s3/bucketVersioning:BucketVersioning": 2,
      "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": 2,
      "aws:s3/bucketOwnershipControls:BucketOwnershipControls": 2,
      "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": 2,
      "aws:s3/bucketPolicy:BucketPolicy": 2,
      "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": 2,
      "aws:s3/bucketNotification:BucketNotification": 1,
      "aws:sns/topic:Topic": 2,
      "aws:sns/topicPolicy:TopicPolicy": 2,
      "image-machine:index:AlarmTopic": 1,
      "aws:cloudwatch/metricAlarm:MetricAlarm": 1,
      "aws:cloudwatch/dashboard:Dashboard": 1,
      "aws:lambda/layerVersion:LayerVersion": 1,
    });
  });

  for (const bucket of ["images-source", "images-results"]) {
    describe(`the bucket ${bucket}`, () => {
      it("keeps what is in it when the stack is destroyed, and takes its name from Pulumi", () => {
        expect(find(resources, "Bucket", bucket)).to.deep.equal({ forceDestroy: false, tags: TAGS });
        expect(find(destroyed, "Bucket", bucket)).to.deep.equal({ forceDestroy: true, tags: TAGS });
      });

      it("keeps versions", () => {
        expect(find(resources, "BucketVersioning", `${bucket}-versioning`)).to.deep.equal({
          bucket,
          versioningConfiguration: { status: "Enabled" },
        });
      });

      it("is closed to the public in every way", () => {
        expect(find(resources, "BucketPublicAccessBlock", `${bucket}-public-access`)).to.deep.equal({
          bucket,
          blockPublicAcls: true,
          blockPublicPolicy: true,
          ignorePublicAcls: true,
          restrictPublicBuckets: true,
        });
      });

      it("knows no access lists", () => {
        expect(find(resources, "BucketOwnershipControls", `${bucket}-ownership`)).to.deep.equal({
          bucket,
          rule: { objectOwnership: "BucketOwnerEnforced" },
        });
      });

      it("encrypts", () => {
        expect(
          find(resources, "BucketServerSideEncryptionConfiguration", `${bucket}-encryption`),
        ).to.deep.equal({
          bucket,
          rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }],
        });
      });

      it("refuses requests without TLS and grants nothing", () => {
        const { policy } = find(resources, "BucketPolicy", `${bucket}-policy`);

        expect(policy).to.deep.equal({
          Version: "2012-10-17",
          Statement: [
            {
              Sid: "DenyWithoutTls",
              Effect: "Deny",
              Principal: "*",
              Action: "s3:*",
              Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`],
              Condition: { Bool: { "aws:SecureTransport": "false" } },
            },
          ],
        });
      });

      it("forgets abandoned uploads and old versions, and no current object", () => {
        expect(find(resources, "BucketLifecycleConfiguration", `${bucket}-lifecycle`)).to.deep.equal({
          bucket,
          rules: [
            {
              id: "abandoned-uploads",
              status: "Enabled",
              filter: {},
              abortIncompleteMultipartUpload: { daysAfterInitiation: 7 },
            },
            {
              id: "old-versions",
              status: "Enabled",
              filter: {},
              noncurrentVersionExpiration: { noncurrentDays: 30 },
              expiration: { expiredObjectDeleteMarker: true },
            },
          ],
        });
      });
    });
  }

  it("lets current objects expire and go to other storage classes, each bucket's as it is said", async () => {
    const some = await registered(
      () =>
        new ImageFanOut("images", {
          lifecycle: {
            source: { expireDays: 120, infrequentAccessDays: 90 },
            results: { intelligentTiering: true },
          },
        }),
    );
    const rules = (bucket: string) =>
      find(some, "BucketLifecycleConfiguration", `${bucket}-lifecycle`).rules.slice(2);
    const common = { status: "Enabled", filter: {} };

    expect(rules("images-source")).to.deep.equal([
      { id: "expiry", ...common, expiration: { days: 120 } },
      { id: "infrequent-access", ...common, transitions: [{ days: 90, storageClass: "STANDARD_IA" }] },
    ]);
    expect(rules("images-results")).to.deep.equal([
      {
        id: "intelligent-tiering",
        ...common,
        transitions: [{ days: 0, storageClass: "INTELLIGENT_TIERING" }],
      },
    ]);
  });

  for (const [lifecycle, sentence] of [
    [{ sources: {} }, /^ImageFanOut "images": lifecycle\.sources is not known, only source, results\.$/],
    [
      { results: { expireDays: 0 } },
      /lifecycle\.results\.expireDays is 0, but must be a whole number from 1 to 3650 days\.$/,
    ],
    [
      { source: { expireDays: 14 } },
      /lifecycle\.source\.expireDays is 14, but must be 15 or more: a message may wait for 14 days/,
    ],
    [
      { results: { infrequentAccessDays: 29 } },
      /infrequentAccessDays is 29, but must be a whole number from 30 to 3620/,
    ],
    [
      { results: { infrequentAccessDays: 30, intelligentTiering: true } },
      /an object has only one storage class/,
    ],
    [
      { results: { infrequentAccessDays: 30, expireDays: 59 } },
      /expireDays is 59 and infrequentAccessDays 30, but Infrequent Access is billed for a minimum of 30 days/,
    ],
    [{ results: { intelligentTiering: 1 } }, /intelligentTiering is 1, but must be true or false\.$/],
  ] as const) {
    it(`is refused with the lifecycle ${JSON.stringify(lifecycle)}`, () => {
      expect(() => new ImageFanOut("images", { lifecycle } as object)).to.throw(ArgumentError, sentence);
    });
  }

  it("tells the topic only of keys that begin and end as they should, written as events have them", async () => {
    const some = await registered(() => new ImageFanOut("images", { prefix: "a b/dt=", suffix: ".jpg" }));

    expect(find(some, "BucketNotification", "images-source-notification").topics).to.deep.equal([
      {
        id: "created",
        topicArn: "arn:aws:sns:eu-west-1:123456789012:images-created",
        events: ["s3:ObjectCreated:*"],
        filterPrefix: "a+b/dt%3D",
        filterSuffix: ".jpg",
      },
    ]);
  });

  for (const wrong of [
    { prefix: "" },
    { suffix: "(1).jpg" },
    { prefix: "x".repeat(1025) },
    { suffix: [".jpg"] },
  ]) {
    it(`is refused with ${JSON.stringify(wrong).slice(0, 30)}`, () => {
      const [name] = Object.keys(wrong);
      expect(() => new ImageFanOut("images", wrong as object)).to.throw(
        ArgumentError,
        `ImageFanOut "images": ${name} is `,
      );
    });
  }

  it("tells the topic of every object that is created in the source bucket, whatever its name", () => {
    expect(find(resources, "BucketNotification", "images-source-notification")).to.deep.equal({
      bucket: "images-source",
      topics: [
        {
          id: "created",
          topicArn: "arn:aws:sns:eu-west-1:123456789012:images-created",
          events: ["s3:ObjectCreated:*"],
        },
      ],
    });
  });

  it("lets only the source bucket of this account publish, over TLS", () => {
    const { policy } = find(resources, "TopicPolicy", "images-created-policy");

    expect(policy).to.deep.equal({
      Version: "2012-10-17",
      Statement: [
        {
          Sid: "SourceBucketPublishes",
          Effect: "Allow",
          Principal: { Service: "s3.amazonaws.com" },
          Action: "sns:Publish",
          Resource: "arn:aws:sns:eu-west-1:123456789012:images-created",
          Condition: {
            ArnLike: { "aws:SourceArn": "arn:aws:s3:::images-source" },
            StringEquals: { "aws:SourceAccount": "123456789012" },
          },
        },
        {
          Sid: "DenyWithoutTls",
          Effect: "Deny",
          Principal: "*",
          Action: "sns:Publish",
          Resource: ["arn:aws:sns:eu-west-1:123456789012:images-created"],
          Condition: { Bool: { "aws:SecureTransport": "false" } },
        },
      ],
    });
  });

  it("sets up the notification after the policy that lets S3 publish", () => {
    const order = resources.map(({ name }) => name);

    expect(order.indexOf("images-source-notification")).to.be.greaterThan(
      order.indexOf("images-created-policy"),
    );
  });

  it("has a topic without traces, that AWS's own keys are enough for", () => {
    expect(find(resources, "Topic", "images-created")).to.deep.equal({
      tracingConfig: "PassThrough",
      tags: TAGS,
    });
  });

  it("has a layer for the processor and runtime of the functions", () => {
    expect(find(resources, "LayerVersion", "images-sharp")).to.deep.include({
      layerName: "machine-test-images-sharp",
      compatibleArchitectures: ["arm64"],
      compatibleRuntimes: ["nodejs24.x"],
    });
  });

  it("says what is wrong with a setting, before anything is registered", async () => {
    const resources = await registered(() => {
      expect(() => new ImageFanOut("images", { workers: { timeout: 901 } })).to.throw(
        ArgumentError,
        'ImageFanOut "images": workers.timeout is 901, but must be a whole number from 1 to 900 seconds.',
      );
    });

    expect(resources).to.deep.equal([]);
  });

  it("says what is wrong with a name that cannot be one", async () => {
    for (const name of ["", "x", "Images", "1mage", "images-", "a".repeat(33), "im/ages"]) {
      expect(() => new ImageFanOut(name), name).to.throw(
        ArgumentError,
        /^ImageFanOut: the name is ".*", but must be/,
      );
    }
  });
});

describe("the names that Pulumi cannot give", () => {
  /** Those of a stack: the dashboard's, X-Ray's policy's and the layer's. */
  async function namesOf(stack: string, project = "machine"): Promise<string[]> {
    const resources = await registered(() => new ImageFanOut("images", { tracing: true }), HERE, {
      project,
      stack,
    });
    return [
      find(resources, "Dashboard", "images-dashboard").dashboardName,
      find(resources, "ResourcePolicy", "images-tracing-policy").policyName,
      find(resources, "LayerVersion", "images-sharp").layerName,
    ];
  }
  const LONGEST = "s".repeat(100);

  it("say project, stack and fan-out", async () => {
    expect(await namesOf("test")).to.deep.equal([
      "machine-test-images",
      "machine-test-images",
      "machine-test-images-sharp",
    ]);
  });

  for (const stack of ["dev.eu", "a.b_c-d", LONGEST, `${"s".repeat(96)}.eu`]) {
    it(`are such that AWS takes them, of a stack named ${stack.slice(0, 10)}, ${stack.length} characters`, async () => {
      for (const name of await namesOf(stack, "rube-goldberg-image-machine")) {
        expect(name).to.match(/^rube-goldberg-image-machine-[A-Za-z0-9_-]{1,100}$/);
        expect(name.length).to.be.at.most(128);
      }
    });
  }

  it("are no other stack's, however alike they are", async () => {
    const stacks = ["dev.eu", "dev-eu", "dev_eu", LONGEST, `${LONGEST.slice(1)}t`, `${LONGEST.slice(2)}.t`];
    const names: string[][] = [];
    for (const stack of stacks) names.push(await namesOf(stack, "rube-goldberg-image-machine"));

    for (const kind of [0, 1, 2]) {
      const all = names.map((each) => each[kind]);
      expect([...new Set(all)], String(all)).to.have.length(stacks.length);
    }
  });
});
