import * as pulumi from "@pulumi/pulumi";
import {
  ImageFanOut,
  type ImageFanOutArgs,
  ImageWorker,
  type ImageWorkerArgs,
  RotationWorker,
  type RotationWorkerArgs,
  ThumbnailWorker,
  type ThumbnailWorkerArgs,
} from "../src/exports/index.ts";
import type { ImageMachineArgs, Permission, Worker } from "./index.ts";
import type { AlarmThreshold, FanOutSettings } from "./settings.ts";

/** Declares a machine below a component. @returns what the component shows */
export function declare(parent: pulumi.ComponentResource, name: string, args: ImageMachineArgs) {
  const { rotations = [], thumbnails = [], processors = [], ...settings } = args;
  const fanOut = new ImageFanOut(name, fanOutArgs(settings), { parent });
  const workerArgs = <Args>({ name: _, permissions, ...others }: Worker) =>
    given<Args>({ fanOut, ...others, permissions: permissions?.map(statement) });
  for (const each of rotations) new RotationWorker(each.name, workerArgs<RotationWorkerArgs>(each));
  for (const each of thumbnails) new ThumbnailWorker(each.name, workerArgs<ThumbnailWorkerArgs>(each));
  for (const each of processors) new ImageWorker(each.name, workerArgs<ImageWorkerArgs>(each));
  return {
    sourceBucket: fanOut.source.bucket,
    resultsBucket: fanOut.results.bucket,
    topic: fanOut.topic.arn,
    alarmTopic: fanOut.alarmTopic.arn,
    workers: pulumi.output(fanOut.workers),
  };
}

/** Arguments as the fan-out has them, which checks them. */
function fanOutArgs({ workers, alarms, ...others }: FanOutSettings): ImageFanOutArgs {
  const known = alarms && Object.entries(alarms).map(([kind, alarm]) => [kind, alarmOf(alarm)]);
  return given({
    ...others,
    workers: workers && given(workers),
    alarms: known && Object.fromEntries(known),
  });
}

/** A kind of alarm that is left out is `false` in place of its map. */
function alarmOf(alarm: AlarmThreshold | unknown): unknown {
  if (typeof alarm !== "object" || alarm === null || !("enabled" in alarm || "threshold" in alarm))
    return alarm;
  const { enabled = true, ...threshold } = alarm as AlarmThreshold;
  return enabled ? threshold : false;
}

function statement({ sid, actions, resources }: Permission) {
  return { Sid: sid, Effect: "Allow", Action: actions, Resource: resources };
}

/** Arguments as a fan-out or worker has them, which checks them: what is undefined is not given. */
function given<Args>(values: object): Args {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Args;
}
