import type { iam } from "@pulumi/aws";
import { placeOf } from "./arn.ts";

type PolicyDocument = iam.PolicyDocument;
type PolicyStatement = iam.PolicyStatement;
type Condition = PolicyStatement["Condition"];

/**
 * Every policy of the machine, as pure functions of resolved ARNs. Service principals are held to the resource
 * and account that may use them (the confused deputy), by the condition keys that AWS documents for each service
 * (docs/architecture.md has the table); nothing is reachable without TLS.
 */

/** A policy of those statements that there are. */
function document(...statements: (PolicyStatement | false | undefined | "")[]): PolicyDocument {
  return { Version: "2012-10-17", Statement: statements.filter((statement) => !!statement) };
}

/** Allows whoever has the policy to do something. */
function allow(Sid: string, Action: string | string[], Resource: string): PolicyStatement {
  return { Sid, Effect: "Allow", Action, Resource };
}

/**
 * Allows whoever has the policy to have a service use a key for them, and nothing of the key beside that:
 * https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service.
 * Services that act for themselves come by way of none, so that the key's own policy has no such condition.
 * @param services by which the key is used, of the key's region
 */
function allowKey(
  Sid: string,
  Action: string | string[],
  keyArn: string,
  ...services: ("lambda" | "s3" | "sqs")[]
): PolicyStatement {
  const { partition, region } = placeOf(keyArn);
  // No page was found that says how China's regions are named here; a name that no service has does no harm.
  const domains = partition === "aws-cn" ? ["amazonaws.com", "amazonaws.com.cn"] : ["amazonaws.com"];
  const names = domains.flatMap((domain) => services.map((service) => `${service}.${region}.${domain}`));
  return {
    ...allow(Sid, Action, keyArn),
    Condition: { StringEquals: { "kms:ViaService": names.length === 1 ? String(names[0]) : names } },
  };
}

/** Allows an AWS service to do something, under a condition if there is one. */
function allowService(
  Sid: string,
  service: string,
  Action: string | string[],
  Resource: string,
  Condition?: Condition,
): PolicyStatement {
  return {
    Sid,
    Effect: "Allow",
    Principal: { Service: service },
    Action,
    Resource,
    ...(Condition && { Condition }),
  };
}

/** Denies every request to the resource that was not made over TLS. */
function denyWithoutTls(actions: string, resources: string[]): PolicyStatement {
  return {
    Sid: "DenyWithoutTls",
    Effect: "Deny",
    Principal: "*",
    Action: actions,
    Resource: resources,
    Condition: { Bool: { "aws:SecureTransport": "false" } },
  };
}

/** Holds a service to what it does for one resource of one account. */
function onBehalfOf(sourceArn: string, account: string) {
  return { ArnLike: { "aws:SourceArn": sourceArn }, StringEquals: { "aws:SourceAccount": account } };
}

/**
 * Holds SNS to what it does for one topic. The topic's ARN holds the account. No policy was found that asks SNS
 * for aws:SourceAccount when it sends to a queue; if it does not say it, such a policy denies every delivery.
 */
function onBehalfOfTopic(topicArn: string) {
  return { ArnLike: { "aws:SourceArn": topicArn } };
}

/** The alarms of the account and region that a resource is in. */
function alarmsBeside(arn: string): string {
  const { partition, region, account } = placeOf(arn);
  return `arn:${partition}:cloudwatch:${region}:${account}:alarm:*`;
}

/** The topics of the account and region that a resource is in. */
function topicsBeside(arn: string): string {
  const { partition, region, account } = placeOf(arn);
  return `arn:${partition}:sns:${region}:${account}:*`;
}

/** A bucket that answers over TLS alone; who may use it is left to the roles of its account. */
export function bucketPolicy(bucketArn: string): PolicyDocument {
  return document(denyWithoutTls("s3:*", [bucketArn, `${bucketArn}/*`]));
}

/**
 * A topic to which only one bucket publishes.
 * @param of which of the machine's buckets it is
 */
export function topicPolicy({
  topicArn,
  bucketArn,
  of,
}: {
  topicArn: string;
  bucketArn: string;
  of: "Source" | "Results";
}): PolicyDocument {
  return publishedBy(topicArn, `${of}BucketPublishes`, "s3.amazonaws.com", bucketArn);
}

/** A topic to which only the account's alarms publish. */
export function alarmTopicPolicy(topicArn: string): PolicyDocument {
  return publishedBy(topicArn, "AlarmsPublish", "cloudwatch.amazonaws.com", alarmsBeside(topicArn));
}

function publishedBy(topicArn: string, Sid: string, service: string, sourceArn: string): PolicyDocument {
  return document(
    allowService(Sid, service, "sns:Publish", topicArn, onBehalfOf(sourceArn, placeOf(topicArn).account)),
    denyWithoutTls("sns:Publish", [topicArn]),
  );
}

/** A queue to which only the topic sends. The dead-letter queue has the same: the topic sends there what it could not deliver. */
export function queuePolicy({ queueArn, topicArn }: { queueArn: string; topicArn: string }): PolicyDocument {
  return document(
    allowService("TopicSends", "sns.amazonaws.com", "sqs:SendMessage", queueArn, onBehalfOfTopic(topicArn)),
    denyWithoutTls("sqs:*", [queueArn]),
  );
}

/**
 * Lets the topic send traces. X-Ray knows no single resources here:
 * https://docs.aws.amazon.com/xray/latest/devguide/xray-services-sns.html
 */
export function tracingPolicy(topicArn: string): PolicyDocument {
  return document(
    allowService(
      "TopicTraces",
      "sns.amazonaws.com",
      ["xray:PutTraceSegments", "xray:GetSamplingRules", "xray:GetSamplingTargets"],
      "*",
      onBehalfOf(topicArn, placeOf(topicArn).account),
    ),
  );
}

/** Actions on a key by a service that passes messages on. */
const USE_KEY = ["kms:Decrypt", "kms:GenerateDataKey*"];

/**
 * Allows the key's users, besides principals that the account's IAM policies allow: the services that pass messages
 * on, and the logs. It names them by patterns that follow from the key's own ARN, so that it can stand before
 * anything is encrypted; topic and queues have policies that say which topic and which bucket. "*" is the key
 * itself here, the only resource that a key policy is about.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
 * https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
 * @param logGroups how the names of the log groups begin
 */
export function keyPolicy(keyArn: string, logGroups: string): PolicyDocument {
  const { partition, region, account } = placeOf(keyArn);
  return document(
    {
      Sid: "AccountAdministers",
      Effect: "Allow",
      Principal: { AWS: `arn:${partition}:iam::${account}:root` },
      Action: "kms:*",
      Resource: "*",
    },
    // As S3's own page has it, and AWS's CDK: without a condition.
    allowService("SourceBucketPublishes", "s3.amazonaws.com", USE_KEY, "*"),
    allowService("TopicSends", "sns.amazonaws.com", USE_KEY, "*", onBehalfOfTopic(topicsBeside(keyArn))),
    allowService(
      "AlarmsPublish",
      "cloudwatch.amazonaws.com",
      USE_KEY,
      "*",
      onBehalfOf(alarmsBeside(keyArn), account),
    ),
    allowService(
      "LogsEncrypt",
      // The one service here whose principal differs by region and partition.
      `logs.${region}.amazonaws.com${partition === "aws-cn" ? ".cn" : ""}`,
      ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
      "*",
      {
        ArnLike: {
          "kms:EncryptionContext:aws:logs:arn": `arn:${partition}:logs:${region}:${account}:log-group:${logGroups}*`,
        },
      },
    ),
  );
}

/**
 * Lets Lambda take on a function's role. Lambda says neither aws:SourceArn nor aws:SourceAccount when it does:
 * they are for policies whose resource is a function
 * (https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html).
 */
export function lambdaTrustPolicy(): PolicyDocument {
  return document({
    Sid: "LambdaRuns",
    Effect: "Allow",
    Principal: { Service: "lambda.amazonaws.com" },
    Action: "sts:AssumeRole",
  });
}

/** Resources that a worker's function works with, and what it may do only where it is asked for. */
export interface WorkerAccess {
  readonly sourceArn: string;
  readonly resultsArn: string;
  /** How the keys of its results begin, up to a slash. */
  readonly prefix: string;
  readonly queueArn: string;
  readonly deadLetterArn: string;
  readonly logGroupArn: string;
  /** Of the key that buckets and queues are encrypted with, where it is not AWS's own. */
  readonly keyArn?: string | undefined;
  /** Of the key that sources are encrypted with, where they are results of another fan-out, which has one. */
  readonly sourceKeyArn?: string | undefined;
  readonly tracing: boolean;
  /** Whether tags go along from sources to results. */
  readonly tags: boolean;
  /** What its own handler needs. */
  readonly permissions: readonly PolicyStatement[];
}

/** The part of it that somebody else's role has. */
type Access<Of extends keyof WorkerAccess> = Pick<WorkerAccess, Of | "keyArn">;

const TAKE_MESSAGES = [
  "sqs:ReceiveMessage",
  "sqs:DeleteMessage",
  "sqs:ChangeMessageVisibility",
  "sqs:GetQueueAttributes",
];

/** Actions on a key by a principal whose data are encrypted with it. */
const READ_AND_WRITE = ["kms:Decrypt", "kms:GenerateDataKey"];

/** Allows a worker's function what it does, and nothing else. */
export function workerPolicy(access: WorkerAccess): PolicyDocument {
  const { queueArn, deadLetterArn, logGroupArn, keyArn, sourceKeyArn, tracing, tags, permissions } = access;
  const [sources, results] = [`${access.sourceArn}/*`, `${access.resultsArn}/${access.prefix}/*`];
  return document(
    allow("TakeMessages", TAKE_MESSAGES, queueArn),
    allow("RejectMessages", "sqs:SendMessage", deadLetterArn),
    allow("ReadSources", ["s3:GetObject", "s3:GetObjectVersion"], sources),
    allow("ReadAndWriteOwnResults", ["s3:GetObject", "s3:PutObject"], results),
    // Of the current version, and of the one that an event names.
    tags && allow("ReadSourceTags", ["s3:GetObjectTagging", "s3:GetObjectVersionTagging"], sources),
    tags && allow("TagOwnResults", "s3:PutObjectTagging", results),
    // Without them S3 answers 403 for a source or a version that is gone, as if it were one that may not be read.
    allow("TellMissingSources", ["s3:ListBucket", "s3:ListBucketVersions"], access.sourceArn),
    allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], `${logGroupArn}:*`),
    // Lambda decrypts the environment as the role that runs.
    keyArn && allowKey("UseKey", READ_AND_WRITE, keyArn, "s3", "sqs", "lambda"),
    sourceKeyArn && allowKey("UseSourceKey", "kms:Decrypt", sourceKeyArn, "s3"),
    // X-Ray knows no single resources here.
    tracing && allow("WriteTraces", ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "*"),
    ...permissions,
  );
}

/**
 * Allows to drop images into the source bucket, and not to read them.
 * @param keyArn of the key that they are encrypted with: a part of an upload is only taken by who may decrypt it
 *   (https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html)
 * @param tags whether uploads may have tags
 */
export function uploadPolicy({ sourceArn, keyArn, tags }: Access<"sourceArn" | "tags">): PolicyDocument {
  // Also of many parts; whoever gives up on one of those takes its parts away.
  const actions = ["s3:PutObject", "s3:AbortMultipartUpload", ...(tags ? ["s3:PutObjectTagging"] : [])];
  return document(
    allow("UploadImages", actions, `${sourceArn}/*`),
    keyArn && allowKey("UseKey", READ_AND_WRITE, keyArn, "s3"),
  );
}

/** Allows to read the results of all workers. Without leave to list them, one that is not there yet is a 403. */
export function readPolicy({ resultsArn, keyArn }: Access<"resultsArn">): PolicyDocument {
  return document(
    allow("ReadResults", "s3:GetObject", `${resultsArn}/*`),
    allow("ListResults", "s3:ListBucket", resultsArn),
    keyArn && allowKey("UseKey", "kms:Decrypt", keyArn, "s3"),
  );
}

/** What is done with dead letters: they are looked at, sent again one by one or by SQS itself, or deleted. */
const TAKE_DEAD_LETTERS = [
  ...TAKE_MESSAGES,
  "sqs:StartMessageMoveTask",
  "sqs:ListMessageMoveTasks",
  "sqs:CancelMessageMoveTask",
];

/** Allows to look at a worker's dead letters, and to delete them or send them again. */
export function redrivePolicy(arns: Access<"queueArn" | "deadLetterArn">): PolicyDocument {
  const { queueArn, deadLetterArn, keyArn } = arns;
  return document(
    allow("TakeDeadLetters", TAKE_DEAD_LETTERS, deadLetterArn),
    allow("SendAgain", "sqs:SendMessage", queueArn),
    keyArn && allowKey("UseKey", READ_AND_WRITE, keyArn, "sqs"),
  );
}
