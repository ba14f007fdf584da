import { randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import sharp from "sharp";
import { total } from "../capacity/cost.ts";
import { dollars } from "../capacity/format.ts";
import { findInputs, UsageError } from "../machine/inputs.ts";
import { type Proof, type ProofOptions, prove, removeProof } from "../operations/proof.ts";
import { itemsOf, type ProofFile } from "../operations/proof-items.ts";
import { ROOT } from "../packaging/root.ts";
import { checkFolder, Interrupted, numberOption, runCommand } from "./arguments.ts";
import { answersFrom } from "./confirmation.ts";
import { type Operator, openOperator, STACK } from "./operator.ts";
import { type Prediction, predict } from "./prediction.ts";
import { markdown, type Report } from "./proof-report.ts";
import { counted, fromHere, near, nowAndThen } from "./words.ts";

const USAGE = `Usage: npm run proof -- [--stack NAME] [--images N] [OPTION]... [FILE|FOLDER]...

Proves that a deployed machine works. Uploads images made from the files (default: the samples): some under
odd keys, some overwritten or deleted, some that are no images at all; and sends some events twice. Waits
until every image is accounted for, compares every result with what the same code makes of the same file on
this computer, and time and cost with what npm run capacity predicts. Removes everything again. Tells the
cost and asks before it begins. Alarms about rejected images may ring.

  --images N          number of keys (default: 1000)
  --rate N            maximum keys a second (default: 50)
  --timeout SECONDS   maximum wait after the last upload (default: 3600)
  --report FILE       writes FILE.md and FILE.json (default: out/proof)
  --yes               does not ask
${STACK.usage}
  --help              prints this

Exit code: 0 nothing differed and everything was removed; 1 something differed or was left behind; 2 wrong usage.`;

const OPTIONS = {
  ...STACK.options,
  images: { type: "string", default: "1000" },
  rate: { type: "string", default: "50" },
  timeout: { type: "string", default: "3600" },
  report: { type: "string", default: path.join("out", "proof") },
  yes: { type: "boolean", default: false },
} as const;

/** Milliseconds between two looks at what is done, on AWS and here. */
const LOOK_EVERY_MS = { aws: 15_000, here: 500 };

/** Milliseconds between two lines of progress. */
const LINE_EVERY_MS = 5000;

await runCommand(USAGE, { allowPositionals: true, options: OPTIONS }, async ({ values, positionals }) => {
  const images = numberOption("--images", values.images, { min: 1, max: 1_000_000, whole: true });
  const rate = numberOption("--rate", values.rate, { min: 0.1, max: 10_000 });
  const timeout = numberOption("--timeout", values.timeout, { min: 1, max: 86_400, unit: "seconds" });
  const files = await filesOf(
    positionals.length > 0 ? positionals.map(fromHere) : [path.join(ROOT, "samples")],
  );
  const file = fromHere(values.report);
  await checkFolder("--report", path.dirname(file));
  const interruption = new AbortController();
  using input = values.yes ? undefined : answersFrom(values.outputs === "-", interruption.signal);
  using operator = await openOperator(values);
  // Where the bucket tells of some keys only, they begin so.
  const [{ filter } = {}] = Object.values(operator.stack.workers);
  const prefix = `${filter?.prefix ?? ""}proof/${randomUUID()}/`;
  const options: ProofOptions = {
    ...operator,
    items: itemsOf(prefix, images, files),
    prefix,
    rate,
    timeout,
    lookEvery: operator.local ? LOOK_EVERY_MS.here : LOOK_EVERY_MS.aws,
    signal: interruption.signal,
    told: nowAndThen(LINE_EVERY_MS, console.error),
  };
  const prediction = await predict({
    // Pulumi's name of a stack may begin with its organisation and project.
    stack: values.stack?.split("/").at(-1) ?? "dev",
    region: operator.region,
    images: uploadsOf(options),
    seconds: images / rate,
    megapixels: await megapixelsOf(files),
  });
  console.log(announcement(options, operator, prediction));
  if (input && !(await input.confirms("Go on? (yes/no) "))) return 1;
  process.once("SIGINT", () => interruption.abort(new Interrupted("Interrupted.")));
  const report = await run(options, operator.region, prediction);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(`${file}.json`, `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(`${file}.md`, markdown(report));
  const { differences, inTime } = report.proof;
  console.log(`${counted(differences.length, "difference", "differences")}; see ${near(file)}.md and .json.`);
  return differences.length > 0 || !inTime || typeof report.removed === "string" ? 1 : 0;
});

async function filesOf(given: readonly string[]): Promise<ProofFile[]> {
  const files: ProofFile[] = [];
  for await (const { file } of findInputs(given)) {
    files.push({ name: path.basename(file), body: await readFile(file) });
  }
  if (files.length === 0) throw new UsageError(`There are no files in ${given.join(", ")}.`);
  return files;
}

/** The mean of the files that are images. */
async function megapixelsOf(files: readonly ProofFile[]): Promise<number> {
  const sizes: number[] = [];
  for (const { body } of files) {
    const metadata = await sharp(body)
      .metadata()
      .catch(() => undefined);
    if (metadata) sizes.push((metadata.width * metadata.height) / 1e6);
  }
  return sizes.reduce((sum, size) => sum + size, 0) / Math.max(1, sizes.length) || 1;
}

function uploadsOf({ items }: ProofOptions): number {
  return items.reduce((sum, { uploads }) => sum + uploads.length, 0);
}

function announcement(
  options: ProofOptions,
  { stack, region, local }: Operator,
  { answer }: Prediction,
): string {
  const bytes = options.items
    .flatMap(({ uploads }) => uploads)
    .reduce((sum, { body }) => sum + body.length, 0);
  const [best, worst] = answer.costRange;
  const cost = `${dollars(total(answer.cost))} (${dollars(best)} to ${dollars(worst)}), plus what your network charges for ${(bytes / 1e6).toFixed(0)} MB`;
  return `${uploadsOf(options)} uploads under ${options.items.length} keys to s3://${stack.sourceBucket}/${options.prefix}${region ? ` in ${region}` : ""}.
On AWS this costs about ${cost}.${local ? " This machine is on this computer, where it costs nothing." : ""}
Everything is removed again at the end, even if you interrupt it.`;
}

/** Proves, and removes what was made, whatever becomes of the proof. */
async function run(
  options: ProofOptions,
  region: string | undefined,
  prediction: Prediction,
): Promise<Report> {
  const started = new Date().toISOString();
  let proof: Proof;
  let removed: number | string = 0;
  try {
    proof = await prove(options);
  } finally {
    removed = await removeProof(options).catch((error: Error) => error.message);
    console.error(
      typeof removed === "number"
        ? `${removed} versions removed`
        : `Not everything was removed under ${options.prefix}: ${removed}`,
    );
  }
  return {
    started,
    region,
    images: options.items.length,
    uploads: uploadsOf(options),
    rate: options.rate,
    proof,
    predicted: prediction.answer,
    plan: prediction.plan,
    costAsMeasured: await prediction.costAsMeasured().catch((error: Error) => error.message),
    removed,
  };
}
