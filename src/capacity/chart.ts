import type { Simulation } from "./simulation.ts";
import { clock, short } from "./words.ts";

export interface ChartTexts {
  readonly title: string;
  readonly subtitle: string;
}

interface Line {
  readonly label: string;
  /** A class of the style sheet below. */
  readonly colour: "blue" | "green" | "amber" | "red" | "violet";
  /** A value for each second. */
  readonly values: readonly number[];
  /** Filled down to the line before it, or to the axis. @default false */
  readonly area?: boolean;
}

interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
  /** A bound, drawn and named beside the lines where it is not far above what was reached. */
  readonly bound?: { readonly label: string; readonly value: number };
}

const WIDTH = 960;
const LEFT = 92;
const RIGHT = 36;
const TOP = 152;
const PANEL = { height: 132, gap: 62 };

/** Seconds before and after one that are shown with it. */
const SMOOTHING = 3;

/** What a letter takes at the most in a wide font, so that no text runs into the next. */
const WIDE = { name: 9.4, text: 8 };

/** Points of a line: more are not seen. */
const POINTS = 400;

const STYLE = `
    text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; font-size: 13px; fill: #24323d; }
    .card { fill: #fbfaf6; stroke: #d5d2c8; }
    .title { font-size: 19px; font-weight: 600; }
    .name { font-size: 14px; font-weight: 600; }
    .quiet { fill: #5b6873; }
    .halo { paint-order: stroke; stroke: #fbfaf6; stroke-width: 6px; }
    .middle { text-anchor: middle; }
    .end { text-anchor: end; }
    .window { fill: #ece8dc; }
    .grid { stroke: #d5d2c8; }
    .mark { stroke: #24323d; stroke-width: 1.5; stroke-dasharray: 2 3; }
    .bound { stroke: #5b6873; stroke-width: 1.5; stroke-dasharray: 7 5; }
    .line { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
    .area { fill-opacity: 0.28; }
    .blue { stroke: #2f6db5; } .fill-blue { fill: #2f6db5; }
    .green { stroke: #2f8a3c; } .fill-green { fill: #2f8a3c; }
    .amber { stroke: #c07a10; } .fill-amber { fill: #c07a10; }
    .red { stroke: #b4432f; } .fill-red { fill: #b4432f; }
    .violet { stroke: #7a4fb0; } .fill-violet { fill: #7a4fb0; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e3e9ee; }
      .card { fill: #161d24; stroke: #34404b; }
      .quiet { fill: #a3b1bd; }
      .halo { stroke: #161d24; }
      .window { fill: #222d37; }
      .grid { stroke: #34404b; }
      .mark { stroke: #e3e9ee; }
      .bound { stroke: #a3b1bd; }
      .blue { stroke: #6fa8e8; } .fill-blue { fill: #6fa8e8; }
      .green { stroke: #6cc27a; } .fill-green { fill: #6cc27a; }
      .amber { stroke: #e5a94a; } .fill-amber { fill: #e5a94a; }
      .red { stroke: #f08a74; } .fill-red { fill: #f08a74; }
      .violet { stroke: #b394e0; } .fill-violet { fill: #b394e0; }
    }
  `;

/**
 * A picture of a run, as SVG for light and dark pages: images that come and are done in each second, those that wait,
 * and the functions that run.
 * @param window seconds in which images come
 * @param account invocations that may run at once
 */
export function chart(simulation: Simulation, texts: ChartTexts, window: number, account: number): string {
  const { arrived, accepted, queued, workers } = simulation;
  const done = arrived.map((_, second) => Math.min(...workers.map(({ finished }) => finished[second] ?? 0)));
  const running = arrived.map((_, second) =>
    workers.reduce((sum, worker) => sum + (worker.running[second] ?? 0), 0),
  );
  const notQueued = arrived.map((came, second) => came - (queued[second] ?? 0));
  const notDone = arrived.map((came, second) => came - (done[second] ?? 0));
  const panels: Panel[] = [
    {
      title: "Images per second",
      lines: [
        { label: "arriving", colour: "blue", values: differences(arrived) },
        { label: "processed by every worker", colour: "green", values: smoothed(differences(done)) },
      ],
    },
    {
      title: "Images waiting",
      lines: [
        { label: "to be accepted and queued", colour: "red", values: notQueued, area: true },
        { label: "durably queued or under way", colour: "amber", values: notDone, area: true },
      ],
    },
    {
      title: "Functions running at once",
      lines: [{ label: "all workers", colour: "violet", values: running, area: true }],
      bound: { label: `${short(account)} allowed in the account`, value: account },
    },
  ];

  const seconds = arrived.length;
  const x = (second: number) => LEFT + (second / seconds) * (WIDTH - LEFT - RIGHT);
  const height = TOP + panels.length * (PANEL.height + PANEL.gap) - 8;
  const bottom = height - PANEL.gap + 8;
  const acceptedBy = accepted.indexOf(arrived.at(-1) ?? 0) + 1;
  const marks = [
    ...(seconds > window || simulation.drained !== undefined
      ? [{ at: acceptedBy, text: `accepted ${clock(acceptedBy)}` }]
      : []),
    ...(simulation.drained === undefined
      ? []
      : [{ at: simulation.drained, text: `processed ${clock(simulation.drained)}` }]),
  ];
  const crowded = marks.length > 1 && x(marks[1]?.at ?? 0) - x(marks[0]?.at ?? 0) < 130;
  // Two moments that are close have a line each.
  const top = (mark: number) => TOP - (crowded && mark === 0 ? 66 : 46);
  const step = tick(seconds);
  const times = Array.from({ length: Math.floor(seconds / step) + 1 }, (_, index) => index * step);

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(texts.title)}">
  <style>${STYLE}</style>
  <rect class="card" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="12"/>
  <text class="title" x="24" y="38">${escaped(texts.title)}</text>
  <text class="quiet" x="24" y="62">${escaped(texts.subtitle)}</text>
${times.map((time) => `  <text class="quiet middle" x="${round(x(time))}" y="${bottom + 18}">${timeLabel(time)}</text>`).join("\n")}
  <text class="quiet end" x="${WIDTH - RIGHT}" y="${bottom + 38}">since the first image; images arrive in the shaded part</text>
${marks.map(({ at }, index) => `  <line class="mark" x1="${round(x(at))}" x2="${round(x(at))}" y1="${top(index) - 10}" y2="${bottom}"/>`).join("\n")}
${panels.map((panel, index) => drawPanel(panel, TOP + index * (PANEL.height + PANEL.gap), x, window)).join("\n")}
${marks
  .map(({ at, text }, index) => {
    const end = x(at) > WIDTH - 150 || (crowded && index === 0);
    return `  <text class="name halo${end ? " end" : ""}" x="${round(x(at) + (end ? -6 : 6))}" y="${top(index)}">${escaped(text)}</text>`;
  })
  .join("\n")}
</svg>
`;
}

function drawPanel(
  { title, lines, bound }: Panel,
  top: number,
  x: (second: number) => number,
  window: number,
) {
  const reached = Math.max(1, ...lines.flatMap(({ values }) => values.reduce((a, b) => Math.max(a, b), 0)));
  const shown = bound && bound.value <= 4 * reached ? bound : undefined;
  const highest = nice(Math.max(reached, shown ? shown.value : 0));
  const bottom = top + PANEL.height;
  const y = (value: number) => bottom - (value / highest) * PANEL.height;
  let legend = LEFT + title.length * WIDE.name + 24;
  return [
    `  <rect class="window" x="${LEFT}" y="${top}" width="${round(x(window) - LEFT)}" height="${PANEL.height}"/>`,
    ...[0, 0.5, 1].map(
      (part) =>
        `  <line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(part * highest)}" y2="${y(part * highest)}"/>
  <text class="quiet end" x="${LEFT - 8}" y="${y(part * highest) + 4}">${short(part * highest)}</text>`,
    ),
    `  <text class="name halo" x="${LEFT}" y="${top - 12}">${title}</text>`,
    ...lines.map(({ label, colour }) => {
      const at = legend;
      legend += label.length * WIDE.text + 34;
      return `  <circle class="fill-${colour}" cx="${round(at)}" cy="${top - 16.5}" r="5"/>
  <text class="halo" x="${round(at + 10)}" y="${top - 12}">${label}</text>`;
    }),
    // What lies on top of another is drawn first, so that both are seen.
    ...[...lines].reverse().map(({ colour, values, area }) => {
      const points = thinned(values).map(([at, value]) => `${round(x(at))},${round(y(value))}`);
      const path = `  <polyline class="line ${colour}" points="${points.join(" ")}"/>`;
      if (!area) return path;
      const ends = [points[0], points.at(-1)].map((point) => point?.split(",")[0]);
      return `  <polygon class="area fill-${colour}" points="${ends[0]},${bottom} ${points.join(" ")} ${ends[1]},${bottom}"/>\n${path}`;
    }),
    ...(shown
      ? [
          `  <line class="bound" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${round(y(shown.value))}" y2="${round(y(shown.value))}"/>
  <line class="bound" x1="${round(legend - 5)}" x2="${round(legend + 14)}" y1="${top - 16.5}" y2="${top - 16.5}"/>
  <text class="halo" x="${round(legend + 22)}" y="${top - 12}">${shown.label}</text>`,
        ]
      : []),
  ].join("\n");
}

/** As many points as are seen, each the mean of what it stands for. */
function thinned(values: readonly number[]): [second: number, value: number][] {
  const size = Math.max(1, Math.ceil(values.length / POINTS));
  const points: [number, number][] = [];
  for (let at = 0; at < values.length; at += size) {
    const part = values.slice(at, at + size);
    points.push([at + part.length / 2, part.reduce((sum, value) => sum + value, 0) / part.length]);
  }
  return points;
}

/** The mean of some seconds: batches that begin together end together here, and would draw a saw. */
function smoothed(values: readonly number[]): number[] {
  return values.map((_, at) => {
    const around = values.slice(Math.max(0, at - SMOOTHING), at + SMOOTHING + 1);
    return around.reduce((sum, value) => sum + value, 0) / around.length;
  });
}

function differences(values: readonly number[]): number[] {
  return values.map((value, index) => value - (values[index - 1] ?? 0));
}

/** The next number above that is easy to read, and its half as well. */
function nice(value: number): number {
  const unit = 10 ** Math.floor(Math.log10(value));
  return (
    [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10].map((step) => step * unit).find((step) => step >= value) ?? value
  );
}

/** Seconds between two times on the axis: about eight of them. */
function tick(seconds: number): number {
  const steps = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400, 172_800,
  ];
  return steps.find((step) => seconds / step <= 9) ?? 604_800;
}

function timeLabel(seconds: number): string {
  if (seconds === 0) return "0";
  if (seconds % 3600 === 0) return `${seconds / 3600} h`;
  return seconds % 60 === 0 ? `${seconds / 60} min` : clock(seconds);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
