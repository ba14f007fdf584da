import { copyFile, mkdir, readdir } from "node:fs/promises";
import path from "node:path";
import { inWords } from "../image-filter.ts";
import type { Failure } from "../machine/failures.ts";
import type { Summary } from "../machine/run.ts";
import type { Rejection } from "../machine/tally.ts";
import { counted, near } from "./words.ts";

/** Maximum of images that are listed of each kind where a report has all of them, and of a worker that was given up. */
const MAX_LISTED = 20;

/** Folder of the results, and the report with all outcomes, if there is one. */
interface Places {
  readonly out: string;
  readonly report: string | undefined;
}

/** Names the file in which a run keeps the log of a worker that failed. */
export function logIn(out: string, worker: string): string {
  return path.join(out, `${worker}.log`);
}

/** Prints what became of all images, and keeps the logs of workers that failed: all else goes with the machine. */
export async function printSummary(
  summary: Summary,
  failures: readonly Failure[],
  places: Places,
): Promise<void> {
  const { rejections, lost, givenUp, results, filtered } = summary;
  printList(grouped(rejections), places);
  printList(
    lost.map(({ key, worker }) => `lost      ${key} (${worker})`),
    places,
  );
  for (const failure of failures) console.log(failureLine(failure, await keepLog(failure, places.out)));
  for (const { worker, keys } of givenUp) {
    const more = keys.length > MAX_LISTED ? ` and ${keys.length - MAX_LISTED} more` : "";
    const named = keys.slice(0, MAX_LISTED).join(", ");
    const undone = keys.length > 0 ? ` Not done: ${named}${more}` : "";
    console.log(`given up  ${worker}: it fails in the same way with every image.${undone}`);
  }
  for (const { worker, filter, images } of filtered) {
    console.log(
      `not told  ${worker} of ${counted(images, "image", "images")}: it is told only of ${inWords(filter)}`,
    );
  }
  for (const [worker, count] of Object.entries(results)) {
    const folder = path.join(places.out, worker);
    const earlier = (await countFiles(folder)) - count;
    const note = earlier > 0 ? ` (${earlier} more from an earlier run)` : "";
    console.log(`${near(folder)}${path.sep}  ${count}${note}`);
  }
  console.log(totals(summary));
}

function printList(lines: readonly string[], { report }: Places): void {
  const max = report === undefined ? lines.length : MAX_LISTED;
  for (const line of lines.slice(0, max)) console.log(line);
  if (report !== undefined && lines.length > max) {
    console.log(`          … and ${lines.length - max} more: ${near(report)} has all of them`);
  }
}

/** A line for each key and reason, with the workers that agree on it. */
function grouped(rejections: readonly Rejection[]): string[] {
  const byKey = Map.groupBy(rejections, ({ key }) => key);
  return [...byKey].flatMap(([key, ofKey]) =>
    [...Map.groupBy(ofKey, ({ reason }) => reason)].map(([reason, alike]) => {
      const workers = alike.map(({ worker }) => worker).sort();
      return `rejected  ${key} (${workers.join(", ")}): ${reason}`;
    }),
  );
}

function failureLine({ worker, place, what, times }: Failure, log: string): string {
  const often = times === 1 ? "once" : `${times} times`;
  return `failed    ${worker}, ${often}: ${what}${place ? ` (${place})` : ""}; its log is ${near(log)}`;
}

/** Copies the log of a worker that failed. @returns the copy */
async function keepLog({ worker, logFile }: Failure, out: string): Promise<string> {
  const copy = logIn(out, worker);
  await mkdir(path.dirname(copy), { recursive: true });
  await copyFile(logFile, copy);
  return copy;
}

async function countFiles(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).length;
}

function totals({ images, results, rejections, lost, givenUp, seconds }: Summary): string {
  const total = Object.values(results).reduce((sum, count) => sum + count, 0);
  const undone = givenUp.reduce((sum, { keys }) => sum + keys.length, 0);
  const counts = [
    counted(images, "image", "images"),
    counted(total, "result", "results"),
    `${rejections.length} rejected`,
    `${lost.length} lost`,
    ...(undone > 0 ? [`${undone} not done`] : []),
  ];
  const rate = (images / seconds).toFixed(1);
  return `${counts.join(", ")} in ${seconds.toFixed(1)} s: ${rate} images a second`;
}
