import type * as aws from "@pulumi/aws";
import type { AlarmTopicTransform } from "./alarm-topic.ts";
import { type EncryptionKeyTransform, KEY_TRANSFORMS } from "./encryption-key.ts";
import { BUCKET_TRANSFORMS, type ImageBucketTransform } from "./image-bucket.ts";
import type { Known, Transform } from "./transform.ts";
import { type ImageWorkerTransform, WORKER_TRANSFORMS } from "./worker-transform.ts";

/** Changes to a topic, and to the bucket notification that feeds it. */
export interface ToldTransform {
  readonly topic?: Transform<aws.sns.TopicArgs>;
  readonly topicPolicy?: Transform<aws.sns.TopicPolicyArgs>;
  readonly notification?: Transform<aws.s3.BucketNotificationArgs>;
}

export interface ImageFanOutTransform extends ToldTransform, AlarmTopicTransform {
  readonly key?: EncryptionKeyTransform;
  readonly source?: ImageBucketTransform;
  readonly results?: ImageBucketTransform;
  readonly completed?: ToldTransform;
  readonly tracingPolicy?: Transform<aws.xray.ResourcePolicyArgs>;
  readonly layer?: Transform<aws.lambda.LayerVersionArgs>;
  readonly alarm?: Transform<aws.cloudwatch.MetricAlarmArgs>;
  readonly dashboard?: Transform<aws.cloudwatch.DashboardArgs>;
  /** Changes to the resources of every worker, made before the worker's own. */
  readonly workers?: ImageWorkerTransform;
}

const TOLD_TRANSFORMS: Known<ToldTransform> = { topic: true, topicPolicy: true, notification: true };

export const FAN_OUT_TRANSFORMS: Known<ImageFanOutTransform> = {
  key: KEY_TRANSFORMS,
  source: BUCKET_TRANSFORMS,
  results: BUCKET_TRANSFORMS,
  completed: TOLD_TRANSFORMS,
  ...TOLD_TRANSFORMS,
  tracingPolicy: true,
  layer: true,
  alarmTopic: true,
  alarmTopicPolicy: true,
  alarmEmail: true,
  alarm: true,
  dashboard: true,
  workers: WORKER_TRANSFORMS,
};
