import { rotate } from "image-turn";
import { createHandler, environment } from "../src/delivery/handler.ts";

export const handler = createHandler(
  rotate({
    angle: Number(environment("ANGLE")),
    damaged: environment("DAMAGED") as "repair" | "reject",
  }),
);
