import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { type BuildAppOptions, buildApp } from "fauxqs";
import { fauxqsPart } from "../../src/messaging/fauxqs.ts";
import { createS3Handler } from "../../src/rest/http.ts";
import { ObjectStore } from "../../src/store/object-store.ts";

/*
 * Measures PUT and GET through the AWS SDK: this project's object store, which verifies, writes and syncs, and that of
 * fauxqs, once in memory and once with files that outlive it, neither verified nor synced. All run in this process, in
 * turns of a few requests, so that what else the computer does hits all. Says the median of all turns.
 */

const { values } = parseArgs({
  options: {
    bytes: { type: "string", default: String(1024 * 1024) },
    concurrency: { type: "string", default: "8" },
    turns: { type: "string", default: "20" },
  },
});
const concurrency = Number(values.concurrency);
const turns = Number(values.turns);
const perTurn = Math.max(10, 4 * concurrency);
const body = randomBytes(Number(values.bytes));
const Bucket = "throughput";

const root = await mkdtemp(join(tmpdir(), "s3-throughput-"));
const store = await ObjectStore.open({
  root,
  region: "us-east-1",
  accountId: "000000000000",
  notify: async () => {},
});
const server = createServer(createS3Handler(store));
await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
const inMemory = buildApp({ logger: false });
const onDisk = buildApp({ logger: false, stores: await storesOnDisk(join(root, "fauxqs")) });
for (const app of [inMemory, onDisk]) await app.listen({ host: "127.0.0.1", port: 0 });

const contenders = {
  "this store": server,
  "fauxqs in memory": inMemory.server,
  "fauxqs on disk": onDisk.server,
};
const rates = new Map<string, number[]>();
for (let turn = 0; turn < turns; turn += 1) {
  for (const [name, { address }] of Object.entries(contenders).map(
    ([name, of]) => [name, { address: of.address() as AddressInfo }] as const,
  )) {
    const client = new S3Client({
      endpoint: `http://127.0.0.1:${address.port}`,
      region: "us-east-1",
      forcePathStyle: true,
      credentials: { accessKeyId: "a", secretAccessKey: "b" },
    });
    if (turn === 0) await client.send(new CreateBucketCommand({ Bucket }));
    const put = await rate((index) =>
      client.send(new PutObjectCommand({ Bucket, Key: `${turn}/${index}`, Body: body })),
    );
    const get = await rate(async (index) => {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: `${turn}/${index}` }));
      await Body?.transformToByteArray();
    });
    client.destroy();
    if (turn === 0) continue; // to warm up
    rates.set(`PUT ${name}`, [...(rates.get(`PUT ${name}`) ?? []), put]);
    rates.set(`GET ${name}`, [...(rates.get(`GET ${name}`) ?? []), get]);
  }
}
console.log(
  `${body.length} bytes, ${concurrency} at once, ${availableParallelism()} cores; requests per second:`,
);
for (const [what, measured] of rates) {
  const median = measured.toSorted((a, b) => a - b)[Math.floor(measured.length / 2)] ?? 0;
  console.log(`${what.padEnd(20)} ${median.toFixed(0)}`);
}

server.close();
server.closeAllConnections();
for (const app of [inMemory, onDisk]) await app.close();
await store.close();
await rm(root, { recursive: true });

/** What fauxqs puts together for objects in files. */
async function storesOnDisk(folder: string): Promise<NonNullable<BuildAppOptions["stores"]>> {
  const [{ SqsStore }, { SnsStore }, { S3Store }, { FileS3Persistence }] = await Promise.all(
    ["./sqs/sqsStore.js", "./sns/snsStore.js", "./s3/s3Store.js", "./s3/fileS3Persistence.js"].map(
      fauxqsPart,
    ),
  );
  const stores = { sqsStore: new SqsStore(), snsStore: new SnsStore(), s3Store: new S3Store() };
  stores.s3Store.persistence = new FileS3Persistence(folder);
  return stores;
}

/** Requests per second of one turn. */
async function rate(request: (index: number) => Promise<unknown>): Promise<number> {
  const start = performance.now();
  let next = 0;
  const work = async () => {
    while (next < perTurn) {
      next += 1;
      await request(next);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return perTurn / ((performance.now() - start) / 1000);
}
