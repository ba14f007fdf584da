import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import type * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import { LocalFunction, Semaphore } from "local-aws";
import { bundleHandler } from "../../src/packaging/bundle.ts";
import { s3Record, sqsRecord } from "../support/events.ts";
import { withFolder } from "../support/machine.ts";

const IMAGE = readFileSync("samples/cat.jpg");

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** What S3 says where nothing is wrong. */
const giving =
  (image: Buffer): Answer =>
  (request, response) => {
    const source = request.method === "GET" || request.method === "HEAD";
    response.writeHead(200, source ? { etag: '"e"', "content-length": image.length } : { etag: '"r"' });
    response.end(request.method === "GET" ? image : undefined);
  };
const fine = giving(IMAGE);
/** All pixels are there, only the end marker is not. */
const damaged = giving(IMAGE.subarray(0, -2));

const refusal =
  (code: string, status: number, headers: Record<string, string> = {}): Answer =>
  (request, response) => {
    response.writeHead(status, { "content-type": "application/xml", ...headers });
    response.end(
      request.method === "HEAD" ? undefined : `<Error><Code>${code}</Code><Message>said</Message></Error>`,
    );
  };

const never: Answer = () => {};

/** A server on this computer, for as long as it is used. */
async function serving<T>(listener: RequestListener, use: (url: string) => Promise<T>): Promise<T> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** Runs the bundle that a worker's function gets, in a process of its own, on one message. */
async function deliver(
  answer: Answer,
  { body = { Records: [s3Record("a.jpg")] } as unknown, timeout = 20, environment = {} } = {},
) {
  const told = { puts: 0, deadLetters: 0, log: "", comesAgain: false };
  const listener: RequestListener = async (request, response) => {
    const sent = await buffer(request).catch(() => Buffer.alloc(0));
    const operation = String(request.headers["x-amz-target"] ?? "")
      .split(".")
      .at(-1);
    if (operation) {
      if (operation === "SendMessage") told.deadLetters++;
      response.writeHead(200, { "content-type": "application/x-amz-json-1.0" });
      // The SDK compares the digest with what it sent.
      const body = String(JSON.parse(sent.toString()).MessageBody ?? "");
      const MD5OfMessageBody = createHash("md5").update(body).digest("hex");
      return response.end(JSON.stringify({ MessageId: "1", MD5OfMessageBody, Successful: [], Failed: [] }));
    }
    if (request.method === "PUT") told.puts++;
    return answer(request, response);
  };
  await serving(listener, (url) =>
    withFolder(async (folder) => {
      const taskRoot = path.join(folder, "task");
      await mkdir(taskRoot);
      const { assets } = bundleHandler("handlers/rotate.ts") as unknown as {
        assets: Promise<Record<string, pulumi.asset.StringAsset>>;
      };
      for (const [file, asset] of Object.entries(await assets)) {
        await writeFile(path.join(taskRoot, file), await asset.text);
      }
      const logFile = path.join(folder, "log");
      const local = new LocalFunction(
        {
          ...{ name: "turn", arn: "arn:turn", timeout, memorySize: 1769, taskRoot, logFile },
          environment: {
            ...{
              _HANDLER: "index.handler",
              LAMBDA_TASK_ROOT: taskRoot,
              NODE_PATH: path.resolve("node_modules"),
            },
            ...{ AWS_REGION: "us-east-1", AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" },
            ...{ AWS_LAMBDA_FUNCTION_NAME: "turn", AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "1769" },
            ...{
              WORKER: "turn",
              MACHINE: "test",
              ANGLE: "90",
              DAMAGED: "repair",
              METADATA: "keep",
              PIPELINE_DEPTH: "10",
              RESULTS_BUCKET: "results",
              AWS_ENDPOINT_URL: url,
            },
            ...{ QUEUE_URL: `${url}/queue`, DEAD_LETTER_QUEUE_URL: `${url}/dead-letters` },
            ...environment,
            PATH: process.env.PATH ?? "",
          },
        },
        new Semaphore(1),
      );
      try {
        const result = (await local.invoke({ Records: [sqsRecord(body)] })) as {
          batchItemFailures: unknown[];
        };
        told.comesAgain = result.batchItemFailures.length > 0;
      } finally {
        await local.close();
        told.log = await readFile(logFile, "utf8");
      }
    }),
  );
  const { log, ...rest } = told;
  return { ...rest, failed: /"message":"failed".*"key":"a\.jpg".*"versionId":"v1"/.test(log) };
}

/** Only of the source; results are written as ever. */
const ofSource =
  (answer: Answer): Answer =>
  (request, response) =>
    (request.url?.startsWith("/source/") ? answer : fine)(request, response);

describe("the bundle of a worker's function, against an S3 that answers as AWS does", function () {
  this.timeout(60_000);

  const done = { comesAgain: false, failed: false, puts: 0, deadLetters: 0 };
  const again = { ...done, comesAgain: true, failed: true };
  const message = (key: string, object: Record<string, unknown> = {}) => ({
    Records: [s3Record(key, object)],
  });
  const cases: [string, Answer, object, Parameters<typeof deliver>[1]?][] = [
    ["writes the result", fine, { ...done, puts: 1 }],
    ["turns an image that is damaged and has all its pixels", damaged, { ...done, puts: 1 }],
    [
      "rejects such an image where the worker's settings say so",
      damaged,
      { ...done, deadLetters: 1 },
      { environment: { DAMAGED: "reject" } },
    ],
    ["waits for a version that is not found yet", ofSource(refusal("NoSuchKey", 404)), again],
    ["is done with a version that is gone", ofSource(refusal("NoSuchVersion", 404)), done],
    [
      "is done with a version that was deleted",
      ofSource(refusal("MethodNotAllowed", 405, { "x-amz-delete-marker": "true" })),
      done,
    ],
    [
      "is done with an object under a delete marker",
      ofSource(refusal("NoSuchKey", 404, { "x-amz-delete-marker": "true" })),
      done,
    ],
    ["rejects what is archived", ofSource(refusal("InvalidObjectState", 403)), { ...done, deadLetters: 1 }],
    [
      "rejects what a customer's key encrypts",
      ofSource(refusal("InvalidRequest", 400)),
      { ...done, deadLetters: 1 },
    ],
    ["waits for a permission that is missing", ofSource(refusal("AccessDenied", 403)), again],
    ["waits while S3 is busy", ofSource(refusal("SlowDown", 503)), again],
    ["has nothing to do for a folder marker", fine, done, { body: message("holiday/", { size: 0 }) }],
    [
      "has nothing to do for a test event",
      fine,
      done,
      { body: { Service: "Amazon S3", Event: "s3:TestEvent" } },
    ],
    ["gives up a GET that is never answered, in time", ofSource(never), again, { timeout: 3 }],
    [
      "gives up a PUT that is never answered, in time",
      (request, response) => (request.method === "PUT" ? never : fine)(request, response),
      { ...again, puts: 1 },
      { timeout: 3 },
    ],
  ];
  for (const [title, answer, expected, options] of cases) {
    it(title, async () => {
      expect(await deliver(answer, options)).to.deep.equal(expected);
    });
  }
});
