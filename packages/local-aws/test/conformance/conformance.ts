import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/*
 * Runs the conformance suite, through the AWS SDK's clients, against this project's S3, SQS and SNS, or with
 * `--endpoint URL` against any others; the credentials for those are the ones that the AWS SDK finds by itself.
 * `--service sqs` runs one service's part, for what is not all of them at one address.
 */

const { values } = parseArgs({
  options: {
    endpoint: { type: "string" },
    region: { type: "string", default: "eu-west-1" },
    service: { type: "string", multiple: true, default: ["s3", "sqs", "sns"] },
    grep: { type: "string" },
  },
});
const mocha = createRequire(import.meta.url).resolve("mocha/bin/mocha.js");
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const run = spawn(
  process.execPath,
  [
    ...[mocha, "--no-config", "--timeout", "20000", "--require", here("../../../../test/support/cleanup.ts")],
    ...(values.grep ? ["--grep", values.grep] : []),
    ...values.service.map((service) => here(`./${service}-*.test.ts`)),
  ],
  {
    stdio: "inherit",
    env: {
      ...process.env,
      CONFORMANCE_REGION: values.region,
      ...(values.endpoint && { CONFORMANCE_ENDPOINT: values.endpoint }),
    },
  },
);
run.on("exit", (code) => {
  process.exitCode = code ?? 1;
});
