import type { Answer, Moment } from "../capacity/answer.ts";
import { total } from "../capacity/cost.ts";
import { about, dollars } from "../capacity/format.ts";
import { type Plan, pollersOf, type WorkerPlan } from "../capacity/plan.ts";
import type { Proof } from "../operations/proof.ts";

/** Findings of a proof, for a person and for a program. They name no account and no bucket. */
export interface Report {
  readonly started: string;
  readonly region: string | undefined;
  /** Keys. */
  readonly images: number;
  readonly uploads: number;
  /** Maximum of keys a second. */
  readonly rate: number;
  readonly proof: Proof;
  readonly predicted: Answer;
  readonly plan: Plan;
  /** Dollars, or why they are not known. */
  readonly costAsMeasured: number | string;
  /** Versions that were removed, or why not all were. */
  readonly removed: number | string;
}

/** Differences that are shown to a person. */
const MAX_SHOWN = 50;

export function markdown(report: Report): string {
  const { started, region, images, uploads, rate, proof, plan, removed } = report;
  const { differences } = proof;
  const workers = Object.entries(proof.workers);
  return `# Proof of ${started.slice(0, 10)}

${uploads} uploads under ${images} keys, up to ${rate} keys a second, ${region ?? "region unknown"}, started at ${started}.
${differences.length === 0 ? "Nothing differed from what this computer makes of the same files." : `**${differences.length} differences.**`}
${proof.inTime ? "Every version was accounted for." : "**Not every version was accounted for in time.**"}
${typeof removed === "number" ? `Everything was removed again: ${removed} versions.` : `**Not everything was removed: ${removed}**`}

## Settings

${table(["Worker", "Memory", "Timeout", "Batch", "Batches at once"], plan.workers.map(settings))}

## Conservation

${table(
  ["Worker", "created", "results", "rejected", "superseded", "not told", "missing", "stale", "orphaned"],
  workers.map(([name, { tally }]) => [
    name,
    ...[
      tally.created,
      tally.results,
      tally.rejected,
      tally.superseded,
      tally.filtered,
      tally.missing,
      tally.stale,
      tally.orphaned,
    ],
  ]),
)}

## Results

Identical results have the same bytes as on this computer. Alike results have other bytes, but their pixels differ no more than two encoders' do.

${table(
  ["Worker", "identical", "alike", "rejected here and there", "decodable", "different"],
  workers.map(([name, { identical, alike, rejected, decodable }]) => [
    name,
    ...[identical, alike, rejected, decodable, differences.filter(({ worker }) => worker === name).length],
  ]),
)}
${differences.length > 0 ? `\n${differencesOf(proof)}\n` : ""}
${timeAndCost(report)}`;
}

function timeAndCost({ proof, predicted, costAsMeasured }: Report): string {
  const { latency } = proof;
  const [best, worst] = predicted.costRange;
  return `## Time and cost

Measured by S3's clock, which is exact to a second; predicted by \`npm run capacity\`'s model, with its range.

${table(
  ["", "measured", "predicted"],
  [
    ["last upload", `${proof.uploadSeconds} s`, moment(predicted.accepted)],
    ["last result", `${proof.processedSeconds} s`, moment(predicted.drained)],
    ["half of the images within", seconds(latency?.p50), seconds(predicted.latency?.p50)],
    ["99 of 100 within", seconds(latency?.p99), seconds(predicted.latency?.p99)],
    [
      "cost",
      typeof costAsMeasured === "number" ? `${dollars(costAsMeasured)} with measured durations` : "not known",
      `${dollars(total(predicted.cost))} (${dollars(best)} to ${dollars(worst)})`,
    ],
  ],
)}
${typeof costAsMeasured === "string" ? `\nThe measured cost is not known: ${costAsMeasured}\n` : ""}`;
}

function settings(worker: WorkerPlan): (string | number)[] {
  const { name, memorySize, timeout, batchSize, scaling } = worker;
  const pollers = pollersOf(worker);
  const max = scaling && "maximumConcurrency" in scaling ? scaling.maximumConcurrency : undefined;
  const concurrency = pollers
    ? `${pollers.minimumPollers} to ${pollers.maximumPollers} pollers`
    : (max ?? "no maximum");
  return [name, `${memorySize} MB`, `${timeout} s`, batchSize, concurrency];
}

function differencesOf({ differences }: Proof): string {
  const shown = differences.slice(0, MAX_SHOWN).map(({ worker, key, what }) => [worker, `\`${key}\``, what]);
  const more = differences.length - shown.length;
  return table(["Worker", "Key", "What"], shown) + (more > 0 ? `\n\n… and ${more} more, in the JSON.` : "");
}

function moment({ assumed, best, worst }: Moment): string {
  return `${seconds(assumed)} (${seconds(best)} to ${seconds(worst)})`;
}

function seconds(value: number | undefined): string {
  return value === undefined ? "never" : about(value);
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) =>
    `| ${cells.map((cell) => `${cell}`.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
