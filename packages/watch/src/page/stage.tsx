import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { ImageSummary, Snapshot, Tick, WorkerView } from "../protocol.ts";
import { Part, type PartName, Room } from "./drawing.tsx";
import { type FanOutPlace, type Lane, type Layout, layoutOf, type Point, type Thing } from "./layout.ts";
import { Picture } from "./picture.tsx";
import type { Known } from "./state.ts";
import { Thumbnails } from "./thumbnails.ts";
import { Travel } from "./travel.ts";
import { count, doesWhat } from "./words.ts";

export interface StageProps {
  readonly known: Known;
  /** Has the stage told of news. @returns what ends it */
  readonly onNews: (listener: (news: Snapshot | Tick) => void) => () => void;
  readonly onOpen: (image: ImageSummary) => void;
  readonly onRejected: (worker: string) => void;
}

/** Milliseconds between two pictures in one frame. */
const HANG_MS = 250;

const GEARS: readonly PartName[] = ["brass", "copper", "steel"];

/** The machine, and images that travel through it. */
export function Stage({ known, onNews, onOpen, onRejected }: StageProps) {
  const box = useRef<HTMLElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [shown, setShown] = useState<ReadonlyMap<string, ImageSummary>>(new Map());
  const { topology } = known;
  const layout = useMemo(() => layoutOf(topology, width), [topology, width]);
  const workers = useMemo(
    () => new Map(topology.fanOuts.flatMap((fanOut) => fanOut.workers.map((each) => [each.name, each]))),
    [topology],
  );
  const now = useRef({ layout, known, workers, setShown });
  now.current = { layout, known, workers, setShown };
  const travel = useRef<Travel | undefined>(undefined);

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    setWidth(element.clientWidth);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    if (!box.current || !canvas.current) return;
    const animation = animate(box.current, canvas.current, now, onNews);
    travel.current = animation?.travel;
    return animation?.stop;
  }, [onNews]);

  const find = (event: MouseEvent): ImageSummary | undefined => {
    const { left, top } = canvas.current?.getBoundingClientRect() ?? { left: 0, top: 0 };
    return travel.current?.imageAt({ x: event.clientX - left, y: event.clientY - top });
  };
  const [first] = layout.fanOuts;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the images below the stage are buttons for the same.
    <section
      class={`stage ${layout.narrow ? "narrow" : ""}`}
      aria-label="The machine"
      ref={box}
      style={{ height: `${layout.height}px` }}
      onClick={(event) => {
        const image = find(event);
        if (image) onOpen(image);
      }}
      onMouseMove={(event) => {
        if (box.current) box.current.style.cursor = find(event) ? "pointer" : "";
      }}
    >
      <Room />
      <div class="beam" />
      <div class="floor" />
      {width > 0 && <Ways layout={layout} />}
      {layout.fanOuts.map((place, index) => (
        <FanOutStations key={place.name} place={place} view={topology.fanOuts[index]} known={known} />
      ))}
      {[...layout.lanes].map(([worker, lane], index) => (
        <LaneStations
          key={worker}
          lane={lane}
          narrow={layout.narrow}
          worker={workers.get(worker)}
          gear={GEARS[index % GEARS.length] ?? "brass"}
          known={known}
          shown={shown.get(worker)}
          onOpen={onOpen}
          onRejected={onRejected}
        />
      ))}
      <canvas ref={canvas} />
      {known.images.size === 0 && known.abilities.act && first && !layout.narrow && (
        <StartHere source={first.source} />
      )}
      {!layout.narrow && <Decoration isSmall={(layout.fanOuts.at(-1)?.lanes.length ?? 2) < 2} />}
    </section>
  );
}

/** What to do where nothing has happened yet, above the bucket. */
function StartHere({ source }: { readonly source: FanOutPlace["source"] }) {
  return (
    <p class="start" style={{ top: `${Math.max(26, source.y - source.size * 0.7 - 84)}px` }}>
      <strong>Start here:</strong> drop a picture into the bucket.
    </p>
  );
}

function Decoration({ isSmall }: { readonly isSmall: boolean }) {
  return (
    <>
      <div class="bunting">
        <Part name="bunting" />
      </div>
      <div class={`cat ${isSmall ? "small" : ""}`}>
        <Part name="cat" />
      </div>
    </>
  );
}

interface Current {
  readonly layout: Layout;
  readonly known: Known;
  readonly workers: ReadonlyMap<string, WorkerView>;
  readonly setShown: (
    update: (shown: ReadonlyMap<string, ImageSummary>) => ReadonlyMap<string, ImageSummary>,
  ) => void;
}

/** Draws what travels, frame by frame, while there is something to draw. */
function animate(
  box: HTMLElement,
  canvas: HTMLCanvasElement,
  now: { readonly current: Current },
  onNews: StageProps["onNews"],
): { readonly travel: Travel; readonly stop: () => void } | undefined {
  const context = canvas.getContext("2d");
  if (!context) return undefined;
  const reduced = matchMedia("(prefers-reduced-motion: reduce)");
  let frame = 0;
  let last = 0;
  const wake = () => {
    last = performance.now();
    frame ||= requestAnimationFrame(draw);
  };
  const thumbnails = new Thumbnails(wake);
  const travel = new Travel({
    layout: () => now.current.layout,
    angleOf: (worker) => {
      const angle = now.current.workers.get(worker)?.angle ?? 0;
      return angle > 180 ? angle - 360 : angle;
    },
    waitingOf: (worker) => now.current.known.counts.workers[worker]?.waiting ?? 0,
    pictureOf: (image) => thumbnails.of(image),
    isStill: () => reduced.matches,
    onResult: (worker, image) => {
      if (hung.size === 0) setTimeout(hang, HANG_MS);
      hung.set(worker, image);
    },
  });
  /** Results that came since the last were hung: no eye follows more than a few a second. */
  const hung = new Map<string, ImageSummary>();
  const hang = () => {
    const hanging = [...hung];
    hung.clear();
    now.current.setShown((shown) => new Map([...shown, ...hanging]));
  };
  const draw = (time: number) => {
    frame = 0;
    const { width, height } = now.current.layout;
    const ratio = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    travel.draw(context, time);
    turnGears(box, travel, now.current.known);
    look(box, travel.focus);
    // What has come to rest settles for a moment.
    if (travel.busy) last = time;
    if (time - last < 1000) frame = requestAnimationFrame(draw);
    else box.querySelectorAll(".turning").forEach((each) => void each.classList.remove("turning"));
  };
  const stop = onNews((news) => {
    if (news.kind === "snapshot") {
      if (news.status.state === "running") thumbnails.retry();
      travel.place(news.images, performance.now());
      now.current.setShown(() => lastResults(news.images));
    } else {
      travel.move(news.images, news.flow, performance.now());
    }
    wake();
  });
  const observer = new ResizeObserver(wake);
  observer.observe(box);
  return {
    travel,
    stop() {
      stop();
      observer.disconnect();
      cancelAnimationFrame(frame);
    },
  };
}

/** The newest image of each worker that has a result. */
function lastResults(images: readonly ImageSummary[]): Map<string, ImageSummary> {
  const last = new Map<string, ImageSummary>();
  for (const image of images) {
    for (const { worker, state } of image.legs) if (state === "done") last.set(worker, image);
  }
  return last;
}

function turnGears(box: HTMLElement, { turning, busy }: Travel, { counts }: Known): void {
  for (const gear of box.querySelectorAll<HTMLElement>("[data-gear]")) {
    const worker = gear.dataset.gear ?? "";
    const works = (counts.workers[worker]?.inFlight ?? 0) > 0 && busy;
    gear.classList.toggle("turning", turning.has(worker) || works);
  }
  for (const pulley of box.querySelectorAll(".pulley")) pulley.classList.toggle("turning", busy);
}

/** Has the cat look at something. */
function look(box: HTMLElement, focus: Point | undefined): void {
  const cat = box.querySelector<HTMLElement>(".cat");
  const pupils = cat?.querySelector(".pupil");
  if (!cat || !pupils) return;
  const eyes = { x: cat.offsetLeft + cat.offsetWidth * 0.38, y: cat.offsetTop + cat.offsetHeight * 0.27 };
  const gaze = focus ? Math.atan2(focus.y - eyes.y, focus.x - eyes.x) : -0.9;
  pupils.setAttribute(
    "transform",
    `translate(${(8 * Math.cos(gaze)).toFixed(1)} ${(8 * Math.sin(gaze)).toFixed(1)})`,
  );
}

function at({ x, y, size }: Thing): { left: string; top: string; width: string } {
  return { left: `${x}px`, top: `${y}px`, width: `${size}px` };
}

/** Pixels by which ropes are below the ways: pictures ride on them. */
const BELOW = 20;

/** Ropes, shelves and chutes between the stations. */
function Ways({ layout: { width, height, ways, fanOuts } }: { layout: Layout }) {
  const lines = [...ways].filter(([link]) => !link.includes("dead:") && !/^function:.*>queue:/.test(link));
  const points = (way: readonly Point[]) => way.map(({ x, y }) => `${x},${y + BELOW}`).join(" ");
  return (
    <svg class="ways" width={width} height={height} aria-hidden="true">
      {lines.map(([link, way]) => (
        <polyline key={link} class="rope-edge" points={points(way)} />
      ))}
      {lines.map(([link, way]) => (
        <polyline key={link} class="rope" points={points(way)} />
      ))}
      {fanOuts.flatMap(({ lanes }) =>
        lanes.map(({ worker, queue, function: gear, dead }) => {
          const [top, end] = [gear.y + gear.size * 0.3, dead.y - dead.size * 0.3];
          const chute = `M${gear.x},${top}C${gear.x},${end} ${dead.x},${top} ${dead.x},${end}`;
          return (
            <g key={worker}>
              <path class="chute-edge" d={chute} />
              <path class="chute" d={chute} />
              <Shelf {...queue} />
            </g>
          );
        }),
      )}
    </svg>
  );
}

/** The shelf of a queue, that pictures stand on. */
function Shelf({ x, y, size }: Thing) {
  const [left, top] = [x - size / 2, y + 20];
  return (
    <g class="shelf">
      {[0.18, 0.82].map((part) => (
        <g
          key={part}
          transform={`translate(${left + size * part} ${top + 10}) scale(${part < 0.5 ? 0.62 : -0.62} 0.62)`}
        >
          <use href="#bracket" />
        </g>
      ))}
      <rect x={left} y={top} width={size} height="15" rx="4" fill="url(#wood)" />
      <path d={`M${left + 14},${top + 6}h${size * 0.3}M${left + size * 0.5},${top + 9}h${size * 0.36}`} />
    </g>
  );
}

interface FanOutProps {
  readonly place: FanOutPlace;
  readonly view: Known["topology"]["fanOuts"][number] | undefined;
  readonly known: Known;
}

function FanOutStations({ place: { source, topic }, view, known }: FanOutProps) {
  const { fanOuts } = known.topology;
  const from = fanOuts.find(({ results }) => results === view?.source);
  const isOnly = fanOuts.every(
    (each) => each === view || fanOuts.some(({ results }) => results === each.source),
  );
  return (
    <>
      <div class="station bucket" style={at(source)}>
        <Part name="bucket" />
      </div>
      <Tag at={{ ...source, y: source.y + source.size * 0.7 }} step="1" title="Bucket" name={view?.source}>
        {from ? `Results of ${from.name}.` : isOnly ? "Images are put here." : `For ${view?.name}.`}
      </Tag>
      <div class="station pulley" style={at(topic)}>
        <Part name="pulley" />
      </div>
      <Tag at={{ ...topic, y: topic.y + topic.size * 0.62 }} step="2" title="Topic" name={view?.topic}>
        Tells every worker.
      </Tag>
    </>
  );
}

interface LaneProps {
  readonly lane: Lane;
  readonly narrow: boolean;
  readonly worker: WorkerView | undefined;
  readonly gear: PartName;
  readonly known: Known;
  readonly shown: ImageSummary | undefined;
  readonly onOpen: (image: ImageSummary) => void;
  readonly onRejected: (worker: string) => void;
}

function LaneStations({ lane, narrow, worker, gear, known, shown, onOpen, onRejected }: LaneProps) {
  if (!worker) return null;
  const { queue, function: middle, results, dead } = lane;
  const counts = known.counts.workers[lane.worker];
  const waiting = counts?.waiting ?? 0;
  const letters = counts?.dead ?? 0;
  const reason = lastReason(known, lane.worker);
  const said = letters > 0 ? reason : reason && `Taken out: ${reason}`;
  return (
    <>
      <Tag at={{ ...queue, y: queue.y + 62 }} step="3" title="Queue" name={worker.queue} number={waiting}>
        Images wait their turn.
      </Tag>
      <div class="station gear" style={at(middle)} data-gear={lane.worker}>
        <Part name={gear} />
      </div>
      <Tag at={{ ...middle, y: lane.top + 2 }} step="4" title={lane.worker} name={worker.function} up>
        {worker.told ? `Only of ${worker.told}.` : doesWhat(worker)}
      </Tag>
      <div class="station frame" style={at(results)}>
        <Part name="frame" />
        {shown && (
          <button type="button" onClick={() => onOpen(shown)}>
            <Picture image={shown} size="large" worker={lane.worker} alt={`${shown.key} of ${lane.worker}`} />
          </button>
        )}
      </div>
      <Tag
        at={{ ...results, y: results.y + results.size * 0.46 }}
        step="5"
        title="Results"
        number={counts?.done}
      >
        {shown ? shown.key : "They come here."}
      </Tag>
      <div class={`station crate ${letters > 0 ? "full" : ""}`} style={at(dead)}>
        <Part name="crate" />
      </div>
      <button
        type="button"
        class={`tag dead ${letters > 0 ? "full" : ""} ${said ? "said" : ""}`}
        style={{
          left: `${dead.x + dead.size / 2 + 8}px`,
          top: `${dead.y - 44}px`,
          maxWidth: narrow
            ? ""
            : `${Math.min(230, results.x - results.size / 2 - 14 - dead.x - dead.size / 2)}px`,
        }}
        title={worker.deadLetterQueue}
        onClick={() => onRejected(lane.worker)}
      >
        <strong>
          Dead letters <b class="number">{count(letters)}</b>
        </strong>
        <span>{said ?? (letters > 0 ? "What could not be done." : "What cannot be done, and why.")}</span>
      </button>
    </>
  );
}

/** Why a worker rejected the last image that it did. */
function lastReason({ images }: Known, worker: string): string | undefined {
  let reason: string | undefined;
  for (const { legs } of images.values()) {
    const leg = legs.find((each) => each.worker === worker);
    if ((leg?.state === "rejected" || leg?.state === "dropped") && leg.reason) reason = leg.reason;
  }
  return reason;
}

interface TagProps {
  readonly at: Pick<Thing, "x" | "y" | "room">;
  readonly step: string;
  readonly title: string;
  /** As it is called elsewhere. */
  readonly name?: string | undefined;
  readonly number?: number | undefined;
  /** Whether it hangs above its point. */
  readonly up?: boolean;
  readonly children?: preact.ComponentChildren;
}

/** A paper tag at a station. */
function Tag({ at: { x, y, room }, step, title, name, number, up, children }: TagProps) {
  return (
    <div
      class={`tag ${up ? "up" : ""}`}
      style={{ left: `${x}px`, top: `${y}px`, maxWidth: room ? `${room}px` : "" }}
      title={name}
    >
      <strong>
        <i>{step}</i> {title} {number !== undefined && <b class="number">{count(number)}</b>}
      </strong>
      <span>{children}</span>
    </div>
  );
}
