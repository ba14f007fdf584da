import { secondOf } from "./answer.ts";
import { about, short, sum } from "./format.ts";
import type { Simulation } from "./model/simulation.ts";

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
  /** Filled down to the axis. @default false */
  readonly area?: boolean;
}

interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
  /** A bound, drawn and named beside the lines where it is not far above what was reached. */
  readonly bound?: { readonly label: string; readonly value: number };
}

/** Where a second is, from left to right. */
type X = (second: number) => number;

const WIDTH = 960;
const LEFT = 92;
const RIGHT = 36;
const TOP = 152;
const PANEL = { height: 132, gap: 62 };

/** Seconds before and after one that are shown with it: batches that begin together would draw a saw. */
const SMOOTHING = 3;

/** Maximum width of a letter in a wide font, so that no text runs into the next. */
const WIDE = { name: 9.4, text: 8 };

/** Points of a line: more are not seen. */
const POINTS = 400;

const LIGHT = { blue: "#2f6db5", green: "#2f8a3c", amber: "#c07a10", red: "#b4432f", violet: "#7a4fb0" };
const DARK = { blue: "#6fa8e8", green: "#6cc27a", amber: "#e5a94a", red: "#f08a74", violet: "#b394e0" };

const STYLE = `
    text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; font-size: 13px; }
    .title { font-size: 19px; font-weight: 600; } .name { font-size: 14px; font-weight: 600; }
    .halo { paint-order: stroke; stroke-width: 6px; } .middle { text-anchor: middle; } .end { text-anchor: end; }
    .mark { stroke-width: 1.5; stroke-dasharray: 2 3; } .bound { stroke-width: 1.5; stroke-dasharray: 7 5; }
    .line { fill: none; stroke-width: 2.2; stroke-linejoin: round; } .area { fill-opacity: 0.28; }
    ${theme("#24323d", "#fbfaf6", "#d5d2c8", "#5b6873", "#ece8dc", LIGHT)}
    @media (prefers-color-scheme: dark) {
    ${theme("#e3e9ee", "#161d24", "#34404b", "#a3b1bd", "#222d37", DARK)}
    }
  `;

function theme(
  ink: string,
  paper: string,
  rule: string,
  quiet: string,
  shade: string,
  colours: typeof LIGHT,
) {
  const lines = Object.entries(colours).map(
    ([name, colour]) => `.${name} { stroke: ${colour}; } .fill-${name} { fill: ${colour}; }`,
  );
  return `text { fill: ${ink}; } .mark { stroke: ${ink}; } .card { fill: ${paper}; stroke: ${rule}; } .halo { stroke: ${paper}; }
    .grid { stroke: ${rule}; } .quiet { fill: ${quiet}; } .bound { stroke: ${quiet}; } .window { fill: ${shade}; }
    ${lines.join(" ")}`;
}

/**
 * A picture of a run, as SVG for light and dark pages: images that come and are done in each second, those that wait,
 * and the functions that run.
 * @param window seconds in which images come
 * @param account invocations that may run at once
 */
export function chart(run: Simulation, texts: ChartTexts, window: number, account: number): string {
  const seconds = run.arrived.length;
  const x: X = (second) => LEFT + (second / seconds) * (WIDTH - LEFT - RIGHT);
  const panels = panelsOf(run, account);
  const height = TOP + panels.length * (PANEL.height + PANEL.gap) - 8;
  const bottom = height - PANEL.gap + 8;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(texts.title)}">
  <style>${STYLE}</style>
  <rect class="card" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="12"/>
${label("title", 24, 38, texts.title)}
${label("quiet", 24, 62, texts.subtitle)}
${timeAxis(seconds, x, bottom).join("\n")}
${panels.map((panel, index) => drawPanel(panel, TOP + index * (PANEL.height + PANEL.gap), x, window)).join("\n")}
${marks(run, x, bottom).join("\n")}
</svg>
`;
}

function panelsOf({ arrived, queued, finished, workers }: Simulation, account: number): Panel[] {
  const running = arrived.map((_, second) => sum(workers, (worker) => worker.running[second] ?? 0));
  const behind = (series: readonly number[]) => arrived.map((came, second) => came - (series[second] ?? 0));
  return [
    {
      title: "Images per second",
      lines: [
        { label: "arriving", colour: "blue", values: differences(arrived) },
        { label: "processed by every worker", colour: "green", values: smoothed(differences(finished)) },
      ],
    },
    {
      title: "Images waiting",
      lines: [
        { label: "to be accepted and queued", colour: "red", values: behind(queued), area: true },
        { label: "durably queued or under way", colour: "amber", values: behind(finished), area: true },
      ],
    },
    {
      title: "Functions running at once",
      lines: [{ label: "all workers", colour: "violet", values: running, area: true }],
      bound: { label: `${short(account)} allowed in the account`, value: account },
    },
  ];
}

/** Times below the panels, about eight of them. */
function timeAxis(seconds: number, x: X, bottom: number): string[] {
  const steps = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400, 172_800,
  ];
  const step = steps.find((step) => seconds / step <= 9) ?? 604_800;
  const times = Array.from({ length: Math.floor(seconds / step) + 1 }, (_, index) => index * step);
  const unit = step % 3600 === 0 ? { name: "h", seconds: 3600 } : { name: "min", seconds: 60 };
  const text = (time: number) => {
    if (time === 0) return "0";
    return step % 30 === 0 ? `${time / unit.seconds} ${unit.name}` : `${time} s`;
  };
  const note = "since the first image; images arrive in the shaded part";
  return [
    ...times.map((time) => label("quiet middle", x(time), bottom + 18, text(time))),
    label("quiet end", WIDTH - RIGHT, bottom + 38, note),
  ];
}

/** By when all was accepted and processed: two moments that are close have a line each. */
function marks({ arrived, accepted, drained }: Simulation, x: X, bottom: number): string[] {
  const acceptedBy = secondOf(accepted, arrived.at(-1) ?? 0);
  const moments = [
    ...(acceptedBy === undefined ? [] : [{ at: acceptedBy, text: `accepted, about ${about(acceptedBy)}` }]),
    ...(drained === undefined ? [] : [{ at: drained, text: `processed, about ${about(drained)}` }]),
  ];
  const [first, second] = moments.map(({ at }) => x(at));
  const isCrowded = second !== undefined && second - (first ?? 0) < 170;
  return moments.flatMap(({ at, text }, index) => {
    const isRaised = isCrowded && index === 0;
    const top = TOP - (isRaised ? 66 : 46);
    const isLeft = isRaised || x(at) > WIDTH - 190;
    return [
      `  <line class="mark" x1="${round(x(at))}" x2="${round(x(at))}" y1="${top - 10}" y2="${bottom}"/>`,
      label(`name halo${isLeft ? " end" : ""}`, x(at) + (isLeft ? -6 : 6), top, text),
    ];
  });
}

function drawPanel({ title, lines, bound }: Panel, top: number, x: X, window: number): string {
  const reached = Math.max(1, ...lines.flatMap(({ values }) => values.reduce((a, b) => Math.max(a, b), 0)));
  const shown = bound && bound.value <= 4 * reached ? bound : undefined;
  const highest = nice(Math.max(reached, shown?.value ?? 0));
  const bottom = top + PANEL.height;
  const y = (value: number) => bottom - (value / highest) * PANEL.height;
  const across = (style: string, at: number, from = LEFT, to = WIDTH - RIGHT) =>
    `  <line class="${style}" x1="${round(from)}" x2="${round(to)}" y1="${round(at)}" y2="${round(at)}"/>`;
  let legend = LEFT + title.length * WIDE.name + 24;
  return [
    `  <rect class="window" x="${LEFT}" y="${top}" width="${round(x(window) - LEFT)}" height="${PANEL.height}"/>`,
    ...[0, highest / 2, highest].flatMap((value) => [
      across("grid", y(value)),
      label("quiet end", LEFT - 8, y(value) + 4, short(value)),
    ]),
    label("name halo", LEFT, top - 12, title),
    ...lines.flatMap((line) => {
      const at = legend;
      legend += line.label.length * WIDE.text + 34;
      const dot = `  <circle class="fill-${line.colour}" cx="${round(at)}" cy="${top - 16.5}" r="5"/>`;
      return [dot, label("halo", at + 10, top - 12, line.label)];
    }),
    // What lies on top of another is drawn first, so that both are seen.
    ...[...lines].reverse().map((line) => drawLine(line, x, y, bottom)),
    ...(shown
      ? [
          across("bound", y(shown.value)),
          across("bound", top - 16.5, legend - 5, legend + 14),
          label("halo", legend + 22, top - 12, shown.label),
        ]
      : []),
  ].join("\n");
}

function drawLine(
  { colour, values, area }: Line,
  x: X,
  y: (value: number) => number,
  bottom: number,
): string {
  const points = thinned(values).map(([at, value]) => `${round(x(at))},${round(y(value))}`);
  const path = `  <polyline class="line ${colour}" points="${points.join(" ")}"/>`;
  if (!area) return path;
  const [from, to] = [points[0], points.at(-1)].map((point) => point?.split(",")[0]);
  return `  <polygon class="area fill-${colour}" points="${from},${bottom} ${points.join(" ")} ${to},${bottom}"/>\n${path}`;
}

function label(style: string, x: number, y: number, text: string): string {
  return `  <text class="${style}" x="${round(x)}" y="${round(y)}">${escaped(text)}</text>`;
}

/** As many points as are seen, each the mean of what it stands for. */
function thinned(values: readonly number[]): [second: number, value: number][] {
  const size = Math.max(1, Math.ceil(values.length / POINTS));
  return Array.from({ length: Math.ceil(values.length / size) }, (_, index) => {
    const part = values.slice(index * size, (index + 1) * size);
    return [index * size + part.length / 2, mean(part)];
  });
}

function smoothed(values: readonly number[]): number[] {
  return values.map((_, at) => mean(values.slice(Math.max(0, at - SMOOTHING), at + SMOOTHING + 1)));
}

function mean(values: readonly number[]): number {
  return sum(values, (value) => value) / values.length;
}

function differences(values: readonly number[]): number[] {
  return values.map((value, index) => value - (values[index - 1] ?? 0));
}

/** The next number above that is easy to read, and its half as well. */
function nice(value: number): number {
  const unit = 10 ** Math.floor(Math.log10(value));
  const steps = [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10].map((step) => step * unit);
  return steps.find((step) => step >= value) ?? value;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
