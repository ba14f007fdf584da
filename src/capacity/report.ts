import type { Answer, Question } from "./answer.ts";
import { total } from "./cost.ts";
import type { Raise } from "./levers.ts";
import { limitInWords } from "./limits.ts";
import { pollersOf, type WorkerPlan } from "./plan.ts";
import { clock, count, dollars, list } from "./words.ts";

/** What the question was, for a heading. */
export interface Asked extends Pick<Question, "plan" | "numbers" | "deadline"> {
  readonly stack: string;
  readonly megapixels: number;
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
  const taken = accepted === undefined ? "never all accepted" : `accepted by ${clock(accepted)}`;
  const done = drained === undefined ? "not all processed in 14 days" : `processed by ${clock(drained)}`;
  return `${imagesIn(images, window)}: ${taken}, ${done}`;
}

function imagesIn(images: number, window: number): string {
  const minutes = window / 60;
  const time = Number.isInteger(minutes)
    ? `${count(minutes)} minute${minutes === 1 ? "" : "s"}`
    : clock(window);
  return `${count(images)} image${images === 1 ? "" : "s"} in ${time}`;
}

/** What was asked, on one line. */
export function circumstances({ stack, plan, megapixels, profile }: Asked): string {
  const { workers } = plan;
  const scaling = list([...new Set(workers.map(scalingInWords))]);
  return `Stack ${stack} in ${plan.region}: ${list(workers.map(({ name }) => name))}, ${workers.length > 1 ? "each with " : "with "}${scaling}; ${megapixels} megapixels, ${profile}`;
}

/** The answer, in plain words first, then in tables. */
export function report(answer: Answer, asked: Asked): string {
  return [
    circumstances(asked),
    "",
    ...summary(answer, asked),
    "",
    ...bottlenecks(answer, asked),
    "",
    ...whatItTakes(answer, asked),
    "",
    ...settings(asked.plan.workers),
    "",
    ...costs(answer),
    "",
    `Durations: ${asked.durations}. Prices: us-east-1. "npm run capacity -- --numbers" lists every number with its source.`,
  ].join("\n");
}

function summary(answer: Answer, { plan, window }: Asked): string[] {
  const { images, accepted, queued, drained, results, deadLetters, lost, latency } = answer;
  const moment = (second: number | undefined) =>
    second === undefined ? "not within 14 days" : `by ${clock(second)}`;
  const line = (what: string, text: string) => `${what.padEnd(16)}${text}`;
  const counted = `${count(images)} × ${plan.workers.length} = ${count(results)} results + ${count(deadLetters)} in dead-letter queues + ${count(lost)} lost`;
  return [
    `${imagesIn(images, window)}:`,
    line("Accepted", `${moment(accepted)}: S3 has stored them`),
    line("Durably queued", `${moment(queued)}: every worker's queue has them, and what fails comes again`),
    line("Processed", `${moment(drained)}: every worker is done with them`),
    line(
      "Counted",
      drained === undefined ? `${count(lost)} lost, ${count(deadLetters)} in dead-letter queues` : counted,
    ),
    ...(latency
      ? [
          line(
            "An image takes",
            `${clock(latency.p50)} or less for half of them, ${clock(latency.p99)} for 99 of 100, ${clock(latency.max)} for the slowest`,
          ),
        ]
      : []),
    line(
      "At once",
      `${count(answer.mostRunning)} functions run and ${count(answer.mostWaiting)} messages wait, maximum`,
    ),
  ];
}

function bottlenecks({ waits }: Answer, asked: Asked): string[] {
  const alike = [...Map.groupBy(waits, ({ limit }) => limit).values()];
  const sums = alike.map((same) => same.reduce((sum, { imageSeconds }) => sum + imageSeconds, 0));
  const worst = Math.max(...sums);
  if (waits.length === 0) return ["Nothing had to wait for anything."];
  return [
    "What images waited for, the worst first:",
    ...alike
      .map((same, index) => ({ same, sum: sums[index] ?? 0 }))
      .filter(({ sum }) => sum >= WORTH_TELLING * worst)
      .sort((a, b) => b.sum - a.sum)
      .map(({ same }) => {
        const from = Math.min(...same.map((wait) => wait.from));
        const to = Math.max(...same.map((wait) => wait.to));
        return `  ${clock(from)} to ${clock(to)}  ${limitInWords(same, asked)}`;
      }),
  ];
}

function whatItTakes({ drained, advice, standing }: Answer, asked: Asked): string[] {
  const { deadline } = asked;
  if (!advice) {
    return [
      `All are processed by ${clock(deadline)}, as they should be${drained === undefined ? "" : `, with ${clock(deadline - drained)} to spare`}.`,
    ];
  }
  if (advice.raises.length === 0) {
    const [worst] = advice.waits;
    return [
      `Not by ${clock(deadline)}, whatever is raised: then they are processed ${advice.drained === undefined ? "not even in a day" : `by ${clock(advice.drained)}`}.`,
      ...(worst
        ? [
            `  What still holds them up is ${limitInWords(
              advice.waits.filter(({ limit }) => limit === worst.limit),
              advice,
            )}.`,
          ]
        : []),
    ];
  }
  return [
    `To have them processed by ${clock(deadline)} (then they are by ${clock(advice.drained ?? 0)}):`,
    ...advice.raises.map((raise) => `  ${raiseInWords(raise)}`),
    ...(total(advice.standing) > total(standing)
      ? [
          `  That costs ${dollars(total(advice.standing))} a month without one image, instead of ${dollars(total(standing))}: pollers are paid by the hour,`,
          "  and minimumPollers need to be there only while so many images are expected.",
        ]
      : ["  That costs nothing while no image comes."]),
  ];
}

/** Who has to be asked for what. */
function raiseInWords({ kind, what, quota, from, to }: Raise): string {
  const change = `${what}: ${typeof from === "number" ? count(from) : from} → ${count(to)}`;
  if (kind === "setting") return `set    ${change}`;
  if (kind === "partitions") {
    return `warm   ${change}\n         S3 makes them by itself, after half an hour or more of such load; AWS Support makes them on request`;
  }
  const how = quota
    ? `aws service-quotas request-service-quota-increase --service-code ${quota.service} --quota-code ${quota.code} --desired-value ${to}`
    : "by a request to AWS Support";
  return `ask    ${change}\n         ${how}`;
}

function settings(workers: readonly WorkerPlan[]): string[] {
  return [
    "Settings:",
    ...workers.map((worker) => {
      const { name, memorySize, batchSize, timeout, reservedConcurrency } = worker;
      const window = worker.maximumBatchingWindowInSeconds;
      const reserved = reservedConcurrency === undefined ? "nothing" : count(reservedConcurrency);
      return `  ${name}: ${count(memorySize)} MB, batches of ${batchSize}, window ${window} s, timeout ${timeout} s, ${scalingInWords(worker)}, ${reserved} reserved`;
    }),
  ];
}

function scalingInWords(worker: WorkerPlan): string {
  const pollers = pollersOf(worker);
  if (pollers) return `${pollers.minimumPollers} to ${pollers.maximumPollers} pollers`;
  const { scaling } = worker;
  if (!scaling || !("maximumConcurrency" in scaling)) return "Lambda's own maximum";
  return `up to ${count(scaling.maximumConcurrency)} batches at once`;
}

function costs({ cost, standing, images }: Answer): string[] {
  const perMillion = images === 0 ? 0 : 1e6 / images;
  const width = Math.max(...[...cost, ...standing].map(({ item }) => item.length));
  const line = (item: string, ...values: number[]) =>
    `  ${item.padEnd(width)}${values.map((value) => dollars(value).padStart(13)).join("")}`;
  return [
    `  ${"Cost".padEnd(width)}${"this run".padStart(13)}${"a million".padStart(13)}`,
    ...cost
      .filter(({ dollars: amount }) => amount > 0)
      .map(({ item, dollars: amount }) => line(item, amount, amount * perMillion)),
    line("All of it", total(cost), total(cost) * perMillion),
    "",
    `  ${"Without one image".padEnd(width)}${"a month".padStart(13)}`,
    ...standing
      .filter(({ dollars: amount }) => amount > 0)
      .map(({ item, dollars: amount }) => line(item, amount)),
    line("All of it", total(standing)),
  ];
}
