/** What your program imports: `image-machine`. Importing it declares nothing and reads no configuration. */
export { sharpLayer } from "../packaging/sharp-layer.ts";
export { readSettings } from "../settings.ts";
export { ArgumentError } from "../topology/argument-error.ts";
export type { ImageFanOutTransform } from "../topology/fan-out-transform.ts";
export { type FanOutNodes, ImageFanOut, type ImageFanOutArgs } from "../topology/image-fan-out.ts";
export {
  ImageWorker,
  type ImageWorkerArgs,
  type ImageWorkerNodes,
} from "../topology/image-worker.ts";
export type { Listener } from "../topology/listeners.ts";
export type { FanOutOutputs } from "../topology/origin.ts";
export { RotationWorker, type RotationWorkerArgs } from "../topology/rotation-worker.ts";
export type * from "../topology/setting-types.ts";
export { ThumbnailWorker, type ThumbnailWorkerArgs } from "../topology/thumbnail-worker.ts";
export type { ImageWorkerTransform } from "../topology/worker-transform.ts";
