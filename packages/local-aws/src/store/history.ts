import type { Events } from "../events.ts";
import type { Catalog } from "./catalog.ts";
import type { Chores } from "./chores.ts";
import type { Afterwards } from "./commits.ts";
import { checkWrite, type WriteCondition } from "./conditions.ts";
import { noSuchBucket, noSuchVersion } from "./errors.ts";
import { eventMessage, matching, newOrigin, type ObjectEvent, type Origin } from "./events.ts";
import type { Folder } from "./folder.ts";
import type { Bucket, Details, ObjectVersion, Sequencer } from "./model.ts";
import type { Outbox } from "./outbox.ts";
import { isVersionId, makeVersionId } from "./version-ids.ts";

/** A version whose bytes are in a file, and whose description is complete but for its place in history. */
export interface Accepted extends Details {
  readonly bucket: string;
  readonly key: string;
  readonly blob: string;
  readonly size: number;
  readonly etag: string;
  /** For example `ObjectCreated:Put`. */
  readonly event: string;
  readonly origin: Origin | undefined;
  /** Sequence of the newest version of the key when the write began. */
  readonly seen: number | undefined;
}

export interface Deleted {
  /** Of what was removed, or of the delete marker that was made. */
  readonly versionId?: string | undefined;
  /** A delete marker was made or, with a version id, removed. */
  readonly deleteMarker: boolean;
}

interface Store {
  readonly region: string;
  readonly accountId: string;
  readonly catalog: Catalog;
  readonly chores: Chores;
  readonly folder: Folder;
  readonly outbox: Outbox;
  readonly encryptionKeys: ReadonlyMap<string, string>;
  readonly now: () => Date;
  readonly sequencer: Sequencer | undefined;
  readonly events: Events;
}

/** ETag of a delete marker, which has no bytes. */
const ETAG_OF_NOTHING = "d41d8cd98f00b204e9800998ecf8427e";

/** S3's rules for versions. Its methods run inside a transaction, and what they do to files is done afterwards. */
export class History {
  readonly #store: Store;
  #sequence: number;

  constructor(store: Store) {
    this.#store = store;
    this.#sequence = store.catalog.lastSequence();
  }

  /** Makes a version the current one, where the condition holds. */
  add(
    { event: eventName, origin: asked, seen, ...accepted }: Accepted,
    condition: WriteCondition,
    afterwards: Afterwards,
  ): ObjectVersion {
    const { catalog, chores, folder, now, events, accountId } = this.#store;
    const bucket = this.#bucket(accepted.bucket);
    const { key } = accepted;
    const latest = catalog.latest(bucket.name, key);
    const replaced = latest?.isCurrent ? latest : undefined;
    checkWrite(condition, key, replaced, latest?.sequence !== seen);
    const sequence = this.#nextSequence();
    const version: ObjectVersion = {
      ...accepted,
      versionId: bucket.versioning === "Enabled" ? makeVersionId(sequence) : "null",
      sequence,
      isCurrent: true,
      isDeleteMarker: false,
      encryptionKey: this.#store.encryptionKeys.get(bucket.name),
      modified: now(),
      place: replaced?.place ?? folder.placeFor(bucket.name, key),
    };
    // Shown before the old file is removed, so that the last name which that loses is the one in the background.
    chores.add({ bucket: bucket.name, key, place: version.place }, afterwards, replaced === undefined);
    this.#makeRoom(bucket, key, replaced, afterwards);
    catalog.addVersion(version);
    const origin = asked ?? newOrigin(`AWS:${accountId}`);
    const { requestId } = origin;
    const { versionId, size, etag } = version;
    afterwards(() =>
      events.emit("put", () => ({
        ...{ bucket: bucket.name, key, versionId },
        ...{ eventName, requestId, size, etag },
      })),
    );
    this.#announce(bucket, { ...version, name: eventName, time: version.modified }, origin, afterwards);
    return version;
  }

  /** Does a DELETE without a version ID: a delete marker, or without versioning the end of the object. */
  hide(
    bucket: Bucket,
    key: string,
    latest: ObjectVersion | undefined,
    origin: Origin | undefined,
    afterwards: Afterwards,
  ): Deleted {
    const { catalog, chores, now } = this.#store;
    const current = latest?.isCurrent ? latest : undefined;
    if (current) chores.add({ bucket: bucket.name, key, place: current.place }, afterwards);
    this.#makeRoom(bucket, key, current, afterwards);
    const removal = { bucket: bucket.name, key, sequence: this.#nextSequence(), time: now() };
    if (!bucket.versioning) {
      if (current) this.#announce(bucket, { ...removal, name: "ObjectRemoved:Delete" }, origin, afterwards);
      return { deleteMarker: false };
    }
    const marker: ObjectVersion = {
      bucket: bucket.name,
      key,
      versionId: bucket.versioning === "Enabled" ? makeVersionId(removal.sequence) : "null",
      sequence: removal.sequence,
      isCurrent: false,
      isDeleteMarker: true,
      size: 0,
      etag: "",
      modified: removal.time,
      blob: "",
      place: "",
      headers: {},
      metadata: {},
    };
    catalog.addVersion(marker);
    const { versionId } = marker;
    const event = { ...removal, name: "ObjectRemoved:DeleteMarkerCreated", versionId, etag: ETAG_OF_NOTHING };
    this.#announce(bucket, event, origin, afterwards);
    return { versionId, deleteMarker: true };
  }

  /** Does a DELETE with a version ID: if it was the newest, the one before comes back. */
  remove(
    bucket: Bucket,
    key: string,
    versionId: string,
    origin: Origin | undefined,
    afterwards: Afterwards,
  ): Deleted {
    const { catalog, chores, folder, now } = this.#store;
    const removed = catalog.version(bucket.name, key, versionId);
    if (!removed && !isVersionId(versionId)) throw noSuchVersion(key, versionId);
    if (!removed) return { versionId, deleteMarker: false };
    const latest = this.#withdraw(removed, afterwards);
    if (latest && !latest.isDeleteMarker && !latest.isCurrent) {
      const place = removed.isCurrent ? removed.place : folder.placeFor(bucket.name, key);
      catalog.setCurrent(latest.sequence, true);
      catalog.setPlace(latest.sequence, place);
      chores.add({ bucket: bucket.name, key, place }, afterwards, !removed.isCurrent);
    } else if (removed.isCurrent) {
      chores.add({ bucket: bucket.name, key, place: removed.place }, afterwards);
    }
    const removal = { bucket: bucket.name, key, versionId, sequence: this.#nextSequence(), time: now() };
    this.#announce(bucket, { ...removal, name: "ObjectRemoved:Delete" }, origin, afterwards);
    return { versionId, deleteMarker: removed.isDeleteMarker };
  }

  /** Retires the current version; without versioning, or with it suspended, the `null` version goes. */
  #makeRoom(
    { name, versioning }: Bucket,
    key: string,
    current: ObjectVersion | undefined,
    afterwards: Afterwards,
  ): void {
    const { catalog } = this.#store;
    if (current) catalog.setCurrent(current.sequence, false);
    if (versioning === "Enabled") return;
    const unversioned = current?.versionId === "null" ? current : catalog.version(name, key, "null");
    if (unversioned) this.#withdraw(unversioned, afterwards);
  }

  /** Takes a version out of history; answers what is now the newest of its key. */
  #withdraw(
    { bucket, key, sequence, blob }: ObjectVersion,
    afterwards: Afterwards,
  ): ObjectVersion | undefined {
    const { catalog, chores } = this.#store;
    catalog.removeVersion(sequence);
    if (blob) chores.add({ blob }, afterwards);
    return catalog.latest(bucket, key);
  }

  /** Tells the bucket's topics. */
  #announce(
    { name, notification }: Bucket,
    event: Omit<ObjectEvent, "bucket">,
    origin: Origin | undefined,
    afterwards: Afterwards,
  ): void {
    const { catalog, outbox, region, accountId } = this.#store;
    const told = {
      ...event,
      bucket: name,
      versionId: event.versionId === "null" ? undefined : event.versionId,
    };
    for (const { id, topicArn } of matching(notification, event.name, event.key)) {
      const by = origin ?? newOrigin(`AWS:${accountId}`);
      const message = eventMessage(told, id, by, region, accountId, this.#store.sequencer);
      const added = catalog.addNotification(topicArn, message);
      afterwards(() => outbox.add(added));
    }
  }

  #bucket(name: string): Bucket {
    const bucket = this.#store.catalog.bucket(name);
    if (!bucket) throw noSuchBucket(name);
    return bucket;
  }

  /** Microseconds since 1970, or more where that would not grow. */
  #nextSequence(): number {
    this.#sequence = Math.max(this.#sequence + 1, +this.#store.now() * 1000);
    return this.#sequence;
  }
}
