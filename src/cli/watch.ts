import { once } from "node:events";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";
import { UsageError } from "../machine/inputs.ts";
import { countMessages } from "../operations/queue.ts";
import { reached } from "../operations/stack.ts";
import type { StackOutputs } from "../stack-outputs.ts";
import { Budget } from "../watch/budget.ts";
import { cloudWatch, type DeployedWiring } from "../watch/cloudwatch.ts";
import { type Clients, DeployedSource, REQUESTS_PER_SECOND } from "../watch/deployed.ts";
import { serveWatch } from "../watch/server.ts";
import { lastPart } from "../watch/wiring.ts";
import { HELP_OPTION, runCommand } from "./arguments.ts";
import { openOperator, STACK_OPTIONS, STACK_USAGE } from "./operator.ts";
import { whenOrphaned } from "./orphan.ts";
import { openInBrowser } from "./watch-page.ts";

const USAGE = `Usage: npm run watch -- [--stack NAME] [--open] [OPTION]...

Serves a page on this computer that shows a stack at work: what waits in each queue, what
functions log of each image, what is in the dead-letter queues. It changes nothing, and
asks AWS ${REQUESTS_PER_SECOND} times a second at most, while somebody looks.

  --open              opens the page in the browser
${STACK_USAGE}
  --help              prints this`;

const LOCAL_REQUESTS_PER_SECOND = 50;

const OPTIONS = { ...STACK_OPTIONS, open: { type: "boolean", default: false }, ...HELP_OPTION } as const;

await runCommand(USAGE, { options: OPTIONS }, async ({ values }) => {
  using operator = await openOperator(values);
  const { stack, region, local, logs, client } = operator;
  const wiring = wiringOf(
    stack,
    values.stack ?? (local ? "npm run dev" : lastPart(stack.topic)),
    local ? "on this computer" : `in ${region}`,
  );
  const [first] = wiring.workers;
  if (first) await reached(`The queue of ${first.name}`, countMessages(operator.sqs, first.queue));
  // Each try is a request, of which there are only so many.
  const config = { ...client, maxAttempts: 1 };
  if (!local) await cloudWatch(config).catch((error) => Promise.reject(new UsageError(error.message)));
  const connect = (): Clients => ({
    s3: new S3Client(config),
    sqs: new SQSClient(config),
    ...(local ? { logs: logsIn(logs) } : onAws(config)),
  });
  // Here, requests cost nothing and nobody else waits.
  const budget = new Budget(local ? LOCAL_REQUESTS_PER_SECOND : REQUESTS_PER_SECOND, (milliseconds) =>
    setTimeout(milliseconds),
  );
  const page = await serveWatch(new DeployedSource({ wiring, connect, budget }));
  console.log(`Watch it at ${page.address}\nCtrl-C ends it.`);
  if (values.open) openInBrowser(page.address);
  const orphaned = new Promise<void>((resolve) => whenOrphaned(["watch"], resolve));
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM"), orphaned]);
  await page.close();
  return 0;
});

function wiringOf(stack: StackOutputs, title: string, place: string): DeployedWiring {
  const { sourceBucket: source, resultsBucket: results, topic } = stack;
  const workers = Object.entries(stack.workers).map(([name, worker]) => {
    return { ...worker, name, fanOut: lastPart(topic), source, results };
  });
  return { title, place, workers, fanOuts: [{ source, results, topic }] };
}

function onAws(config: object): Pick<Clients, "logs" | "metrics"> {
  const asked = cloudWatch(config);
  return {
    logs: async (...question) => (await asked).logs(...question),
    metrics: async (...question) => (await asked).metrics(...question),
  };
}

/** Reads on in the logs of the machine on this computer, which are files. */
function logsIn(folder: string | undefined): Clients["logs"] {
  return async (worker, from) => {
    const file = folder && path.join(folder, `${worker.function}.log`);
    const log = file ? await readFile(file, "utf8").catch(() => "") : "";
    const lines = log.split("\n").map((line) => ({ time: timeOf(line), line }));
    return { lines: lines.filter(({ time }) => time >= from) };
  };
}

/** When a line was logged; 0 for one that does not say so. */
function timeOf(line: string): number {
  const [, time = ""] = /"timestamp":"([^"]+)"/.exec(line) ?? [];
  return Date.parse(time) || 0;
}
