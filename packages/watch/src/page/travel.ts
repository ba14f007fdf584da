import { type ImageSummary, type Leg, station } from "../protocol.ts";
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
const SPECK_MS = 700;
/** Size of a travelling picture. */
const WIDE = 46;
const HIGH = 35;

interface Picture {
  readonly image: ImageSummary;
  readonly worker: string;
  /** Where it was last, or is. */
  stop: Stop;
  /** Where it will be, the next first. */
  route: Stop[];
  /** Where it is in its state, which a route has been planned for. */
  planned: Stop;
  from: Point;
  at: Point;
  /** When it set out, or came to where it is. */
  since: number;
  /** Degrees. */
  angle: number;
  arrived: boolean;
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
  place(images: Iterable<ImageSummary>): void {
    const there = new Set<string>();
    for (const image of images) {
      for (const leg of image.legs) {
        const stop = stopOf(leg);
        if (stop === "gone" || stop === "results") continue;
        there.add(idOf(image, leg));
        const known = this.#pictures.get(idOf(image, leg));
        if (known) this.#plan(known, leg);
        else this.#add(image, leg, stop, 0);
      }
    }
    for (const [id, picture] of this.#pictures) {
      if (!there.has(id) && picture.route.length === 0) this.#pictures.delete(id);
    }
  }

  /** Takes images that are new or have changed, and how many passed each way. */
  move(images: readonly ImageSummary[], flow: Readonly<Record<string, number>>, now: number): void {
    const still = this.#options.isStill();
    for (const image of images) {
      for (const leg of image.legs) {
        const known = this.#pictures.get(idOf(image, leg));
        if (known) this.#plan(known, leg);
        else if (leg.state === "done" && still) this.#options.onResult(leg.worker, image);
        else if (isNewcomer(leg)) {
          const added = this.#add(image, leg, "source", now);
          if (added) this.#plan(added, leg);
          else if (leg.state === "done") this.#options.onResult(leg.worker, image);
        }
      }
    }
    if (!still) this.#addSpecks(flow, now);
  }

  #add(image: ImageSummary, leg: Leg, stop: Stop, now: number): Picture | undefined {
    if (this.#pictures.size >= MAX_PICTURES && !this.#makeRoom()) return undefined;
    const at = this.#pointOf(image, leg.worker, stop);
    const above = stop === "source" ? { x: at.x, y: at.y - 120 } : at;
    const picture: Picture = {
      ...{ image, worker: leg.worker, stop, planned: stop, route: [], from: above, at: above },
      ...{ since: now, angle: 0, arrived: stop !== "source" },
    };
    // It falls into the bucket first.
    if (stop === "source") picture.route.push("source");
    this.#pictures.set(idOf(image, leg), picture);
    return picture;
  }

  /** Takes away one that rests in a crate, as there are others to be seen. */
  #makeRoom(): boolean {
    for (const [id, { stop, route }] of this.#pictures) {
      if (stop !== "dead" || route.length > 0) continue;
      this.#pictures.delete(id);
      return true;
    }
    return false;
  }

  #plan(picture: Picture, leg: Leg): void {
    const route = routeOf(picture.planned, leg);
    picture.planned = stopOf(leg);
    picture.route.push(...route);
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
    if (this.#specks.length > 0) return true;
    for (const { route } of this.#pictures.values()) if (route.length > 0) return true;
    return false;
  }

  /** Where the last one that moves is. */
  get focus(): Point | undefined {
    let focus: Point | undefined;
    for (const { route, at } of this.#pictures.values()) if (route.length > 0) focus = at;
    return focus;
  }

  /** The image whose picture is at a point. */
  imageAt({ x, y }: Point): ImageSummary | undefined {
    let found: ImageSummary | undefined;
    for (const { image, at } of this.#pictures.values()) {
      if (Math.abs(at.x - x) < WIDE / 2 && Math.abs(at.y - y) < WIDE / 2) found = image;
    }
    return found;
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

  /** Pictures that rest in each queue and crate, those that came first first. */
  #rows(): Map<string, Picture[]> {
    const rows = new Map<string, Picture[]>();
    for (const picture of this.#pictures.values()) {
      if (picture.route.length > 0 || !(picture.stop === "queue" || picture.stop === "dead")) continue;
      const id = `${picture.stop}:${picture.worker}`;
      const row = rows.get(id);
      if (row) row.push(picture);
      else rows.set(id, [picture]);
    }
    return rows;
  }

  /** @returns whether it is still to be seen */
  #advance(picture: Picture, now: number, pace: number, rows: Map<string, Picture[]>): boolean {
    const { worker, image } = picture;
    const still = this.#options.isStill();
    if (picture.since === 0) picture.since = now;
    const turns = picture.stop === "function";
    if (turns) {
      this.turning.add(worker);
      const part = still ? 1 : Math.min(1, (now - picture.since) / TURN_MS);
      picture.angle = this.#options.angleOf(worker) * ease(part);
    }
    const [next] = picture.route;
    if (next === undefined) {
      const row = rows.get(`${picture.stop}:${worker}`) ?? [];
      const index = row.indexOf(picture);
      if (picture.stop === "dead" && index >= 0 && row.length - index > MAX_DEAD) return false;
      const goal = this.#restOf(picture, index, row.length);
      const part = still ? 1 : Math.min(1, (now - picture.since) / 300);
      picture.at = mix(picture.at, goal, part);
      return true;
    }
    if (next === "gone") {
      this.#pictures.delete(idOf(image, { worker }));
      return false;
    }
    // It is seen being turned before it leaves.
    if (turns && !still && picture.arrived && now - picture.since < TURN_MS) return true;
    if (picture.arrived) {
      picture.arrived = false;
      picture.from = picture.at;
      picture.since = now;
    }
    const way = this.#wayOf(picture, next);
    const part = still ? 1 : Math.min(1, (now - picture.since) / pace);
    picture.at = along(
      [picture.from, ...way.slice(1)],
      next === "dead" || next === "source" ? part ** 2 : ease(part),
    );
    if (next === "dead") picture.angle += 6;
    if (part < 1) return true;
    picture.stop = next;
    picture.route.shift();
    picture.arrived = true;
    picture.since = now;
    if (next === "queue") picture.angle = 0;
    if (next !== "results") return true;
    this.#options.onResult(worker, image);
    return false;
  }

  #wayOf({ image, worker, stop, at }: Picture, next: Stop): readonly Point[] {
    const to = this.#pointOf(image, worker, next);
    if (next === "source") return [at, to];
    const { ways } = this.#options.layout();
    const fanOut = this.#fanOutOf(worker)?.name ?? "";
    return ways.get(`${nameOf(stop, fanOut, worker)}>${nameOf(next, fanOut, worker)}`) ?? [at, to];
  }

  #fanOutOf(worker: string) {
    return this.#options.layout().fanOuts.find(({ lanes }) => lanes.some((lane) => lane.worker === worker));
  }

  #pointOf(_image: ImageSummary, worker: string, stop: Stop): Point {
    const { stations } = this.#options.layout();
    const fanOut = this.#fanOutOf(worker)?.name ?? "";
    return stations.get(nameOf(stop, fanOut, worker)) ?? { x: -100, y: -100 };
  }

  /** Where a picture rests that has come to a stop: in a row in the queue, in the crate, or at the gear. */
  #restOf({ image, worker, stop }: Picture, index: number, count: number): Point {
    const at = this.#pointOf(image, worker, stop);
    const lane = this.#fanOutOf(worker)?.lanes.find((each) => each.worker === worker);
    if (!lane) return at;
    if (stop === "queue") return inRow(lane, index, count);
    if (stop === "dead") return { x: at.x + (count - 1 - index) * 15 - 12, y: at.y - 30 + (index % 2) * 5 };
    return at;
  }

  /** Cards on each shelf for images that wait and are not seen one by one. */
  #drawWaiting(context: CanvasRenderingContext2D, rows: Map<string, Picture[]>): void {
    context.lineWidth = 2.5;
    context.strokeStyle = "#2a2430";
    context.fillStyle = "#fbf6ea";
    for (const { lanes } of this.#options.layout().fanOuts) {
      for (const lane of lanes) {
        const seen = rows.get(`queue:${lane.worker}`)?.length ?? 0;
        const cards = Math.min(MAX_CARDS, this.#options.waitingOf(lane.worker)) - seen;
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

/** On the shelf, the first one nearest to the gear. */
function inRow({ queue }: Lane, index: number, count: number): Point {
  const step = Math.min(WIDE * 0.72, Math.max(6, (queue.size - WIDE) / Math.max(1, count - 1)));
  return { x: queue.x + queue.size / 2 - WIDE / 2 - 6 - index * step, y: queue.y };
}

function isNewcomer({ state }: Leg): boolean {
  return state !== "not-told" && state !== "lost" && state !== "dropped" && state !== "superseded";
}

function idOf({ id }: ImageSummary, { worker }: { readonly worker: string }): string {
  return `${id} ${worker}`;
}

function nameOf(stop: Stop, fanOut: string, worker: string): string {
  if (stop === "gone") return "";
  return station[stop](stop === "source" || stop === "topic" ? fanOut : worker);
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
