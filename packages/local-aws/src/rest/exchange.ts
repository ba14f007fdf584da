import type { ServerResponse } from "node:http";
import type { Origin } from "../store/events.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { AccessRequest, Caller } from "./access.ts";
import type { S3Request } from "./request.ts";
import { toXml, type Xml } from "./xml.ts";

/** One request and its answer. */
export class Exchange {
  readonly store: ObjectStore;
  readonly request: S3Request;
  readonly response: ServerResponse;
  readonly caller: Caller;

  constructor(store: ObjectStore, request: S3Request, response: ServerResponse, caller: Caller) {
    this.store = store;
    this.request = request;
    this.response = response;
    this.caller = caller;
  }

  /** The router sends only requests with a bucket to operations that ask for one. */
  get bucket(): string {
    return this.request.bucket as string;
  }

  get key(): string {
    return this.request.key as string;
  }

  /** A parameter of the query; an empty one counts as none. */
  parameter(name: string): string | undefined {
    return this.request.query.get(name) || undefined;
  }

  get origin(): Origin {
    const { http, requestId, hostId } = this.request;
    return {
      principalId: this.caller.principalId,
      sourceIp: (http.socket.remoteAddress ?? "127.0.0.1").replace(/^::ffff:/, ""),
      requestId,
      hostId,
    };
  }

  /** Asks for a permission on this bucket and key, unless told otherwise. */
  authorize(action: AccessRequest["action"], about: Partial<AccessRequest> = {}): void {
    const { bucket, key, requestId } = this.request;
    this.caller.authorize({ action, bucket, key, requestId, ...about });
  }

  /** Asks for the use of the key that something is encrypted with, if it is. */
  useKey(encryptionKey: string | undefined, ...uses: ("kms:Decrypt" | "kms:GenerateDataKey")[]): void {
    if (encryptionKey !== undefined) for (const use of uses) this.authorize(use, { encryptionKey });
  }

  set(headers: Readonly<Record<string, string | number | undefined>>): this {
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined) this.response.setHeader(name, value);
    }
    return this;
  }

  empty(status: 200 | 204 | 304 = 200): void {
    this.response.statusCode = status;
    if (status === 200) this.response.setHeader("content-length", 0);
    this.response.end();
  }

  xml(root: string, content: { readonly [name: string]: Xml }): void {
    const body = Buffer.from(toXml(root, content));
    this.set({ "content-type": "application/xml", "content-length": body.length });
    this.response.end(body);
  }
}
