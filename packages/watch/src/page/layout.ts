import { station, type Topology } from "../protocol.ts";

/** A place on the stage, in pixels from its upper left corner. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A thing on the stage: its middle, and how large it is drawn. */
export interface Thing extends Point {
  readonly size: number;
}

/** One worker's part of the stage. */
export interface Lane {
  readonly worker: string;
  readonly top: number;
  readonly queue: Thing;
  readonly function: Thing;
  readonly results: Thing;
  readonly dead: Thing;
}

export interface FanOutPlace {
  readonly name: string;
  readonly source: Thing;
  readonly topic: Thing;
  readonly lanes: readonly Lane[];
}

/** Where everything is. */
export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly narrow: boolean;
  readonly fanOuts: readonly FanOutPlace[];
  /** Ways between stations, by `FROM>TO`: straight lines through these points. */
  readonly ways: ReadonlyMap<string, readonly Point[]>;
  /** Stations by their names. */
  readonly stations: ReadonlyMap<string, Point>;
}

/** Below this width, in pixels, a fan-out's bucket and topic stand above its workers. */
const NARROW = 1000;
const LANE = 252;
const NARROW_LANE = 322;
const TOP = 46;

/** Puts a topology on a stage of a width. */
export function layoutOf(topology: Topology, width: number): Layout {
  const narrow = width < NARROW;
  const fanOuts: FanOutPlace[] = [];
  let top = TOP;
  for (const { name, workers } of topology.fanOuts) {
    const place = narrow ? narrowPlace(name, workers, width, top) : widePlace(name, workers, width, top);
    fanOuts.push(place.place);
    top = place.bottom;
  }
  const stations = new Map<string, Point>();
  const ways = new Map<string, readonly Point[]>();
  for (const { name, source, topic, lanes } of fanOuts) {
    stations.set(station.source(name), source);
    stations.set(station.topic(name), topic);
    ways.set(`${station.source(name)}>${station.topic(name)}`, [source, topic]);
    for (const lane of lanes) {
      const { worker, queue, results, dead } = lane;
      const gear = lane.function;
      stations.set(station.queue(worker), queue);
      stations.set(station.function(worker), gear);
      stations.set(station.results(worker), results);
      stations.set(station.dead(worker), dead);
      ways.set(
        `${station.topic(name)}>${station.queue(worker)}`,
        narrow ? bent(topic, queue, source) : [topic, queue],
      );
      ways.set(`${station.queue(worker)}>${station.function(worker)}`, [queue, gear]);
      ways.set(`${station.function(worker)}>${station.queue(worker)}`, [gear, queue]);
      ways.set(`${station.function(worker)}>${station.results(worker)}`, [gear, results]);
      ways.set(`${station.function(worker)}>${station.dead(worker)}`, [gear, dead]);
      ways.set(`${station.queue(worker)}>${station.dead(worker)}`, [queue, dead]);
      ways.set(`${station.dead(worker)}>${station.queue(worker)}`, [dead, queue]);
    }
  }
  return { width, height: top + (narrow ? 20 : 64), narrow, fanOuts, ways, stations };
}

type Workers = Topology["fanOuts"][number]["workers"];

function widePlace(name: string, workers: Workers, width: number, top: number) {
  const x = (part: number) => Math.round(width * part);
  const lanes = workers.map(({ name: worker }, index): Lane => {
    const laneTop = top + index * LANE;
    const y = laneTop + 92;
    return {
      worker,
      top: laneTop,
      queue: { x: x(0.4), y, size: Math.min(240, x(0.2)) },
      function: { x: x(0.625), y: y + 4, size: 132 },
      results: { x: x(0.87), y: y - 2, size: Math.min(190, x(0.2)) },
      dead: { x: x(0.555), y: y + 104, size: 84 },
    };
  });
  const bottom = top + Math.max(1, workers.length) * LANE;
  const middle = (top + bottom) / 2 - 26;
  const place = {
    ...{ name, lanes },
    source: { x: x(0.085), y: middle, size: 118 },
    topic: { x: x(0.225), y: middle - 8, size: 96 },
  };
  return { place, bottom };
}

function narrowPlace(name: string, workers: Workers, width: number, top: number) {
  const x = (part: number) => Math.round(width * part);
  const head = 196;
  const lanes = workers.map(({ name: worker }, index): Lane => {
    const laneTop = top + head + index * NARROW_LANE;
    const y = laneTop + 102;
    return {
      worker,
      top: laneTop,
      queue: { x: x(0.2), y, size: Math.min(150, x(0.3)) },
      function: { x: x(0.5), y: y + 2, size: Math.min(104, x(0.26)) },
      results: { x: x(0.81), y, size: Math.min(150, x(0.33)) },
      dead: { x: 58, y: y + 166, size: 72 },
    };
  });
  const place = {
    ...{ name, lanes },
    source: { x: x(0.25), y: top + 74, size: 88 },
    topic: { x: x(0.7), y: top + 66, size: 84 },
  };
  return { place, bottom: top + head + Math.max(1, workers.length) * NARROW_LANE };
}

/** Down beside the lanes, so that the way does not cross what stands between. */
function bent(from: Point, to: Point, source: Point): Point[] {
  const [x, y] = [12, source.y + 92];
  return [from, { x: from.x, y }, { x, y }, { x, y: to.y }, to];
}
