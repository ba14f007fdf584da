import type { iam } from "@pulumi/aws";
import { placeOf } from "./arn.ts";

type PolicyDocument = iam.PolicyDocument;
type PolicyStatement = iam.PolicyStatement;

/**
 * Every policy of the machine, as pure functions of resolved ARNs. Service principals are held to the resource
 * and account that may use them (the confused deputy), by the condition keys that AWS documents for each service
 * (docs/architecture.md has the table); nothing is reachable without TLS.
 */

const VERSION = "2012-10-17";

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
export function bucketPolicy({ bucketArn }: { bucketArn: string }): PolicyDocument {
  return { Version: VERSION, Statement: [denyWithoutTls("s3:*", [bucketArn, `${bucketArn}/*`])] };
}

/** A topic to which only the source bucket publishes. */
export function topicPolicy(arns: { topicArn: string; bucketArn: string }): PolicyDocument {
  return {
    Version: VERSION,
    Statement: [
      {
        Sid: "SourceBucketPublishes",
        Effect: "Allow",
        Principal: { Service: "s3.amazonaws.com" },
        Action: "sns:Publish",
        Resource: arns.topicArn,
        Condition: onBehalfOf(arns.bucketArn, placeOf(arns.topicArn).account),
      },
      denyWithoutTls("sns:Publish", [arns.topicArn]),
    ],
  };
}

/** A topic to which only the account's alarms publish. */
export function alarmTopicPolicy({ topicArn }: { topicArn: string }): PolicyDocument {
  return {
    Version: VERSION,
    Statement: [
      {
        Sid: "AlarmsPublish",
        Effect: "Allow",
        Principal: { Service: "cloudwatch.amazonaws.com" },
        Action: "sns:Publish",
        Resource: topicArn,
        Condition: onBehalfOf(alarmsBeside(topicArn), placeOf(topicArn).account),
      },
      denyWithoutTls("sns:Publish", [topicArn]),
    ],
  };
}

/** A queue to which only the topic sends. The dead-letter queue has the same: the topic sends there what it could not deliver. */
export function queuePolicy(arns: { queueArn: string; topicArn: string }): PolicyDocument {
  return {
    Version: VERSION,
    Statement: [
      {
        Sid: "TopicSends",
        Effect: "Allow",
        Principal: { Service: "sns.amazonaws.com" },
        Action: "sqs:SendMessage",
        Resource: arns.queueArn,
        Condition: onBehalfOfTopic(arns.topicArn),
      },
      denyWithoutTls("sqs:*", [arns.queueArn]),
    ],
  };
}

/**
 * Lets the topic send traces. X-Ray knows no single resources here:
 * https://docs.aws.amazon.com/xray/latest/devguide/xray-services-sns.html
 */
export function tracingPolicy({ topicArn }: { topicArn: string }): PolicyDocument {
  return {
    Version: VERSION,
    Statement: [
      {
        Sid: "TopicTraces",
        Effect: "Allow",
        Principal: { Service: "sns.amazonaws.com" },
        Action: ["xray:PutTraceSegments", "xray:GetSamplingRules", "xray:GetSamplingTargets"],
        Resource: "*",
        Condition: onBehalfOf(topicArn, placeOf(topicArn).account),
      },
    ],
  };
}

/**
 * Who may use the key, besides principals that the account's IAM policies allow: the services that pass messages
 * on, and the logs. It names them by patterns that follow from the key's own ARN, so that it can stand before
 * anything is encrypted; topic and queues have policies that say which topic and which bucket. "*" is the key
 * itself here, the only resource that a key policy is about.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
 * https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
 * @param logGroups how the names of the log groups begin
 */
export function keyPolicy({ keyArn, logGroups }: { keyArn: string; logGroups: string }): PolicyDocument {
  const { partition, region, account } = placeOf(keyArn);
  const service = (
    Sid: string,
    principal: string,
    Condition?: PolicyStatement["Condition"],
  ): PolicyStatement => ({
    Sid,
    Effect: "Allow",
    Principal: { Service: principal },
    Action: ["kms:Decrypt", "kms:GenerateDataKey*"],
    Resource: "*",
    ...(Condition && { Condition }),
  });
  return {
    Version: VERSION,
    Statement: [
      {
        Sid: "AccountAdministers",
        Effect: "Allow",
        Principal: { AWS: `arn:${partition}:iam::${account}:root` },
        Action: "kms:*",
        Resource: "*",
      },
      // As S3's own page has it, and AWS's CDK: without a condition.
      service("SourceBucketPublishes", "s3.amazonaws.com"),
      service("TopicSends", "sns.amazonaws.com", onBehalfOfTopic(topicsBeside(keyArn))),
      service("AlarmsPublish", "cloudwatch.amazonaws.com", onBehalfOf(alarmsBeside(keyArn), account)),
      {
        Sid: "LogsEncrypt",
        Effect: "Allow",
        // The one service here whose principal differs by region and partition.
        Principal: { Service: `logs.${region}.amazonaws.com${partition === "aws-cn" ? ".cn" : ""}` },
        Action: ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
        Resource: "*",
        Condition: {
          ArnLike: {
            "kms:EncryptionContext:aws:logs:arn": `arn:${partition}:logs:${region}:${account}:log-group:${logGroups}*`,
          },
        },
      },
    ],
  };
}

/**
 * Who may take on a function's role: Lambda. It says neither aws:SourceArn nor aws:SourceAccount when it does:
 * they are for policies whose resource is a function
 * (https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html).
 */
export function lambdaTrustPolicy(): PolicyDocument {
  return {
    Version: VERSION,
    Statement: [
      {
        Sid: "LambdaRuns",
        Effect: "Allow",
        Principal: { Service: "lambda.amazonaws.com" },
        Action: "sts:AssumeRole",
      },
    ],
  };
}

/** What a worker's function may do, and nothing else. */
export function workerPolicy(
  arns: {
    sourceArn: string;
    resultsArn: string;
    prefix: string;
    queueArn: string;
    deadLetterArn: string;
    logGroupArn: string;
    /** Of the key that buckets and queues are encrypted with, where it is not AWS's own. */
    keyArn?: string | undefined;
  },
  { tracing }: { tracing: boolean },
): PolicyDocument {
  const statements: PolicyStatement[] = [
    {
      Sid: "TakeMessages",
      Effect: "Allow",
      Action: [
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:ChangeMessageVisibility",
        "sqs:GetQueueAttributes",
      ],
      Resource: arns.queueArn,
    },
    {
      Sid: "RejectMessages",
      Effect: "Allow",
      Action: "sqs:SendMessage",
      Resource: arns.deadLetterArn,
    },
    {
      Sid: "ReadSources",
      Effect: "Allow",
      Action: ["s3:GetObject", "s3:GetObjectVersion"],
      Resource: `${arns.sourceArn}/*`,
    },
    {
      Sid: "ReadAndWriteOwnResults",
      Effect: "Allow",
      Action: ["s3:GetObject", "s3:PutObject"],
      Resource: `${arns.resultsArn}/${arns.prefix}/*`,
    },
    {
      // Without them S3 answers 403 for a source or a version that is gone, as if it were one that may not be read.
      Sid: "TellMissingSources",
      Effect: "Allow",
      Action: ["s3:ListBucket", "s3:ListBucketVersions"],
      Resource: arns.sourceArn,
    },
    {
      Sid: "WriteLogs",
      Effect: "Allow",
      Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
      Resource: `${arns.logGroupArn}:*`,
    },
  ];
  if (arns.keyArn !== undefined) {
    statements.push({
      Sid: "UseKey",
      Effect: "Allow",
      Action: ["kms:Decrypt", "kms:GenerateDataKey"],
      Resource: arns.keyArn,
    });
  }
  if (tracing) {
    // X-Ray knows no single resources here.
    statements.push({
      Sid: "WriteTraces",
      Effect: "Allow",
      Action: ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
      Resource: "*",
    });
  }
  return { Version: VERSION, Statement: statements };
}
