import type { Leg, LegState, WorkerView } from "../protocol.ts";
import type { Known } from "./state.ts";

/** What a worker does, in a few words. */
export function doesWhat({ angle }: Pick<WorkerView, "angle">): string {
  if (angle === undefined) return "Makes its own result.";
  if (angle === 180) return "Turns it upside down.";
  return angle < 180 ? `Turns it ${angle}° clockwise.` : `Turns it ${360 - angle}° counter-clockwise.`;
}

/** The state of an image at a worker: a sign, a word, and how it is meant. */
export const STATES: Record<
  LegState,
  { sign: string; word: string; tone: "calm" | "busy" | "good" | "bad" }
> = {
  "on-its-way": { sign: "→", word: "on its way", tone: "busy" },
  waiting: { sign: "…", word: "waiting", tone: "busy" },
  working: { sign: "⚙", word: "being worked on", tone: "busy" },
  again: { sign: "↻", word: "waits for its next try", tone: "bad" },
  done: { sign: "✓", word: "done", tone: "good" },
  superseded: { sign: "–", word: "nothing to do: there is a newer version", tone: "calm" },
  rejected: { sign: "✕", word: "rejected", tone: "bad" },
  dropped: { sign: "✕", word: "rejected, and its dead letter deleted", tone: "bad" },
  "not-told": { sign: "–", word: "does not get such images", tone: "calm" },
  lost: { sign: "✕", word: "its event was lost", tone: "bad" },
};

/** The state of an image at a worker, in words. */
export function legInWords({ state, receives, reason }: Leg): string {
  const tries = receives > 1 ? `, handed out ${receives} times` : "";
  const why = reason !== undefined && (state === "rejected" || state === "again" || state === "dropped");
  return `${STATES[state].word}${tries}${why ? `: ${reason}` : ""}`;
}

/** Messages that wait, or come and go in a second, from which on nobody reads of single images. */
export const MANY = 30;

/** Says what happened last: of one image, whose key comes before it, or of many. */
export function commentaryOn(
  { images, counts }: Pick<Known, "images" | "counts">,
  perSecond: number,
): { key?: string; said: string } {
  const waiting = Object.values(counts.workers).reduce((all, each) => all + each.waiting, 0);
  if (waiting > MANY) {
    const numbers = `${count(waiting)} messages wait in the queues, ${count(perSecond)} are done a second`;
    return { said: `${numbers}. Nothing is lost meanwhile.` };
  }
  const newest = [...images.values()].at(-1);
  if (!newest) {
    const said =
      "Put an image into the bucket: every worker is told, makes its own of it, and what it made hangs in its frame.";
    return { said };
  }
  const all = [...Map.groupBy(newest.legs, legInWords)].map(([words, alike]) => {
    return `${alike.map(({ worker }) => worker).join(" and ")}: ${words.replace(/\.$/, "")}`;
  });
  return { key: newest.key, said: `: ${all.join("; ")}.` };
}

export function bytes(size: number): string {
  // Nothing, or not known: not every line of a log says it.
  if (size === 0) return "";
  if (size < 1000) return `${size} bytes`;
  return size < 1_000_000
    ? `${(size / 1000).toFixed(size < 10_000 ? 1 : 0)} kB`
    : `${(size / 1e6).toFixed(1)} MB`;
}

export function count(value: number): string {
  return value.toLocaleString("en");
}

/** A time span for a person. */
export function span(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** The time of a day, to the millisecond. */
export function clock(time: number): string {
  const at = new Date(time);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}
