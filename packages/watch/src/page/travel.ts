import type { ImageSummary, Leg } from "../protocol.ts";
import type { Lane, Layout, Point } from "./layout.ts";
import { routeOf, type Stop, stopOf } from "./route.ts";

/** Pictures that are shown on their way at once; further images are seen as flow. */
const MAX_PICTURES = 60;
const MAX_SPECKS = 160;
/** Cards that stand on a shelf for images without a picture; fewer are on their way there, and will have one. */
const MAX_CARDS = 20;
const MIN_CARDS = 5;
/** Pictures that lie in one dead-letter crate. */
const MAX_DEAD = 3;
/** Milliseconds of a leg of the way, for the eye to follow; and where there is much to follow. */
const LEG_MS = 620;
const FAST_MS = 260;
/** Milliseconds that a picture is seen being turned, at least. */
const TURN_MS = 520;
/** Milliseconds in which it comes to rest in its row. */
const SETTLE_MS = 300;
const SPECK_MS = 700;
/** Size of a travelling picture. */
const WIDE = 46;
const HIGH = 35;

interface Picture {
  readonly image: ImageSummary;
  readonly worker: string;
  /** Where it is, or was last. */
  stop: Stop;
  /** Where it will be, the next first. */
  readonly route: Stop[];
  /** The way to the next stop, where it is on it. */
  way: readonly Point[] | undefined;
  at: Point;
  /** When it came to its stop, or set out from there. */
  since: number;
  /** Degrees. */
  angle: number;
}

interface Speck {
  readonly way: readonly Point[];
  readonly since: number;
  readonly bad: boolean;
}

export interface TravelOptions {
  readonly layout: () => Layout;
  /** Degrees that a worker turns by. */
  readonly angleOf: (worker: string) => number;
  /** How many wait in a worker's queue. */
  readonly waitingOf: (worker: string) => number;
  /** A picture of an image, once it is there; `none` of what is no image. */
  readonly pictureOf: (image: ImageSummary) => HTMLImageElement | "none" | undefined;
  readonly isStill: () => boolean;
  /** Told when an image came to a worker's results, for the eye. */
  readonly onResult: (worker: string, image: ImageSummary) => void;
}

/** Moves small pictures between the stations of the stage. */
export class Travel {
  readonly #options: TravelOptions;
  readonly #pictures = new Map<string, Picture>();
  #specks: Speck[] = [];
  /** Workers whose gear something is at. */
  readonly turning = new Set<string>();

  constructor(options: TravelOptions) {
    this.#options = options;
  }

  /** Puts everything where it is, without a journey; what is on its way already goes on from where it is. */
  place(images: Iterable<ImageSummary>, now: number): void {
    const there = new Set<string>();
    for (const image of images) {
      for (const leg of image.legs) {
        const stop = stopOf(leg);
        if (stop === "gone" || stop === "results") continue;
        there.add(idOf(image, leg));
        const known = this.#pictures.get(idOf(image, leg));
        if (known) plan(known, leg);
        else this.#add(image, leg, stop, now);
      }
    }
    for (const [id, { route }] of this.#pictures) {
      if (!there.has(id) && route.length === 0) this.#pictures.delete(id);
    }
  }

  /** Takes images that are new or have changed, and how many passed each way. */
  move(images: readonly ImageSummary[], flow: Readonly<Record<string, number>>, now: number): void {
    const still = this.#options.isStill();
    for (const image of images) {
      for (const leg of image.legs) {
        const isSeen = stopOf(leg) !== "gone" && !(leg.state === "done" && still);
        const picture =
          this.#pictures.get(idOf(image, leg)) ?? (isSeen && this.#add(image, leg, "source", now));
        if (picture) plan(picture, leg);
        else if (leg.state === "done") this.#options.onResult(leg.worker, image);
      }
    }
    if (!still) this.#addSpecks(flow, now);
  }

  #add(image: ImageSummary, { worker }: Leg, stop: Exclude<Stop, "gone">, now: number): Picture | undefined {
    const lane = this.#options.layout().lanes.get(worker);
    if (!lane || (this.#pictures.size >= MAX_PICTURES && !this.#makeRoom())) return undefined;
    const { x, y } = lane[stop];
    const picture: Picture = {
      image,
      worker,
      stop,
      route: [],
      way: undefined,
      at: { x, y },
      since: now,
      angle: 0,
    };
    if (stop === "source") {
      // It falls into the bucket first.
      picture.at = { x, y: y - 120 };
      picture.route.push("source");
    }
    this.#pictures.set(idOf(image, picture), picture);
    return picture;
  }

  /** Takes away one that rests in a crate, as there are others to be seen. */
  #makeRoom(): boolean {
    for (const [id, { stop, route }] of this.#pictures) {
      if (stop === "dead" && route.length === 0) return this.#pictures.delete(id);
    }
    return false;
  }

  #addSpecks(flow: Readonly<Record<string, number>>, now: number): void {
    const { ways } = this.#options.layout();
    for (const [link, count] of Object.entries(flow)) {
      const way = ways.get(link);
      // A few are seen as pictures.
      if (!way || count < 4) continue;
      const specks = Math.min(6, Math.ceil(Math.log2(count)));
      for (let i = 0; i < specks && this.#specks.length < MAX_SPECKS; i++) {
        this.#specks.push({ way, since: now + (i * 100) / specks, bad: link.includes(">dead:") });
      }
    }
  }

  /** Whether anything has to be drawn again. */
  get busy(): boolean {
    return this.#specks.length > 0 || this.focus !== undefined;
  }

  /** Where the last one that moves is. */
  get focus(): Point | undefined {
    return [...this.#pictures.values()].findLast(({ route }) => route.length > 0)?.at;
  }

  /** The image whose picture is at a point. */
  imageAt({ x, y }: Point): ImageSummary | undefined {
    const isThere = ({ at }: Picture) => Math.abs(at.x - x) < WIDE / 2 && Math.abs(at.y - y) < WIDE / 2;
    return [...this.#pictures.values()].findLast(isThere)?.image;
  }

  /** Moves all on, and draws them. */
  draw(context: CanvasRenderingContext2D, now: number): void {
    const { width, height } = this.#options.layout();
    context.clearRect(0, 0, width, height);
    this.turning.clear();
    this.#drawSpecks(context, now);
    const rows = this.#rows();
    this.#drawWaiting(context, rows);
    const pace = this.#pictures.size > 24 ? FAST_MS : LEG_MS;
    for (const [id, picture] of this.#pictures) {
      if (!this.#advance(picture, now, pace, rows)) this.#pictures.delete(id);
      else this.#drawPicture(context, picture);
    }
  }

  /** Pictures that rest at each stop of each worker, those that came first first. */
  #rows(): Map<string, Picture[]> {
    const resting = [...this.#pictures.values()].filter(({ route }) => route.length === 0);
    return Map.groupBy(resting, rowOf);
  }

  /** @returns whether it is still to be seen */
  #advance(picture: Picture, now: number, pace: number, rows: Map<string, Picture[]>): boolean {
    const { worker, image, stop } = picture;
    const lane = this.#options.layout().lanes.get(worker);
    const [next] = picture.route;
    if (!lane || stop === "gone" || next === "gone") return false;
    const still = this.#options.isStill();
    const part = (ms: number) => (still ? 1 : Math.min(1, (now - picture.since) / ms));
    if (!picture.way) {
      if (stop === "function") {
        this.turning.add(worker);
        picture.angle = this.#options.angleOf(worker) * ease(part(TURN_MS));
        // It is seen being turned before it leaves.
        if (part(TURN_MS) < 1) return true;
      }
      if (next === undefined) {
        const row = rows.get(rowOf(picture)) ?? [];
        const index = row.indexOf(picture);
        if (stop === "dead" && row.length - index > MAX_DEAD) return false;
        picture.at = mix(picture.at, restIn(lane, stop, index, row.length), part(SETTLE_MS));
        return true;
      }
      const bends = stop === "topic" && next === "queue" ? lane.bends : [];
      picture.way = [picture.at, ...bends, lane[next]];
      picture.since = now;
    }
    if (next === undefined) return true;
    const falls = next === "dead" || next === "source";
    picture.at = along(picture.way, falls ? part(pace) ** 2 : ease(part(pace)));
    if (next === "dead") picture.angle += 6;
    if (part(pace) < 1) return true;
    picture.route.shift();
    Object.assign(picture, { stop: next, way: undefined, since: now });
    if (next === "queue") picture.angle = 0;
    if (next !== "results") return true;
    this.#options.onResult(worker, image);
    return false;
  }

  /** Cards on each shelf for images that wait and are not seen one by one. */
  #drawWaiting(context: CanvasRenderingContext2D, rows: Map<string, Picture[]>): void {
    context.lineWidth = 2.5;
    context.strokeStyle = "#2a2430";
    context.fillStyle = "#fbf6ea";
    for (const [worker, lane] of this.#options.layout().lanes) {
      const seen = rows.get(rowOf({ stop: "queue", worker }))?.length ?? 0;
      const cards = Math.min(MAX_CARDS, this.#options.waitingOf(worker)) - seen;
      if (cards < MIN_CARDS) continue;
      for (let index = seen; index < seen + cards; index++) {
        const { x, y } = inRow(lane, index, seen + cards);
        context.beginPath();
        context.rect(x - WIDE / 2, y - HIGH / 2, WIDE, HIGH);
        context.fill();
        context.stroke();
      }
    }
  }

  #drawSpecks(context: CanvasRenderingContext2D, now: number): void {
    this.#specks = this.#specks.filter(({ since }) => now - since < SPECK_MS);
    context.lineWidth = 2;
    context.strokeStyle = "#2a2430";
    for (const { way, since, bad } of this.#specks) {
      if (now < since) continue;
      const { x, y } = along(way, (now - since) / SPECK_MS);
      context.fillStyle = bad ? "#e5433a" : "#fff2c4";
      context.beginPath();
      context.rect(x - 7, y - 5, 14, 10);
      context.fill();
      context.stroke();
    }
  }

  #drawPicture(context: CanvasRenderingContext2D, { image, at, angle }: Picture): void {
    const picture = this.#options.pictureOf(image);
    context.save();
    context.translate(at.x, at.y);
    context.rotate((angle * Math.PI) / 180);
    let [wide, high] = [WIDE, HIGH];
    if (typeof picture === "object") {
      const scale = Math.min(WIDE / picture.width, WIDE / picture.height);
      [wide, high] = [Math.max(16, picture.width * scale), Math.max(16, picture.height * scale)];
    }
    context.fillStyle = "#2a2430";
    context.fillRect(-wide / 2 - 4.5, -high / 2 - 4.5, wide + 9, high + 9);
    context.fillStyle = "#fbf6ea";
    context.fillRect(-wide / 2 - 2, -high / 2 - 2, wide + 4, high + 4);
    if (typeof picture === "object") context.drawImage(picture, -wide / 2, -high / 2, wide, high);
    else if (picture === "none") {
      context.fillStyle = "#8a7f93";
      context.font = "600 17px system-ui, sans-serif";
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.fillText("?", 0, 1);
    }
    context.restore();
  }
}

/** Has a picture go on to where its image is. */
function plan({ stop, route }: Picture, leg: Leg): void {
  route.push(...routeOf(route.at(-1) ?? stop, leg));
}

/** Where a picture rests that has come to a stop: in a row on the shelf, in the crate, or in the middle. */
function restIn(lane: Lane, stop: Exclude<Stop, "gone">, index: number, count: number): Point {
  if (stop === "queue") return inRow(lane, index, count);
  const { x, y } = lane[stop];
  return stop === "dead" ? { x: x + (count - 1 - index) * 15 - 12, y: y - 30 + (index % 2) * 5 } : { x, y };
}

/** On the shelf, the first one nearest to the gear. */
function inRow({ queue }: Lane, index: number, count: number): Point {
  const step = Math.min(WIDE * 0.72, Math.max(6, (queue.size - WIDE) / Math.max(1, count - 1)));
  return { x: queue.x + queue.size / 2 - WIDE / 2 - 6 - index * step, y: queue.y };
}

function idOf({ id }: ImageSummary, { worker }: { readonly worker: string }): string {
  return `${id} ${worker}`;
}

function rowOf({ stop, worker }: Pick<Picture, "stop" | "worker">): string {
  return `${stop} ${worker}`;
}

function mix(from: Point, to: Point, part: number): Point {
  return { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part };
}

function ease(part: number): number {
  return part * part * (3 - 2 * part);
}

/** A point of a way of straight lines, by the part of it that is behind. */
function along(way: readonly Point[], part: number): Point {
  const lengths = way.slice(1).map((to, i) => Math.hypot(to.x - (way[i]?.x ?? 0), to.y - (way[i]?.y ?? 0)));
  let left = part * lengths.reduce((all, each) => all + each, 0);
  for (const [i, length] of lengths.entries()) {
    const [from, to] = [way[i], way[i + 1]];
    if (!from || !to) break;
    if (left <= length) return mix(from, to, length === 0 ? 1 : left / length);
    left -= length;
  }
  return way.at(-1) ?? { x: 0, y: 0 };
}
