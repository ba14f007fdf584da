import { UsageError } from "../machine/inputs.ts";
import { dealWithDeadLetters, type Group } from "../operations/dead-letters.ts";
import { Interrupted, runCommand } from "./arguments.ts";
import { answersFrom } from "./confirmation.ts";
import { notShown, openOperator, STACK, WORKER } from "./operator.ts";
import { counted } from "./words.ts";

const USAGE = `Usage: npm run dead-letters -- [--redrive | --drop] [OPTION]...

Lists what the workers could not process, by reason. Listing changes nothing, but hides
the letters from others for the time it takes.

  --redrive           sends them to their worker's queue again; asks first
  --drop              deletes them for good; asks first. Their images then count as missing
                      for reconcile, until you delete those too
  --reason CODE       only letters with this reason, for example corrupt
  --yes               does not ask
${STACK.usage}
${WORKER.usage}
  --help              prints this

Exit code: 0 done, or nothing to do; 1 no letter has the given reason; 2 wrong usage.`;

const OPTIONS = {
  ...STACK.options,
  ...WORKER.options,
  redrive: { type: "boolean", default: false },
  drop: { type: "boolean", default: false },
  reason: { type: "string" },
  yes: { type: "boolean", default: false },
} as const;

await runCommand(USAGE, { options: OPTIONS }, async ({ values }) => {
  const { redrive, drop, reason, yes } = values;
  if (redrive && drop) throw new UsageError("Give --redrive or --drop, not both.");
  // Before standard input is read for the outputs, and before anything is looked at.
  const asks = (redrive || drop) && !yes;
  const interruption = new AbortController();
  using input = asks ? answersFrom(values.outputs === "-", interruption.signal) : undefined;
  using operator = await openOperator(values);
  const { stack, workers, sqs } = operator;
  process.once("SIGINT", () => interruption.abort(new Interrupted("Interrupted: the other letters stay.")));
  const codes = new Set<string>();
  let isFound = reason === undefined;
  for (const worker of workers) {
    const { queue = "", deadLetterQueue = "" } = stack.workers[worker] ?? {};
    const done = await dealWithDeadLetters(
      {
        sqs,
        queueUrl: deadLetterQueue,
        only: ({ code }) => {
          codes.add(code);
          isFound ||= code === reason;
          return reason === undefined || code === reason;
        },
        action: redrive ? { redriveTo: queue } : drop ? "drop" : undefined,
        signal: interruption.signal,
      },
      async ({ groups, count, unseen }) => {
        console.log(
          `${worker}: ${counted(count, "dead letter", "dead letters")}${groups.map(described).join("")}`,
        );
        if (unseen > 0) console.error(`${worker}: ${notShown(unseen)}`);
        if (count === 0 || !(redrive || drop)) return false;
        const what = redrive ? "Send them to the queue again" : "Delete them for good";
        return !input || input.confirms(`${what}? (yes/no) `);
      },
    );
    if (done > 0) console.log(`${worker}: ${done} ${redrive ? "sent again" : "deleted"}`);
  }
  if (isFound) return 0;
  const there =
    codes.size > 0 ? `the reasons are ${[...codes].sort().join(", ")}` : "there are no dead letters";
  console.error(`No dead letter has the reason ${reason}: ${there}.`);
  return 1;
});

function described({ code, count, sent, examples }: Group): string {
  const lines = examples.map(({ key, reason }) => `\n      ${key}: ${reason}`);
  const [oldest, newest] = (sent ?? []).map((time) => `${new Date(time).toISOString().slice(0, 19)}Z`);
  const times = oldest === newest ? oldest : `${oldest} to ${newest}`;
  return `\n  ${code}  ${count}${times ? `  (sent ${times})` : ""}${lines.join("")}`;
}
