import { createHandler, environment } from "../src/delivery/handler.ts";
import { type ThumbnailOptions, thumbnail } from "../src/thumbnail.ts";

export const handler = createHandler(
  thumbnail({
    longestSide: Number(environment("LONGEST_SIDE")),
    format: environment("FORMAT") as ThumbnailOptions["format"],
  }),
);
