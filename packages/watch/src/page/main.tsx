import "./page.css";
import { render } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { Done, ImageSummary, Snapshot, Tick } from "../protocol.ts";
import { upload } from "./api.ts";
import { Controls } from "./controls.tsx";
import { Counters } from "./counters.tsx";
import { Paints } from "./drawing.tsx";
import { Gallery } from "./gallery.tsx";
import { Since } from "./picture.tsx";
import { useSettled } from "./settled.ts";
import { Stage } from "./stage.tsx";
import { type Known, taken } from "./state.ts";
import { StoryDialog } from "./story.tsx";
import { commentaryOn, MANY } from "./words.ts";

type Listener = (news: Snapshot | Tick) => void;

/** Milliseconds that a message is shown. */
const SHOWN_MS = 8000;

/** Milliseconds for which the list of images stays as it is where many come and go: nobody could read it otherwise. */
const SETTLES_MS = 2000;

function App() {
  const { known, connected, onNews } = useNews();
  const [opened, setOpened] = useState<ImageSummary>();
  const [rejectedBy, setRejectedBy] = useState<string>();
  const [done, setDone] = useState<Done>();
  const canUpload = known?.abilities.act ?? false;
  const onDone = useCallback((what: Done) => setDone(what), []);
  const onAll = useCallback(() => setRejectedBy(undefined), []);
  const dragging = useDrop(canUpload, onDone);
  useEffect(() => {
    const timer = setTimeout(() => setDone(undefined), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [done]);
  if (!known) return <p class="connecting">{connected ? "" : "Connecting to the machine…"}</p>;
  const { topology, counts, history, images } = known;
  const { in: put, done: made, rejected } = history.at(-1) ?? { in: 0, done: 0, rejected: 0 };
  const perSecond = made + rejected;
  return (
    <Since.Provider value={known.since}>
      <Paints />
      <header class="head">
        <h1>
          Image machine <small>{topology.title && `${topology.title}, ${topology.place}`}</small>
        </h1>
        <StatusLine known={known} connected={connected} />
      </header>
      <main>
        <Counters counts={counts} history={history} />
        <Stage
          known={known}
          onNews={onNews}
          onOpen={setOpened}
          onRejected={(worker) => {
            setRejectedBy(worker);
            document.getElementById("gallery-title")?.focus();
          }}
        />
        <Commentary known={known} perSecond={perSecond} />
        <Controls known={known} onDone={onDone} />
        <Gallery
          images={images}
          settlesFor={put + perSecond > MANY ? SETTLES_MS : 0}
          rejectedBy={rejectedBy}
          onAll={onAll}
          onOpen={setOpened}
        />
      </main>
      {opened && (
        <StoryDialog
          key={opened.id}
          image={images.get(opened.id) ?? opened}
          abilities={known.abilities}
          onDone={onDone}
          onClose={() => setOpened(undefined)}
        />
      )}
      <div class="toast" role="status">
        {done && <p class={done.ok ? "good" : "bad"}>{done.message}</p>}
      </div>
      {dragging && <div class="drop-here">Drop them into the bucket</div>}
    </Since.Provider>
  );
}

/** What the server tells, and whether it does. */
function useNews() {
  const [state, setState] = useState<{ known: Known | undefined; connected: boolean }>({
    known: undefined,
    connected: false,
  });
  const listeners = useRef(new Set<Listener>());
  const last = useRef<Snapshot | undefined>(undefined);
  useEffect(() => {
    const source = new EventSource("events");
    source.onmessage = ({ data }) => {
      const news = JSON.parse(data) as Snapshot | Tick;
      if (news.kind === "snapshot") last.current = news;
      setState(({ known }) => ({ known: taken(known, news), connected: true }));
      for (const listener of listeners.current) listener(news);
    };
    // The browser tries again by itself, and is told all anew.
    source.onerror = () => setState(({ known }) => ({ known, connected: false }));
    return () => source.close();
  }, []);
  const onNews = useCallback((listener: Listener) => {
    listeners.current.add(listener);
    if (last.current) listener(last.current);
    return () => void listeners.current.delete(listener);
  }, []);
  return { ...state, onNews };
}

/** Takes files that are dropped on the page or pasted. @returns whether some are being dragged over it */
function useDrop(canUpload: boolean, onDone: (done: Done) => void): boolean {
  const [dragging, setDragging] = useState(false);
  useEffect(() => {
    const take = async (files: FileList | undefined) => {
      if (canUpload && files && files.length > 0) onDone(await upload([...files]));
    };
    const over = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setDragging(canUpload);
    };
    const leave = (event: DragEvent) => {
      if (!event.relatedTarget) setDragging(false);
    };
    const drop = (event: DragEvent) => {
      event.preventDefault();
      setDragging(false);
      void take(event.dataTransfer?.files);
    };
    const paste = (event: ClipboardEvent) => void take(event.clipboardData?.files);
    const all = [
      ["dragover", over],
      ["dragleave", leave],
      ["drop", drop],
      ["paste", paste],
    ] as const;
    for (const [name, listener] of all) addEventListener(name, listener as EventListener);
    return () => {
      for (const [name, listener] of all) removeEventListener(name, listener as EventListener);
    };
  }, [canUpload, onDone]);
  return dragging;
}

function StatusLine({ known: { status }, connected }: { known: Known; connected: boolean }) {
  const { state, message, chaos } = status;
  const [tone, text] = !connected
    ? ["bad", "The connection is lost; the page keeps trying."]
    : state === "running"
      ? chaos === undefined
        ? message === undefined
          ? ["good", "running"]
          : ["busy", `running, ${message}`]
        : ["bad", `running, and things go wrong on purpose (seed ${chaos})`]
      : state === "starting"
        ? ["busy", "starting"]
        : ["bad", message ?? "It is not running; the terminal says why."];
  return (
    <p class={`status ${tone}`} role="status">
      {text}
    </p>
  );
}

/** Milliseconds between two sentences that are read out. */
const READ_OUT_MS = 5000;

/** Says in a sentence what happened last, to those who listen not as often as it changes. */
function Commentary({ known, perSecond }: { known: Known; perSecond: number }) {
  const now = commentaryOn(known, perSecond);
  const settled = useSettled(now, READ_OUT_MS);
  return (
    <>
      <p class="commentary" aria-hidden="true">
        <bdi>{now.key}</bdi>
        {now.said}
      </p>
      <p class="hidden" aria-live="polite">
        <bdi>{settled.key}</bdi>
        {settled.said}
      </p>
    </>
  );
}

render(<App />, document.body);
