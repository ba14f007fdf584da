import type { Worker } from "../../src/delivery/worker.ts";

/** A worker that delivers nowhere, logs nothing and takes the least random number, but for what a test gives it. */
export function fakeWorker(
  given: Partial<Omit<Worker, "s3" | "sqs">> & {
    readonly operation: Worker["operation"];
    readonly s3: { send(...args: never[]): unknown };
    readonly sqs?: { send(...args: never[]): unknown };
  },
): Worker {
  const nothing = { info() {}, warn() {}, error() {}, addMetric() {}, publishStoredMetrics() {} };
  return {
    name: "worker",
    prefix: "worker",
    resultsBucket: "results",
    carry: [],
    queueUrl: "queue",
    deadLetterQueueUrl: "dead-letters",
    pixelLimit: 1,
    byteLimit: 1000,
    depth: 1,
    sqs: { send: async () => ({}) },
    logger: nothing,
    metrics: nothing,
    random: () => 0,
    // An hour after what events tell of.
    now: () => Date.parse("2026-01-01T01:00:00Z"),
    ...given,
  } as unknown as Worker;
}
