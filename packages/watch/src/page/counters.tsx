import { useMemo } from "preact/hooks";
import type { Counts, Second, WorkerCounts } from "../protocol.ts";
import { SECONDS } from "./state.ts";
import { count } from "./words.ts";

interface Counter {
  readonly name: string;
  readonly value: string;
  readonly unit?: string;
  readonly tone?: "bad" | "good";
  readonly of: (second: Second) => number;
}

/** Numbers of the whole machine, and how they were in the last minute. */
export function Counters({ counts, history }: { counts: Counts; history: readonly Second[] }) {
  const counters = countersOf(counts, history.at(-1));
  // Numbers change ten times a second, their lines once.
  const lines = useMemo(
    () => counters.map(({ name, of }) => <Sparkline key={name} values={history.map(of)} />),
    [history],
  );
  return (
    <dl class="counters">
      {counters.map(({ name, value, unit, tone }, index) => (
        <div class={`counter ${tone ?? ""}`} key={name}>
          <dt>{name}</dt>
          <dd>
            <span class="value">
              {value}
              {unit && <small> {unit}</small>}
            </span>
            {lines[index]}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function countersOf(counts: Counts, last: Second | undefined): Counter[] {
  const workers = Object.values(counts.workers);
  const sum = (of: (worker: WorkerCounts) => number) => workers.reduce((all, each) => all + of(each), 0);
  const rejected = sum((worker) => worker.rejected);
  const oldest = Math.max(0, ...workers.map((worker) => worker.oldest));
  return [
    { name: "Images in", value: counts.in === null ? "–" : count(counts.in), of: (second) => second.in },
    { name: "Waiting", value: count(sum(({ waiting }) => waiting)), of: ({ waiting }) => waiting },
    { name: "In flight", value: count(sum(({ inFlight }) => inFlight)), of: ({ inFlight }) => inFlight },
    { name: "Oldest waits", value: count(oldest), unit: "s", of: (second) => second.oldest },
    { name: "Results", value: count(sum(({ done }) => done)), tone: "good", of: ({ done }) => done },
    {
      name: "Rejected",
      value: count(rejected),
      ...(rejected > 0 && { tone: "bad" }),
      of: (second) => second.rejected,
    },
    {
      name: "Done a second",
      value: count(last ? doneIn(last) : 0),
      of: doneIn,
    },
  ];
}

function doneIn({ done, rejected }: Second): number {
  return done + rejected;
}

const WIDTH = 120;
const HEIGHT = 26;

/** A line of the last minute; its numbers are beside it. */
function Sparkline({ values }: { values: readonly number[] }) {
  const shown = values.slice(-SECONDS);
  const max = Math.max(1, ...shown);
  const points = shown.map((value, index) => {
    const x = WIDTH - (shown.length - 1 - index) * (WIDTH / (SECONDS - 1));
    return `${x.toFixed(1)},${(HEIGHT - 2 - (value / max) * (HEIGHT - 5)).toFixed(1)}`;
  });
  const first = points[0]?.split(",")[0] ?? WIDTH;
  return (
    <svg class="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <polygon points={`${first},${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}`} />
      <polyline points={points.join(" ")} />
    </svg>
  );
}
