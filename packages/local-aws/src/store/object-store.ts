import { mkdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { Events } from "../events.ts";
import { Blobs, type ByteRange } from "./blobs.ts";
import { Catalog } from "./catalog.ts";
import { Chores } from "./chores.ts";
import { GroupCommit } from "./commits.ts";
import { checkWrite, type WriteCondition } from "./conditions.ts";
import { type ChecksumAlgorithm, DEFAULT_CHECKSUM, type DigestAlgorithm, type Digests } from "./digests.ts";
import { invalidVersionId, noSuchBucket, noSuchKey, noSuchVersion, S3Error } from "./errors.ts";
import { type Origin, objectsOf, testMessage } from "./events.ts";
import { Folder } from "./folder.ts";
import { type Accepted, type Deleted, History } from "./history.ts";
import { type Page, type PageRequest, type Position, readPage } from "./listing.ts";
import type {
  Bucket,
  Description,
  NotificationConfiguration,
  ObjectVersion,
  Sequencer,
  Versioning,
} from "./model.ts";
import { MultipartUploads } from "./multipart.ts";
import { type Notify, Outbox, Refused } from "./outbox.ts";
import { validateBucketName, validateDescription, validateKey, validateNotification } from "./validation.ts";
import { isVersionId } from "./version-ids.ts";
import type { Body } from "./writing.ts";

export interface StoreOptions {
  /** The folder that a person opens. Made if it is not there. */
  readonly root: string;
  readonly region: string;
  readonly accountId: string;
  /**
   * Whether what was answered survives a power cut; without it, it survives the end of this process alone, and takes less
   * time. @default true
   */
  readonly durable?: boolean;
  /** Hands an event to a topic. What it rejects is tried again, across restarts. */
  readonly notify: Notify;
  /** @default the time of day */
  readonly now?: () => Date;
  /** @default hexadecimal digits of one length, which compare as their events happened */
  readonly sequencer?: Sequencer | undefined;
  /** Told of versions that are put and of notifications that are not taken. */
  readonly events?: Events;
  /** Told of files that could not be shown or removed: the next start tries again, and what is stored is not affected. */
  readonly report?: (error: unknown) => void;
}

export interface PutOptions extends Partial<Description> {
  readonly condition?: WriteCondition | undefined;
  /** Computed on the way and kept with the object. @default CRC64NVME */
  readonly checksum?: ChecksumAlgorithm | undefined;
  /** Computed on the way, for `verify` alone. */
  readonly digests?: readonly DigestAlgorithm[] | undefined;
  /** Called when the whole body is on the disk and nobody sees it yet; what it throws undoes the put. */
  readonly verify?: ((digests: Digests, size: number) => void) | undefined;
  /** @default "Put" */
  readonly event?: "Put" | "Post" | "Copy" | undefined;
  readonly origin?: Origin | undefined;
}

export interface DeleteOptions {
  readonly versionId?: string | undefined;
  readonly ifMatch?: string | undefined;
  readonly origin?: Origin | undefined;
}

/**
 * S3 on files. `ROOT/BUCKET/KEY` is the current version, for people; `ROOT/.store` holds the bytes of all versions
 * and the catalog. A change is answered when it, and the notifications that it causes, would survive a power cut.
 */
export class ObjectStore {
  readonly region: string;
  readonly accountId: string;
  readonly multipart: MultipartUploads;
  /** The time of day. */
  readonly now: () => Date;
  readonly #notify: Notify;
  readonly #catalog: Catalog;
  readonly #commits: GroupCommit;
  readonly #blobs: Blobs;
  readonly #folder: Folder;
  readonly #outbox: Outbox;
  readonly #history: History;
  readonly #encryptionKeys = new Map<string, string>();

  static async open(options: StoreOptions): Promise<ObjectStore> {
    const hidden = join(options.root, ".store");
    mkdirSync(hidden, { recursive: true });
    return new ObjectStore(options, hidden, openCatalog(hidden, options));
  }

  private constructor(options: StoreOptions, hidden: string, catalog: Catalog) {
    const { root, region, accountId, notify, now = () => new Date() } = options;
    const { events = new Events(), report = () => {} } = options;
    this.region = region;
    this.accountId = accountId;
    this.now = now;
    this.#notify = notify;
    this.#catalog = catalog;
    const commits = new GroupCommit(catalog.database, () => catalog.sync());
    this.#commits = commits;
    const blobs = new Blobs(hidden, options.durable);
    this.#blobs = blobs;
    blobs.sweep(catalog.newestBlob(), (first) => catalog.blobsFrom(first));
    const folder = new Folder(root, join(hidden, "incoming", "on-its-way"));
    this.#folder = folder;
    const outbox = new Outbox(catalog, commits, notify, ({ notification, attempt, error }) => {
      const { topicArn, message } = notification;
      const lost = error instanceof Refused;
      events.emit("undelivered", () => ({ objects: objectsOf(message), topicArn, attempt, error, lost }));
    });
    this.#outbox = outbox;
    const chores = new Chores({ catalog, commits, blobs, folder, now, report });
    const { sequencer } = options;
    const encryptionKeys = this.#encryptionKeys;
    const shared = {
      region,
      accountId,
      catalog,
      chores,
      folder,
      outbox,
      encryptionKeys,
      now,
      sequencer,
      events,
    };
    const history = new History(shared);
    this.#history = history;
    this.multipart = new MultipartUploads({ catalog, commits, blobs, chores, history, now });
  }

  /** Finishes deliveries under way; the others wait for the next start. */
  async close(): Promise<void> {
    await this.#outbox.close();
    await this.#commits.settled();
    this.#catalog.close();
  }

  /** True once every notification is delivered. */
  idle(): boolean {
    return this.#outbox.isEmpty();
  }

  // ── buckets ──

  buckets(): Bucket[] {
    return this.#catalog.buckets();
  }

  /** @throws 404 NoSuchBucket */
  bucket(name: string): Bucket {
    const bucket = this.#catalog.bucket(name);
    if (!bucket) throw noSuchBucket(name);
    return bucket;
  }

  async createBucket(name: string): Promise<void> {
    validateBucketName(name);
    await this.#commits.run((afterwards) => {
      const known = this.#catalog.bucket(name);
      if (known && this.region === "us-east-1") return; // where S3 keeps the ways of its first years
      if (known) {
        throw new S3Error(
          409,
          "BucketAlreadyOwnedByYou",
          "Your previous request to create the named bucket succeeded and you already own it.",
          { BucketName: name },
        );
      }
      this.#catalog.addBucket(name, this.now());
      afterwards(() => this.#folder.addBucket(name));
    });
  }

  /** Uploads that were not completed end with their bucket. */
  async deleteBucket(name: string): Promise<void> {
    await this.#commits.run((afterwards) => {
      this.bucket(name);
      if (this.#catalog.hasVersions(name)) {
        throw new S3Error(409, "BucketNotEmpty", "The bucket you tried to delete is not empty", {
          BucketName: name,
        });
      }
      this.multipart.removeAll(name, afterwards);
      this.#catalog.removeBucket(name);
      afterwards(() => this.#folder.removeBucket(name));
    });
  }

  async setVersioning(name: string, versioning: Versioning): Promise<void> {
    await this.#commits.run(() => {
      this.bucket(name);
      this.#catalog.setVersioning(name, versioning);
    });
  }

  /** The KMS key that a bucket encrypts what is put from now on with, where it has one of its own. */
  encryptionKey(bucket: string): string | undefined {
    return this.#encryptionKeys.get(bucket);
  }

  /** Nothing is encrypted, but each version keeps its key. The bucket's own is to be set anew at each start; none where it is empty. */
  setEncryptionKey(bucket: string, key: string): void {
    if (key) this.#encryptionKeys.set(bucket, key);
    else this.#encryptionKeys.delete(bucket);
  }

  /** Tells each topic that is new to the bucket so with an `s3:TestEvent`; a topic that refuses it is an error. */
  async setNotification(name: string, configuration: NotificationConfiguration): Promise<void> {
    validateNotification(configuration);
    const known = new Set(this.bucket(name).notification.topics.map((topic) => JSON.stringify(topic)));
    for (const topic of configuration.topics) {
      if (known.has(JSON.stringify(topic))) continue;
      try {
        await this.#notify(topic.topicArn, testMessage(name, this.now()));
      } catch (cause) {
        throw Object.assign(
          new S3Error(400, "InvalidArgument", "Unable to validate the following destination configurations", {
            ArgumentName: topic.topicArn,
            ArgumentValue: cause instanceof Error ? cause.message : String(cause),
          }),
          { cause },
        );
      }
    }
    await this.#commits.run(() => {
      this.bucket(name);
      this.#catalog.setNotification(name, configuration);
    });
  }

  // ── objects ──

  /** Stores a body under a key; resolves when it is durable and visible. */
  async put(bucket: string, key: string, body: Body, options: PutOptions = {}): Promise<ObjectVersion> {
    const {
      headers = {},
      metadata = {},
      tags,
      condition = {},
      checksum = DEFAULT_CHECKSUM,
      digests = [],
      verify,
      event = "Put",
    } = options;
    validateKey(key);
    validateDescription({ headers, metadata });
    this.bucket(bucket);
    const seen = this.#catalog.latest(bucket, key)?.sequence;
    const algorithms: DigestAlgorithm[] = ["MD5", checksum, ...digests];
    return this.#blobs.write(body, algorithms, ({ blob, size, digests: results }) => {
      verify?.(results, size);
      const accepted: Accepted = {
        ...{ bucket, key, blob, size, headers, metadata, tags, seen },
        etag: results.get("MD5")?.toString("hex") as string,
        checksum: {
          algorithm: checksum,
          type: "FULL_OBJECT",
          value: results.get(checksum)?.toString("base64") as string,
        },
        event: `ObjectCreated:${event}`,
        origin: options.origin,
      };
      return this.#commits.run((afterwards) => this.#history.add(accepted, condition, afterwards));
    });
  }

  /**
   * Finds the version that a GET or HEAD answers with.
   *
   * @throws 404 where there is nothing or a delete marker; 405 where the version is a delete marker; 400 where the
   * version id is none.
   */
  head(bucket: string, key: string, versionId?: string): ObjectVersion {
    this.bucket(bucket);
    const found = versionId
      ? this.#catalog.version(bucket, key, versionId)
      : this.#catalog.latest(bucket, key);
    if (!found && versionId) {
      throw isVersionId(versionId) ? noSuchVersion(key, versionId) : invalidVersionId("versionId", versionId);
    }
    if (!found) throw noSuchKey(key);
    if (!found.isDeleteMarker) return found;
    const headers = { "x-amz-delete-marker": "true", "x-amz-version-id": found.versionId };
    if (!versionId) throw noSuchKey(key, headers);
    throw new S3Error(
      405,
      "MethodNotAllowed",
      "The specified method is not allowed against this resource.",
      { Method: "GET", ResourceType: "DeleteMarker" },
      { ...headers, allow: "DELETE", "last-modified": found.modified.toUTCString() },
    );
  }

  /** The bytes of a version that `head` found just now; open from here on, whatever happens to the version. */
  read(version: ObjectVersion, range?: ByteRange): Readable {
    return this.#blobs.read(version.blob, range);
  }

  /** Sends the bytes of a version that `head` found just now, and ends the stream. */
  async send(version: ObjectVersion, range: ByteRange | undefined, to: Writable): Promise<void> {
    if (version.size === 0) to.end();
    else await this.#blobs.send(version.blob, range ?? { start: 0, end: version.size - 1 }, to);
  }

  /** Copies the bytes of a version that `head` found just now to a file of its own. */
  async save(version: ObjectVersion, file: string): Promise<void> {
    if (version.size === 0) await writeFile(file, "");
    else await this.#blobs.save(version.blob, file);
  }

  get(bucket: string, key: string, versionId?: string): { version: ObjectVersion; body: Readable } {
    const version = this.head(bucket, key, versionId);
    return { version, body: this.read(version) };
  }

  /** Removes a version for good, or without a version id hides the key as the bucket's versioning has it. */
  async delete(bucket: string, key: string, options: DeleteOptions = {}): Promise<Deleted> {
    validateKey(key);
    return this.#commits.run((afterwards) => {
      const owner = this.bucket(bucket);
      const latest = this.#catalog.latest(bucket, key);
      if (options.ifMatch !== undefined) {
        checkWrite({ ifMatch: options.ifMatch }, key, latest?.isCurrent ? latest : undefined);
      }
      return options.versionId
        ? this.#history.remove(owner, key, options.versionId, options.origin, afterwards)
        : this.#history.hide(owner, key, latest, options.origin, afterwards);
    });
  }

  /** A page of the current versions, from a key on. */
  list(bucket: string, from: string, request: PageRequest): Page<ObjectVersion> {
    this.bucket(bucket);
    return readPage(({ key }) => this.#catalog.currentFrom(bucket, key), { key: from }, request);
  }

  /** A page of all versions and delete markers, newest first for each key. */
  listVersions(bucket: string, from: Position, request: PageRequest): Page<ObjectVersion> {
    this.bucket(bucket);
    return readPage(({ key, before }) => this.#catalog.historyFrom(bucket, key, before), from, request);
  }

  /** Any version or delete marker, or undefined. */
  version(bucket: string, key: string, versionId: string): ObjectVersion | undefined {
    return this.#catalog.version(bucket, key, versionId);
  }

  /** The newest version or delete marker, or undefined. */
  latest(bucket: string, key: string): ObjectVersion | undefined {
    return this.#catalog.latest(bucket, key);
  }
}

function openCatalog(hidden: string, { root, durable }: StoreOptions): Catalog {
  try {
    return new Catalog(join(hidden, "catalog.sqlite"), durable);
  } catch (cause) {
    if (!String(cause).includes("locked")) throw cause;
    throw new Error(
      `the folder ${root} is in use by another process: end that one, or choose another folder`,
      {
        cause,
      },
    );
  }
}
