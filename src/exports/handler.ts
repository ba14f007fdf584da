/// <reference types="node" preserve="true" />
/** What your own handler imports: `image-machine/handler`. */
export {
  type ImageOperation,
  ImageRejected,
  type Limits,
  type Notes,
  type ProcessedImage,
  type RejectionCode,
} from "image-turn";
export { rejectBadImages } from "../delivery/bad-image.ts";
export { createHandler, environment, type Handler } from "../delivery/handler.ts";
