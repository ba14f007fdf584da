import { createHash } from "node:crypto";
import {
  GetObjectCommand,
  type GetObjectCommandInput,
  HeadObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
  S3ServiceException,
} from "@aws-sdk/client-s3";

interface Stored {
  body: Buffer;
  eTag: string;
  versionId: string;
  contentType: string | undefined;
  metadata: Record<string, string>;
}

/** A versioned S3 in memory, with the conditional writes of the real one, for the commands that delivery sends. */
export class FakeS3 {
  /** Every request, as `METHOD bucket/key`, with its condition. */
  readonly requests: string[] = [];
  /** Called before each request; what it throws is S3's answer. */
  before: (command: string) => void | Promise<void> = () => {};
  readonly #versions = new Map<string, Stored[]>();

  get client(): S3Client {
    return { send: (command: unknown) => this.#send(command) } as unknown as S3Client;
  }

  /** Puts an object as an uploader would. @returns its version */
  put(bucket: string, key: string, body: Buffer, metadata: Record<string, string> = {}): Stored {
    const versions = this.#versions.get(`${bucket}/${key}`) ?? [];
    const eTag = `"${createHash("md5").update(body).update(String(versions.length)).digest("hex")}"`;
    const stored = { body, eTag, versionId: `v${versions.length + 1}`, contentType: undefined, metadata };
    this.#versions.set(`${bucket}/${key}`, [...versions, stored]);
    return stored;
  }

  current(bucket: string, key: string): Stored | undefined {
    return this.#versions.get(`${bucket}/${key}`)?.at(-1);
  }

  versions(bucket: string, key: string): number {
    return this.#versions.get(`${bucket}/${key}`)?.length ?? 0;
  }

  delete(bucket: string, key: string): void {
    this.#versions.delete(`${bucket}/${key}`);
  }

  async #send(command: unknown): Promise<unknown> {
    if (command instanceof GetObjectCommand) return this.#get(command.input);
    if (command instanceof PutObjectCommand) return this.#put(command.input);
    if (command instanceof HeadObjectCommand) {
      const { Bucket, Key } = command.input;
      await this.#request("HEAD", `${Bucket}/${Key}`);
      const found = this.current(`${Bucket}`, `${Key}`);
      if (!found) throw s3Error("NotFound", 404);
      return { ETag: found.eTag, Metadata: found.metadata };
    }
    throw new Error(`FakeS3 does not know ${(command as object).constructor.name}`);
  }

  async #request(method: string, what: string): Promise<void> {
    this.requests.push(`${method} ${what}`);
    await this.before(`${method} ${what}`);
  }

  async #get({ Bucket, Key, VersionId, IfMatch }: GetObjectCommandInput): Promise<unknown> {
    await this.#request("GET", `${Bucket}/${Key}`);
    const versions = this.#versions.get(`${Bucket}/${Key}`);
    if (!versions) throw s3Error("NoSuchKey", 404);
    const found = VersionId ? versions.find(({ versionId }) => versionId === VersionId) : versions.at(-1);
    if (!found) throw s3Error("NoSuchVersion", 404);
    if (IfMatch && IfMatch !== found.eTag) throw s3Error("PreconditionFailed", 412);
    return {
      ContentLength: found.body.length,
      Body: { transformToByteArray: async () => new Uint8Array(found.body) },
    };
  }

  async #put(input: PutObjectCommandInput): Promise<unknown> {
    const { Bucket, Key, IfMatch, IfNoneMatch, Body, Metadata, ContentType } = input;
    await this.#request("PUT", `${Bucket}/${Key}`);
    const current = this.current(`${Bucket}`, `${Key}`);
    if (IfNoneMatch === "*" && current) throw s3Error("PreconditionFailed", 412);
    if (IfMatch && !current) throw s3Error("NoSuchKey", 404);
    if (IfMatch && IfMatch !== current?.eTag) throw s3Error("PreconditionFailed", 412);
    const stored = this.put(`${Bucket}`, `${Key}`, Body as Buffer, Metadata);
    stored.contentType = ContentType;
    return {};
  }
}

export function s3Error(name: string, status: number): S3ServiceException {
  return new S3ServiceException({
    name,
    message: name,
    $fault: status < 500 ? "client" : "server",
    $metadata: { httpStatusCode: status },
  });
}
