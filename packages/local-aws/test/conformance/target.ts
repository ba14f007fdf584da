import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
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
import { SNSClient } from "@aws-sdk/client-sns";
import { SQSClient } from "@aws-sdk/client-sqs";
import { SignatureV4 } from "@smithy/signature-v4";
import type { Endpoint } from "@smithy/types";
import { afterFile } from "../../../../test/support/cleanup.ts";
import { ACCOUNT_ID } from "../../src/arn.ts";
import { openGateway } from "../../src/gateway/gateway.ts";
import { s3Service } from "../../src/gateway/s3.ts";
import { Identity } from "../../src/iam/identity.ts";
import { openMessaging } from "../../src/messaging/messaging.ts";
import { ObjectStore } from "../../src/store/object-store.ts";

/*
 * What the conformance suite runs against: the endpoint in CONFORMANCE_ENDPOINT, with the credentials that the AWS SDK
 * finds by itself, or this project's S3, SQS and SNS, behind their gateway, for as long as a file's tests take.
 */

interface Target {
  readonly s3: S3Client;
  readonly sqs: SQSClient;
  readonly sns: SNSClient;
}

/** Of the target. */
export const region = process.env.CONFORMANCE_REGION ?? "eu-west-1";
const endpoint = process.env.CONFORMANCE_ENDPOINT;
let opened: Promise<Target> | undefined;

function target(): Promise<Target> {
  opened ??= open();
  return opened;
}

export const s3 = async () => (await target()).s3;
export const sqs = async () => (await target()).sqs;
export const sns = async () => (await target()).sns;

async function open(): Promise<Target> {
  const options = {
    region,
    // Repeating a request would hide that the first answer was wrong.
    maxAttempts: 1,
    ...(endpoint === undefined ? await startOwn() : { endpoint }),
  };
  const clients = {
    s3: new S3Client({ ...options, forcePathStyle: true }),
    sqs: new SQSClient(options),
    sns: new SNSClient(options),
  };
  afterFile(() => {
    for (const client of Object.values(clients)) client.destroy();
    opened = undefined;
  });
  return clients;
}

async function startOwn() {
  const root = await mkdtemp(join(tmpdir(), "conformance-"));
  afterFile(() => rm(root, { recursive: true }));
  const identity = new Identity(ACCOUNT_ID);
  const report = (error: unknown) => console.error(error);
  const messaging = await openMessaging({ region, identity, folder: join(root, "messages"), report });
  afterFile(() => messaging.close());
  const store = await ObjectStore.open({
    root: join(root, "buckets"),
    region,
    accountId: ACCOUNT_ID,
    notify: async () => {},
  });
  afterFile(() => store.close());
  const s3 = s3Service(store, identity, region, report);
  const gateway = await openGateway({
    ...{ port: 0, region, accountId: ACCOUNT_ID, identity, messaging, s3, report },
  });
  afterFile(() => gateway.close());
  return { endpoint: gateway.endpoint, credentials: identity.administrator };
}

interface RawRequest {
  readonly method?: string;
  /** After the bucket, percent-encoded already, for example `/key`. */
  readonly path?: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as UTF-8. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** Sends S3 what no client of the SDK would, signed. */
export async function raw(
  bucket: string,
  { method = "GET", path = "", query = {}, headers = {}, body = "" }: RawRequest,
): Promise<{ readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: string }> {
  const { config } = await s3();
  const { protocol, hostname, port } = await (config.endpoint as () => Promise<Endpoint>)();
  const signer = new SignatureV4({
    service: "s3",
    region,
    credentials: config.credentials,
    sha256: config.sha256,
    uriEscapePath: false,
    applyChecksum: false,
  });
  const signed = await signer.sign({
    method,
    protocol,
    hostname,
    path: `/${bucket}${path}`,
    query: { ...query },
    headers: {
      host: port ? `${hostname}:${port}` : hostname,
      "x-amz-content-sha256": createHash("sha256").update(body).digest("hex"),
      ...headers,
      "content-length": String(Buffer.byteLength(body)),
    },
  });
  const search = new URLSearchParams(query).toString();
  const send = protocol === "https:" ? httpsRequest : httpRequest;
  // Node writes headers as Latin-1, but Content-Disposition otherwise once it knows the body's length: not in an array.
  const signedHeaders = Object.entries(signed.headers).map(([name, value]) => [
    name,
    Buffer.from(value).toString("latin1"),
  ]);
  return new Promise((resolve, reject) => {
    const sent = send(
      {
        ...{ method, hostname, port, path: `/${bucket}${path}${search && `?${search}`}` },
        headers: signedHeaders as unknown as string[],
      },
      async (response) => {
        const text = Buffer.concat(await response.toArray()).toString("utf8");
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
      },
    );
    sent.on("error", reject);
    sent.end(Buffer.from(body)); // as text it would decide how the headers are encoded
  });
}

/** A name that nobody else has. */
export function uniqueName(): string {
  return `conformance-${randomBytes(8).toString("hex")}`;
}

/** Makes a bucket in the target's region. */
export async function createBucket(Bucket: string) {
  const LocationConstraint = region as "eu-west-1";
  const location = region === "us-east-1" ? {} : { CreateBucketConfiguration: { LocationConstraint } };
  return (await s3()).send(new CreateBucketCommand({ Bucket, ...location }));
}

/** A bucket for the tests of one `describe`, gone with all that is in it when they are done. */
export function useBucket({ versioned = false } = {}): () => string {
  const Bucket = uniqueName();
  before(async () => {
    const client = await s3();
    await createBucket(Bucket);
    if (versioned) {
      const VersioningConfiguration = { Status: "Enabled" as const };
      await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
    }
  });
  after(async () => {
    const client = await s3();
    for (let more = true; more; ) {
      const page = await client.send(new ListObjectVersionsCommand({ Bucket }));
      const Objects = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].map(({ Key, VersionId }) => ({
        Key: Key as string,
        VersionId: VersionId as string,
      }));
      if (Objects.length > 0) await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
      more = page.IsTruncated === true; // what was listed is deleted, so that the next page begins at the start
    }
    await client.send(new DeleteBucketCommand({ Bucket }));
  });
  return () => Bucket;
}

/** What a service said when it refused. */
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
