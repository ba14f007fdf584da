import type { NumberName, Numbers } from "./numbers.ts";

/** The part of an SDK client that is used. */
interface Client {
  send(command: unknown): Promise<unknown>;
}

/** How an SDK is loaded; replaced in tests. */
export type Load = (name: string) => Promise<Record<string, new (input: object) => unknown>>;

/** What is needed to ask AWS, and for nothing else. */
const PACKAGES = ["@aws-sdk/client-service-quotas", "@aws-sdk/client-lambda", "@aws-sdk/client-cloudwatch"];

/** Quotas as Service Quotas knows them. */
const QUOTAS: readonly { number: NumberName; service: string; code: string }[] = [
  { number: "snsPublishesPerSecond", service: "sns", code: "L-F8E2BA85" },
  { number: "lambdaConcurrency", service: "lambda", code: "L-B99A9384" },
];

/**
 * The account's own quotas, read with the credentials that are there.
 * @param load loads a package, which is needed for this alone
 * @throws Error in a sentence where a package is not installed or AWS refuses
 */
export async function liveNumbers(
  region: string,
  load: Load = (name) => import(name) as ReturnType<Load>,
): Promise<Partial<Numbers>> {
  const quotas = await packageNamed(load, "@aws-sdk/client-service-quotas");
  const lambda = await packageNamed(load, "@aws-sdk/client-lambda");
  const client = made<Client>(quotas, "ServiceQuotasClient", { region });
  const found: Partial<Record<NumberName, number>> = {};
  for (const { number, service, code } of QUOTAS) {
    const command = made(quotas, "GetServiceQuotaCommand", { ServiceCode: service, QuotaCode: code });
    const { Quota } = await asked<{ Quota?: { Value?: number } }>(client, command, `the quota ${code}`);
    if (Quota?.Value !== undefined) found[number] = Quota.Value;
  }
  // What the account really has, which may be less than its quota says while it is new.
  const { AccountLimit } = await asked<{ AccountLimit?: { ConcurrentExecutions?: number } }>(
    made<Client>(lambda, "LambdaClient", { region }),
    made(lambda, "GetAccountSettingsCommand", {}),
    "Lambda's account settings",
  );
  if (AccountLimit?.ConcurrentExecutions !== undefined) {
    found.lambdaConcurrency = AccountLimit.ConcurrentExecutions;
  }
  return found;
}

const DAY_SECONDS = 24 * 3600;
const DAYS = 14;

/**
 * Seconds that an image took each worker in the last two weeks, from the metric `ms` that workers write.
 * @returns per worker; one that had no image is not in it
 * @throws Error in a sentence where the package is not installed or AWS refuses
 */
export async function liveDurations(
  region: string,
  workers: readonly string[],
  now: Date,
  load: Load = (name) => import(name) as ReturnType<Load>,
): Promise<ReadonlyMap<string, number>> {
  const cloudwatch = await packageNamed(load, "@aws-sdk/client-cloudwatch");
  const client = made<Client>(cloudwatch, "CloudWatchClient", { region });
  const durations = new Map<string, number>();
  for (const worker of workers) {
    const command = made(cloudwatch, "GetMetricStatisticsCommand", {
      Namespace: "ImageMachine",
      MetricName: "ms",
      Dimensions: [{ Name: "service", Value: worker }],
      StartTime: new Date(now.getTime() - DAYS * DAY_SECONDS * 1000),
      EndTime: now,
      Period: DAY_SECONDS,
      Statistics: ["Sum", "SampleCount"],
    });
    const { Datapoints = [] } = await asked<{ Datapoints?: { Sum?: number; SampleCount?: number }[] }>(
      client,
      command,
      `the durations of ${worker}`,
    );
    const sum = (of: (day: (typeof Datapoints)[number]) => number | undefined) =>
      Datapoints.reduce((total, day) => total + (of(day) ?? 0), 0);
    const images = sum(({ SampleCount }) => SampleCount);
    if (images > 0) durations.set(worker, sum(({ Sum }) => Sum) / images / 1000);
  }
  return durations;
}

async function packageNamed(load: Load, name: string): ReturnType<Load> {
  try {
    return await load(name);
  } catch {
    throw new Error(
      `${name} is not installed, and is needed to ask AWS: run "npm install --no-save ${PACKAGES.join(" ")}".`,
    );
  }
}

function made<T>(library: Awaited<ReturnType<Load>>, name: string, input: object): T {
  const Class = library[name];
  if (!Class) throw new Error(`There is no ${name} in the package that was loaded.`);
  return new Class(input) as T;
}

async function asked<T>(client: Client, command: unknown, what: string): Promise<T> {
  try {
    return (await client.send(command)) as T;
  } catch (error) {
    throw new Error(`AWS does not tell ${what}: ${(error as Error).message}`, { cause: error });
  }
}
