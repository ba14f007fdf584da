import { closeSync, fdatasync, openSync } from "node:fs";
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from "node:sqlite";
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
  /** By the template that each is prepared from. */
  readonly #statements = new Map<TemplateStringsArray, StatementSync>();
  readonly #log: number;
  readonly #durable: boolean;

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
    const row = this.#get`SELECT * FROM buckets WHERE name = ${name}`;
    return row && toBucket(row);
  }

  buckets(): Bucket[] {
    return this.#all`SELECT * FROM buckets ORDER BY name`.map(toBucket);
  }

  addBucket(name: string, created: Date): void {
    const notification = JSON.stringify({ topics: [] });
    this.#run`INSERT INTO buckets VALUES (${name}, ${+created}, NULL, ${notification})`;
  }

  removeBucket(name: string): void {
    this.#run`DELETE FROM buckets WHERE name = ${name}`;
    this.#run`DELETE FROM completed WHERE bucket = ${name}`;
  }

  setVersioning(name: string, versioning: Versioning): void {
    this.#run`UPDATE buckets SET versioning = ${versioning} WHERE name = ${name}`;
  }

  setNotification(name: string, configuration: NotificationConfiguration): void {
    this.#run`UPDATE buckets SET notification = ${JSON.stringify(configuration)} WHERE name = ${name}`;
  }

  // ── versions ──

  lastSequence(): number {
    return Number(this.#get`SELECT max(seq) AS last FROM sqlite_sequence`?.last ?? 0);
  }

  newestBlob(): string | undefined {
    const row = this.#get`SELECT blob FROM versions WHERE marker = 0 ORDER BY sequence DESC LIMIT 1`;
    return row && String(row.blob);
  }

  /** The files from this name on that versions and parts have their bytes in. */
  blobsFrom(first: string): Set<string> {
    const rows = this.#all`SELECT blob FROM versions WHERE blob >= ${first}
      UNION ALL SELECT blob FROM parts WHERE blob >= ${first}`;
    return new Set(rows.map((row) => String(row.blob)));
  }

  /** The newest version or delete marker of a key. */
  latest(bucket: string, key: string): ObjectVersion | undefined {
    const row = this.#get`SELECT * FROM versions WHERE bucket = ${bucket} AND key = ${key}
      ORDER BY sequence DESC LIMIT 1`;
    return row && toVersion(row);
  }

  version(bucket: string, key: string, versionId: string): ObjectVersion | undefined {
    const row = this.#get`SELECT * FROM versions
      WHERE bucket = ${bucket} AND key = ${key} AND version = ${versionId}`;
    return row && toVersion(row);
  }

  hasVersions(bucket: string): boolean {
    return this.#get`SELECT 1 FROM versions WHERE bucket = ${bucket} LIMIT 1` !== undefined;
  }

  addVersion(version: ObjectVersion): void {
    const { sequence, bucket, key, versionId, isCurrent, isDeleteMarker, size, etag, modified } = version;
    const { blob, place, headers, metadata, tags, checksum, parts, encryptionKey } = version;
    const details = JSON.stringify({
      headers,
      metadata,
      tags,
      checksum,
      parts,
      encryptionKey,
    } satisfies Details);
    this.#run`INSERT INTO versions VALUES (${sequence}, ${bucket}, ${key}, ${versionId}, ${Number(isCurrent)},
      ${Number(isDeleteMarker)}, ${size}, ${etag}, ${+modified}, ${blob}, ${place}, ${details})`;
  }

  removeVersion(sequence: number): void {
    this.#run`DELETE FROM versions WHERE sequence = ${sequence}`;
  }

  setCurrent(sequence: number, current: boolean): void {
    this.#run`UPDATE versions SET current = ${Number(current)} WHERE sequence = ${sequence}`;
  }

  setPlace(sequence: number, place: string): void {
    this.#run`UPDATE versions SET place = ${place} WHERE sequence = ${sequence}`;
  }

  /** The current versions from `key` on, in S3's order. */
  *currentFrom(bucket: string, key: string): Iterable<ObjectVersion> {
    const rows = this.#iterate`SELECT * FROM versions
      WHERE bucket = ${bucket} AND key >= ${key} AND current = 1 ORDER BY key`;
    for (const row of rows) yield toVersion(row);
  }

  /** All versions and delete markers from `key` on, newest first for each key; of `key` itself, those before `before`. */
  *historyFrom(bucket: string, key: string, before = Number.MAX_SAFE_INTEGER): Iterable<ObjectVersion> {
    const rows = this.#iterate`SELECT * FROM versions
      WHERE bucket = ${bucket} AND key >= ${key} AND NOT (key = ${key} AND sequence >= ${before})
      ORDER BY key, sequence DESC`;
    for (const row of rows) yield toVersion(row);
  }

  // ── multipart uploads ──

  upload(id: string): Upload | undefined {
    const row = this.#get`SELECT * FROM uploads WHERE id = ${id}`;
    return row && toUpload(row);
  }

  uploads(bucket: string): Upload[] {
    const rows = this.#all`SELECT * FROM uploads WHERE bucket = ${bucket} ORDER BY key, initiated, id`;
    return rows.map(toUpload);
  }

  addUpload({ id, bucket, key, initiated, ...details }: Upload): void {
    this.#run`INSERT INTO uploads VALUES
      (${id}, ${bucket}, ${key}, ${+initiated}, ${JSON.stringify(details)})`;
  }

  /** Removes the upload and its parts; the parts' files are a chore. */
  removeUpload(id: string): void {
    this.#run`DELETE FROM uploads WHERE id = ${id}`;
    this.#run`DELETE FROM parts WHERE upload = ${id}`;
  }

  /** Returns the answer to a completed upload. */
  completed(bucket: string, key: string, upload: string): Completed | undefined {
    const row = this.#get`SELECT answer FROM completed
      WHERE upload = ${upload} AND bucket = ${bucket} AND key = ${key}`;
    return row && (JSON.parse(String(row.answer)) as Completed);
  }

  addCompleted({ id, bucket, key }: Upload, { versionId, etag, checksum }: Completed, since: Date): void {
    const answer = JSON.stringify({ versionId, etag, checksum } satisfies Completed);
    this.#run`INSERT INTO completed VALUES (${id}, ${bucket}, ${key}, ${+since}, ${answer})`;
  }

  forgetCompleted(before: Date): void {
    this.#run`DELETE FROM completed WHERE since < ${+before}`;
  }

  parts(upload: string): UploadedPart[] {
    return this.#all`SELECT * FROM parts WHERE upload = ${upload} ORDER BY number`.map(toPart);
  }

  part(upload: string, number: number): UploadedPart | undefined {
    const row = this.#get`SELECT * FROM parts WHERE upload = ${upload} AND number = ${number}`;
    return row && toPart(row);
  }

  putPart(upload: string, { number, size, etag, modified, blob, checksum }: UploadedPart): void {
    this.#run`INSERT OR REPLACE INTO parts VALUES
      (${upload}, ${number}, ${size}, ${etag}, ${+modified}, ${blob}, ${checksum ?? null})`;
  }

  // ── outbox ──

  addNotification(topicArn: string, message: string): number {
    const added = this.#run`INSERT INTO outbox (topic, message) VALUES (${topicArn}, ${message})`;
    return Number(added.lastInsertRowid);
  }

  notification(id: number): Notification | undefined {
    const row = this.#get`SELECT * FROM outbox WHERE id = ${id}`;
    return row && { id, topicArn: String(row.topic), message: String(row.message) };
  }

  notifications(): number[] {
    return this.#all`SELECT id FROM outbox ORDER BY id`.map((row) => Number(row.id));
  }

  removeNotification(id: number): void {
    this.#run`DELETE FROM outbox WHERE id = ${id}`;
  }

  // ── chores ──

  addChore(chore: Chore, since: Date): void {
    const { blob, bucket, key, place } = { blob: null, bucket: null, key: null, place: null, ...chore };
    this.#run`INSERT INTO chores (since, blob, bucket, key, place)
      VALUES (${+since}, ${blob}, ${bucket}, ${key}, ${place})`;
  }

  chores(): Chore[] {
    return this.#all`SELECT blob, bucket, key, place FROM chores ORDER BY id`.map((row) =>
      row.blob === null
        ? { bucket: String(row.bucket), key: String(row.key), place: String(row.place) }
        : { blob: String(row.blob) },
    );
  }

  /** The place belongs to another key after all. */
  forgetPlace(bucket: string, key: string, place: string): void {
    this.#run`DELETE FROM chores WHERE bucket = ${bucket} AND key = ${key} AND place = ${place}`;
  }

  forgetChores(before: Date): void {
    this.#run`DELETE FROM chores WHERE since < ${+before}`;
  }

  // ── SQL, with its values in place ──

  #get(sql: TemplateStringsArray, ...values: SQLInputValue[]): Row | undefined {
    return this.#prepared(sql).get(...values);
  }

  #all(sql: TemplateStringsArray, ...values: SQLInputValue[]): Row[] {
    return this.#prepared(sql).all(...values);
  }

  #iterate(sql: TemplateStringsArray, ...values: SQLInputValue[]): Iterable<Row> {
    return this.#prepared(sql).iterate(...values);
  }

  #run(sql: TemplateStringsArray, ...values: SQLInputValue[]) {
    return this.#prepared(sql).run(...values);
  }

  #prepared(sql: TemplateStringsArray): StatementSync {
    const statement = this.#statements.get(sql) ?? this.database.prepare(sql.join("?"));
    this.#statements.set(sql, statement);
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
    ...(JSON.parse(String(row.details)) as Description &
      Pick<Upload, "checksumAlgorithm" | "checksumType" | "seen">),
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
