import type { ImageSummary } from "../protocol.ts";
import { pictureAddress } from "./api.ts";

/** Thumbnails that are kept, and that are fetched at once. */
const MAX_KEPT = 300;
const AT_ONCE = 4;

/** Fetches small pictures for the canvas, a few at a time. */
export class Thumbnails {
  readonly #kept = new Map<string, HTMLImageElement>();
  readonly #wanted: ImageSummary[] = [];
  #fetching = 0;
  readonly #onLoad: () => void;

  constructor(onLoad: () => void) {
    this.#onLoad = onLoad;
  }

  /** A picture, once it is there; `none` of a file that is no image. */
  of(image: ImageSummary): HTMLImageElement | "none" | undefined {
    const known = this.#kept.get(image.id);
    if (known?.src) return known.naturalWidth > 0 ? known : known.complete ? "none" : undefined;
    if (known) return undefined;
    this.#kept.set(image.id, new Image());
    this.#wanted.push(image);
    this.#next();
    for (const id of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT) break;
      this.#kept.delete(id);
    }
    return undefined;
  }

  /** Fetches those anew, once they are wanted, that were not to be had. */
  retry(): void {
    for (const [id, { src, complete, naturalWidth }] of this.#kept) {
      if (src && complete && naturalWidth === 0) this.#kept.delete(id);
    }
  }

  #next(): void {
    if (this.#fetching >= AT_ONCE) return;
    // Whoever was asked for last is seen now.
    const image = this.#wanted.pop();
    const element = image && this.#kept.get(image.id);
    if (!element) return;
    this.#fetching++;
    const done = () => {
      this.#fetching--;
      this.#onLoad();
      this.#next();
    };
    element.onload = done;
    element.onerror = done;
    element.src = pictureAddress(image, "thumb");
  }
}
