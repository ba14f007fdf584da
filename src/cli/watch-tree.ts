import { type FSWatcher, readdirSync, statSync, watch } from "node:fs";
import path from "node:path";

/** Folders below which nobody writes sources. */
const SKIPPED = /^(?:\..*|node_modules)$/;

/**
 * Watches a folder and all below it, each by itself: of a folder that is watched recursively, Node.js on Linux loses files that are saved
 * by a new one that takes their name, as many editors do.
 * @param changed is told of the name of what changed; null for a folder that has come
 * @returns what ends it
 */
export function watchTree(folder: string, changed: (file: string | null) => void): () => void {
  const watchers = new Map<string, FSWatcher>();
  const remove = (at: string) => {
    for (const [each, watcher] of watchers) {
      if (each !== at && !each.startsWith(at + path.sep)) continue;
      watcher.close();
      watchers.delete(each);
    }
  };
  const add = (at: string) => {
    try {
      const watcher = watch(at, (event, file) => {
        if (event === "rename" && file !== null) renamed(path.join(at, file));
        changed(file);
      });
      watcher.on("error", () => remove(at));
      watchers.set(at, watcher);
      for (const each of readdirSync(at, { withFileTypes: true })) {
        if (each.isDirectory() && !SKIPPED.test(each.name)) add(path.join(at, each.name));
      }
    } catch {
      // It is gone already, and whoever removed it is told of.
      remove(at);
    }
  };
  /** Something came, went, or was replaced. */
  const renamed = (at: string) => {
    remove(at);
    const isFolder = statSync(at, { throwIfNoEntry: false })?.isDirectory();
    if (!isFolder || SKIPPED.test(path.basename(at))) return;
    add(at);
    changed(null);
  };
  add(folder);
  return () => remove(folder);
}
