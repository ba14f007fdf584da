import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { type Answer, answer } from "../capacity/answer.ts";
import { arrivals, arrivalsFromCsv, PROFILES, type Profile } from "../capacity/arrivals.ts";
import { chart } from "../capacity/chart.ts";
import { BENCH, secondsPerImage } from "../capacity/durations.ts";
import { planOf, Recorder } from "../capacity/graph.ts";
import { liveDurations, liveNumbers } from "../capacity/live.ts";
import { type NumberName, type Numbers, numbersFor, READ, SOURCED } from "../capacity/numbers.ts";
import type { Load, Plan } from "../capacity/plan.ts";
import { type Asked, circumstances, headline, report } from "../capacity/report.ts";
import { UsageError } from "../machine/inputs.ts";
import { runProgram } from "../machine/program.ts";
import { readStackConfig, type StackConfig } from "../machine/stack-config.ts";

const PROJECT = path.join(import.meta.dirname, "../..");

const USAGE = `Usage: npm run capacity -- [--images N] [--minutes N] [OPTION]...

Says what the machine that index.ts declares can do with so many images: when they are accepted,
when they are processed, what holds them up, what must be raised, and what it costs. Deploys nothing.

  --images N         how many come (default: 2000000)
  --minutes N        in how many minutes (default: 5)
  --within N         minutes by which all are to be processed; exits with 1 where they are not
                     (default: one more than --minutes, and no such exit)
  --profile P        constant, ramp, burst (all in ten seconds), or a CSV file of second,images
                     instead of --images and --minutes (default: constant)
  --megapixels N     size of an image (default: 12)
  --seconds N        what an image takes a worker, reading and writing included (default: from
                     --megapixels and a measurement)
  --failures N       part of the tries that fail and may succeed later, 0 to 1 (default: 0)
  --stack NAME       whose settings, Pulumi.NAME.yaml (default: dev)
  --config KEY=VALUE a setting instead of the stack's, such as workers.memorySize=3008, or none of the
                     stack's where there is no VALUE; any number of times
  --region NAME      (default: the stack's)
  --set NAME=VALUE   another value for a number of the model; any number of times
  --numbers          lists the numbers of the model, their names and sources
  --live             takes the account's quotas, and durations if there are any, from AWS
  --raised           answers as if everything were raised that has to be
  --chart FILE       draws the run to FILE.svg and FILE.png (default: out/capacity)
  --seed N           another chance (default: 1)
  --json             prints everything as JSON
  --help             prints this`;

/** The region where the stack's configuration names none. */
const DEFAULT_REGION = "us-east-1";

process.exitCode = await main(process.argv.slice(2));

/** @returns the exit code: 0 answered, 1 something failed or is later than --within, 2 wrong usage */
async function main(argv: string[]): Promise<number> {
  try {
    const options = parsed(argv);
    if (options.help) {
      console.log(USAGE);
      return 0;
    }
    if (options.numbers) {
      console.log(numbersTable());
      return 0;
    }
    return await run(options);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return error instanceof UsageError ? 2 : 1;
  }
}

async function run(options: Options): Promise<number> {
  const { load, ...given } = await question(options);
  const ask = ({ plan, numbers, deadline }: Asked) =>
    answer({ plan, load, numbers, deadline, seed: options.seed });
  const first = ask(given.asked);
  const { advice } = first.answer;
  const asked =
    options.raised && advice && advice.raises.length > 0
      ? { ...given.asked, stack: `${given.asked.stack}, raised,`, plan: advice.plan, numbers: advice.numbers }
      : given.asked;
  const result = asked === given.asked ? first : ask(asked);
  const { drained } = result.answer;
  const here = process.env.INIT_CWD ?? process.cwd();
  const file = path.resolve(here, options.chart);
  const svg = chart(
    result.run,
    { title: headline(result.answer, asked), subtitle: circumstances(asked) },
    asked.window,
    asked.numbers.lambdaConcurrency,
  );
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(`${file}.svg`, svg);
  await sharp(Buffer.from(svg), { density: 144 }).png().toFile(`${file}.png`);
  if (options.json) console.log(json(result.answer, asked));
  else console.log(`${report(result.answer, asked)}\nChart: ${path.relative(here, file)}.svg and .png`);
  const late = drained === undefined || drained > asked.deadline;
  return options.within !== undefined && late ? 1 : 0;
}

async function question(options: Options) {
  const { stack } = options;
  const config = await usage(() => configured(readStackConfig(PROJECT, stack), options.config));
  const region = options.region ?? config.config["aws:region"] ?? DEFAULT_REGION;
  const recorder = new Recorder(region);
  const program = () => runProgram(path.join(PROJECT, "index.ts"), config, recorder.provision);
  // Where settings come from the command line, what is wrong with them is wrong usage.
  await (options.config.length > 0 ? usage(program) : program());
  const plan = planOf(recorder.resources, region);

  const live = options.live ? await liveNumbers(region) : {};
  const numbers = numbersFor(region, { ...live, ...options.set });
  const { seconds, durations } = await secondsOf(options, plan, numbers);
  const coming = options.csv
    ? await usage(async () => arrivalsFromCsv(await readFile(options.csv ?? "", "utf8")))
    : arrivals(options.profile, options.images, Math.ceil(options.minutes * 60), options.seed);
  if (coming.length === 0) throw new UsageError(`${options.csv}: there is no line of second,images.`);
  const load: Load = { arrivals: coming, secondsPerImage: seconds, failures: options.failures };
  const asked: Asked = {
    plan,
    numbers,
    stack: options.config.length > 0 ? `${stack} with other settings` : stack,
    megapixels: options.megapixels,
    profile: options.csv ? path.basename(options.csv) : options.profile,
    window: coming.length,
    deadline: Math.floor((options.within ?? coming.length / 60 + 1) * 60),
    durations,
  };
  return { load, asked };
}

/** What an image takes a worker, by what is known best, and where that is from. */
async function secondsOf(
  options: Options,
  plan: Plan,
  numbers: Numbers,
): Promise<{ seconds: Load["secondsPerImage"]; durations: string }> {
  const { seconds } = options;
  if (seconds !== undefined) return { seconds: () => seconds, durations: `${seconds} s an image, as given` };
  const model = secondsPerImage(options.megapixels, numbers);
  if (options.live) {
    const names = plan.workers.map(({ name }) => name);
    const measured = await liveDurations(plan.region, names, new Date());
    if (measured.size > 0) {
      return {
        seconds: (worker) => measured.get(worker.name) ?? model(worker),
        durations: "what images took on AWS in the last two weeks",
      };
    }
  }
  const [worker] = plan.workers;
  const each = worker ? `${+model(worker).toFixed(3)} s an image, ` : "";
  return { seconds: model, durations: `${each}from ${BENCH.image} on ${BENCH.machine}, ${BENCH.date}` };
}

function json(result: Answer, asked: Asked): string {
  const { stack, plan, numbers, deadline, megapixels, profile, window, durations } = asked;
  return JSON.stringify(
    { stack, megapixels, profile, window, deadline, durations, ...result, plan, numbers },
    undefined,
    2,
  );
}

function numbersTable(): string {
  return Object.entries(SOURCED)
    .map(
      ([name, { value, unit, source, read }]) =>
        `${name}=${value}\n    ${unit}\n    ${source}; ${read ?? READ}`,
    )
    .join("\n");
}

type Options = ReturnType<typeof parsed>;

/** @throws {UsageError} in one sentence where something is not as it must be */
function parsed(argv: string[]) {
  const { values } = parseArguments(argv);
  const profile = values.profile ?? "constant";
  const known = PROFILES.find((each): each is Profile => each === profile);
  if (!known && !profile.endsWith(".csv")) {
    throw new UsageError(
      `--profile is "${profile}", but must be ${PROFILES.join(", ")} or a file that ends with .csv.`,
    );
  }
  if (!known && (values.images ?? values.minutes) !== undefined) {
    throw new UsageError("A CSV file says how many images come and when: leave out --images and --minutes.");
  }
  const minutes = positive("--minutes", values.minutes ?? "5", 14 * 24 * 60);
  return {
    ...values,
    csv: known ? undefined : path.resolve(process.env.INIT_CWD ?? process.cwd(), profile),
    profile: known ?? ("constant" as const),
    minutes,
    images: whole("--images", values.images ?? "2000000", 1e12),
    within: values.within === undefined ? undefined : positive("--within", values.within, 14 * 24 * 60),
    megapixels: positive("--megapixels", values.megapixels, 10_000),
    seconds: values.seconds === undefined ? undefined : positive("--seconds", values.seconds, 900),
    failures: number("--failures", values.failures, 0, 1),
    seed: whole("--seed", values.seed, 2 ** 32 - 1),
    set: Object.fromEntries(values.set.map(override)) as Partial<Record<NumberName, number>>,
  };
}

function parseArguments(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      options: {
        images: { type: "string" },
        minutes: { type: "string" },
        within: { type: "string" },
        profile: { type: "string" },
        megapixels: { type: "string", default: "12" },
        seconds: { type: "string" },
        failures: { type: "string", default: "0" },
        stack: { type: "string", default: "dev" },
        region: { type: "string" },
        config: { type: "string", multiple: true, default: [] },
        set: { type: "string", multiple: true, default: [] },
        raised: { type: "boolean", default: false },
        numbers: { type: "boolean", default: false },
        live: { type: "boolean", default: false },
        chart: { type: "string", default: path.join("out", "capacity") },
        seed: { type: "string", default: "1" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    throw new UsageError(
      `${(error as Error).message.replace(/\.?$/, ".")} "npm run capacity -- --help" lists what there is.`,
    );
  }
}

function number(name: string, given: string, minimum: number, maximum: number): number {
  const value = Number(given.replaceAll(/(?<=\d)[_,](?=\d{3})/g, ""));
  if (given.trim() !== "" && value >= minimum && value <= maximum) return value;
  throw new UsageError(`${name} is "${given}", but must be a number from ${minimum} to ${maximum}.`);
}

function positive(name: string, given: string, maximum: number): number {
  return number(name, given, 1e-3, maximum);
}

function whole(name: string, given: string, maximum: number): number {
  const value = number(name, given, 1, maximum);
  if (Number.isInteger(value)) return value;
  throw new UsageError(`${name} is "${given}", but must be a whole number.`);
}

function override(given: string): [string, number] {
  const [name = "", value = ""] = given.split("=", 2);
  if (!(name in SOURCED)) {
    throw new UsageError(
      `--set ${given}: there is no number ${name}; "npm run capacity -- --numbers" lists them.`,
    );
  }
  return [name, number(`--set ${name}`, value, 0, 1e15)];
}

/** The stack's configuration with some settings in place of its own, named as `pulumi config set --path` does. */
function configured(stack: StackConfig, changes: readonly string[]): StackConfig {
  const config = { ...stack.config };
  for (const change of changes) {
    const [name = "", value] = change.split("=", 2);
    const [key = "", ...inner] = name.split(".");
    if (!key || inner.includes("") || value === undefined) {
      throw new UsageError(`--config ${change}: write KEY=VALUE, such as workers.memorySize=3008.`);
    }
    const full = `${stack.project}:${key}`;
    config[full] = inner.length === 0 ? value : JSON.stringify(within(config[full], inner, value));
  }
  return { ...stack, config };
}

/** Puts a value into JSON, at a path of names, or takes away what is there where it is empty. */
function within(text: string | undefined, path: readonly string[], value: string): object {
  const root: Record<string, unknown> = JSON.parse(text ?? "{}");
  let at = root;
  for (const name of path.slice(0, -1)) {
    const next = { ...(at[name] as object | undefined) };
    at[name] = next;
    at = next as Record<string, unknown>;
  }
  const number = Number(value);
  const last = path.at(-1) ?? "";
  if (value === "") delete at[last];
  else at[last] = Number.isNaN(number) ? value : number;
  return root;
}

/** What is wrong with a file that was asked for by name is wrong usage. */
async function usage<T>(read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    // A setting is told with its stack's file, in whose place another may have been given.
    throw new UsageError((error as Error).message.replace(/^(Pulumi\.\S+\.yaml): /, "$1 with --config: "));
  }
}
