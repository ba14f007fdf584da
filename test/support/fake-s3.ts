import { createHash } from "node:crypto";
import {
  GetObjectCommand,
  type GetObjectCommandInput,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
  S3ServiceException,
} from "@aws-sdk/client-s3";

interface Stored {
  body: Buffer;
  /** Of the bytes alone, as S3's is: the same bytes have the same. */
  eTag: string;
  versionId: string;
  contentType: string | undefined;
  metadata: Record<string, string>;
  cacheControl?: string | undefined;
  contentDisposition?: string | undefined;
  /** As a PUT has them, `a=1&b=2`. */
  tagging?: string | undefined;
}

/** A versioned S3 in memory, with the conditional writes of the real one, for the commands that delivery sends. */
export class FakeS3 {
  /** Every request, as `METHOD bucket/key`, with its condition. */
  readonly requests: string[] = [];
  /** The same as commands with the options that the client was given. */
  readonly sent: {
    readonly command: unknown;
    readonly options: { readonly abortSignal?: AbortSignal } | undefined;
  }[] = [];
  /** Called before each request; what it throws is S3's answer. */
  before: (command: string) => void | Promise<void> = () => {};
  /** Whether versioning is suspended in the source bucket: its uploads take the place of one another, and are called "null". */
  suspended = false;
  /** How objects are encrypted, as HEAD says. */
  encryption: string | undefined;
  readonly #versions = new Map<string, Stored[]>();
  readonly #hidden = new Set<string>();

  get client(): S3Client {
    const send = (command: unknown, options?: FakeS3["sent"][number]["options"]) => {
      this.sent.push({ command, options });
      return this.#send(command);
    };
    return { send } as unknown as S3Client;
  }

  /** Puts an object as an uploader would. @returns its version */
  put(bucket: string, key: string, body: Buffer, metadata: Record<string, string> = {}): Stored {
    const versions = this.#versions.get(`${bucket}/${key}`) ?? [];
    const eTag = `"${createHash("md5").update(body).digest("hex")}"`;
    const none = this.suspended && bucket === "source";
    const versionId = none ? "null" : `v${versions.length + 1}`;
    const stored = { body, eTag, versionId, contentType: undefined, metadata };
    this.#versions.set(`${bucket}/${key}`, [...(none ? [] : versions), stored]);
    this.#hidden.delete(`${bucket}/${key}`);
    return stored;
  }

  /** How an event, and the answer to a PUT, name a version: not at all where versioning is suspended. */
  told(versionId: string): string | undefined {
    return versionId === "null" ? undefined : versionId;
  }

  current(bucket: string, key: string): Stored | undefined {
    if (this.#hidden.has(`${bucket}/${key}`)) return undefined;
    return this.#versions.get(`${bucket}/${key}`)?.at(-1);
  }

  /** All versions, the oldest first. */
  history(bucket: string, key: string): readonly Stored[] {
    return this.#versions.get(`${bucket}/${key}`) ?? [];
  }

  versions(bucket: string, key: string): number {
    return this.history(bucket, key).length;
  }

  /** Hides an object behind a delete marker. */
  hide(bucket: string, key: string): void {
    this.#hidden.add(`${bucket}/${key}`);
  }

  /** Removes an object with all its versions. */
  delete(bucket: string, key: string): void {
    this.#versions.delete(`${bucket}/${key}`);
  }

  async #send(command: unknown): Promise<unknown> {
    const { name, answer } = this.#operation(command);
    this.requests.push(name);
    await this.before(name);
    return answer();
  }

  #operation(command: unknown): { name: string; answer: () => unknown } {
    const { Bucket, Key } = (command as GetObjectCommand).input;
    if (command instanceof GetObjectCommand) {
      return { name: `GET ${Bucket}/${Key}`, answer: () => this.#get(command.input) };
    }
    if (command instanceof PutObjectCommand) {
      return { name: `PUT ${Bucket}/${Key}`, answer: () => this.#put(command.input) };
    }
    if (command instanceof GetObjectTaggingCommand) {
      return { name: `TAGS ${Bucket}/${Key}`, answer: () => this.#tags(command.input) };
    }
    if (command instanceof HeadObjectCommand) {
      return { name: `HEAD ${Bucket}/${Key}`, answer: () => this.#head(`${Bucket}`, `${Key}`) };
    }
    throw new Error(`FakeS3 does not know ${(command as object).constructor.name}`);
  }

  #head(bucket: string, key: string): unknown {
    const found = this.current(bucket, key);
    if (!found) throw s3Error("NotFound", 404, this.#markerOf(`${bucket}/${key}`));
    return {
      ETag: found.eTag,
      VersionId: found.versionId,
      ContentLength: found.body.length,
      Metadata: found.metadata,
      ServerSideEncryption: this.encryption,
    };
  }

  #get(input: GetObjectCommandInput): unknown {
    const found = this.#find(input);
    return {
      ContentLength: found.body.length,
      CacheControl: found.cacheControl,
      ContentDisposition: found.contentDisposition,
      Metadata: found.metadata,
      Body: { transformToByteArray: async () => new Uint8Array(found.body) },
    };
  }

  #tags(input: GetObjectCommandInput): unknown {
    const { tagging = "" } = this.#find(input);
    return { TagSet: [...new URLSearchParams(tagging)].map(([Key, Value]) => ({ Key, Value })) };
  }

  #find({ Bucket, Key, VersionId, IfMatch }: GetObjectCommandInput): Stored {
    const versions = this.#versions.get(`${Bucket}/${Key}`) ?? [];
    const found = VersionId
      ? versions.find(({ versionId }) => versionId === VersionId)
      : this.current(`${Bucket}`, `${Key}`);
    if (!found) {
      throw s3Error(VersionId ? "NoSuchVersion" : "NoSuchKey", 404, this.#markerOf(`${Bucket}/${Key}`));
    }
    if (IfMatch && IfMatch !== found.eTag) throw s3Error("PreconditionFailed", 412);
    return found;
  }

  #markerOf(path: string): Record<string, string> {
    return this.#hidden.has(path) ? { "x-amz-delete-marker": "true" } : {};
  }

  #put(input: PutObjectCommandInput): unknown {
    const { Bucket, Key, IfMatch, IfNoneMatch, Body, Metadata, ContentType } = input;
    const { CacheControl, ContentDisposition, Tagging } = input;
    const current = this.current(`${Bucket}`, `${Key}`);
    if (IfNoneMatch === "*" && current) throw s3Error("PreconditionFailed", 412);
    if (IfMatch && !current) throw s3Error("NoSuchKey", 404);
    if (IfMatch && IfMatch !== current?.eTag) throw s3Error("PreconditionFailed", 412);
    const stored = this.put(`${Bucket}`, `${Key}`, Body as Buffer, Metadata);
    stored.contentType = ContentType;
    stored.cacheControl = CacheControl;
    stored.contentDisposition = ContentDisposition;
    stored.tagging = Tagging;
    return {};
  }
}

export function s3Error(
  name: string,
  status: number,
  headers: Record<string, string> = {},
  message = name,
): S3ServiceException {
  const error = new S3ServiceException({
    name,
    message,
    $fault: status < 500 ? "client" : "server",
    $metadata: { httpStatusCode: status },
  });
  // As the SDK does, which has no other place for an error's headers.
  return Object.defineProperty(error, "$response", { value: { statusCode: status, headers } });
}
