import { once } from "node:events";
import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";
import { DeployedSource, lastPart, type StackAccess, serveWatch, type Wiring } from "machine-watch";
import { UsageError } from "../machine/inputs.ts";
import { countMessages } from "../operations/queue.ts";
import { reached } from "../operations/stack.ts";
import type { StackOutputs } from "../stack-outputs.ts";
import { runCommand } from "./arguments.ts";
import { cloudWatch } from "./cloudwatch.ts";
import { logsIn } from "./log-files.ts";
import { openOperator, STACK } from "./operator.ts";
import { whenOrphaned } from "./orphan.ts";
import { accessWith, wired } from "./watch-access.ts";
import { openInBrowser } from "./watch-page.ts";

/** Requests in a second, at most: to AWS, and here, where they cost nothing and nobody else waits. */
const REQUESTS_PER_SECOND = 2;
const LOCAL_REQUESTS_PER_SECOND = 50;

const USAGE = `Usage: npm run watch -- [--stack NAME] [--open] [OPTION]...

Serves a page on this computer that shows a stack at work: what waits in each queue, what
functions log about each image, and what is in the dead-letter queues. Changes nothing. Sends
AWS at most ${REQUESTS_PER_SECOND} requests a second, and only while somebody looks.

  --open              opens the page in the browser
${STACK.usage}
  --help              prints this`;

const OPTIONS = { ...STACK.options, open: { type: "boolean", default: false } } as const;

await runCommand(USAGE, { options: OPTIONS }, async ({ values }) => {
  using operator = await openOperator(values);
  const { stack, region, local, logs: folder, client } = operator;
  const [first] = Object.entries(stack.workers);
  if (first) await reached(`The queue of ${first[0]}`, countMessages(operator.sqs, first[1].queue));
  // Each try is a request, of which there are only so many.
  const config = { ...client, maxAttempts: 1 };
  const logs = logsIn(folder);
  const read = local
    ? () => ({ logs })
    : await cloudWatch(stack).catch((error) => Promise.reject(new UsageError(error.message)));
  const connect = (): StackAccess => ({
    ...accessWith({ s3: new S3Client(config), sqs: new SQSClient(config) }),
    ...read(config),
  });
  const page = await serveWatch(
    new DeployedSource({
      wiring: wiringOf(
        stack,
        values.stack ?? (local ? "npm run dev" : lastPart(stack.topic)),
        local ? "on this computer" : `in ${region}`,
      ),
      connect,
      requestsPerSecond: local ? LOCAL_REQUESTS_PER_SECOND : REQUESTS_PER_SECOND,
    }),
  );
  console.log(`Watch it at ${page.address}\nCtrl-C ends it.`);
  if (values.open) openInBrowser(page.address);
  const orphaned = new Promise<void>((resolve) => whenOrphaned(["watch"], resolve));
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM"), orphaned]);
  await page.close();
  return 0;
});

function wiringOf(stack: StackOutputs, title: string, place: string): Wiring {
  const { sourceBucket: source, resultsBucket: results, topic } = stack;
  const workers = Object.entries(stack.workers).map(([name, worker]) => {
    return { ...wired(worker), name, fanOut: lastPart(topic), source, results };
  });
  return { title, place, workers, fanOuts: [{ source, results, topic }] };
}
