import type { ImageSummary, Second, Snapshot, Tick } from "../protocol.ts";

/** Images that the page remembers: more than anybody looks at. */
const MAX_IMAGES = 400;
/** Seconds that sparklines show. */
export const SECONDS = 60;

/** What the page knows. It is replaced, not changed. */
export interface Known extends Omit<Snapshot, "kind" | "images"> {
  /** When the machine came, or came back: pictures that were not to be had are asked for again. */
  readonly since: number;
  /** By their ids, the oldest first. */
  readonly images: ReadonlyMap<string, ImageSummary>;
}

/** Takes news. A snapshot replaces all that was known, so that nothing is there twice after a connection broke. */
export function taken(known: Known | undefined, news: Snapshot | Tick): Known | undefined {
  const isBack =
    news.status.state === "running" && (news.kind === "snapshot" || known?.status.state !== "running");
  const since = isBack ? news.time : (known?.since ?? news.time);
  if (news.kind === "snapshot") {
    const { kind: _, images, ...rest } = news;
    return { ...rest, since, images: new Map(images.map((image) => [image.id, image])) };
  }
  // What changed before a snapshot came is in the snapshot.
  if (!known) return undefined;
  const { time, status, counts, second } = news;
  const images = news.images.length === 0 ? known.images : withChanged(known.images, news.images);
  const history = second ? withSecond(known.history, second) : known.history;
  return { ...known, since, time, status, counts, history, images };
}

function withChanged(
  known: ReadonlyMap<string, ImageSummary>,
  changed: readonly ImageSummary[],
): Map<string, ImageSummary> {
  const images = new Map(known);
  for (const image of changed) images.set(image.id, image);
  for (const id of images.keys()) {
    if (images.size <= MAX_IMAGES) break;
    images.delete(id);
  }
  return images;
}

function withSecond(history: readonly Second[], second: Second): readonly Second[] {
  return [...history.filter((each) => each.second < second.second), second].slice(-SECONDS);
}
