import { readFile } from "node:fs/promises";
import path from "node:path";
import { UsageError } from "../machine/inputs.ts";
import { logOf } from "../operations/logs.ts";
import { type Step, smoke } from "../operations/smoke.ts";
import type { WorkerOutputs } from "../stack-outputs.ts";
import { parsedArguments } from "./arguments.ts";
import { openOperator, STACK_OPTIONS, STACK_USAGE } from "./operator.ts";

const USAGE = `Usage: npm run smoke -- [--stack NAME] [OPTION]...

Sends one image through a machine that is running, fetches what every worker makes of it,
judges that by its pixels (a rotation by its angle; any other result must be decodable),
and removes everything again: all versions of source and results, and dead letters.
What is wrong is said together with the worker's log.

  --timeout SECONDS   how long a result may take (default: 180)
${STACK_USAGE}
  --help              prints this

Exit code: 0 all results are right, 1 one is not or something could not be removed, 2 wrong usage.`;

const SAMPLE = path.join(import.meta.dirname, "../../samples/cat.jpg");

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`${error instanceof Error ? error.message : error}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function main(argv: string[]): Promise<number> {
  const { timeout, ...values } = parseArguments(argv);
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  using operator = await openOperator(values);
  const interrupted = new AbortController();
  process.once("SIGINT", () => interrupted.abort());
  const since = Date.now();
  const width = Math.max(...["uploaded", ...operator.workers].map((name) => name.length));
  const { key, failed, removed } = await smoke({
    ...operator,
    sample: await readFile(SAMPLE),
    timeout,
    signal: interrupted.signal,
    told: (step) => console.log(inWords(step, width)),
  });
  const { logs: folder, region } = operator;
  for (const worker of failed) {
    const lines = await logOf(operator.stack.workers[worker] as WorkerOutputs, {
      folder,
      region,
      key,
      since,
    });
    console.log(`\n${worker}: ${lines.join("\n")}`);
  }
  const seconds = ((Date.now() - since) / 1000).toFixed(1);
  if (failed.length > 0) console.log(`\nFailed: ${failed.join(", ")}, in ${seconds} s.`);
  else
    console.log(
      `${operator.workers.length} of ${operator.workers.length} results are right, in ${seconds} s.`,
    );
  return failed.length > 0 || !removed ? 1 : 0;
}

function inWords({ name, ok, seconds, words }: Step, width: number): string {
  return `${ok ? "ok   " : "WRONG"}  ${name.padEnd(width)}  ${seconds.toFixed(2).padStart(6)} s  ${words}`;
}

function parseArguments(argv: string[]) {
  const { values } = parsedArguments(
    {
      args: argv,
      options: {
        ...STACK_OPTIONS,
        timeout: { type: "string", default: "180" },
        help: { type: "boolean", short: "h", default: false },
      },
    },
    USAGE,
  );
  const timeout = Number(values.timeout);
  if (values.timeout !== "" && timeout >= 1 && timeout <= 86_400) return { ...values, timeout };
  throw new UsageError(`--timeout is ${values.timeout}, but must be a number from 1 to 86400 seconds.`);
}
