import { useMemo } from "preact/hooks";
import type { ImageSummary } from "../protocol.ts";
import { Picture } from "./picture.tsx";
import { useSettled } from "./settled.ts";
import { bytes, legInWords, STATES } from "./words.ts";

/** Images that are listed: the newest. */
const MAX_LISTED = 48;

export interface GalleryProps {
  readonly images: ReadonlyMap<string, ImageSummary>;
  /** Milliseconds for which it shows what it showed. */
  readonly settlesFor: number;
  /** The worker whose rejected images are listed alone; all images are where there is none. */
  readonly rejectedBy: string | undefined;
  readonly onAll: () => void;
  readonly onOpen: (image: ImageSummary) => void;
}

/** The newest images, and where each is. */
export function Gallery({ images, settlesFor, rejectedBy, onAll, onOpen }: GalleryProps) {
  const settled = useSettled(images, settlesFor);
  return useMemo(
    () => <Listed images={settled} rejectedBy={rejectedBy} onAll={onAll} onOpen={onOpen} />,
    [settled, rejectedBy, onAll, onOpen],
  );
}

function Listed({ images, rejectedBy, onAll, onOpen }: Omit<GalleryProps, "settlesFor">) {
  const all = [...images.values()].toReversed();
  const chosen =
    rejectedBy === undefined
      ? all
      : all.filter(({ legs }) =>
          legs.some(
            ({ worker, state }) => worker === rejectedBy && (state === "rejected" || state === "dropped"),
          ),
        );
  return (
    <section class="gallery" aria-labelledby="gallery-title">
      <header>
        <h2 id="gallery-title" tabIndex={-1}>
          {rejectedBy === undefined ? "Images" : `Rejected by ${rejectedBy}`}
        </h2>
        {rejectedBy !== undefined && (
          <button type="button" onClick={onAll}>
            Show all images
          </button>
        )}
      </header>
      {chosen.length === 0 && (
        <p class="quiet">{rejectedBy === undefined ? "None yet." : "None that this page knows."}</p>
      )}
      <ul>
        {chosen.slice(0, MAX_LISTED).map((image) => (
          <li key={image.id}>
            <Tile image={image} onOpen={onOpen} />
          </li>
        ))}
      </ul>
      {chosen.length > MAX_LISTED && <p class="quiet">The newest {MAX_LISTED} are shown.</p>}
    </section>
  );
}

function Tile({ image, onOpen }: { image: ImageSummary; onOpen: (image: ImageSummary) => void }) {
  const { key, size, legs } = image;
  return (
    <button type="button" class="tile" onClick={() => onOpen(image)}>
      <Picture image={image} size="thumb" alt="" />
      <span class="about">
        <bdi class="key">{key}</bdi>
        <small>{bytes(size)}</small>
        {[...Map.groupBy(legs, legInWords)].map(([words, alike]) => {
          const { sign, tone } = STATES[alike[0]?.state ?? "waiting"];
          return (
            <span class={`leg ${tone}`} key={words}>
              <span aria-hidden="true">{sign}</span> {alike.map(({ worker }) => worker).join(", ")}: {words}
            </span>
          );
        })}
      </span>
    </button>
  );
}
