import type { iam } from "@pulumi/aws";
import { placeOf } from "./arn.ts";

type PolicyDocument = iam.PolicyDocument;
type PolicyStatement = iam.PolicyStatement;

/**
 * Every policy of the machine, as pure functions of resolved ARNs. Service principals are held to the one
 * resource and account that may use them (the confused deputy), and nothing is reachable without TLS.
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

/** The alarms of the account and region that a resource is in. */
function alarmsBeside(arn: string): string {
  const { partition, region, account } = placeOf(arn);
  return `arn:${partition}:cloudwatch:${region}:${account}:alarm:*`;
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
        Condition: onBehalfOf(arns.topicArn, placeOf(arns.topicArn).account),
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
 * Who may use the key, beside whom the account's own policies allow it: the services that pass messages on, and
 * the logs. "*" is the key itself here, the only resource that a key policy is about.
 * https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
 */
export function keyPolicy(arns: {
  keyArn: string;
  bucketArn: string;
  topicArn: string;
  /** How the names of the log groups begin. */
  logGroups: string;
}): PolicyDocument {
  const { partition, region, account } = placeOf(arns.keyArn);
  const service = (Sid: string, principal: string, sourceArn: string): PolicyStatement => ({
    Sid,
    Effect: "Allow",
    Principal: { Service: principal },
    Action: ["kms:Decrypt", "kms:GenerateDataKey*"],
    Resource: "*",
    Condition: onBehalfOf(sourceArn, account),
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
      service("SourceBucketPublishes", "s3.amazonaws.com", arns.bucketArn),
      service("TopicSends", "sns.amazonaws.com", arns.topicArn),
      service("AlarmsPublish", "cloudwatch.amazonaws.com", alarmsBeside(arns.keyArn)),
      {
        Sid: "LogsEncrypt",
        Effect: "Allow",
        // The one service here whose principal differs by region and partition.
        Principal: { Service: `logs.${region}.amazonaws.com${partition === "aws-cn" ? ".cn" : ""}` },
        Action: ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
        Resource: "*",
        Condition: {
          ArnLike: {
            "kms:EncryptionContext:aws:logs:arn": `arn:${partition}:logs:${region}:${account}:log-group:${arns.logGroups}*`,
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
