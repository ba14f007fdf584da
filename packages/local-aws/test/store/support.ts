import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterTest } from "../../../../test/support/cleanup.ts";
import { type Caller, createS3Handler, type S3Hooks } from "../../src/rest/http.ts";
import { ObjectStore, type StoreOptions } from "../../src/store/object-store.ts";

/** A folder that is gone after the test. */
export async function temporaryFolder(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "object-store-"));
  afterTest(() => rm(root, { recursive: true, force: true }));
  return root;
}

/** A store with the bucket `bucket`, closed after the test. */
export async function openStore(options: Partial<StoreOptions> = {}): Promise<ObjectStore> {
  const store = await ObjectStore.open({
    root: options.root ?? (await temporaryFolder()),
    region: "eu-west-1",
    accountId: "123456789012",
    notify: async () => {},
    ...options,
  });
  let closed = false;
  const close = store.close.bind(store);
  store.close = async () => {
    if (!closed) await close();
    closed = true;
  };
  afterTest(() => store.close());
  if (!store.buckets().some(({ name }) => name === "bucket")) await store.createBucket("bucket");
  return store;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string | number>;
  readonly body?: string | Buffer;
  /** Does not say how long the body is. */
  readonly chunked?: boolean;
}

/** Serves a store over HTTP; what it returns sends one raw request, with the path exactly as it is given. */
export async function serve(
  store: ObjectStore,
  { failed, ...caller }: Partial<Caller> & Pick<S3Hooks, "failed"> = {},
): Promise<(path: string, ask?: Ask) => Promise<Answer>> {
  const anybody = { principalId: "AWS:AIDA", authorize: () => {}, verifyChunk: () => {} };
  const server = createServer(
    createS3Handler(store, { failed, authenticate: () => ({ ...anybody, ...caller }) }),
  );
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  afterTest(async () => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return (path, { method = "GET", headers = {}, body = "", chunked = false } = {}) =>
    new Promise((resolve, reject) => {
      const hasBody = method === "PUT" || method === "POST";
      const length = chunked
        ? { "transfer-encoding": "chunked" }
        : hasBody
          ? { "content-length": Buffer.byteLength(body) }
          : {};
      const sent = request(
        { host: "127.0.0.1", port, method, path, headers: { ...length, ...headers } },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", reject);
          response.on("end", () => {
            const text = Buffer.concat(chunks).toString("utf8");
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
          });
        },
      );
      sent.on("error", reject);
      sent.end(Buffer.from(body)); // as text it would decide how the headers are encoded
    });
}

export function bytes(text: string): Uint8Array[] {
  return [Buffer.from(text)];
}

/** Resolves when the condition holds, looking at every turn of the event loop. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}
