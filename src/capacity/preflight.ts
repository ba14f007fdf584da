import type { ObjectiveSettings } from "../topology/setting-types.ts";
import { SCALING } from "../topology/worker-settings.ts";
import { advise, MANY_PARTITIONS, QUOTAS, STANDARD_MODE } from "./advice.ts";
import { ASSUMPTIONS, type Assumptions, assumptionsFor } from "./assumptions.ts";
import { about, count, list, sum } from "./format.ts";
import { arrivals } from "./model/arrivals.ts";
import { durations } from "./model/durations.ts";
import { maxConcurrency } from "./model/mapping.ts";
import { simulate } from "./model/simulation.ts";
import { type Load, type Plan, pollersOf, type WorkerPlan } from "./plan.ts";

/** Multiple of the deadline for which a late run is followed, to say how long it would take. */
const PATIENCE = 10;

/**
 * Says whether settings can meet an objective at all: with every quota raised and every bucket partitioned, as those
 * are not the stack's to decide. Pure and quick; asks nobody.
 * @returns what is wrong and what would be right, in a sentence or two, or undefined where nothing is wrong
 *
 * @example
 * const warning = preflight(workers, { images: 2_000_000, minutes: 5 });
 * if (warning) pulumi.log.warn(warning);
 */
export function preflight(workers: readonly WorkerPlan[], objective: ObjectiveSettings): string | undefined {
  const { images, minutes, megapixels = 12, within = minutes + 1 } = objective;
  const assumed = assumptionsFor("", {
    lambdaConcurrency: Number.MAX_SAFE_INTEGER,
    snsPublishesPerSecond: Number.MAX_SAFE_INTEGER,
    sqsInFlight: Number.MAX_SAFE_INTEGER,
    s3SourcePartitions: MANY_PARTITIONS,
    s3ResultsPartitions: MANY_PARTITIONS,
  });
  const load: Load = {
    arrivals: arrivals("constant", images, Math.ceil(minutes * 60), 1),
    ...durations(megapixels),
  };
  const deadline = Math.floor(within * 60);
  const { drained } = simulate({ workers }, load, assumed, { until: PATIENCE * deadline });
  if (drained !== undefined && drained <= deadline) return undefined;

  const { raises } = advise({ workers, assumed }, load, deadline, { settingsOnly: true });
  const taken = drained === undefined ? `more than ${about(PATIENCE * deadline)}` : `about ${about(drained)}`;
  const missed = `${count(images)} images of ${megapixels} megapixels in ${minutes} minutes must be processed within ${about(deadline)}, but with these settings that takes ${taken}, even if every quota is raised.`;
  if (raises.length === 0) return `${missed} Neither pollers nor reserved concurrency change that.`;
  const isNew = raises.some(({ from }) => from === STANDARD_MODE);
  return `${missed} To meet the objective, raise ${list(raises.map(({ what, from, to }) => `${what} from ${from} to ${count(to)}`))}${isNew ? ", with minimumPollers and in place of maximumConcurrency" : ""}.`;
}

/** Whether workers may run more at once than the account allows, so that Lambda throttles them. */
export function isThrottled({ workers }: Plan, assumed: Assumptions): boolean {
  return runningAtOnce(workers, assumed) > assumed.lambdaConcurrency;
}

function runningAtOnce(workers: readonly WorkerPlan[], assumed: Assumptions): number {
  return sum(workers, (worker) => worker.reservedConcurrency ?? maxConcurrency(worker, assumed));
}

/** What to set, followed by "or", so that all workers fit into the account; nothing where no value would do. */
function lowered(workers: readonly WorkerPlan[], assumed: Assumptions): string {
  const share = assumed.lambdaConcurrency / workers.length;
  const polled = workers.filter(pollersOf).length;
  if (polled > 0 && polled < workers.length) return "lower the scaling of each worker, or ";
  // A worker has either, and the program refuses both at once.
  const [setting, fits] = polled
    ? (["maximumPollers", Math.floor(share / assumed.pollerConcurrency)] as const)
    : (["maximumConcurrency", Math.floor(share)] as const);
  const { minimum, maximum } = SCALING[setting];
  return fits < minimum
    ? ""
    : `set workers.scaling.${setting} to ${count(Math.min(fits, maximum))} or less, or `;
}

/** Sentences about what an account refuses or throttles of a plan: concurrency over all workers, and memory. */
export function accountProblems(plan: Plan, assumed: Assumptions): string[] {
  const { workers } = plan;
  const { lambdaConcurrency: account, unreservedMin, newAccountMemory } = assumed;
  const reserved = sum(workers, ({ reservedConcurrency }) => reservedConcurrency ?? 0);
  const running = runningAtOnce(workers, assumed);
  const large = workers.filter(({ memorySize }) => memorySize > newAccountMemory);
  const ask = (needed: number) =>
    `ask for ${count(needed)} (Service Quotas, ${QUOTAS.lambdaConcurrency.code})`;
  const problems: string[] = [];
  if (reserved > 0 && reserved + unreservedMin > account) {
    problems.push(
      `AWS refuses to reserve ${count(reserved)}: the account has ${count(account)} concurrent executions, and ${count(unreservedMin)} stay unreserved. Lower workers.reservedConcurrency, or ${ask(reserved + unreservedMin)}.`,
    );
  } else if (isThrottled(plan, assumed)) {
    problems.push(
      `The workers run up to ${count(running)} batches at once, and the account has ${count(account)} concurrent executions: what Lambda throttles counts as a try, so good images end up as dead letters. To prevent that, ${lowered(workers, assumed)}${ask(running)}.`,
    );
  }
  // AWS tells no account's limit of memory: one that has less than the default concurrency is new.
  if (account < ASSUMPTIONS.lambdaConcurrency[0] && large.length > 0) {
    problems.push(
      `An account as new as this one may refuse functions of more than ${count(newAccountMemory)} MB, and memorySize is ${count(Math.max(...large.map(({ memorySize }) => memorySize)))} for ${list(large.map(({ name }) => name))}: set workers.memorySize to ${newAccountMemory}, or ask AWS Support.`,
    );
  }
  return problems;
}
