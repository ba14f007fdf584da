import { secondOf } from "./answer.ts";
import { about, short, sum } from "./format.ts";
import type { Simulation } from "./model/simulation.ts";

interface Line {
  readonly label: string;
  /** A class of the style sheet below. */
  readonly colour: "blue" | "green" | "amber" | "red" | "violet";
  /** A value for each second. */
  readonly values: readonly number[];
}

interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
  /** Whether lines are filled down to the axis, the first one on top. */
  readonly isFilled?: boolean;
  /** A bound, drawn where it is not far above what was reached. */
  readonly bound?: { readonly label: string; readonly value: number };
}

/** Where a second is, from left to right. */
type X = (second: number) => number;

const WIDTH = 960;
const LEFT = 92;
const RIGHT = 36;
const TOP = 152;
const PANEL = { height: 132, gap: 62 };

/** Points of a line, each the mean of what it stands for: batches that begin together would draw a saw. */
const POINTS = 120;

/** Colours of light and of dark pages: ink, paper, rules, what is quiet, the shaded part, and lines. */
const LIGHT = ["#24323d", "#fbfaf6", "#d5d2c8", "#5b6873", "#ece8dc"] as const;
const DARK = ["#e3e9ee", "#161d24", "#34404b", "#a3b1bd", "#222d37"] as const;
const LINES = { blue: "#4184cc", green: "#3f9a4d", amber: "#cf8a22", red: "#cf5b46", violet: "#9570cc" };

const STYLE = `
    text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; font-size: 13px; }
    .title { font-size: 18px; font-weight: 600; } .name { font-size: 14px; font-weight: 600; }
    .middle { text-anchor: middle; } .end { text-anchor: end; } .area { fill-opacity: 0.28; }
    .line { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
    .mark { stroke-dasharray: 2 3; } .bound { stroke-dasharray: 7 5; }
    ${theme(...LIGHT)}
    ${Object.entries(LINES)
      .map(([name, colour]) => `.${name} { stroke: ${colour}; } .fill-${name} { fill: ${colour}; }`)
      .join(" ")}
    @media (prefers-color-scheme: dark) { ${theme(...DARK)} }
  `;

function theme(ink: string, paper: string, rule: string, quiet: string, shade: string): string {
  return `text { fill: ${ink}; } .mark { stroke: ${ink}; } .card { fill: ${paper}; stroke: ${rule}; } .grid { stroke: ${rule}; } .quiet { fill: ${quiet}; } .bound { stroke: ${quiet}; } .window { fill: ${shade}; }`;
}

/**
 * A picture of a run, as SVG for light and dark pages: images that come and are done in each second, those that wait,
 * and the functions that run.
 * @param window seconds in which images come
 * @param account invocations that may run at once
 */
export function chart(
  run: Simulation,
  title: string,
  subtitle: string,
  window: number,
  account: number,
): string {
  const seconds = run.arrived.length;
  const x: X = (second) => LEFT + (second / seconds) * (WIDTH - LEFT - RIGHT);
  const panels = panelsOf(run, account);
  const height = TOP + panels.length * (PANEL.height + PANEL.gap) - 8;
  const bottom = height - PANEL.gap + 8;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(title)}">
  <style>${STYLE}</style>
  <rect class="card" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="12"/>
${text("title", 24, 38, escaped(title))}
${text("quiet", 24, 62, escaped(subtitle))}
${panels.map((panel, index) => drawPanel(panel, TOP + index * (PANEL.height + PANEL.gap), x, window)).join("\n")}
${[0, 1, 2, 3, 4, 5].map((fifth) => text("quiet middle", x((seconds * fifth) / 5), bottom + 18, about((seconds * fifth) / 5))).join("\n")}
${text("quiet end", WIDTH - RIGHT, bottom + 38, "since the first image; images arrive in the shaded part")}
${marks(run, x, bottom).join("\n")}
</svg>
`;
}

function panelsOf({ arrived, queued, finished, workers }: Simulation, account: number): Panel[] {
  const running = arrived.map((_, second) => sum(workers, (worker) => worker.running[second] ?? 0));
  const behind = (series: readonly number[]) => arrived.map((came, second) => came - (series[second] ?? 0));
  const perSecond = (series: readonly number[]) => series.map((value, at) => value - (series[at - 1] ?? 0));
  return [
    {
      title: "Images per second",
      lines: [
        { label: "arriving", colour: "blue", values: perSecond(arrived) },
        { label: "processed by every worker", colour: "green", values: perSecond(finished) },
      ],
    },
    {
      title: "Images waiting",
      isFilled: true,
      lines: [
        { label: "to be accepted and queued", colour: "red", values: behind(queued) },
        { label: "durably queued or under way", colour: "amber", values: behind(finished) },
      ],
    },
    {
      title: "Functions running at once",
      isFilled: true,
      lines: [{ label: "all workers", colour: "violet", values: running }],
      bound: { label: `${short(account)} allowed in the account`, value: account },
    },
  ];
}

/** Marks the moments at which all was accepted and processed, each on a line of its own, as they may be close. */
function marks({ arrived, accepted, drained }: Simulation, x: X, bottom: number): string[] {
  const moments = { processed: drained, accepted: secondOf(accepted, arrived.at(-1) ?? 0) };
  return Object.entries(moments).flatMap(([what, at], index) => {
    if (at === undefined) return [];
    const top = TOP - 66 + 20 * index;
    const isLeft = x(at) > WIDTH / 2;
    return [
      `  <line class="mark" x1="${round(x(at))}" x2="${round(x(at))}" y1="${top - 10}" y2="${bottom}"/>`,
      text(isLeft ? "name end" : "name", x(at) + (isLeft ? -6 : 6), top, `${what} in about ${about(at)}`),
    ];
  });
}

function drawPanel({ title, lines, isFilled, bound }: Panel, top: number, x: X, window: number): string {
  const reached = lines.flatMap(({ values }) => values).reduce((a, b) => Math.max(a, b), 1);
  const shown = bound && bound.value <= 4 * reached ? [bound] : [];
  const highest = nice(Math.max(reached, ...shown.map(({ value }) => value)));
  const bottom = top + PANEL.height;
  const y = (value: number) => bottom - (value / highest) * PANEL.height;
  const across = (style: string, value: number) =>
    `  <line class="${style}" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${round(y(value))}" y2="${round(y(value))}"/>`;
  const legend = [
    ...lines.map(({ label, colour }) => `<tspan class="fill-${colour}" dx="24">●</tspan> ${label}`),
    ...shown.map(({ label }) => `<tspan class="quiet" dx="24">╌╌</tspan> ${label}`),
  ];
  const behind = lines.map(({ colour, values }) => ({ colour, points: pointsOf(values, x, y) })).reverse();
  return [
    `  <rect class="window" x="${LEFT}" y="${top}" width="${round(x(window) - LEFT)}" height="${PANEL.height}"/>`,
    ...[0, highest / 2, highest].flatMap((value) => [
      across("grid", value),
      text("quiet end", LEFT - 8, y(value) + 4, short(value)),
    ]),
    text("", LEFT, top - 12, `<tspan class="name">${title}</tspan>${legend.join("")}`),
    // What lies on top of another is drawn last, so that both are seen.
    ...(isFilled ? behind : []).map(({ colour, points }) => {
      const area = `${LEFT},${bottom} ${points} ${WIDTH - RIGHT},${bottom}`;
      return `  <polygon class="area fill-${colour}" points="${area}"/>`;
    }),
    ...behind.map(({ colour, points }) => `  <polyline class="line ${colour}" points="${points}"/>`),
    ...shown.map(({ value }) => across("bound", value)),
  ].join("\n");
}

function pointsOf(values: readonly number[], x: X, y: (value: number) => number): string {
  const size = Math.ceil(values.length / POINTS);
  const points = Array.from({ length: Math.ceil(values.length / size) }, (_, index) => {
    const part = values.slice(index * size, (index + 1) * size);
    return `${round(x(index * size + part.length / 2))},${round(y(sum(part, (value) => value) / part.length))}`;
  });
  return points.join(" ");
}

function text(style: string, x: number, y: number, content: string): string {
  return `  <text class="${style}" x="${round(x)}" y="${round(y)}">${content}</text>`;
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
