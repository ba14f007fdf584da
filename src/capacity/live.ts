import { type Client, load, made, packageNamed } from "../aws-package.ts";
import { QUOTAS } from "./advice.ts";
import type { Assumptions } from "./assumptions.ts";
import { sum } from "./format.ts";
import type { durations } from "./model/durations.ts";
import type { Plan } from "./plan.ts";

/** Packages that are needed to ask AWS, and for nothing else. */
const PACKAGES = ["@aws-sdk/client-service-quotas", "@aws-sdk/client-lambda", "@aws-sdk/client-cloudwatch"];

/**
 * The account's own quotas, read with the credentials that are there.
 * @param loader loads a package, which is needed for this alone
 * @throws Error in a sentence where a package is not installed or AWS refuses
 */
export async function liveAssumptions(region: string, loader = load): Promise<Partial<Assumptions>> {
  const quotas = await packageNamed(loader, "@aws-sdk/client-service-quotas", PACKAGES);
  const lambda = await packageNamed(loader, "@aws-sdk/client-lambda", PACKAGES);
  const { service: ServiceCode, code: QuotaCode } = QUOTAS.snsPublishesPerSecond;
  const { Quota } = await asked<{ Quota?: { Value?: number } }>(
    made<Client>(quotas, "ServiceQuotasClient", { region }),
    made(quotas, "GetServiceQuotaCommand", { ServiceCode, QuotaCode }),
    `the quota ${QuotaCode}`,
  );
  // What the account really has, which may be less than its quota says while it is new.
  const { AccountLimit } = await asked<{ AccountLimit?: { ConcurrentExecutions?: number } }>(
    made<Client>(lambda, "LambdaClient", { region }),
    made(lambda, "GetAccountSettingsCommand", {}),
    "Lambda's account settings",
  );
  return {
    ...(Quota?.Value !== undefined && { snsPublishesPerSecond: Quota.Value }),
    ...(AccountLimit?.ConcurrentExecutions !== undefined && {
      lambdaConcurrency: AccountLimit.ConcurrentExecutions,
    }),
  };
}

const DAY_SECONDS = 24 * 3600;
const DAYS = 14;

/** Seconds of an image, as they were measured. */
export interface Measured {
  readonly work: number;
  /** For reading and writing it. */
  readonly requests: number;
}

/**
 * Seconds that an image took each worker in the last two weeks, from the metrics `fetch`, `work` and `write` that workers
 * write. CloudWatch finds them by all of their dimensions only, as src/delivery/handler.ts publishes them.
 * @returns per worker; one that had no image is not in it
 * @throws Error in a sentence where the package is not installed or AWS refuses
 */
export async function liveDurations(
  { region, workers }: Plan,
  now: Date,
  loader = load,
): Promise<ReadonlyMap<string, Measured>> {
  const cloudwatch = await packageNamed(loader, "@aws-sdk/client-cloudwatch", PACKAGES);
  const client = made<Client>(cloudwatch, "CloudWatchClient", { region });
  const durations = new Map<string, Measured>();
  for (const { name, dimensions } of workers) {
    if (!dimensions) continue;
    /** Mean in seconds; undefined where there is nothing to take one of. */
    const mean = async (metric: string) => {
      const command = made(cloudwatch, "GetMetricStatisticsCommand", {
        Namespace: "ImageMachine",
        MetricName: metric,
        Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
        StartTime: new Date(now.getTime() - DAYS * DAY_SECONDS * 1000),
        EndTime: now,
        Period: DAY_SECONDS,
        Statistics: ["Sum", "SampleCount"],
      });
      const { Datapoints = [] } = await asked<{ Datapoints?: { Sum?: number; SampleCount?: number }[] }>(
        client,
        command,
        `the durations of ${name}`,
      );
      const images = sum(Datapoints, ({ SampleCount = 0 }) => SampleCount);
      return images > 0 ? sum(Datapoints, ({ Sum = 0 }) => Sum) / images / 1000 : undefined;
    };
    const work = await mean("work");
    if (work === undefined) continue;
    durations.set(name, { work, requests: ((await mean("fetch")) ?? 0) + ((await mean("write")) ?? 0) });
  }
  return durations;
}

/** Durations as they were measured, and as modelled where they were not. */
export function asMeasured(
  measured: ReadonlyMap<string, Measured>,
  model: ReturnType<typeof durations>,
): typeof model {
  return {
    secondsPerImage: (worker, assumed) =>
      measured.get(worker.name)?.work ?? model.secondsPerImage(worker, assumed),
    requestSeconds: (worker, assumed) =>
      measured.get(worker.name)?.requests ?? model.requestSeconds(worker, assumed),
  };
}

async function asked<T>(client: Client, command: unknown, what: string): Promise<T> {
  try {
    return (await client.send(command)) as T;
  } catch (error) {
    throw new Error(`AWS did not return ${what}: ${(error as Error).message}`, { cause: error });
  }
}
