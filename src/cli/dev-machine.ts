import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { chaos, Events, Faults } from "local-aws";
import type { Happening } from "machine-watch";
import { inWords, passes } from "../image-filter.ts";
import { Failures } from "../machine/failures.ts";
import { type Machine, startMachine } from "../machine/machine.ts";
import { takingUploads } from "../machine/worker.ts";
import { countMessages } from "../operations/queue.ts";
import { ROOT } from "../packaging/root.ts";
import { endWith, outliveReaders } from "./arguments.ts";
import { tellHappenings } from "./happenings.ts";
import { type FromMachine, graphOf, type ToMachine } from "./watch-page.ts";
import { LARGE_IMAGE_SECONDS, near, PROJECT, sizeOf } from "./words.ts";

/**
 * The process that `npm run dev` runs the machine in, whose argument is what it is started with; "stop" ends it. It exits 2 where the
 * program or its configuration is refused.
 */

const { port, stack, folder, strict, seed, told }: ToMachine = JSON.parse(process.argv[2] ?? "");

/** Milliseconds between two looks at dead-letter queues. */
const LOOK_EVERY_MS = 1000;

/** Milliseconds that batches in work have to come to an end: what is not finished by then is begun again. */
const GRACE_MS = 10_000;

/** Milliseconds for which what happens is gathered before it is told. */
const GATHER_MS = 25;

outliveReaders();
const stopping = new AbortController();
process.on("message", () => stopping.abort());
// Whoever started this is gone, without a word; the machine goes down as well as it can.
process.on("disconnect", () => stopping.abort());
// A terminal sends these to the whole group: the one who started this says when to stop.
process.on("SIGINT", () => {});

try {
  const events = new Events();
  tellWhatHappens(events);
  const faults = seed ? new Faults(chaos(seed, LARGE_IMAGE_SECONDS)) : undefined;
  const machine = await startMachine({
    project: PROJECT,
    ...{ stack, folder, port, strict, events },
    durable: true,
    ...(faults && { faults }),
    report: (fault) => {
      if (!faults) console.error(fault instanceof Error ? fault.message : fault);
    },
  });
  const say = (text: string) => console.error(text);
  // What goes wrong on purpose is not told, failure by failure.
  if (!faults) new Failures(machine, { project: PROJECT, say, watching: true });
  print(machine);
  const { endpoint, region, administrator } = machine;
  send({ running: { graph: graphOf(machine, stack), endpoint, region, administrator } });
  await Promise.all([stopped(), tellRejections(machine)]);
  const late = globalThis.setTimeout(() => machine.lambda.abandon(), GRACE_MS);
  await machine.stop();
  clearTimeout(late);
} catch (error) {
  send({ refused: error instanceof Error ? error.message : String(error) });
  endWith(error);
}
if (process.connected) process.disconnect();

/** Tells the one who started this, who may end meanwhile. */
function send(message: FromMachine): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

/** Tells the one who started this what happens, for whoever watches. */
function tellWhatHappens(events: Events): void {
  let gathered: Happening[] = [];
  tellHappenings(events, PROJECT, (happening) => {
    if (gathered.push(happening) > 1) return;
    globalThis.setTimeout(() => {
      send({ happenings: gathered });
      gathered = [];
    }, GATHER_MS);
  });
}

function stopped(): Promise<void> {
  return new Promise((resolve) => {
    if (stopping.signal.aborted) resolve();
    stopping.signal.addEventListener("abort", () => resolve());
  });
}

function print(machine: Machine): void {
  const { endpoint, administrator, region, workers } = machine;
  const results = new Set(workers.map(({ results }) => results));
  const sources = new Set(takingUploads(workers).map(({ source }) => source));
  for (const line of machine.notRun) console.log(line);
  const sample = near(path.join(ROOT, "samples/cat.jpg"));
  const introduction = `
The machine is running until Ctrl-C. In another terminal, with version 2 of the AWS CLI:

  export AWS_ENDPOINT_URL=${endpoint} AWS_REGION=${region} AWS_DEFAULT_REGION=${region}
  export AWS_ACCESS_KEY_ID=${administrator.accessKeyId} AWS_SECRET_ACCESS_KEY=${administrator.secretAccessKey}
${[...sources].map((bucket) => `  aws s3 cp ${sample} s3://${bucket}/`).join("\n")}
${[...results].map((bucket) => `  aws s3 cp s3://${bucket}/ out/ --recursive`).join("\n")}

Buckets are the folders in ${near(path.join(folder, "buckets"))}, logs the files in ${near(machine.lambda.logs)}.
All data is kept, and grows. To start afresh, delete ${near(folder)} while nothing runs.
`;
  if (introduction === told.introduction) console.log("The machine is running again.");
  else console.log(introduction);
  console.log(`Workers: ${workers.map(({ name }) => name).join(", ")}.`);
  for (const { name, filter } of workers) {
    if (filter) console.log(`${name} is told only of ${inWords(filter)}.`);
  }
  told.introduction = introduction;
  passOn();
  machine.events.on("put", ({ bucket, key, size }) => {
    const where = sources.has(bucket) ? "in " : results.has(bucket) ? "out" : undefined;
    const untold = workers.filter(
      ({ source, filter }) => source === bucket && !passes(filter, { key, size }),
    );
    const of = untold.length > 0 ? `, not for ${untold.map(({ name }) => name).join(", ")}` : "";
    if (where) console.log(`${where}  ${key}  ${sizeOf(size)}${of}`);
  });
}

/** Lets the next one know what was told. */
function passOn(): void {
  send({ told });
}

/** Says how many images the workers have rejected when it is more than before. */
async function tellRejections(machine: Machine): Promise<void> {
  while (!stopping.signal.aborted) {
    const rejected: Record<string, number> = {};
    for (const { name, deadLetterQueue } of machine.workers) {
      const { visible, hidden } = await countMessages(machine.sqs, deadLetterQueue);
      // Whoever looks at them hides them meanwhile.
      rejected[name] = visible + hidden;
    }
    const counts = Object.entries(rejected);
    if (counts.some(([worker, count]) => count > (told.rejected[worker] ?? 0))) {
      const said = counts.filter(([, count]) => count > 0).map(([worker, count]) => `${worker} ${count}`);
      console.log(`Rejected so far: ${said.join(", ")}; npm run dead-letters says what and why.`);
    }
    if (!isDeepStrictEqual(rejected, told.rejected)) {
      told.rejected = rejected;
      passOn();
    }
    await setTimeout(LOOK_EVERY_MS, undefined, { signal: stopping.signal }).catch(() => {});
  }
}
