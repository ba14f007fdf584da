import { useState } from "preact/hooks";
import type { ImageSummary } from "../protocol.ts";
import { pictureAddress } from "./api.ts";

export interface PictureProps {
  readonly image: Pick<ImageSummary, "id">;
  readonly size: "thumb" | "large";
  readonly worker?: string;
  readonly alt: string;
}

/** A picture of an image as the server made it, or a sign that there is none. */
export function Picture({ image, size, worker, alt }: PictureProps) {
  const address = pictureAddress(image, size, worker);
  const [broken, setBroken] = useState("");
  if (broken === address) {
    if (alt === "") return <span class="no-picture">no picture</span>;
    return (
      <span class="no-picture" role="img" aria-label={`${alt}: there is no picture of it`}>
        no picture
      </span>
    );
  }
  return <img src={address} alt={alt} loading="lazy" decoding="async" onError={() => setBroken(address)} />;
}
