import { readFileSync } from "node:fs";

/** What AWS's provider says of a resource type, as far as it decides what an engine does. */
interface Row {
  /** Inputs whose change makes another resource: `ForceNew` or `RequiresReplace` in the provider's source. */
  readonly replaces: readonly string[];
  /** Where that is said, under https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/ */
  readonly source: string;
  /** Input that Pulumi makes a name for, and what AWS asks of names. */
  readonly name?: Name;
  /** Inputs that are documents in JSON: policies and others, which are equal where they say the same. */
  readonly documents?: readonly string[];
  /** Lists whose order means nothing. */
  readonly sets?: readonly string[];
  /** What AWS adds to the inputs, once the resource has its physical name. */
  answers(inputs: Inputs, physical: string): { readonly id: string; readonly outputs?: Inputs };
}

export interface Name {
  readonly input: string;
  readonly maximum: number;
  readonly pattern: RegExp;
  /** Whether Pulumi makes one where the program gives none. */
  readonly automatic: boolean;
  /** Whether a second resource of the name takes the first one's place, where AWS refuses others. */
  readonly overwrites?: boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: inputs of every resource type
export type Inputs = Record<string, any>;

export interface ResourceType extends Row {
  /** Inputs that must be there. */
  readonly required: readonly string[];
  /** Inputs that keep their value where they are left out: optional and computed. */
  readonly kept: readonly string[];
}

export const PLACE = { partition: "aws", region: "us-east-1", account: "123456789012" };

const arn = (service: string, resource: string) =>
  `arn:${PLACE.partition}:${service}:${PLACE.region}:${PLACE.account}:${resource}`;

/** A name that Pulumi makes and AWS holds unique. */
const named = (maximum: number, pattern: RegExp, input = "name"): Name => ({
  input,
  maximum,
  pattern,
  automatic: true,
});

/** A name that the program gives, and that another stack may take from this one without a word. */
const overwriting = (input: string, maximum: number, pattern: RegExp): Name => ({
  input,
  maximum,
  pattern,
  automatic: false,
  overwrites: true,
});

/** Something that a bucket has one of. */
const ofBucket = (file: string, documents: string[] = [], others: string[] = []): Row => ({
  replaces: ["bucket", ...others],
  source: `s3/${file}`,
  documents,
  answers: ({ bucket }) => ({ id: bucket }),
});

/** Something that a queue has one of. */
const ofQueue = (file: string, document: string): Row => ({
  replaces: ["queueUrl"],
  source: `sqs/${file}`,
  documents: [document],
  answers: ({ queueUrl }) => ({ id: queueUrl }),
});

/**
 * Names are as AWS's API reference has them for the operation that makes the resource, and as Pulumi's provider cuts
 * them. The provider's schema of the inputs that are left out here is in @pulumi/aws, which `typeOf` reads.
 */
const ROWS: Record<string, Row> = {
  "aws:s3/bucket:Bucket": {
    replaces: ["bucket", "bucketPrefix", "bucketNamespace", "objectLockEnabled"],
    source: "s3/bucket.go",
    name: named(63, /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "bucket"),
    answers: (_, bucket) => ({
      id: bucket,
      outputs: { bucket, arn: `arn:${PLACE.partition}:s3:::${bucket}` },
    }),
  },
  "aws:s3/bucketVersioning:BucketVersioning": ofBucket("bucket_versioning.go", [], ["expectedBucketOwner"]),
  "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": ofBucket("bucket_public_access_block.go"),
  "aws:s3/bucketOwnershipControls:BucketOwnershipControls": ofBucket("bucket_ownership_controls.go"),
  "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": ofBucket(
    "bucket_server_side_encryption_configuration.go",
    [],
    ["expectedBucketOwner"],
  ),
  "aws:s3/bucketPolicy:BucketPolicy": ofBucket("bucket_policy.go", ["policy"]),
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": ofBucket(
    "bucket_lifecycle_configuration.go",
    [],
    ["expectedBucketOwner"],
  ),
  "aws:s3/bucketNotification:BucketNotification": ofBucket("bucket_notification.go"),
  "aws:sns/topic:Topic": {
    replaces: ["name", "namePrefix", "fifoTopic"],
    source: "sns/topic.go",
    name: named(256, /^[0-9A-Za-z_-]{1,256}$/),
    answers: (_, name) => ({ id: arn("sns", name), outputs: { name, arn: arn("sns", name) } }),
  },
  "aws:sns/topicPolicy:TopicPolicy": {
    replaces: ["arn"],
    source: "sns/topic_policy.go",
    documents: ["policy"],
    answers: (inputs) => ({ id: inputs.arn, outputs: { owner: PLACE.account } }),
  },
  "aws:sns/topicSubscription:TopicSubscription": {
    replaces: ["endpoint", "protocol", "topic"],
    source: "sns/topic_subscription.go",
    documents: ["redrivePolicy"],
    answers: ({ topic }, name) => ({ id: `${topic}:${name}`, outputs: { arn: `${topic}:${name}` } }),
  },
  "aws:sqs/queue:Queue": {
    replaces: ["name", "namePrefix", "fifoQueue"],
    source: "sqs/queue.go",
    name: named(80, /^[0-9A-Za-z_-]{1,80}$/),
    documents: ["redrivePolicy", "redriveAllowPolicy"],
    answers: (_, name) => {
      const url = `https://sqs.${PLACE.region}.amazonaws.com/${PLACE.account}/${name}`;
      return { id: url, outputs: { name, arn: arn("sqs", name), url } };
    },
  },
  "aws:sqs/queuePolicy:QueuePolicy": ofQueue("queue_policy.go", "policy"),
  "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": ofQueue(
    "queue_redrive_allow_policy.go",
    "redriveAllowPolicy",
  ),
  "aws:lambda/function:Function": {
    replaces: ["name", "packageType", "tenancyConfig"],
    source: "lambda/function.go",
    name: named(64, /^[0-9A-Za-z_-]{1,64}$/),
    answers: (_, name) => ({
      id: name,
      outputs: { name, arn: arn("lambda", `function:${name}`), version: "$LATEST" },
    }),
  },
  "aws:lambda/layerVersion:LayerVersion": {
    replaces: [
      "code",
      "compatibleArchitectures",
      "compatibleRuntimes",
      "description",
      "layerName",
      "licenseInfo",
      "sourceCodeHash",
    ],
    source: "lambda/layer_version.go",
    sets: ["compatibleArchitectures", "compatibleRuntimes"],
    name: overwriting("layerName", 140, /^[0-9A-Za-z_-]{1,140}$/),
    answers: ({ layerName }, version) => {
      const layerArn = arn("lambda", `layer:${layerName}`);
      return { id: `${layerArn}:${version}`, outputs: { arn: `${layerArn}:${version}`, layerArn, version } };
    },
  },
  "aws:lambda/eventSourceMapping:EventSourceMapping": {
    replaces: ["eventSourceArn", "queues", "startingPosition", "startingPositionTimestamp", "topics"],
    source: "lambda/event_source_mapping.go",
    sets: ["functionResponseTypes"],
    answers: ({ functionName }, uuid) => ({
      id: uuid,
      outputs: { uuid, arn: arn("lambda", `event-source-mapping:${uuid}`), functionArn: functionName },
    }),
  },
  "aws:iam/role:Role": {
    replaces: ["name", "namePrefix", "path"],
    source: "iam/role.go",
    name: named(64, /^[\w+=,.@-]{1,64}$/),
    documents: ["assumeRolePolicy"],
    answers: (_, name) => ({
      id: name,
      outputs: { name, arn: `arn:${PLACE.partition}:iam::${PLACE.account}:role/${name}` },
    }),
  },
  "aws:iam/rolePolicy:RolePolicy": {
    replaces: ["name", "namePrefix", "role"],
    source: "iam/role_policy.go",
    name: named(128, /^[\w+=,.@-]{1,128}$/),
    documents: ["policy"],
    answers: ({ role }, name) => ({ id: `${role}:${name}`, outputs: { name } }),
  },
  "aws:cloudwatch/logGroup:LogGroup": {
    replaces: ["name", "namePrefix", "logGroupClass"],
    source: "logs/group.go",
    name: named(512, /^[.\-_/#A-Za-z0-9]{1,512}$/),
    answers: (_, name) => ({ id: name, outputs: { name, arn: arn("logs", `log-group:${name}`) } }),
  },
  "aws:cloudwatch/metricAlarm:MetricAlarm": {
    replaces: ["name"],
    source: "cloudwatch/metric_alarm.go",
    name: named(255, /^[^\p{Cc}]{1,255}$/u),
    sets: ["alarmActions", "okActions", "metricQueries"],
    answers: (_, name) => ({ id: name, outputs: { name, arn: arn("cloudwatch", `alarm:${name}`) } }),
  },
  "aws:cloudwatch/dashboard:Dashboard": {
    replaces: ["dashboardName"],
    source: "cloudwatch/dashboard.go",
    name: overwriting("dashboardName", 255, /^[0-9A-Za-z_-]{1,255}$/),
    documents: ["dashboardBody"],
    answers: ({ dashboardName }) => ({ id: dashboardName }),
  },
  "aws:kms/key:Key": {
    replaces: ["customKeyStoreId", "customerMasterKeySpec", "keyUsage", "multiRegion", "xksKeyId"],
    source: "kms/key.go",
    answers: (_, keyId) => ({ id: keyId, outputs: { keyId, arn: arn("kms", `key/${keyId}`) } }),
  },
  "aws:kms/alias:Alias": {
    replaces: ["name", "namePrefix"],
    source: "kms/alias.go",
    name: { input: "name", maximum: 256, pattern: /^alias\/(?!aws\/)[\w/-]{1,250}$/, automatic: false },
    answers: ({ name }) => ({ id: name, outputs: { arn: arn("kms", name) } }),
  },
  "aws:kms/keyPolicy:KeyPolicy": {
    replaces: [],
    source: "kms/key_policy.go",
    documents: ["policy"],
    // It reads back the id where it was given the ARN, and finds a difference at every up:
    // https://github.com/hashicorp/terraform-provider-aws/issues/46432
    answers: ({ keyId }) => {
      const id = String(keyId).replace(/^.*\//, "");
      return { id, outputs: { keyId: id } };
    },
  },
  "aws:xray/resourcePolicy:ResourcePolicy": {
    replaces: ["policyName"],
    source: "xray/resource_policy.go",
    name: overwriting("policyName", 128, /^[\w+=,.@-]{1,128}$/),
    documents: ["policyDocument"],
    answers: ({ policyName }) => ({ id: policyName }),
  },
};

export const TYPES = Object.keys(ROWS);

const known = new Map<string, ResourceType>();

/**
 * What is known of a type. Which inputs must be there, and which keep their value where they are left out, is read from
 * @pulumi/aws: an input that is kept may be missing from what is given, and never is from what comes of it.
 * @throws Error where the table has no such type
 */
export function typeOf(token: string): ResourceType {
  const found = known.get(token);
  if (found) return found;
  const row = ROWS[token];
  if (!row) throw new Error(`${token} is not in the table of test/engine/types.ts.`);
  const [, module = "", name = ""] = token.split(":");
  const text = readFileSync(
    new URL(`../../node_modules/@pulumi/aws/${module}.d.ts`, import.meta.url),
    "utf8",
  );
  const [outputs = "", inputs = ""] = text.split(`export interface ${name}Args `);
  const given = [...inputs.matchAll(/^ {4}(\w+)(\??): /gm)].map(([, input = "", optional]) => ({
    input,
    optional: optional === "?",
  }));
  const isKept = (input: string) => {
    const from = outputs.indexOf(`    readonly ${input}: `);
    const declaration = outputs.slice(from, outputs.indexOf(">;\n", from));
    return from >= 0 && !declaration.endsWith("| undefined");
  };
  const type: ResourceType = {
    ...row,
    // What is made in one region cannot move to another.
    replaces: given.some(({ input }) => input === "region") ? [...row.replaces, "region"] : row.replaces,
    required: given.filter(({ optional }) => !optional).map(({ input }) => input),
    kept: given.filter(({ input, optional }) => optional && isKept(input)).map(({ input }) => input),
  };
  known.set(token, type);
  return type;
}
