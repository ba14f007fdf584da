import type { Leg, LegState, WorkerView } from "../protocol.ts";

/** What a worker does, in a few words. */
export function doesWhat({ angle }: Pick<WorkerView, "angle">): string {
  if (angle === undefined) return "Makes its own of it.";
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
  superseded: { sign: "–", word: "nothing to do: a newer version is there", tone: "calm" },
  rejected: { sign: "✕", word: "rejected", tone: "bad" },
  dropped: { sign: "✕", word: "rejected, and taken out", tone: "bad" },
  "not-told": { sign: "–", word: "not told of such images", tone: "calm" },
  lost: { sign: "✕", word: "its event was lost", tone: "bad" },
};

/** The state of an image at a worker, in words. */
export function legInWords({ state, receives, reason }: Leg): string {
  const tries = receives > 1 ? `, handed out ${receives} times` : "";
  const why = reason !== undefined && (state === "rejected" || state === "again" || state === "dropped");
  return `${STATES[state].word}${tries}${why ? `: ${reason}` : ""}`;
}

export function bytes(size: number): string {
  // Nothing, or not known: a log of a rejection does not say how large the file was.
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
