import { closeSync, fdatasync, openSync } from "node:fs";
import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { promisify } from "node:util";
import type {
  Bucket,
  Completed,
  Description,
  Details,
  NotificationConfiguration,
  ObjectVersion,
  Upload,
  UploadedPart,
  Versioning,
} from "./model.ts";

/** Exclusive: a second process on the same folder is an error at once, not a surprise later. */
const SETTINGS = `
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA wal_autocheckpoint = 4000;
  PRAGMA cache_size = -32000;
`;

const syncData = promisify(fdatasync);

/** Text is compared as UTF-8 bytes, which is the order that S3 lists keys in. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY, created INTEGER NOT NULL, versioning TEXT, notification TEXT NOT NULL
  ) WITHOUT ROWID;

  CREATE TABLE IF NOT EXISTS versions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, bucket TEXT NOT NULL, key TEXT NOT NULL, version TEXT NOT NULL,
    current INTEGER NOT NULL, marker INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
    modified INTEGER NOT NULL, blob TEXT NOT NULL, place TEXT NOT NULL, details TEXT NOT NULL
  );
  CREATE UNIQUE INDEX IF NOT EXISTS history ON versions (bucket, key, sequence DESC);
  CREATE UNIQUE INDEX IF NOT EXISTS current ON versions (bucket, key) WHERE current = 1;

  CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key TEXT NOT NULL, initiated INTEGER NOT NULL, details TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS keys_of_uploads ON uploads (bucket, key);
  CREATE TABLE IF NOT EXISTS overtaken (upload TEXT PRIMARY KEY) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS completed (
    upload TEXT PRIMARY KEY, bucket TEXT NOT NULL, key TEXT NOT NULL, since INTEGER NOT NULL, answer TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS parts (
    upload TEXT NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
    modified INTEGER NOT NULL, blob TEXT NOT NULL, checksum TEXT, PRIMARY KEY (upload, number)
  ) WITHOUT ROWID;

  CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY, topic TEXT NOT NULL, message TEXT NOT NULL);

  CREATE TABLE IF NOT EXISTS chores (
    id INTEGER PRIMARY KEY, since INTEGER NOT NULL, blob TEXT, bucket TEXT, key TEXT, place TEXT
  );
`;

type Row = Record<string, SQLOutputValue>;

/** A path in a bucket's folder at which a key is, or was, shown. */
export interface Place {
  readonly bucket: string;
  readonly key: string;
  readonly place: string;
}

/** A file to remove, or a place in a bucket's folder to bring up to date. */
export type Chore = Place | { readonly blob: string };

/** A message that was promised to a topic and not delivered yet. */
export interface Notification {
  readonly id: number;
  readonly topicArn: string;
  readonly message: string;
}

/**
 * Everything the store knows that a file cannot say: an SQLite database beside the files. Its methods are plain
 * queries; the rules of S3 are elsewhere. Changes belong inside a {@link GroupCommit}.
 */
export class Catalog {
  readonly database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #log: number;
  readonly #durable: boolean;
  /** Buckets that were asked for since one was last changed. */
  readonly #buckets = new Map<string, Bucket>();

  /** @param durable whether `sync` is to make what was committed survive a power cut */
  constructor(file: string, durable = true) {
    this.#durable = durable;
    this.database = new DatabaseSync(file);
    try {
      this.database.exec(SETTINGS);
      this.database.exec(SCHEMA);
    } catch (error) {
      this.database.close();
      throw error;
    }
    this.#log = openSync(`${file}-wal`, "a");
  }

  /**
   * Makes durable what was committed. SQLite would do it itself with `synchronous = FULL`, but the main thread
   * would wait, and on macOS the disk's own cache would not be written.
   */
  async sync(): Promise<void> {
    if (this.#durable) await syncData(this.#log);
  }

  close(): void {
    closeSync(this.#log);
    this.database.close();
  }

  // ── buckets ──

  bucket(name: string): Bucket | undefined {
    const known = this.#buckets.get(name);
    if (known) return known;
    const row = this.#sql("SELECT * FROM buckets WHERE name = ?").get(name);
    const bucket = row && toBucket(row);
    // What a transaction has changed may be undone yet.
    if (bucket && !this.database.isTransaction) this.#buckets.set(name, bucket);
    return bucket;
  }

  buckets(): Bucket[] {
    return this.#sql("SELECT * FROM buckets ORDER BY name").all().map(toBucket);
  }

  addBucket(name: string, created: Date): void {
    this.#buckets.clear();
    this.#sql("INSERT INTO buckets VALUES (?, ?, NULL, ?)").run(
      name,
      +created,
      JSON.stringify({ topics: [] }),
    );
  }

  removeBucket(name: string): void {
    this.#buckets.clear();
    this.#sql("DELETE FROM buckets WHERE name = ?").run(name);
    this.#sql("DELETE FROM completed WHERE bucket = ?").run(name);
  }

  setVersioning(name: string, versioning: Versioning): void {
    this.#buckets.clear();
    this.#sql("UPDATE buckets SET versioning = ? WHERE name = ?").run(versioning, name);
  }

  setNotification(name: string, configuration: NotificationConfiguration): void {
    this.#buckets.clear();
    this.#sql("UPDATE buckets SET notification = ? WHERE name = ?").run(JSON.stringify(configuration), name);
  }

  // ── versions ──

  lastSequence(): number {
    return Number(this.#sql("SELECT max(seq) AS last FROM sqlite_sequence").get()?.last ?? 0);
  }

  newestBlob(): string | undefined {
    const row = this.#sql("SELECT blob FROM versions WHERE marker = 0 ORDER BY sequence DESC LIMIT 1").get();
    return row && String(row.blob);
  }

  /** The files from this name on that versions and parts have their bytes in. */
  blobsFrom(first: string): Set<string> {
    const rows = this.#sql(
      "SELECT blob FROM versions WHERE blob >= ?1 UNION ALL SELECT blob FROM parts WHERE blob >= ?1",
    );
    return new Set(rows.all(first).map((row) => String(row.blob)));
  }

  /** The newest version or delete marker of a key. */
  latest(bucket: string, key: string): ObjectVersion | undefined {
    const row = this.#sql(
      "SELECT * FROM versions WHERE bucket = ? AND key = ? ORDER BY sequence DESC LIMIT 1",
    ).get(bucket, key);
    return row && toVersion(row);
  }

  version(bucket: string, key: string, versionId: string): ObjectVersion | undefined {
    const row = this.#sql("SELECT * FROM versions WHERE bucket = ? AND key = ? AND version = ?").get(
      bucket,
      key,
      versionId,
    );
    return row && toVersion(row);
  }

  hasVersions(bucket: string): boolean {
    return this.#sql("SELECT 1 FROM versions WHERE bucket = ? LIMIT 1").get(bucket) !== undefined;
  }

  addVersion(version: ObjectVersion): void {
    const { headers, metadata, tags, checksum, parts } = version;
    this.#sql("INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)").run(
      version.sequence,
      version.bucket,
      version.key,
      version.versionId,
      Number(version.isCurrent),
      Number(version.isDeleteMarker),
      version.size,
      version.etag,
      +version.modified,
      version.blob,
      version.place,
      JSON.stringify({ headers, metadata, tags, checksum, parts } satisfies Details),
    );
  }

  removeVersion(sequence: number): void {
    this.#sql("DELETE FROM versions WHERE sequence = ?").run(sequence);
  }

  setCurrent(sequence: number, current: boolean): void {
    this.#sql("UPDATE versions SET current = ? WHERE sequence = ?").run(Number(current), sequence);
  }

  setPlace(sequence: number, place: string): void {
    this.#sql("UPDATE versions SET place = ? WHERE sequence = ?").run(place, sequence);
  }

  /** The current versions from `key` on, in S3's order. */
  *currentFrom(bucket: string, key: string): Iterable<ObjectVersion> {
    const rows = this.#sql(
      "SELECT * FROM versions WHERE bucket = ? AND key >= ? AND current = 1 ORDER BY key",
    );
    for (const row of rows.iterate(bucket, key)) yield toVersion(row);
  }

  /** All versions and delete markers from `key` on, newest first for each key; of `key` itself, those before `before`. */
  *historyFrom(bucket: string, key: string, before = Number.MAX_SAFE_INTEGER): Iterable<ObjectVersion> {
    const rows = this.#sql(
      "SELECT * FROM versions WHERE bucket = ?1 AND key >= ?2 AND NOT (key = ?2 AND sequence >= ?3) ORDER BY key, sequence DESC",
    );
    for (const row of rows.iterate(bucket, key, before)) yield toVersion(row);
  }

  // ── multipart uploads ──

  upload(id: string): Upload | undefined {
    const row = this.#sql("SELECT * FROM uploads WHERE id = ?").get(id);
    return row && toUpload(row);
  }

  uploads(bucket: string): Upload[] {
    return this.#sql("SELECT * FROM uploads WHERE bucket = ? ORDER BY key, initiated, id")
      .all(bucket)
      .map(toUpload);
  }

  addUpload(upload: Upload): void {
    const { id, bucket, key, initiated, ...details } = upload;
    this.#sql("INSERT INTO uploads VALUES (?, ?, ?, ?, ?)").run(
      id,
      bucket,
      key,
      +initiated,
      JSON.stringify(details),
    );
  }

  /** Removes the upload and its parts; the parts' files are a chore. */
  removeUpload(id: string): void {
    this.#sql("DELETE FROM uploads WHERE id = ?").run(id);
    this.#sql("DELETE FROM parts WHERE upload = ?").run(id);
    this.#sql("DELETE FROM overtaken WHERE upload = ?").run(id);
  }

  /** Notes that a key changed while it was being uploaded. */
  overtakeUploads(bucket: string, key: string): void {
    this.#sql("INSERT OR IGNORE INTO overtaken SELECT id FROM uploads WHERE bucket = ? AND key = ?").run(
      bucket,
      key,
    );
  }

  isOvertaken(upload: string): boolean {
    return this.#sql("SELECT 1 FROM overtaken WHERE upload = ?").get(upload) !== undefined;
  }

  /** Returns the answer to a completed upload. */
  completed(bucket: string, key: string, upload: string): Completed | undefined {
    const row = this.#sql("SELECT answer FROM completed WHERE upload = ? AND bucket = ? AND key = ?").get(
      upload,
      bucket,
      key,
    );
    return row && (JSON.parse(String(row.answer)) as Completed);
  }

  addCompleted({ id, bucket, key }: Upload, answer: Completed, since: Date): void {
    const { versionId, etag, checksum } = answer;
    this.#sql("INSERT INTO completed VALUES (?, ?, ?, ?, ?)").run(
      id,
      bucket,
      key,
      +since,
      JSON.stringify({ versionId, etag, checksum } satisfies Completed),
    );
  }

  forgetCompleted(before: Date): void {
    this.#sql("DELETE FROM completed WHERE since < ?").run(+before);
  }

  parts(upload: string): UploadedPart[] {
    return this.#sql("SELECT * FROM parts WHERE upload = ? ORDER BY number").all(upload).map(toPart);
  }

  part(upload: string, number: number): UploadedPart | undefined {
    const row = this.#sql("SELECT * FROM parts WHERE upload = ? AND number = ?").get(upload, number);
    return row && toPart(row);
  }

  putPart(upload: string, part: UploadedPart): void {
    this.#sql("INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)").run(
      upload,
      part.number,
      part.size,
      part.etag,
      +part.modified,
      part.blob,
      part.checksum ?? null,
    );
  }

  // ── outbox ──

  addNotification(topicArn: string, message: string): number {
    return Number(
      this.#sql("INSERT INTO outbox (topic, message) VALUES (?, ?)").run(topicArn, message).lastInsertRowid,
    );
  }

  notification(id: number): Notification | undefined {
    const row = this.#sql("SELECT * FROM outbox WHERE id = ?").get(id);
    return row && { id, topicArn: String(row.topic), message: String(row.message) };
  }

  notifications(): number[] {
    return this.#sql("SELECT id FROM outbox ORDER BY id")
      .all()
      .map((row) => Number(row.id));
  }

  removeNotification(id: number): void {
    this.#sql("DELETE FROM outbox WHERE id = ?").run(id);
  }

  // ── chores ──

  addChore(chore: Chore, since: Date): void {
    const {
      blob = null,
      bucket = null,
      key = null,
      place = null,
    } = chore as Partial<Place & { blob: string }>;
    this.#sql("INSERT INTO chores (since, blob, bucket, key, place) VALUES (?, ?, ?, ?, ?)").run(
      +since,
      blob,
      bucket,
      key,
      place,
    );
  }

  chores(): Chore[] {
    return this.#sql("SELECT blob, bucket, key, place FROM chores ORDER BY id")
      .all()
      .map((row) =>
        row.blob === null
          ? { bucket: String(row.bucket), key: String(row.key), place: String(row.place) }
          : { blob: String(row.blob) },
      );
  }

  /** The place belongs to another key after all. */
  forgetPlace(bucket: string, key: string, place: string): void {
    this.#sql("DELETE FROM chores WHERE bucket = ? AND key = ? AND place = ?").run(bucket, key, place);
  }

  forgetChores(before: Date): void {
    this.#sql("DELETE FROM chores WHERE since < ?").run(+before);
  }

  #sql(text: string): StatementSync {
    let statement = this.#statements.get(text);
    if (!statement) {
      statement = this.database.prepare(text);
      this.#statements.set(text, statement);
    }
    return statement;
  }
}

function toBucket(row: Row): Bucket {
  return {
    name: String(row.name),
    created: new Date(Number(row.created)),
    versioning: (row.versioning ?? undefined) as Versioning | undefined,
    notification: JSON.parse(String(row.notification)) as NotificationConfiguration,
  };
}

function toVersion(row: Row): ObjectVersion {
  return {
    ...(JSON.parse(String(row.details)) as Details),
    bucket: String(row.bucket),
    key: String(row.key),
    versionId: String(row.version),
    sequence: Number(row.sequence),
    isCurrent: row.current === 1,
    isDeleteMarker: row.marker === 1,
    size: Number(row.size),
    etag: String(row.etag),
    modified: new Date(Number(row.modified)),
    blob: String(row.blob),
    place: String(row.place),
  };
}

function toUpload(row: Row): Upload {
  return {
    ...(JSON.parse(String(row.details)) as Description & Pick<Upload, "checksumAlgorithm" | "checksumType">),
    id: String(row.id),
    bucket: String(row.bucket),
    key: String(row.key),
    initiated: new Date(Number(row.initiated)),
  };
}

function toPart(row: Row): UploadedPart {
  return {
    number: Number(row.number),
    size: Number(row.size),
    etag: String(row.etag),
    modified: new Date(Number(row.modified)),
    blob: String(row.blob),
    checksum: row.checksum === null ? undefined : String(row.checksum),
  };
}
