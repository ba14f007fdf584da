import { type Raise, STANDARD_MODE } from "./advice.ts";
import type { Answer, Moment, Question } from "./answer.ts";
import { type CostItem, total } from "./cost.ts";
import { about, count, dollars, list, sum } from "./format.ts";
import { limitInWords, type Wait } from "./limits.ts";
import { pollersOf, type WorkerPlan } from "./plan.ts";

/** The question, and what a heading says of it. */
export interface Asked extends Question {
  readonly stack: string;
  readonly profile: string;
  /** Seconds in which images come. */
  readonly window: number;
  /** Where durations come from, in words. */
  readonly durations: string;
}

/** Waits shorter than this part of the longest are not worth a line. */
const WORTH_TELLING = 0.02;

/** One line for a heading or a chart. */
export function headline({ images, accepted, drained }: Answer, { window }: Asked): string {
  const within = (what: string, { assumed }: Moment) =>
    assumed === undefined ? `not all ${what} in 14 days` : `${what} in about ${about(assumed)}`;
  return `${imagesIn(images, window)}: ${within("accepted", accepted)}, ${within("processed", drained)}`;
}

function imagesIn(images: number, window: number): string {
  const minutes = window / 60;
  const time = Number.isInteger(minutes)
    ? `${count(minutes)} minute${minutes === 1 ? "" : "s"}`
    : about(window);
  return `${count(images)} image${images === 1 ? "" : "s"} in ${time}`;
}

/** Tells the question on one line. */
export function circumstances({ stack, plan, megapixels, profile }: Asked): string {
  const { workers } = plan;
  const scaling = list([...new Set(workers.map(scalingInWords))]);
  return `Stack ${stack} in ${plan.region}: ${list(workers.map(({ name }) => name))}, ${workers.length > 1 ? "each with " : "with "}${scaling}; ${megapixels} megapixels, ${profile}`;
}

/** The answer, in plain words first, then in tables. */
export function report(answer: Answer, asked: Asked): string {
  const parts = [
    [circumstances(asked)],
    summary(answer, asked),
    ...(answer.account.length > 0 ? [["This account:", ...answer.account.map((each) => `  ${each}`)]] : []),
    bottlenecks(answer, asked),
    whatItTakes(answer, asked),
    ["Settings:", ...asked.plan.workers.map(settings)],
    costs(answer),
    [
      `Durations: ${asked.durations}. Prices: us-east-1, without any free tier. In brackets: with everything that is only assumed at its best`,
      `and at its worst; "npm run capacity -- --numbers" lists every number with its source and range.`,
    ],
  ];
  return parts.map((lines) => lines.join("\n")).join("\n\n");
}

function summary(answer: Answer, { plan, window }: Asked): string[] {
  const { images, accepted, queued, drained, results, deadLetters, lost, latency } = answer;
  const line = (what: string, text: string) => `${what.padEnd(16)}${text}`;
  // Who works on results has no time of its own that an image is known to have taken.
  const unless = plan.workers.some(({ after }) => after) ? ", without workers of results" : "";
  const all = `${count(images)} × ${plan.workers.length} = `;
  const end = `${count(lost)} lost`;
  // The model takes Lambda's pollers to back off perfectly: it cannot tell how many tries throttling takes.
  const counted = answer.throttled
    ? `${drained.assumed === undefined ? "" : `${all}${count(results + deadLetters)} `}results and dead letters + ${end}; how many of them throttling makes dead letters is not modelled`
    : `${drained.assumed === undefined ? "" : `${all}${count(results)} results + `}${count(deadLetters)} in dead-letter queues + ${end}`;
  return [
    `${imagesIn(images, window)}:`,
    line("Accepted", `${moment(accepted)}: S3 has stored them`),
    line("Durably queued", `${moment(queued)}: every worker's queue has them; what fails is retried`),
    line("Processed", `${moment(drained)}: every worker is done with them`),
    line("Counted", counted),
    ...(latency
      ? [
          line(
            "An image takes",
            `up to ${about(latency.p50)} (half of them), ${about(latency.p99)} (99 of 100), ${about(latency.max)} (the slowest)${unless}`,
          ),
        ]
      : []),
    line(
      "Maximum",
      `${count(answer.maxRunning)} functions at once, ${count(answer.maxWaiting)} messages waiting`,
    ),
  ];
}

/** A moment, with its range where that is not the same. */
function moment({ assumed, best, worst }: Moment): string {
  const [text, low, high] = [assumed, best, worst].map((seconds) =>
    seconds === undefined ? "more than 14 days" : about(seconds),
  );
  return `in about ${text}${low === text && high === text ? "" : ` (${low} to ${high})`}`;
}

function bottlenecks({ waits }: Answer, asked: Asked): string[] {
  if (waits.length === 0) return ["Nothing had to wait for anything."];
  const weight = (same: readonly Wait[]) => sum(same, ({ imageSeconds }) => imageSeconds);
  const alike = [...Map.groupBy(waits, ({ limit }) => limit).values()].sort((a, b) => weight(b) - weight(a));
  const worst = weight(alike[0] ?? []);
  return [
    "What images waited for, the worst first:",
    ...alike
      .filter((same) => weight(same) >= WORTH_TELLING * worst)
      .map((same) => {
        const from = Math.min(...same.map((wait) => wait.from));
        const to = Math.max(...same.map((wait) => wait.to));
        return `  ${about(from)} to ${about(to)}  ${limitInWords(same, asked)}`;
      }),
  ];
}

function whatItTakes({ drained, advice, standing }: Answer, asked: Asked): string[] {
  const deadline = about(asked.deadline);
  if (!advice) return [`All are processed within ${deadline}, as required.`];
  if (advice.raises.length === 0) {
    const [worst] = advice.waits;
    const then = advice.drained === undefined ? "not even in a day" : `in about ${about(advice.drained)}`;
    const same = advice.waits.filter(({ limit }) => limit === worst?.limit);
    return [
      `Not possible within ${deadline}, whatever you raise: with everything raised, they are processed ${then}.`,
      ...(worst ? [`  What still holds them up is ${limitInWords(same, advice)}.`] : []),
    ];
  }
  const [before, after] = [total(standing), total(advice.standing)];
  return [
    `To process them within ${deadline} instead of ${drained.assumed === undefined ? "14 days" : about(drained.assumed)}, according to the model:`,
    ...advice.raises.map((raise) => `  ${raiseInWords(raise)}`),
    ...(after > before
      ? [
          `  That costs ${dollars(after)} a month while idle, instead of ${dollars(before)}: pollers are billed by the hour.`,
          "  You need minimumPollers only while you expect so many images.",
        ]
      : ["  That costs nothing while idle."]),
  ];
}

/** Tells who has to be asked for what. */
function raiseInWords({ kind, what, quota, from, to }: Raise): string {
  const change = `${what}: ${typeof from === "number" ? count(from) : from} → ${count(to)}`;
  if (kind === "setting") {
    return from === STANDARD_MODE
      ? `set    ${change}\n         pollers need both minimumPollers and maximumPollers, and maximumConcurrency has to go`
      : `set    ${change}`;
  }
  if (kind === "partitions") {
    return `warm   ${change}\n         S3 adds them by itself after half an hour or more of such load; AWS Support adds them on request`;
  }
  const how = quota
    ? `aws service-quotas request-service-quota-increase --service-code ${quota.service} --quota-code ${quota.code} --desired-value ${to}`
    : "by a request to AWS Support";
  return `ask    ${change}\n         ${how}`;
}

function settings(worker: WorkerPlan): string {
  const { name, memorySize, batchSize, timeout, reservedConcurrency } = worker;
  const window = worker.maximumBatchingWindowInSeconds;
  const reserved = reservedConcurrency === undefined ? "nothing" : count(reservedConcurrency);
  return `  ${name}: ${count(memorySize)} MB, batches of ${batchSize}, window ${window} s, timeout ${timeout} s, ${scalingInWords(worker)}, ${reserved} reserved${worker.after ? `; processes results of ${list(worker.after) || "nobody"}` : ""}${worker.isFiltered ? "; gets only some images, but counts as if it got all" : ""}`;
}

function scalingInWords(worker: WorkerPlan): string {
  const pollers = pollersOf(worker);
  if (pollers) return `${pollers.minimumPollers} to ${pollers.maximumPollers} pollers`;
  const { scaling } = worker;
  if (!scaling || !("maximumConcurrency" in scaling)) return "Lambda's own maximum";
  return `up to ${count(scaling.maximumConcurrency)} batches at once`;
}

function costs({ cost, costRange, storage, standing, images }: Answer): string[] {
  const perMillion = images === 0 ? 0 : 1e6 / images;
  const width = Math.max(...[...cost, ...storage, ...standing].map(({ item }) => item.length));
  const line = (item: string, ...values: (number | string)[]) => {
    const cells = values.map((value) => (typeof value === "number" ? dollars(value) : value).padStart(13));
    return `  ${item.padEnd(width)}${cells.join("")}`;
  };
  const run = (amount: number) => [amount, amount * perMillion];
  const table = (items: readonly CostItem[], of: (amount: number) => number[]) =>
    items.filter(({ dollars }) => dollars > 0).map(({ item, dollars }) => line(item, ...of(dollars)));
  return [
    line("Cost", "this run", "a million"),
    ...table(cost, run),
    `${line("Total", ...run(total(cost)))}  (${costRange.map(dollars).join(" to ")} this run)`,
    "",
    line("Storage", "this run", "a million"),
    ...table(storage, run),
    "",
    line("While idle", "a month"),
    ...table(standing, (amount) => [amount]),
    line("Total", total(standing)),
  ];
}
