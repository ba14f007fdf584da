import { createContext } from "preact";
import { useContext, useState } from "preact/hooks";
import type { ImageSummary } from "../protocol.ts";
import { pictureAddress } from "./api.ts";

export interface PictureProps {
  readonly image: Pick<ImageSummary, "id">;
  readonly size: "thumb" | "large";
  readonly worker?: string;
  readonly alt: string;
}

/** When the machine came back: what could not be had before is asked for again. */
export const Since = createContext(0);

/** A picture of an image as the server made it, or a sign that there is none. */
export function Picture({ image, size, worker, alt }: PictureProps) {
  const since = useContext(Since);
  const address = pictureAddress(image, size, worker);
  const [broken, setBroken] = useState("");
  const id = `${since} ${address}`;
  if (broken === id) {
    if (alt === "") return <span class="no-picture">no picture</span>;
    return (
      <span class="no-picture" role="img" aria-label={`${alt}: there is no picture of it`}>
        no picture
      </span>
    );
  }
  return <img src={address} alt={alt} loading="lazy" decoding="async" onError={() => setBroken(id)} />;
}
