import type { Blobs } from "./blobs.ts";
import type { Catalog, Chore, Place } from "./catalog.ts";
import type { Afterwards, GroupCommit } from "./commits.ts";
import type { Folder } from "./folder.ts";

/** Chores are repeated after a crash for this long, until any file system has surely written what they did. */
const MEMORY_MS = 60_000;

interface Store {
  readonly catalog: Catalog;
  readonly commits: GroupCommit;
  readonly blobs: Blobs;
  readonly folder: Folder;
  readonly now: () => Date;
  /** Told why a chore could not be done; the next start tries again. */
  readonly report: (error: unknown) => void;
}

/**
 * The work on files that follows from a change: removing those that nobody needs, keeping the folder that people
 * see up to date. It is noted with the change that asks for it, done after it, and done again after a crash.
 */
export class Chores {
  readonly #store: Store;
  #forgotten = 0;

  /** Does the chores that were noted before a crash. */
  constructor(store: Store) {
    this.#store = store;
    for (const chore of store.catalog.chores()) this.#do(chore, false);
  }

  /** @param isNew a place that no version of the key had before */
  add(chore: Chore, afterwards: Afterwards, isNew = false): void {
    const now = this.#store.now();
    if (+now - this.#forgotten > MEMORY_MS) {
      this.#store.catalog.forgetChores(new Date(+now - MEMORY_MS));
      this.#forgotten = +now;
    }
    this.#store.catalog.addChore(chore, now);
    afterwards(() => this.#do(chore, isNew));
  }

  #do(chore: Chore, isNew: boolean): void {
    const { report } = this.#store;
    try {
      if ("blob" in chore) this.#store.blobs.remove(chore.blob, report);
      else this.#show(chore, isNew);
    } catch (error) {
      report(error);
    }
  }

  #show({ bucket, key, place }: Place, isNew: boolean): void {
    const { catalog, commits, blobs, folder, now } = this.#store;
    const latest = catalog.latest(bucket, key);
    if (!latest?.isCurrent || latest.place !== place) {
      folder.hide(bucket, place);
      return;
    }
    const shown = folder.show(bucket, key, place, blobs.path(latest.blob), !isNew);
    if (shown === place) return;
    void commits.run(() => {
      catalog.setPlace(latest.sequence, shown);
      catalog.forgetPlace(bucket, key, place);
      catalog.addChore({ bucket, key, place: shown }, now());
    });
  }
}
