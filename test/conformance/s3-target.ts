import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { createS3Handler } from "../../src/local/store/http.ts";
import { ObjectStore } from "../../src/local/store/object-store.ts";

/*
 * What the conformance suite runs against: the endpoint in S3_ENDPOINT, with the credentials that the AWS SDK finds
 * by itself, or an object store of its own that lives as long as the tests.
 */

const region = process.env.S3_REGION ?? "eu-west-1";
let own: { store: ObjectStore; server: Server; root: string } | undefined;
let client: S3Client | undefined;

export async function s3(): Promise<S3Client> {
  if (client) return client;
  const endpoint = process.env.S3_ENDPOINT ?? (await startOwn());
  const credentials = { accessKeyId: "conformance", secretAccessKey: "conformance" };
  client = new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    // Repeating a request would hide that the first answer was wrong.
    maxAttempts: 1,
    ...(process.env.S3_ENDPOINT ? {} : { credentials }),
  });
  return client;
}

async function startOwn(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "s3-conformance-"));
  const store = await ObjectStore.open({ root, region, accountId: "000000000000", notify: async () => {} });
  const server = createServer(createS3Handler(store));
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  own = { store, server, root };
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

after(async () => {
  client?.destroy();
  client = undefined;
  if (!own) return;
  own.server.close();
  own.server.closeAllConnections();
  await own.store.close();
  await rm(own.root, { recursive: true });
  own = undefined;
});

/** A bucket for the tests of one `describe`, gone with all that is in it when they are done. */
export function useBucket({ versioned = false } = {}): () => string {
  const Bucket = `conformance-${randomBytes(8).toString("hex")}`;
  before(async () => {
    const target = await s3();
    const location =
      region === "us-east-1"
        ? {}
        : { CreateBucketConfiguration: { LocationConstraint: region as "eu-west-1" } };
    await target.send(new CreateBucketCommand({ Bucket, ...location }));
    if (versioned) {
      const VersioningConfiguration = { Status: "Enabled" as const };
      await target.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
    }
  });
  after(async () => {
    const target = await s3();
    for (let more = true; more; ) {
      const page = await target.send(new ListObjectVersionsCommand({ Bucket }));
      const Objects = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].map(({ Key, VersionId }) => ({
        Key: Key as string,
        VersionId: VersionId as string,
      }));
      if (Objects.length > 0) await target.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
      more = page.IsTruncated === true; // what was listed is deleted, so that the next page begins at the start
    }
    await target.send(new DeleteBucketCommand({ Bucket }));
  });
  return () => Bucket;
}

/** What S3 said when it refused. */
export interface Refusal {
  readonly code: string;
  readonly status: number;
}

/** The refusal that a request must end in; a request that succeeds is an error. */
export async function refusal(request: Promise<unknown>): Promise<Refusal> {
  try {
    await request;
  } catch (error) {
    const { name, $metadata } = error as { name: string; $metadata?: { httpStatusCode?: number } };
    return { code: name, status: $metadata?.httpStatusCode ?? 0 };
  }
  throw new Error("the request succeeded");
}
