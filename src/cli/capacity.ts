import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import type { parseArgs } from "node:util";
import sharp from "sharp";
import { answer } from "../capacity/answer.ts";
import {
  ASSUMPTIONS,
  type AssumptionName,
  type Assumptions,
  assumptionsFor,
  READ,
} from "../capacity/assumptions.ts";
import { chart } from "../capacity/chart.ts";
import { asMeasured, liveAssumptions, liveDurations } from "../capacity/live.ts";
import { arrivals, arrivalsFromCsv, PROFILES } from "../capacity/model/arrivals.ts";
import { BENCH, durations as modelled } from "../capacity/model/durations.ts";
import type { Load, Plan } from "../capacity/plan.ts";
import { type Asked, circumstances, headline, report } from "../capacity/report.ts";
import { UsageError } from "../machine/inputs.ts";
import { readStackConfig, regionOf, type StackConfig } from "../machine/stack-config.ts";
import { parsed, withPart } from "../settings.ts";
import { checkFolder, numberOption, runCommand } from "./arguments.ts";
import { declaredPlan } from "./prediction.ts";
import { fromHere, near, PROJECT } from "./words.ts";

const USAGE = `Usage: npm run capacity -- [--images N] [--minutes N] [OPTION]...

Computes what the machine in index.ts can do with a load of images: when they are accepted and
processed, what holds them up, what you would have to raise, and what it costs. Counts all
fan-outs together. Deploys nothing.

  --images N         number of images (default: 2000000)
  --minutes N        minutes in which they arrive (default: 5)
  --within N         minutes in which all must be processed; exits with 1 if they are not
                     (default: one more than --minutes, without that exit)
  --profile P        how they arrive: constant, ramp, burst (all in ten seconds), or a CSV file of
                     second,images instead of --images and --minutes (default: constant)
  --megapixels N     size of an image (default: 12)
  --seconds N        seconds that a worker takes for one image of a batch, reading and writing included
                     (default: from --megapixels and a measurement)
  --failures N       part of the tries that fail and may succeed later, 0 to 1 (default: 0)
  --stack NAME       whose settings to use, from Pulumi.NAME.yaml (default: dev)
  --config KEY=VALUE overrides a setting, such as workers.memorySize=3008; without VALUE, unsets it;
                     repeatable
  --region NAME      AWS region (default: the stack's)
  --set NAME=VALUE   overrides a number of the model; repeatable
  --numbers          lists the numbers of the model, with their names and sources
  --live             reads the account's quotas from AWS, and durations if there are any; exits with 1
                     if the account refuses or throttles what the program declares
  --raised           answers as if everything that must be raised were raised
  --chart FILE       draws the run to FILE.svg and FILE.png (default: out/capacity, if that can be written)
  --seed N           seed of the model's randomness (default: 1)
  --json             prints everything as JSON
  --help             prints this

Exit code: 0 answered; 1 failed, later than --within, or too much for the account with --live; 2 wrong usage.`;

/** Where the chart goes that nobody asked for. */
const CHART = path.join("out", "capacity");

/** Fourteen days, for which queues keep messages. */
const MAX_MINUTES = 14 * 24 * 60;

const TEXT = { type: "string" } as const;
const LIST = { type: "string", multiple: true, default: [] as string[] } as const;
const FLAG = { type: "boolean", default: false } as const;

const OPTIONS = {
  images: TEXT,
  minutes: TEXT,
  within: TEXT,
  seconds: TEXT,
  region: TEXT,
  profile: { ...TEXT, default: "constant" },
  megapixels: { ...TEXT, default: "12" },
  failures: { ...TEXT, default: "0" },
  stack: { ...TEXT, default: "dev" },
  chart: TEXT,
  seed: { ...TEXT, default: "1" },
  config: LIST,
  set: LIST,
  raised: FLAG,
  numbers: FLAG,
  live: FLAG,
  json: FLAG,
} as const;

await runCommand(USAGE, { options: OPTIONS }, async ({ values }) => {
  if (!values.numbers) return run(checked(values));
  console.log(assumptionsTable());
  return 0;
});

async function run(options: Options): Promise<number> {
  const given = await question(options);
  const first = answer(given);
  const { advice } = first.answer;
  const raised = options.raised && advice && advice.raises.length > 0 ? advice : undefined;
  const asked = raised ? whenRaised(given, raised.plan, raised.assumed) : given;
  const result = raised ? answer(asked) : first;
  const drawn = await draw(result, asked, options.chart);
  if (options.json) {
    const { load: _, known: __, ...rest } = asked;
    console.log(JSON.stringify({ ...rest, ...result.answer }, undefined, 2));
  } else {
    console.log(`${report(result.answer, asked)}\n${drawn}`);
  }
  const { drained, account } = result.answer;
  const isLate = drained.assumed === undefined || drained.assumed > asked.deadline;
  return (options.within !== undefined && isLate) || (options.live && account.length > 0) ? 1 : 0;
}

/** Asks the same question, as if everything had been raised that has to be. */
function whenRaised(given: Asked, plan: Plan, assumed: Assumptions): Asked {
  const names = Object.keys(assumed) as AssumptionName[];
  const raised = names.filter((name) => assumed[name] !== given.assumed[name]);
  return { ...given, stack: `${given.stack}, raised,`, plan, assumed, known: [...given.known, ...raised] };
}

/**
 * Draws the chart, and says where it is. It is left out where it cannot be written and nobody asked for it.
 * @throws {UsageError} where it cannot be written to the file that was asked for
 */
async function draw(
  result: ReturnType<typeof answer>,
  asked: Asked,
  name: string | undefined,
): Promise<string> {
  const file = fromHere(name ?? CHART);
  const [title, subtitle] = [headline(result.answer, asked), circumstances(asked)];
  const svg = chart(result.run, title, subtitle, asked.window, asked.assumed.lambdaConcurrency);
  try {
    await checkFolder(name === undefined ? "Chart: left out, as" : "--chart", path.dirname(file));
  } catch (error) {
    if (name === undefined && error instanceof UsageError) return error.message;
    throw error;
  }
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(`${file}.svg`, svg);
  await sharp(Buffer.from(svg), { density: 144 }).png().toFile(`${file}.png`);
  return `Chart: ${near(file)}.svg and .png`;
}

async function question(options: Options): Promise<Asked> {
  const { stack, megapixels, failures, seed } = options;
  const config = await usage(() => configured(readStackConfig(PROJECT, stack), options.config));
  const region = options.region ?? regionOf(config);
  const program = () => declaredPlan(config, region);
  // Where settings come from the command line, what is wrong with them is wrong usage.
  const plan = await (options.config.length > 0 ? usage(program) : program());
  const overrides = { ...(options.live ? await liveAssumptions(region) : {}), ...options.set };
  const assumed = assumptionsFor(region, overrides);
  const { seconds, durations } = await secondsOf(options, plan, assumed);
  const coming = options.csv
    ? await usage(async () => arrivalsFromCsv(await readFile(options.csv ?? "", "utf8")))
    : arrivals(options.profile, options.images, Math.ceil(options.minutes * 60), seed);
  if (coming.length === 0) throw new UsageError(`${options.csv}: no line has the form second,images.`);
  return {
    plan,
    assumed,
    known: Object.keys(overrides),
    load: { arrivals: coming, ...seconds, failures },
    stack: options.config.length > 0 ? `${stack} with other settings` : stack,
    megapixels,
    seed,
    profile: options.csv ? path.basename(options.csv) : options.profile,
    window: coming.length,
    deadline: Math.floor((options.within ?? coming.length / 60 + 1) * 60),
    durations,
  };
}

/** Finds the seconds that an image takes a worker, by what is known best, and says where they are from. */
async function secondsOf(
  { seconds, megapixels, live }: Options,
  plan: Plan,
  assumed: Assumptions,
): Promise<{ seconds: Omit<Load, "arrivals">; durations: string }> {
  if (seconds !== undefined) {
    return { seconds: { secondsPerImage: () => seconds }, durations: `${seconds} s an image, as given` };
  }
  const model = modelled(megapixels);
  const measured = live ? await liveDurations(plan, new Date()) : undefined;
  if (measured && measured.size > 0) {
    return {
      seconds: asMeasured(measured, model),
      durations: "what images took on AWS in the last two weeks",
    };
  }
  const each = plan.workers
    .slice(0, 1)
    .map((worker) => `${+model.secondsPerImage(worker, assumed).toFixed(3)} s of work an image, `);
  return { seconds: model, durations: `${each}from ${BENCH.image} on ${BENCH.machine}, ${BENCH.date}` };
}

function assumptionsTable(): string {
  const rows = Object.entries(ASSUMPTIONS).map(([name, [value, unit, source, best, worst]]) => {
    const range = best === undefined ? "" : `, at best ${best}, at worst ${worst}`;
    return `${name}=${value}\n    ${unit}${range}\n    ${source}`;
  });
  return [...rows, `Read ${READ}.`].join("\n");
}

type Given = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];
type Options = ReturnType<typeof checked>;

/** @throws {UsageError} in one sentence where something is not as it must be */
function checked(values: Given) {
  const profile = PROFILES.find((each) => each === values.profile);
  if (!profile && !values.profile.endsWith(".csv")) {
    throw new UsageError(
      `--profile is "${values.profile}", but must be ${PROFILES.join(", ")} or a file that ends with .csv.`,
    );
  }
  if (!profile && (values.images ?? values.minutes) !== undefined) {
    throw new UsageError("A CSV file says how many images come and when: leave out --images and --minutes.");
  }
  const minutes = { min: 1e-3, max: MAX_MINUTES };
  const seconds = { min: 1e-3, max: 900 };
  const { within } = values;
  return {
    ...values,
    csv: profile ? undefined : fromHere(values.profile),
    profile: profile ?? ("constant" as const),
    images: number("--images", values.images ?? "2000000", { min: 1, max: 1e12, whole: true }),
    minutes: number("--minutes", values.minutes ?? "5", minutes),
    within: within === undefined ? undefined : number("--within", within, minutes),
    seconds: values.seconds === undefined ? undefined : number("--seconds", values.seconds, seconds),
    megapixels: number("--megapixels", values.megapixels, { min: 1e-3, max: 10_000 }),
    failures: number("--failures", values.failures, { min: 0, max: 1 }),
    seed: number("--seed", values.seed, { min: 1, max: 2 ** 32 - 1, whole: true }),
    set: Object.fromEntries(values.set.map(override)) as Partial<Assumptions>,
  };
}

/** Reads a number, in which thousands may be set off. */
function number(option: string, given: string, range: Parameters<typeof numberOption>[2]): number {
  return numberOption(option, given.replaceAll(/(?<=\d)[_,](?=\d{3})/g, ""), range);
}

function override(given: string): [string, number] {
  const [name = "", value = ""] = given.split("=", 2);
  if (name in ASSUMPTIONS) return [name, number(`--set ${name}`, value, { min: 0, max: 1e15 })];
  throw new UsageError(
    `--set ${given}: there is no number ${name}; "npm run capacity -- --numbers" lists them.`,
  );
}

/** The stack's configuration with some settings in place of its own, named as `pulumi config set --path` does. */
function configured(stack: StackConfig, changes: readonly string[]): StackConfig {
  const config = { ...stack.config };
  for (const change of changes) {
    const [, name = "", value = ""] = /^([^=]+)=(.*)$/s.exec(change) ?? [];
    const [key = "", ...inner] = name.split(".");
    if (key === "" || inner.includes("")) {
      throw new UsageError(`--config ${change}: write KEY=VALUE, such as workers.memorySize=3008.`);
    }
    const [own, whole] = [`${stack.project}:${name}`, `${stack.project}:${key}`];
    // The stack may have it alone, too, as pulumi new writes it.
    delete config[own];
    const changed =
      inner.length > 0
        ? withPart(parsed(config[whole] ?? "{}"), inner, value === "" ? undefined : parsed(value))
        : undefined;
    if (changed) config[whole] = JSON.stringify(changed);
    else if (value !== "") config[own] = value;
  }
  return { ...stack, config };
}

/** Takes what is wrong with a file that was asked for by name as wrong usage. */
async function usage<T>(read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    // A setting is told with its stack's file, in whose place another may have been given.
    throw new UsageError((error as Error).message.replace(/^(Pulumi\.\S+\.yaml): /, "$1 with --config: "));
  }
}
