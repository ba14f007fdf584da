import type * as aws from "@pulumi/aws";
import type { Transform } from "./transform.ts";

/** Changes to single resources of a worker. */
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

/** Every transform that there is, for checks. */
export const WORKER_TRANSFORMS: Record<keyof ImageWorkerTransform, true> = {
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

/** Transforms of each kind of resource: the fan-out's for all workers, and then the worker's own. */
export type WorkerTransforms = {
  readonly [Kind in keyof ImageWorkerTransform]-?: readonly ImageWorkerTransform[Kind][];
};

export function transformsOf(...transforms: ImageWorkerTransform[]): WorkerTransforms {
  const kinds = Object.keys(WORKER_TRANSFORMS) as (keyof ImageWorkerTransform)[];
  return Object.fromEntries(
    kinds.map((kind) => [kind, transforms.map((each) => each[kind])]),
  ) as unknown as WorkerTransforms;
}
