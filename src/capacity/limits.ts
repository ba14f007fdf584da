import type { Assumptions } from "./assumptions.ts";
import { count, list } from "./format.ts";
import { maxConcurrency } from "./model/mapping.ts";
import type { Plan } from "./plan.ts";

/** Reasons for which images wait. */
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

/** Environments that may run at once, or messages that may begin in a second, and what allows no more. */
export interface Bound {
  readonly limit: Limit;
  readonly max: number;
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

/** Tells a limit, with its value and with the workers that met it. */
export function limitInWords(
  waits: readonly Wait[],
  { plan, assumed }: { plan: Plan; assumed: Assumptions },
): string {
  const names = waits.flatMap(({ worker }) => worker ?? []);
  const waiting = plan.workers.filter(({ name }) => names.includes(name));
  const each = (numbers: number[]) => list([...new Set(numbers.map(count))]);
  const s3 = (what: string, partitions: number) =>
    `${what} a second per partition, and it has ${count(partitions)}`;
  const writes = count(assumed.s3WritesPerSecond);
  const words: Record<Limit, string> = {
    sourceWrites: `the source bucket: S3 takes ${s3(`${writes} uploads`, assumed.s3SourcePartitions)}`,
    sourceReads: `the source bucket: S3 gives ${s3(`${count(assumed.s3ReadsPerSecond)} objects`, assumed.s3SourcePartitions)}`,
    resultWrites: `the results bucket: S3 takes ${s3(`${writes} results`, assumed.s3ResultsPartitions)}`,
    publishes: `the topic: SNS takes ${count(assumed.snsPublishesPerSecond)} messages a second in this region`,
    inFlight: `the queue: SQS hands out ${count(assumed.sqsInFlight)} messages at once`,
    polls: `the pollers: each asks ${count(assumed.pollerPollsPerSecond)} times a second for a batch of ${each(waiting.map(({ batchSize }) => batchSize))}`,
    ramp: "the event source mapping, which grows only so fast",
    mapping: `the event source mapping, which runs a maximum of ${each(waiting.map((worker) => maxConcurrency(worker, assumed)))} batches at once`,
    reserved: "the function's reserved concurrency",
    account: `the account: ${count(assumed.lambdaConcurrency)} invocations at once`,
    environments: `Lambda, which makes ${count(assumed.environmentsPerSecond)} new environments a second`,
  };
  const [first] = waits;
  return (first ? words[first.limit] : "") + (names.length === 0 ? "" : ` (${list(names)})`);
}
