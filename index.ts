import { readSettings } from "./src/settings.ts";
import { ImageFanOut } from "./src/topology/image-fan-out.ts";
import { RotationWorker } from "./src/topology/rotation-worker.ts";

// The machine: every image that is dropped into the source bucket goes to every worker below.
const fanOut = new ImageFanOut("images", readSettings());

new RotationWorker("clockwise", { fanOut, angle: 90 });
new RotationWorker("counter-clockwise", { fanOut, angle: -90 });

export const sourceBucket = fanOut.source.bucket;
export const resultsBucket = fanOut.results.bucket;
export const topic = fanOut.topic.arn;
/** Where alarms go, for a pager to subscribe to. */
export const alarmTopic = fanOut.alarmTopic.arn;
/** Per worker: queue, dead-letter queue, function, log group, the prefix of its results, and its angle. */
export const workers = fanOut.workers;
