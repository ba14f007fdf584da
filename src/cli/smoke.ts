import { readFile } from "node:fs/promises";
import path from "node:path";
import { logOf } from "../operations/logs.ts";
import { type Step, smoke } from "../operations/smoke.ts";
import { ROOT } from "../packaging/root.ts";
import type { WorkerOutputs } from "../stack-outputs.ts";
import { Interrupted, numberOption, runCommand } from "./arguments.ts";
import { openOperator, STACK } from "./operator.ts";
import { logLine } from "./words.ts";

const USAGE = `Usage: npm run smoke -- [--stack NAME] [OPTION]...

Sends one image through a running machine and checks what every worker makes of it by its pixels
(a rotation by its angle; any other result must be decodable). Then removes everything again: all
versions of source and results, and dead letters. If a result is wrong, prints the worker's log.

  --timeout SECONDS   maximum wait for a result (default: 180)
${STACK.usage}
  --help              prints this

Exit code: 0 all results are right; 1 one is not, or something could not be removed; 2 wrong usage.`;

const OPTIONS = { ...STACK.options, timeout: { type: "string", default: "180" } } as const;

const SAMPLE = path.join(ROOT, "samples/cat.jpg");

await runCommand(USAGE, { options: OPTIONS }, async ({ values }) => {
  const timeout = numberOption("--timeout", values.timeout, { min: 1, max: 86_400, unit: "seconds" });
  using operator = await openOperator(values);
  const { workers, logs: folder, region } = operator;
  const interrupted = new AbortController();
  process.once("SIGINT", () => interrupted.abort());
  const since = Date.now();
  const width = Math.max(...["uploaded", ...workers].map((name) => name.length));
  const log = (worker: string, key: string) =>
    logOf(operator.stack.workers[worker] as WorkerOutputs, { folder, region, key, since });
  const { key, failed, untried, removed } = await smoke({
    ...operator,
    sample: await readFile(SAMPLE),
    timeout,
    signal: interrupted.signal,
    told: (step) => console.log(inWords(step, width)),
    failureOf: async (worker, key) => failureIn(await log(worker, key), key),
    retrying: (worker, failure) =>
      console.log(`...    ${worker}: ${failure}; waiting for its next try, up to ${timeout} s in all`),
  });
  // Nobody knows whether a worker that was waited for would have failed.
  if (interrupted.signal.aborted && failed.length > 0) throw new Interrupted("Interrupted.");
  for (const worker of failed) {
    const lines = await log(worker, key);
    console.log(`\n${worker}: ${lines.map(logLine).join("\n")}`);
  }
  const seconds = ((Date.now() - since) / 1000).toFixed(1);
  if (failed.length > 0) console.log(`\nFailed: ${failed.join(", ")}, in ${seconds} s.`);
  else {
    const right = workers.length - untried.length;
    console.log(`${right} of ${workers.length} results are right, in ${seconds} s.`);
  }
  return failed.length > 0 || !removed ? 1 : 0;
});

/** What a log says of a try that failed, as delivery writes it. */
function failureIn(lines: readonly string[], key: string): string | undefined {
  const line = lines.find((each) => each.includes(key) && each.includes('"level":"ERROR"'));
  return line && logLine(line).trim();
}

function inWords({ name, ok, seconds, words }: Step, width: number): string {
  return `${ok ? "ok   " : "WRONG"}  ${name.padEnd(width)}  ${seconds.toFixed(2).padStart(6)} s  ${words}`;
}
