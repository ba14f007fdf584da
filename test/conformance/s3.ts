import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";

/*
 * Runs the S3 conformance suite, against the object store of this project or with `--endpoint URL` against any other.
 * The credentials for that one are those that the AWS SDK finds by itself.
 */

const { values } = parseArgs({
  options: {
    endpoint: { type: "string" },
    region: { type: "string", default: "eu-west-1" },
    grep: { type: "string" },
  },
});
const mocha = createRequire(import.meta.url).resolve("mocha/bin/mocha.js");
const tests = new URL("./s3-*.test.ts", import.meta.url).pathname;
const run = spawn(
  process.execPath,
  [mocha, "--no-config", "--timeout", "20000", ...(values.grep ? ["--grep", values.grep] : []), tests],
  {
    stdio: "inherit",
    env: {
      ...process.env,
      S3_REGION: values.region,
      ...(values.endpoint ? { S3_ENDPOINT: values.endpoint } : {}),
    },
  },
);
run.on("exit", (code) => {
  process.exitCode = code ?? 1;
});
