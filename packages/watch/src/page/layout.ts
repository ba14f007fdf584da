import { station, type Topology } from "../protocol.ts";

/** A place on the stage, in pixels from its upper left corner. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A thing on the stage: its middle, and how large it is drawn. */
export interface Thing extends Point {
  readonly size: number;
  /** How wide its tag may be, where something is beside it. */
  readonly room?: number;
}

/** The things that workers of one fan-out share. */
interface Shared {
  readonly source: Thing;
  readonly topic: Thing;
}

/** One worker's part of the stage, and what an image comes through before. */
export interface Lane extends Shared {
  readonly worker: string;
  readonly top: number;
  /** Where the way from the topic to the queue turns. */
  readonly bends: readonly Point[];
  readonly queue: Thing;
  readonly function: Thing;
  readonly results: Thing;
  readonly dead: Thing;
}

export interface FanOutPlace extends Shared {
  readonly name: string;
  readonly lanes: readonly Lane[];
}

/** Where everything is. */
export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly narrow: boolean;
  readonly fanOuts: readonly FanOutPlace[];
  /** Of all fan-outs, by their workers. */
  readonly lanes: ReadonlyMap<string, Lane>;
  /** Ways between stations, by `FROM>TO`: straight lines through these points. */
  readonly ways: ReadonlyMap<string, readonly Point[]>;
}

/** Below this width, in pixels, a fan-out's bucket and topic stand above its workers. */
const NARROW = 1000;
const TOP = 46;

/** Stations of one lane between which images move. */
const LINKS = [
  ["topic", "queue"],
  ["queue", "function"],
  ["function", "queue"],
  ["function", "results"],
  ["function", "dead"],
  ["queue", "dead"],
  ["dead", "queue"],
] as const;

/** Puts a topology on a stage of a width. */
export function layoutOf(topology: Topology, width: number): Layout {
  const narrow = width < NARROW;
  const place = narrow ? narrowPlace : widePlace;
  const { head, lane: height } = narrow ? { head: 196, lane: 322 } : { head: 0, lane: 252 };
  let top = TOP;
  const fanOuts = topology.fanOuts.map(({ name, workers }): FanOutPlace => {
    const rows = Math.max(1, workers.length);
    const { lane, ...shared } = place(width, top, rows * height);
    const lanes = workers.map(({ name: worker }, index) => {
      const laneTop = top + head + index * height;
      return { worker, top: laneTop, ...shared, ...lane(laneTop) };
    });
    top += head + rows * height;
    return { name, ...shared, lanes };
  });
  const ways = new Map<string, readonly Point[]>();
  for (const { name, source, topic, lanes } of fanOuts) {
    ways.set(`${station.source(name)}>${station.topic(name)}`, [source, topic]);
    for (const lane of lanes) {
      for (const [from, to] of LINKS) {
        const link = `${station[from](from === "topic" ? name : lane.worker)}>${station[to](lane.worker)}`;
        ways.set(link, from === "topic" ? [topic, ...lane.bends, lane.queue] : [lane[from], lane[to]]);
      }
    }
  }
  const lanes = new Map(fanOuts.flatMap((each) => each.lanes.map((lane) => [lane.worker, lane])));
  return { width, height: top + (narrow ? 20 : 64), narrow, fanOuts, lanes, ways };
}

type Placed = Shared & { readonly lane: (top: number) => Omit<Lane, "worker" | "top" | keyof Shared> };

function widePlace(width: number, top: number, height: number): Placed {
  const x = (part: number) => Math.round(width * part);
  const middle = top + height / 2 - 26;
  return {
    source: { x: x(0.085), y: middle, size: 118 },
    topic: { x: x(0.225), y: middle - 8, size: 96 },
    lane: (laneTop) => {
      const y = laneTop + 92;
      return {
        bends: [],
        queue: { x: x(0.4), y, size: Math.min(240, x(0.2)) },
        function: { x: x(0.625), y: y + 4, size: 132 },
        results: { x: x(0.87), y: y - 2, size: Math.min(190, x(0.2)), room: Math.min(190, x(0.2)) },
        dead: { x: x(0.555), y: y + 104, size: 84 },
      };
    },
  };
}

function narrowPlace(width: number, top: number): Placed {
  const x = (part: number) => Math.round(width * part);
  const source = { x: x(0.25), y: top + 74, size: 88 };
  const topic = { x: x(0.7), y: top + 66, size: 84 };
  // Down beside the lanes, so that the way does not cross what stands between.
  const [left, turn] = [12, source.y + 92];
  return {
    ...{ source, topic },
    lane: (laneTop) => {
      const y = laneTop + 102;
      return {
        bends: [
          { x: topic.x, y: turn },
          { x: left, y: turn },
          { x: left, y },
        ],
        queue: { x: x(0.2), y, size: Math.min(150, x(0.3)), room: x(0.4) - 8 },
        function: { x: x(0.5), y: y + 2, size: Math.min(104, x(0.26)) },
        results: { x: x(0.79), y, size: Math.min(150, x(0.32)), room: x(0.42) - 8 },
        dead: { x: 58, y: y + 166, size: 72 },
      };
    },
  };
}
