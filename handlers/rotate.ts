import { type RotateOptions, rotate } from "image-turn";
import { createHandler, environment } from "../src/delivery/handler.ts";

type Told = Required<RotateOptions>;

export const handler = createHandler(
  rotate({
    angle: Number(environment("ANGLE")),
    damaged: environment("DAMAGED") as Told["damaged"],
    metadata: environment("METADATA") as Told["metadata"],
  }),
);
