import type { FanOutSettings } from "../../src/topology/setting-types.ts";

/** What may come of a change, by the kinds of resources; what is not named must not happen. */
export interface Allowed {
  readonly create?: readonly string[];
  readonly update?: readonly string[];
  readonly replace?: readonly string[];
  readonly delete?: readonly string[];
  /** Left on AWS, and no longer the stack's. */
  readonly keep?: readonly string[];
}

export interface Switch {
  /** As docs/settings.md names it. */
  readonly setting: string;
  readonly to: FanOutSettings;
  /** What it does to a stack that is destroyed with its images, and has no other settings; the way back does the opposite. */
  readonly does: Allowed;
}

/** All that can have tags. */
const TAGGED = [
  "Bucket",
  "Topic",
  "Queue",
  "LogGroup",
  "Role",
  "Function",
  "EventSourceMapping",
  "MetricAlarm",
];

/** All that is encrypted, and the roles that may use the key. */
const ENCRYPTED = [
  "BucketServerSideEncryptionConfiguration",
  "Topic",
  "Queue",
  "LogGroup",
  "RolePolicy",
  "Function",
];

/**
 * One or more switches for each setting of a stack. A batch's size and time follow from memory, the time that messages
 * are hidden from that, and when they are late from this.
 */
export const SWITCHES: readonly Switch[] = [
  { setting: "retention", to: { retention: "keep" }, does: { update: ["Bucket"] } },
  {
    setting: "buckets.noncurrentVersionDays",
    to: { buckets: { noncurrentVersionDays: 90 } },
    does: { update: ["BucketLifecycleConfiguration"] },
  },
  {
    setting: "lifecycle.source",
    to: { lifecycle: { source: { expireDays: 120, infrequentAccessDays: 60 } } },
    does: { update: ["BucketLifecycleConfiguration"] },
  },
  {
    setting: "lifecycle.results.intelligentTiering",
    to: { lifecycle: { results: { intelligentTiering: true } } },
    does: { update: ["BucketLifecycleConfiguration"] },
  },
  {
    setting: "workers.memorySize",
    to: { workers: { memorySize: 10_240 } },
    does: { update: ["EventSourceMapping", "Function", "Queue", "MetricAlarm"] },
  },
  {
    setting: "workers.timeout",
    to: { workers: { timeout: 900 } },
    does: { update: ["Function", "Queue", "MetricAlarm"] },
  },
  {
    setting: "workers.batchSize",
    to: { workers: { batchSize: 4 } },
    does: { update: ["EventSourceMapping", "Function", "Queue", "MetricAlarm"] },
  },
  {
    setting: "workers.pipelineDepth",
    to: { workers: { pipelineDepth: 1 } },
    does: { update: ["Function"] },
  },
  {
    setting: "workers.maximumBatchingWindowInSeconds",
    to: { workers: { maximumBatchingWindowInSeconds: 20 } },
    does: { update: ["EventSourceMapping", "Queue", "MetricAlarm"] },
  },
  {
    setting: "workers.maxReceiveCount",
    to: { workers: { maxReceiveCount: 20 } },
    does: { update: ["Queue"] },
  },
  {
    setting: "workers.logRetentionInDays",
    to: { workers: { logRetentionInDays: 90 } },
    does: { update: ["LogGroup"] },
  },
  {
    setting: "workers.only.suffix",
    to: { workers: { only: { suffix: [".jpg", ".JPG"] } } },
    does: { update: ["TopicSubscription"] },
  },
  {
    setting: "prefix, suffix",
    to: { prefix: "in/", suffix: ".jpg" },
    does: { update: ["BucketNotification"] },
  },
  { setting: "workers.damaged", to: { workers: { damaged: "reject" } }, does: { update: ["Function"] } },
  { setting: "workers.metadata", to: { workers: { metadata: "none" } }, does: { update: ["Function"] } },
  {
    setting: "workers.carry",
    to: { workers: { carry: ["cache-control", "tags"] } },
    does: { update: ["Function", "RolePolicy"] },
  },
  {
    setting: "workers.scaling.maximumConcurrency",
    to: { workers: { scaling: { maximumConcurrency: 20 } } },
    does: { update: ["EventSourceMapping"] },
  },
  {
    setting: "workers.scaling.minimumPollers, maximumPollers",
    to: { workers: { scaling: { minimumPollers: 2, maximumPollers: 20 } } },
    does: { update: ["EventSourceMapping"] },
  },
  {
    setting: "workers.reservedConcurrency",
    to: { workers: { reservedConcurrency: 50 } },
    does: { update: ["Function", "EventSourceMapping"] },
  },
  {
    setting: "concurrency",
    to: { concurrency: 40 },
    does: { update: ["EventSourceMapping"] },
  },
  {
    setting: "alarms.email",
    to: { alarms: { email: "on-call@example.com" } },
    does: { create: ["TopicSubscription"] },
  },
  {
    setting: "alarms.*.threshold",
    to: {
      alarms: { deadLetters: { threshold: 5 }, late: { threshold: 3600 }, rejected: { threshold: 0 } },
    },
    does: { update: ["MetricAlarm"] },
  },
  {
    setting: "alarms.silent",
    to: { alarms: { silent: { threshold: 24 } } },
    does: { create: ["MetricAlarm"] },
  },
  {
    setting: "alarms.*: false",
    to: { alarms: { undelivered: false, inFlight: false, errors: false, throttles: false } },
    does: { delete: ["MetricAlarm"] },
  },
  {
    setting: "alarms.enabled",
    to: { alarms: { enabled: false } },
    does: { delete: ["MetricAlarm"] },
  },
  { setting: "objective", to: { objective: { images: 1000, minutes: 60 } }, does: {} },
  { setting: "dashboard", to: { dashboard: false }, does: { delete: ["Dashboard"] } },
  {
    setting: "tracing",
    to: { tracing: true },
    does: { create: ["ResourcePolicy"], update: ["Topic", "Function", "RolePolicy"] },
  },
  { setting: "tags", to: { tags: { Team: "pictures" } }, does: { update: TAGGED } },
  {
    setting: "key",
    to: { key: "create" },
    does: { create: ["Key", "KeyPolicy", "Alias"], update: ENCRYPTED },
  },
];

/** What a stack does that goes from one switch to another. */
export function between(before: Switch | undefined, after: Switch | undefined): Allowed {
  const [back, there] = [before?.does ?? {}, after?.does ?? {}];
  return {
    create: [...(back.delete ?? []), ...(there.create ?? [])],
    update: [...(back.update ?? []), ...(there.update ?? [])],
    delete: [...(back.create ?? []), ...(there.delete ?? [])],
  };
}
