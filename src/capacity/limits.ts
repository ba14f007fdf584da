import { mostAtOnce } from "./mapping.ts";
import type { Numbers } from "./numbers.ts";
import type { Plan } from "./plan.ts";
import { count, list } from "./words.ts";

/** What made images wait. */
export type Limit =
  | "sourceWrites"
  | "publishes"
  | "sourceReads"
  | "resultWrites"
  | "inFlight"
  | "polls"
  | "ramp"
  | "mapping"
  | "reserved"
  | "account"
  | "environments";

/** Environments that may run at once, and what allows no more. */
export interface Bound {
  readonly limit: Limit;
  readonly concurrency: number;
}

/** Images or messages that had to wait for something: their number times the seconds. */
export interface Wait {
  readonly limit: Limit;
  /** @default none, where all workers share what is short */
  readonly worker: string | undefined;
  imageSeconds: number;
  readonly from: number;
  to: number;
}

/** The tightest of some bounds. */
export function least(bounds: readonly Bound[]): Bound {
  return bounds.reduce((lowest, bound) => (bound.concurrency < lowest.concurrency ? bound : lowest), {
    limit: "account",
    concurrency: Number.POSITIVE_INFINITY,
  });
}

/** A limit, with its value and with the workers that met it. */
export function limitInWords(
  waits: readonly Wait[],
  { plan, numbers }: { plan: Plan; numbers: Numbers },
): string {
  const workers = waits.flatMap(({ worker }) => worker ?? []);
  const waiting = plan.workers.filter(({ name }) => workers.includes(name));
  const most = waiting.map((worker) => mostAtOnce(worker, numbers));
  const sizes = [...new Set(waiting.map(({ batchSize }) => count(batchSize)))];
  const words: Record<Limit, string> = {
    sourceWrites: `the source bucket: S3 takes ${count(numbers.s3WritesPerSecond)} uploads a second per partition, and it has ${count(numbers.s3SourcePartitions)}`,
    sourceReads: `the source bucket: S3 gives ${count(numbers.s3ReadsPerSecond)} objects a second per partition, and it has ${count(numbers.s3SourcePartitions)}`,
    resultWrites: `the results bucket: S3 takes ${count(numbers.s3WritesPerSecond)} results a second per partition, and it has ${count(numbers.s3ResultsPartitions)}`,
    publishes: `the topic: SNS takes ${count(numbers.snsPublishesPerSecond)} messages a second in this region`,
    inFlight: `the queue: SQS hands out ${count(numbers.sqsInFlight)} messages at once`,
    polls: `the pollers: each asks ${count(numbers.pollerPollsPerSecond)} times a second for a batch of ${list(sizes)}`,
    ramp: "the event source mapping, which grows only so fast",
    mapping: `the event source mapping, which runs a maximum of ${list([...new Set(most.map(count))])} batches at once`,
    reserved: "the function's reserved concurrency",
    account: `the account: ${count(numbers.lambdaConcurrency)} invocations at once`,
    environments: `Lambda, which makes ${count(numbers.environmentsPerSecond)} new environments a second`,
  };
  const [first] = waits;
  return (first ? words[first.limit] : "") + (workers.length === 0 ? "" : ` (${list(workers)})`);
}
