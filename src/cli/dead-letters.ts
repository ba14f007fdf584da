import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import {
  dropDeadLetters,
  type Group,
  groupDeadLetters,
  redriveDeadLetters,
} from "../operations/dead-letters.ts";
import { parsedArguments } from "./arguments.ts";
import { UsageError } from "./inputs.ts";
import { openOperator, STACK_OPTIONS, STACK_USAGE, WORKER_OPTION, WORKER_USAGE } from "./operator.ts";

const USAGE = `Usage: npm run dead-letters -- [--redrive | --drop] [OPTION]...

Shows what the workers could not process, by reason. Looking changes nothing.

  --redrive           sends them to their worker's queue again, after confirmation
  --drop              deletes them for good, after confirmation
  --reason CODE       only those with this reason, for example corrupt
  --yes               does not ask
${STACK_USAGE}
${WORKER_USAGE}
  --help              prints this`;

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(`${error instanceof Error ? error.message : error}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function main(argv: string[]): Promise<void> {
  const { redrive, drop, reason, yes, help, ...stackOptions } = parseArguments(argv);
  if (help) return console.log(USAGE);
  using operator = await openOperator(stackOptions);
  const { stack, workers, sqs } = operator;
  for (const worker of workers) {
    const queues = stack.workers[worker];
    if (!queues) continue;
    const all = await groupDeadLetters(sqs, queues.deadLetterQueue);
    const groups = all.filter(({ code }) => reason === undefined || code === reason);
    const count = groups.reduce((sum, group) => sum + group.count, 0);
    console.log(`${worker}: ${count} dead letters${groups.map(described).join("")}`);
    if (count === 0 || !(redrive || drop)) continue;
    const what = redrive ? "Send them to the queue again" : "Delete them for good";
    if (!yes && !(await confirmed(`${what}? (yes/no) `))) continue;
    const done = redrive
      ? await redriveDeadLetters(sqs, queues, reason)
      : await dropDeadLetters(sqs, queues.deadLetterQueue, reason);
    console.log(`${worker}: ${done} ${redrive ? "sent again" : "deleted"}`);
  }
}

function described({ code, count, examples }: Group): string {
  const lines = examples.map(({ key, reason }) => `\n      ${key}: ${reason}`);
  return `\n  ${code}  ${count}${lines.join("")}`;
}

async function confirmed(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // Where there is nobody to answer, the input just ends.
    const ended = once(terminal, "close").then(() => "");
    const answer = await Promise.race([terminal.question(question), ended]);
    return answer.trim().toLowerCase() === "yes";
  } finally {
    terminal.close();
  }
}

function parseArguments(argv: string[]) {
  const values = parsed(argv);
  if (values.redrive && values.drop) throw new UsageError("Give --redrive or --drop, not both.");
  return values;
}

function parsed(argv: string[]) {
  return parsedArguments(
    {
      args: argv,
      options: {
        ...STACK_OPTIONS,
        ...WORKER_OPTION,
        redrive: { type: "boolean", default: false },
        drop: { type: "boolean", default: false },
        reason: { type: "string" },
        yes: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    },
    USAGE,
  ).values;
}
