import type { iam } from "@pulumi/aws";

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

/** The account that a resource is in: the fifth part of its ARN. */
function accountOf(arn: string): string {
  return arn.split(":")[4] ?? "";
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
        Condition: {
          ArnEquals: { "aws:SourceArn": arns.bucketArn },
          StringEquals: { "aws:SourceAccount": accountOf(arns.topicArn) },
        },
      },
      denyWithoutTls("sns:Publish", [arns.topicArn]),
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
        Condition: {
          ArnEquals: { "aws:SourceArn": arns.topicArn },
          StringEquals: { "aws:SourceAccount": accountOf(arns.topicArn) },
        },
      },
      denyWithoutTls("sqs:*", [arns.queueArn]),
    ],
  };
}

/** Who may take on a function's role: Lambda. */
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
export function workerPolicy(arns: {
  sourceArn: string;
  resultsArn: string;
  prefix: string;
  queueArn: string;
  deadLetterArn: string;
  logGroupArn: string;
}): PolicyDocument {
  return {
    Version: VERSION,
    Statement: [
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
        // Without it S3 answers 403 for a source that is gone, as if it were one that may not be read.
        Sid: "TellMissingSources",
        Effect: "Allow",
        Action: "s3:ListBucket",
        Resource: arns.sourceArn,
      },
      {
        Sid: "WriteLogs",
        Effect: "Allow",
        Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
        Resource: `${arns.logGroupArn}:*`,
      },
    ],
  };
}
