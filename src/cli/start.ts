import path from "node:path";
import { ROOT } from "../packaging/root.ts";
import { runCommand } from "./arguments.ts";
import { fromHere } from "./words.ts";

const USAGE = `Usage: npm start -- [--out DIR] [--stack NAME] [--strict] [--chaos SEED]
                    [--report FILE] [--permissions] [--watch] [FILE|FOLDER]...

Runs the machine on this computer: uploads the files, and copies every worker's results
to DIR/WORKER/. Without files, it takes the samples.

  --out DIR      where the results go (default: out)
  --stack NAME   whose settings to use, from Pulumi.NAME.yaml (default: dev)
  --strict       refuses resources that do not run on this computer, instead of listing them as not run here
  --chaos SEED   makes everything fail at times, chosen by SEED, and says what failed; the results
                 must be right all the same. How much fails also depends on timing
  --report FILE  writes what became of each image at each worker, one line of JSON each: key, worker,
                 code ("created", "not-told", "lost", "not-done" or why it was rejected), reason,
                 milliseconds from its upload, bytes of the file
  --permissions  prints how often each statement of each role allowed something, and which
                 permissions the run never needed
  --watch        shows the run on a page, and keeps the machine running until Ctrl-C
  --help         prints this

Exit code: 0 all well; 1 an image was rejected, lost or not done; 2 wrong usage or a wrong program.`;

const OPTIONS = {
  out: { type: "string", default: "out" },
  stack: { type: "string", default: "dev" },
  strict: { type: "boolean", default: false },
  chaos: { type: "string" },
  report: { type: "string" },
  permissions: { type: "boolean", default: false },
  watch: { type: "boolean", default: false },
} as const;

await runCommand(USAGE, { allowPositionals: true, options: OPTIONS }, async ({ values, positionals }) => {
  // A mistake in the arguments is told before Pulumi and AWS are loaded.
  const { runOnce } = await import("./run-once.ts");
  const { rejections, lost, givenUp } = await runOnce({
    out: fromHere(values.out),
    stack: values.stack,
    strict: values.strict,
    seed: values.chaos,
    report: values.report === undefined ? undefined : fromHere(values.report),
    permissions: values.permissions,
    watch: values.watch,
    given: positionals.length > 0 ? positionals.map(fromHere) : [path.join(ROOT, "samples")],
  });
  return rejections.length + lost.length + givenUp.length > 0 ? 1 : 0;
});
