import type { Leg, LegState } from "../protocol.ts";

/** The kinds of stations, in the order in which an image comes to them; `dead` is beside the way, `gone` nowhere. */
export type Stop = "source" | "topic" | "queue" | "function" | "results" | "dead" | "gone";

const ORDER: readonly Stop[] = ["source", "topic", "queue", "function", "results"];

const STOPS: Record<LegState, Stop> = {
  "on-its-way": "topic",
  waiting: "queue",
  again: "queue",
  working: "function",
  done: "results",
  superseded: "gone",
  rejected: "dead",
  dropped: "gone",
  "not-told": "gone",
  lost: "gone",
};

/** Where an image is that is in this state. */
export function stopOf({ state }: Pick<Leg, "state">): Stop {
  return STOPS[state];
}

/** The stops that an image comes to from one to another, that one included: it is told where it is, not how it came there. */
export function routeOf(from: Stop, leg: Pick<Leg, "state" | "code">): Stop[] {
  const to = stopOf(leg);
  if (from === to) return [];
  if (to === "gone") return ["gone"];
  // It was sent again.
  if (from === "dead" || from === "results" || from === "gone") return ["queue", ...routeOf("queue", leg)];
  if (to === "dead") {
    // The queue or the topic gave it up; else the function did.
    const last = leg.code === "failed-too-often" || leg.code === "undelivered" ? "queue" : "function";
    return [...between(from, last), "dead"];
  }
  const [at, goal] = [ORDER.indexOf(from), ORDER.indexOf(to)];
  // The function gave it back.
  return goal < at ? [to] : between(from, to);
}

function between(from: Stop, to: Stop): Stop[] {
  return ORDER.slice(ORDER.indexOf(from) + 1, ORDER.indexOf(to) + 1);
}
