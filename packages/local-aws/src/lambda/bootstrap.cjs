"use strict";
/**
 * The inside of a sandbox: what Lambda's Node.js runtime does around a handler. It loads the handler as
 * CommonJS, so that require() finds the layer through NODE_PATH, and then runs one invocation at a time for the
 * process that started it.
 */
const path = require("node:path");

const { _HANDLER, LAMBDA_TASK_ROOT, AWS_LAMBDA_FUNCTION_NAME, AWS_LAMBDA_FUNCTION_MEMORY_SIZE } = process.env;
const [file, name] = _HANDLER.split(".");

/** How often, in milliseconds, the memory in use is held against the limit. */
const MEMORY_CHECK = 20;

// Whoever started this is gone: nobody waits for an answer.
process.on("disconnect", () => process.exit(0));

function failure(error) {
  return {
    errorType: error?.name ?? "Error",
    errorMessage: error?.message ?? String(error),
    stackTrace: String(error?.stack ?? "").split("\n"),
  };
}

// On Linux whoever started this looks: see sandbox.ts.
const limit = Number(AWS_LAMBDA_FUNCTION_MEMORY_SIZE) * 2 ** 20;
if (process.platform !== "linux") {
  setInterval(() => {
    if (process.memoryUsage.rss() <= limit) return;
    process.send({ outOfMemory: true }, () => process.kill(process.pid, "SIGKILL"));
  }, MEMORY_CHECK).unref();
}

process.on("uncaughtException", (error) => {
  process.send({ uncaught: failure(error) }, () => process.exit(129));
});

let handler;
try {
  handler = require(path.join(LAMBDA_TASK_ROOT, file))[name];
  if (typeof handler !== "function") throw new Error(`${_HANDLER} is undefined or not exported`);
  process.send("ready");
} catch (error) {
  process.send({ initError: failure(error) }, () => process.exit(1));
}

/** Resolves when all that was printed to a stream has left this process, as Lambda takes it line by line. */
const printed = (stream) =>
  new Promise((resolve) => (stream.writableLength > 0 ? stream.write("", resolve) : resolve()));

/** maxRSS is in kilobytes on every platform. */
async function answer(outcome) {
  await Promise.all([printed(process.stdout), printed(process.stderr)]);
  process.send({ ...outcome, maxMemoryUsed: Math.ceil(process.resourceUsage().maxRSS / 1024) });
}

process.on("message", async ({ requestId, event, deadline, functionArn }) => {
  const context = {
    awsRequestId: requestId,
    functionName: AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    invokedFunctionArn: functionArn,
    memoryLimitInMB: AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
  try {
    await answer({ result: await handler(event, context) });
  } catch (error) {
    await answer({ error: failure(error) });
  }
});
