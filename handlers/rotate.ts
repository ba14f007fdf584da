import { createHandler, environment } from "../src/delivery/handler.ts";
import { rotate } from "../src/processing/rotate.ts";

export const handler = createHandler(rotate({ angle: Number(environment("ANGLE")) }));
