import { UsageError } from "../machine/inputs.ts";
import { Reconciliation, type Tally } from "../operations/reconcile.ts";
import { Repairs } from "../operations/repair.ts";
import { Interrupted, numberOption, runCommand } from "./arguments.ts";
import { notShown, type Operator, openOperator, STACK, WORKER } from "./operator.ts";
import { counted, nowAndThen } from "./words.ts";

const USAGE = `Usage: npm run reconcile -- [--repair] [OPTION]...

Compares the source bucket with every worker's results and dead letters, and lists results
that are missing, stale (of an older version) or orphaned (the source was deleted). Changes
nothing without --repair.

  --repair            sends missing and stale images through the worker's queue again, without
                      asking; for a new worker that is every image
  --rate N            maximum messages sent a second (default: 100)
  --grace MINUTES     younger images count as in flight, not as missing (default: 15;
                      0 on this computer, where events come at once)
  --start-after KEY   continues after this key; needs --worker
${STACK.usage}
${WORKER.usage}
  --help              prints this

Exit code: 0 all accounted for or sent; 1 something is missing or stale; 2 wrong usage.`;

/** The time that S3, SNS, SQS and Lambda may take with an image on AWS. */
const GRACE_MINUTES = 15;

const MISSING =
  "an image whose dead letter was dropped, or expired after 14 days, counts as missing too: delete it, or try it again with --repair.";

const ORPHANED =
  "an orphaned result is of a source that was deleted, or whose newest version a filter keeps from the worker. Results are kept, so nothing has to be done; delete those that are not wanted (docs/delivery.md, Deletes).";

/** Milliseconds between two lines of progress. */
const LINE_EVERY_MS = 2000;

const OPTIONS = {
  ...STACK.options,
  ...WORKER.options,
  repair: { type: "boolean", default: false },
  rate: { type: "string", default: "100" },
  grace: { type: "string" },
  "start-after": { type: "string" },
} as const;

await runCommand(USAGE, { options: OPTIONS }, async ({ values }) => {
  const rate = numberOption("--rate", values.rate, { min: 1, max: 100_000 });
  const grace =
    values.grace === undefined ? undefined : numberOption("--grace", values.grace, { min: 0, max: 100_000 });
  const after = values["start-after"];
  if (after !== undefined && values.worker === undefined) {
    throw new UsageError("--start-after continues the pass of one worker: say which with --worker.");
  }
  using operator = await openOperator(values);
  const interruption = new AbortController();
  // Dead letters that are looked at are hidden from others, until they are let go of.
  process.once("SIGINT", () => interruption.abort(new Interrupted("Interrupted.")));
  let open = 0;
  for (const worker of operator.workers) {
    open += await reconcile(operator, worker, {
      repair: values.repair,
      rate,
      grace: grace ?? (operator.local ? 0 : GRACE_MINUTES),
      after,
      signal: interruption.signal,
    });
  }
  return open > 0 ? 1 : 0;
});

interface ReconcileOptions {
  readonly repair: boolean;
  readonly rate: number;
  /** Minutes. */
  readonly grace: number;
  readonly after: string | undefined;
  readonly signal: AbortSignal;
}

/** Reconciles one worker. @returns how many results are missing or stale and were not sent for */
async function reconcile(
  { stack, s3, sqs }: Operator,
  worker: string,
  { repair, rate, grace, after, signal }: ReconcileOptions,
): Promise<number> {
  let last = after;
  const tell = nowAndThen(LINE_EVERY_MS, console.error);
  try {
    const { queue: queueUrl = "" } = stack.workers[worker] ?? {};
    const repairs = new Repairs(sqs, { bucket: stack.sourceBucket, queueUrl, rate });
    const reconciliation = new Reconciliation({
      s3,
      sqs,
      stack,
      worker,
      part: { after: last },
      signal,
      before: new Date(Date.now() - grace * 60_000),
      onKey: (key, tally) => {
        // What was found is sent in batches: only up to what was sent is there nothing left to do.
        if (repairs.waiting === 0) last = key;
        tell(
          `${worker}: ${counted(tally.created, "version", "versions")}, ${repairs.sent} sent, at ${JSON.stringify(key)}`,
        );
      },
    });
    for await (const finding of reconciliation.findings()) {
      console.log(`${finding.kind.padEnd(8)}  ${worker}  ${finding.key}`);
      if (repair && finding.kind !== "orphaned") await repairs.add(finding);
    }
    await repairs.flush();
    console.log(summary(worker, reconciliation.tally, repairs.sent, grace));
    const { unseenDeadLetters } = reconciliation;
    if (unseenDeadLetters > 0) {
      console.error(`${worker}: ${notShown(unseenDeadLetters)} Their images count as missing.`);
    }
    if (reconciliation.tally.missing > 0 && !repair) console.error(`${worker}: ${MISSING}`);
    if (reconciliation.tally.orphaned > 0) console.error(`${worker}: ${ORPHANED}`);
    return reconciliation.tally.missing + reconciliation.tally.stale - repairs.sent;
  } catch (error) {
    if (last !== undefined) {
      console.error(`To continue from here: --worker ${worker} --start-after ${JSON.stringify(last)}`);
    }
    throw error;
  }
}

function summary(worker: string, tally: Tally, sent: number, grace: number): string {
  const { created, results, rejected, superseded, inFlight, missing, stale, filtered, expired } = tally;
  const { orphaned, queued } = tally;
  const notTold = filtered > 0 ? ` + ${filtered} that it is not told of` : "";
  const gone = expired > 0 ? ` + ${expired} that may have expired` : "";
  const gaps = missing + stale > 0 ? ` + ${missing} missing + ${stale} stale` : "";
  const minutes = counted(grace, "minute", "minutes");
  const further = [
    ...(inFlight > 0
      ? [
          `${counted(inFlight, "is", "are")} younger than ${minutes}: with --grace 0, those without a result count as missing`,
        ]
      : []),
    ...(orphaned > 0 ? [`${counted(orphaned, "result is", "results are")} orphaned`] : []),
    ...(queued > 0
      ? [
          `about ${counted(queued, "message is", "messages are")} still in the queue; their images are not lost`,
        ]
      : []),
    ...(sent > 0 ? [`${counted(sent, "was", "were")} sent to the queue`] : []),
  ];
  return [
    `${worker}: ${created} created = ${counted(results, "result", "results")} + ${rejected} rejected + ${superseded} superseded + ${inFlight} in flight${notTold}${gone}${gaps}`,
    ...further,
  ].join("; ");
}
