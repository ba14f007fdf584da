import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { GetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import { Reconciliation, type Tally } from "../../src/operations/reconcile.ts";
import { pixelsOf, type TwoPixels, twoPixels } from "./images.ts";
import type { MachineProcess } from "./machine-process.ts";

export interface TrialOptions {
  /** Number of keys. */
  readonly images: number;
  /** Decides what is uploaded. */
  readonly seed: string;
  /** Seconds between two kills of the whole machine. @default never */
  readonly killEvery?: number | undefined;
  /** @default no bound, until little is left to do */
  readonly mostKills?: number;
  /** Most seconds from the last upload until all is quiet. @default 120 */
  readonly patience?: number;
  readonly onProgress?: (line: string) => void;
}

export interface TrialReport {
  readonly uploads: number;
  readonly kills: number;
  readonly seconds: number;
  readonly tallies: Record<string, Tally>;
  /** What is not as it must be, in words. */
  readonly wrong: string[];
  /** What the workers did with records, by the word in their log. */
  readonly outcomes: Record<string, number>;
  /** Results that were made and were not needed, as the same had been made before. */
  readonly repeated: number;
}

const UPLOADS_AT_ONCE = 8;

/** What stands under a key in the end: an image, no image, or nothing. */
type Last = TwoPixels | "poison" | "deleted";

/**
 * Uploads images, many of them several times, some damaged, some deleted in between, waits until the machine is quiet,
 * and looks at every result.
 */
export async function trial(machine: MachineProcess, options: TrialOptions): Promise<TrialReport> {
  const { images, seed, killEvery, mostKills = Infinity, onProgress = () => {} } = options;
  const chance = (...about: unknown[]) =>
    createHash("sha256")
      .update(JSON.stringify([seed, ...about]))
      .digest()
      .readUInt32BE() /
    2 ** 32;
  const palette = await twoPixels();
  const { sourceBucket, resultsBucket, workers } = machine.outputs;
  const started = performance.now();
  const wrong: string[] = [];
  let uploads = 0;
  let kills = 0;
  let killing = Promise.resolve();

  const finished = new AbortController();
  const killer = async () => {
    while (killEvery !== undefined && kills < mostKills) {
      await setTimeout(killEvery * 1000, undefined, { signal: finished.signal }).catch(() => {});
      if (finished.signal.aborted) return;
      kills++;
      killing = machine.restart();
      await killing;
      onProgress(`killed ${kills} times, ${uploads} uploads`);
    }
  };

  /** Until it is done, whatever happens to the machine meanwhile. */
  const insist = async (request: () => Promise<unknown>) => {
    while (
      await request().then(
        () => false,
        () => true,
      )
    ) {
      await setTimeout(50);
    }
  };
  const keyOf = (index: number) => `${seed}/${index % 10}/bild ${index}+ü.png`;
  const last: Last[] = [];
  const live = async (index: number) => {
    const object = { Bucket: sourceBucket, Key: keyOf(index) };
    const versions = chance(index, "often") < 0.3 ? 1 + Math.ceil(3 * chance(index, "versions")) : 1;
    for (let version = 0; version < versions; version++) {
      const luck = chance(index, version);
      const content = palette[Math.floor(chance(index, version, "content") * palette.length)] as TwoPixels;
      const poison = luck < 0.03;
      const Body = poison ? Buffer.from(`no image ${index}`) : content.png;
      await insist(() => machine.s3.send(new PutObjectCommand({ ...object, Body })));
      uploads++;
      last[index] = poison ? "poison" : content;
      if (luck > 0.97) {
        await insist(() => machine.s3.send(new DeleteObjectCommand(object)));
        last[index] = "deleted";
      }
    }
  };

  const killed = killer();
  let next = 0;
  const lane = async () => {
    while (next < images) await live(next++);
  };
  await Promise.all(Array.from({ length: UPLOADS_AT_ONCE }, lane));
  onProgress(`${uploads} uploads done`);

  const progress = async (): Promise<number> => {
    let messages = 0;
    for (const { queue } of Object.values(workers)) messages += await messagesIn(machine, queue);
    return messages + ((await machine.idle()) ? 0 : 1);
  };
  const until = Date.now() + (options.patience ?? 120) * 1000;
  for (let times = 0; times < 3; ) {
    await killing;
    // Unknown where the machine is killed meanwhile.
    const open = await progress().catch(() => undefined);
    // Whoever asked for kills gets one.
    times = open === 0 && (killEvery === undefined || kills > 0) ? times + 1 : 0;
    if (open !== undefined && open < Math.max(50, images / 10) && kills > 0) finished.abort();
    if (Date.now() > until) {
      wrong.push(`${open} messages are stuck`);
      break;
    }
    await setTimeout(100);
  }
  finished.abort();
  await killed;
  const seconds = (performance.now() - started) / 1000;

  const tallies: Record<string, Tally> = {};
  for (const [worker, { prefix }] of Object.entries(workers)) {
    const { s3, sqs, outputs: stack } = machine;
    const reconciliation = new Reconciliation({
      s3,
      sqs,
      stack,
      worker,
      before: new Date(Date.now() + 1000),
    });
    for await (const { kind, key } of reconciliation.findings()) {
      if (kind !== "orphaned") wrong.push(`${kind}: ${worker}/${key}`);
    }
    tallies[worker] = reconciliation.tally;
    const { created, results, rejected, superseded } = reconciliation.tally;
    if (created !== results + rejected + superseded) wrong.push(`${worker} does not add up`);

    for (const [index, expected] of last.entries()) {
      if (typeof expected === "string") continue;
      const key = `${prefix}/${keyOf(index)}`;
      const turned =
        worker === "clockwise" ? [expected.left, expected.right] : [expected.right, expected.left];
      const pixels = await machine.s3
        .send(new GetObjectCommand({ Bucket: resultsBucket, Key: key }))
        .then(async ({ Body }) => pixelsOf(Buffer.from((await Body?.transformToByteArray()) ?? [])))
        .catch((error: Error) => error.name);
      if (pixels !== `1x2 ${turned.join("")}`) wrong.push(`${key} is ${pixels}, not ${turned.join("")}`);
    }
  }
  const { outcomes, distinct } = await readLogs(machine);
  const made = (outcomes.processed ?? 0) + (outcomes.duplicate ?? 0);
  return { uploads, kills, seconds, tallies, wrong, outcomes, repeated: made - distinct };
}

/** What the workers' logs say: how often each word, and how many different results were made. */
async function readLogs(machine: MachineProcess) {
  const outcomes: Record<string, number> = {};
  const results = new Set<string>();
  const folder = path.join(machine.folder, "logs");
  for (const file of await readdir(folder)) {
    for await (const line of createInterface({ input: createReadStream(path.join(folder, file)) })) {
      const [, word, version] =
        /"message":"(processed|duplicate|superseded|rejected|failed|postponed)".*?(?:"versionId":"([^"]*)"|$)/.exec(
          line,
        ) ?? [];
      if (!word) continue;
      outcomes[word] = (outcomes[word] ?? 0) + 1;
      if (word === "processed" || word === "duplicate") results.add(`${file} ${version}`);
    }
  }
  return { outcomes, distinct: results.size };
}

/** Messages in a queue, taken or not. */
async function messagesIn(machine: MachineProcess, QueueUrl: string): Promise<number> {
  const { Attributes = {} } = await machine.sqs.send(
    new GetQueueAttributesCommand({
      QueueUrl,
      AttributeNames: ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    }),
  );
  return Object.values(Attributes).reduce((sum, count) => sum + Number(count), 0);
}
