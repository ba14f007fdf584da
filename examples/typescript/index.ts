import { ImageFanOut, RotationWorker } from "image-machine";

const fanOut = new ImageFanOut("images", { retention: "destroy" });

new RotationWorker("clockwise", { fanOut, angle: 90 });
new RotationWorker("counter-clockwise", { fanOut, angle: -90 });

export const sourceBucket = fanOut.source.bucket;
export const resultsBucket = fanOut.results.bucket;
export const topic = fanOut.topic.arn;
export const alarmTopic = fanOut.alarmTopic.arn;
export const workers = fanOut.workers;
