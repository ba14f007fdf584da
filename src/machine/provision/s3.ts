import { takenAsDeclared } from "./declared.ts";
import { takeExistingKey } from "./messaging.ts";
import { NOTHING_TO_DO, policyText, type ResourceType, type Services } from "./provider.ts";

interface TopicNotification {
  id?: string;
  topicArn: string;
  events: string[];
  filterPrefix?: string;
  filterSuffix?: string;
}

interface EncryptionRule {
  readonly applyServerSideEncryptionByDefault?: { readonly kmsMasterKeyId?: string };
}

export const BUCKET = "aws:s3/bucket:Bucket";
export const NOTIFICATION = "aws:s3/bucketNotification:BucketNotification";

export const s3: Record<string, ResourceType> = {
  [BUCKET]: {
    inputs: ["bucket", "forceDestroy", "tags.*"],
    async provision({ inputs, physicalName }, { store }) {
      const bucket = String(inputs.bucket ?? physicalName);
      await makeBucket(store, bucket);
      return { id: bucket, state: { ...inputs, bucket, arn: `arn:aws:s3:::${bucket}` } };
    },
  },

  "aws:s3/bucketVersioning:BucketVersioning": {
    single: true,
    inputs: ["bucket", "versioningConfiguration.status"],
    inert: ["expectedBucketOwner", "mfa"],
    async provision({ inputs }, { store }) {
      const { status } = inputs.versioningConfiguration as { status: "Enabled" | "Suspended" };
      await store.setVersioning(String(inputs.bucket), status);
      return { id: String(inputs.bucket), state: inputs };
    },
  },

  "aws:s3/bucketPolicy:BucketPolicy": {
    single: true,
    inputs: ["bucket", "policy"],
    provision({ inputs }, { identity }) {
      identity.setResourcePolicy(`arn:aws:s3:::${inputs.bucket}`, policyText(inputs.policy));
      return { id: String(inputs.bucket), state: inputs };
    },
  },

  [NOTIFICATION]: {
    single: true,
    inputs: [
      "bucket",
      "topics.id",
      "topics.topicArn",
      "topics.events",
      "topics.filterPrefix",
      "topics.filterSuffix",
    ],
    inert: ["eventbridge"],
    async provision({ name, inputs }, { store, identity }) {
      const bucket = String(inputs.bucket);
      const topics = inputs.topics as TopicNotification[];
      // Also of one that was told of at an earlier start, and is not tried again.
      for (const { topicArn } of topics) {
        const refused = identity.refusalOfService(
          "s3.amazonaws.com",
          `arn:aws:s3:::${bucket}`,
          "sns:Publish",
          topicArn,
        );
        if (refused !== undefined) {
          throw new Error(`Unable to validate the following destination configurations: ${refused}`);
        }
      }
      await store.setNotification(bucket, {
        topics: topics.map((topic, index) => ({ ...topic, id: topic.id ?? `${name}-${index}` })),
      });
      return { id: bucket, state: inputs };
    },
  },

  // Everybody who may use this machine is on this computer, and its disk is what the person encrypts or does not: what is
  // judged is who may use a key.
  "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": NOTHING_TO_DO,
  "aws:s3/bucketOwnershipControls:BucketOwnershipControls": NOTHING_TO_DO,
  "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": {
    inputs: [
      "bucket",
      "rules.applyServerSideEncryptionByDefault.sseAlgorithm",
      "rules.applyServerSideEncryptionByDefault.kmsMasterKeyId",
      "rules.bucketKeyEnabled",
    ],
    inert: ["expectedBucketOwner", "rules.blockedEncryptionTypes"],
    provision({ inputs }, services) {
      const [rule] = inputs.rules as [EncryptionRule?];
      const key = rule?.applyServerSideEncryptionByDefault?.kmsMasterKeyId ?? "";
      takeExistingKey(services, key);
      services.store.setEncryptionKey(String(inputs.bucket), key);
      return { id: String(inputs.bucket), state: inputs };
    },
  },
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": {
    provision(resource, services) {
      const { type, name, inputs } = resource;
      const rules = (inputs.rules ?? []) as { transitions?: unknown; expiration?: { days?: unknown } }[];
      // What is current would be missed; all else is left to whoever deletes the folder.
      if (rules.some(({ transitions, expiration }) => transitions ?? expiration?.days)) {
        services.omitted.add(
          `expiry and storage classes of ${type}`,
          `${type} "${name}": on this computer nothing expires, and there are no storage classes.`,
        );
      }
      return takenAsDeclared(resource, services);
    },
  },
};

/** Makes a bucket where there is none from an earlier start, with all that is in it. */
async function makeBucket(store: Services["store"], bucket: string): Promise<void> {
  if (!store.buckets().some(({ name }) => name === bucket)) await store.createBucket(bucket);
}

/** Makes a bucket that exists on AWS, empty at first, and with versions. */
export async function makeExisting(bucket: string, { store }: Services): Promise<void> {
  await makeBucket(store, bucket);
  await store.setVersioning(bucket, "Enabled");
}
