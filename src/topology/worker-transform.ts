import type * as aws from "@pulumi/aws";
import type { Known, Transform } from "./transform.ts";

/** Changes to individual resources of a worker. */
export interface ImageWorkerTransform {
  readonly deadLetterQueue?: Transform<aws.sqs.QueueArgs>;
  readonly queue?: Transform<aws.sqs.QueueArgs>;
  readonly redriveAllow?: Transform<aws.sqs.RedriveAllowPolicyArgs>;
  readonly queuePolicy?: Transform<aws.sqs.QueuePolicyArgs>;
  readonly deadLetterPolicy?: Transform<aws.sqs.QueuePolicyArgs>;
  readonly subscription?: Transform<aws.sns.TopicSubscriptionArgs>;
  readonly logGroup?: Transform<aws.cloudwatch.LogGroupArgs>;
  readonly role?: Transform<aws.iam.RoleArgs>;
  readonly rolePolicy?: Transform<aws.iam.RolePolicyArgs>;
  readonly function?: Transform<aws.lambda.FunctionArgs>;
  readonly mapping?: Transform<aws.lambda.EventSourceMappingArgs>;
  readonly alarm?: Transform<aws.cloudwatch.MetricAlarmArgs>;
}

export const WORKER_TRANSFORMS: Known<ImageWorkerTransform> = {
  deadLetterQueue: true,
  queue: true,
  redriveAllow: true,
  queuePolicy: true,
  deadLetterPolicy: true,
  subscription: true,
  logGroup: true,
  role: true,
  rolePolicy: true,
  function: true,
  mapping: true,
  alarm: true,
};
